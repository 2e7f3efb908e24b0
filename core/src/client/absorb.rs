//! Lets waiting transactions disappear into later ones that write all their cells again, before they are sealed together.
//! It folds copies and leaves the log as it is: what was folded is found there one by one, if the space will not have it so.
//! Called by `seal`, and by `plan`, `inbox` and `void` to tell who stands behind a folded one; what a fold comes to is for `coalesce`.

use super::coalesce::{Net, coalesce};
use super::store::ClientStore;
use super::versions;
use crate::catalogue::Catalogue;
use crate::change::{Changeset, LoggedChange, LoggedField, LoggedMutation, LoggedTransaction, RowId};
use crate::clock::Stamp;
use crate::codec::Codec;
use crate::error::Fault;
use crate::ids::{ColumnId, DeviceSeq, TableId};
use crate::limits::ABSORBING_ROWS;
use crate::sorted::{SortedMap, SortedSet};
use alloc::vec::Vec;

/// Folds a part of the log that goes into one changeset. What is left keeps its order, its stamps and what it had seen.
///
/// A transaction disappears into the next one that touches any of its rows, if that writes all its cells again on top of it, both had
/// seen the same commits, both only update rows and resolve nothing, and no foreign key runs through its cells. So nothing between
/// the two touches its rows, and nothing finds a parent, or a child, that it would not have found.
pub fn absorb(log: Vec<LoggedTransaction>, catalogue: &Catalogue) -> Vec<LoggedTransaction> {
    if log.len() < 2 {
        return log;
    }
    let referring = referring(catalogue);
    let mut fold = Fold::default();
    for transaction in log {
        let writes = Writes::of(&transaction, &referring);
        fold.take(transaction, writes);
    }
    let mut left: Vec<LoggedTransaction> =
        fold.kept.into_iter().flatten().map(|(transaction, _)| transaction).collect();
    left.iter_mut().for_each(|transaction| transaction.absorbed.sort_unstable());
    left
}

/// The part of the log that stands behind each transaction of a changeset, in the order of the changeset.
pub fn parts<'l>(log: &'l [LoggedTransaction], changeset: &Changeset) -> Vec<Vec<&'l LoggedTransaction>> {
    let by_stamp: SortedMap<Stamp, &LoggedTransaction> = log.iter().map(|logged| (logged.stamp, logged)).collect();
    let part = |stamp: &Stamp| by_stamp.get(stamp).copied();
    let transactions = changeset.transactions.iter();
    transactions.map(|whole| whole.absorbed.iter().chain([&whole.stamp]).filter_map(part).collect()).collect()
}

/// Whether transactions that wait under a number stand for others, and could be sent apart. Bytes that cannot be read say nothing.
pub fn is_folded<S: ClientStore, C: Codec>(
    number: DeviceSeq,
    store: &mut S,
    codec: &C,
) -> Result<bool, Fault<S::Error>> {
    match versions::open_sealed(number, store, codec) {
        Ok(changeset) => Ok(changeset.origin.is_none() && changeset.absorbs()),
        Err(Fault::Peer(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Columns of foreign keys, on both ends.
fn referring(catalogue: &Catalogue) -> SortedSet<(TableId, ColumnId)> {
    let mut referring = SortedSet::new();
    for (table, id) in catalogue.tables.iter().zip(0..).map(|(table, id)| (table, TableId(id))) {
        for reference in &table.references {
            referring.extend(reference.columns.iter().map(|column| (id, *column)));
            referring.extend(reference.parent_columns.iter().map(|column| (reference.parent, *column)));
        }
    }
    referring
}

#[derive(Default)]
struct Fold {
    kept: Vec<Option<(LoggedTransaction, Option<Writes>)>>,
    /// The last transaction that touched a row, by its place among the kept; rows that none could give up are left out.
    last: SortedMap<RowId, usize>,
}

impl Fold {
    fn take(&mut self, mut transaction: LoggedTransaction, writes: Option<Writes>) {
        if let Some(writes) = &writes {
            let places: SortedSet<usize> = writes.rows.keys().filter_map(|row| self.last.get(row)).copied().collect();
            for place in places {
                if self.gives_way(place, &transaction, writes)
                    && let Some((earlier, _)) = self.kept[place].take()
                {
                    take_up(&mut transaction, earlier);
                }
            }
        }
        self.touch(&transaction, writes.is_some());
        self.kept.push(Some((transaction, writes)));
    }

    /// What cannot disappear needs no place of its own, but stands in the way of what came before.
    fn touch(&mut self, transaction: &LoggedTransaction, may_disappear: bool) {
        let place = self.kept.len();
        for LoggedChange { row, .. } in &transaction.changes {
            match self.last.get_mut(row) {
                Some(last) => *last = place,
                None if may_disappear => {
                    self.last.insert(row.clone(), place);
                }
                None => {}
            }
        }
    }

    /// Whether the transaction at `place` disappears into a later one.
    fn gives_way(&self, place: usize, later: &LoggedTransaction, writes: &Writes) -> bool {
        let Some((earlier, Some(given))) = &self.kept[place] else { return false };
        let untouched = || given.rows.keys().all(|row| self.last.get(row) == Some(&place));
        let together = earlier.base.seq == later.base.seq && earlier.stamp < later.stamp;
        together && !given.is_tied && writes.cover(given) && untouched()
    }
}

/// The changes of both, one after the other, are what they come to together.
fn take_up(later: &mut LoggedTransaction, earlier: LoggedTransaction) {
    let LoggedTransaction { stamp, mut changes, mut absorbed, lowered, .. } = earlier;
    changes.append(&mut later.changes);
    absorbed.push(stamp);
    absorbed.append(&mut later.absorbed);
    (later.changes, later.absorbed) = (changes, absorbed);
    later.lowered = later.lowered.into_iter().chain(lowered).min();
}

/// What a small transaction of mere updates writes.
struct Writes {
    rows: SortedMap<RowId, Vec<LoggedField>>,
    /// Whether a foreign key runs through a cell: rows between might find another parent, or child.
    is_tied: bool,
}

impl Writes {
    fn of(transaction: &LoggedTransaction, referring: &SortedSet<(TableId, ColumnId)>) -> Option<Self> {
        let updates = |change: &LoggedChange| matches!(change.mutation, LoggedMutation::Update(_));
        let LoggedTransaction { origin, apart, changes, resolutions, .. } = transaction;
        let stands_alone = *apart || origin.is_some() || !resolutions.is_empty();
        if stands_alone || changes.len() > ABSORBING_ROWS || !changes.iter().all(updates) {
            return None;
        }
        let mut rows = SortedMap::new();
        let mut is_tied = false;
        for (row, net) in coalesce(changes, |_, _| None) {
            let Net::Updated(fields) = net else { return None };
            is_tied |= fields.iter().any(|field| referring.contains(&(row.table, field.column)));
            rows.insert(row, fields);
        }
        Some(Self { rows, is_tied })
    }

    /// Whether these write every cell of `given` again, each on the value that was written there.
    fn cover(&self, given: &Writes) -> bool {
        let again = |row: &RowId, field: &LoggedField| {
            let fields = self.rows.get(row).map(Vec::as_slice).unwrap_or_default();
            let found = fields.binary_search_by_key(&field.column, |later| later.column);
            found.is_ok_and(|at| fields[at].old == field.new)
        };
        given.rows.len() <= self.rows.len()
            && given.rows.iter().all(|(row, fields)| fields.iter().all(|field| again(row, field)))
    }
}

#[cfg(test)]
mod tests;
