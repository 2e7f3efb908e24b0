//! Reads the synced tables off a migrated database and checks them against the schema.
//! It knows SQLite's schema pragmas, which a Durable Object allows, and no row of any table.
//! Called by both adapters after the migrations have run.

mod default;
mod references;
mod strategy;
mod table;
pub(crate) mod writable;

use crate::schema::{Schema, SchemaError, TableRules};
use crate::sql::{Row, Sql};
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::value::Value;

/// The catalogue of a database that has all of the schema's migrations.
pub fn read(sql: &mut impl Sql, schema: &Schema) -> Result<Catalogue, SchemaError> {
    schema.validate()?;
    let listed = table::list(sql)?;
    let mut tables = Vec::with_capacity(schema.tables.len());
    for (name, rules) in &schema.tables {
        tables.push(table::read(sql, &listed, name, rules)?);
    }
    tables.iter_mut().for_each(|table| name_origins(table, schema));
    let mut catalogue = Catalogue { version: schema.version(schema.migrations.len()), hash: schema.hash(), tables };
    references::read(sql, &mut catalogue)?;
    Ok(catalogue)
}

/// The catalogue as it is when only the first migrations have run: names are those of then, rules that do not fit yet are left out, and so
/// are tables that are not there, or cannot be synced yet.
pub fn read_at(sql: &mut impl Sql, schema: &Schema, migrations: usize) -> Result<Catalogue, SchemaError> {
    if migrations >= schema.migrations.len() {
        return read(sql, schema);
    }
    let then = schema.as_of(migrations);
    let listed = table::list(sql)?;
    let mut tables = Vec::new();
    for (name, rules) in &then.tables {
        let bare = TableRules { key: rules.key.clone(), ..TableRules::default() };
        for rules in [rules, &bare] {
            match table::read(sql, &listed, name, rules) {
                Ok(table) => tables.push(table),
                Err(SchemaError::Sql(error)) => return Err(error.into()),
                Err(_) => continue,
            }
            break;
        }
    }
    tables.iter_mut().for_each(|table| name_origins(table, &then));
    let mut catalogue = Catalogue { version: then.version(migrations), hash: then.hash(), tables };
    match references::read(sql, &mut catalogue) {
        Err(SchemaError::Sql(error)) => Err(error.into()),
        _ => Ok(catalogue),
    }
}

/// Notes under which names earlier versions know the table and its columns.
fn name_origins(table: &mut Table, schema: &Schema) {
    for column in &mut table.columns {
        column.origin = schema.column_origin(&table.name, &column.name);
    }
    table.origin = schema.table_origin(&table.name);
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
