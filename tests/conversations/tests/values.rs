//! Values that a column would not store as they were sent, and rows that no space keeps: refused by name, and nobody ends up with something else.

use crate::script::{A, B, hello, status, submit, text};
use ebbtide_core::change::{Base, Change, Changeset, Field, Mutation, RowId, Transaction};
use ebbtide_core::client::TwoPhase;
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::Reason;
use ebbtide_core::ids::{DeviceSeq, Opening};
use ebbtide_core::limits::ROW_BYTES;
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::value::{Key, Value};
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

const TABLES: &str =
    "CREATE TABLE strict (id TEXT PRIMARY KEY NOT NULL, i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT;
    CREATE TABLE loose (id TEXT PRIMARY KEY NOT NULL, i INTEGER, r REAL, t TEXT, b BLOB, n NUMERIC);
    CREATE TABLE counted (id INTEGER PRIMARY KEY NOT NULL, label TEXT);
    CREATE TABLE untyped (id PRIMARY KEY NOT NULL, label TEXT)";

fn schema() -> Schema {
    let tables = serde_json::json!({ "strict": {}, "loose": {}, "counted": { "key": "natural" }, "untyped": {} });
    serde_json::from_value(serde_json::json!({ "migrations": [TABLES], "tables": tables })).expect("a schema")
}

fn on_both_paths(script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        script(&mut Dialogue::with_schema(2, two_phase, schema()));
    }
}

fn odd_values() -> Vec<Value> {
    let reals =
        [0.0, -0.0, 5.0, -1.5, 1e300, 9_223_372_036_854_775_808.0, f64::INFINITY, 5e-324, 4_503_599_627_370_497.5];
    let texts =
        ["", "5", " -5.0e1\u{b}", "5.", ".5", "+7", "0x10", "1e", "x", "9223372036854775808", "1_0", "\u{a0}5", "5\0"];
    let mut values: Vec<Value> = reals.map(Value::Real).to_vec();
    values.extend(texts.map(text));
    values.extend([i64::MIN, -1, 0, 5, i64::MAX].map(Value::Integer));
    values.extend([Value::Null, Value::Blob(vec![]), Value::Blob(vec![53])]);
    values
}

#[test]
fn sv86_whatever_an_app_writes_is_taken_as_its_device_stored_it() {
    on_both_paths(|talk| {
        for (at, value) in odd_values().into_iter().enumerate() {
            for table in ["strict", "loose"] {
                for column in ["i", "r", "t", "b", if table == "strict" { "a" } else { "n" }] {
                    let sql = format!("INSERT OR IGNORE INTO {table} (id, {column}) VALUES (?, ?)");
                    let written = talk.try_exec(A, &sql, &[text(&format!("{column}{at}")), value.clone()]);
                    assert!(written.is_ok() || table == "strict", "{column} takes {value:?}");
                }
            }
        }
        talk.visit(A);
        talk.visit(B);
        assert_eq!(status(talk, A).failed, 0, "{}", talk.transcript());
        talk.assert_in_step();
    });
}

/// What the space says to a changeset that nobody's SQLite has seen.
fn refused(talk: &mut Dialogue, number: u64, changes: &[(&str, Value, Mutation)]) -> Vec<(Reason, String)> {
    let catalogue = talk.space.catalogue();
    let transaction = |(at, (table, key, mutation)): (usize, &(&str, Value, Mutation))| {
        let table = catalogue.table_id(table).expect("a table");
        let row = RowId { table, key: Key(vec![key.clone()]) };
        let base = Base { seq: talk.head(), device_seq: DeviceSeq(number - 1) };
        let changes = vec![Change { row, mutation: mutation.clone(), base }];
        Transaction { stamp: Stamp((1 + at as u64) << 16), changes, ..Transaction::default() }
    };
    let transactions: Vec<Transaction> = changes.iter().enumerate().map(transaction).collect();
    let (device_seq, schema, opening) = (DeviceSeq(number), catalogue.version, Opening::default());
    let changeset = Changeset { device_seq, schema, origin: None, opening, transactions };
    let bytes = WireCodec.seal(&changeset, &catalogue).bytes;
    let hello = ClientMessage::Hello(hello(talk, B));
    let replies = talk.mail(B, &[hello, submit(number, bytes)]);
    let receipt = replies.into_iter().find_map(|reply| match reply {
        ServerMessage::Receipt(receipt) => Some(receipt),
        _ => None,
    });
    let receipt = receipt.expect("a verdict");
    assert_eq!(receipt.rejected.len(), changes.len(), "{:?}", receipt.rejected);
    receipt.rejected.into_iter().map(|rejection| (rejection.reason, rejection.detail)).collect()
}

fn in_words(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Integer(_) => "an integer",
        Value::Real(_) => "this real number",
        Value::Text(_) => "this text",
        Value::Blob(_) => "a blob",
    }
}

