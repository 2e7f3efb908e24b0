//! Tables that a device keeps in step and its space leaves out for a while: a snapshot says nothing of their rows.

use crate::brought_back::{ask_and_stop, come_by};
use crate::script::{A, B, of_users, refused, text, value};
use crate::versions::schema;
use ebbtide_core::client::{Input, TwoPhase};
use ebbtide_core::message::ClientMessage;
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

const NOTE: &str = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT) STRICT";
const ASIDE: &str = "CREATE TABLE aside (id TEXT PRIMARY KEY NOT NULL, number INTEGER UNIQUE,
    note TEXT REFERENCES note(id) ON DELETE CASCADE) STRICT";

/// After the same migrations, notes alone, or both tables.
fn few_and_more() -> [Schema; 2] {
    let migrations = serde_json::json!([NOTE, ASIDE]);
    [&["note"][..], &["aside", "note"]].map(|tables| schema(&migrations, tables))
}

/// A and B have two notes and a row beside each; nobody is connected.
fn on_both_paths(script: impl Fn(&mut Dialogue, [Schema; 2])) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let [few, more] = few_and_more();
        let mut talk = of_users(2, two_phase, more.clone());
        talk.exec(A, "INSERT INTO note VALUES ('n', 'first'), ('m', 'second')", &[]);
        talk.exec(A, "INSERT INTO aside VALUES ('child', 1, 'n'), ('other', 2, 'm')", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        script(&mut talk, [few, more]);
    }
}

/// A's rows come from a snapshot, once more.
fn fetch_anew(talk: &mut Dialogue) {
    let pages = |talk: &Dialogue| talk.transcript().matches("page of").count();
    let before = pages(talk);
    talk.input(A, Input::CannotApply);
    talk.connect(A);
    talk.settle();
    talk.cut(A);
    assert!(pages(talk) > before, "{}", talk.transcript());
}

fn shown(talk: &mut Dialogue, party: usize) -> Value {
    value(talk, party, "SELECT group_concat(id || number, ' ') FROM (SELECT * FROM aside ORDER BY id)")
}

/// A sends what waits, and the line breaks once the space has decided: A does not hear of it.
fn send_unheard(talk: &mut Dialogue) {
    talk.connect(A);
    let head = talk.head();
    while talk.head() == head {
        assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
    }
    talk.cut(A);
}

