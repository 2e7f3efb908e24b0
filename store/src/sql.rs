//! The port to a synchronous SQLite database: four verbs, which both a Durable Object and rusqlite can offer.
//! It knows no table; limits of the narrower side (100 bound values, no BEGIN) hold for all who use it.
//! The server store is written against it; adapters are `sqlite` here and `durable` in `worker`.

use ebbtide_core::value::Value;

/// A row as it came back.
pub type Row = Vec<Value>;

/// What kind of failure a statement met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlErrorKind {
    /// A foreign key.
    ForeignKey,
    /// UNIQUE or PRIMARY KEY.
    Unique,
    /// NOT NULL, CHECK, a STRICT type, or RAISE in a trigger.
    Constraint,
    /// A value that the column, or the database, cannot hold.
    Unfit,
    /// Disk or quota is full.
    Full,
    /// The database file is damaged.
    Corrupt,
    /// Somebody else has the database.
    Busy,
    /// The statement itself is wrong.
    Misuse,
    /// Anything else: I/O, memory.
    Other,
}

impl SqlErrorKind {
    /// The stable code that applications see.
    pub fn code(self) -> &'static str {
        match self {
            SqlErrorKind::ForeignKey => "constraint_foreign_key",
            SqlErrorKind::Unique => "constraint_unique",
            SqlErrorKind::Constraint => "constraint",
            SqlErrorKind::Full => "disk_full",
            SqlErrorKind::Corrupt => "database_corrupt",
            SqlErrorKind::Busy => "database_in_use",
            SqlErrorKind::Misuse | SqlErrorKind::Unfit => "sql_error",
            SqlErrorKind::Other => "storage_error",
        }
    }

    /// Whether the same statement may succeed later without anybody changing it.
    pub fn retryable(self) -> bool {
        matches!(self, SqlErrorKind::Full | SqlErrorKind::Busy | SqlErrorKind::Other)
    }
}

/// A statement that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// Which kind.
    pub kind: SqlErrorKind,
    /// SQLite's words.
    pub message: String,
    /// The statement, as given.
    pub sql: String,
}

impl core::fmt::Display for SqlError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (in: {})", self.message, self.sql)
    }
}

impl std::error::Error for SqlError {}

/// A database inside the transaction of one event.
///
/// Numbers may cross as doubles: an `Integer` beyond ±2^53, or one in a column without INTEGER or NUMERIC affinity,
/// must be bound as text under `CAST(? AS INTEGER)` and read as `CAST(column AS TEXT)`; a whole `Real` may come back as an `Integer`.
pub trait Sql {
    /// Runs one statement; answers how many rows it changed.
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, SqlError>;

    /// Runs one query and answers all its rows.
    fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, SqlError>;

    /// Runs all statements of a text that binds nothing; for migrations.
    fn script(&mut self, sql: &str) -> Result<(), SqlError>;

    /// Runs `body` so that everything it wrote is taken back when it answers `Err`. Nests.
    fn savepoint<T, R>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, R>) -> Result<Result<T, R>, SqlError>
    where
        Self: Sized;
}
