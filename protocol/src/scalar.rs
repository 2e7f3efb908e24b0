//! One value with its type, for rows that are alone in their shape and for columns that are constant.
//! Small integers, short texts and short blobs spend one byte beside their content.
//! Used by `column`.

use crate::error::malformed;
use crate::input::Input;
use crate::limits::VALUE_CHARGE;
use crate::output::{Output, varint_len, zigzag};
use crate::{reals, uuid};
use alloc::string::String;
use ebbtide_core::error::Malformed;
use ebbtide_core::value::Value;

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const DECIMAL: u8 = 3;
const TEXT: u8 = 4;
const BLOB: u8 = 5;
const UUID: u8 = 6;
/// Reserved for end-to-end encryption.
const SEALED: u8 = 7;
const SMALL_INTEGER: u8 = 0x20;
const SHORT_TEXT: u8 = 0x60;
const SHORT_BLOB: u8 = 0xc0;

/// Small integers are -8 to 55.
const SMALL_INTEGERS: core::ops::Range<i64> = -8..56;
/// Short texts have up to 95 bytes.
const SHORT_TEXT_BYTES: usize = (SHORT_BLOB - SHORT_TEXT) as usize;
/// Short blobs have up to 63 bytes.
const SHORT_BLOB_BYTES: usize = 0x40;

pub(crate) fn write(out: &mut Output, value: &Value) {
    match value {
        Value::Null => out.byte(NULL),
        Value::Integer(number) => write_integer(out, *number),
        Value::Real(number) => write_real(out, *number),
        Value::Text(text) => write_text(out, text),
        Value::Blob(bytes) => write_counted(out, bytes, BLOB, SHORT_BLOB, SHORT_BLOB_BYTES),
    }
}

fn write_integer(out: &mut Output, number: i64) {
    if SMALL_INTEGERS.contains(&number) {
        out.byte(SMALL_INTEGER + (number - SMALL_INTEGERS.start) as u8);
    } else {
        out.byte(INTEGER);
        out.signed(number);
    }
}

fn write_real(out: &mut Output, number: f64) {
    match reals::decimal(number) {
        Some((mantissa, scale)) if 1 + varint_len(zigzag(mantissa)) < 8 => {
            out.byte(DECIMAL);
            out.byte(scale);
            out.signed(mantissa);
        }
        _ => {
            out.byte(REAL);
            out.bytes(&number.to_le_bytes());
        }
    }
}

fn write_text(out: &mut Output, text: &str) {
    match uuid::parse(text) {
        Some(number) => {
            out.byte(UUID);
            out.bytes(&number.to_be_bytes());
        }
        None => write_counted(out, text.as_bytes(), TEXT, SHORT_TEXT, SHORT_TEXT_BYTES),
    }
}

fn write_counted(out: &mut Output, bytes: &[u8], long: u8, short: u8, short_bytes: usize) {
    if bytes.len() < short_bytes {
        out.byte(short + bytes.len() as u8);
    } else {
        out.byte(long);
        out.varint(bytes.len() as u64);
    }
    out.bytes(bytes);
}

pub(crate) fn read(input: &mut Input<'_>) -> Result<Value, Malformed> {
    input.charge(1, VALUE_CHARGE)?;
    match input.byte()? {
        NULL => Ok(Value::Null),
        INTEGER => input.signed().map(Value::Integer),
        REAL => input.array().map(|bytes| Value::Real(f64::from_le_bytes(bytes))),
        DECIMAL => read_decimal(input),
        TEXT => input.count().and_then(|length| read_text(input, length)),
        BLOB => input.count().and_then(|length| read_blob(input, length)),
        UUID => read_uuid(input),
        SEALED => malformed("a sealed value, which this build cannot read"),
        tag @ SHORT_BLOB.. => read_blob(input, usize::from(tag - SHORT_BLOB)),
        tag @ SHORT_TEXT.. => read_text(input, usize::from(tag - SHORT_TEXT)),
        tag @ SMALL_INTEGER.. => Ok(Value::Integer(i64::from(tag - SMALL_INTEGER) + SMALL_INTEGERS.start)),
        _ => malformed("value: unknown tag"),
    }
}

fn read_decimal(input: &mut Input<'_>) -> Result<Value, Malformed> {
    let scale = input.byte()?;
    let mantissa = input.signed()?;
    reals::from_decimal(mantissa, scale).map(Value::Real)
}

fn read_text(input: &mut Input<'_>, length: usize) -> Result<Value, Malformed> {
    input.charge(length, 1)?;
    text(input.bytes(length)?).map(Value::Text)
}

fn read_blob(input: &mut Input<'_>, length: usize) -> Result<Value, Malformed> {
    input.charge(length, 1)?;
    input.bytes(length).map(|bytes| Value::Blob(bytes.to_vec()))
}

fn read_uuid(input: &mut Input<'_>) -> Result<Value, Malformed> {
    input.charge(36, 1)?;
    input.array().map(|bytes| Value::Text(uuid::format(u128::from_be_bytes(bytes))))
}

/// Foreign bytes as text.
pub(crate) fn text(bytes: &[u8]) -> Result<String, Malformed> {
    core::str::from_utf8(bytes).map(String::from).or(malformed("text that is not UTF-8"))
}
