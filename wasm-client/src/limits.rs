//! Bounds of the browser adapter, with their reasons.

/// How long to wait for a dying worker to let go of the files before they count as used by somebody else.
/// Browsers release them up to two seconds after a tab with a busy worker closed.
pub const ACQUIRE_TIMEOUT_MS: f64 = 2_500.0;

/// First wait between two attempts to get the files; grows by half each time, with jitter.
pub const ACQUIRE_FIRST_WAIT_MS: f64 = 15.0;

/// Longest wait between two attempts to get the files.
pub const ACQUIRE_MAX_WAIT_MS: f64 = 200.0;

/// Files that SQLite may have open at once: database, WAL, rollback journal, and one to spare.
/// Each costs a millisecond when the database is opened (twenty in Firefox).
pub const POOL_FILES: usize = 4;

/// Page cache in KiB: reads that miss it cost 25 times more in Firefox than in Chromium.
pub const CACHE_KIB: i64 = 48 * 1024;

/// The WAL file is cut back to this many bytes after a large transaction.
pub const WAL_KEEP_BYTES: i64 = 16 * 1024 * 1024;

/// Longest database name in characters, so that its encoded form stays a legal file name everywhere.
pub const NAME_CHARS: usize = 80;
