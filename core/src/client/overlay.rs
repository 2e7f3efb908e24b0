//! The overlay: visible row = the server's row with the pending changes replayed on it.
//! It takes changes back, replays them, and keeps the server's version of a row only while local changes hide it.
//! It knows rows and the log, nothing of commits' order or of the network; `apply` calls it.

use super::store::{ClientStore, ServerRow};
use crate::catalogue::{Catalogue, Table};
use crate::change::{Field, LoggedChange, LoggedMutation, RowId};
use crate::commit::{Effect, Outcome};
use crate::ids::LogId;
use crate::value::Value;
use alloc::{collections::BTreeMap, vec::Vec};

type RowValues = Option<Vec<Value>>;
type Pending = Vec<(LogId, LoggedChange)>;

/// The server's version of some rows, taken out of the visible ones; to be changed, then laid under the overlay again.
pub struct Underlay {
    rows: BTreeMap<RowId, RowValues>,
}

impl Underlay {
    /// Finds the server's version of `rows`.
    pub fn lift<S: ClientStore>(rows: &[RowId], store: &mut S) -> Result<Self, S::Error> {
        let catalogue = store.catalogue();
        let pending = store.pending_changes(rows)?;
        let mut lifted = BTreeMap::new();
        for (row, changes) in rows.iter().zip(&pending) {
            lifted.insert(row.clone(), server_version(row, changes, &catalogue, store)?);
        }
        Ok(Self { rows: lifted })
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

    /// Replays what is still pending and writes the visible rows.
    pub fn settle<S: ClientStore>(self, store: &mut S) -> Result<(), S::Error> {
        let catalogue = store.catalogue();
        let rows: Vec<RowId> = self.rows.keys().cloned().collect();
        let pending = store.pending_changes(&rows)?;
        let mut visible = Vec::with_capacity(rows.len());
        for ((row, server), changes) in self.rows.into_iter().zip(&pending) {
            let kept = if changes.is_empty() { ServerRow::Derived } else { ServerRow::Kept(server.clone()) };
            store.set_server_row(&row, kept)?;
            let effect = replay(server, changes, &row, &catalogue).map_or(Effect::Delete, Effect::Put);
            visible.push(Outcome { row, effect });
        }
        store.write(&visible)
    }
}

fn server_version<S: ClientStore>(
    row: &RowId,
    pending: &Pending,
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
fn take_back(mut values: RowValues, pending: &Pending, table: &Table) -> RowValues {
    for (_, change) in pending.iter().rev() {
        match &change.mutation {
            LoggedMutation::Insert(_) => values = None,
            LoggedMutation::Delete(old) => values = Some(old.clone()),
            LoggedMutation::Update(fields) => {
                let old = fields.iter().map(|field| (field.column, &field.old));
                put(&mut values, old, table);
            }
        }
    }
    values
}

/// Redoes pending changes on the server's version. An update of a row that the server deleted shows nothing.
fn replay(mut values: RowValues, pending: &Pending, row: &RowId, catalogue: &Catalogue) -> RowValues {
    let Some(table) = catalogue.table(row.table) else { return values };
    for (_, change) in pending {
        match &change.mutation {
            LoggedMutation::Insert(new) => values = Some(new.clone()),
            LoggedMutation::Delete(_) => values = None,
            LoggedMutation::Update(fields) => {
                let new = fields.iter().map(|field| (field.column, &field.new));
                put(&mut values, new, table);
            }
        }
    }
    values
}

fn put<'a>(values: &mut RowValues, fields: impl Iterator<Item = (crate::ids::ColumnId, &'a Value)>, table: &Table) {
    let Some(values) = values.as_mut() else { return };
    for (column, value) in fields {
        if let Some(slot) = table.field_position(column).and_then(|at| values.get_mut(at)) {
            *slot = value.clone();
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
