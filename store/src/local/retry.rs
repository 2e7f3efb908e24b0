//! Commits a refused transaction once more: its changes as statements of the app, in the names of the present schema, edited.
//! What adds up or merges is done again and not written again, and a changed key is a changed key. What became of the transaction it does not know.
//! The verb behind `rejected.retry`.

use super::LocalDatabase;
use super::error::{DbError, DbErrorCode};
use super::recorded::unpacked;
use crate::catalogue::quote;
use crate::sqlite::value::{Bound, owned};
use ebbtide_core::catalogue::{Catalogue, Strategy, Table};
use ebbtide_core::change::{LoggedChange, LoggedField, LoggedMutation, RowId};
use ebbtide_core::clock::Stamp;
use ebbtide_core::ids::{ColumnId, Millis, TableId};
use ebbtide_core::merge::local;
use ebbtide_core::value::{Key, Value};
use rusqlite::{OptionalExtension, params_from_iter};

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
    /// Its table, as it was when the change was made.
    table: &'c Table,
    id: TableId,
    /// What the table is called now.
    name: String,
    does: Does<'c>,
    key: Vec<Cell>,
    fields: Vec<Cell>,
}

#[derive(Clone, Copy, PartialEq)]
enum Does<'c> {
    Insert,
    Update,
    Delete,
    /// Gives its key to the row that had this one.
    Move(&'c [Value]),
}

/// A value to be written.
struct Cell {
    /// Which column that was; none for one that an edit adds.
    column: Option<ColumnId>,
    /// What the column is called now, and what it was called.
    name: String,
    was: String,
    listed: Value,
    value: Value,
    /// What was written over, by the column's strategy; nothing where the value is written as it is.
    over: Option<(Strategy, Value)>,
    edited: bool,
}

impl LocalDatabase {
    /// Commits the changes of a refused transaction as a new one, edited, and takes it off the list: both, or nothing.
    ///
    /// What an edit says is written as it is. Otherwise numbers that add up, sets and texts get once more what was done to them.
    /// Where an edit changes what other changes of the transaction refer to, those follow.
    pub fn retry_rejected(&mut self, stamp: Stamp, edits: &[Edit], now: Millis) -> Result<(), DbError> {
        let read = |row: &rusqlite::Row<'_>| Ok((unpacked(row, 0)?, unpacked(row, 1)?));
        let find = || self.connection.query_row(REFUSED, [stamp.0 as i64], read).optional();
        let found: Option<(Vec<LoggedChange>, Catalogue)> =
            find().map_err(|error| DbError::from_sqlite(&error, REFUSED))?;
        let Some((changes, catalogue)) = found else { return Err(bad("no rejected transaction has this id")) };
        let mut repeats = self.repeats(&changes, &catalogue);
        edits.iter().try_for_each(|edit| edited(&mut repeats, edit))?;
        follow_edits(&mut repeats);
        self.begin()?;
        match self.repeat_all(&mut repeats, now).and_then(|()| self.discard_rejected(stamp)) {
            Ok(()) => self.commit(now),
            Err(error) => {
                self.rollback()?;
                Err(error)
            }
        }
    }

    fn repeats<'c>(&self, changes: &'c [LoggedChange], catalogue: &'c Catalogue) -> Vec<Repeat<'c>> {
        let moved = moves(changes, catalogue);
        let mut came = vec![false; changes.len()];
        moved.iter().flatten().for_each(|to| came[*to] = true);
        let repeat = |(at, change): (usize, &'c LoggedChange)| {
            self.repeat_of(change, moved[at].map(|to| &changes[to]), catalogue)
        };
        changes.iter().enumerate().filter(|(at, _)| !came[*at]).filter_map(repeat).collect()
    }

