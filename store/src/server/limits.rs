//! Bounds of the server store, with their reasons.

/// Values bound to one statement. A Durable Object refuses 101.
pub const BOUND_VALUES: usize = 100;

/// Bytes of a commit or an upload kept in one row. A Durable Object refuses values of 2 MB; half of it leaves room.
pub const PART_BYTES: usize = 1024 * 1024;

/// Integers up to here cross as doubles without loss.
pub const EXACT_DOUBLE: i64 = (1 << 53) - 1;

/// Bytes that the values of one row may take in a row's part of the change history. D1 takes 2 MB bound at once,
/// the rest of the step included.
pub const HISTORY_VALUE_BYTES: usize = 512 * 1024;
