//! Decides one write to one cell by the strategy of its column.
//! It knows the cell's value, marks and record, and what was sent; rows, references and storage are the draft's and the session's.
//! Called by the draft of a row in the space.

use super::lww::{self, Decision};
use super::record::CellRecord;
use super::set::observed;
use super::text::history::History;
use super::text::{Ground, TextOperation};
use super::{first, max, min, review, server, set, sum, text};
use crate::catalogue::{Column, Strategy};
use crate::commit::Reason;
use crate::server::draft::Write;
use crate::server::store::Mark;
use crate::value::Value;

/// A cell as the space has it.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// Its value.
    pub value: &'a Value,
    /// Who wrote it last; `None` for a cell at its default.
    pub mark: Option<&'a Mark>,
    /// What else is remembered of it.
    pub record: Option<&'a CellRecord>,
}

/// What becomes of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The cell becomes this.
    Taken(Taken),
    /// The incumbent stays; this value was not taken.
    Left(Value),
    /// The incumbent stays until a person has chosen; this value waits.
    Waits(Value),
    /// A function of the app says what the cell becomes of its value and this one.
    Asks(Value),
}

/// What a cell becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its value.
    pub value: Value,
    /// Its mark; `as_sent` in it says whether the value is the one that the writer's device shows.
    pub mark: Mark,
    /// What else is to be remembered.
    pub record: Option<CellRecord>,
    /// Whether the incumbent was overwritten unseen.
    pub overwrites: bool,
}

/// A write that its whole transaction is refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Which rule.
    pub reason: Reason,
    /// For a person.
    pub what: &'static str,
}

/// Decides `sent`, which travelled as `local::sent` says.
pub fn write(column: &Column, cell: Cell, sent: &Value, write: &Write) -> Result<Written, Refused> {
    let decision = match column.strategy {
        Strategy::First => first::decide(cell.mark, &write.writer),
        Strategy::Min => min::decide(cell.mark, cell.value, &write.writer, sent),
        Strategy::Max => max::decide(cell.mark, cell.value, &write.writer, sent),
        Strategy::Server => server::decide(cell.mark, &write.writer).map(|()| Decision::Take).map_err(|_| STALE)?,
        Strategy::Sum => return add(cell, sent, write),
        Strategy::Review => match review::decide(cell.mark, &write.writer) {
            review::Decision::Take => Decision::Take,
            review::Decision::Wait => return Ok(Written::Waits(sent.clone())),
        },
        Strategy::Custom => match review::decide(cell.mark, &write.writer) {
            review::Decision::Take => Decision::Take,
            review::Decision::Wait => return Ok(Written::Asks(sent.clone())),
        },
        Strategy::Set if matches!(sent, Value::Blob(_)) => return change_set(cell, sent, write),
        Strategy::Text if matches!(sent, Value::Blob(_)) => return edit(column, cell, sent, write),
        // A value that is no set or no text is written as by `lww`.
        Strategy::Set | Strategy::Text | Strategy::Lww => lww::decide(cell.mark, &write.writer, write.stamp),
    };
    Ok(take(decision, sent.clone(), write))
}

/// What a full value, as an insert brings it, says to a cell that is there already. `default` is what the column has without it.
pub fn inserted(column: &Column, value: &Value) -> Value {
    match (column.strategy, &column.default) {
        (Strategy::Sum, default) => sum::sent(default.as_ref().unwrap_or(&Value::Null), value),
        (Strategy::Set, default) => set::sent(default.as_ref().unwrap_or(&Value::Null), value),
        (Strategy::Text, default) => text::sent(default.as_ref().unwrap_or(&Value::Null), value, Ground::Pending),
        _ => value.clone(),
    }
}

/// What travelled, as a person may read it in a record of conflicts: a delta, what came to a set, a text or what came to it.
pub fn told(strategy: Strategy, sent: &Value) -> Value {
    match (strategy, sent) {
        (Strategy::Sum, Value::Blob(_)) => sum::add(&Value::Null, sent).unwrap_or_default(),
        (Strategy::Set, Value::Blob(bytes)) => set::received(bytes).map(|set| set.as_value()).unwrap_or_default(),
        (Strategy::Text, Value::Blob(bytes)) => {
            let text = text::received(bytes);
            text.map(|text| text.whole().unwrap_or_else(|| text.words_alone())).unwrap_or_default()
        }
        _ => sent.clone(),
    }
}