    /// `to` is the insert under another key, where the change is the delete of a row that got one.
    fn repeat_of<'c>(
        &self,
        change: &'c LoggedChange,
        to: Option<&'c LoggedChange>,
        catalogue: &'c Catalogue,
    ) -> Option<Repeat<'c>> {
        let table = catalogue.table(change.row.table)?;
        let is_now = |now: &&Table| now.identity().eq_ignore_ascii_case(table.identity());
        let now = self.catalogue.tables.iter().find(is_now).unwrap_or(table);
        let cell = |column: ColumnId, value: &Value, over: Option<&Value>| {
            let was = &table.columns[usize::from(column.0)];
            let is_now = now.column_of(was.identity()).map(|id| &now.columns[usize::from(id.0)]);
            let merges = matches!(was.strategy, Strategy::Sum | Strategy::Set | Strategy::Text);
            Cell {
                column: Some(column),
                name: is_now.unwrap_or(was).name.clone(),
                was: was.name.clone(),
                listed: value.clone(),
                value: value.clone(),
                over: over.filter(|_| merges).map(|old| (was.strategy, old.clone())),
                edited: false,
            }
        };
        let key = &to.unwrap_or(change).row.key.0;
        let does = match (&change.mutation, to) {
            (LoggedMutation::Insert(_), _) => Does::Insert,
            (LoggedMutation::Update(_), _) => Does::Update,
            (LoggedMutation::Delete(_), None) => Does::Delete,
            (LoggedMutation::Delete(_), Some(_)) => Does::Move(&change.row.key.0),
        };
        let fields = match (&change.mutation, to.map(|to| &to.mutation)) {
            (LoggedMutation::Delete(old), Some(LoggedMutation::Insert(new))) => {
                let both = table.fields().zip(old.iter().zip(new)).filter(|(_, (old, new))| old != new);
                both.map(|((column, _), (old, new))| cell(column, new, Some(old))).collect()
            }
            (LoggedMutation::Insert(values), _) => {
                table.fields().zip(values).map(|((column, _), value)| cell(column, value, None)).collect()
            }
            (LoggedMutation::Update(fields), _) => {
                fields.iter().map(|field| cell(field.column, &field.new, Some(&field.old))).collect()
            }
            (LoggedMutation::Delete(_), _) => Vec::new(),
        };
        let key = table.key.iter().zip(key).map(|(column, value)| cell(*column, value, None)).collect();
        Some(Repeat { table, id: change.row.table, name: now.name.clone(), does, key, fields })
    }

    fn repeat_all(&mut self, repeats: &mut [Repeat<'_>], now: Millis) -> Result<(), DbError> {
        // As in the transaction itself, which may have deferred them.
        let defer = "PRAGMA defer_foreign_keys=ON";
        self.connection.execute_batch(defer).map_err(|error| DbError::from_sqlite(&error, defer))?;
        repeats.iter_mut().try_for_each(|repeat| self.repeat(repeat, now))
    }

    fn repeat(&mut self, repeat: &mut Repeat<'_>, now: Millis) -> Result<(), DbError> {
        let table = quote(&repeat.name);
        let matched = format!("WHERE {}", listed(&repeat.key, |name| format!("{name} = ?"), " AND "));
        let key = || repeat.key.iter().map(|cell| cell.value.clone());
        let set = |cells: &[Cell]| {
            format!("UPDATE {table} SET {} {matched}", listed(cells, |name| format!("{name} = ?"), ", "))
        };
        let key: Vec<Value> = key().collect();
        match repeat.does {
            Does::Insert => {
                let all = || repeat.key.iter().chain(&repeat.fields);
                let (columns, values) = (listed(all(), str::to_owned, ", "), listed(all(), |_| "?".into(), ", "));
                let params: Vec<Value> = all().map(|cell| cell.value.clone()).collect();
                let sql = format!("INSERT INTO {table} ({columns}) VALUES ({values})");
                return self.execute(&sql, &params, now).map(drop);
            }
            Does::Delete => return self.execute(&format!("DELETE FROM {table} {matched}"), &key, now).map(drop),
            // Where its parent led it along, it has its new key already.
            Does::Move(before) => drop(self.execute(&set(&repeat.key), &[&key, before].concat(), now)?),
            Does::Update => {}
        }
        for cell in &mut repeat.fields {
            let Some((strategy, old)) = cell.over.take() else { continue };
            let sql = format!("SELECT {} FROM {table} {matched}", quote(&cell.name));
            let read = |row: &rusqlite::Row<'_>| owned(row.get_ref(0)?, 0);
            let there = self.connection.query_row(&sql, params_from_iter(key.iter().map(Bound)), read).optional();
            if let Some(current) = there.map_err(|error| DbError::from_sqlite(&error, &sql))? {
                cell.value = local::redo(strategy, &current, &old, &cell.value);
            }
        }
        let written = if repeat.fields.is_empty() { &repeat.key } else { &repeat.fields };
        let sql = set(written);
        let params: Vec<Value> = written.iter().map(|cell| cell.value.clone()).chain(key).collect();
        if self.execute(&sql, &params, now)?.changes == 0 {
            let message = format!("the row of `{}` that the transaction changes is gone", repeat.name);
            return Err(DbError::of_statement(DbErrorCode::Constraint, message, &sql));
        }
        Ok(())
    }
}

