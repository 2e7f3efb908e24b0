//! What a device keeps of a history that its space has lost: it comes back once more, across releases, and means nothing else in the other history.

use crate::script::{A, B, of_users, on_both_paths, refused, text, value, with_household};
use crate::versions;
use ebbtide_core::client::store::Rebuild;
use ebbtide_core::client::{Start, TwoPhase};
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_simulator::schema::schema;
use ebbtide_store::local::ChangeState;
use ebbtide_store::schema::{Migration, Schema};

#[test]
fn cs202_what_a_restored_space_still_has_comes_back_when_it_is_set_back_further() {
    on_both_paths(|talk| {
        with_household(talk);
        let early = talk.space.backup();
        talk.exec(A, "UPDATE household SET name = 'kept', doses = doses + 2, weight = 0.5", &[]);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('of a', 'h')", &[]);
        talk.visit(A);
        let late = talk.space.backup();
        talk.exec(A, "UPDATE household SET doses = doses + 5", &[]);
        talk.visit(A);
        for backup in [&late, &early, &late, &early] {
            talk.restore_space(backup);
            talk.visit(A);
            talk.visit(B);
            talk.assert_in_step();
            let household = value(talk, B, "SELECT name || doses || weight FROM household");
            assert_eq!(household, text("kept70.5"), "{}", talk.transcript());
            assert_eq!(value(talk, B, "SELECT group_concat(id) FROM visit"), text("of a"));
        }
        let key = [text("h")];
        let log = talk.device(A).database().row_log("household", &key, &WireCodec).expect("a synced table");
        let states: Vec<_> = log.iter().map(|entry| entry.state).collect();
        assert_eq!(states, [ChangeState::Applied; 3], "its log has each of them once");
    });
}

#[test]
fn cs202_what_was_refused_meanwhile_does_not_come_back() {
    on_both_paths(|talk| {
        with_household(talk);
        let early = talk.space.backup();
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('of a', 'taken')", &[]);
        talk.visit(A);
        talk.restore_space(&early);
        // The other history has a row in its place.
        talk.exec(B, "INSERT INTO household (id, code) VALUES ('of b', 'taken')", &[]);
        talk.visit(B);
        let late = talk.space.backup();
        talk.visit(A);
        assert_eq!(refused(talk, A), ["unique"]);
        for backup in [&late, &early] {
            talk.restore_space(backup);
            talk.visit(A);
            assert!(refused(talk, A).is_empty(), "it was told once");
            assert_eq!(talk.device(A).database().rejected().expect("a list").len(), 1);
            assert_eq!(value(talk, A, "SELECT count(*) FROM household WHERE id = 'of a'"), Value::Integer(0));
        }
    });
}

/// A later version has columns in other places.
fn grown() -> Schema {
    let mut schema = schema();
    let more = "ALTER TABLE household ADD COLUMN colour TEXT; ALTER TABLE visit DROP COLUMN notes";
    schema.migrations.push(Migration::Both(more.into()));
    schema
}

#[test]
fn cs203_what_was_sent_before_an_upgrade_comes_back_into_a_space_that_was_set_back() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.space.backup();
        talk.exec(A, "UPDATE household SET name = 'of before', doses = doses + 2", &[]);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('of a', 'h')", &[]);
        talk.visit(A);
        talk.visit(B);
        let grown = grown();
        talk.deploy(&grown);
        [A, B].into_iter().for_each(|party| talk.restart_with(party, &grown));
        talk.visit(A);
        talk.restore_space(&backup);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT name || doses FROM household"), text("of before2"));
        assert_eq!(value(talk, B, "SELECT group_concat(id) FROM visit"), text("of a"));
    });
}

#[test]
fn cs207_a_conflict_from_before_a_space_was_set_back_keeps_the_names_of_those_who_met() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let talk = &mut of_users(3, two_phase, schema());
        talk.exec(A, "INSERT INTO household (id, name) VALUES ('h', 'first')", &[]);
        talk.visit(A);
        let backup = talk.space.backup();
        let meets = |talk: &mut Dialogue, other: usize| {
            talk.visit(other);
            talk.exec(A, "UPDATE household SET name = 'of a'", &[]);
            talk.exec(other, "UPDATE household SET name = 'of another'", &[]);
            [A, other, A].into_iter().for_each(|party| talk.visit(party));
            let decided = talk.device(A).database().decided_conflicts().expect("a list");
            decided.into_iter().map(|record| record.challenger.author).collect::<Vec<_>>()
        };
        assert_eq!(meets(talk, B), ["bob", "bob"]);
        // B is not known any more, and somebody else gets the number that it had.
        talk.restore_space(&backup);
        talk.visit(2);
        talk.visit(A);
        let names = meets(talk, 2);
        assert_eq!(
            (names[0].as_str(), names.last().map(String::as_str)),
            ("bob", Some("cid")),
            "{}",
            talk.transcript()
        );
    }
}

/// The second version keeps another table in step.
fn with_aside(number: usize) -> Schema {
    let note = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT) STRICT";
    let aside = "CREATE TABLE aside (id TEXT PRIMARY KEY NOT NULL, number INTEGER) STRICT";
    let more = "ALTER TABLE note ADD COLUMN colour TEXT";
    let (migrations, tables) =
        if number == 1 { (vec![note, aside], vec!["note"]) } else { (vec![note, aside, more], vec!["aside", "note"]) };
    versions::schema(&serde_json::json!(migrations), &tables)
}

#[test]
fn cs205_a_device_that_waits_for_a_snapshot_notices_that_its_space_was_set_back() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(2, two_phase, with_aside(1));
        let talk = &mut talk;
        talk.exec(A, "INSERT INTO note VALUES ('n', 'first')", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        let backup = talk.space.backup();
        talk.deploy(&with_aside(2));
        talk.restart_with(B, &with_aside(2));
        talk.exec(B, "INSERT INTO aside VALUES ('of b', 1)", &[]);
        talk.exec(B, "UPDATE note SET title = 'second'", &[]);
        [B, A].into_iter().for_each(|party| talk.visit(party));
        // What A has in the table for itself meets what the space has: a snapshot is to lay the one beneath the other.
        talk.exec(A, "INSERT INTO aside VALUES ('of a', 2)", &[]);
        talk.exec(A, "UPDATE note SET title = 'of a, on the second'", &[]);
        talk.start_with(Start::Merge);
        talk.restart_with(A, &with_aside(2));
        assert_eq!(talk.durable(A).state.rebuild, Some(Rebuild::Behind));
        talk.restore_space(&backup);
        // In the other history A has not seen what B writes.
        talk.pass_ms(1_000);
        talk.exec(B, "UPDATE note SET title = 'of b, in the other history'", &[]);
        talk.visit(B);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        let title = value(talk, A, "SELECT title FROM note");
        assert_eq!(title, text("of b, in the other history"), "{}", talk.transcript());
    }
}
