//! Commits a refused transaction once more: its changes as statements of the app, in the present schema, edited, on what stands there now.
//! What adds up or merges is done again and not written again, and a changed key is a changed key. What the app's triggers did to synced tables
//! is among the changes, so they stay quiet; those that only check do not. The verb behind `rejected.retry`.

mod edits;

use super::LocalDatabase;
use super::error::{DbError, DbErrorCode};
use super::recorded::unpacked;
use crate::catalogue::quote;
use crate::sqlite::value::{Bound, owned};
use ebbtide_core::catalogue::{Catalogue, Strategy, Table};
use ebbtide_core::change::{LoggedChange, LoggedMutation, RowId};
use ebbtide_core::clock::Stamp;
use ebbtide_core::ids::{ColumnId, Millis};
use ebbtide_core::merge::local;
use ebbtide_core::value::{Key, Value};
use edits::{Names, follow};
use rusqlite::{OptionalExtension, params_from_iter};
use std::collections::BTreeSet;

const REFUSED: &str = "SELECT r.changes, c.catalogue
    FROM _ebb_rejected AS r JOIN _ebb_catalogue AS c ON c.version = r.schema WHERE r.stamp = ?";

/// What is to be written otherwise when a refused transaction is committed again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// The table of the change.
    pub table: String,
    /// The key of its row, as listed.
    pub key: Vec<Value>,
    /// The values, by column; a key's column only of a row that the transaction inserts or gives another key.
    pub values: Vec<(String, Value)>,
}

/// A change to be made once more.
struct Repeat<'c> {
    table: &'c Table,
    /// Its row, as listed.
    row: &'c RowId,
    does: Does,
    key: Vec<Cell<'c>>,
    fields: Vec<Cell<'c>>,
}

#[derive(Clone, PartialEq)]
enum Does {
    Insert,
    Update,
    Delete,
    /// Gives its key to the row that had this one; whether it `was_there` before, or comes by a change before this.
    Move {
        before: Vec<Value>,
        was_there: bool,
    },
}

/// A value to be written.
struct Cell<'c> {
    column: ColumnId,
    listed: &'c Value,
    /// What was written over, where it was.
    over: Option<&'c Value>,
    /// Written instead, where the value is not as listed.
    given: Option<Value>,
    edited: bool,
}

impl LocalDatabase {
    /// Commits the changes of a refused transaction as a new one, edited, and takes it off the list: both, or nothing.
    ///
    /// What an edit says is written as it is. Otherwise numbers that add up, sets and texts get once more what was done to them.
    /// Where an edit changes what other changes of the transaction refer to, those follow.
    pub fn retry_rejected(&mut self, stamp: Stamp, edits: &[Edit], now: Millis) -> Result<(), DbError> {
        if self.open.is_some() {
            return Err(DbError::new(DbErrorCode::TransactionState, "a transaction of the app is open"));
        }
        let read = |row: &rusqlite::Row<'_>| Ok((unpacked(row, 0)?, unpacked(row, 1)?));
        let find = || self.connection.query_row(REFUSED, [stamp.0 as i64], read).optional();
        let found: Option<(Vec<LoggedChange>, Catalogue)> =
            find().map_err(|error| DbError::from_sqlite(&error, REFUSED))?;
        let Some((changes, then)) = found else { return Err(bad("no rejected transaction has this id")) };
        let catalogue = self.catalogue.clone();
        let names = Names::new(&then, &catalogue);
        let changes = names.present(changes)?;
        let mut repeats = repeats(&changes, &catalogue);
        edits.iter().try_for_each(|edit| names.edit(&mut repeats, edit))?;
        follow(&mut repeats, &catalogue);
        let done = self.quieten_repeated().and_then(|()| self.commit_again(&mut repeats, stamp, now));
        let ended = self.end_repeated();
        done.and(ended)
    }

