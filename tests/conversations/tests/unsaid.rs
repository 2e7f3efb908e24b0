//! Tables that a device keeps in step and its space does not: what others delete of the tables that they refer to takes their rows along.

use crate::script::{A, B, of_users, refused, text, value};
use crate::versions::schema;
use ebbtide_core::client::TwoPhase;
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

const NOTE: &str = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT) STRICT";
const CHILDREN: &str =
    "CREATE TABLE aside (id TEXT PRIMARY KEY NOT NULL, note TEXT REFERENCES note(id) ON DELETE CASCADE) STRICT;
    CREATE TABLE below (id TEXT PRIMARY KEY NOT NULL, aside TEXT REFERENCES aside(id) ON DELETE CASCADE) STRICT;
    CREATE TABLE loose (id TEXT PRIMARY KEY NOT NULL, note TEXT REFERENCES note(id) ON DELETE SET NULL) STRICT";
const DROPPED: &str = "DROP TABLE below; DROP TABLE aside; DROP TABLE loose";

/// After the same migrations, notes alone, or all tables.
fn few_and_more() -> [Schema; 2] {
    let migrations = serde_json::json!([NOTE, CHILDREN]);
    [&["note"][..], &["aside", "below", "loose", "note"]].map(|tables| schema(&migrations, tables))
}

/// A and B have two notes, and rows of each other table for the first; nobody is connected.
fn on_both_paths(script: impl Fn(&mut Dialogue, [Schema; 2])) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let [few, more] = few_and_more();
        let mut talk = of_users(2, two_phase, more.clone());
        talk.exec(A, "INSERT INTO note VALUES ('n', 'first'), ('m', 'second')", &[]);
        talk.exec(A, "INSERT INTO aside VALUES ('child', 'n'), ('other', 'm')", &[]);
        talk.exec(A, "INSERT INTO below VALUES ('grandchild', 'child')", &[]);
        talk.exec(A, "INSERT INTO loose VALUES ('free', 'n')", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        script(&mut talk, [few, more]);
    }
}

fn shown(talk: &mut Dialogue, party: usize) -> Value {
    let sql = "SELECT concat_ws(' ', (SELECT group_concat(id) FROM note), (SELECT group_concat(id) FROM aside),
        (SELECT count(*) FROM below), (SELECT group_concat(id || coalesce(note, '')) FROM loose))";
    value(talk, party, sql)
}

#[test]
fn cs215_rows_of_a_table_that_left_follow_what_others_delete() {
    on_both_paths(|talk, [few, more]| {
        talk.deploy(&few);
        talk.restart_with(B, &few);
        talk.exec(B, "DELETE FROM note WHERE id = 'n'", &[]);
        [B, A].into_iter().for_each(|party| talk.visit(party));
        assert_eq!(shown(talk, A), text("m other 0 free"), "{}", talk.transcript());
        talk.deploy(&more);
        talk.exec(A, "UPDATE aside SET note = NULL", &[]);
        talk.visit(A);
        assert_eq!(refused(talk, A), Vec::<&str>::new(), "{}", talk.transcript());
    });
}

#[test]
fn cs215_so_they_do_where_the_table_is_back_when_the_device_hears_of_it() {
    on_both_paths(|talk, [few, more]| {
        talk.deploy(&few);
        talk.restart_with(B, &few);
        talk.exec(B, "DELETE FROM note WHERE id = 'n'", &[]);
        talk.visit(B);
        talk.deploy(&more);
        let c = talk.add("C", "cid");
        talk.exec(c, "INSERT INTO note VALUES ('o', 'third')", &[]);
        talk.visit(c);
        talk.exec(A, "UPDATE note SET title = 'waits' WHERE id = 'm'", &[]);
        talk.visit(A);
        talk.visit(c);
        for party in [A, c] {
            let sql = "SELECT concat_ws(' ', (SELECT group_concat(id) FROM aside), (SELECT count(*) FROM below))";
            assert_eq!(value(talk, party, sql), text("other 0"), "{}", talk.transcript());
        }
        assert_eq!(talk.rows(A), talk.rows(c));
        assert_eq!(talk.rows(A), talk.space.rows());
    });
}

#[test]
fn cs215_rows_of_a_table_that_was_dropped_follow_what_others_delete_also_where_writes_to_them_wait() {
    on_both_paths(|talk, _| {
        let dropped = schema(&serde_json::json!([NOTE, CHILDREN, DROPPED]), &["note"]);
        talk.deploy(&dropped);
        talk.restart_with(B, &dropped);
        talk.exec(B, "DELETE FROM note WHERE id = 'n'", &[]);
        talk.visit(B);
        talk.exec(A, "INSERT INTO below VALUES ('waits', 'child')", &[]);
        [A, A].into_iter().for_each(|party| talk.visit(party));
        assert_eq!(shown(talk, A), text("m other 0 free"), "{}", talk.transcript());
        talk.exec(A, "UPDATE note SET title = 'goes on'", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        assert_eq!(value(talk, B, "SELECT title FROM note"), text("goes on"));
        talk.assert_intact(B);
    });
}

#[test]
fn sv215_a_write_to_a_table_that_left_together_with_a_migration_is_refused_and_listed() {
    on_both_paths(|talk, _| {
        let left = schema(&serde_json::json!([NOTE, CHILDREN, "ALTER TABLE note ADD COLUMN colour TEXT"]), &["note"]);
        talk.deploy(&left);
        talk.exec(A, "INSERT INTO aside VALUES ('alone', 'm')", &[]);
        talk.visit(A);
        assert_eq!(refused(talk, A), ["schema"], "{}", talk.transcript());
    });
}

#[test]
fn sv271_so_is_a_write_to_a_table_that_left_and_was_renamed() {
    on_both_paths(|talk, _| {
        let renamed =
            serde_json::json!({ "sql": "ALTER TABLE aside RENAME TO beside", "renames": { "aside": "beside" } });
        let later = "ALTER TABLE note ADD COLUMN colour TEXT";
        let left = schema(&serde_json::json!([NOTE, CHILDREN, renamed, later]), &["note"]);
        talk.deploy(&left);
        talk.exec(A, "INSERT INTO aside VALUES ('alone', 'm')", &[]);
        talk.visit(A);
        assert_eq!(refused(talk, A), ["schema"], "{}", talk.transcript());
    });
}
