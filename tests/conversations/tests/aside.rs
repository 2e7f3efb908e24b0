//! Cells of newer schema versions on a device that is one behind: kept aside, in step with the rows that they belong to, until they have a place.

use crate::script::{A, B, text, value};
use crate::versions::{FIRST, INSERT, from_the_first, schema, shouting};
use ebbtide_core::client::Input;
use ebbtide_core::limits::RETENTION_MS;
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

/// The second version adds a column and a table.
fn wider() -> Schema {
    let more = "ALTER TABLE person ADD COLUMN email TEXT NOT NULL DEFAULT 'none';
        CREATE TABLE account (id TEXT PRIMARY KEY NOT NULL, total INTEGER) STRICT;";
    schema(&serde_json::json!([FIRST, more]), &["person", "badge", "account"])
}

/// A is behind and knows of a person whose mail address it cannot hold.
fn one_behind(talk: &mut Dialogue) {
    talk.exec(A, INSERT, &[]);
    talk.visit(A);
    talk.deploy(&wider());
    talk.restart_with(B, &wider());
    talk.visit(B);
    talk.exec(B, "UPDATE person SET email = 'a@x'", &[]);
    talk.exec(B, "INSERT INTO account VALUES ('gone', 1), ('stays', 2)", &[]);
    talk.visit(B);
    talk.visit(A);
}

fn follow(talk: &mut Dialogue) {
    talk.restart_with(A, &wider());
    talk.visit(A);
    talk.visit(B);
    talk.assert_in_step();
}

#[test]
fn cs36_what_a_device_makes_anew_has_nothing_of_the_row_that_it_deleted() {
    from_the_first(|talk| {
        one_behind(talk);
        talk.exec(A, "INSERT OR REPLACE INTO person (id, name, age) VALUES ('p', 'Bo', 1)", &[]);
        talk.visit(A);
        follow(talk);
        assert_eq!(value(talk, A, "SELECT name || email FROM person"), text("Bonone"));
    });
}

#[test]
fn cs36_cells_that_were_kept_aside_survive_what_waits_over_them() {
    from_the_first(|talk| {
        one_behind(talk);
        talk.exec(B, "UPDATE person SET age = 40", &[]);
        talk.visit(B);
        talk.exec(A, "UPDATE person SET age = 50", &[]);
        talk.restart_with(A, &wider());
        assert_eq!(value(talk, A, "SELECT email || age FROM person"), text("a@x50"));
        follow(talk);
        assert_eq!(value(talk, A, "SELECT email FROM person"), text("a@x"));
    });
}

