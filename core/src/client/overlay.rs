//! The overlay: visible row = the server's row with the pending changes replayed on it.
//! It takes changes back, replays them, keeps the server's version of a row only while local changes hide it, and takes
//! transactions out of the view that collide with what the space decided. `apply` calls it; it knows nothing of the network.

use super::coalesce::coalesce;
use super::store::{ClientStore, ServerRow};
use crate::catalogue::{Catalogue, Strategy, Table};
use crate::change::{Field, LoggedChange, LoggedField, LoggedMutation, LoggedTransaction, RowId};
use crate::commit::{Effect, Outcome};
use crate::ids::{ColumnId, LogId};
use crate::merge::local;
use crate::sorted::{SortedMap, SortedSet};
use crate::value::Value;
use alloc::vec::Vec;

type RowValues = Option<Vec<Value>>;

/// The server's version of some rows, taken out of the visible ones; to be changed, then laid under the overlay again.
pub struct Underlay {
    rows: SortedMap<RowId, RowValues>,
    free: Vec<Outcome>,
}

impl Underlay {
    /// Finds the server's version of `rows`.
    pub fn lift<S: ClientStore>(rows: &[RowId], store: &mut S) -> Result<Self, S::Error> {
        let mut underlay = Self { rows: SortedMap::new(), free: Vec::new() };
        underlay.lift_more(rows, store)?;
        Ok(underlay)
    }

    /// Outcomes of rows that nothing pending hides; they are written together with the lifted ones.
    pub fn beside(mut self, free: Vec<Outcome>) -> Self {
        self.free = free;
        self
    }

    fn lift_more<S: ClientStore>(&mut self, rows: &[RowId], store: &mut S) -> Result<(), S::Error> {
        let catalogue = store.catalogue();
        let pending = store.pending_changes(rows)?;
        for (row, changes) in rows.iter().zip(&pending) {
            let version = server_version(row, changes, &catalogue, store)?;
            self.rows.insert(row.clone(), version);
        }
        Ok(())
    }

    /// Whether the server has a row that was lifted.
    pub fn has(&self, row: &RowId) -> bool {
        self.rows.get(row).is_some_and(Option::is_some)
    }

    /// What a commit says of a row that was lifted.
    pub fn apply(&mut self, outcome: &Outcome, catalogue: &Catalogue) {
        let Some(values) = self.rows.get_mut(&outcome.row) else { return };
        match &outcome.effect {
            Effect::Put(new) => *values = Some(new.clone()),
            Effect::Delete => *values = None,
            Effect::Set(fields) => {
                if let (Some(values), Some(table)) = (values.as_mut(), catalogue.table(outcome.row.table)) {
                    set(values, fields, table);
                }
            }
        }
    }

    /// Moves the server's version on by own changes that were taken as sent: what they make of it is what they made of the space's.
    /// They were sent net, so that a row which came and went within a transaction says nothing.
    pub fn advance(&mut self, log: &[LoggedTransaction], catalogue: &Catalogue) {
        let position = |row: &RowId, column| catalogue.table(row.table).and_then(|table| table.field_position(column));
        let mut replays: SortedMap<RowId, Replay> = SortedMap::new();
        for (row, net) in log.iter().flat_map(|transaction| coalesce(&transaction.changes, position)) {
            let (Some(table), Some(mutation)) = (catalogue.table(row.table), net.into_mutation()) else { continue };
            let server = || Replay::on(self.rows.get(&row).cloned().flatten());
            replays.entry(row.clone()).or_insert_with(server).redo(&mutation, table);
        }
        self.rows.extend(replays.into_iter().map(|(row, replay)| (row, replay.values)));
    }

    /// Replays what is still pending and writes the visible rows.
    pub fn settle<S: ClientStore>(self, store: &mut S) -> Result<(), S::Error> {
        match self.settle_in_view(store)? {
            None => Ok(()),
            Some(stuck) => stuck.lay_anew(store),
        }
    }

    /// The same for one of several commits. Answers whether what waits is out of the view, for `lay_over` to bring back after the last.
    ///
    /// What `lay_over` shows depends on the space's rows and the log alone, so that nothing is missed by not laying it out in between; and
    /// bare rows of the space fit each other after every commit.
    pub fn settle_bare<S: ClientStore>(self, store: &mut S) -> Result<bool, S::Error> {
        match self.settle_in_view(store)? {
            None => Ok(false),
            Some(stuck) => stuck.lay_bare(store).map(|()| true),
        }
    }

