//! A local database in memory and a few words to speak to it.
//! It checks nothing by itself.
//! Used by the store's native tests.
#![allow(dead_code)]

use ebbtide_core::ids::Millis;
use ebbtide_core::value::Value;
use ebbtide_store::local::{DbError, Executed, LocalDatabase, RowSink};
use ebbtide_store::schema::Schema;
use ebbtide_store::sqlite::value::owned;
use rusqlite::{Connection, Row};
use std::ops::ControlFlow;

pub const NOW: Millis = Millis(1_700_000_000_000);

pub fn schema(migrations: &[&str], tables: &[&str]) -> Schema {
    let tables: Vec<String> = tables.iter().map(|table| format!("\"{table}\":{{\"key\":\"natural\"}}")).collect();
    let migrations = serde_json::to_string(migrations).unwrap();
    serde_json::from_str(&format!(r#"{{"migrations":{migrations},"tables":{{{}}}}}"#, tables.join(","))).unwrap()
}

pub fn open(migrations: &[&str], tables: &[&str]) -> LocalDatabase {
    try_open(Connection::open_in_memory().unwrap(), migrations, tables).unwrap()
}

pub fn try_open(connection: Connection, migrations: &[&str], tables: &[&str]) -> Result<LocalDatabase, DbError> {
    LocalDatabase::open(connection, &schema(migrations, tables), NOW, [7; 16])
}

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

pub trait Speak {
    fn run(&mut self, sql: &str) -> Executed;
    fn fails(&mut self, sql: &str) -> String;
    fn rows(&mut self, sql: &str) -> Vec<String>;
    /// Takes the log: table, key, change, old and new of each waiting change, and empties it.
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

pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => format!("{bytes:x?}"),
    }
}
