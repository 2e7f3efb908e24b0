//! The changes of the open transaction, encoded as they happen, with marks to go back to.
//! It cannot run SQL, since a hook may not, and does not know why something is taken back.
//! Fed by the hook; marked, trimmed and emptied by the local database.

use super::encode::{self, DELETE, INSERT, UPDATE};
use super::plan::{ColumnPlan, TablePlan};
use crate::limits::LOG_PART_BYTES;
use crate::schema::RESERVED_PREFIX;
use ebbtide_core::ids::ColumnId;
use ebbtide_core::limits::{ROW_BYTES, TRANSACTION_BYTES, TRANSACTION_ROWS};
use ebbtide_core::sorted::SortedSet;
use ebbtide_core::value::equals_an_integer;
use rusqlite::hooks::{PreUpdateCase, PreUpdateNewValueAccessor, PreUpdateOldValueAccessor};
use rusqlite::types::ValueRef;

/// A buffer that one large transaction has grown is not kept beyond this size.
const KEPT_BYTES: usize = 4 * LOG_PART_BYTES;

/// A place in the recording to which it can be trimmed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    bytes: usize,
    rows: usize,
}

/// Why what was recorded cannot be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Over the published bound.
    TooLarge,
    /// A row of this table has more bytes than a space keeps.
    RowTooLarge(String),
    /// Text that is not UTF-8, in this table and column number.
    NotText(String, ColumnId),
    /// A whole number as a real, in this table and column of its key without a type.
    AmbiguousKey(String, ColumnId),
    /// SQLite would not show a value.
    Unreadable(String),
}

/// A finished recording: encoded changes, and where each further part begins.
#[derive(Debug, Default)]
pub struct Taken {
    /// `LoggedChange`s, one after the other.
    pub bytes: Vec<u8>,
    /// Offsets at which a new part begins, ascending.
    pub parts: Vec<usize>,
    /// How many changes.
    pub rows: usize,
}

/// See the file's header.
#[derive(Debug, Default)]
pub struct Recorder {
    plans: Vec<TablePlan>,
    on: bool,
    bytes: Vec<u8>,
    parts: Vec<usize>,
    rows: usize,
    /// What the row seen last has, where it stays.
    row_bytes: usize,
    fault: Option<(Mark, Fault)>,
    /// The table seen last: bulk writes name one table many times.
    last: String,
    last_plan: Option<usize>,
    touched: SortedSet<String>,
}

/// What is wrong with a row's values.
enum Flaw {
    NotText(ColumnId),
    AmbiguousKey(ColumnId),
}

/// What a row accessor answers.
type Cell<'a> = rusqlite::Result<ValueRef<'a>>;

impl Recorder {
    /// Sets the synced tables. Nothing may be recorded yet.
    pub fn set_plans(&mut self, plans: Vec<TablePlan>) {
        self.plans = plans;
        self.last.clear();
        self.last_plan = None;
    }

    /// Switches recording; touched tables are noted either way.
    pub fn set_on(&mut self, on: bool) {
        self.on = on;
    }

