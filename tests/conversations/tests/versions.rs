//! Devices and spaces of different schema versions: both sides go on, and what one version cannot hold is kept for the next.

use crate::script::{A, B, on_both_paths, refused, status, text, value};
use ebbtide_core::client::{Input, Output, State};
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

pub const FIRST: &str =
    "CREATE TABLE person (id TEXT PRIMARY KEY NOT NULL, name TEXT, phone TEXT, age INTEGER NOT NULL) STRICT;
    CREATE TABLE badge (id TEXT PRIMARY KEY NOT NULL, label TEXT) STRICT;";

/// One column goes, one comes before the others, one is renamed; one table goes, another comes.
const SECOND: &str = "CREATE TABLE human (email TEXT NOT NULL DEFAULT 'none', id TEXT PRIMARY KEY NOT NULL, full_name TEXT, age INTEGER NOT NULL,
        kind TEXT NOT NULL) STRICT;
    INSERT INTO human (id, full_name, age, kind) SELECT id, name, age, '' FROM person;
    DROP TABLE person;
    DROP TABLE badge;
    CREATE TABLE account (id TEXT PRIMARY KEY NOT NULL, owner TEXT REFERENCES human(id), total INTEGER NOT NULL DEFAULT 0) STRICT;";

pub fn first() -> Schema {
    schema(&serde_json::json!([FIRST]), &["person", "badge"])
}

pub fn second() -> Schema {
    let renamed = serde_json::json!({ "sql": SECOND, "renames": { "person": "human", "human.name": "full_name" } });
    schema(&serde_json::json!([FIRST, renamed]), &["human", "account"])
}

pub fn schema(migrations: &serde_json::Value, tables: &[&str]) -> Schema {
    let tables: serde_json::Map<_, _> = tables.iter().map(|name| ((*name).into(), serde_json::json!({}))).collect();
    serde_json::from_value(serde_json::json!({ "migrations": migrations, "tables": tables })).expect("a schema")
}

/// Runs a script with a space and two devices of the first version, by each commit path.
pub fn from_the_first(script: impl Fn(&mut Dialogue)) {
    use ebbtide_core::client::TwoPhase;
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        script(&mut Dialogue::with_schema(2, two_phase, first()));
    }
}

pub const INSERT: &str = "INSERT INTO person (id, name, phone, age) VALUES ('p', 'Ada', '12', 36)";

#[test]
fn cs32_a_new_device_reads_what_was_committed_under_older_versions() {
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        talk.exec(A, "INSERT INTO badge VALUES ('b', 'x')", &[]);
        talk.visit(A);
        talk.exec(A, "UPDATE person SET name = 'Ada L.'", &[]);
        talk.visit(A);
        talk.deploy(&second());
        let new = talk.add("C", "ada");
        talk.sync(new);
        let asked = talk.transcript().matches("catalogue of version 1?").count();
        assert_eq!(asked, 1, "{}", talk.transcript());
        assert_eq!(value(talk, new, "SELECT full_name || email || age || kind FROM human"), text("Ada L.none36"));
        assert_eq!(talk.rows(new), talk.space.rows());
    });
}

#[test]
fn cs33_a_device_one_version_behind_goes_on_both_ways() {
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        talk.visit(A);
        talk.deploy(&second());
        talk.restart_with(B, &second());
        talk.exec(B, "INSERT INTO human (id, full_name, age, kind, email) VALUES ('q', 'Bo', 5, 'k', 'b@x')", &[]);
        talk.exec(B, "INSERT INTO account (id, owner, total) VALUES ('a', 'q', 7)", &[]);
        talk.sync(B);
        // The older one writes what both know, what only it knows, and a table that is gone.
        talk.exec(A, "UPDATE person SET name = 'Ada L.', phone = '34' WHERE id = 'p'", &[]);
        talk.exec(A, "INSERT INTO person (id, name, phone, age) VALUES ('r', 'Cy', '56', 9)", &[]);
        talk.exec(A, "INSERT INTO badge VALUES ('b', 'x')", &[]);
        talk.sync(A);
        assert_eq!(status(talk, A).reason.as_deref(), Some("reload_needed"));
        assert_eq!(refused(talk, A), Vec::<&str>::new(), "{}", talk.transcript());
        let people = talk.query(A, "SELECT id, name, age FROM person ORDER BY id");
        let row = |id: &str, name: &str, age| vec![text(id), text(name), Value::Integer(age)];
        assert_eq!(people, [row("p", "Ada L.", 36), row("q", "Bo", 5), row("r", "Cy", 9)]);
        talk.settle();
        let known = talk.query(B, "SELECT id, full_name, age FROM human ORDER BY id");
        assert_eq!(known, people);
        assert_eq!(talk.rows(B), talk.space.rows());
        // What it could not hold is there as soon as it has followed, and what its own migration did is the space's.
        talk.restart_with(A, &second());
        talk.visit(A);
        talk.visit(B);
        assert_eq!(
            value(talk, A, "SELECT email || kind || (SELECT total FROM account) FROM human WHERE id = 'q'"),
            text("b@xk7")
        );
        talk.assert_in_step();
        // A value for a column that is gone is recorded.
        assert!(talk.transcript().contains("kept over '34'"), "{}", talk.transcript());
    });
}

