//! Reading and refusing schemas.
//! Native SQLite, plain and narrowed; no local database is opened.
//! Rules ST-01 to ST-03.

use ebbtide_core::catalogue::{Affinity, ReferenceAction};
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::value::Value;
use ebbtide_store::catalogue;
use ebbtide_store::migrate::{self, Side};
use ebbtide_store::schema::{Schema, SchemaError};
use ebbtide_store::sql::{Sql, SqlErrorKind};
use ebbtide_store::sqlite::SqliteSql;
use rusqlite::Connection;

fn schema(migrations: &[&str], tables: &str) -> Schema {
    let migrations = serde_json::to_string(migrations).unwrap();
    serde_json::from_str(&format!(r#"{{"migrations":{migrations},"tables":{tables}}}"#)).unwrap()
}

fn migrated(schema: &Schema) -> SqliteSql {
    let mut sql = SqliteSql::narrow(Connection::open_in_memory().unwrap()).unwrap();
    for index in migrate::pending(&mut sql, schema).unwrap() {
        migrate::apply(&mut sql, schema, index, Side::Server).unwrap();
    }
    sql
}

fn refusal(migration: &str, tables: &str) -> (&'static str, String) {
    let schema = schema(&[migration], tables);
    let mut sql = migrated(&schema);
    let error =
        catalogue::read(&mut sql, &schema).and_then(|found| catalogue::check_collations(&mut sql, &found)).unwrap_err();
    (error.code(), error.to_string())
}

#[test]
fn st01_the_catalogue_is_read_off_the_database() {
    let schema = schema(
        &["CREATE TABLE parent (id TEXT PRIMARY KEY NOT NULL, name TEXT) STRICT;
           CREATE TABLE child (a INTEGER, b TEXT NOT NULL, up TEXT GENERATED ALWAYS AS (upper(b)), c TEXT NOT NULL,
             dose INTEGER NOT NULL DEFAULT 7, parent TEXT REFERENCES parent ON DELETE CASCADE, PRIMARY KEY (c, b)) WITHOUT ROWID"],
        r#"{"parent":{},"child":{"merge":{"dose":"lww"}}}"#,
    );
    let found = catalogue::read(&mut migrated(&schema), &schema).unwrap();
    assert_eq!(found.version.migrations(), 1);
    assert_eq!(found.tables.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["child", "parent"]);
    let child = &found.tables[0];
    let names: Vec<_> = child.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "dose", "parent"]);
    assert_eq!(child.key, [ColumnId(2), ColumnId(1)]);
    assert_eq!(child.columns[3].default, Some(Value::Integer(7)));
    assert_eq!(child.columns[3].affinity, Affinity::Integer);
    assert_eq!(child.references[0].parent, TableId(1));
    assert_eq!(child.references[0].columns, [ColumnId(4)]);
    assert_eq!(child.references[0].parent_columns, [ColumnId(0)]);
    assert_eq!(child.references[0].on_delete, ReferenceAction::Cascade);
}

#[test]
fn st02_a_schema_that_cannot_be_synced_is_refused_with_its_place() {
    let cases = [
        ("CREATE TABLE t (a TEXT)", r#"{"t":{}}"#, "schema_invalid", "PRIMARY KEY"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY)", r#"{"t":{}}"#, "schema_invalid", "NOT NULL"),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY)", r#"{"t":{}}"#, "schema_invalid", "natural"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL)", r#"{"u":{}}"#, "schema_invalid", "no migration"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL)", r#"{"_ebb_x":{}}"#, "schema_invalid", "reserved"),
        (
            "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL)",
            r#"{"t":{"merge":{"x":"lww"}}}"#,
            "schema_invalid",
            "no such column",
        ),
        (
            "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, a)",
            r#"{"t":{"merge":{"a":"best"}}}"#,
            "schema_invalid",
            "unknown",
        ),
        ("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, a)", r#"{"t":{"delete":"maybe"}}"#, "schema_invalid", "maybe"),
        (
            "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, a)",
            r#"{"t":{"row":"atomic","merge":{"a":"custom"}}}"#,
            "schema_invalid",
            "as a whole",
        ),
        ("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, a)", r#"{"t":{"row":"whole"}}"#, "schema_invalid", "whole"),
        (
            "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, a INTEGER)",
            r#"{"t":{"row":"atomic","merge":{"a":"sum"}}}"#,
            "schema_invalid",
            "as a whole",
        ),
        (
            "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, a TEXT)",
            r#"{"t":{"merge":{"a":"sum"}}}"#,
            "schema_invalid",
            "INTEGER",
        ),
        ("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL COLLATE NOCASE)", r#"{"t":{}}"#, "schema_invalid", "NOCASE"),
        ("CREATE VIEW t AS SELECT 1 AS id", r#"{"t":{}}"#, "schema_invalid", "view"),
        (
            "CREATE TABLE l (id TEXT PRIMARY KEY NOT NULL); CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, l REFERENCES l)",
            r#"{"t":{}}"#,
            "schema_invalid",
            "not synced",
        ),
    ];
    for (migration, tables, code, word) in cases {
        let (found, text) = refusal(migration, tables);
        assert_eq!(found, code, "{migration}: {text}");
        assert!(text.contains(word), "{text} lacks {word}");
    }
    let many: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    let wide = format!("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, {})", many.join(", "));
    assert_eq!(refusal(&wide, r#"{"t":{}}"#).0, "schema_invalid");
}

#[test]
fn st03_a_failing_or_changed_migration_leaves_the_version_before_it() {
    let good = schema(&["CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL)"], r#"{"t":{}}"#);
    let mut sql = migrated(&good);
    let bad =
        schema(&["CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL)", "CREATE TABLE u (x); CREATE TABEL v (x)"], "{}");
    let error = migrate::apply(&mut sql, &bad, 1, Side::Client).unwrap_err();
    assert!(matches!(&error, SchemaError::Migration { index: 1, message } if message.contains("TABEL")), "{error}");
    assert_eq!(migrate::pending(&mut sql, &good).unwrap(), 1..1);
    assert!(sql.query("SELECT * FROM u", &[]).is_err());
    let changed = schema(&["CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, more)"], "{}");
    assert_eq!(migrate::pending(&mut sql, &changed).unwrap_err().code(), "schema_changed");
    assert_eq!(migrate::pending(&mut sql, &schema(&[], "{}")).unwrap_err().code(), "schema_newer");
}

#[test]
fn st04_the_narrowed_adapter_allows_what_a_durable_object_allows() {
    let mut sql = SqliteSql::narrow(Connection::open_in_memory().unwrap()).unwrap();
    for refused in ["BEGIN", "COMMIT", "SAVEPOINT x", " rollback to x", "ATTACH ':memory:' AS b"] {
        assert_eq!(sql.execute(refused, &[]).unwrap_err().kind, SqlErrorKind::Misuse, "{refused}");
    }
    let many = vec![Value::Null; 101];
    assert!(sql.query(&format!("SELECT {}", vec!["?"; 101].join(",")), &many).is_err());
    let back =
        sql.query("SELECT ?, typeof(?), 1.0, 9007199254740993", &[Value::Integer(5), Value::Integer(5)]).unwrap();
    assert_eq!(back[0][..3], [Value::Integer(5), Value::Text("real".into()), Value::Integer(1)]);
    assert_eq!(back[0][3], Value::Integer(9_007_199_254_740_992));
}
