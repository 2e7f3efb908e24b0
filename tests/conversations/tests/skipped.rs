//! Spaces that go from one schema version past the next, which devices have had: what they call by its number is then not the same.

use crate::script::{A, B, of_users, refused, status, text, value};
use crate::versions::schema;
use ebbtide_core::client::{Input, Start, TwoPhase};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

/// By the last version another table is synced that stands before the first one, and was there without sync in the second.
fn release(number: usize) -> Schema {
    with_update(number, "; UPDATE note SET title = title || '!'")
}

fn with_update(number: usize, update: &str) -> Schema {
    let migrations = [
        "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT) STRICT".into(),
        format!("CREATE TABLE aside (id TEXT PRIMARY KEY NOT NULL, number INTEGER) STRICT{update}"),
        "ALTER TABLE note ADD COLUMN colour TEXT".into(),
    ];
    let tables: &[&str] = if number == 3 { &["aside", "note"] } else { &["note"] };
    schema(&serde_json::json!(migrations[..number]), tables)
}

fn on_both_paths(script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(2, two_phase, release(1));
        talk.exec(A, "INSERT INTO note VALUES ('n', 'first')", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        script(&mut talk);
    }
}

fn titles(talk: &mut Dialogue, party: usize) -> Value {
    value(talk, party, "SELECT group_concat(id || title, ' ') FROM (SELECT * FROM note ORDER BY id)")
}

#[test]
fn cs204_a_device_that_had_a_version_that_its_space_went_past_reads_what_was_committed_under_that() {
    on_both_paths(|talk| {
        // The device takes both releases without a network; nobody opens the space in between.
        talk.restart_with(A, &release(2));
        talk.exec(A, "INSERT INTO note VALUES ('m', 'of the second')", &[]);
        talk.restart_with(A, &release(3));
        talk.deploy(&release(3));
        talk.restart_with(B, &release(3));
        [A, B, A].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
        for party in [A, B] {
            assert_eq!(titles(talk, party), text("mof the second nfirst!"), "{}", talk.transcript());
        }
    });
}

#[test]
fn sv212_what_was_sealed_under_a_version_that_the_space_went_past_is_not_read_by_another_of_that_number() {
    on_both_paths(|talk| {
        let backup = talk.space.backup();
        let [second, third] = [2, 3].map(|number| with_update(number, ""));
        talk.deploy(&second);
        talk.restart_with(A, &second);
        talk.sync(A);
        talk.exec(A, "INSERT INTO note VALUES ('m', 'of the second')", &[]);
        talk.exec(A, "UPDATE note SET title = title || '?' WHERE id = 'n'", &[]);
        // Sealed, and on its way when the space is set back to before that release, and gets the next one.
        talk.cut(A);
        assert!(!talk.durable(A).sealed.is_empty(), "{}", talk.transcript());
        talk.deploy(&third);
        talk.restore_space(&backup);
        [A, B].into_iter().for_each(|party| talk.restart_with(party, &third));
        [A, B].into_iter().for_each(|party| talk.visit(party));
        assert!(refused(talk, A).is_empty(), "{}", talk.transcript());
        assert!(!talk.transcript().contains("malformed"), "{}", talk.transcript());
        talk.assert_in_step();
        assert_eq!(titles(talk, B), text("mof the second nfirst?"), "{}", talk.transcript());
    });
}

#[test]
fn sv212_a_version_that_a_device_has_is_one_that_the_space_knows_where_both_say_the_same_of_it() {
    on_both_paths(|talk| {
        let two = |number: usize| {
            let migrations = [
                "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT) STRICT",
                "ALTER TABLE note ADD COLUMN colour TEXT",
                "ALTER TABLE note ADD COLUMN size TEXT",
            ];
            schema(&serde_json::json!(migrations[..number]), &["note"])
        };
        // The space goes past the second version; a device that has it goes on with that.
        talk.deploy(&two(3));
        talk.restart_with(A, &two(2));
        talk.exec(A, "INSERT INTO note VALUES ('m', 'of the second', 'red')", &[]);
        talk.visit(A);
        talk.input(A, Input::Tick);
        talk.restart_with(B, &two(3));
        talk.visit(B);
        assert!(refused(talk, A).is_empty(), "{}", talk.transcript());
        assert_eq!(value(talk, B, "SELECT title || colour FROM note WHERE id = 'm'"), text("of the secondred"));
    });
}