#[test]
fn cs34_a_device_ahead_of_the_space_pulls_and_keeps_its_changes_until_the_space_has_followed() {
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        talk.visit(A);
        talk.visit(B);
        talk.restart_with(B, &second());
        talk.exec(B, "UPDATE human SET full_name = 'Bo'", &[]);
        talk.exec(A, "UPDATE person SET age = 37", &[]);
        talk.visit(A);
        talk.connect(B);
        talk.settle();
        let ahead = status(talk, B);
        assert_eq!((ahead.pending, ahead.reason.as_deref()), (1, Some("waiting_for_server")));
        assert_ne!(ahead.state, State::Error);
        assert_eq!(value(talk, B, "SELECT full_name || age FROM human"), text("Bo37"));
        assert!(talk.took(B, |output| matches!(output, Output::Failed(cause) if cause.code == "waiting_for_server")));
        talk.deploy(&second());
        talk.visit(B);
        talk.visit(A);
        assert_eq!(value(talk, A, "SELECT name || age FROM person"), text("Bo37"));
        assert_eq!(talk.rows(B), talk.space.rows());
    });
}

#[test]
fn cs34_who_asks_on_a_device_ahead_is_told_that_the_rest_waits_once_all_that_can_go_is_there() {
    let longer = serde_json::json!([FIRST, "ALTER TABLE badge ADD COLUMN colour TEXT"]);
    let longer = schema(&longer, &["person", "badge"]);
    for rebuilt in [false, true] {
        from_the_first(|talk| {
            talk.exec(A, INSERT, &[]);
            [A, B].into_iter().for_each(|party| talk.visit(party));
            talk.exec(B, "UPDATE person SET age = 37", &[]);
            talk.pass_ms(5_000);
            talk.input(B, Input::Tick);
            talk.restart_with(B, &longer);
            talk.exec(B, "INSERT INTO badge VALUES ('b', 'waits', 'red')", &[]);
            if rebuilt {
                talk.input(B, Input::CannotApply);
            }
            talk.connect(B);
            while !talk.took(B, |output| matches!(output, Output::Failed(_))) {
                assert!(talk.up(B) || talk.down(B), "{}", talk.transcript());
            }
            let durable = talk.durable(B);
            assert!(durable.state.rebuild.is_none() && durable.sealed.is_empty(), "{}", talk.transcript());
            let told = status(talk, B);
            assert_eq!((talk.head().0, told.pending, told.reason.as_deref()), (2, 1, Some("waiting_for_server")));
        });
    }
}

#[test]
fn sv82_what_was_sealed_under_an_older_version_is_decided_as_it_was_sealed() {
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        talk.connect(A);
        talk.up(A);
        talk.down(A);
        // Sealed and sent, but the space never got it.
        assert!(!talk.durable(A).sealed.is_empty());
        talk.cut(A);
        let hash = talk.durable(A).sealed[0].hash;
        talk.deploy(&second());
        talk.restart_with(A, &second());
        talk.exec(A, "UPDATE human SET kind = 'new' WHERE id = 'p'", &[]);
        assert_eq!(talk.durable(A).sealed[0].hash, hash);
        talk.visit(A);
        talk.restart_with(B, &second());
        talk.visit(B);
        assert_eq!(value(talk, B, "SELECT full_name || age || kind FROM human"), text("Ada36new"));
        talk.assert_in_step();
    });
}