#[test]
fn cs36_cells_that_were_kept_aside_survive_a_row_that_is_made_anew_in_vain() {
    from_the_first(|talk| {
        one_behind(talk);
        // What waits deletes and makes the row that the space still has, and is refused.
        talk.transaction(A, &["DELETE FROM person", "INSERT INTO person (id, name, age) VALUES ('p', 'Bo', 1)"]);
        talk.restart_with(A, &wider());
        assert_eq!(value(talk, A, "SELECT name || email FROM person"), text("Bonone"));
        talk.may_write(A, false);
        talk.visit(A);
        assert_eq!(value(talk, A, "SELECT name || email FROM person"), text("Adaa@x"));
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs36_what_a_migration_does_to_a_row_made_over_a_deleted_one_travels() {
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(B, "DELETE FROM person", &[]);
        talk.visit(B);
        talk.exec(A, "INSERT OR REPLACE INTO person (id, name, age) VALUES ('p', 'bo', 40)", &[]);
        talk.connect(A);
        while !talk.waiting_for(A).is_empty() || talk.durable(A).state.cursor.seq.0 < 2 {
            let _ = talk.up(A) || talk.down(A);
        }
        talk.cut(A);
        talk.deploy(&shouting());
        talk.restart_with(A, &shouting());
        talk.restart_with(B, &shouting());
        assert_eq!(value(talk, A, "SELECT name FROM person"), text("BO"));
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs32_a_snapshot_of_a_version_that_is_not_known_waits_for_its_catalogue() {
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        talk.visit(A);
        talk.exec(B, "INSERT INTO badge VALUES ('b', 'x')", &[]);
        talk.visit(B);
        talk.pass_ms(RETENTION_MS + 1);
        talk.deploy(&wider());
        talk.restart_with(B, &wider());
        talk.exec(B, "UPDATE person SET name = 'later', email = 'b@x'", &[]);
        talk.visit(B);
        talk.space.prune(talk.now);
        talk.visit(A);
        assert!(talk.transcript().contains("page of"), "{}", talk.transcript());
        assert_eq!(value(talk, A, "SELECT name FROM person"), text("later"));
        follow(talk);
        assert_eq!(value(talk, A, "SELECT email FROM person"), text("b@x"));
    });
}

#[test]
fn cs36_a_snapshot_brings_the_cells_to_be_kept_aside_as_well() {
    from_the_first(|talk| {
        one_behind(talk);
        talk.exec(B, "DELETE FROM account WHERE id = 'gone'", &[]);
        talk.visit(B);
        talk.pass_ms(RETENTION_MS + 1);
        talk.exec(B, "UPDATE person SET email = 'b@x'", &[]);
        talk.visit(B);
        talk.space.prune(talk.now);
        talk.visit(A);
        assert!(talk.transcript().contains("page of"), "{}", talk.transcript());
        follow(talk);
        assert_eq!(value(talk, A, "SELECT email || (SELECT count(*) FROM account) FROM person"), text("b@x1"));
    });
}

#[test]
fn cs36_rows_kept_aside_whose_parent_was_deleted_here_do_not_stop_the_migration() {
    let more = "CREATE TABLE account (id TEXT PRIMARY KEY NOT NULL, owner TEXT REFERENCES person(id) ON DELETE CASCADE) STRICT;";
    for touching in ["", "UPDATE badge SET label = 'touched'"] {
        let entries = serde_json::json!([FIRST, more.to_owned() + touching]);
        let next = schema(&entries, &["person", "badge", "account"]);
        from_the_first(|talk| {
            talk.exec(A, INSERT, &[]);
            talk.visit(A);
            talk.deploy(&next);
            talk.restart_with(B, &next);
            talk.exec(B, "INSERT INTO account VALUES ('none', NULL)", &[]);
            talk.visit(B);
            talk.exec(B, "INSERT INTO account VALUES ('a', 'p')", &[]);
            talk.visit(B);
            talk.visit(A);
            talk.exec(A, "DELETE FROM person", &[]);
            talk.restart_with(A, &next);
            assert_eq!(talk.query(A, "SELECT id FROM account"), [[text("none")]]);
            talk.visit(A);
            talk.visit(B);
            talk.assert_in_step();
            assert_eq!(talk.query(B, "SELECT id FROM account"), [[text("none")]]);
        });
    }
}

#[test]
fn cs35_rows_that_a_snapshot_brought_have_had_the_migrations_of_their_space() {
    let older = schema(&serde_json::json!([FIRST, "UPDATE person SET age = age + 1"]), &["person", "badge"]);
    from_the_first(|talk| {
        talk.exec(A, INSERT, &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.deploy(&older);
        talk.restart_with(B, &older);
        talk.exec(B, "UPDATE person SET name = 'later'", &[]);
        talk.visit(B);
        talk.input(A, Input::CannotApply);
        talk.visit(A);
        assert!(talk.transcript().contains("page of"), "{}", talk.transcript());
        talk.restart_with(A, &older);
        assert_eq!(value(talk, A, "SELECT age FROM person"), Value::Integer(37), "{}", talk.transcript());
        talk.exec(A, "UPDATE person SET age = age + 1", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT age FROM person"), Value::Integer(38));
    });
}

/// What the space made under a version that A has not comes to A, which then takes a version that the space has not.
fn go_past(talk: &mut Dialogue, second: &[&str], third: &str) {
    let schema = |more: &[&str]| {
        let all: Vec<&str> = [&[FIRST], more].concat();
        schema(&serde_json::json!(all), &["person", "badge"])
    };
    let (second, third) = (schema(second), schema(&[second, &[third]].concat()));
    [A, B].into_iter().for_each(|party| talk.visit(party));
    talk.deploy(&second);
    talk.restart_with(B, &second);
    talk.exec(B, INSERT, &[]);
    talk.visit(B);
    talk.visit(A);
    talk.exec(A, "INSERT INTO badge VALUES ('b', 'p')", &[]);
    talk.restart_with(A, &third);
    let shown = "SELECT (SELECT group_concat(name) FROM person) || (SELECT group_concat(id ORDER BY id) FROM badge)";
    let before = value(talk, A, shown);
    talk.deploy(&third);
    talk.restart_with(B, &third);
    [A, B].into_iter().for_each(|party| talk.visit(party));
    talk.assert_in_step();
    assert_eq!(value(talk, A, shown), before, "it had all of it\n{}", talk.transcript());
}

const TIDY: &str = "DELETE FROM badge WHERE id <> 'seed' AND label NOT IN (SELECT id FROM person)";

#[test]
fn cs278_rows_that_the_space_made_under_a_newer_version_stay_while_a_device_goes_past_it() {
    from_the_first(|talk| {
        go_past(talk, &["ALTER TABLE person ADD COLUMN email TEXT"], TIDY);
        assert_eq!(talk.query(B, "SELECT id, label FROM badge"), [[text("b"), text("p")]]);
    });
}

#[test]
fn cs278_and_come_back_as_they_were_where_a_migration_would_make_them_too() {
    from_the_first(|talk| {
        let seed = "INSERT INTO badge VALUES ('seed', 'from the start')";
        go_past(talk, &[seed], "ALTER TABLE person ADD COLUMN email TEXT");
        assert_eq!(value(talk, B, "SELECT group_concat(id ORDER BY id) FROM badge"), text("b,seed"));
    });
}
