//! The rows of a transaction on their way through it, each once, and those that went.
//! What becomes of a row is the draft's business; which rows there are is asked of the store when they are needed.
//! Filled by `decide`, `deletes` and `references`.

use super::deletes;
use super::draft::{self, RowDraft, Write};
use super::holders::Holders;
use super::moves::Moves;
use super::store::{RowWrite, ServerStore, Tombstone};
use crate::catalogue::{Catalogue, Table};
use crate::change::{Change, Mutation, RowId};
use crate::conflict::Conflict;
use crate::ids::ColumnId;
use crate::limits::TOMBSTONE_BYTES;
use crate::value::Value;
use alloc::{collections::BTreeMap, vec::Vec};

/// The rows of a transaction, each once.
#[derive(Debug, Default)]
pub struct Drafts {
    index: BTreeMap<RowId, usize>,
    list: Vec<RowDraft>,
    deleted: Vec<(RowId, Vec<Value>)>,
}

impl Drafts {
    /// Reads rows that are not here yet.
    pub fn load<S: ServerStore>(&mut self, store: &mut S, rows: &[RowId]) -> Result<(), S::Error> {
        let mut missing: Vec<RowId> = Vec::new();
        for row in rows {
            if !self.index.contains_key(row) {
                self.index.insert(row.clone(), self.list.len() + missing.len());
                missing.push(row.clone());
            }
        }
        let states = store.load(&missing)?;
        assert_eq!(states.len(), missing.len(), "a store answers every row it is asked for");
        let (catalogue, rules) = (store.catalogue(), store.rules());
        let validated = |row: &RowId| catalogue.table(row.table).is_some_and(|table| rules.validates(&table.name));
        for (row, state) in missing.into_iter().zip(states) {
            let changing =
                catalogue.has_changing_parent_columns(row.table) || catalogue.keeps_tombstones() || validated(&row);
            let mut draft = RowDraft::new(row, state);
            if changing {
                draft.remember();
            }
            self.list.push(draft);
        }
        Ok(())
    }

    /// Whether a row is part of the transaction.
    pub fn contains(&self, row: &RowId) -> bool {
        self.index.contains_key(row)
    }

    /// All drafts, in the order in which their rows were loaded.
    pub fn iter(&self) -> impl Iterator<Item = &RowDraft> {
        self.list.iter()
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut RowDraft> {
        self.list.iter_mut()
    }

    /// The draft that was loaded as the so many-th.
    pub(super) fn at(&self, place: usize) -> Option<&RowDraft> {
        self.list.get(place)
    }

    /// The same, and which it is, of a row.
    pub(super) fn place(&self, row: &RowId) -> Option<(usize, &RowDraft)> {
        let place = self.index.get(row).copied()?;
        Some((place, self.at(place)?))
    }

    /// The draft of a row that was loaded.
    pub fn get(&self, row: &RowId) -> Option<&RowDraft> {
        self.index.get(row).and_then(|position| self.list.get(*position))
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, row: &RowId) -> Option<&mut RowDraft> {
        self.index.get(row).and_then(|position| self.list.get_mut(*position))
    }

    /// Applies one change of the device.
    pub fn apply(&mut self, table: &Table, row: &RowId, mutation: &Mutation, write: &Write) -> Result<(), draft::Stop> {
        self.tracking_deletes(row, |draft| draft.apply(table, mutation, write))
    }

    /// Deletes a child that goes with its parent.
    pub fn force_delete(&mut self, table: &Table, row: &RowId, write: &Write) {
        let _: Result<(), draft::Stop> = self.tracking_deletes(row, |draft| {
            draft.force_delete(table, write);
            Ok(())
        });
    }

    /// Gives a row another key, as a delete and an insert. Where that key is taken, the write of the transaction will say so.
    pub fn rename(&mut self, table: &Table, from: &RowId, to: &RowId, fields: &[Value], write: &Write) {
        self.force_delete(table, from, write);
        if let Some(draft) = self.get_mut(to).filter(|draft| draft.values().is_none()) {
            draft.force_create(table, fields, write);
        }
    }

    fn tracking_deletes(
        &mut self,
        row: &RowId,
        body: impl FnOnce(&mut RowDraft) -> Result<(), draft::Stop>,
    ) -> Result<(), draft::Stop> {
        let draft =
            self.index.get(row).and_then(|position| self.list.get_mut(*position)).ok_or(draft::Stop::UnknownRow)?;
        body(draft)?;
        if let Some(values) = draft.take_removed() {
            self.deleted.push((row.clone(), values));
        }
        Ok(())
    }

    /// An edit of a row whose tombstone was pruned.
    pub fn lost_edit(&mut self, table: &Table, change: &Change, write: &Write) {
        if let Some(draft) = self.get_mut(&change.row) {
            draft.lost_edit(table, &change.mutation, write);
        }
    }

    /// The rows that went in this transaction, with the values they had, in order.
    pub fn deleted(&self) -> &[(RowId, Vec<Value>)] {
        &self.deleted
    }

    /// Leaves tombstones for the rows that went, with what went or was emptied because of each, and where it moved.
    pub fn bury(&mut self, catalogue: &Catalogue, moves: &Moves) {
        let keeps = catalogue.keeps_tombstones() && !self.deleted.is_empty();
        let holders = keeps.then(|| Holders::before(&self.list, catalogue));
        for (row, image) in core::mem::take(&mut self.deleted) {
            let moved = moves.of(&row).map(|to| to.key.clone());
            if !keeps && moved.is_none() {
                continue;
            }
            let fell = |holders| deletes::fell_with(&row, &image, &self.list, holders, catalogue);
            let cascade = holders.as_ref().map(fell).unwrap_or_default();
            if let Some(draft) = self.get_mut(&row).filter(|draft| draft.values().is_none()) {
                let comes_back = keeps && tombstone_size(&image, &cascade) <= TOMBSTONE_BYTES;
                // One without the other would bring a part of it back.
                let (image, cascade) = if comes_back { (Some(image), cascade) } else { (None, Vec::new()) };
                draft.bury(Tombstone { schema: catalogue.version, image, cascade, moved });
            }
        }
    }

    /// What is to be written, what was overwritten unseen, and whether everything was taken as sent.
    pub fn into_writes(self, catalogue: &Catalogue) -> (Vec<RowWrite>, Vec<Conflict>, bool) {
        let (mut writes, mut conflicts, mut as_sent) = (Vec::new(), Vec::new(), true);
        for mut draft in self.list {
            as_sent &= draft.as_sent;
            conflicts.append(&mut draft.conflicts);
            if let Some(table) = catalogue.table(draft.row().table) {
                writes.extend(draft.into_write(table));
            }
        }
        (writes, conflicts, as_sent)
    }
}

fn tombstone_size(image: &[Value], cascade: &[(RowId, Vec<ColumnId>)]) -> usize {
    let values = |values: &[Value]| values.iter().map(Value::size).sum::<usize>();
    values(image)
        + cascade.iter().map(|(row, columns)| values(&row.key.0) + FALLEN_BYTES + columns.len()).sum::<usize>()
}

/// What a row that fell takes besides its key: its table, and how long the lists are.
const FALLEN_BYTES: usize = 4;
