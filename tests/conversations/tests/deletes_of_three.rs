//! A row that waits for a person between a delete and an edit, and what a third device, or an author of the two sides, does to it besides.

use crate::script::{A, B, choose, of_users, open, refused, text, value};
use ebbtide_core::client::TwoPhase;
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

const C: usize = 2;

fn schema() -> Schema {
    let household = "CREATE TABLE household (id TEXT PRIMARY KEY NOT NULL, name TEXT, code TEXT) STRICT";
    let shape = serde_json::json!({ "migrations": [household], "tables": { "household": { "delete": "review" } } });
    serde_json::from_value(shape).expect("a schema")
}

/// Three devices of three users have a household.
fn on_both_paths(script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(3, two_phase, schema());
        talk.exec(A, "INSERT INTO household (id, name) VALUES ('h', 'first')", &[]);
        [A, B, C].into_iter().for_each(|party| talk.visit(party));
        script(&mut talk);
    }
}

/// Once all have met, nothing waits, and everybody has this household.
fn everybody_has(talk: &mut Dialogue, name: &str, code: Value) {
    for party in [C, B, A, C, B] {
        talk.visit(party);
    }
    for party in [A, B, C] {
        assert!(open(talk, party).is_empty());
        let rows = talk.query(party, "SELECT name, code FROM household");
        assert_eq!(rows, [[text(name), code.clone()]], "{}", talk.transcript());
    }
    talk.assert_in_step();
}

#[test]
fn dl04_choosing_what_stands_does_not_carry_out_what_its_author_wanted_later() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE household SET name = 'of a'", &[]);
        talk.visit(A);
        talk.exec(B, "DELETE FROM household", &[]);
        talk.visit(B);
        talk.exec(C, "UPDATE household SET code = 'of c'", &[]);
        talk.visit(C);
        talk.exec(A, "DELETE FROM household", &[]);
        talk.visit(A);
        assert_eq!((refused(talk, A), refused(talk, B)), (vec!["parked"], vec!["parked"]));
        talk.visit(C);
        let record = open(talk, C).remove(0);
        let authors: Vec<&str> = record.sides.iter().map(|side| side.author.as_str()).collect();
        assert_eq!(authors, ["ann", "bob", "ann"]);
        choose(talk, C, record.id, 0);
        everybody_has(talk, "of a", text("of c"));
    });
}

#[test]
fn dl03_another_delete_of_the_row_leaves_what_waits_to_bring_it_back() {
    on_both_paths(|talk| {
        talk.exec(A, "DELETE FROM household", &[]);
        talk.visit(A);
        talk.exec(B, "UPDATE household SET name = 'of b'", &[]);
        talk.visit(B);
        talk.exec(C, "DELETE FROM household", &[]);
        talk.visit(C);
        assert_eq!((refused(talk, B), refused(talk, C)), (vec!["parked"], vec![]));
        assert_eq!(value(talk, C, "SELECT count(*) FROM household"), Value::Integer(0));
        let id = open(talk, C).first().unwrap_or_else(|| panic!("it waits\n{}", talk.transcript())).id;
        choose(talk, C, id, 1);
        everybody_has(talk, "of b", Value::Null);
    });
}
