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

/// Whether the marks of a new row's fields would not tell who made it, or who made it refer to another.
pub(super) fn needs_birth(table: &Table, fields: &[Option<Mark>], values: &[Value]) -> bool {
    let silent = |column: &ColumnId| match table.field_position(*column) {
        Some(at) => fields[at].is_none() && values[at] != Value::Null,
        None => true,
    };
    fields.iter().all(Option::is_none) || table.references.iter().any(|of| of.columns.iter().all(silent))
}

impl RowDraft {
    /// Another device made the same row: whoever deletes it must have seen that too.
    pub(super) fn born_again(&mut self, write: &Write) {
        let born = self.marks.as_mut().and_then(|marks| marks.born.as_mut());
        if let Some(born) = born.filter(|born| born.author != write.writer.author) {
            *born = write.mark(true);
            self.remarked = true;
        }
    }

    /// Who made the row as it is, if no field tells and the writer had not seen it.
    pub(super) fn unseen_birth(&self, table: &Table, write: &Write) -> Option<Claim> {
        let born = self.born().filter(|born| !write.writer.had_seen(born))?;
        let fields = table.fields().zip(self.values.as_ref()?);
        let image = fields.map(|((column, _), value)| Field { column, value: value.clone() });
        Some(born.claim(Claimed::Row(image.collect())))
    }

    fn born(&self) -> Option<&Mark> {
        self.marks.as_ref()?.born.as_ref()
    }

    /// Whether the writer means this life of the row.
    pub fn life_was_seen(&self, write: &Write) -> bool {
        self.marks.as_ref().is_some_and(|marks| write.writer.had_seen(&marks.created))
    }

    /// The row with the fields that the writer had not seen, as the newest of their writers left it.
    pub fn unseen_row(&self, table: &Table, write: &Write) -> Option<Claim> {
        let edits = self.unseen_edits(table, write);
        let newest = edits.iter().map(|(column, _)| *column).filter_map(|column| self.mark_of(table, column));
        let Some(newest) = newest.max_by_key(|mark| mark.seq) else { return self.unseen_birth(table, write) };
        let field = |(column, claim): (ColumnId, Claim)| match claim.claimed {
            Claimed::Value(value) => Some(Field { column, value }),
            _ => None,
        };
        Some(newest.claim(Claimed::Row(edits.into_iter().filter_map(field).collect())))
    }

    /// The writer of one of these columns, if it was not seen: of those that have no mark, who made the row.
    pub fn unseen_columns(&self, table: &Table, columns: &[ColumnId], write: &Write) -> Option<Claim> {
        let marks: Vec<Mark> = columns.iter().filter_map(|column| self.mark_of(table, *column)).collect();
        let birth = self.born().filter(|_| marks.is_empty());
        let unseen =
            marks.iter().chain(birth).filter(|mark| !write.writer.had_seen(mark)).max_by_key(|mark| mark.seq)?;
        Some(unseen.claim(Claimed::Row(Vec::new())))
    }

    fn mark_of(&self, table: &Table, column: ColumnId) -> Option<Mark> {
        table.field_position(column).and_then(|position| self.mark_at(position)).copied()
    }

    /// Takes a child's reference away by its foreign key's action. One that the writer had not seen is recorded.
    pub fn release_field(&mut self, position: usize, column: ColumnId, value: Value, write: &Write) {
        let mark = self.mark_at(position).or(self.born()).filter(|mark| !write.writer.had_seen(mark)).copied();
        let stands = self.value_at(position).filter(|stands| **stands != value).cloned();
        if let (Some(mark), Some(stands)) = (mark, stands) {
            let challenger = write.claim(Claimed::Value(value.clone()));
            self.record(Some(column), Side::Challenger, mark.claim(Claimed::Value(stands)), challenger);
        }
        self.force_field(position, column, value, write);
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

    /// The deletion of a row that is gone, even if nobody knows any more by whom.
    pub fn known_or_lost_deletion(&self) -> Option<Claim> {
        let lost = self.is_unknown().then(Mark::default);
        Some(self.deleted_mark().or(lost)?.claim(Claimed::Deleted))
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
