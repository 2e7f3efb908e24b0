//! Whether synced tables can be written at all: SQLite looks at DEFAULT and triggers only when a statement needs them.
//! It runs statements that change nothing; what is in them it leaves to SQLite, or to the object, which has fewer functions.
//! Called by both sides when migrations have run, before they are kept.

use super::quote;
use crate::schema::SchemaError;
use crate::sql::{Sql, SqlErrorKind};
use ebbtide_core::catalogue::{Catalogue, Table};

const ADVICE: &str = "; DEFAULT, CHECK, generated columns and triggers may call SQLite's own functions and uuidv7()";

/// Refuses a table that no row could be written to, e.g. because a function in its DEFAULT or in a trigger is not there.
pub(crate) fn check(sql: &mut impl Sql, catalogue: &Catalogue) -> Result<(), SchemaError> {
    for table in &catalogue.tables {
        for statement in statements(table) {
            match sql.execute(&statement, &[]) {
                Ok(_) => {}
                Err(error) if matches!(error.kind, SqlErrorKind::Misuse | SqlErrorKind::Other) => {
                    let advice = if error.message.contains("function") { ADVICE } else { "" };
                    let what = format!("cannot be written: {}{advice}", error.message);
                    return Err(SchemaError::invalid(format!("tables.{}", table.name), what));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Together they need every default and every trigger, and change no row. EXPLAIN would not do: a cached one is not looked at again
/// when the schema has changed. The default of a table's only column is left out: no statement needs it and writes nothing.
fn statements(table: &Table) -> Vec<String> {
    let name = quote(&table.name);
    let columns: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
    let same: Vec<String> = columns.iter().map(|column| format!("{column}={column}")).collect();
    let ends = [columns.first(), columns.last()].into_iter().flatten();
    let inserts = ends.map(|column| format!("INSERT INTO {name} ({column}) SELECT {column} FROM {name} WHERE 0"));
    let others = [format!("UPDATE {name} SET {} WHERE 0", same.join(",")), format!("DELETE FROM {name} WHERE 0")];
    inserts.chain(others).collect()
}
