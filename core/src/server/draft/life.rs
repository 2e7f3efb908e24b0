//! A row's comings and goings as its draft knows them: who has seen them, and what a tombstone gives back.
//! Which rule applies is not its business. Called by `deletes`.

use super::{RowDraft, Write};
use crate::catalogue::Table;
use crate::change::{Field, RowId};
use crate::conflict::{Claim, Claimed, Side};
use crate::ids::{ColumnId, Seq};
use crate::server::store::{Mark, Tombstone};
use crate::value::Value;
use alloc::vec::Vec;

impl RowDraft {
    /// Whether the writer means this life of the row.
    pub fn life_was_seen(&self, write: &Write) -> bool {
        self.marks.as_ref().is_some_and(|marks| write.writer.had_seen(&marks.created))
    }

    /// The row with the fields that the writer had not seen, as the newest of their writers left it.
    pub fn unseen_row(&self, table: &Table, write: &Write) -> Option<Claim> {
        let edits = self.unseen_edits(table, write);
        let newest = edits.iter().map(|(column, _)| *column).filter_map(|column| self.mark_of(table, column));
        let newest = newest.max_by_key(|mark| mark.seq)?;
        let field = |(column, claim): (ColumnId, Claim)| match claim.claimed {
            Claimed::Value(value) => Some(Field { column, value }),
            _ => None,
        };
        Some(newest.claim(Claimed::Row(edits.into_iter().filter_map(field).collect())))
    }

    /// The writer of one of these fields, if it was not seen.
    pub fn unseen_fields(&self, table: &Table, columns: &[ColumnId], write: &Write) -> Option<Claim> {
        let marks = columns.iter().filter_map(|column| self.mark_of(table, *column));
        let unseen = marks.filter(|mark| !write.writer.had_seen(mark)).max_by_key(|mark| mark.seq)?;
        Some(unseen.claim(Claimed::Row(Vec::new())))
    }

    fn mark_of(&self, table: &Table, column: ColumnId) -> Option<Mark> {
        table.field_position(column).and_then(|position| self.mark_at(position)).copied()
    }

    /// The deletion of a row that is gone, if the writer had not seen it.
    pub fn unseen_deletion(&self, write: &Write) -> Option<Claim> {
        let deleted = self.deleted_mark().filter(|deleted| !write.writer.had_seen(deleted))?;
        Some(deleted.claim(Claimed::Deleted))
    }

    fn deleted_mark(&self) -> Option<Mark> {
        if self.values.is_some() {
            return None;
        }
        self.marks.as_ref()?.deleted
    }

    /// The deletion of a row that is gone.
    pub fn present_deletion(&self) -> Option<Claim> {
        Some(self.deleted_mark()?.claim(Claimed::Deleted))
    }

    /// The commit in which a row that is gone went.
    pub fn deleted_in(&self) -> Option<Seq> {
        self.deleted_mark().map(|mark| mark.seq)
    }

    /// Whether the writer had seen the value of a field.
    pub fn was_seen(&self, position: usize, write: &Write) -> bool {
        self.mark_at(position).is_none_or(|mark| write.writer.had_seen(mark))
    }

    /// The commit that wrote a field last.
    pub fn written_in(&self, position: usize) -> Option<Seq> {
        self.mark_at(position).map(|mark| mark.seq)
    }

    /// Whether the space knows nothing of the row: it never was, or its tombstone was pruned.
    pub fn is_unknown(&self) -> bool {
        self.values.is_none() && self.marks.is_none()
    }

    /// What the row that is gone left behind.
    pub fn tombstone(&self) -> Option<&Tombstone> {
        self.marks.as_ref()?.tombstone.as_ref()
    }

    /// Brings the row back with the values that it had.
    pub fn revive(&mut self, image: Vec<Value>) {
        if let Some(marks) = self.marks.as_mut() {
            marks.deleted = None;
            marks.tombstone = None;
        }
        self.values = Some(image);
        self.as_sent = false;
    }

    /// What stands stays: the row that was to go, or the deletion that this write met.
    pub fn keep(&mut self, standing: Claim, challenger: Claim) {
        self.as_sent = false;
        self.record(None, Side::Incumbent, standing, challenger);
    }

    /// The row is back because of this write.
    pub fn keep_against(&mut self, deletion: Claim, challenger: Claim) {
        self.as_sent = false;
        self.record(None, Side::Challenger, deletion, challenger);
    }

    /// Leaves a tombstone for the row that went in this transaction.
    pub fn bury(&mut self, tombstone: Tombstone) {
        if let Some(marks) = self.marks.as_mut() {
            marks.tombstone = Some(tombstone);
        }
    }

    /// The key that the row got instead, if it went because of that.
    pub fn moved_to(&self) -> Option<RowId> {
        let moved = self.tombstone().filter(|_| self.values.is_none())?.moved.clone()?;
        Some(RowId { table: self.row.table, key: moved })
    }
}