    /// Answers itself where something is blocked, or would have to be.
    fn settle_in_view<S: ClientStore>(mut self, store: &mut S) -> Result<Option<Self>, S::Error> {
        if store.waiting()?.blocked > 0 {
            return Ok(Some(self));
        }
        let catalogue = store.catalogue();
        let rows: Vec<RowId> = self.rows.keys().cloned().collect();
        let pending = store.pending_changes(&rows)?;
        let mut visible = core::mem::take(&mut self.free);
        let free = visible.len();
        for ((row, server), changes) in self.rows.iter().zip(&pending) {
            let mut replay = Replay::on(server.clone());
            if let Some(table) = catalogue.table(row.table) {
                changes.iter().for_each(|(_, change)| replay.redo(&change.mutation, table));
            }
            visible.push(outcome(row, replay.values));
        }
        if !store.try_write(&visible)? {
            visible.truncate(free);
            return Ok(Some(self.beside(visible)));
        }
        for ((row, server), changes) in self.rows.into_iter().zip(&pending) {
            let kept = if changes.is_empty() { ServerRow::Derived } else { ServerRow::Kept(server) };
            store.set_server_row(&row, kept)?;
        }
        Ok(None)
    }

    /// Lays the whole view anew: the space's rows first, which fit each other, then every pending transaction that fits what is there.
    /// The others, and those that need a row of theirs, are blocked: out of the view, still sent and decided.
    fn lay_anew<S: ClientStore>(mut self, store: &mut S) -> Result<(), S::Error> {
        let log = waiting_log(store)?;
        self.lift_more(&self.missing(&log), store)?;
        self.write_bare(store)?;
        let rows = self.rows.iter().map(|(row, values)| (row.clone(), Replay::on(values.clone()))).collect();
        let mut view = View { rows, covered: SortedSet::new(), lost: SortedSet::new() };
        let mut blocked = Vec::new();
        for transaction in &log {
            if !view.take(transaction, store)? {
                blocked.push(transaction.id);
            }
        }
        store.set_blocked(&blocked)?;
        for (row, server) in self.rows {
            let kept = if view.covered.contains(&row) { ServerRow::Kept(server) } else { ServerRow::Derived };
            store.set_server_row(&row, kept)?;
        }
        Ok(())
    }

    /// Takes everything that waits out of the view, as if all of it were blocked: commits are then written as they come.
    fn lay_bare<S: ClientStore>(mut self, store: &mut S) -> Result<(), S::Error> {
        let waiting = store.waiting()?;
        if waiting.blocked == waiting.pending && !store.keeps_server_rows()? {
            return self.write_bare(store);
        }
        let log = waiting_log(store)?;
        self.lift_more(&self.missing(&log), store)?;
        self.write_bare(store)?;
        for row in self.rows.keys() {
            store.set_server_row(row, ServerRow::Derived)?;
        }
        let all: Vec<LogId> = log.iter().map(|transaction| transaction.id).collect();
        store.set_blocked(&all)
    }

    /// Writes the space's rows where something else is visible.
    pub fn write_bare<S: ClientStore>(&mut self, store: &mut S) -> Result<(), S::Error> {
        let mut bare = self.take_free(&store.catalogue());
        for (row, values) in self.rows.iter() {
            if store.row(row)? != *values {
                bare.push(outcome(row, values.clone()));
            }
        }
        store.write(&bare)
    }

    /// The outcomes of rows that were not lifted; those of the others, which only blocked transactions touch, are laid under them.
    fn take_free(&mut self, catalogue: &Catalogue) -> Vec<Outcome> {
        let free = core::mem::take(&mut self.free);
        let (lifted, rest): (Vec<Outcome>, Vec<Outcome>) =
            free.into_iter().partition(|outcome| self.rows.contains_key(&outcome.row));
        lifted.iter().for_each(|outcome| self.apply(outcome, catalogue));
        rest
    }

    fn missing(&self, log: &[LoggedTransaction]) -> Vec<RowId> {
        let rows = log.iter().flat_map(|transaction| &transaction.changes).map(|change| &change.row);
        let missing: SortedSet<&RowId> = rows.filter(|row| !self.rows.contains_key(*row)).collect();
        missing.into_iter().cloned().collect()
    }
}

/// Lays everything that waits over what `settle_bare` left.
pub fn lay_over<S: ClientStore>(store: &mut S) -> Result<(), S::Error> {
    Underlay::lift(&[], store)?.lay_anew(store)
}

/// Everything that waits, in its order.
pub fn waiting_log<S: ClientStore>(store: &mut S) -> Result<Vec<LoggedTransaction>, S::Error> {
    let mut log = store.sealed_log(None)?;
    log.extend(store.unsealed(usize::MAX, usize::MAX)?);
    Ok(log)
}

/// Lays everything that waits over rows that are the space's own.
pub fn lay_over_space<S: ClientStore>(store: &mut S) -> Result<(), S::Error> {
    let log = waiting_log(store)?;
    let mut underlay = Underlay { rows: SortedMap::new(), free: Vec::new() };
    for row in underlay.missing(&log) {
        let values = store.row(&row)?;
        underlay.rows.insert(row, values);
    }
    underlay.lay_anew(store)
}

/// The view while it is laid anew.
struct View {
    rows: SortedMap<RowId, Replay>,
    /// Rows with a pending change in the view.
    covered: SortedSet<RowId>,
    /// Rows that a blocked transaction inserted.
    lost: SortedSet<RowId>,
}

