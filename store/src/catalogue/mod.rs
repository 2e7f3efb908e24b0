//! Reads the synced tables off a migrated database and checks them against the schema.
//! It knows SQLite's schema pragmas, which a Durable Object allows, and no row of any table.
//! Called by both adapters after the migrations have run.

mod default;
mod references;
mod strategy;
mod table;

use crate::schema::{Schema, SchemaError};
use crate::sql::{Row, Sql};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::ids::SchemaVersion;
use ebbtide_core::value::Value;

/// The catalogue of a database that has all of the schema's migrations.
pub fn read(sql: &mut impl Sql, schema: &Schema) -> Result<Catalogue, SchemaError> {
    schema.validate()?;
    let listed = table::list(sql)?;
    let mut tables = Vec::with_capacity(schema.tables.len());
    for (name, rules) in &schema.tables {
        tables.push(table::read(sql, &listed, name, rules)?);
    }
    let mut catalogue = Catalogue {
        version: SchemaVersion(u32::try_from(schema.migrations.len()).expect("fewer migrations than 2^32")),
        hash: schema.hash(),
        tables,
    };
    references::read(sql, &mut catalogue)?;
    Ok(catalogue)
}

/// Refuses keys that compare other than by their bytes. Separate, because a Durable Object may not have the pragma.
pub fn check_collations(sql: &mut impl Sql, catalogue: &Catalogue) -> Result<(), SchemaError> {
    for table in &catalogue.tables {
        table::check_collation(sql, table)?;
    }
    Ok(())
}

/// An identifier, quoted.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) fn text(row: &Row, column: usize) -> &str {
    match row.get(column) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

/// Numbers may arrive as doubles.
fn integer(row: &Row, column: usize) -> i64 {
    match row.get(column) {
        Some(Value::Integer(number)) => *number,
        Some(Value::Real(number)) => *number as i64,
        _ => 0,
    }
}