#[test]
fn sv86_what_a_column_would_store_otherwise_is_refused_by_table_and_column() {
    let mut talk = Dialogue::with_schema(3, TwoPhase::Auto, schema());
    talk.exec(A, "INSERT INTO loose (id, i) VALUES ('seen', 1)", &[]);
    talk.exec(A, "INSERT INTO strict (id, i) VALUES ('seen', 1)", &[]);
    talk.visit(A);
    talk.visit(B);
    let catalogue = talk.space.catalogue();
    let set = |table: &str, column: &str, value: &Value| {
        let table = catalogue.table(catalogue.table_id(table).expect("a table")).expect("a table");
        Mutation::Update(vec![Field { column: table.column_of(column).expect("a column"), value: value.clone() }])
    };
    let wrong = [
        ("i", vec![text("5"), text(" 5e0 "), Value::Real(5.0), Value::Real(f64::NAN)]),
        ("r", vec![Value::Integer(5), Value::Real(-0.0), text("0.5"), Value::Real(f64::NAN)]),
        ("t", vec![Value::Integer(5), Value::Real(0.5), Value::Real(f64::NAN)]),
        ("b", vec![Value::Real(f64::NAN)]),
    ];
    let mut changes = Vec::new();
    let mut places = Vec::new();
    for table in ["strict", "loose"] {
        for (column, values) in &wrong {
            for value in values {
                changes.push((table, text("seen"), set(table, column, value)));
                places.push(format!("{table}.{column}: {} is not what the column stores", in_words(value)));
            }
        }
    }
    let nulls = |count| Mutation::Insert(vec![Value::Null; count]);
    for key in [Value::Null, text("x"), Value::Real(1.5), text("5"), Value::Blob(vec![1])] {
        changes.push(("counted", key, nulls(1)));
        places.push("counted".into());
    }
    for key in [Value::Real(5.0), Value::Real(-0.0), Value::Real(-9_223_372_036_854_775_808.0)] {
        changes.push(("untyped", key, nulls(1)));
        places.push("untyped.id: ".into());
    }
    for key in [Value::Null, Value::Integer(5)] {
        places.push(format!("loose.id: {} is not", in_words(&key)));
        changes.push(("loose", key, nulls(5)));
    }
    for value in [text("x"), Value::Blob(vec![1])] {
        changes.push(("strict", text("seen"), set("strict", "i", &value)));
        places.push("cannot store".into());
    }
    for ((reason, detail), place) in refused(&mut talk, 1, &changes).into_iter().zip(places) {
        assert!(matches!(reason, Reason::Schema | Reason::Constraint), "{place}: {reason:?}");
        assert!(detail.starts_with(&place) || place == "counted", "{place}: {detail}");
    }
    talk.exec(A, "UPDATE loose SET i = 2", &[]);
    talk.visit(A);
    let third = 2;
    talk.visit(third);
    for party in [A, third] {
        assert_eq!(
            talk.query(party, "SELECT * FROM loose"),
            [[text("seen"), Value::Integer(2), Value::Null, Value::Null, Value::Null, Value::Null]]
        );
        assert_eq!(
            talk.query(party, "SELECT i, (SELECT count(*) FROM counted) FROM strict"),
            [[Value::Integer(1), Value::Integer(0)]]
        );
    }
}

#[test]
fn sv87_a_row_that_no_space_keeps_is_refused_also_where_it_became_so_by_merging() {
    on_both_paths(|talk| {
        let half = text(&"x".repeat(ROW_BYTES * 2 / 3));
        talk.exec(A, "INSERT INTO loose (id, i) VALUES ('one', 1)", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(A, "UPDATE loose SET t = ?", std::slice::from_ref(&half));
        talk.exec(B, "UPDATE loose SET b = ?", &[half]);
        talk.exec(B, "UPDATE loose SET i = 2", &[]);
        talk.visit(A);
        talk.visit(B);
        assert_eq!(crate::script::refused(talk, B), ["limit"]);
        talk.visit(A);
        assert_eq!(talk.query(A, "SELECT i, b FROM loose"), [[Value::Integer(2), Value::Null]]);
        talk.assert_in_step();
    });
}

#[test]
fn sv87_a_row_of_as_many_bytes_as_the_bound_is_kept() {
    on_both_paths(|talk| {
        // A text counts three bytes more than its letters, NULL one.
        let (key, nulls) = ("one", 4);
        let letters = ROW_BYTES - (key.len() + 3) - nulls - 3;
        talk.exec(A, "INSERT INTO loose (id, t) VALUES (?, ?)", &[text(key), text(&"x".repeat(letters))]);
        talk.visit(A);
        talk.visit(B);
        assert_eq!(crate::script::refused(talk, A), [""; 0]);
        assert_eq!(talk.query(B, "SELECT length(t) FROM loose"), [[Value::Integer(letters as i64)]]);
        talk.assert_in_step();
    });
}