/// Operations that nobody packed.
const GARBAGE: Refused = Refused { reason: Reason::Schema, what: "what was sent is no change of a set or text" };

/// Why `server` refuses.
pub const STALE: Refused = Refused {
    reason: Reason::Stale,
    what: "the value was changed meanwhile, and may be replaced only by who has seen it",
};

fn take(decision: Decision, value: Value, write: &Write) -> Written {
    match decision {
        Decision::Leave => Written::Left(value),
        _ => {
            let (mark, overwrites) = (write.mark(true), decision == Decision::Overwrite);
            Written::Taken(Taken { value, mark, record: None, overwrites })
        }
    }
}

fn add(cell: Cell, sent: &Value, write: &Write) -> Result<Written, Refused> {
    let refused = |no_sum| match no_sum {
        sum::NoSum::NotADelta => Refused { reason: Reason::Schema, what: "a sum holds whole numbers only" },
        sum::NoSum::Overflow => Refused { reason: Reason::Overflow, what: "the sum would leave the range of 64 bits" },
    };
    let value = sum::add(cell.value, sent).map_err(refused)?;
    Ok(Written::Taken(Taken { value, mark: write.mark(had_seen(cell, write)), record: None, overwrites: false }))
}

/// What meets something that is no set is not taken.
fn change_set(cell: Cell, sent: &Value, write: &Write) -> Result<Written, Refused> {
    let Value::Blob(bytes) = sent else { return Err(GARBAGE) };
    let operation = set::received(bytes).filter(|operation| operation.additions().is_some()).ok_or(GARBAGE)?;
    let record = cell.record.and_then(CellRecord::set);
    Ok(match observed::apply(&operation, cell.value, cell.mark, record, write) {
        None => Written::Left(operation.as_value()),
        Some(observed::Made { value, record }) => {
            let (mark, record) = (write.mark(had_seen(cell, write)), record.map(CellRecord::Set));
            Written::Taken(Taken { value, mark, record, overwrites: false })
        }
    })
}

fn edit(column: &Column, cell: Cell, sent: &Value, write: &Write) -> Result<Written, Refused> {
    let Value::Blob(bytes) = sent else { return Err(GARBAGE) };
    let operation = text::received(bytes).ok_or(GARBAGE)?;
    let Some(current) = text::text(cell.value) else { return Ok(replace(&operation, cell, None, write)) };
    let before = column.default.as_ref().unwrap_or(&Value::Null);
    let before = text::text(before);
    let history = || History::of(cell.record.and_then(CellRecord::text), current, cell.mark, before);
    let Some(made) = history().merge(&operation, write) else {
        return Ok(replace(&operation, cell, Some(history()), write));
    };
    let mark = write.mark(made.same && had_seen(cell, write));
    let record = Some(CellRecord::Text(made.record));
    Ok(Written::Taken(Taken { value: made.value, mark, record, overwrites: false }))
}

/// The text that an operation was made on is not known any more. Where it brought its whole result along, that is written as by `lww`, and what
/// goes with that is recorded; otherwise what it brought is put behind the present text, and what it took away stays, and that is recorded.
fn replace(operation: &TextOperation, cell: Cell, history: Option<History>, write: &Write) -> Written {
    let (value, decision) = match (operation.whole(), operation.behind(cell.value)) {
        (Some(whole), _) => {
            let decision = lww::decide(cell.mark, &write.writer, write.stamp);
            // It was not made on the text that stands there, whatever its author had seen.
            let unseen = decision == Decision::Take && text::takes_away(cell.value, &whole);
            (whole, if unseen { Decision::Overwrite } else { decision })
        }
        (None, Some(appended)) if had_seen(cell, write) => (appended, Decision::Take),
        (None, Some(appended)) => (appended, Decision::Overwrite),
        (None, None) => (operation.words_alone(), Decision::Leave),
    };
    if decision == Decision::Leave {
        return Written::Left(value);
    }
    let record = history.map(|history| CellRecord::Text(history.replaced(&value, write)));
    Written::Taken(Taken { value, mark: write.mark(false), record, overwrites: decision == Decision::Overwrite })
}

fn had_seen(cell: Cell, write: &Write) -> bool {
    cell.mark.is_none_or(|mark| write.writer.had_seen(mark))
}
