//! `text`: what two people wrote into one text at once stays, both of it, scalar value by scalar value.
//! A write travels as its edits with a fingerprint of the text that it was made on; that text is the device's view, in which earlier
//! writes of its own may wait. The space finds it again in the cell's `history` and lays the edits over what has become of it. NULL is an empty text.

pub mod diff;
pub mod history;

use super::encoding::{fingerprint, packed, plain, unpacked};
use crate::value::Value;
use alloc::string::String;
use alloc::vec::Vec;
use diff::Edit;
use serde::{Deserialize, Serialize};

/// What a write did to a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextOperation {
    /// Fingerprint of the text that it was made on.
    base: u32,
    /// What it did there.
    edits: Vec<Edit>,
    /// Whether an empty result is NULL.
    empty_is_null: bool,
    /// The whole result, where the text that it was made on holds words that may still be refused.
    whole: Option<String>,
}

/// Whether the text that a write was made on is certainly known to the space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// The space had it.
    Firm,
    /// Earlier writes of the device stand in it, which the space has not decided.
    Pending,
}

/// What travels of a write.
pub fn sent(old: &Value, new: &Value, ground: Ground) -> Value {
    let (Some(before), Some(after)) = (text(old), text(new)) else { return plain(new) };
    packed(&TextOperation {
        base: fingerprint(before),
        edits: diff::diff(before, after),
        empty_is_null: *new == Value::Null,
        whole: (ground == Ground::Pending).then(|| after.into()),
    })
}

/// What travelled of a write, for another history: whose words its whole result would lack there, nobody knows.
pub fn without_whole(sent: Value) -> Value {
    match &sent {
        Value::Blob(bytes) => received(bytes).map_or(sent, |one| packed(&TextOperation { whole: None, ..one })),
        _ => sent,
    }
}

/// Reads what travelled; `None` if it is garbage.
pub fn received(bytes: &[u8]) -> Option<TextOperation> {
    unpacked(bytes)
}

/// What a pending write makes of the present value.
pub fn redo(current: &Value, old: &Value, new: &Value) -> Value {
    match (text(old), text(new), text(current)) {
        (Some(before), Some(after), Some(present)) => value(diff::merge(before, after, present), *new == Value::Null),
        _ => new.clone(),
    }
}

/// What a pending write of which only that is known which travelled makes of the present value: its edits if they were made on it, otherwise
/// what it brought, behind it.
pub fn redo_sent(current: &Value, sent: &Value) -> Value {
    let Value::Blob(bytes) = sent else { return sent.clone() };
    let Some(operation) = received(bytes) else { return current.clone() };
    let there = text(current).and_then(|present| operation.on(present));
    let made = there.map(|made| value(made, operation.empty_is_null));
    made.or_else(|| operation.behind(current)).unwrap_or_else(|| current.clone())
}

/// The text of a value; `None` if it is none.
pub fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Null => Some(""),
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Whether something of the present text is not in another that replaces it.
pub fn takes_away(present: &Value, replacing: &Value) -> bool {
    let (Some(present), Some(replacing)) = (text(present), text(replacing)) else { return false };
    diff::diff(present, replacing).iter().any(|edit| edit.delete > 0)
}

fn value(text: String, empty_is_null: bool) -> Value {
    if text.is_empty() && empty_is_null { Value::Null } else { Value::Text(text) }
}

impl TextOperation {
    /// The result on the text that it was made on; `None` if this is not that text, or the edits do not fit it.
    fn on(&self, view: &str) -> Option<String> {
        if fingerprint(view) == self.base { diff::apply(view, &self.edits) } else { None }
    }

    /// The whole result as its author's device shows it, if it travelled.
    pub fn whole(&self) -> Option<Value> {
        self.whole.as_ref().map(|whole| value(whole.clone(), self.empty_is_null))
    }

    /// What it brought, behind a text that it was not made on; `None` if it brought nothing, or there is no text.
    pub fn behind(&self, current: &Value) -> Option<Value> {
        let (present, words) = (text(current)?, self.words());
        let between = if present.is_empty() || present.ends_with('\n') { "" } else { "\n" };
        (!words.is_empty()).then(|| Value::Text([present, between, &words].concat()))
    }

    /// What it brought, for a record of conflicts.
    pub fn words_alone(&self) -> Value {
        Value::Text(self.words())
    }

    fn words(&self) -> String {
        let brought = self.edits.iter().map(|edit| edit.insert.as_str()).filter(|words| !words.is_empty());
        brought.collect::<Vec<_>>().join(" ")
    }
}
