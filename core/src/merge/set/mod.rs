//! `set`: a JSON array whose elements are added and removed. Both people's additions stay, in the space's order and then that of coming.
//! A write travels as what it added and removed; NULL is an empty set. What is no array has no elements and is written as by `lww`.
//! Used by both sides, which therefore show the same elements.

pub mod json;
pub mod observed;

use super::encoding::{fingerprint, packed, plain, unpacked};
use crate::value::Value;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use json::Element;
use serde::{Deserialize, Serialize};

/// What a write did to a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetOperation {
    /// Elements that came, as they were written.
    pub added: Vec<String>,
    /// Elements that went, in canonical form.
    pub removed: Vec<String>,
    /// Where the array was also written in another way (its order, its blanks, twice the same element, NULL): the fingerprint of
    /// what it was made on, and the result there.
    exact: Option<(u32, Option<String>)>,
}

/// What travels of a write.
pub fn sent(old: &Value, new: &Value) -> Value {
    operation(old, new).map_or_else(|| plain(new), |operation| packed(&operation))
}

/// Reads what travelled; `None` if it is garbage.
pub fn received(bytes: &[u8]) -> Option<SetOperation> {
    unpacked(bytes)
}

/// What a pending write makes of the present value.
pub fn redo(current: &Value, old: &Value, new: &Value) -> Value {
    let made = operation(old, new).and_then(|operation| operation.apply(current));
    made.unwrap_or_else(|| new.clone())
}

/// What a pending write of which only that is known which travelled makes of the present value.
pub fn redo_sent(current: &Value, sent: &Value) -> Value {
    let Value::Blob(bytes) = sent else { return sent.clone() };
    let made = received(bytes).and_then(|operation| operation.apply(current));
    made.unwrap_or_else(|| current.clone())
}

/// The elements of a value; `None` if it is no set.
pub fn elements(value: &Value) -> Option<Vec<Element>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Text(text) => json::elements(text),
        _ => None,
    }
}

fn operation(old: &Value, new: &Value) -> Option<SetOperation> {
    let (before, after) = (elements(old)?, elements(new)?);
    let missing = |from: &[Element], of: &[Element]| {
        let known: BTreeSet<&str> = from.iter().map(|element| element.canonical.as_str()).collect();
        let mut seen = BTreeSet::new();
        let missing = of.iter().filter(|element| !known.contains(element.canonical.as_str()));
        missing.filter(|element| seen.insert(element.canonical.clone())).cloned().collect::<Vec<_>>()
    };
    let added = missing(&before, &after).into_iter().map(|element| element.source).collect();
    let removed = missing(&after, &before).into_iter().map(|element| element.canonical).collect();
    let mut operation = SetOperation { added, removed, exact: None };
    if operation.merge(old, |_| true).as_ref() != Some(new) {
        let result = if let Value::Text(text) = new { Some(text.clone()) } else { None };
        operation.exact = Some((fingerprint(text(old)), result));
    }
    Some(operation)
}

fn text(value: &Value) -> &str {
    if let Value::Text(text) = value { text } else { "" }
}

impl SetOperation {
    /// What the operation makes of a value that its writer had seen; `None` if the value is no set, or an addition is no element.
    pub fn apply(&self, current: &Value) -> Option<Value> {
        match &self.exact {
            Some((base, result)) if elements(current).is_some() && *base == fingerprint(text(current)) => {
                // Foreign bytes may call anything a result.
                let result = result.clone().map_or(Value::Null, Value::Text);
                elements(&result).map(|_| result)
            }
            _ => self.merge(current, |_| true),
        }
    }

    /// What it makes of any value, where `observed` says of an element by its position whether its removal counts.
    pub fn merge(&self, current: &Value, observed: impl Fn(usize) -> bool) -> Option<Value> {
        let elements = elements(current)?;
        let gone: BTreeSet<&str> = self.removed.iter().map(String::as_str).collect();
        let stays = |(position, element): &(usize, &Element)| {
            !gone.contains(element.canonical.as_str()) || !observed(*position)
        };
        let kept: Vec<&Element> = elements.iter().enumerate().filter(stays).map(|(_, element)| element).collect();
        let mut known: BTreeSet<&str> = kept.iter().map(|element| element.canonical.as_str()).collect();
        let added = self.additions()?;
        let new: Vec<&Element> = added.iter().filter(|element| known.insert(element.canonical.as_str())).collect();
        if new.is_empty() && kept.len() == elements.len() {
            return Some(current.clone());
        }
        let sources: Vec<&str> = kept.into_iter().chain(new).map(|element| element.source.as_str()).collect();
        Some(Value::Text(["[", &sources.join(","), "]"].concat()))
    }

    /// The added elements; `None` if one of them is not exactly one element.
    pub fn additions(&self) -> Option<Vec<Element>> {
        let one = |source: &String| json::elements(&["[", source, "]"].concat())?.into_iter().next();
        let all: Option<Vec<Element>> = self.added.iter().map(one).collect();
        all.filter(|all| all.iter().zip(&self.added).all(|(element, source)| element.source == *source))
    }

    /// What it added, as a value for a record of conflicts.
    pub fn as_value(&self) -> Value {
        Value::Text(["[", &self.added.join(","), "]"].concat())
    }
}
