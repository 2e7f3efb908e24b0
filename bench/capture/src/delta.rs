//! A change as bytes, made from the arguments of a trigger's call: what it is, the key, then pairs or single values.
//! It is what a Rust function behind triggers would do at the least; nobody reads the bytes.
//! Registered by the plain driver as `delta` (answers the bytes) and `collect` (keeps them until COMMIT).

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};
use std::cell::RefCell;

/// A part of the log is cut at this size, as the shipped one is.
const PART_BYTES: usize = 1 << 20;

/// What the first argument says.
const UPDATE: i64 = 1;

thread_local! {
    static COLLECTED: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Registers both functions, and `applying`, which guards triggers.
pub fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8;
    connection.create_scalar_function("delta", -1, flags, |context| {
        let mut bytes = Vec::with_capacity(128);
        encode(&mut bytes, context);
        Ok(bytes)
    })?;
    connection.create_scalar_function("applying", 0, flags, |_| Ok(false))?;
    connection.create_scalar_function("collect", -1, flags, |context| {
        COLLECTED.with_borrow_mut(|parts| {
            if parts.last().is_none_or(|part| part.len() > PART_BYTES) {
                parts.push(Vec::new());
            }
            if let Some(part) = parts.last_mut() {
                encode(part, context);
            }
        });
        Ok(0)
    })
}

/// What was collected since the last call.
pub fn take_collected() -> Vec<Vec<u8>> {
    COLLECTED.with_borrow_mut(std::mem::take)
}

/// An insert or a delete has the row's values, an update pairs of old and new of which equal ones are left out.
fn encode(bytes: &mut Vec<u8>, context: &Context<'_>) {
    let kind = context.get_raw(0).as_i64().unwrap_or_default();
    bytes.push(kind as u8);
    value(bytes, context.get_raw(1));
    if kind != UPDATE {
        return (2..context.len()).for_each(|index| value(bytes, context.get_raw(index)));
    }
    for index in (2..context.len()).step_by(2) {
        let (old, new) = (context.get_raw(index), context.get_raw(index + 1));
        if old != new {
            bytes.push(index as u8);
            value(bytes, old);
            value(bytes, new);
        }
    }
}

fn value(bytes: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => bytes.push(0),
        ValueRef::Integer(number) => {
            bytes.push(1);
            varint(bytes, ((number << 1) ^ (number >> 63)) as u64);
        }
        ValueRef::Real(number) => {
            bytes.push(2);
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        ValueRef::Text(text) => sized(bytes, 3, text),
        ValueRef::Blob(blob) => sized(bytes, 4, blob),
    }
}

fn sized(bytes: &mut Vec<u8>, tag: u8, content: &[u8]) {
    bytes.push(tag);
    varint(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}

fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
