//! One row on its way through a transaction: what the server has, and what the changes make of it.
//! It applies the field strategies and the delete rule, and knows neither other rows nor storage.
//! `decide` holds one draft per row of the transaction.

mod atomic;
mod life;

use super::rules::Ask;
use super::store::{Mark, RowMarks, RowState, RowWrite, Violation};
use crate::catalogue::{RowRule, Table};
use crate::change::{Field, Mutation, RowId};
use crate::clock::Stamp;
use crate::commit::{Effect, Outcome};
use crate::conflict::{Claim, Claimed, Conflict, Side};
use crate::ids::{ColumnId, Seq};
use crate::merge::cell::{self, Cell, Refused, Written};
use crate::merge::seen::Writer;
use crate::value::Value;
use alloc::{collections::BTreeSet, format, vec, vec::Vec};

/// Who writes, and under which commit.
#[derive(Debug, Clone, Copy)]
pub struct Write {
    /// The author, its changeset, and what it had seen.
    pub writer: Writer,
    /// Its clock reading, after the shift.
    pub stamp: Stamp,
    /// The commit in the making.
    pub seq: Seq,
}

impl Write {
    /// The mark that this write leaves. `as_sent` is false for what the server made of a write by itself.
    pub fn mark(&self, as_sent: bool) -> Mark {
        Mark {
            seq: self.seq,
            stamp: self.stamp,
            author: self.writer.author,
            device_seq: self.writer.device_seq,
            as_sent,
        }
    }

    /// What it wants, as a side of a conflict.
    pub fn claim(&self, claimed: Claimed) -> Claim {
        self.mark(true).claim(claimed)
    }
}

/// Why a change cannot be, and its transaction with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It is to a row that the space has never seen: its insert was refused, so it is refused too.
    UnknownRow,
    /// A strategy does not allow it.
    Refused(Violation),
}

/// The draft of one row.
#[derive(Debug, Clone)]
pub struct RowDraft {
    row: RowId,
    was_present: bool,
    before: Option<Vec<Value>>,
    recreated: bool,
    values: Option<Vec<Value>>,
    marks: Option<RowMarks>,
    removed: Option<Vec<Value>>,
    dropped: bool,
    remarked: bool,
    written: BTreeSet<ColumnId>,
    resolved: BTreeSet<ColumnId>,
    row_resolved: bool,
    /// Whether everything asked of this row was taken exactly as sent.
    pub as_sent: bool,
    /// What was overwritten, or not taken, unseen.
    pub conflicts: Vec<Conflict>,
    /// Values that wait for a person beside the incumbent's; `None` for images of a row that merges as a whole.
    pub challenges: Vec<(Option<ColumnId>, Claim)>,
    /// Values of which the app says what becomes of them.
    pub asks: Vec<Ask>,
}

impl RowDraft {
    /// Starts from what the server has.
    pub fn new(row: RowId, state: RowState) -> Self {
        Self {
            row,
            was_present: state.values.is_some(),
            before: None,
            recreated: false,
            values: state.values,
            marks: state.marks,
            removed: None,
            dropped: false,
            remarked: false,
            written: BTreeSet::new(),
            resolved: BTreeSet::new(),
            row_resolved: false,
            as_sent: true,
            conflicts: Vec::new(),
            challenges: Vec::new(),
            asks: Vec::new(),
        }
    }

    /// Keeps the values that the row has now, for `before`.
    pub fn remember(&mut self) {
        self.before.clone_from(&self.values);
    }

    /// The values that the row had when `remember` was called.
    pub fn before(&self) -> Option<&[Value]> {
        self.before.as_deref()
    }

    /// The row's identity.
    pub fn row(&self) -> &RowId {
        &self.row
    }

    /// The non-key values as they stand in the draft.
    pub fn values(&self) -> Option<&[Value]> {
        self.values.as_deref()
    }

    /// Whether the space had the row before.
    pub fn was_present(&self) -> bool {
        self.was_present
    }

    /// Whether the transaction makes something else of the row, or makes it.
    pub fn is_written(&self) -> bool {
        self.recreated || !self.was_present || !self.written.is_empty()
    }

    /// Whether the row went and came back, or is new.
    pub fn is_recreated(&self) -> bool {
        self.recreated
    }

    /// The field's value and its writer, if the transaction wrote it.
    pub fn written(&self, table: &Table, column: ColumnId) -> Option<Claim> {
        let position = table.field_position(column).filter(|_| self.written.contains(&column))?;
        Some(self.incumbent(position))
    }

