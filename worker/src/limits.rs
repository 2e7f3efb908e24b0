//! Bounds of requests, tokens, sockets and the outbox, with their reasons.

pub use ebbtide_protocol::limits::MESSAGE_BYTES;

/// Bytes of a token: larger than any that an identity provider issues, small enough to parse for anybody.
pub const TOKEN_BYTES: usize = 8 * 1024;

/// How far apart the clocks of who issues tokens and who checks them may be; used where a token is not valid yet.
pub const TOKEN_SKEW_MS: u64 = 60_000;

/// Bytes of a user's id: it is stored with every device and sits in every socket's attachment, which holds 16 KiB.
pub const USER_BYTES: usize = 256;

/// Bytes of a space's name.
pub const SPACE_BYTES: usize = 128;

/// Spaces in one token.
pub const SPACES: usize = 1_000;

/// How long a socket ticket is good. It is used at once; half a minute covers a slow network.
pub const TICKET_MS: u64 = 30_000;

/// Random bytes of a ticket, too many to guess.
pub const TICKET_BYTES: usize = 32;

/// How long a development token is good: a day of work.
pub const DEV_TOKEN_MS: u64 = 24 * 3_600_000;

/// Bytes of JSON in one step of the outbox. D1 takes values of 2 MB; smaller steps keep each batch short, larger ones
/// unpack a large commit less often.
pub const STEP_BYTES: usize = 512 * 1024;

/// Commits in one step of the outbox.
pub const STEP_COMMITS: usize = 500;

/// Changes that the app's function is told at once: enough for any transaction that people make, and little to hold in JavaScript.
pub const SLICE_CHANGES: usize = 1_000;

/// Bytes of values that the app's function is told at once. An isolate has 128 MB for all of its objects.
pub const SLICE_BYTES: usize = 1024 * 1024;
