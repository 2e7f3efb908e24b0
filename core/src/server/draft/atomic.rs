//! Writes to a row that merges as a whole: the full image is taken, or none of it.
//! The decision is `merge::row`'s; here fields are compared, written and recorded.
//! Called by the draft for updates and for inserts of a row that is there.

use super::{RowDraft, Stop, Write, stop};
use crate::catalogue::{Strategy, Table};
use crate::change::Field;
use crate::commit::Reason;
use crate::conflict::{Claimed, Side};
use crate::ids::ColumnId;
use crate::merge::lww::Decision;
use crate::merge::{cell, row};
use crate::server::store::Violation;
use crate::value::Value;
use alloc::{format, vec::Vec};

/// The values of all fields, in their order: an update of such a row carries them all.
pub(super) fn image(table: &Table, fields: &[Field]) -> Result<Vec<Value>, Stop> {
    let complete = fields.len() == table.fields().count()
        && table.fields().zip(fields).all(|((column, _), field)| column == field.column);
    if complete {
        return Ok(fields.iter().map(|field| field.value.clone()).collect());
    }
    let detail = format!("{}: a row that merges as a whole was sent in part", table.name);
    Err(Stop::Refused(Violation { reason: Reason::Schema, detail }))
}

impl RowDraft {
    /// Takes the image, or leaves the row as it is.
    pub(super) fn write_row(&mut self, table: &Table, values: &[Value], write: &Write) -> Result<(), Stop> {
        let strategy = table.fields().next().map(|(column, _)| table.strategy(column)).unwrap_or(Strategy::Lww);
        let marks = self.marks.iter().flat_map(|marks| &marks.fields).flatten();
        let first = table.fields().next().map(|(column, _)| column).unwrap_or_default();
        let decision = row::decide(strategy, marks, write).map_err(|_| stop(table, first, cell::STALE))?;
        for (position, ((column, _), value)) in table.fields().zip(values).enumerate() {
            match decision {
                Decision::Leave => self.leave(position, column, value, write),
                _ => self.take(position, column, value, decision, write),
            }
        }
        Ok(())
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
