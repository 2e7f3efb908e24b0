//! Functions that the app gives its Worker: what becomes of two values, and whether a row may be written.

use crate::script::{A, B, meet, of_users, refused, status, text, value};
use ebbtide_core::client::TwoPhase;
use ebbtide_core::server::rules::{AppRules, MergeQuestion, RowView, Validation};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;
use std::cell::RefCell;
use std::rc::Rc;

/// Adds scores up beyond what both knew; answers and refuses what the other values say.
#[derive(Debug, Default)]
struct Rules {
    asked: RefCell<Vec<String>>,
}

fn named(row: &RowView<'_>, name: &str) -> Value {
    let (fields, key) = (row.table.fields().zip(row.values), row.table.key.iter().zip(&row.key.0));
    let field = fields.filter(|((_, column), _)| column.name == name).map(|(_, value)| value.clone());
    let part = key.filter(|(id, _)| row.table.columns[usize::from(id.0)].name == name).map(|(_, value)| value.clone());
    field.chain(part).next().expect("a column")
}

fn number(value: &Value) -> i64 {
    if let Value::Integer(number) = value { *number } else { 0 }
}

impl AppRules for Rules {
    fn validates(&self, table: &str) -> bool {
        table == "visit"
    }

    fn merge(&self, question: &MergeQuestion<'_>) -> Result<Value, String> {
        let MergeQuestion { row, base, mine, theirs, identity, .. } = question;
        assert_eq!(named(row, "score"), **theirs);
        self.asked.borrow_mut().push(format!(
            "{} by {}: base {}, mine {}, theirs {}",
            row.table.name,
            identity.user,
            base.map_or(-1, number),
            number(mine),
            number(theirs)
        ));
        match number(mine) {
            13 => Err("unlucky ".repeat(100)),
            14 => Ok(text("fourteen")),
            15 => Ok(Value::Null),
            mine => Ok(Value::Integer(mine + number(theirs) - base.map_or(0, number))),
        }
    }

    fn validate(&self, validation: &Validation<'_>) -> Result<(), String> {
        let notes = |row: &RowView<'_>| match named(row, "notes") {
            Value::Text(notes) => notes,
            _ => String::from("-"),
        };
        let before = validation.before.as_ref().map_or(String::from("new"), notes);
        let now = notes(&validation.row);
        self.asked.borrow_mut().push(format!("{} by {}: {before} > {now}", "visit", validation.identity.user));
        if now.contains("forbidden") { Err(format!("{now} is not allowed")) } else { Ok(()) }
    }
}

fn schema() -> Schema {
    let json = serde_json::json!({
        "migrations": ["CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, score INTEGER NOT NULL DEFAULT 0, notes TEXT, other TEXT) STRICT;
            CREATE TABLE plain (id TEXT PRIMARY KEY NOT NULL, visit TEXT REFERENCES visit(id) ON DELETE CASCADE) STRICT"],
        "tables": { "visit": { "merge": { "score": "custom" } }, "plain": {} }
    });
    serde_json::from_value(json).expect("a schema")
}

fn on_both_paths(script: impl Fn(&mut Dialogue, &Rules)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let rules = Rc::new(Rules::default());
        let mut talk = of_users(2, two_phase, schema());
        talk.space.set_rules(rules.clone());
        talk.exec(A, "INSERT INTO visit (id, score, notes) VALUES ('v', 5, 'first')", &[]);
        talk.visit(A);
        talk.visit(B);
        rules.asked.borrow_mut().clear();
        script(&mut talk, &rules);
    }
}

fn score(talk: &mut Dialogue, party: usize) -> Value {
    value(talk, party, "SELECT score FROM visit WHERE id = 'v'")
}

#[test]
fn ru01_custom_has_the_app_say_what_becomes_of_two_values() {
    for order in [[A, B], [B, A]] {
        on_both_paths(|talk, rules| {
            talk.exec(A, "UPDATE visit SET score = 7", &[]);
            talk.exec(B, "UPDATE visit SET score = 9", &[]);
            talk.visit(order[0]);
            assert_eq!(score(talk, order[1]), Value::Integer(if order[1] == A { 7 } else { 9 }), "its own until then");
            meet(talk, order);
            let asked = rules.asked.borrow().iter().filter(|asked| asked.contains("base")).cloned().collect::<Vec<_>>();
            let expected = match order {
                [A, B] => "visit by bob: base 5, mine 9, theirs 7",
                _ => "visit by ann: base 5, mine 7, theirs 9",
            };
            assert_eq!(asked, [expected]);
            for party in [A, B] {
                assert_eq!(score(talk, party), Value::Integer(11));
                let records = talk.device(party).database().decided_conflicts().expect("readable");
                assert_eq!(records.len(), 1, "{records:?}");
                assert_eq!(records[0].column.as_deref(), Some("score"));
            }
        });
    }
}