    /// The field's value and its writer; of a field at its default, nobody.
    pub fn incumbent(&self, position: usize) -> Claim {
        let value = self.value_at(position).cloned().unwrap_or_default();
        self.mark_at(position).copied().unwrap_or_default().claim(Claimed::Value(value))
    }

    /// A person has chosen between the values of this field: what the transaction writes to it is taken.
    pub fn resolve(&mut self, column: ColumnId) {
        self.resolved.insert(column);
    }

    /// The values that the row had when it last went, given once.
    pub fn take_removed(&mut self) -> Option<Vec<Value>> {
        self.removed.take()
    }

    /// Applies one change of the device.
    pub fn apply(&mut self, table: &Table, mutation: &Mutation, write: &Write) -> Result<(), Stop> {
        match mutation {
            Mutation::Insert(values) => self.insert(table, values, write),
            Mutation::Update(fields) => self.update(table, fields, write),
            Mutation::Delete => self.delete(table, write),
        }
    }

    fn insert(&mut self, table: &Table, values: &[Value], write: &Write) -> Result<(), Stop> {
        if self.values.is_some() {
            return self.merge_insert(table, values, write);
        }
        self.create(table, values, write);
        Ok(())
    }

    fn create(&mut self, table: &Table, values: &[Value], write: &Write) {
        let mark = write.mark(true);
        let created = self.life_begins(write);
        let whole = table.row == RowRule::Atomic;
        let fields = table
            .fields()
            .zip(values)
            .map(|((_, column), value)| (whole || column.default.as_ref() != Some(value)).then_some(mark));
        let fields: Vec<Option<Mark>> = fields.collect();
        let born = life::needs_birth(table, &fields, values).then_some(mark);
        self.marks = Some(RowMarks { created, fields, born, ..RowMarks::default() });
        self.values = Some(values.to_vec());
        self.recreated = true;
    }

    /// Creates the row without asking anything: under the key that a parent's change gave it.
    pub fn force_create(&mut self, table: &Table, values: &[Value], write: &Write) {
        self.as_sent = false;
        self.create(table, values, write);
    }

    /// What a writer must have seen for its changes to mean this life of the row and not the one before: the deletion between them.
    /// A first life has none before it, so whoever inserted the same key meanwhile means this row too.
    fn life_begins(&self, write: &Write) -> Mark {
        match self.marks.as_ref().and_then(|marks| marks.deleted) {
            None => Mark::default(),
            Some(deleted) if write.writer.had_seen(&deleted) => deleted,
            Some(_) => write.mark(true),
        }
    }

    /// Two devices inserted one natural key: field by field, and a column left at its default says nothing.
    fn merge_insert(&mut self, table: &Table, values: &[Value], write: &Write) -> Result<(), Stop> {
        if table.row == RowRule::Atomic {
            return self.write_row(table, values, write);
        }
        self.born_again(write);
        for (position, ((column, declared), value)) in table.fields().zip(values).enumerate() {
            if declared.default.as_ref() != Some(value) {
                self.write_field(table, position, column, &cell::inserted(declared, value), write)?;
            }
            self.shows(position, value, write);
        }
        Ok(())
    }

    /// The device shows the value that it inserted. It may have seen all of the row and be wrong: where it had deleted the row, and that was
    /// refused.
    fn shows(&mut self, position: usize, value: &Value, write: &Write) {
        if self.value_at(position) == Some(value) {
            return;
        }
        self.as_sent = false;
        let marks = self.marks.as_mut().and_then(|marks| marks.fields.get_mut(position)?.as_mut());
        if let Some(mark) = marks.filter(|mark| **mark == write.mark(true)) {
            mark.as_sent = false;
        }
    }

    /// An edit of a row whose tombstone was pruned: recorded like one of a deleted row. Its delete says nothing new.
    pub fn lost_edit(&mut self, table: &Table, mutation: &Mutation, write: &Write) {
        self.as_sent = false;
        if let Mutation::Update(fields) = mutation {
            self.record_edits_of_a_deleted_row(table, fields, write);
        }
    }

