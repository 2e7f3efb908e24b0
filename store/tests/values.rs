//! What the core says SQLite does to values, against SQLite itself.

use ebbtide_core::catalogue::Affinity;
use ebbtide_core::server::values::is_stored_as_it_is;
use ebbtide_core::value::Value;
use ebbtide_store::sqlite::value::{Bound, owned};
use rusqlite::Connection;

const COLUMNS: [(&str, Affinity); 5] = [
    ("TEXT", Affinity::Text),
    ("NUMERIC", Affinity::Numeric),
    ("INTEGER", Affinity::Integer),
    ("REAL", Affinity::Real),
    ("BLOB", Affinity::Blob),
];

/// Texts that are nearly numbers, and numbers around the ends of what converts.
fn values() -> Vec<Value> {
    let pieces = [
        "",
        " ",
        "\t",
        "\u{b}",
        "\u{c}",
        "\0",
        "+",
        "-",
        ".",
        "0",
        "7",
        "12345678901234567890",
        "e",
        "E",
        "x",
        "_",
        "é",
        "Inf",
        "NaN",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut values: Vec<Value> =
        (0..20_000).map(|_| Value::Text((0..1 + draw(6)).map(|_| pieces[draw(pieces.len())]).collect())).collect();
    let reals =
        [0.0, -0.0, 1.0, -1.0, 0.5, 2_f64.powi(53), 2_f64.powi(62), 2_f64.powi(63), -(2_f64.powi(63)), 1e300, 5e-324];
    values.extend(reals.map(Value::Real));
    values.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 9_223_372_036_854_774_784.0].map(Value::Real));
    values.extend((0..1_000).map(|_| Value::Real(f64::from_bits((draw(usize::MAX) as u64) << 1))));
    values.extend([i64::MIN, -1, 0, 1, 1 << 53, i64::MAX].map(Value::Integer));
    values.extend([Value::Null, Value::Blob(vec![]), Value::Blob(b"5".to_vec())]);
    values
}

#[test]
fn sv86_what_is_said_to_be_stored_as_it_is_is_what_sqlite_stores() {
    let connection = Connection::open_in_memory().expect("a database");
    for (declared, affinity) in COLUMNS {
        connection.execute_batch(&format!("CREATE TABLE t{declared} (v {declared})")).expect("a table");
        let sql = format!("INSERT INTO t{declared} VALUES (?) RETURNING v");
        let mut insert = connection.prepare(&sql).expect("a statement");
        for value in values() {
            let stored = insert.query_row([Bound(&value)], |row| row.get_ref(0).map(|cell| owned(cell, 0)));
            let stored = stored.expect("a row").expect("readable");
            let said = is_stored_as_it_is(affinity, &value);
            // Of a text with a NUL in it more may be refused than SQLite converts: versions differ.
            let unclear = matches!(&value, Value::Text(text) if text.contains('\0'));
            assert!(said == (stored == value) || unclear && !said, "{declared}: {value:?} is stored as {stored:?}");
        }
    }
}
