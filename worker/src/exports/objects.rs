//! Plain JavaScript objects, made field by field.

use crate::failure::Failure;
use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::JsValue;

/// An object under construction.
pub struct Plain(Object);

impl Plain {
    /// Without fields.
    pub fn new() -> Self {
        Plain(Object::new())
    }

    /// With a field.
    pub fn with(self, name: &str, value: impl Into<JsValue>) -> Self {
        // A plain object takes every field.
        let _: Result<bool, JsValue> = Reflect::set(&self.0, &JsValue::from_str(name), &value.into());
        self
    }

    /// With a field for bytes, if there are any.
    pub fn with_bytes(self, name: &str, bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => self.with(name, Uint8Array::from(bytes)),
            None => self,
        }
    }

    /// The object.
    pub fn done(self) -> JsValue {
        self.0.into()
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        let plain = Plain::new()
            .with("status", failure.status)
            .with("code", failure.code)
            .with("message", failure.message.as_str())
            .with("retryable", failure.retryable);
        match failure.detail {
            Some(detail) => plain.with("detail", detail).done(),
            None => plain.done(),
        }
    }
}