    fn update(&mut self, table: &Table, fields: &[Field], write: &Write) -> Result<(), Stop> {
        let marks = self.marks.as_ref().ok_or(Stop::UnknownRow)?;
        if self.values.is_none() || !write.writer.had_seen(&marks.created) {
            self.record_edits_of_a_deleted_row(table, fields, write);
            return Ok(());
        }
        if table.row == RowRule::Atomic {
            return self.write_row(table, &self.image(table, fields), write);
        }
        for field in fields {
            if let Some(position) = table.field_position(field.column) {
                self.write_field(table, position, field.column, &field.value, write)?;
            }
        }
        Ok(())
    }

    fn record_edits_of_a_deleted_row(&mut self, table: &Table, fields: &[Field], write: &Write) {
        self.as_sent = false;
        let deletion = self.deletion();
        for field in fields {
            let told = cell::told(table.strategy(field.column), &field.value);
            let challenger = write.claim(Claimed::Value(told));
            self.record(Some(field.column), Side::Incumbent, deletion.clone(), challenger);
        }
    }

    fn write_field(
        &mut self,
        table: &Table,
        position: usize,
        column: ColumnId,
        sent: &Value,
        write: &Write,
    ) -> Result<(), Stop> {
        // Where the rule has changed since the conflict opened, what is sent may be what was done to the value.
        if self.resolved.contains(&column) && !table.strategy(column).rebases() {
            self.put_field(position, column, sent.clone(), write.mark(true));
            return Ok(());
        }
        let declared = &table.columns[usize::from(column.0)];
        let stands = self.value_at(position).cloned().unwrap_or_default();
        let cell = self.cell(position, &stands);
        let incumbent = self.incumbent(position);
        match cell::write(declared, cell, sent, write).map_err(|refused| stop(table, column, refused))? {
            Written::Left(value) => {
                self.as_sent = false;
                self.record(Some(column), Side::Incumbent, incumbent, write.claim(Claimed::Value(value)));
            }
            Written::Waits(value) => {
                self.as_sent = false;
                // Two people who agree have nothing to decide.
                if value != stands {
                    self.challenges.push((Some(column), write.claim(Claimed::Value(value))));
                }
            }
            Written::Asks(mine) => {
                self.as_sent = false;
                // What agrees needs no function.
                if mine != stands {
                    self.asks.push(Ask { column, position, mine, write: *write });
                }
            }
            Written::Taken(taken) => {
                self.as_sent &= taken.mark.as_sent;
                if taken.overwrites {
                    let challenger = write.claim(Claimed::Value(taken.value.clone()));
                    self.record(Some(column), Side::Challenger, incumbent, challenger);
                }
                self.put_field(position, column, taken.value, taken.mark);
                let records = self.marks.as_mut().map(|marks| &mut marks.records);
                if let (Some(records), Some(record)) = (records, taken.record) {
                    records.insert(position as u16, record);
                }
            }
        }
        Ok(())
    }

    /// Takes what a function of the app made of a write and of what stood there.
    pub fn settle(&mut self, ask: &Ask, value: Value) {
        let incumbent = self.incumbent(ask.position);
        let stands = incumbent.claimed == Claimed::Value(value.clone());
        let kept = if stands { Side::Incumbent } else { Side::Challenger };
        self.record(Some(ask.column), kept, incumbent, ask.write.claim(Claimed::Value(ask.mine.clone())));
        if !stands {
            let mark = ask.write.mark(value == ask.mine);
            self.put_field(ask.position, ask.column, value, mark);
        }
    }

    fn cell<'a>(&'a self, position: usize, value: &'a Value) -> Cell<'a> {
        let marks = self.marks.as_ref();
        let record = marks.and_then(|marks| marks.records.get(&(position as u16)));
        Cell { value, mark: self.mark_at(position), record }
    }

    /// Writes a field without asking a strategy: what a foreign key's action does to a child.
    pub fn force_field(&mut self, position: usize, column: ColumnId, value: Value, write: &Write) {
        self.as_sent = false;
        self.put_field(position, column, value, write.mark(false));
    }

    fn put_field(&mut self, position: usize, column: ColumnId, value: Value, mark: Mark) {
        if let Some(slot) = self.values.as_mut().and_then(|values| values.get_mut(position)) {
            *slot = value;
            self.written.insert(column);
        }
        if let Some(marks) = self.marks.as_mut() {
            marks.records.remove(&(position as u16));
            if let Some(slot) = marks.fields.get_mut(position) {
                *slot = Some(mark);
            }
        }
    }