#[test]
fn cs270_a_snapshot_leaves_rows_of_a_table_that_the_space_does_not_keep() {
    on_both_paths(|talk, [few, more]| {
        talk.deploy(&few);
        fetch_anew(talk);
        assert_eq!(shown(talk, A), text("child1 other2"), "{}", talk.transcript());
        talk.deploy(&more);
        talk.exec(A, "UPDATE aside SET number = number + 10 WHERE id = 'other'", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        assert_eq!(refused(talk, A), Vec::<&str>::new(), "{}", talk.transcript());
        assert_eq!(shown(talk, B), text("child1 other12"), "{}", talk.transcript());
        talk.assert_in_step();
    });
}

#[test]
fn cs270_what_waits_is_laid_over_such_rows_and_leaves_them_when_it_is_refused() {
    let writes = [
        ("UPDATE aside SET number = number + 10 WHERE id = 'child'", "child11 other2"),
        ("DELETE FROM aside WHERE id = 'child'", "other2"),
        ("DELETE FROM note WHERE id = 'n'", "other2"),
        ("INSERT INTO aside VALUES ('new', 3, 'm')", "child1 new3 other2"),
    ];
    for (write, meanwhile) in writes {
        on_both_paths(|talk, [few, _]| {
            talk.deploy(&few);
            talk.exec(A, write, &[]);
            talk.input(A, Input::CannotApply);
            talk.connect(A);
            // Until its rows are there nothing is sent.
            while talk.durable(A).state.rebuild.is_some() {
                assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
            }
            assert_eq!(shown(talk, A), text(meanwhile), "{}", talk.transcript());
            talk.settle();
            assert_eq!(refused(talk, A), ["schema"], "{}", talk.transcript());
            assert_eq!(shown(talk, A), text("child1 other2"), "{}", talk.transcript());
            assert_eq!(talk.query(A, "SELECT count(*) FROM note"), [[Value::Integer(2)]]);
            talk.cut(A);
            talk.assert_intact(A);
        });
    }
}

#[test]
fn cs270_such_rows_follow_what_a_snapshot_does_not_have_any_more() {
    on_both_paths(|talk, [few, more]| {
        talk.deploy(&few);
        talk.restart_with(B, &few);
        talk.exec(B, "DELETE FROM note WHERE id = 'n'", &[]);
        talk.visit(B);
        talk.exec(A, "UPDATE aside SET number = 5 WHERE id = 'child'", &[]);
        fetch_anew(talk);
        assert_eq!(shown(talk, A), text("other2"), "{}", talk.transcript());
        assert_eq!(refused(talk, A), ["schema"], "{}", talk.transcript());
        talk.deploy(&more);
        talk.visit(A);
        assert_eq!(talk.rows(A), talk.space.rows());
    });
}

#[test]
fn cs271_rows_of_a_table_that_the_space_keeps_again_are_fetched_where_the_device_could_not_hear_of_them() {
    on_both_paths(|talk, [few, more]| {
        talk.exec(B, "UPDATE aside SET number = 7 WHERE id = 'child'", &[]);
        talk.exec(B, "DELETE FROM aside WHERE id = 'other'", &[]);
        talk.visit(B);
        // It never had them.
        let c = talk.add("C", "cid");
        talk.deploy(&few);
        fetch_anew(talk);
        talk.input(c, Input::CannotApply);
        talk.visit(c);
        talk.deploy(&more);
        [A, c].into_iter().for_each(|party| talk.visit(party));
        for party in [A, c] {
            assert_eq!(shown(talk, party), text("child7"), "{}", talk.transcript());
            assert_eq!(talk.rows(party), talk.space.rows());
        }
    });
}

#[test]
fn cs270_what_the_space_took_while_nobody_heard_stays_too() {
    on_both_paths(|talk, [few, more]| {
        talk.exec(A, "UPDATE aside SET number = 5 WHERE id = 'child'", &[]);
        talk.exec(A, "INSERT INTO aside VALUES ('new', 6, 'm')", &[]);
        send_unheard(talk);
        talk.exec(A, "UPDATE aside SET number = number + 10 WHERE id = 'new'", &[]);
        talk.deploy(&few);
        fetch_anew(talk);
        assert_eq!(shown(talk, A), text("child5 new6 other2"), "{}", talk.transcript());
        assert_eq!(refused(talk, A), ["schema"], "{}", talk.transcript());
        talk.deploy(&more);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
    });
}

#[test]
fn cs270_rows_that_a_migration_made_ahead_of_the_space_stay_until_it_is_as_far() {
    let copied = "CREATE TABLE copied (id TEXT PRIMARY KEY NOT NULL, title TEXT) STRICT;
        INSERT INTO copied SELECT id, title FROM note";
    on_both_paths(|talk, _| {
        let next = schema(&serde_json::json!([NOTE, ASIDE, copied]), &["aside", "copied", "note"]);
        talk.restart_with(A, &next);
        talk.exec(A, "UPDATE note SET title = 'waits' WHERE id = 'n'", &[]);
        fetch_anew(talk);
        let titles = "SELECT group_concat(id || title, ' ') FROM (SELECT * FROM copied ORDER BY id)";
        assert_eq!(value(talk, A, titles), text("msecond nfirst"), "{}", talk.transcript());
        // In the space there is another row by then, and one less.
        talk.exec(B, "DELETE FROM note WHERE id = 'm'", &[]);
        talk.exec(B, "INSERT INTO note VALUES ('o', 'third')", &[]);
        talk.visit(B);
        talk.deploy(&next);
        talk.restart_with(B, &next);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        assert_eq!(value(talk, A, titles), text("nfirst othird"), "{}", talk.transcript());
        talk.assert_in_step();
    });
}

#[test]
fn cs270_what_comes_back_to_a_space_that_was_set_back_is_laid_over_nothing() {
    on_both_paths(|talk, [few, more]| {
        let backup = talk.space.backup();
        talk.exec(A, "INSERT INTO aside VALUES ('new', 6, 'm')", &[]);
        talk.exec(A, "UPDATE aside SET number = 5 WHERE id = 'child'", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.restore_space(&backup);
        talk.deploy(&few);
        talk.visit(A);
        assert_eq!(talk.query(A, "SELECT count(*) FROM note"), [[Value::Integer(2)]], "{}", talk.transcript());
        let listed = talk.device(A).database().rejected().expect("a list");
        assert_eq!(listed.iter().map(|record| record.changes.len()).sum::<usize>(), 2, "{}", talk.transcript());
        talk.deploy(&more);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        assert_eq!(shown(talk, A), text("child1 other2"), "{}", talk.transcript());
        talk.assert_intact(A);
        assert_eq!(talk.rows(A), talk.space.rows());
    });
}

#[test]
fn cs270_what_showed_ahead_of_the_space_gives_way_later_also_where_a_snapshot_came_between() {
    let copied = "CREATE TABLE copied (id TEXT PRIMARY KEY NOT NULL, title TEXT) STRICT;
        INSERT INTO copied SELECT id, title FROM note; UPDATE aside SET number = number + 100";
    on_both_paths(|talk, _| {
        let next = schema(&serde_json::json!([NOTE, ASIDE, copied]), &["aside", "copied", "note"]);
        let dropped = schema(&serde_json::json!([NOTE, ASIDE, copied, "DROP TABLE copied"]), &["aside", "note"]);
        talk.restart_with(A, &next);
        talk.exec(B, "UPDATE aside SET number = 7 WHERE id = 'child'", &[]);
        talk.visit(B);
        fetch_anew(talk);
        // What a row was before the snapshot is not beneath it any more.
        talk.exec(B, "UPDATE aside SET note = 'm' WHERE id = 'child'", &[]);
        [B, A].into_iter().for_each(|party| talk.visit(party));
        assert_eq!(shown(talk, A), text("child7 other2"), "{}", talk.transcript());
        talk.exec(B, "DELETE FROM note WHERE id = 'n'", &[]);
        talk.exec(B, "INSERT INTO note VALUES ('o', 'third')", &[]);
        talk.visit(B);
        // The space has no rows of the table to fetch when A comes: it made them, and dropped it.
        talk.deploy(&next);
        talk.deploy(&dropped);
        talk.visit(A);
        let titles = "SELECT group_concat(id || title, ' ') FROM (SELECT * FROM copied ORDER BY id)";
        assert_eq!(value(talk, A, titles), text("msecond othird"), "{}", talk.transcript());
        assert_eq!(shown(talk, A), text("child107 other102"), "{}", talk.transcript());
        [A, B].into_iter().for_each(|party| talk.restart_with(party, &dropped));
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
    });
}

#[test]
fn cs270_what_the_space_refused_while_nobody_heard_does_not_stay_with_what_it_took() {
    on_both_paths(|talk, [few, more]| {
        talk.exec(B, "INSERT INTO aside VALUES ('theirs', 9, 'm')", &[]);
        talk.visit(B);
        talk.exec(A, "INSERT INTO aside VALUES ('mine', 9, 'm')", &[]);
        talk.exec(A, "UPDATE aside SET number = 5 WHERE id = 'child'", &[]);
        send_unheard(talk);
        talk.deploy(&few);
        fetch_anew(talk);
        assert_eq!(shown(talk, A), text("child5 other2 theirs9"), "{}", talk.transcript());
        assert_eq!(refused(talk, A), ["unique"], "{}", talk.transcript());
        talk.deploy(&more);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
    });
}

#[test]
fn cs270_what_is_done_to_such_rows_after_the_pages_is_seen_at_once() {
    on_both_paths(|talk, [few, more]| {
        talk.exec(A, "UPDATE note SET title = 'waits' WHERE id = 'n'", &[]);
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
        assert_eq!(talk.durable(A).sealed.len(), 1);
        talk.deploy(&few);
        talk.input(A, Input::CannotApply);
        talk.connect(A);
        // All pages are there, and the last question is not answered.
        while !talk.sent_by(A).iter().any(|message| matches!(message, ClientMessage::Resume { .. })) {
            assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
        }
        talk.deploy(&more);
        talk.exec(B, "UPDATE aside SET number = 7 WHERE id = 'child'", &[]);
        talk.exec(B, "DELETE FROM aside WHERE id = 'other'", &[]);
        talk.visit(B);
        talk.connect(A);
        while talk.durable(A).state.rebuild.is_some() {
            assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
        }
        assert_eq!(shown(talk, A), text("child7"), "{}", talk.transcript());
        talk.cut(A);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
    });
}

#[test]
fn sv215_a_write_to_such_a_table_is_refused_too_where_it_comes_beside_what_the_space_has_already() {
    on_both_paths(|talk, [few, _]| {
        let backup = talk.space.backup();
        let clone = talk.add("C", "ann");
        // The copy has the first of two transactions that were captured in one run and are sealed together.
        talk.exec(A, "INSERT INTO note VALUES ('o', 'third')", &[]);
        let image = talk.image_while_open(A);
        talk.restore(clone, &image);
        talk.exec(A, "UPDATE aside SET number = 5 WHERE id = 'child'", &[]);
        talk.visit(A);
        talk.restore_space(&backup);
        talk.deploy(&few);
        ask_and_stop(talk, A);
        come_by(talk, clone);
        come_by(talk, A);
        let listed = talk.device(A).database().rejected().expect("a list");
        let reasons: Vec<_> = listed.iter().map(|record| (record.reason.code(), record.changes.len())).collect();
        assert_eq!(reasons, [("schema", 1)], "{}", talk.transcript());
        assert_eq!(value(talk, A, "SELECT title FROM note WHERE id = 'o'"), text("third"));
        assert_eq!(talk.durable(A).log.len(), 0);
    });
}
