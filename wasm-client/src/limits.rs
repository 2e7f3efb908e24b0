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

/// A socket on which nothing was heard for so long is pinged. Many networks forget a silent connection after a minute.
pub const PING_EVERY_MS: f64 = 25_000.0;

/// A pinged socket that says nothing for so long is given up.
pub const PONG_WITHIN_MS: f64 = 10_000.0;

/// Without a socket the server is asked for news this often.
pub const POLL_EVERY_MS: f64 = 30_000.0;

/// After a socket could not be opened where requests get through, requests are used for so long.
pub const AVOID_SOCKET_MS: f64 = 10.0 * 60_000.0;

/// First wait after a step of the sync failed in the local database; doubled each time.
pub const FAULT_FIRST_WAIT_MS: f64 = 1_000.0;

/// Longest wait after a step of the sync failed in the local database.
pub const FAULT_MAX_WAIT_MS: f64 = 60_000.0;