    /// Where the recording is now.
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), rows: self.rows }
    }

    /// Forgets what came after the mark.
    pub fn trim(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.rows = mark.rows;
        self.parts.retain(|start| *start < mark.bytes);
        if self.fault.as_ref().is_some_and(|(at, _)| *at >= mark) {
            self.fault = None;
        }
    }

    /// The encoded changes after the mark.
    pub fn since(&self, mark: Mark) -> &[u8] {
        &self.bytes[mark.bytes..]
    }

    /// Forgets everything, the touched tables too: the transaction was rolled back.
    pub fn clear(&mut self) {
        self.trim(Mark::default());
        self.take_touched();
        self.bytes.shrink_to(KEPT_BYTES);
    }

    /// What was recorded, or why it cannot be logged.
    pub fn take(&mut self) -> Result<Taken, Fault> {
        if let Some((_, fault)) = self.fault.take() {
            return Err(fault);
        }
        let taken =
            Taken { bytes: std::mem::take(&mut self.bytes), parts: std::mem::take(&mut self.parts), rows: self.rows };
        self.rows = 0;
        Ok(taken)
    }

    /// Gives the buffer of a logged recording back, so that the next one need not grow its own.
    pub fn recycle(&mut self, mut taken: Taken) {
        taken.bytes.clear();
        taken.bytes.shrink_to(KEPT_BYTES);
        self.bytes = taken.bytes;
    }

    /// The tables written since the last call.
    pub fn take_touched(&mut self) -> SortedSet<String> {
        self.last.clear();
        std::mem::take(&mut self.touched)
    }

    /// What the hook calls.
    pub(super) fn see(&mut self, table: &str, case: &PreUpdateCase) {
        if self.last != table {
            self.meet(table);
        }
        let Some(at) = self.last_plan else { return };
        if !self.on || self.fault.is_some() {
            return;
        }
        let start = self.mark();
        if self.bytes.len() - self.parts.last().copied().unwrap_or_default() > LOG_PART_BYTES {
            self.parts.push(self.bytes.len());
        }
        // Taken out for the call, so that the plan can be read while bytes are written.
        let plans = std::mem::take(&mut self.plans);
        self.row_bytes = 0;
        let result = self.record(&plans[at], case);
        self.plans = plans;
        let fault = match result {
            Err(error) => Some(Fault::Unreadable(error.to_string())),
            Ok(Some(Flaw::NotText(column))) => Some(Fault::NotText(table.into(), column)),
            Ok(Some(Flaw::AmbiguousKey(column))) => Some(Fault::AmbiguousKey(table.into(), column)),
            Ok(None) if self.row_bytes > ROW_BYTES => Some(Fault::RowTooLarge(table.into())),
            Ok(None) if self.rows > TRANSACTION_ROWS || self.bytes.len() > TRANSACTION_BYTES => Some(Fault::TooLarge),
            Ok(None) => None,
        };
        if let Some(fault) = fault {
            self.trim(start);
            self.fault = Some((start, fault));
        }
    }

    fn meet(&mut self, table: &str) {
        self.last.clear();
        self.last.push_str(table);
        self.last_plan = self.plans.iter().position(|plan| plan.name == table);
        self.touch(table);
    }

    /// Notes a table as written.
    pub(super) fn touch(&mut self, table: &str) {
        if !table.starts_with(RESERVED_PREFIX) && !table.starts_with("sqlite_") && !self.touched.contains(table) {
            self.touched.insert(table.into());
        }
    }

    /// Answers why the row cannot be logged, if it cannot.
    fn record(&mut self, plan: &TablePlan, case: &PreUpdateCase) -> rusqlite::Result<Option<Flaw>> {
        match case {
            PreUpdateCase::Insert(new) => self.whole(plan, INSERT, |at| new.get_new_column_value(at)),
            PreUpdateCase::Delete(old) => {
                let lost = self.whole(plan, DELETE, |at| old.get_old_column_value(at));
                // However large, it may go.
                self.row_bytes = 0;
                lost
            }
            PreUpdateCase::Update { old_value_accessor: old, new_value_accessor: new } => self.update(plan, old, new),
            PreUpdateCase::Unknown => Ok(None),
        }
    }

    fn update(
        &mut self,
        plan: &TablePlan,
        old: &PreUpdateOldValueAccessor,
        new: &PreUpdateNewValueAccessor,
    ) -> rusqlite::Result<Option<Flaw>> {
        for column in &plan.key {
            let (before, after) = pair(column, old, new)?;
            if !encode::same(before, after) {
                let lost = self.whole(plan, DELETE, |at| old.get_old_column_value(at))?;
                self.row_bytes = 0;
                let found = self.whole(plan, INSERT, |at| new.get_new_column_value(at))?;
                return Ok(lost.or(found));
            }
        }
        self.changed_fields(plan, old, new)
    }

    /// One change with all values of the row.
    fn whole<'a>(
        &mut self,
        plan: &TablePlan,
        kind: u8,
        cell: impl Fn(i32) -> Cell<'a>,
    ) -> rusqlite::Result<Option<Flaw>> {
        let bad_key = self.row(plan, &cell)?.or(if kind == INSERT { ambiguous(plan, &cell)? } else { None });
        self.bytes.push(kind);
        encode::varint(&mut self.bytes, plan.fields.len() as u64);
        let bad_field = self.values(&plan.fields, &cell)?;
        self.rows += 1;
        Ok(bad_key.or(bad_field))
    }

    /// One change with the fields that differ, or with all where the row is one whole; nothing if none differs.
    fn changed_fields(
        &mut self,
        plan: &TablePlan,
        old: &PreUpdateOldValueAccessor,
        new: &PreUpdateNewValueAccessor,
    ) -> rusqlite::Result<Option<Flaw>> {
        let start = self.bytes.len();
        let mut bad = self.row(plan, &|at| new.get_new_column_value(at))?;
        self.bytes.push(UPDATE);
        let count_at = self.bytes.len();
        // A table has at most 100 columns, so the count is one byte in postcard's encoding.
        self.bytes.push(0);
        let mut differs = false;
        for column in &plan.fields {
            let (before, after) = pair(column, old, new)?;
            let same = encode::same(before, after);
            differs |= !same;
            self.row_bytes += encode::size(after);
            if plan.whole_updates || !same {
                self.bytes[count_at] += 1;
                encode::varint(&mut self.bytes, u64::from(column.id.0));
                let valid = encode::value(&mut self.bytes, before) & encode::value(&mut self.bytes, after);
                bad = if valid { bad } else { bad.or(Some(Flaw::NotText(column.id))) };
            }
        }
        if !differs {
            self.bytes.truncate(start);
            self.row_bytes = 0;
            return Ok(None);
        }
        self.rows += 1;
        Ok(bad)
    }

    /// The `RowId` of a change.
    fn row<'a>(&mut self, plan: &TablePlan, cell: &impl Fn(i32) -> Cell<'a>) -> rusqlite::Result<Option<Flaw>> {
        encode::varint(&mut self.bytes, u64::from(plan.id.0));
        encode::varint(&mut self.bytes, plan.key.len() as u64);
        self.values(&plan.key, cell)
    }

    fn values<'a>(
        &mut self,
        columns: &[ColumnPlan],
        cell: &impl Fn(i32) -> Cell<'a>,
    ) -> rusqlite::Result<Option<Flaw>> {
        let mut bad = None;
        for column in columns {
            let value = as_stored(column, cell(column.position)?);
            self.row_bytes += encode::size(value);
            if !encode::value(&mut self.bytes, value) {
                bad = bad.or(Some(Flaw::NotText(column.id)));
            }
        }
        Ok(bad)
    }
}