#[test]
fn sv83_a_version_that_the_space_never_had_is_refused_by_name() {
    on_both_paths(|talk| {
        let mut hello = crate::script::hello(talk, A);
        hello.schema.0 = 0;
        let replies = talk.mail(A, &[ClientMessage::Hello(hello)]);
        assert!(matches!(&replies[..], [ServerMessage::Refused(r)] if r.code.code() == "reload_needed"), "{replies:?}");
        let mut hello = crate::script::hello(talk, A);
        hello.schema_hash.0 = [9; 8];
        let replies = talk.mail(A, &[ClientMessage::Hello(hello)]);
        assert!(
            matches!(&replies[..], [ServerMessage::Refused(r)] if r.code.code() == "schema_mismatch"),
            "{replies:?}"
        );
    });
}

/// The second version changes rows that fit a condition, in place.
pub fn shouting() -> Schema {
    let shout =
        "UPDATE person SET name = upper(name) WHERE age > 30; INSERT INTO badge VALUES ('seed', 'from the start')";
    schema(&serde_json::json!([FIRST, shout]), &["person", "badge"])
}

#[test]
fn sv41_what_a_migration_does_to_rows_is_a_commit_that_older_devices_get() {
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        talk.visit(A);
        talk.visit(B);
        talk.deploy(&shouting());
        assert_eq!(talk.head().0, 2);
        talk.visit(A);
        assert_eq!(value(talk, A, "SELECT name || (SELECT label FROM badge) FROM person"), text("ADAfrom the start"));
        talk.exec(A, "UPDATE badge SET label = 'known'", &[]);
        talk.visit(A);
        talk.restart_with(A, &shouting());
        talk.restart_with(B, &shouting());
        talk.visit(A);
        talk.visit(B);
        assert_eq!(value(talk, B, "SELECT name || (SELECT label FROM badge) FROM person"), text("ADAknown"));
        talk.assert_in_step();
    });
}

#[test]
fn sv41_of_several_migrations_at_once_each_keeps_what_waits_for_the_next() {
    let renames = serde_json::json!({
        "sql": "ALTER TABLE badge RENAME TO label; ALTER TABLE person RENAME COLUMN phone TO number",
        "renames": { "badge": "label", "person.phone": "number" }
    });
    let entries = serde_json::json!([
        FIRST,
        "ALTER TABLE badge ADD COLUMN colour TEXT",
        "ALTER TABLE person ADD COLUMN visits INTEGER NOT NULL DEFAULT 0",
        renames
    ]);
    let tables = serde_json::json!({ "person": { "merge": { "visits": "sum", "number": "first" } }, "label": {} });
    let next: Schema =
        serde_json::from_value(serde_json::json!({ "migrations": entries, "tables": tables })).expect("a schema");
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        talk.exec(A, "INSERT INTO badge VALUES ('b', 'x')", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(B, "UPDATE badge SET label = 'unseen'", &[]);
        talk.exec(A, "UPDATE badge SET label = 'y'", &[]);
        talk.visit(A);
        talk.deploy(&next);
        assert_eq!(talk.head().0, 2, "no row was changed");
        talk.visit(B);
        assert!(talk.transcript().contains("kept over"), "the marks are still there: {}", talk.transcript());
        talk.restart_with(A, &next);
        talk.restart_with(B, &next);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn sv41_a_write_that_had_not_seen_a_migration_meets_it_as_a_conflict() {
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        talk.visit(A);
        talk.exec(A, "UPDATE person SET name = 'Bo'", &[]);
        talk.deploy(&shouting());
        talk.visit(A);
        assert_eq!(value(talk, A, "SELECT name FROM person"), text("Bo"));
        assert!(talk.transcript().contains("Challenger kept over 'ADA'"), "{}", talk.transcript());
    });
}

#[test]
fn cs35_what_a_migration_did_ahead_of_the_space_gives_way_to_what_it_does_there() {
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        talk.exec(A, "INSERT INTO person (id, name, age) VALUES ('q', 'Bo', 20)", &[]);
        talk.visit(A);
        talk.visit(B);
        // Here one row fits the condition; in the space it will be the other.
        talk.restart_with(B, &shouting());
        assert_eq!(talk.query(B, "SELECT name FROM person ORDER BY id"), [[text("ADA")], [text("Bo")]]);
        talk.exec(A, "UPDATE person SET age = 56 - age", &[]);
        talk.visit(A);
        talk.connect(B);
        talk.settle();
        talk.cut(B);
        talk.deploy(&shouting());
        talk.restart_with(A, &shouting());
        talk.visit(A);
        talk.visit(B);
        assert_eq!(talk.query(B, "SELECT name FROM person ORDER BY id"), [[text("Ada")], [text("BO")]]);
        talk.assert_in_step();
    });
}

