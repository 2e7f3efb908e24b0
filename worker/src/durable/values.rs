//! Values between Rust and the object: numbers are doubles there, so the store above binds what would be lost as text.

use ebbtide_core::value::Value;
use ebbtide_store::sql::{SqlError, SqlErrorKind};
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

/// Whole numbers up to this size are exact as doubles.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A value to be bound.
pub fn to_js(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Integer(number) => JsValue::from_f64(*number as f64),
        Value::Real(number) => JsValue::from_f64(*number),
        Value::Text(text) => JsValue::from_str(text),
        Value::Blob(bytes) => Uint8Array::from(bytes.as_slice()).into(),
    }
}

/// A cell that came back. A whole number is taken for an integer; the sign of zero stays.
pub fn from_js(cell: &JsValue, sql: &str) -> Result<Value, SqlError> {
    if cell.is_null() || cell.is_undefined() {
        return Ok(Value::Null);
    }
    if let Some(number) = cell.as_f64() {
        let whole = number.fract() == 0.0 && number.abs() <= EXACT && !(number == 0.0 && number.is_sign_negative());
        return Ok(if whole { Value::Integer(number as i64) } else { Value::Real(number) });
    }
    if let Some(text) = cell.as_string() {
        return Ok(Value::Text(text));
    }
    match cell.dyn_ref::<ArrayBuffer>() {
        Some(buffer) => Ok(Value::Blob(Uint8Array::new(buffer).to_vec())),
        None => Err(SqlError {
            kind: SqlErrorKind::Misuse,
            message: "a cell of an unknown type".to_owned(),
            sql: sql.to_owned(),
        }),
    }
}

/// The words of what was thrown.
pub fn message(thrown: &JsValue) -> String {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => format!("{thrown:?}"),
    }
}