/// The same migrations, with one table or both in step.
fn few_and_more() -> [Schema; 2] {
    few_and_more_with("")
}

/// The second migration does something else as well.
fn few_and_more_with(rows: &str) -> [Schema; 2] {
    let migrations = [
        "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT) STRICT".into(),
        format!("CREATE TABLE aside (id TEXT PRIMARY KEY NOT NULL, number INTEGER) STRICT{rows}"),
    ];
    [&["note"][..], &["aside", "note"]].map(|tables| schema(&serde_json::json!(migrations), tables))
}

#[test]
fn sv213_what_was_sealed_before_the_tables_changed_without_a_migration_is_read_by_those_of_then() {
    on_both_paths(|talk| {
        let [few, more] = few_and_more();
        talk.deploy(&few);
        talk.restart_with(A, &few);
        talk.sync(A);
        talk.exec(A, "INSERT INTO note VALUES ('m', 'sealed')", &[]);
        talk.cut(A);
        assert!(!talk.durable(A).sealed.is_empty());
        talk.exec(A, "UPDATE note SET title = title || '!'", &[]);
        talk.deploy(&more);
        [A, B].into_iter().for_each(|party| talk.restart_with(party, &more));
        [A, B].into_iter().for_each(|party| talk.visit(party));
        assert!(refused(talk, A).is_empty(), "{}", talk.transcript());
        talk.assert_in_step();
        assert_eq!(titles(talk, B), text("msealed! nfirst!"), "{}", talk.transcript());
    });
}

#[test]
fn sv213_an_app_from_before_goes_on_and_a_later_one_reads_the_history_from_before() {
    on_both_paths(|talk| {
        let [few, more] = few_and_more();
        talk.deploy(&few);
        talk.restart_with(A, &few);
        talk.exec(A, "INSERT INTO note VALUES ('m', 'of before')", &[]);
        talk.visit(A);
        talk.deploy(&more);
        talk.exec(A, "UPDATE note SET title = title || '?' WHERE id = 'm'", &[]);
        talk.sync(A);
        assert_eq!(status(talk, A).reason.as_deref(), Some("reload_needed"), "{}", talk.transcript());
        talk.cut(A);
        // What came before is history to B, and so is what the app from before wrote afterwards.
        talk.restart_with(B, &more);
        talk.visit(B);
        talk.exec(B, "INSERT INTO aside VALUES ('of b', 1)", &[]);
        talk.exec(B, "UPDATE note SET title = 'of b' WHERE id = 'n'", &[]);
        [B, A].into_iter().for_each(|party| talk.visit(party));
        talk.restart_with(A, &more);
        talk.visit(A);
        talk.assert_in_step();
        for party in [A, B] {
            assert_eq!(titles(talk, party), text("mof before? nof b"), "{}", talk.transcript());
            assert_eq!(value(talk, party, "SELECT id || number FROM aside"), text("of b1"), "{}", talk.transcript());
        }
    });
}

/// Both tables are in step in the space and on both devices.
fn with_more(talk: &mut Dialogue) -> [Schema; 2] {
    let [few, more] = few_and_more();
    talk.deploy(&more);
    [A, B].into_iter().for_each(|party| talk.restart_with(party, &more));
    [few, more]
}

#[test]
fn sv215_a_write_to_a_table_that_the_space_keeps_no_more_is_refused_and_listed() {
    on_both_paths(|talk| {
        let [few, more] = with_more(talk);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.deploy(&few);
        talk.exec(A, "INSERT INTO aside VALUES ('alone', 1)", &[]);
        talk.transaction(A, &["INSERT INTO aside VALUES ('beside', 2)", "INSERT INTO note VALUES ('o', 'beside it')"]);
        talk.exec(A, "UPDATE note SET title = 'of its own' WHERE id = 'n'", &[]);
        talk.visit(A);
        assert_eq!(refused(talk, A), ["schema", "schema"], "{}", talk.transcript());
        let listed = talk.device(A).database().rejected().expect("a list");
        assert_eq!(listed.iter().map(|record| record.changes.len()).collect::<Vec<_>>(), [1, 2]);
        talk.deploy(&more);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM aside"), Value::Integer(0));
        assert_eq!(titles(talk, B), text("nof its own"));
    });
}