/// Deletes and inserts that are one change of a key: what referred to the one row was made to refer to the other, or nothing else
/// was changed and nothing else fits.
///
/// Answers the place of such an insert at the place of its delete.
fn moves(changes: &[LoggedChange], catalogue: &Catalogue) -> Vec<Option<usize>> {
    let led = led(changes, catalogue);
    let inserts = changes.iter().enumerate().filter_map(|(at, change)| match &change.mutation {
        LoggedMutation::Insert(values) => Some((change, values, at)),
        _ => None,
    });
    let mut rows: Vec<(&RowId, usize)> = inserts.clone().map(|(change, _, at)| (&change.row, at)).collect();
    let mut alike: Vec<(Image<'_>, usize)> =
        inserts.map(|(change, values, at)| ((change.row.table, values.as_slice()), at)).collect();
    rows.sort_unstable();
    alike.sort_unstable();
    let insert_of = |row: &RowId| {
        let last = rows.partition_point(|(of, _)| *of <= row).checked_sub(1)?;
        rows.get(last).filter(|(of, _)| *of == row)
    };
    let mut moves = vec![None; changes.len()];
    let mut taken = vec![false; changes.len()];
    for (from, gone) in changes.iter().enumerate() {
        let LoggedMutation::Delete(values) = &gone.mutation else { continue };
        let there = led.partition_point(|(of, _)| *of < gone.row);
        let led_to = led.get(there).filter(|(of, _)| *of == gone.row).and_then(|(_, to)| insert_of(to));
        let image = (gone.row.table, values.as_slice());
        let fit = &alike[alike.partition_point(|(of, _)| *of < image)..alike.partition_point(|(of, _)| *of <= image)];
        let only = fit.first().filter(|_| fit.len() == 1).map(|(_, at)| *at);
        let to = led_to.map(|(_, at)| *at).or(only).filter(|to| *to > from && !taken[*to]);
        if let Some(to) = to.filter(|to| changes[*to].row.table == gone.row.table && changes[*to].row != gone.row) {
            (moves[from], taken[to]) = (Some(to), true);
        }
    }
    moves
}

/// A row's table and what it has besides its key.
type Image<'a> = (TableId, &'a [Value]);

/// The rows to which others that referred to a row were made to refer, by the row.
fn led(changes: &[LoggedChange], catalogue: &Catalogue) -> Vec<(RowId, RowId)> {
    let mut led = Vec::new();
    for change in changes {
        let LoggedMutation::Update(fields) = &change.mutation else { continue };
        for reference in catalogue.table(change.row.table).iter().flat_map(|table| &table.references) {
            let Some(parent) = catalogue.table(reference.parent) else { continue };
            let written = |key: &ColumnId| {
                let at = reference.parent_columns.iter().position(|column| column == key)?;
                fields.iter().find(|field| field.column == reference.columns[at])
            };
            let Some(key) = parent.key.iter().map(written).collect::<Option<Vec<&LoggedField>>>() else { continue };
            let row = |value: fn(&LoggedField) -> &Value| RowId {
                table: reference.parent,
                key: Key(key.iter().map(|field| value(field).clone()).collect()),
            };
            led.push((row(|field| &field.old), row(|field| &field.new)));
        }
    }
    led.sort_unstable();
    led
}

