//! A SQLite value and the key of a row.
//! It compares by content and type, bit for bit, which is what detecting a change needs; SQLite's own collation is SQLite's business.
//! Used by every crate.

use alloc::{string::String, vec::Vec};
use core::cmp::Ordering;
use core::hash::{Hash, Hasher};
use serde::{Deserialize, Serialize};

/// One of SQLite's five storage classes.
///
/// Equality is identity: `0.0` and `-0.0` differ, and so do the integer 1 and the real 1.0.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub enum Value {
    /// NULL, which is a value and never "nothing was written".
    #[default]
    Null,
    /// A 64-bit signed integer.
    Integer(i64),
    /// An IEEE double; SQLite turns NaN into NULL before it gets here.
    Real(f64),
    /// UTF-8 text, NUL characters included.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    fn class(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Integer(_) => 1,
            Value::Real(_) => 2,
            Value::Text(_) => 3,
            Value::Blob(_) => 4,
        }
    }

    /// Approximate size in memory and on the wire, in bytes, for bounds.
    pub fn size(&self) -> usize {
        match self {
            Value::Null => 1,
            Value::Integer(_) | Value::Real(_) => 9,
            Value::Text(text) => text.len() + 3,
            Value::Blob(bytes) => bytes.len() + 3,
        }
    }
}

/// Whether SQLite takes some integer for equal to this real number, so that as keys they would be one.
pub fn equals_an_integer(number: f64) -> bool {
    // A cast saturates: the real after the largest integer equals none.
    let whole = number as i64;
    whole as f64 == number && whole != i64::MAX
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
            (Value::Real(a), Value::Real(b)) => a.total_cmp(b),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
            _ => self.class().cmp(&other.class()),
        }
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.class().hash(state);
        match self {
            Value::Null => {}
            Value::Integer(n) => n.hash(state),
            Value::Real(x) => x.to_bits().hash(state),
            Value::Text(text) => text.hash(state),
            Value::Blob(bytes) => bytes.hash(state),
        }
    }
}

/// The values of a row's primary key, in the order in which the key declares them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub Vec<Value>);
