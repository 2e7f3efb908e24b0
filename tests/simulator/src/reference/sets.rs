//! Sets as the simulated app writes them: arrays of plain strings, each at most once.
//! It takes what travelled apart by the engine's own decoder, and shares nothing else with it; in which order the elements stand it does not say.
//! Used by the reference and the fold.

use ebbtide_core::merge::set;
use ebbtide_core::value::Value;
use std::collections::BTreeSet;

/// The elements as they stand; none in NULL.
pub fn elements(value: &Value) -> Vec<String> {
    match value {
        Value::Text(text) => serde_json::from_str(text).expect("an array of strings"),
        Value::Null => Vec::new(),
        other => panic!("not a set: {other:?}"),
    }
}

/// The same elements, in whatever order.
pub fn same(one: &Value, other: &Value) -> bool {
    let set = |value| elements(value).into_iter().collect::<BTreeSet<String>>();
    set(one) == set(other)
}

/// A set of these.
pub fn value<'e>(elements: impl Iterator<Item = &'e String>) -> Value {
    Value::Text(serde_json::to_string(&elements.collect::<Vec<_>>()).expect("strings"))
}

/// What a write added and removed. A plain value is written into a row that is there already: all of it is added.
pub fn change(sent: &Value) -> Option<(Vec<String>, Vec<String>)> {
    let Value::Blob(bytes) = sent else { return Some((elements(sent), Vec::new())) };
    let operation = set::received(bytes)?;
    let plain =
        |all: &[String]| all.iter().map(|source| serde_json::from_str(source).ok()).collect::<Option<Vec<String>>>();
    Some((plain(&operation.added)?, plain(&operation.removed)?))
}

/// What these additions and removals make of a set.
pub fn changed(current: &Value, added: &[String], removed: &[String]) -> Value {
    let present = elements(current);
    let kept: Vec<&String> = present.iter().filter(|element| !removed.contains(element)).collect();
    let came: Vec<&String> = added.iter().filter(|element| !kept.contains(element)).collect();
    if came.is_empty() && kept.len() == present.len() { current.clone() } else { value(kept.into_iter().chain(came)) }
}

/// What a pending write makes of another value than the one that it was made on.
pub fn replayed(current: &Value, old: &Value, new: &Value) -> Value {
    let (present, before, after) = (elements(current), elements(old), elements(new));
    let kept = present.iter().filter(|element| !before.contains(element) || after.contains(element));
    let kept: Vec<&String> = kept.collect();
    let came: Vec<&String> = after.iter().filter(|e| !before.contains(e) && !kept.contains(e)).collect();
    if came.is_empty() && kept.len() == present.len() { current.clone() } else { value(kept.into_iter().chain(came)) }
}
