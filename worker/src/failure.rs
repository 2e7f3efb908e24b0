//! What a request is refused with: an HTTP status and a stable code.
//! The text is for a person and never holds SQL or tokens. Everything here answers with it; `exports` hands it to TypeScript.

use ebbtide_core::error::RefusalCode;
use ebbtide_protocol::DecodeError;
use ebbtide_store::schema::SchemaError;
use ebbtide_store::sql::SqlError;

/// A refusal as HTTP tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// Stable, in snake_case.
    pub code: &'static str,
    /// For a person.
    pub message: String,
    /// Whether the same request may succeed later without anybody changing anything.
    pub retryable: bool,
    /// For the operator's log only.
    pub detail: Option<String>,
}

impl Failure {
    /// A refusal that will be the same next time.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Failure { status, code, message: message.into(), retryable: false, detail: None }
    }

    /// Our own failure: try again later.
    pub fn internal(detail: impl Into<String>) -> Self {
        let message = "the server failed; nothing was changed".to_owned();
        Failure {
            status: 500,
            code: RefusalCode::Internal.code(),
            message,
            retryable: true,
            detail: Some(detail.into()),
        }
    }

    /// Something in the app's Worker or its bindings must be put right.
    pub fn misconfigured(message: impl Into<String>) -> Self {
        Failure::new(500, "server_misconfigured", message)
    }

    /// No token, or one that proves nothing.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Failure::new(401, "unauthorized", message)
    }

    /// A token whose time is over.
    pub fn expired() -> Self {
        Failure::new(401, "token_expired", "the token has expired")
    }

    /// A body or parameter that is not what it should be.
    pub fn malformed(message: impl Into<String>) -> Self {
        Failure::new(400, RefusalCode::Malformed.code(), message)
    }

    /// A version of the protocol that this server does not speak.
    pub fn unsupported_version(message: impl Into<String>) -> Self {
        Failure::new(426, RefusalCode::UnsupportedVersion.code(), message)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::UnsupportedVersion(_) => Failure::unsupported_version(error.to_string()),
            DecodeError::TooLarge(_) => Failure::new(413, error.code(), error.to_string()),
            DecodeError::Malformed(_) => Failure::malformed(error.to_string()),
        }
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Failure::internal(error.to_string())
    }
}

impl From<SchemaError> for Failure {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Sql(error) => error.into(),
            error => Failure::new(500, error.code(), error.to_string()),
        }
    }
}