impl View {
    /// Takes a transaction into the view as a whole, or answers that it does not fit.
    fn take<S: ClientStore>(&mut self, transaction: &LoggedTransaction, store: &mut S) -> Result<bool, S::Error> {
        let depends = transaction.changes.iter().any(|change| self.lost.contains(&change.row));
        let after = self.after(transaction, &store.catalogue());
        let visible: Vec<Outcome> = after.iter().map(|(row, replay)| outcome(row, replay.values.clone())).collect();
        if depends || !store.try_write(&visible)? {
            let inserted =
                transaction.changes.iter().filter(|change| matches!(change.mutation, LoggedMutation::Insert(_)));
            self.lost.extend(inserted.map(|change| change.row.clone()));
            return Ok(false);
        }
        self.covered.extend(after.keys().cloned());
        self.rows.extend(after);
        Ok(true)
    }

    fn after(&self, transaction: &LoggedTransaction, catalogue: &Catalogue) -> SortedMap<RowId, Replay> {
        let mut after = SortedMap::new();
        for LoggedChange { row, mutation } in &transaction.changes {
            let Some(table) = catalogue.table(row.table) else { continue };
            let before = || self.rows.get(row).cloned().unwrap_or_else(|| Replay::on(None));
            after.entry(row.clone()).or_insert_with(before).redo(mutation, table);
        }
        after
    }
}

fn outcome(row: &RowId, values: RowValues) -> Outcome {
    Outcome { row: row.clone(), effect: values.map_or(Effect::Delete, Effect::Put) }
}

fn server_version<S: ClientStore>(
    row: &RowId,
    pending: &[(LogId, LoggedChange)],
    catalogue: &Catalogue,
    store: &mut S,
) -> Result<RowValues, S::Error> {
    if let ServerRow::Kept(values) = store.server_row(row)? {
        return Ok(values);
    }
    let visible = store.row(row)?;
    Ok(match catalogue.table(row.table) {
        Some(table) => take_back(visible, pending, table),
        None => visible,
    })
}

/// Undoes pending changes, newest first.
pub fn take_back(mut values: RowValues, pending: &[(LogId, LoggedChange)], table: &Table) -> RowValues {
    for (_, change) in pending.iter().rev() {
        match &change.mutation {
            LoggedMutation::Insert(_) => values = None,
            LoggedMutation::Delete(old) => values = Some(old.clone()),
            LoggedMutation::Update(fields) => {
                put(&mut values, fields, table, |_, field| field.old.clone());
            }
        }
    }
    values
}

/// A row while pending changes are replayed on it.
#[derive(Clone)]
struct Replay {
    values: RowValues,
    /// Of merged texts: writes that continue each other are one.
    runs: SortedMap<ColumnId, Run>,
}

/// Writes of which each was made on the result of the one before.
#[derive(Clone)]
struct Run {
    /// What stands there without them.
    under: Value,
    /// What the first was made on.
    old: Value,
    /// What the last made of it.
    new: Value,
}

impl Replay {
    fn on(values: RowValues) -> Self {
        Self { values, runs: SortedMap::new() }
    }

    /// Redoes a pending change. An update of a row that the server deleted shows nothing; of others the strategies say what the
    /// write makes of a value that has moved underneath.
    fn redo(&mut self, mutation: &LoggedMutation, table: &Table) {
        match mutation {
            LoggedMutation::Insert(new) => *self = Self::on(Some(new.clone())),
            LoggedMutation::Delete(_) => *self = Self::on(None),
            LoggedMutation::Update(fields) => {
                let runs = &mut self.runs;
                put(&mut self.values, fields, table, |current, field| match table.strategy(field.column) {
                    Strategy::Text => continued(runs, current, field),
                    strategy => local::redo(strategy, current, &field.old, &field.new),
                });
            }
        }
    }
}

fn continued(runs: &mut SortedMap<ColumnId, Run>, current: &Value, field: &LoggedField) -> Value {
    let new = field.new.clone();
    let run = match runs.remove(&field.column).filter(|run| run.new == field.old) {
        Some(run) => Run { new, ..run },
        None => Run { under: current.clone(), old: field.old.clone(), new },
    };
    let shown = local::redo(Strategy::Text, &run.under, &run.old, &run.new);
    runs.insert(field.column, run);
    shown
}

fn put(
    values: &mut RowValues,
    fields: &[LoggedField],
    table: &Table,
    mut value: impl FnMut(&Value, &LoggedField) -> Value,
) {
    let Some(values) = values.as_mut() else { return };
    for field in fields {
        if let Some(slot) = table.field_position(field.column).and_then(|at| values.get_mut(at)) {
            *slot = value(slot, field);
        }
    }
}

fn set(values: &mut [Value], fields: &[Field], table: &Table) {
    for field in fields {
        if let Some(slot) = table.field_position(field.column).and_then(|at| values.get_mut(at)) {
            *slot = field.value.clone();
        }
    }
}
