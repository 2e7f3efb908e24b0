//! The conflicts that wait for a person: what commits tell of them must be what the rules want, and every device must list them in the end.
//! Which writes open one is for the reference.
//! Part of the judge.

use super::{Finding, Judge};
use crate::reference::queue::WHOLE;
use ebbtide_core::change::Field;
use ebbtide_core::commit::Commit;
use ebbtide_core::conflict::{Claimed, ConflictId, QueueChange};
use ebbtide_core::value::Value;
use std::collections::{BTreeMap, BTreeSet};

impl Judge {
    /// Takes over what a commit does to the queue, and compares.
    pub(super) fn queue_changed(&mut self, commit: &Commit) -> Result<(), Finding> {
        for change in &commit.queue {
            match change {
                QueueChange::Opened(open) => {
                    let table = self.catalogue.table(open.row.table).expect("a table");
                    let position = open.column.map_or(Some(WHOLE), |column| table.field_position(column));
                    // What was opened and closed again in one commit the reference does not have.
                    position.map(|position| self.line.reference.name(&open.row, position, open.id));
                    self.line.queue.insert(open.id, open.clone());
                }
                QueueChange::Sides { id, sides, state } => {
                    let open = self.line.queue.get_mut(id).ok_or("G8: sides of a conflict that is not open")?;
                    (open.sides, open.state) = (sides.clone(), *state);
                }
                QueueChange::Closed(closed) => {
                    self.line.queue.remove(&closed.id).ok_or("G8: a conflict was closed that is not open")?;
                }
            }
        }
        let told: BTreeMap<_, _> =
            self.line.queue.iter().map(|(id, open)| (Some(*id), (&open.row, open.sides.len()))).collect();
        let waiting = self.line.reference.waiting();
        let wanted: BTreeMap<_, _> =
            waiting.map(|(row, waiting)| (waiting.id, (row, waiting.challengers.len() + 1))).collect();
        if told != wanted {
            return Err(format!("G8: {told:?} wait for a person, by the rules {wanted:?}"));
        }
        Ok(())
    }

    /// In the end a device lists what waits, no more and no less, and the incumbents are what everybody sees.
    pub fn listed(&self, open: &BTreeSet<ConflictId>) -> Result<(), Finding> {
        if !open.iter().eq(self.line.queue.keys()) {
            return Err(format!("G8: {open:?} are listed as open, not {:?}", self.line.queue.keys()));
        }
        let rows = &self.line.history[self.line.history.len() - 1];
        for open in self.line.queue.values() {
            let table = self.catalogue.table(open.row.table).expect("a table");
            let shown = rows.get(&open.row).and_then(|row| match open.column {
                Some(column) => row.get(table.field_position(column)?).cloned().map(Claimed::Value),
                None => {
                    let field = |((column, _), value): (_, &Value)| Field { column, value: value.clone() };
                    Some(Claimed::Row(table.fields().zip(row).map(field).collect()))
                }
            });
            let incumbent = open.sides.first().map(|side| &side.claimed);
            if shown.is_none() || incumbent != shown.as_ref() {
                return Err(format!("G8: the incumbent of {open:?} is not what is shown: {shown:?}"));
            }
        }
        Ok(())
    }
}
