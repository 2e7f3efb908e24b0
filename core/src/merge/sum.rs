//! `sum`: what was added and taken away is summed up, so that nothing is lost, whoever comes first.
//! A write travels as its delta; NULL counts as 0, and stands for itself where everything sums up to nothing.
//! Used by both sides, which therefore show the same sum.

use crate::value::Value;
use alloc::vec::Vec;

/// Why a write cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSum {
    /// What was sent is no delta: the column holds whole numbers.
    NotADelta,
    /// The sum would leave the range of 64 bits.
    Overflow,
}

/// First byte of a delta that needs more than 64 bits.
const WIDE: u8 = 0;

/// First byte of the delta of a write of NULL.
const TO_NULL: u8 = 1;

/// The delta of a write: an integer, or a blob of a kind and 8 or 16 bytes, little endian, where that does not say it.
pub fn sent(old: &Value, new: &Value) -> Value {
    let delta = number(new) - number(old);
    match (new, i64::try_from(delta)) {
        (Value::Integer(_), Ok(delta)) => Value::Integer(delta),
        (Value::Integer(_), Err(_)) => wide(WIDE, delta),
        (Value::Null, _) => wide(TO_NULL, delta),
        // No delta at all: the space will refuse it, with its reason.
        (Value::Blob(_), _) => Value::Blob(Vec::new()),
        (other, _) => other.clone(),
    }
}

/// A value before and one after between which a delta lies. What is no delta stays what it is.
pub fn logged(sent: Value) -> (Value, Value) {
    let integer = |number: i128| i64::try_from(number).map(Value::Integer);
    let pair = delta(&sent).and_then(|(delta, to_null)| {
        let new = delta.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        let old = integer(if to_null { -delta } else { new - delta }).ok()?;
        Some((old, if to_null { Value::Null } else { integer(new).ok()? }))
    });
    pair.unwrap_or((Value::Integer(0), sent))
}

/// What a delta makes of a value.
pub fn add(current: &Value, sent: &Value) -> Result<Value, NoSum> {
    let (delta, to_null) = delta(sent).ok_or(NoSum::NotADelta)?;
    let sum = number(current).checked_add(delta).ok_or(NoSum::Overflow)?;
    if to_null && sum == 0 {
        return Ok(Value::Null);
    }
    i64::try_from(sum).map(Value::Integer).map_err(|_| NoSum::Overflow)
}

fn number(value: &Value) -> i128 {
    if let Value::Integer(number) = value { i128::from(*number) } else { 0 }
}

fn wide(kind: u8, delta: i128) -> Value {
    let mut bytes = Vec::from([kind]);
    match i64::try_from(delta) {
        Ok(short) => bytes.extend(short.to_le_bytes()),
        Err(_) => bytes.extend(delta.to_le_bytes()),
    }
    Value::Blob(bytes)
}

fn delta(sent: &Value) -> Option<(i128, bool)> {
    match sent {
        Value::Integer(delta) => Some((i128::from(*delta), false)),
        Value::Blob(bytes) => {
            let (kind, delta) = bytes.split_first()?;
            let short = || Some(i128::from(i64::from_le_bytes(delta.try_into().ok()?)));
            let delta = delta.try_into().ok().map(i128::from_le_bytes).or_else(short)?;
            (*kind <= TO_NULL).then_some((delta, *kind == TO_NULL))
        }
        _ => None,
    }
}
