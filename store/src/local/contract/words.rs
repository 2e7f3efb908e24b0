//! A few words to speak to a local database in tests: open, run, read, look at the log.
//! It checks nothing by itself.
//! Used by the contract's cases and by the store's native tests.

use crate::local::{DbError, Executed, LocalDatabase, RowSink, SyncStep};
use crate::schema::Schema;
use crate::sql::SqlError;
use crate::sqlite::value::owned;
use ebbtide_core::change::RowId;
use ebbtide_core::ids::{Millis, TableId};
use ebbtide_core::value::{Key, Value};
use rusqlite::{Connection, Row};
use std::ops::ControlFlow;

/// The time in all tests.
pub const NOW: Millis = Millis(1_700_000_000_000);

/// A schema of these migrations with these synced tables.
pub fn schema(migrations: &[&str], tables: &[&str]) -> Schema {
    let tables: Vec<String> = tables.iter().map(|table| format!("\"{table}\":{{\"key\":\"natural\"}}")).collect();
    let migrations = serde_json::to_string(migrations).unwrap();
    serde_json::from_str(&format!(r#"{{"migrations":{migrations},"tables":{{{}}}}}"#, tables.join(","))).unwrap()
}

/// Opens a database that is expected to open.
pub fn open(connection: Connection, migrations: &[&str], tables: &[&str]) -> LocalDatabase {
    try_open(connection, migrations, tables).unwrap()
}

/// Opens it again, as after a restart.
pub fn reopen(db: LocalDatabase, migrations: &[&str], tables: &[&str]) -> LocalDatabase {
    open(db.into_connection().unwrap(), migrations, tables)
}

/// Runs a step that is expected to succeed.
pub fn step<T>(db: &mut LocalDatabase, body: impl FnOnce(&mut SyncStep<'_>) -> Result<T, SqlError>) -> T {
    db.sync_step(NOW, body).unwrap().unwrap()
}

/// A text value.
pub fn text(value: &str) -> Value {
    Value::Text(value.into())
}

/// A row by the position of its table and its text key.
pub fn row(table: u16, key: &str) -> RowId {
    RowId { table: TableId(table), key: Key(vec![text(key)]) }
}

/// Opens a database.
pub fn try_open(connection: Connection, migrations: &[&str], tables: &[&str]) -> Result<LocalDatabase, DbError> {
    LocalDatabase::open(connection, &schema(migrations, tables), NOW, [7; 16])
}

/// Collects rows.
#[derive(Default)]
pub struct Rows(pub Vec<Vec<Value>>);

impl RowSink for Rows {
    fn columns(&mut self, _: &[&str]) {}

    fn row(&mut self, row: &Row<'_>) -> ControlFlow<()> {
        let width = row.as_ref().column_count();
        self.0.push((0..width).map(|at| owned(row.get_ref(at).unwrap(), at).unwrap()).collect());
        ControlFlow::Continue(())
    }
}

/// SQL in one word each.
pub trait Speak {
    /// Runs a statement that is expected to succeed.
    fn run(&mut self, sql: &str) -> Executed;
    /// Runs a statement that is expected to fail; answers the code.
    fn fails(&mut self, sql: &str) -> String;
    /// The rows of a query, their values joined by bars.
    fn rows(&mut self, sql: &str) -> Vec<String>;
    /// Table, key, change, old and new of each change that was logged since the last call.
    fn log(&mut self) -> Vec<String>;
}

impl Speak for LocalDatabase {
    fn run(&mut self, sql: &str) -> Executed {
        self.execute(sql, &[], NOW).unwrap_or_else(|error| panic!("{}: {error}", error.code.code()))
    }

    fn fails(&mut self, sql: &str) -> String {
        self.execute(sql, &[], NOW).expect_err(sql).code.code().into()
    }

    fn rows(&mut self, sql: &str) -> Vec<String> {
        let mut rows = Rows::default();
        self.query(sql, &[], NOW, &mut rows).unwrap();
        rows.0.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join("|")).collect()
    }

    fn log(&mut self) -> Vec<String> {
        let sql = "SELECT \"table\", key, change, old, new FROM ebb_log WHERE \"transaction\" > ifnull((SELECT n FROM temp.seen), 0)
                   ORDER BY \"transaction\", position";
        self.run("CREATE TEMP TABLE IF NOT EXISTS seen (n)");
        let rows = self.rows(sql);
        self.run("DELETE FROM temp.seen");
        self.run("INSERT INTO temp.seen SELECT max(\"transaction\") FROM ebb_log");
        rows
    }
}

/// A value in as few characters as tell it apart.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => format!("{bytes:x?}"),
    }
}