fn edited(repeats: &mut [Repeat<'_>], edit: &Edit) -> Result<(), DbError> {
    let bad = |what: &str| bad(&format!("`{}`: {what}", edit.table));
    let of_row = |repeat: &&mut Repeat<'_>| {
        let mut names = [&repeat.table.name, &repeat.name].into_iter();
        names.any(|name| name.eq_ignore_ascii_case(&edit.table))
            && repeat.key.iter().map(|cell| &cell.listed).eq(&edit.key)
    };
    let mut row: Vec<&mut Repeat<'_>> = repeats.iter_mut().filter(of_row).collect();
    let last = row.iter().rposition(|repeat| repeat.does != Does::Delete);
    let last = last.ok_or_else(|| bad("the transaction writes no row with this key"))?;
    for (name, value) in &edit.values {
        if row[last].key.iter().any(|cell| cell.is(name)) {
            let from = row.iter().rposition(|repeat| matches!(repeat.does, Does::Insert | Does::Move(_)));
            let from = from.ok_or_else(|| bad("the key of a row that is there cannot be edited"))?;
            let parts = row[from..].iter_mut().flat_map(|repeat| &mut repeat.key);
            parts.filter(|cell| cell.is(name)).for_each(|cell| cell.edit(value));
        } else {
            let writes = row[..=last].iter().rposition(|repeat| repeat.fields.iter().any(|cell| cell.is(name)));
            let fields = &mut row[writes.unwrap_or(last)].fields;
            match fields.iter_mut().find(|cell| cell.is(name)) {
                Some(cell) => cell.edit(value),
                None => fields.push(Cell::added(name, value)),
            }
        }
    }
    Ok(())
}

impl Cell {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.was.eq_ignore_ascii_case(name)
    }

    fn edit(&mut self, value: &Value) {
        (self.value, self.over, self.edited) = (value.clone(), None, true);
    }

    /// A column that the change did not write.
    fn added(name: &str, value: &Value) -> Self {
        let (name, was) = (name.to_owned(), name.to_owned());
        Self { column: None, name, was, listed: value.clone(), value: value.clone(), over: None, edited: true }
    }
}

/// Lets references follow what was edited in the rows that they refer to, unless they were edited themselves.
fn follow_edits(repeats: &mut [Repeat<'_>]) {
    // A row that follows may be referred to itself: each round leads one level further.
    for _ in 0..repeats.len() {
        let edited: Vec<(TableId, Vec<Edited>)> = repeats.iter().filter_map(Repeat::edited).collect();
        let follow = |repeat: &mut Repeat<'_>| edited.iter().filter(|(parent, to)| repeat.follow(*parent, to)).count();
        if repeats.iter_mut().map(follow).sum::<usize>() == 0 {
            return;
        }
    }
}

/// A value of a parent, as listed and as it is to be.
type Edited = (ColumnId, Value, Value);

impl Repeat<'_> {
    /// All that it writes, if some of it is not as listed.
    fn edited(&self) -> Option<(TableId, Vec<Edited>)> {
        let cells = || self.key.iter().chain(&self.fields);
        let value = |cell: &Cell| Some((cell.column?, cell.listed.clone(), cell.value.clone()));
        cells().any(|cell| cell.value != cell.listed).then(|| (self.id, cells().filter_map(value).collect()))
    }

    /// Whether it referred to that parent as listed and now follows.
    fn follow(&mut self, parent: TableId, values: &[Edited]) -> bool {
        let mut followed = false;
        for reference in self.table.references.iter().filter(|reference| reference.parent == parent) {
            let of = |column: Option<ColumnId>| {
                let at = reference.columns.iter().position(|of| Some(*of) == column)?;
                Some(values.iter().find(|(parent, ..)| *parent == reference.parent_columns[at]))
            };
            // What the change does not write of the reference stays as it is.
            let cells = || self.key.iter().chain(&self.fields);
            let mut ends = cells().filter_map(|cell| Some((cell, of(cell.column)?))).peekable();
            let refers =
                ends.peek().is_some() && ends.all(|(cell, of)| of.is_some_and(|(_, listed, _)| *listed == cell.listed));
            for cell in self.key.iter_mut().chain(&mut self.fields).filter(|cell| refers && !cell.edited) {
                let Some(Some((_, _, value))) =
                    of(cell.column).filter(|of| of.is_some_and(|(.., value)| *value != cell.value))
                else {
                    continue;
                };
                (cell.value, cell.over, followed) = (value.clone(), None, true);
            }
        }
        followed
    }
}

fn listed<'a>(cells: impl IntoIterator<Item = &'a Cell>, each: fn(&str) -> String, between: &str) -> String {
    cells.into_iter().map(|cell| each(&quote(&cell.name))).collect::<Vec<_>>().join(between)
}

fn bad(what: &str) -> DbError {
    DbError::new(DbErrorCode::BadParameter, what)
}
