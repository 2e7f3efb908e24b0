//! The one error of this crate, in the shape in which JavaScript gets it: `{ code, message, retryable, cause? }`.
//! It knows codes and texts; who is to blame was decided where it was made.
//! Every module here returns it, and `client.rs` hands it over.

#[cfg(target_family = "wasm")]
pub use js::{describe, name_of};

/// Something that was not done, and why.
#[derive(Debug, Clone)]
pub struct ClientError {
    /// Stable, snake_case, listed in the package's ERRORS.md.
    pub code: &'static str,
    /// For a person: what was wrong and where.
    pub message: String,
    /// Whether the same call may succeed later by itself.
    pub retryable: bool,
    /// The words of the layer below.
    pub cause: Option<String>,
}

/// Results of this crate.
pub type Result<T> = core::result::Result<T, ClientError>;

impl ClientError {
    /// An error that only a change of the call can cure.
    pub fn permanent(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: false, cause: None }
    }

    /// An error that may go away by itself.
    pub fn retryable(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: true, cause: None }
    }

    /// Adds the words of the layer below.
    #[must_use]
    pub fn caused_by(mut self, cause: impl core::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }
}

#[cfg(target_family = "wasm")]
mod js {
    use super::ClientError;
    use js_sys::{Object, Reflect};
    use wasm_bindgen::{JsCast, JsValue};

    impl From<ClientError> for JsValue {
        fn from(error: ClientError) -> Self {
            let object = Object::new();
            let set = |name: &str, value: JsValue| {
                Reflect::set(&object, &JsValue::from_str(name), &value).expect("a plain object takes any property");
            };
            set("code", error.code.into());
            set("message", error.message.into());
            set("retryable", error.retryable.into());
            if let Some(cause) = error.cause {
                set("cause", cause.into());
            }
            object.into()
        }
    }

    /// Name and message of whatever JavaScript threw.
    pub fn describe(thrown: &JsValue) -> String {
        match thrown.dyn_ref::<js_sys::Error>() {
            Some(error) => format!("{}: {}", error.name(), error.message()),
            None => thrown.as_string().unwrap_or_else(|| "a thrown value that is no error".to_owned()),
        }
    }

    /// The `name` of a thrown DOMException or Error.
    pub fn name_of(thrown: &JsValue) -> String {
        let name = Reflect::get(thrown, &JsValue::from_str("name")).ok();
        name.and_then(|name| name.as_string()).unwrap_or_default()
    }
}
