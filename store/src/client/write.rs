//! Writing outcomes into the visible database, set-wise: deletes first, then values, and rows that wait for each
//! other's unique values are taken out and put back.
//! Foreign keys and the app's synced triggers are quiet; references are checked by the step, or by `try_write` at once.
//! Called by the client store only.

use super::statements::{Statements, TableStatements};
use crate::local::SyncStep;
use crate::sql::{SqlError, SqlErrorKind};
use crate::sqlite::value::{Bound, owned};
use crate::sqlite::{kind, sql_error};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{Field, RowId};
use ebbtide_core::commit::{Effect, Outcome};
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::value::Value;
use rusqlite::{CachedStatement, Connection};

/// A row that another row's unique value keeps out for now.
type Late<'a> = Vec<&'a Outcome>;

impl SyncStep<'_> {
    pub(super) fn write_rows(&mut self, outcomes: &[Outcome]) -> Result<(), SqlError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        self.db.quieten().map_err(|error| sql_error(&error, "PRAGMA foreign_keys"))?;
        self.remember(outcomes);
        let (connection, statements) = (&self.db.connection, &self.db.statements);
        let gone = outcomes.iter().filter(|outcome| outcome.effect == Effect::Delete);
        let late = each(connection, statements, gone)?;
        debug_assert!(late.is_empty(), "a delete meets no unique value");
        let kept = outcomes.iter().filter(|outcome| outcome.effect != Effect::Delete);
        let late = each(connection, statements, kept)?;
        // What the others have given up may be free by now.
        let late = if late.is_empty() { late } else { each(connection, statements, late.into_iter())? };
        if late.is_empty() { Ok(()) } else { exchange(connection, statements, &self.db.catalogue, &late) }
    }

    pub(super) fn try_write_rows(&mut self, outcomes: &[Outcome]) -> Result<bool, SqlError> {
        // Before the savepoint, or going back to it would undo it.
        self.db.quieten().map_err(|error| sql_error(&error, "PRAGMA foreign_keys"))?;
        control(&self.db.connection, "SAVEPOINT _ebb_try")?;
        let before = std::mem::take(&mut self.touched);
        let written = self.write_rows(outcomes);
        let mine = std::mem::replace(&mut self.touched, before);
        let holds = match written {
            Ok(()) => {
                let dangling = self.db.references.dangling(&self.db.connection, &mine);
                dangling.map_err(|error| sql_error(&error, "checking references"))?.is_none()
            }
            Err(error) if is_constraint(error.kind) => false,
            Err(error) => return Err(error),
        };
        if holds {
            self.touched.written.extend(mine.written);
            self.touched.left.extend(mine.left);
        } else {
            control(&self.db.connection, "ROLLBACK TO _ebb_try")?;
        }
        control(&self.db.connection, "RELEASE _ebb_try")?;
        Ok(holds)
    }

    /// Notes the rows that references concern.
    fn remember(&mut self, outcomes: &[Outcome]) {
        let mut last: Option<(TableId, (bool, bool), bool)> = None;
        for outcome in outcomes {
            let table = outcome.row.table;
            let (_, (refers, referred), changing) = match last {
                Some(known) if known.0 == table => known,
                _ => {
                    let changing = self.db.catalogue.has_changing_parent_columns(table);
                    *last.insert((table, self.db.references.concern(table), changing))
                }
            };
            let deleted = outcome.effect == Effect::Delete;
            if refers && !deleted {
                self.touched.written.insert(outcome.row.clone());
            }
            if referred && (deleted || changing) {
                self.touched.left.insert(outcome.row.clone());
            }
        }
    }
}

fn is_constraint(kind: SqlErrorKind) -> bool {
    matches!(kind, SqlErrorKind::Unique | SqlErrorKind::Constraint | SqlErrorKind::ForeignKey)
}

fn control(connection: &Connection, sql: &str) -> Result<(), SqlError> {
    let run = || connection.prepare_cached(sql)?.raw_execute();
    run().map(drop).map_err(|error| sql_error(&error, sql))
}

/// What decides which statement an outcome needs.
#[derive(PartialEq, Eq, Clone)]
enum Shape {
    Put(TableId),
    Set(TableId, Vec<ColumnId>),
    Delete(TableId),
}

impl Shape {
    fn of(outcome: &Outcome) -> Self {
        let table = outcome.row.table;
        match &outcome.effect {
            Effect::Put(_) => Shape::Put(table),
            Effect::Set(fields) => Shape::Set(table, fields.iter().map(|field| field.column).collect()),
            Effect::Delete => Shape::Delete(table),
        }
    }

    /// The same as `of(outcome) == *self`, without the list.
    fn fits(&self, outcome: &Outcome) -> bool {
        match (self, &outcome.effect) {
            (Shape::Put(table), Effect::Put(_)) | (Shape::Delete(table), Effect::Delete) => *table == outcome.row.table,
            (Shape::Set(table, columns), Effect::Set(fields)) => {
                *table == outcome.row.table && columns.iter().eq(fields.iter().map(|field| &field.column))
            }
            _ => false,
        }
    }

