//! What can go wrong between an app and its local database, with stable codes.
//! It carries SQLite's words and the statement; rendering for JavaScript is the adapter's business.
//! Answered by every verb of `LocalDatabase`.

use crate::schema::SchemaError;
use crate::sql::{SqlError, SqlErrorKind};
use crate::sqlite;
use core::fmt;
use rusqlite::ffi;

/// A failure. The database is usable afterwards unless the code is `database_corrupt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DbError {
    /// Which kind.
    pub code: DbErrorCode,
    /// What is wrong and where.
    pub message: String,
    /// The statement, where one is to blame.
    pub sql: Option<String>,
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbErrorCode {
    /// SQLite does not understand or cannot run the statement. The app's fault.
    SqlError,
    /// A foreign key would point nowhere. The app's fault.
    ConstraintForeignKey,
    /// Another row has the value. The app's fault.
    ConstraintUnique,
    /// NULL in a NOT NULL column. The app's fault.
    ConstraintNotNull,
    /// A CHECK failed. The app's fault.
    ConstraintCheck,
    /// Another constraint: a STRICT type, RAISE in a trigger. The app's fault.
    Constraint,
    /// BEGIN, COMMIT and their like outside of `transaction`. The app's fault.
    RawTransaction,
    /// A statement that would break sync or durability. The app's fault.
    ForbiddenStatement,
    /// Several statements in one call. The app's fault.
    MultipleStatements,
    /// Another number of parameters than the statement has. The app's fault.
    BadParameter,
    /// The transaction writes more than the published bound; it was rolled back. The app's fault.
    TransactionTooLarge,
    /// Text that is not UTF-8 in a synced table; the transaction was rolled back. The app's fault.
    InvalidText,
    /// A whole number as a real in a key column without a type; the transaction was rolled back. The app's fault.
    InvalidKey,
    /// Commit or rollback without begin, begin within a transaction, or sync within one. The caller's fault.
    TransactionState,
    /// The transaction was ended by SQLite, e.g. by OR ROLLBACK or a full disk; nothing of it was kept.
    TransactionEnded,
    /// The conflict waits no longer. Somebody else was faster, or its row is gone.
    ConflictNotOpen,
    /// Disk or quota is full. Retry after making room.
    DiskFull,
    /// The file is damaged.
    DatabaseCorrupt,
    /// Another connection holds the database. Retry.
    DatabaseInUse,
    /// Input or output failed, or memory ran out. Retry.
    StorageError,
    /// The schema cannot be used; the message says which part. The developer's fault.
    Schema(&'static str),
}

impl DbErrorCode {
    /// The stable code that applications see.
    pub fn code(self) -> &'static str {
        match self {
            DbErrorCode::SqlError => "sql_error",
            DbErrorCode::ConstraintForeignKey => "constraint_foreign_key",
            DbErrorCode::ConstraintUnique => "constraint_unique",
            DbErrorCode::ConstraintNotNull => "constraint_not_null",
            DbErrorCode::ConstraintCheck => "constraint_check",
            DbErrorCode::Constraint => "constraint",
            DbErrorCode::RawTransaction => "raw_transaction",
            DbErrorCode::ForbiddenStatement => "forbidden_statement",
            DbErrorCode::MultipleStatements => "multiple_statements",
            DbErrorCode::BadParameter => "bad_parameter",
            DbErrorCode::TransactionTooLarge => "transaction_too_large",
            DbErrorCode::InvalidText => "invalid_text",
            DbErrorCode::InvalidKey => "invalid_key",
            DbErrorCode::TransactionState => "transaction_state",
            DbErrorCode::TransactionEnded => "transaction_ended",
            DbErrorCode::ConflictNotOpen => "conflict_not_open",
            DbErrorCode::DiskFull => "disk_full",
            DbErrorCode::DatabaseCorrupt => "database_corrupt",
            DbErrorCode::DatabaseInUse => "database_in_use",
            DbErrorCode::StorageError => "storage_error",
            DbErrorCode::Schema(code) => code,
        }
    }

    /// Whether a constraint of the database refused what was written.
    pub fn is_constraint(self) -> bool {
        matches!(
            self,
            DbErrorCode::ConstraintForeignKey
                | DbErrorCode::ConstraintUnique
                | DbErrorCode::ConstraintNotNull
                | DbErrorCode::ConstraintCheck
                | DbErrorCode::Constraint
        )
    }

    /// Whether the same call may succeed later without anybody changing it.
    pub fn retryable(self) -> bool {
        matches!(self, DbErrorCode::DiskFull | DbErrorCode::DatabaseInUse | DbErrorCode::StorageError)
    }
}

impl DbError {
    /// A failure that no statement is to blame for.
    pub fn new(code: DbErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), sql: None }
    }

    /// A failure of a statement.
    pub fn of_statement(code: DbErrorCode, message: impl Into<String>, sql: &str) -> Self {
        Self { code, message: message.into(), sql: Some(sql.into()) }
    }

    /// What rusqlite reported of a statement.
    pub fn from_sqlite(error: &rusqlite::Error, sql: &str) -> Self {
        let code = match error {
            rusqlite::Error::MultipleStatement => DbErrorCode::MultipleStatements,
            rusqlite::Error::InvalidParameterCount(..) => DbErrorCode::BadParameter,
            _ => constraint(error).unwrap_or_else(|| of_kind(sqlite::kind(error))),
        };
        Self { code, message: sqlite::sql_error(error, sql).message, sql: Some(sql.into()) }
    }
}

/// Finer than the port's kinds, which must be read off text in a Durable Object.
fn constraint(error: &rusqlite::Error) -> Option<DbErrorCode> {
    match error.sqlite_error()?.extended_code {
        ffi::SQLITE_CONSTRAINT_NOTNULL => Some(DbErrorCode::ConstraintNotNull),
        ffi::SQLITE_CONSTRAINT_CHECK => Some(DbErrorCode::ConstraintCheck),
        _ => None,
    }
}

fn of_kind(kind: SqlErrorKind) -> DbErrorCode {
    match kind {
        SqlErrorKind::ForeignKey => DbErrorCode::ConstraintForeignKey,
        SqlErrorKind::Unique => DbErrorCode::ConstraintUnique,
        SqlErrorKind::Constraint => DbErrorCode::Constraint,
        SqlErrorKind::Full => DbErrorCode::DiskFull,
        SqlErrorKind::Corrupt => DbErrorCode::DatabaseCorrupt,
        SqlErrorKind::Busy => DbErrorCode::DatabaseInUse,
        SqlErrorKind::Misuse | SqlErrorKind::Unfit => DbErrorCode::SqlError,
        SqlErrorKind::Other => DbErrorCode::StorageError,
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sql {
            Some(sql) => write!(f, "{} (in: {sql})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for DbError {}

impl From<SqlError> for DbError {
    fn from(error: SqlError) -> Self {
        Self { code: of_kind(error.kind), message: error.message, sql: Some(error.sql) }
    }
}

impl From<SchemaError> for DbError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Sql(error) => error.into(),
            other => DbError::new(DbErrorCode::Schema(other.code()), other.to_string()),
        }
    }
}
