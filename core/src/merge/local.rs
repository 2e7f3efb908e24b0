//! What a device does with its own writes by their strategies: how they travel, and what they make of a value that moved underneath.
//! Pure functions of values; which writes wait, and in what order, is the overlay's business.
//! Called by the overlay and when a changeset is sealed.

use super::text::{self, Ground};
use super::{set, sum};
use crate::catalogue::Strategy;
use crate::value::Value;

/// What travels of a write: the value itself, or what it did to the value before.
pub fn sent(strategy: Strategy, old: &Value, new: &Value, ground: Ground) -> Value {
    match strategy {
        Strategy::Set | Strategy::Text if has_travelled(old, new) => new.clone(),
        Strategy::Sum => sum::sent(old, new),
        Strategy::Set => set::sent(old, new),
        Strategy::Text => text::sent(old, new, ground),
        _ => new.clone(),
    }
}

/// A write as it was sent, as the log would have kept it: an old and a new value that come to the same. What a change of a set or text was made on
/// is not known any more: it is kept as it travelled, on both sides, which no captured write has.
pub fn logged(strategy: Strategy, sent: Value) -> (Value, Value) {
    match strategy {
        Strategy::Sum => sum::logged(sent),
        Strategy::Text if matches!(sent, Value::Blob(_)) => {
            let sent = text::without_whole(sent);
            (sent.clone(), sent)
        }
        Strategy::Set if matches!(sent, Value::Blob(_)) => (sent.clone(), sent),
        _ => (Value::Null, sent),
    }
}

fn has_travelled(old: &Value, new: &Value) -> bool {
    matches!(new, Value::Blob(_)) && old == new
}

/// What a pending write makes of the value that stands there now. Of the value that it was made on it makes the value that was written.
pub fn redo(strategy: Strategy, current: &Value, old: &Value, new: &Value) -> Value {
    if current == old {
        return new.clone();
    }
    match strategy {
        Strategy::Sum => sum::add(current, &sum::sent(old, new)).unwrap_or_else(|_| new.clone()),
        Strategy::Set if has_travelled(old, new) => set::redo_sent(current, new),
        Strategy::Text if has_travelled(old, new) => text::redo_sent(current, new),
        Strategy::Set => set::redo(current, old, new),
        Strategy::Text => text::redo(current, old, new),
        _ => new.clone(),
    }
}