/// SQLite has one place in a key for 1 and 1.0, where they are two rows' keys to everybody else.
fn ambiguous<'a>(plan: &TablePlan, cell: &impl Fn(i32) -> Cell<'a>) -> rusqlite::Result<Option<Flaw>> {
    for column in plan.key.iter().filter(|column| column.untyped) {
        if let ValueRef::Real(number) = cell(column.position)?
            && equals_an_integer(number)
        {
            return Ok(Some(Flaw::AmbiguousKey(column.id)));
        }
    }
    Ok(None)
}

fn pair<'a>(
    column: &ColumnPlan,
    old: &'a PreUpdateOldValueAccessor,
    new: &'a PreUpdateNewValueAccessor,
) -> rusqlite::Result<(ValueRef<'a>, ValueRef<'a>)> {
    let before = old.get_old_column_value(column.position)?;
    let after = new.get_new_column_value(column.position)?;
    Ok((as_stored(column, before), as_stored(column, after)))
}

/// The hook shows an inserted whole real as the integer that the record holds; a SELECT would answer a real.
fn as_stored<'a>(column: &ColumnPlan, value: ValueRef<'a>) -> ValueRef<'a> {
    match value {
        ValueRef::Integer(number) if column.real => ValueRef::Real(number as f64),
        other => other,
    }
}
