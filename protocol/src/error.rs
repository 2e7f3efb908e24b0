//! Why a message could not be decoded.
//! Whose fault it is decides the answer: a peer of another version is incompatible, all else is misbehaviour.
//! The adapters turn it into a refusal or into the end of a connection.

use core::fmt;
use ebbtide_core::error::{Malformed, RefusalCode};

/// A message that was not decoded; nothing of it was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// The message is of a version that this build does not speak. The older side must be updated.
    UnsupportedVersion(u8),
    /// Over a published limit. The peer's fault; sending it again changes nothing.
    TooLarge(&'static str),
    /// Not what it claims to be. The peer's fault; sending it again changes nothing.
    Malformed(Malformed),
}

impl DecodeError {
    /// The refusal with which a server answers it.
    pub fn refusal(&self) -> RefusalCode {
        match self {
            DecodeError::UnsupportedVersion(_) => RefusalCode::UnsupportedVersion,
            DecodeError::TooLarge(_) => RefusalCode::TooLarge,
            DecodeError::Malformed(_) => RefusalCode::Malformed,
        }
    }

    /// The stable code that applications see.
    pub fn code(&self) -> &'static str {
        self.refusal().code()
    }

    /// Whether the same bytes may be understood later. They never are.
    pub fn retryable(&self) -> bool {
        false
    }
}

impl From<Malformed> for DecodeError {
    fn from(malformed: Malformed) -> Self {
        DecodeError::Malformed(malformed)
    }
}

impl From<DecodeError> for Malformed {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::UnsupportedVersion(_) => Malformed { what: "message: unsupported version" },
            DecodeError::TooLarge(what) => Malformed { what },
            DecodeError::Malformed(malformed) => malformed,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::UnsupportedVersion(version) => write!(out, "message of version {version} is not understood"),
            DecodeError::TooLarge(what) => write!(out, "too large: {what}"),
            DecodeError::Malformed(Malformed { what }) => write!(out, "malformed: {what}"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// A malformed result; keeps the decoders to one line a check.
pub(crate) fn malformed<T>(what: &'static str) -> Result<T, Malformed> {
    Err(Malformed { what })
}