    fn delete(&mut self, table: &Table, write: &Write) -> Result<(), Stop> {
        let marks = self.marks.as_ref().ok_or(Stop::UnknownRow)?;
        if self.values.is_none() {
            return Ok(());
        }
        if !write.writer.had_seen(&marks.created) {
            self.as_sent = false;
            let created = self.marks.as_ref().map(|marks| marks.created).unwrap_or_default();
            let incumbent = created.claim(Claimed::Row(Vec::new()));
            self.record(None, Side::Incumbent, incumbent, write.claim(Claimed::Deleted));
            return Ok(());
        }
        self.record_unseen_edits(table, write);
        self.remove(write.mark(true));
        Ok(())
    }

    /// Deletes without asking what the writer had seen: a child that goes with its parent.
    pub fn force_delete(&mut self, table: &Table, write: &Write) {
        self.as_sent = false;
        self.record_unseen_edits(table, write);
        // The space remembers that the row would have been: later changes to it are edits of a deleted row.
        self.dropped = !self.was_present;
        self.remove(write.mark(false));
    }

    fn remove(&mut self, mark: Mark) {
        self.removed = self.values.take();
        self.written.clear();
        if let Some(marks) = self.marks.as_mut() {
            marks.deleted = Some(mark);
            marks.records.clear();
        }
        // Nobody can choose what becomes of a row that is gone.
        for (column, challenger) in core::mem::take(&mut self.challenges) {
            self.record(column, Side::Incumbent, mark.claim(Claimed::Deleted), challenger);
        }
    }

    fn record_unseen_edits(&mut self, table: &Table, write: &Write) {
        let edits = self.unseen_edits(table, write);
        let birth = self.unseen_birth(table, write).filter(|_| edits.is_empty());
        let edits = edits.into_iter().map(|(column, incumbent)| (Some(column), incumbent));
        for (column, incumbent) in edits.chain(birth.map(|birth| (None, birth))) {
            self.record(column, Side::Challenger, incumbent, write.claim(Claimed::Deleted));
        }
    }

    /// The fields whose present value the writer had not seen.
    fn unseen_edits(&self, table: &Table, write: &Write) -> Vec<(ColumnId, Claim)> {
        let unseen = |position: &usize| self.mark_at(*position).is_some_and(|mark| !write.writer.had_seen(mark));
        let fields = table.fields().enumerate().filter(|(position, _)| unseen(position));
        fields.map(|(position, (column, _))| (column, self.incumbent(position))).collect()
    }

    /// The deletion of the row, or of the life before this one.
    fn deletion(&self) -> Claim {
        let mark = self.marks.as_ref().map(|marks| marks.deleted.unwrap_or(marks.created)).unwrap_or_default();
        mark.claim(Claimed::Deleted)
    }

    fn record(&mut self, column: Option<ColumnId>, kept: Side, incumbent: Claim, challenger: Claim) {
        self.conflicts.push(Conflict { row: self.row.clone(), column, kept, incumbent, challenger });
    }

    fn value_at(&self, position: usize) -> Option<&Value> {
        self.values.as_ref()?.get(position)
    }

    fn mark_at(&self, position: usize) -> Option<&Mark> {
        self.marks.as_ref()?.fields.get(position)?.as_ref()
    }

    /// What is to be written, if the row became something else than it was.
    pub fn into_write(self, table: &Table) -> Option<RowWrite> {
        let effect = match (self.was_present, self.values) {
            (true, None) => Effect::Delete,
            (false, None) if self.dropped => Effect::Delete,
            (false, None) => return None,
            (false, Some(values)) => Effect::Put(values),
            (true, Some(values)) if self.recreated => Effect::Put(values),
            (true, Some(_)) if self.written.is_empty() && !self.remarked => return None,
            (true, Some(values)) => Effect::Set(touched(table, values, &self.written)),
        };
        let marks = self.marks?;
        Some(RowWrite { outcome: Outcome { row: self.row, effect }, marks })
    }
}

fn stop(table: &Table, column: ColumnId, refused: Refused) -> Stop {
    let name = &table.columns[usize::from(column.0)].name;
    Stop::Refused(Violation { reason: refused.reason, detail: format!("{}.{name}: {}", table.name, refused.what) })
}

fn touched(table: &Table, values: Vec<Value>, written: &BTreeSet<ColumnId>) -> Vec<Field> {
    let mut fields = vec![];
    for ((column, _), value) in table.fields().zip(values) {
        if written.contains(&column) {
            fields.push(Field { column, value });
        }
    }
    fields
}
