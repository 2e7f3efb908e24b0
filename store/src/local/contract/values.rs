//! Cases: every value comes back as it went in, in the row, in the log and through an apply.
//! What SQLite itself makes of a value (NaN, -0.0) is what is expected.
//! Rule ST-09.

use super::words::{NOW, Rows, Speak, open, reopen, row, step};
use ebbtide_core::change::LoggedMutation;
use ebbtide_core::client::store::ClientStore;
use ebbtide_core::commit::{Effect, Outcome};
use ebbtide_core::value::Value;
use rusqlite::Connection;

const ANY: &str = "CREATE TABLE any (id TEXT PRIMARY KEY NOT NULL, v)";
const TYPED: &str = "CREATE TABLE typed (id TEXT PRIMARY KEY NOT NULL, i INTEGER, r REAL, t TEXT, b BLOB) STRICT";

fn values() -> Vec<Value> {
    let integers = [0, 1, -1, i64::MAX, i64::MIN, (1 << 53) + 1, -(1 << 53) - 1].map(Value::Integer);
    let reals =
        [0.0, 1.0, 0.1, f64::MIN_POSITIVE / 4.0, f64::MAX, f64::MIN, f64::INFINITY, f64::NEG_INFINITY].map(Value::Real);
    let texts = ["", "0", "a\0b", "ä€😀", "null", "\n"].map(|text| Value::Text(text.into()));
    let long = [Value::Text("x".repeat(100_000)), Value::Blob(vec![0; 100_000])];
    let blobs = [vec![], vec![0], (0..=255).collect()].map(Value::Blob);
    [Value::Null].into_iter().chain(integers).chain(reals).chain(texts).chain(long).chain(blobs).collect()
}

pub fn st09_values_come_back_and_are_logged_as_they_went_in(connection: Connection) {
    let mut db = open(connection, &[ANY], &["any"]);
    for (n, value) in values().into_iter().enumerate() {
        let key = format!("k{n}");
        db.execute("INSERT INTO any VALUES (?, ?)", &[Value::Text(key.clone()), value.clone()], NOW).unwrap();
        let mut rows = Rows::default();
        db.query("SELECT v FROM any WHERE id = ?", &[Value::Text(key)], NOW, &mut rows).unwrap();
        assert_eq!(rows.0, [vec![value]]);
    }
    let mut db = reopen(db, &[ANY], &["any"]);
    let log = step(&mut db, |store| store.unsealed(usize::MAX, usize::MAX));
    let logged = log.into_iter().map(|transaction| transaction.changes[0].mutation.clone());
    assert!(logged.eq(values().into_iter().map(|value| LoggedMutation::Insert(vec![value]))));
}

pub fn st09_applied_values_are_the_values_sent(connection: Connection) {
    let mut db = open(connection, &[ANY], &["any"]);
    for (n, value) in values().into_iter().enumerate() {
        let row = row(0, &format!("k{n}"));
        let outcome = Outcome { row: row.clone(), effect: Effect::Put(vec![value.clone()]) };
        let found = step(&mut db, |store| store.write(&[outcome]).and_then(|()| store.row(&row)));
        assert_eq!(found, Some(vec![value]));
    }
}

pub fn st09_what_is_logged_is_what_a_select_answers(connection: Connection) {
    let mut db = open(connection, &[TYPED], &["typed"]);
    let given = [Value::Real(5.0), Value::Integer(7), Value::Integer(12), Value::Blob(vec![1])];
    let mut params = vec![Value::Text("k".into())];
    params.extend(given);
    db.execute("INSERT INTO typed VALUES (?, ?, ?, ?, ?)", &params, NOW).unwrap();
    db.run("UPDATE typed SET i = 6.0, r = -0.0, t = 5 + 5");
    db.run("UPDATE typed SET r = 9223372036854775807, i = '12'");
    let stored = step(&mut db, |store| store.row(&row(0, "k"))).unwrap();
    let log = step(&mut db, |store| store.unsealed(usize::MAX, usize::MAX));
    let mut folded = Vec::new();
    for transaction in log {
        match transaction.changes[0].mutation.clone() {
            LoggedMutation::Insert(values) => folded = values,
            LoggedMutation::Update(fields) => {
                for field in fields {
                    let at = usize::from(field.column.0) - 1;
                    assert_eq!(std::mem::replace(&mut folded[at], field.new), field.old);
                }
            }
            LoggedMutation::Delete(_) => unreachable!("nothing was deleted"),
        }
    }
    assert_eq!(folded, stored);
}

pub fn st09_not_a_number_is_null(connection: Connection) {
    let mut db = open(connection, &[ANY], &["any"]);
    db.execute("INSERT INTO any VALUES ('n', ?)", &[Value::Real(f64::NAN)], NOW).unwrap();
    assert_eq!(db.rows("SELECT typeof(v) FROM any"), ["null"]);
    assert_eq!(db.log(), [r#"any|["n"]|insert|null|{"v":null}"#]);
}

pub fn st09_keys_of_every_type_name_their_rows(connection: Connection) {
    let table = "CREATE TABLE pair (a BLOB NOT NULL, b REAL NOT NULL, v, PRIMARY KEY (a, b)) WITHOUT ROWID";
    let mut db = open(connection, &[table], &["pair"]);
    let key = vec![Value::Blob(vec![0, 255]), Value::Real(2.0)];
    db.execute("INSERT INTO pair VALUES (?, ?, 1)", &key, NOW).unwrap();
    db.run("UPDATE pair SET v = 2");
    let log = step(&mut db, |store| store.unsealed(usize::MAX, usize::MAX));
    assert!(log.iter().all(|transaction| transaction.changes[0].row.key.0 == key));
    let row = log[0].changes[0].row.clone();
    assert_eq!(step(&mut db, |store| store.row(&row)), Some(vec![Value::Integer(2)]));
    assert_eq!(step(&mut db, |store| store.pending_changes(&[row]))[0].len(), 2);
}