    fn sql(&self, statements: &Statements) -> String {
        match self {
            Shape::Put(table) => statements.table(*table).put.clone(),
            Shape::Set(table, columns) => statements.table(*table).set(columns.iter().copied()),
            Shape::Delete(table) => statements.table(*table).delete.clone(),
        }
    }
}

/// Runs outcomes one by one, neighbours of one shape by one statement. Answers those that met a unique value.
fn each<'a>(
    connection: &Connection,
    statements: &Statements,
    outcomes: impl Iterator<Item = &'a Outcome>,
) -> Result<Late<'a>, SqlError> {
    let mut current: Option<(Shape, String, CachedStatement<'_>)> = None;
    let mut late = Vec::new();
    for outcome in outcomes {
        if matches!(&outcome.effect, Effect::Set(fields) if fields.is_empty()) {
            continue;
        }
        if !current.as_ref().is_some_and(|(shape, ..)| shape.fits(outcome)) {
            let shape = Shape::of(outcome);
            let sql = shape.sql(statements);
            let statement = connection.prepare_cached(&sql).map_err(|error| sql_error(&error, &sql))?;
            current = Some((shape, sql, statement));
        }
        let Some((_, sql, statement)) = &mut current else { continue };
        match run(statement, outcome) {
            Ok(()) => {}
            Err(error) if kind(&error) == SqlErrorKind::Unique => late.push(outcome),
            Err(error) => return Err(sql_error(&error, sql)),
        }
    }
    Ok(late)
}

fn run(statement: &mut CachedStatement<'_>, outcome: &Outcome) -> rusqlite::Result<()> {
    let mut at = 0;
    let mut bind = |value: &Value| {
        at += 1;
        statement.raw_bind_parameter(at, Bound(value))
    };
    let key = &outcome.row.key.0;
    match &outcome.effect {
        Effect::Put(values) => key.iter().chain(values).try_for_each(&mut bind)?,
        Effect::Set(fields) => fields.iter().map(|field| &field.value).chain(key).try_for_each(&mut bind)?,
        Effect::Delete => key.iter().try_for_each(&mut bind)?,
    }
    statement.raw_execute().map(drop)
}

/// Takes rows that block each other out and puts them back with their final values.
fn exchange(
    connection: &Connection,
    statements: &Statements,
    catalogue: &Catalogue,
    late: &[&Outcome],
) -> Result<(), SqlError> {
    let mut back = Vec::with_capacity(late.len());
    for outcome in late {
        let table = statements.table(outcome.row.table);
        let values = match &outcome.effect {
            Effect::Put(values) => Some(values.clone()),
            Effect::Set(fields) => read_row(connection, table, &outcome.row)
                .map_err(|error| sql_error(&error, &table.row))?
                .map(|values| with(catalogue, outcome.row.table, values, fields)),
            Effect::Delete => None,
        };
        if let Some(values) = values {
            back.push(Outcome { row: outcome.row.clone(), effect: Effect::Put(values) });
        }
    }
    let out: Vec<Outcome> =
        back.iter().map(|outcome| Outcome { row: outcome.row.clone(), effect: Effect::Delete }).collect();
    each(connection, statements, out.iter())?;
    match each(connection, statements, back.iter())?.first() {
        None => Ok(()),
        Some(outcome) => Err(taken(catalogue, statements, outcome)),
    }
}

fn taken(catalogue: &Catalogue, statements: &Statements, outcome: &Outcome) -> SqlError {
    let table = catalogue.table(outcome.row.table).map_or("?", |table| table.name.as_str());
    SqlError {
        kind: SqlErrorKind::Unique,
        message: format!("another row of {table} has a unique value of the row {}", named(&outcome.row)),
        sql: statements.table(outcome.row.table).put.clone(),
    }
}

/// The key in words; builds for size have no `Debug`.
fn named(row: &RowId) -> String {
    let part = |value: &Value| match value {
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => format!("'{text}'"),
        _ => "?".to_owned(),
    };
    row.key.0.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn with(catalogue: &Catalogue, table: TableId, mut values: Vec<Value>, fields: &[Field]) -> Vec<Value> {
    for field in fields {
        let position = catalogue.table(table).and_then(|table| table.field_position(field.column));
        if let Some(value) = position.and_then(|at| values.get_mut(at)) {
            *value = field.value.clone();
        }
    }
    values
}

/// The non-key values of a row.
pub(crate) fn read_row(
    connection: &Connection,
    table: &TableStatements,
    row: &RowId,
) -> rusqlite::Result<Option<Vec<Value>>> {
    let mut statement = connection.prepare_cached(&table.row)?;
    for (at, value) in row.key.0.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, Bound(value))?;
    }
    let mut rows = statement.raw_query();
    let Some(found) = rows.next()? else { return Ok(None) };
    (0..table.fields).map(|at| owned(found.get_ref(at)?, at)).collect::<rusqlite::Result<_>>().map(Some)
}
