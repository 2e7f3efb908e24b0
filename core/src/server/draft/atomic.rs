//! Writes to a row that merges as a whole: the full image is taken, or none of it.
//! The decision is `merge::row`'s; here fields are compared, written and recorded, and images that wait become challenges.
//! Called by the draft for updates and for inserts of a row that is there.

use super::{RowDraft, Stop, Write, stop};
use crate::catalogue::Table;
use crate::change::Field;
use crate::conflict::{Claim, Claimed, Side};
use crate::ids::ColumnId;
use crate::merge::row::Decision;
use crate::merge::{cell, row};
use crate::value::Value;
use alloc::vec::Vec;

fn row_of(table: &Table, values: &[Value]) -> Claimed {
    let field = |((column, _), value): ((ColumnId, _), &Value)| Field { column, value: value.clone() };
    Claimed::Row(table.fields().zip(values).map(field).collect())
}

impl RowDraft {
    /// Takes the image, or leaves the row as it is.
    pub(super) fn write_row(&mut self, table: &Table, values: &[Value], write: &Write) -> Result<(), Stop> {
        let decision = self.decide_row(table, write)?;
        if decision == Decision::Wait {
            self.wait(table, values, write);
            return Ok(());
        }
        for (position, ((column, _), value)) in table.fields().zip(values).enumerate() {
            match decision {
                Decision::Leave => self.leave(position, column, value, write),
                _ => self.take(position, column, value, decision, write),
            }
        }
        Ok(())
    }

    /// The values of all fields, in their order: an update of such a row carries all that its writer's schema version has, and
    /// leaves the others as they stand.
    pub(super) fn image(&self, table: &Table, fields: &[Field]) -> Vec<Value> {
        let mut values = self.values().unwrap_or_default().to_vec();
        for Field { column, value } in fields {
            if let Some(slot) = table.field_position(*column).and_then(|position| values.get_mut(position)) {
                slot.clone_from(value);
            }
        }
        values
    }

    /// A person has chosen between images of this row: what the transaction writes to it is taken.
    pub fn resolve_row(&mut self) {
        self.row_resolved = true;
    }

    /// The row as it stands and who wrote it last; of a row at its defaults, nobody.
    pub fn standing(&self, table: &Table) -> Claim {
        let marks = self.marks.iter().flat_map(|marks| marks.fields.iter().flatten().chain(&marks.born));
        let newest = marks.max_by_key(|mark| mark.seq).copied().unwrap_or_default();
        newest.claim(row_of(table, self.values().unwrap_or_default()))
    }

    fn decide_row(&self, table: &Table, write: &Write) -> Result<Decision, Stop> {
        if self.row_resolved {
            return Ok(Decision::Take);
        }
        let marks = self.marks.iter().flat_map(|marks| &marks.fields).flatten();
        let first = table.fields().next().map(|(column, _)| column).unwrap_or_default();
        row::decide(table.row_strategy(), marks, write).map_err(|_| stop(table, first, cell::STALE))
    }

    fn wait(&mut self, table: &Table, values: &[Value], write: &Write) {
        self.as_sent = false;
        // Two people who agree have nothing to decide.
        if self.values() != Some(values) {
            self.challenges.push((None, write.claim(row_of(table, values))));
        }
    }

    fn leave(&mut self, position: usize, column: ColumnId, value: &Value, write: &Write) {
        self.as_sent = false;
        if self.value_at(position) != Some(value) {
            let (incumbent, challenger) = (self.incumbent(position), write.claim(Claimed::Value(value.clone())));
            self.record(Some(column), Side::Incumbent, incumbent, challenger);
        }
    }

    fn take(&mut self, position: usize, column: ColumnId, value: &Value, decision: Decision, write: &Write) {
        let differs = self.value_at(position) != Some(value);
        let unseen = self.mark_at(position).is_some_and(|mark| !write.writer.had_seen(mark));
        if differs && unseen && decision == Decision::Overwrite {
            let (incumbent, challenger) = (self.incumbent(position), write.claim(Claimed::Value(value.clone())));
            self.record(Some(column), Side::Challenger, incumbent, challenger);
        }
        self.put_field(position, column, value.clone(), write.mark(true));
    }
}
