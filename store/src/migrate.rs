//! Which migrations a database has, and running the next one.
//! It does not decide when they run, nor with which pragmas: a device runs them before it opens, a space in events of their own.
//! Called by both adapters.

use crate::portable;
use crate::schema::{Migration, Schema, SchemaError};
use crate::sql::{Sql, SqlError};
use ebbtide_core::value::Value;
use std::ops::Range;

/// One side of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A device: every migration runs.
    Client,
    /// A space: migrations for devices only are counted, but not run.
    Server,
}

impl Side {
    /// What of a migration runs here.
    pub fn share(self, migration: &Migration) -> Option<&str> {
        (self == Side::Client || migration.on_server()).then(|| migration.sql())
    }
}

/// The positions of the migrations that the database lacks. Refuses one whose applied texts have changed.
pub fn pending(sql: &mut impl Sql, schema: &Schema) -> Result<Range<usize>, SchemaError> {
    let applied = applied(sql)?;
    let known = schema.migrations.len();
    if let Some(index) = applied.iter().zip(&schema.migrations).position(|(hash, m)| *hash != m.hash()) {
        return Err(SchemaError::Changed { index });
    }
    if applied.len() > known {
        return Err(SchemaError::Newer { applied: applied.len() as u32, known: known as u32 });
    }
    Ok(applied.len()..known)
}

/// How many migrations are applied; 0 in a database that has no record of them.
pub fn applied_count(sql: &mut impl Sql) -> Result<u32, SchemaError> {
    let applied = applied(sql)?;
    Ok(u32::try_from(applied.len()).expect("fewer migrations than 2^32"))
}

/// Runs one migration's share of a side and records it, or changes nothing.
pub fn apply(sql: &mut impl Sql, schema: &Schema, index: usize, side: Side) -> Result<(), SchemaError> {
    let migration = &schema.migrations[index];
    let run = |sql: &mut _| run_and_record(sql, migration, index, side);
    sql.savepoint(run)?.map_err(|error| SchemaError::Migration { index, message: error.message })
}

fn run_and_record(sql: &mut impl Sql, migration: &Migration, index: usize, side: Side) -> Result<(), SqlError> {
    match side.share(migration) {
        Some(text) if side == Side::Server => sql.script(&portable::for_space(text))?,
        Some(text) => sql.script(text)?,
        None => {}
    }
    record(sql, index, migration)
}

/// Notes a migration as applied; belongs to the transaction that ran it.
pub fn record(sql: &mut impl Sql, index: usize, migration: &Migration) -> Result<(), SqlError> {
    let row = [Value::Integer(index as i64), Value::Blob(migration.hash().to_vec())];
    sql.execute("INSERT INTO _ebb_migration (position, hash) VALUES (?, ?)", &row)?;
    Ok(())
}

/// The hashes of the applied migrations, in order; creates the record when there is none.
fn applied(sql: &mut impl Sql) -> Result<Vec<[u8; 8]>, SchemaError> {
    sql.execute("CREATE TABLE IF NOT EXISTS _ebb_migration (position INTEGER PRIMARY KEY, hash BLOB NOT NULL)", &[])?;
    let rows = sql.query("SELECT hash FROM _ebb_migration ORDER BY position", &[])?;
    // A hash of another length was not written by this code; as zeroes it counts as changed.
    let hash = |row: Vec<Value>| match row.into_iter().next() {
        Some(Value::Blob(bytes)) => bytes.try_into().unwrap_or_default(),
        _ => [0; 8],
    };
    Ok(rows.into_iter().map(hash).collect())
}
