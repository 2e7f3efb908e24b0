//! Rows that follow what happens to others further than one step, beside rows of the same key, and how many of them are told.

use crate::script::{A, B, meet, refused, status, text, value};
use ebbtide_core::client::TwoPhase;
use ebbtide_core::limits::KEY_CHANGES;
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

const TABLES: &str = "CREATE TABLE ward (id TEXT PRIMARY KEY NOT NULL, name TEXT, note TEXT) STRICT;
    CREATE TABLE zone (id TEXT PRIMARY KEY NOT NULL) STRICT;
    CREATE TABLE bed (id TEXT PRIMARY KEY NOT NULL, place TEXT DEFAULT 'z', FOREIGN KEY (place) REFERENCES ward(id) ON DELETE SET DEFAULT,
        FOREIGN KEY (place) REFERENCES zone(id) ON DELETE CASCADE) STRICT;
    CREATE TABLE guest (id TEXT PRIMARY KEY NOT NULL, ward TEXT NOT NULL REFERENCES ward(id) ON UPDATE CASCADE ON DELETE CASCADE) STRICT";

fn on_both_paths(rule: &str, script: impl Fn(&mut Dialogue)) {
    let tables = serde_json::json!({ "ward": { "delete": rule }, "zone": {}, "bed": {}, "guest": {} });
    let shape = serde_json::json!({ "migrations": [TABLES], "tables": tables });
    let schema: Schema = serde_json::from_value(shape).expect("a schema");
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        script(&mut Dialogue::with_schema(2, two_phase, schema.clone()));
    }
}

fn guests(talk: &mut Dialogue, party: usize) -> Vec<Vec<Value>> {
    talk.query(party, "SELECT id, ward FROM guest ORDER BY id")
}

#[test]
fn dl05_a_child_that_falls_back_to_its_default_goes_with_what_that_refers_to() {
    on_both_paths("wins", |talk| {
        talk.exec(A, "INSERT INTO ward (id) VALUES ('a'), ('z')", &[]);
        talk.exec(A, "INSERT INTO zone (id) VALUES ('a'), ('z')", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.transaction(A, &["DELETE FROM ward WHERE id = 'a'", "DELETE FROM zone WHERE id = 'z'"]);
        talk.exec(B, "INSERT INTO bed VALUES ('b', 'a')", &[]);
        meet(talk, [B, A]);
        for party in [A, B] {
            assert_eq!(status(talk, party).failed, 0, "{}", talk.transcript());
            assert_eq!(value(talk, party, "SELECT count(*) FROM bed"), Value::Integer(0));
        }
    });
}

#[test]
fn dl01_a_row_that_is_made_under_the_key_of_a_deleted_one_does_not_bring_back_what_fell_with_that() {
    on_both_paths("keep", |talk| {
        talk.exec(A, "INSERT INTO ward (id) VALUES ('kept')", &[]);
        talk.exec(A, "INSERT INTO guest VALUES ('1', 'kept')", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.exec(A, "INSERT INTO ward (id) VALUES ('anew')", &[]);
        talk.exec(A, "INSERT INTO guest VALUES ('2', 'anew')", &[]);
        talk.visit(A);
        talk.exec(A, "DELETE FROM ward", &[]);
        talk.visit(A);
        // B knows nothing of the second ward.
        talk.transaction(
            B,
            &[
                "INSERT INTO ward (id) VALUES ('anew')",
                "INSERT INTO guest VALUES ('3', 'anew')",
                "INSERT INTO guest VALUES ('4', 'kept')",
            ],
        );
        meet(talk, [B, A]);
        assert_eq!(refused(talk, B), [""; 0]);
        for party in [A, B] {
            let expected = [("1", "kept"), ("3", "anew"), ("4", "kept")].map(|(id, ward)| [text(id), text(ward)]);
            assert_eq!(guests(talk, party), expected, "{}", talk.transcript());
        }
    });
}

#[test]
fn dl10_as_many_key_changes_beside_edits_of_others_are_told_as_the_bound_says() {
    for wards in [KEY_CHANGES, KEY_CHANGES + 1] {
        on_both_paths("wins", |talk| {
            let fill = format!(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {wards})
                INSERT INTO ward (id, name) SELECT 'w' || i, 'name ' || i FROM n"
            );
            talk.exec(A, &fill, &[]);
            [A, B].into_iter().for_each(|party| talk.visit(party));
            talk.exec(A, "UPDATE ward SET id = 'new ' || id", &[]);
            talk.exec(B, "UPDATE ward SET note = 'edited'", &[]);
            talk.exec(B, "INSERT INTO guest SELECT 'of ' || id, id FROM ward", &[]);
            meet(talk, [B, A]);
            for party in [A, B] {
                assert_eq!(value(talk, party, "SELECT count(*) FROM ward"), Value::Integer(wards as i64));
                let led = value(talk, party, "SELECT count(*) FROM guest WHERE ward = 'new ' || substr(id, 4)");
                assert_eq!(led, Value::Integer(KEY_CHANGES as i64), "of {wards}");
                assert_eq!(guests(talk, party).len(), KEY_CHANGES, "a child of a ward that counts as deleted goes");
            }
        });
    }
}
