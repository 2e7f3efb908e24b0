//! The rows that the measures write: a table of 20 columns under UUIDv7 keys, as a survey would have it.
//! It knows the schema and no engine. `merge`, `commit` and `apply` take their changes from here.

use crate::random::Random;
use ebbtide_core::change::{Field, RowId};
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::value::{Key, Value};
use ebbtide_store::schema::Schema;
use rusqlite::Connection;

/// The server's time in every measure.
pub const NOW_MS: u64 = 1_795_219_200_000;

/// Columns beside the key.
pub const FIELDS: usize = 19;

/// One table: the key, then texts, whole numbers and reals in turn.
pub fn schema() -> Schema {
    let json = serde_json::json!({ "migrations": [create()], "tables": { "visit": {} } });
    serde_json::from_value(json).expect("the schema has the schema's shape")
}

/// The statement that makes the table.
pub fn create() -> String {
    let column = |field: usize| format!("c{field} {}", ["TEXT", "INTEGER", "REAL"][field % 3]);
    let columns: Vec<String> = (0..FIELDS).map(column).collect();
    format!("CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, {}) STRICT", columns.join(", "))
}

/// New rows with their values, keys rising as a device makes them.
pub fn fresh(random: &mut Random, count: usize) -> Vec<(RowId, Vec<Value>)> {
    let mut made_at = NOW_MS - count as u64 * 1_000;
    let row = |_| {
        made_at += random.draw() % 1_000;
        let key = Key(vec![Value::Text(random.uuid_at(made_at))]);
        let values = (0..FIELDS).map(|field| value(random, field)).collect();
        (RowId { table: TableId(0), key }, values)
    };
    (0..count).map(row).collect()
}

/// A new value for one field.
pub fn field(random: &mut Random) -> Field {
    let field = random.below(FIELDS);
    Field { column: ColumnId(field as u16 + 1), value: value(random, field) }
}

fn value(random: &mut Random, field: usize) -> Value {
    const WORDS: [&str; 8] = ["measles", "second", "visit", "mother", "absent", "dose", "given", "fever"];
    match field % 3 {
        0 => Value::Text(format!("{} {}", WORDS[random.below(8)], WORDS[random.below(8)])),
        1 => Value::Integer(random.below(100) as i64),
        _ => Value::Real(random.below(4_000) as f64 / 10.0),
    }
}

/// What a developer would write: one prepared statement for each kind of row, all in one transaction.
pub fn plain_inserts(connection: &Connection, rows: &[(RowId, Vec<Value>)]) {
    let marks = vec!["?"; FIELDS + 1].join(",");
    let mut statement = connection.prepare(&format!("INSERT INTO visit VALUES ({marks})")).expect("an insert");
    connection.execute_batch("BEGIN").expect("a transaction");
    for (row, values) in rows {
        for (at, value) in row.key.0.iter().chain(values).enumerate() {
            statement.raw_bind_parameter(at + 1, bound(value)).expect("a value");
        }
        statement.raw_execute().expect("a row");
    }
    connection.execute_batch("COMMIT").expect("a transaction");
}

/// One update for each field, all in one transaction, statements cached.
pub fn plain_updates(connection: &Connection, updates: &[(RowId, Field)]) {
    connection.execute_batch("BEGIN").expect("a transaction");
    for (row, field) in updates {
        let sql = format!("UPDATE visit SET c{}=? WHERE id=?", field.column.0 - 1);
        let mut statement = connection.prepare_cached(&sql).expect("an update");
        statement.raw_bind_parameter(1, bound(&field.value)).expect("a value");
        statement.raw_bind_parameter(2, bound(&row.key.0[0])).expect("a key");
        statement.raw_execute().expect("a row");
    }
    connection.execute_batch("COMMIT").expect("a transaction");
}

fn bound(value: &Value) -> ebbtide_store::sqlite::value::Bound<'_> {
    ebbtide_store::sqlite::value::Bound(value)
}
