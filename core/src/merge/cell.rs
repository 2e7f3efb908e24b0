//! Decides one write to one cell by the strategy of its column.
//! It knows the cell's value, marks and record, and what was sent; rows, references and storage are the draft's and the session's.
//! Called by the draft of a row in the space.

use super::lww::{self, Decision};
use super::{first, max, min, review, server, sum};
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
}

/// What a cell becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its value.
    pub value: Value,
    /// Its mark; `as_sent` in it says whether the value is the one that the writer's device shows.
    pub mark: Mark,
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
        Strategy::Lww | Strategy::Set | Strategy::Text | Strategy::Custom => {
            lww::decide(cell.mark, &write.writer, write.stamp)
        }
    };
    Ok(take(decision, sent.clone(), write))
}

/// What a full value, as an insert brings it, says to a cell that is there already. `default` is what the column has without it.
pub fn inserted(column: &Column, value: &Value) -> Value {
    match (column.strategy, &column.default) {
        (Strategy::Sum, default) => sum::sent(default.as_ref().unwrap_or(&Value::Null), value),
        _ => value.clone(),
    }
}

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
            Written::Taken(Taken { value, mark, overwrites })
        }
    }
}

fn add(cell: Cell, sent: &Value, write: &Write) -> Result<Written, Refused> {
    let refused = |no_sum| match no_sum {
        sum::NoSum::NotADelta => Refused { reason: Reason::Schema, what: "a sum holds whole numbers only" },
        sum::NoSum::Overflow => Refused { reason: Reason::Overflow, what: "the sum would leave the range of 64 bits" },
    };
    let value = sum::add(cell.value, sent).map_err(refused)?;
    Ok(Written::Taken(Taken { value, mark: write.mark(had_seen(cell, write)), overwrites: false }))
}

fn had_seen(cell: Cell, write: &Write) -> bool {
    cell.mark.is_none_or(|mark| write.writer.had_seen(mark))
}
