//! Bounds of the store that are not part of the protocol, with their reasons.
//! The published bounds of transactions and messages are in `core::limits`.
//! Used throughout this crate.

/// Columns of a synced table. A Durable Object refuses more, and binds no more values in one statement.
pub const TABLE_COLUMNS: usize = 100;

/// Values bound in one statement by the server's side: what a Durable Object allows.
pub const NARROW_BINDS: usize = 100;

/// Size at which a captured transaction goes on in another row, so that no blob needs one large allocation.
pub const LOG_PART_BYTES: usize = 1024 * 1024;

/// Prepared statements that are kept: an app's usual set, and the engine's, without holding much memory.
pub const CACHED_STATEMENTS: usize = 128;

/// Texts whose classification is remembered. Beyond it the memory is cleared, which costs one more preparation each.
pub const CLASSIFIED_STATEMENTS: usize = 1024;

/// Savepoints that an app may have open at once; deeper nesting is a runaway recursion.
pub const SAVEPOINT_DEPTH: usize = 1000;
