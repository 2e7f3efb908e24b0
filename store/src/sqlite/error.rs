//! What kind of failure a rusqlite error is.
//! It reads SQLite's extended codes; what to do about the failure is the caller's business.
//! Used wherever this crate meets rusqlite.

use crate::sql::{SqlError, SqlErrorKind};
use rusqlite::ffi::{self, ErrorCode};

/// The error as the port knows it.
pub fn sql_error(error: &rusqlite::Error, sql: &str) -> SqlError {
    SqlError { kind: kind(error), message: message(error), sql: sql.into() }
}

/// The kind of failure.
pub fn kind(error: &rusqlite::Error) -> SqlErrorKind {
    match error.sqlite_error() {
        Some(code) => kind_of(code),
        None => SqlErrorKind::Misuse,
    }
}

fn kind_of(error: &ffi::Error) -> SqlErrorKind {
    match error.code {
        ErrorCode::ConstraintViolation => match error.extended_code {
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => SqlErrorKind::ForeignKey,
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
                SqlErrorKind::Unique
            }
            _ => SqlErrorKind::Constraint,
        },
        ErrorCode::DiskFull => SqlErrorKind::Full,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => SqlErrorKind::Corrupt,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => SqlErrorKind::Busy,
        ErrorCode::TypeMismatch | ErrorCode::TooBig => SqlErrorKind::Unfit,
        ErrorCode::Unknown
        | ErrorCode::ParameterOutOfRange
        | ErrorCode::AuthorizationForStatementDenied
        | ErrorCode::ApiMisuse => SqlErrorKind::Misuse,
        _ => SqlErrorKind::Other,
    }
}

/// SQLite's words, without the statement that rusqlite adds.
fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}
