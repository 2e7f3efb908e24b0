//! Values on their way into and out of rusqlite, without copies on the way in.
//! It converts nothing: what is bound is what was given, bit for bit.
//! Used by every statement of this crate that binds.

use ebbtide_core::value::Value;
use rusqlite::types::{FromSqlError, ToSql, ToSqlOutput, Type, ValueRef};

/// A value to be bound by reference.
pub struct Bound<'a>(pub &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A column's value as our own. Text that is not UTF-8, which SQL can make out of blobs, is an error.
pub fn owned(value: ValueRef<'_>, column: usize) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => Value::Text(utf8(bytes, column)?.into()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    })
}

fn utf8(bytes: &[u8], column: usize) -> rusqlite::Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(FromSqlError::Utf8Error(error)))
    })
}