#[test]
fn ru01_what_was_seen_at_its_default_or_equal_asks_nobody() {
    on_both_paths(|talk, rules| {
        talk.exec(A, "UPDATE visit SET score = 6", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(B, "UPDATE visit SET score = 7", &[]);
        talk.visit(B);
        talk.visit(A);
        talk.exec(A, "INSERT INTO visit (id) VALUES ('default')", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(B, "UPDATE visit SET score = 8 WHERE id = 'default'", &[]);
        talk.exec(A, "UPDATE visit SET score = 20 WHERE id = 'v'", &[]);
        talk.exec(B, "UPDATE visit SET score = 20 WHERE id = 'v'", &[]);
        meet(talk, [A, B]);
        assert!(rules.asked.borrow().iter().all(|asked| !asked.contains("base")), "{:?}", rules.asked.borrow());
        assert_eq!(score(talk, B), Value::Integer(20));
    });
}

#[test]
fn ru01_a_value_that_came_out_merged_was_not_seen_by_its_writer() {
    on_both_paths(|talk, _| {
        talk.exec(A, "UPDATE visit SET score = 7", &[]);
        talk.visit(A);
        talk.exec(B, "UPDATE visit SET score = 9", &[]);
        talk.connect(B);
        let before = talk.head();
        while talk.head() == before {
            assert!(talk.up(B) || talk.down(B));
        }
        // The verdict is on its way: what B writes now is about its 9, not about the 11 that came out.
        talk.exec(B, "UPDATE visit SET score = 10", &[]);
        talk.settle();
        talk.cut(B);
        meet(talk, [A, B]);
        assert_eq!(score(talk, A), Value::Integer(12), "{}", talk.transcript());
    });
}

#[test]
fn ru02_what_the_app_throws_or_answers_wrongly_refuses_that_transaction_alone() {
    for wrong in [13, 14, 15] {
        on_both_paths(|talk, _| {
            talk.exec(A, "UPDATE visit SET score = 7", &[]);
            talk.visit(A);
            talk.exec(B, &format!("UPDATE visit SET score = {wrong}"), &[]);
            talk.exec(B, "UPDATE visit SET other = 'stays'", &[]);
            talk.visit(B);
            assert_eq!(refused(talk, B), ["custom_rejected"]);
            let detail = talk.device(B).database().rejected().expect("a list")[0].detail.clone();
            assert!(detail.starts_with("visit.score: ") && detail.chars().count() <= 320, "{detail}");
            meet(talk, [A, B]);
            assert_eq!(score(talk, B), Value::Integer(7));
            assert_eq!(value(talk, A, "SELECT other FROM visit"), text("stays"));
        });
    }
}

#[test]
fn ru03_validate_sees_rows_as_they_will_be_and_refuses_their_transaction_alone() {
    on_both_paths(|talk, rules| {
        talk.exec(A, "UPDATE visit SET notes = 'second'", &[]);
        talk.transaction(
            A,
            &["INSERT INTO visit (id, notes) VALUES ('w', 'forbidden')", "INSERT INTO plain VALUES ('p', 'w')"],
        );
        talk.exec(A, "INSERT INTO plain VALUES ('q', 'v')", &[]);
        talk.visit(A);
        let expected = ["visit by ann: first > second", "visit by ann: new > forbidden"];
        assert_eq!(rules.asked.borrow()[..2], expected);
        assert_eq!(refused(talk, A), ["custom_rejected"]);
        let detail = talk.device(A).database().rejected().expect("a list")[0].detail.clone();
        assert_eq!(detail, "visit: forbidden is not allowed");
        meet(talk, [A, B]);
        assert_eq!(talk.query(B, "SELECT id FROM plain"), [[text("q")]]);
        assert_eq!(talk.query(B, "SELECT id, notes FROM visit"), [[text("v"), text("second")]]);
        rules.asked.borrow_mut().clear();
        talk.exec(B, "DELETE FROM visit", &[]);
        meet(talk, [B, A]);
        assert!(rules.asked.borrow().is_empty(), "deletes are not asked about");
        assert_eq!(status(talk, B).failed, 0);
    });
}

#[test]
fn ru03_a_merged_row_is_validated_as_it_comes_out() {
    on_both_paths(|talk, _| {
        talk.exec(A, "UPDATE visit SET notes = 'forbidden' WHERE id = 'none'", &[]);
        talk.exec(A, "UPDATE visit SET notes = 'fine'", &[]);
        talk.visit(A);
        talk.exec(B, "UPDATE visit SET other = 'x'", &[]);
        talk.visit(B);
        talk.exec(B, "UPDATE visit SET notes = 'forbidden too'", &[]);
        talk.visit(B);
        assert_eq!(refused(talk, B), ["custom_rejected"]);
        meet(talk, [A, B]);
        assert_eq!(value(talk, B, "SELECT notes || other FROM visit"), text("finex"));
    });
}