#[test]
fn cs36_what_a_migration_does_to_rows_that_only_this_device_has_travels() {
    from_the_first(|talk| {
        talk.visit(A);
        talk.visit(B);
        talk.exec(A, INSERT, &[]);
        talk.restart_with(A, &shouting());
        assert_eq!(value(talk, A, "SELECT name FROM person"), text("ADA"));
        talk.deploy(&shouting());
        talk.restart_with(B, &shouting());
        talk.visit(A);
        talk.visit(B);
        assert_eq!(value(talk, B, "SELECT name FROM person"), text("ADA"));
        talk.assert_in_step();
    });
}

#[test]
fn sv42_a_migration_that_fails_leaves_the_space_as_it_was_and_the_version_before_goes_on() {
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        talk.visit(A);
        let broken = "UPDATE person SET name = 'gone'; INSERT INTO person (id, age) VALUES ('p', 1)";
        let broken = schema(&serde_json::json!([FIRST, broken]), &["person", "badge"]);
        let error = talk.space.deploy(&broken, talk.now).expect_err("the key is taken");
        assert_eq!(error.code(), "migration_failed");
        talk.exec(A, "UPDATE person SET age = 40", &[]);
        talk.visit(A);
        talk.visit(B);
        assert_eq!(value(talk, B, "SELECT name || age FROM person"), text("Ada40"));
        talk.assert_in_step();
    });
}

#[test]
fn st94_a_migration_after_which_nobody_could_write_leaves_the_version_before_in_service() {
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        talk.visit(A);
        let calls = "CREATE TRIGGER r AFTER UPDATE ON person BEGIN SELECT slug(NEW.name); END";
        let generates = "CREATE TABLE badge2 (id TEXT PRIMARY KEY NOT NULL DEFAULT (fresh_id()), colour TEXT) STRICT";
        for (migration, tables, place) in
            [(calls, ["person", "badge"], "person"), (generates, ["badge2", "badge"], "badge2")]
        {
            let broken = schema(&serde_json::json!([FIRST, migration]), &tables);
            let error = talk.space.deploy(&broken, talk.now).expect_err("no such function");
            assert_eq!(error.code(), "schema_invalid", "{error}");
            assert!(error.to_string().starts_with(&format!("tables.{place}: ")), "{error}");
        }
        talk.exec(A, "UPDATE person SET age = 40", &[]);
        talk.visit(A);
        talk.visit(B);
        assert_eq!(value(talk, B, "SELECT name || age FROM person"), text("Ada40"));
        talk.assert_in_step();
    });
}

#[test]
fn st35_a_migration_runs_where_known_rows_refer_to_rows_of_the_newer_version() {
    let parent = "CREATE TABLE parent (id TEXT PRIMARY KEY NOT NULL) STRICT;
        CREATE TABLE child (id TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES parent(id)) STRICT;";
    let more = "ALTER TABLE parent ADD COLUMN name TEXT; INSERT INTO parent (id) VALUES ('made');";
    let (old, new) = (serde_json::json!([parent]), serde_json::json!([parent, more]));
    let (old, new) = (schema(&old, &["parent", "child"]), schema(&new, &["parent", "child"]));
    use ebbtide_core::client::TwoPhase;
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = Dialogue::with_schema(2, two_phase, old.clone());
        talk.exec(A, "INSERT INTO child (id) VALUES ('c')", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.deploy(&new);
        talk.restart_with(A, &new);
        talk.transaction(A, &["INSERT INTO parent (id, name) VALUES ('p', 'new')", "UPDATE child SET parent = 'p'"]);
        talk.visit(A);
        talk.visit(B);
        talk.restart_with(B, &new);
        talk.visit(B);
        talk.assert_in_step();
        let found = value(&mut talk, B, "SELECT name FROM parent JOIN child ON child.parent = parent.id");
        assert_eq!(found, text("new"));
    }
}