#[test]
fn cs34_a_release_of_other_tables_alone_is_waited_for() {
    on_both_paths(|talk| {
        let [few, more] = few_and_more();
        talk.deploy(&few);
        [A, B].into_iter().for_each(|party| talk.restart_with(party, &few));
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.restart_with(A, &more);
        talk.exec(A, "INSERT INTO aside VALUES ('early', 1)", &[]);
        talk.connect(A);
        talk.settle();
        assert_eq!(status(talk, A).reason.as_deref(), Some("schema_mismatch"), "{}", talk.transcript());
        talk.deploy(&more);
        talk.pass_ms(120_000);
        talk.input(A, Input::Tick);
        assert!(talk.reconnect(A), "it tries again by itself: {}", talk.transcript());
        talk.settle();
        assert_eq!(status(talk, A).pending, 0, "{}", talk.transcript());
        talk.cut(A);
        talk.restart_with(B, &more);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT id FROM aside"), text("early"));
    });
}

#[test]
fn sv216_rows_that_a_table_has_when_it_joins_without_a_migration_are_everybodys() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let [few, more] = few_and_more_with("; INSERT INTO aside VALUES ('seed', 1)");
        let talk = &mut of_users(2, two_phase, few);
        talk.visit(A);
        talk.deploy(&more);
        talk.start_with(Start::Merge);
        // A new device, which has the row by the migration, and one to which it was its own.
        let c = talk.add("C", "cid");
        talk.visit(c);
        assert_eq!(value(talk, c, "SELECT id FROM aside"), text("seed"), "{}", talk.transcript());
        talk.restart_with(B, &more);
        talk.visit(B);
        talk.restart_with(A, &more);
        talk.exec(A, "UPDATE aside SET number = 2", &[]);
        [A, B, c].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
        talk.exec(B, "UPDATE aside SET number = number + 1", &[]);
        [B, A, c].into_iter().for_each(|party| talk.visit(party));
        assert_eq!(refused(talk, B), Vec::<&str>::new(), "{}", talk.transcript());
        talk.assert_in_step();
        assert_eq!(value(talk, A, "SELECT number FROM aside"), Value::Integer(3), "{}", talk.transcript());
    }
}

#[test]
fn sv216_what_is_known_of_a_table_that_leaves_is_known_when_it_joins_again() {
    on_both_paths(|talk| {
        let [few, more] = with_more(talk);
        talk.exec(A, "INSERT INTO aside VALUES ('kept', 5), ('gone', 6)", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.exec(A, "DELETE FROM aside WHERE id = 'gone'", &[]);
        talk.exec(A, "UPDATE aside SET number = 7", &[]);
        talk.visit(A);
        talk.pass_ms(1_000);
        talk.transaction(B, &["UPDATE aside SET number = number + 10", "UPDATE note SET title = 'beside'"]);
        let head = talk.head();
        talk.deploy(&few);
        talk.deploy(&more);
        assert_eq!(talk.head(), head, "nothing is news");
        [B, A].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
        assert_eq!(refused(talk, B), Vec::<&str>::new(), "{}", talk.transcript());
        let rows = "SELECT group_concat(id || number, ' ') FROM aside";
        assert_eq!(value(talk, A, rows), text("kept15"), "{}", talk.transcript());
        assert_eq!(titles(talk, A), text("nbeside"));
    });
}

#[test]
fn cs76_rows_of_a_table_that_a_device_left_and_joins_again_meet_those_of_the_space() {
    on_both_paths(|talk| {
        let [few, more] = with_more(talk);
        talk.exec(A, "INSERT INTO aside VALUES ('kept', 5), ('gone', 6)", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.restart_with(B, &few);
        talk.exec(B, "DELETE FROM aside WHERE id = 'gone'", &[]);
        talk.start_with(Start::Merge);
        talk.restart_with(B, &more);
        [B, A, B].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
        let rows = "SELECT group_concat(id || number, ' ') FROM (SELECT * FROM aside ORDER BY id)";
        assert_eq!(value(talk, B, rows), text("gone6 kept5"), "{}", talk.transcript());
        // Without a row of its own there is nothing to choose.
        talk.restart_with(B, &few);
        talk.exec(B, "DELETE FROM aside", &[]);
        talk.start_with(Start::Seed);
        talk.restart_with(B, &more);
        talk.visit(B);
        talk.assert_in_step();
        // Otherwise the app is asked.
        talk.restart_with(B, &few);
        talk.restart_with(B, &more);
        talk.connect(B);
        talk.settle();
        assert_eq!(status(talk, B).reason.as_deref(), Some("sync_choice_needed"), "{}", talk.transcript());
    });
}
