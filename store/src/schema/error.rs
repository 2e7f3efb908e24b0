//! What can be wrong with a schema, or with a database that should follow it.
//! Each variant names the place; rendering for applications is the adapters' business.
//! Made by validation, the catalogue reader and the migrations.

use crate::sql::SqlError;
use core::fmt;

/// A schema that cannot be used. The developer's fault, except `Sql`; the database is as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaError {
    /// A rule of the schema is broken; trying again changes nothing.
    Invalid {
        /// Table, column or option.
        place: String,
        /// What is wrong, and what to do about it.
        what: String,
    },
    /// A migration failed and was rolled back; the version before it stays usable.
    Migration {
        /// Its position in the list, from 0.
        index: usize,
        /// SQLite's words.
        message: String,
    },
    /// The text of a migration that is already applied is not what it was.
    Changed {
        /// Its position in the list, from 0.
        index: usize,
    },
    /// The database has more migrations than the schema: a newer version of the app was here.
    Newer {
        /// Migrations applied.
        applied: u32,
        /// Migrations in the schema.
        known: u32,
    },
    /// The database failed while it was read.
    Sql(SqlError),
}

impl SchemaError {
    /// A broken rule.
    pub(crate) fn invalid(place: impl Into<String>, what: impl Into<String>) -> Self {
        SchemaError::Invalid { place: place.into(), what: what.into() }
    }

    /// The stable code that applications see.
    pub fn code(&self) -> &'static str {
        match self {
            SchemaError::Invalid { .. } => "schema_invalid",
            SchemaError::Migration { .. } => "migration_failed",
            SchemaError::Changed { .. } => "schema_changed",
            SchemaError::Newer { .. } => "schema_newer",
            SchemaError::Sql(error) => error.kind.code(),
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn retryable(&self) -> bool {
        matches!(self, SchemaError::Sql(error) if error.kind.retryable())
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaError::Invalid { place, what } => write!(f, "{place}: {what}"),
            SchemaError::Migration { index, message } => write!(f, "migrations[{index}] failed: {message}"),
            SchemaError::Changed { index } => {
                write!(f, "migrations[{index}] is applied already and its text has changed; append a new one instead")
            }
            SchemaError::Newer { applied, known } => {
                write!(f, "the database has {applied} migrations, this version of the app knows {known}")
            }
            SchemaError::Sql(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SchemaError {}

impl From<SqlError> for SchemaError {
    fn from(error: SqlError) -> Self {
        SchemaError::Sql(error)
    }
}
