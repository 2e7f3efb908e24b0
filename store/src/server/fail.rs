//! Errors that this store itself raises: damaged records, and calls against its contract.
//! Statement errors come from the adapter. Used by every file here.

use crate::sql::{SqlError, SqlErrorKind};
use ebbtide_core::commit::Reason;
use ebbtide_core::server::store::Violation;

/// A record of ours that does not read back.
pub(super) fn corrupt(what: &str) -> SqlError {
    SqlError { kind: SqlErrorKind::Corrupt, message: format!("damaged record: {what}"), sql: String::new() }
}

/// A call that breaks the contract: our bug, never a peer's.
pub(super) fn misuse(what: &str) -> SqlError {
    SqlError { kind: SqlErrorKind::Misuse, message: what.to_owned(), sql: String::new() }
}

/// A constraint that a statement met, or the error itself if it is about storage.
pub(super) fn violation(error: SqlError) -> Result<Violation, SqlError> {
    let reason = match error.kind {
        SqlErrorKind::ForeignKey => Reason::ForeignKey,
        SqlErrorKind::Unique => Reason::Unique,
        SqlErrorKind::Constraint | SqlErrorKind::Unfit => Reason::Constraint,
        _ => return Err(error),
    };
    Ok(Violation { reason, detail: error.message })
}