    fn commit_again(&mut self, repeats: &mut [Repeat<'_>], stamp: Stamp, now: Millis) -> Result<(), DbError> {
        self.begin()?;
        match self.repeat_all(repeats, now).and_then(|()| self.discard_rejected(stamp)) {
            Ok(()) => self.commit(now),
            Err(error) => {
                self.rollback()?;
                Err(error)
            }
        }
    }

    fn repeat_all(&mut self, repeats: &mut [Repeat<'_>], now: Millis) -> Result<(), DbError> {
        // As in the transaction itself, which may have deferred them.
        let defer = "PRAGMA defer_foreign_keys=ON";
        self.connection.execute_batch(defer).map_err(|error| DbError::from_sqlite(&error, defer))?;
        let mut given: BTreeSet<RowId> = BTreeSet::new();
        for repeat in repeats.iter_mut() {
            let table = repeat.row.table;
            if let Does::Move { before, was_there } = &mut repeat.does {
                let row = RowId { table, key: Key(before.clone()) };
                *was_there = given.contains(&row) || self.is_there(repeat.table, before)?;
            }
            if repeat.gives_key() {
                given.insert(RowId { table, key: Key(repeat.key()) });
            }
        }
        repeats.iter().try_for_each(|repeat| self.repeat(repeat, now))
    }

    fn repeat(&mut self, repeat: &Repeat<'_>, now: Millis) -> Result<(), DbError> {
        let (table, key) = (repeat.table, repeat.key());
        let done = match &repeat.does {
            Does::Insert => return self.insert_again(repeat, now),
            Does::Delete => {
                let sql = format!("DELETE FROM {} {}", quote(&table.name), matched(table));
                return self.execute(&sql, &key, now).map(drop);
            }
            Does::Update => self.update_again(repeat, &[], &key, now)?,
            Does::Move { before, .. } if self.is_there(table, before)? => {
                self.update_again(repeat, &repeat.key, before, now)?
            }
            // Its parent led it along.
            Does::Move { was_there: true, .. } if self.is_there(table, &key)? => {
                self.update_again(repeat, &[], &key, now)?
            }
            // Somebody deleted it: the row comes under its new key.
            Does::Move { .. } => return self.insert_again(repeat, now),
        };
        if done {
            return Ok(());
        }
        let message = format!("the row of `{}` that the transaction changes is gone", table.name);
        Err(DbError::new(DbErrorCode::Constraint, message))
    }

    fn insert_again(&mut self, repeat: &Repeat<'_>, now: Millis) -> Result<(), DbError> {
        let cells = || repeat.key.iter().chain(&repeat.fields);
        let columns: Vec<String> = cells().map(|cell| quote(repeat.name_of(cell))).collect();
        let (places, values) = (vec!["?"; columns.len()].join(", "), cells().map(|cell| cell.value().clone()));
        let sql = format!("INSERT INTO {} ({}) VALUES ({places})", quote(&repeat.table.name), columns.join(", "));
        self.execute(&sql, &values.collect::<Vec<_>>(), now).map(drop)
    }

    /// Answers whether there is such a row.
    fn update_again(
        &mut self,
        repeat: &Repeat<'_>,
        key: &[Cell<'_>],
        found_by: &[Value],
        now: Millis,
    ) -> Result<bool, DbError> {
        let mut written: Vec<(&str, Value)> =
            key.iter().map(|cell| (repeat.name_of(cell), cell.value().clone())).collect();
        // What the change of a key left as it was stays as it is.
        let is_written =
            |cell: &&Cell<'_>| repeat.does == Does::Update || cell.given.is_some() || cell.over != Some(cell.listed);
        for cell in repeat.fields.iter().filter(is_written) {
            let value = self.redone(repeat, cell, found_by)?;
            written.push((repeat.name_of(cell), value));
        }
        if written.is_empty() {
            return self.is_there(repeat.table, found_by);
        }
        let set: Vec<String> = written.iter().map(|(name, _)| format!("{} = ?", quote(name))).collect();
        let sql = format!("UPDATE {} SET {} {}", quote(&repeat.table.name), set.join(", "), matched(repeat.table));
        let params: Vec<Value> = written.into_iter().map(|(_, value)| value).chain(found_by.iter().cloned()).collect();
        Ok(self.execute(&sql, &params, now)?.changes > 0)
    }

    /// What a field becomes: what an edit says or was written, or of what merges what the same makes of the present value.
    fn redone(&self, repeat: &Repeat<'_>, cell: &Cell<'_>, key: &[Value]) -> Result<Value, DbError> {
        let strategy = repeat.table.strategy(cell.column);
        let merges = matches!(strategy, Strategy::Sum | Strategy::Set | Strategy::Text);
        let Some(old) = cell.over.filter(|_| merges && cell.given.is_none()) else { return Ok(cell.value().clone()) };
        let current = self.read_of(&quote(repeat.name_of(cell)), repeat.table, key)?;
        Ok(current.map_or(cell.listed.clone(), |current| local::redo(strategy, &current, old, cell.listed)))
    }

    fn is_there(&self, table: &Table, key: &[Value]) -> Result<bool, DbError> {
        self.read_of("1", table, key).map(|found| found.is_some())
    }

    fn read_of(&self, what: &str, table: &Table, key: &[Value]) -> Result<Option<Value>, DbError> {
        let sql = format!("SELECT {what} FROM {} {}", quote(&table.name), matched(table));
        let read = |row: &rusqlite::Row<'_>| owned(row.get_ref(0)?, 0);
        let find = || self.connection.prepare_cached(&sql)?.query_row(params_from_iter(key.iter().map(Bound)), read);
        find().optional().map_err(|error| DbError::from_sqlite(&error, &sql))
    }
}

impl<'c> Repeat<'c> {
    fn name_of(&self, cell: &Cell<'_>) -> &'c str {
        &self.table.columns[usize::from(cell.column.0)].name
    }

    fn key(&self) -> Vec<Value> {
        self.key.iter().map(|cell| cell.value().clone()).collect()
    }

    /// Whether a row gets its key by this.
    fn gives_key(&self) -> bool {
        matches!(self.does, Does::Insert | Does::Move { .. })
    }

    fn cell(&self, column: ColumnId) -> Option<&Cell<'c>> {
        self.key.iter().chain(&self.fields).find(|cell| cell.column == column)
    }
}

impl<'c> Cell<'c> {
    fn new(column: ColumnId, listed: &'c Value, over: Option<&'c Value>) -> Self {
        Self { column, listed, over, given: None, edited: false }
    }

    fn value(&self) -> &Value {
        self.given.as_ref().unwrap_or(self.listed)
    }

    fn edit(&mut self, value: &Value) {
        (self.given, self.edited) = (Some(value.clone()), true);
    }
}

fn repeats<'c>(changes: &'c [LoggedChange], catalogue: &'c Catalogue) -> Vec<Repeat<'c>> {
    let mut repeats = Vec::new();
    let mut rest = changes.iter().peekable();
    while let Some(change) = rest.next() {
        let Some(table) = catalogue.table(change.row.table) else { continue };
        let to = rest.next_if(|next| is_move(change, next, catalogue));
        let row = &to.unwrap_or(change).row;
        let key = table.key.iter().zip(&row.key.0).map(|(column, value)| Cell::new(*column, value, None)).collect();
        let columns = || table.fields().map(|(column, _)| column);
        let (does, fields) = match (&change.mutation, to.map(|to| &to.mutation)) {
            (LoggedMutation::Delete(old), Some(LoggedMutation::Insert(new))) => {
                let both = columns().zip(old.iter().zip(new));
                let fields = both.map(|(column, (old, new))| Cell::new(column, new, Some(old))).collect();
                (Does::Move { before: change.row.key.0.clone(), was_there: false }, fields)
            }
            (LoggedMutation::Insert(values), _) => {
                let fields = columns().zip(values).map(|(column, value)| Cell::new(column, value, None));
                (Does::Insert, fields.collect())
            }
            (LoggedMutation::Update(fields), _) => {
                let fields = fields.iter().map(|field| Cell::new(field.column, &field.new, Some(&field.old)));
                (Does::Update, fields.collect())
            }
            (LoggedMutation::Delete(_), _) => (Does::Delete, Vec::new()),
        };
        repeats.push(Repeat { table, row, does, key, fields });
    }
    repeats
}

/// A change of a key is logged as a delete and, right behind it, an insert. Where a row is nothing but its key, and nothing refers to it, that is
/// as good as one of each.
fn is_move(gone: &LoggedChange, came: &LoggedChange, catalogue: &Catalogue) -> bool {
    let is_pair = matches!((&gone.mutation, &came.mutation), (LoggedMutation::Delete(_), LoggedMutation::Insert(_)));
    let has_fields = |table| catalogue.table(table).is_some_and(|table| table.fields().next().is_some());
    is_pair
        && (gone.row.table == came.row.table && gone.row.key != came.row.key)
        && (has_fields(gone.row.table) || catalogue.children_of(gone.row.table).next().is_some())
}

/// The row with a key.
fn matched(table: &Table) -> String {
    let name = |column: &ColumnId| format!("{} = ?", quote(&table.columns[usize::from(column.0)].name));
    format!("WHERE {}", table.key.iter().map(name).collect::<Vec<_>>().join(" AND "))
}

fn bad(what: &str) -> DbError {
    DbError::new(DbErrorCode::BadParameter, what)
}
