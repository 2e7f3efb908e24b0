//! Writes captured changes straight into bytes, in postcard's encoding of `LoggedChange`.
//! It must agree with what postcard reads; a test holds the two together.
//! Called by the recorder, once per value.

use rusqlite::types::ValueRef;

/// Positions of the variants of `LoggedMutation`.
pub(super) const INSERT: u8 = 0;
pub(super) const UPDATE: u8 = 1;
pub(super) const DELETE: u8 = 2;

/// LEB128, as postcard writes every unsigned number and every length.
pub(super) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A `Value`. False if it is text that is not UTF-8: nothing useful is then written.
#[must_use]
pub(super) fn value(out: &mut Vec<u8>, value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Null => out.push(0),
        ValueRef::Integer(number) => {
            out.push(1);
            varint(out, ((number << 1) ^ (number >> 63)) as u64);
        }
        ValueRef::Real(number) => {
            out.push(2);
            out.extend_from_slice(&number.to_le_bytes());
        }
        ValueRef::Text(bytes) => {
            out.push(3);
            sized(out, bytes);
            return std::str::from_utf8(bytes).is_ok();
        }
        ValueRef::Blob(bytes) => {
            out.push(4);
            sized(out, bytes);
        }
    }
    true
}

/// What `Value::size` says of it: what the space counts against the bound of a row.
pub(super) fn size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Null => 1,
        ValueRef::Integer(_) | ValueRef::Real(_) => 9,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() + 3,
    }
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Identity as `Value` has it: by type and, for reals, by bits.
pub(super) fn same(a: ValueRef<'_>, b: ValueRef<'_>) -> bool {
    match (a, b) {
        (ValueRef::Null, ValueRef::Null) => true,
        (ValueRef::Integer(a), ValueRef::Integer(b)) => a == b,
        (ValueRef::Real(a), ValueRef::Real(b)) => a.to_bits() == b.to_bits(),
        (ValueRef::Text(a), ValueRef::Text(b)) | (ValueRef::Blob(a), ValueRef::Blob(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebbtide_core::value::Value;

    #[test]
    fn st10_captured_values_read_back_as_themselves() {
        let values = [
            Value::Null,
            Value::Integer(0),
            Value::Integer(i64::MIN),
            Value::Integer(i64::MAX),
            Value::Integer(-1),
            Value::Real(-0.0),
            Value::Real(f64::MIN_POSITIVE / 2.0),
            Value::Real(f64::INFINITY),
            Value::Text("a\0ß".into()),
            Value::Blob((0..=255).collect()),
        ];
        for expected in values {
            let mut out = Vec::new();
            let given = match &expected {
                Value::Null => ValueRef::Null,
                Value::Integer(number) => ValueRef::Integer(*number),
                Value::Real(number) => ValueRef::Real(*number),
                Value::Text(text) => ValueRef::Text(text.as_bytes()),
                Value::Blob(bytes) => ValueRef::Blob(bytes),
            };
            assert!(value(&mut out, given));
            assert_eq!(size(given), expected.size());
            assert_eq!(postcard::from_bytes::<Value>(&out).unwrap(), expected);
        }
        assert!(!value(&mut Vec::new(), ValueRef::Text(&[0xff])));
    }
}
