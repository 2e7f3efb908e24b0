//! Cells of newer versions that found their place beside changes which wait, and refer to rows that those deleted.
//! They are taken back here, so that the migration holds; a snapshot then lays them beneath what waits, as it does with all that comes.
//! Called when a database opens, in the migrations' transaction, once the cells are in place.

use super::migrated::write;
use crate::catalogue::quote;
use crate::client::Statements;
use crate::server::text::join;
use crate::sqlite::value::Bound;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::Field;
use ebbtide_core::commit::{Effect, Outcome};
use rusqlite::{Connection, OptionalExtension, params_from_iter};

/// A row whose reference points nowhere: its table, and its rowid where it has one.
type Broken = (String, Option<i64>);

/// Takes back what broke a reference, and what refers to that. Answers whether there was anything.
pub(super) fn take_back(
    placed: &[Outcome],
    catalogue: &Catalogue,
    statements: &Statements,
    connection: &Connection,
) -> rusqlite::Result<bool> {
    let mut left: Vec<&Outcome> = placed.iter().collect();
    while !left.is_empty() {
        let broken = broken(connection)?;
        let mut misfits = Vec::new();
        for outcome in &left {
            misfits.push(is_broken(outcome, &broken, catalogue, connection)?);
        }
        if !misfits.contains(&true) {
            break;
        }
        let mut is_misfit = misfits.into_iter();
        let (out, fit): (Vec<_>, Vec<_>) = left.into_iter().partition(|_| is_misfit.next() == Some(true));
        out.iter().try_for_each(|outcome| write(connection, statements, &undone(outcome, catalogue)))?;
        left = fit;
    }
    Ok(left.len() < placed.len())
}

fn broken(connection: &Connection) -> rusqlite::Result<Vec<Broken>> {
    connection.prepare("PRAGMA foreign_key_check")?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn is_broken(
    outcome: &Outcome,
    broken: &[Broken],
    catalogue: &Catalogue,
    connection: &Connection,
) -> rusqlite::Result<bool> {
    let Some(table) = catalogue.table(outcome.row.table) else { return Ok(false) };
    let mut here = broken.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&table.name)).peekable();
    match here.peek() {
        None => Ok(false),
        // Rows without a rowid are not told apart, and a snapshot brings all of them back.
        Some((_, None)) => Ok(true),
        Some(_) => {
            let number = rowid(outcome, table, connection)?;
            Ok(number.is_some() && here.any(|(_, broken)| *broken == number))
        }
    }
}

fn rowid(outcome: &Outcome, table: &Table, connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let column = |id: &ebbtide_core::ids::ColumnId| table.columns.get(usize::from(id.0));
    let conditions = table.key.iter().filter_map(column).map(|column| format!("{} = ?", quote(&column.name)));
    let sql = format!("SELECT rowid FROM {} WHERE {}", quote(&table.name), join(conditions, " AND "));
    let key = params_from_iter(outcome.row.key.0.iter().map(Bound));
    connection.prepare_cached(&sql)?.query_row(key, |row| row.get(0)).optional()
}

/// The row without what was placed in it.
fn undone(outcome: &Outcome, catalogue: &Catalogue) -> Outcome {
    let filler = |field: &Field| {
        let column = catalogue.table(outcome.row.table)?.columns.get(usize::from(field.column.0))?;
        Some(Field { column: field.column, value: column.filler() })
    };
    let effect = match &outcome.effect {
        Effect::Set(fields) => Effect::Set(fields.iter().filter_map(filler).collect()),
        Effect::Put(_) | Effect::Delete => Effect::Delete,
    };
    Outcome { row: outcome.row.clone(), effect }
}
