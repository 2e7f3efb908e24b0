//! What a function of the app may answer for a field, by the type of its column, and what it is told of each field.

use crate::script::{A, B, meet, of_users, refused, text, value};
use ebbtide_core::client::TwoPhase;
use ebbtide_core::server::rules::{AppRules, MergeQuestion, Validation};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;
use std::cell::RefCell;
use std::rc::Rc;

/// Answers the same to every question, and remembers which base it was told for which column.
#[derive(Debug)]
struct Always {
    answer: Value,
    bases: RefCell<Vec<(String, Value)>>,
}

impl AppRules for Always {
    fn validates(&self, _table: &str) -> bool {
        false
    }

    fn merge(&self, question: &MergeQuestion<'_>) -> Result<Value, String> {
        let name = question.row.table.columns[usize::from(question.column.0)].name.clone();
        self.bases.borrow_mut().push((name, question.base.cloned().expect("a device tells what it had seen")));
        Ok(self.answer.clone())
    }

    fn validate(&self, _validation: &Validation<'_>) -> Result<(), String> {
        Ok(())
    }
}

fn schema() -> Schema {
    let columns = ["i", "r", "t", "n", "b"];
    let merge: serde_json::Map<_, _> = columns.iter().map(|column| ((*column).into(), "custom".into())).collect();
    let json = serde_json::json!({
        "migrations": ["CREATE TABLE form (id TEXT PRIMARY KEY NOT NULL, i INTEGER, r REAL, t TEXT, n NUMERIC, b BLOB)"],
        "tables": { "form": { "merge": merge } }
    });
    serde_json::from_value(json).expect("a schema")
}

/// Two devices change a field unseen by each other. What all of them show then; nothing where the answer was refused.
fn settled(column: &str, answer: Value) -> Option<Value> {
    let mut talk = of_users(2, TwoPhase::Auto, schema());
    talk.space.set_rules(Rc::new(Always { answer, bases: RefCell::default() }));
    talk.exec(A, "INSERT INTO form VALUES ('f', 1, 1.5, 'one', 1, x'01')", &[]);
    [A, B].into_iter().for_each(|party| talk.visit(party));
    let other = |number: u32| match column {
        "r" => Value::Real(f64::from(number) + 0.5),
        "t" => text(&number.to_string()),
        "b" => Value::Blob(vec![number as u8]),
        _ => Value::Integer(i64::from(number)),
    };
    for party in [A, B] {
        talk.exec(party, &format!("UPDATE form SET {column} = ?"), &[other(7 + party as u32)]);
    }
    talk.visit(A);
    talk.sync(B);
    let reasons = refused(&mut talk, B);
    talk.cut(B);
    meet(&mut talk, [A, B]);
    assert!(reasons.is_empty() || reasons == ["custom_rejected"], "{reasons:?}");
    reasons.is_empty().then(|| value(&mut talk, A, &format!("SELECT {column} FROM form")))
}

#[test]
fn ru02_an_answer_is_taken_where_the_column_stores_it_as_it_is() {
    let taken = [
        ("i", Value::Integer(5)),
        ("r", Value::Real(2.5)),
        ("t", text("5")),
        ("n", Value::Integer(5)),
        ("n", Value::Real(2.5)),
        ("b", text("5")),
        ("b", Value::Real(5.0)),
    ];
    for (column, answer) in taken {
        assert_eq!(settled(column, answer.clone()), Some(answer), "{column}");
    }
    for column in ["i", "r", "t", "n", "b"] {
        assert_eq!(settled(column, Value::Null), Some(Value::Null), "{column}");
    }
    assert_eq!(settled("r", Value::Integer(5)), Some(Value::Real(5.0)), "JavaScript has one kind of number");
}

#[test]
fn ru02_an_answer_that_the_column_would_make_another_of_is_refused() {
    let wrong = [
        ("i", Value::Real(2.5)),
        ("i", text("5")),
        ("r", text("5")),
        ("r", Value::Real(-0.0)),
        ("t", Value::Integer(5)),
        ("t", Value::Blob(vec![5])),
        ("n", Value::Real(5.0)),
        ("n", text("5")),
        ("b", Value::Real(f64::NAN)),
    ];
    for (column, answer) in wrong {
        assert_eq!(settled(column, answer.clone()), None, "{column} {answer:?}");
    }
}

#[test]
fn ru01_each_field_is_asked_about_with_what_its_writer_had_seen_in_it() {
    let mut talk = Dialogue::with_schema(2, TwoPhase::Auto, schema());
    let rules = Rc::new(Always { answer: Value::Null, bases: RefCell::default() });
    talk.space.set_rules(rules.clone());
    talk.exec(A, "INSERT INTO form VALUES ('f', 1, 1.5, 'one', 2, x'01')", &[]);
    [A, B].into_iter().for_each(|party| talk.visit(party));
    for party in [A, B] {
        talk.exec(party, "UPDATE form SET i = i + ?1, t = t || ?1", &[Value::Integer(10 + party as i64)]);
    }
    meet(&mut talk, [A, B]);
    assert_eq!(*rules.bases.borrow(), [("i".into(), Value::Integer(1)), ("t".into(), text("one"))]);
}

#[test]
fn ru04_a_field_whose_function_is_missing_refuses_what_it_would_be_asked_about() {
    let mut talk = Dialogue::with_schema(2, TwoPhase::Auto, schema());
    talk.exec(A, "INSERT INTO form (id, i) VALUES ('f', 1)", &[]);
    [A, B].into_iter().for_each(|party| talk.visit(party));
    for party in [A, B] {
        talk.exec(party, "UPDATE form SET i = ?", &[Value::Integer(7 + party as i64)]);
    }
    talk.visit(A);
    talk.sync(B);
    assert_eq!(refused(&mut talk, B), ["custom_rejected"]);
    talk.cut(B);
    meet(&mut talk, [A, B]);
    assert_eq!(value(&mut talk, B, "SELECT i FROM form"), Value::Integer(7));
}
