//! Every bound of the engine, with its reason. The server's are never lower than the client's.

/// A changeset of at most so many sealed bytes travels as one message; above it goes up in chunks.
/// 64 KiB fits any proxy's buffer and one WebSocket frame, and costs little when it must be repeated.
pub const SINGLE_MESSAGE_BYTES: usize = 64 * 1024;

/// Size of an upload chunk. Repeating one costs about a second on a 2G line with 1 Mbit/s.
pub const CHUNK_BYTES: usize = 128 * 1024;

/// Messages that a device says in one go, well below what a space takes in one.
pub const BATCH_MESSAGES: usize = 256;

/// Chunks sent ahead of their acknowledgement on a connection, or as many bytes of small changesets: enough to fill a slow line, little enough to stay interruptible.
pub const CHUNKS_IN_FLIGHT: usize = 5;

/// Sealed bytes of one changeset. The largest transaction (32 MiB of values) fits whole.
pub const CHANGESET_BYTES: usize = 40 * 1024 * 1024;

/// Inflated bytes of one changeset or commit, so that a small message cannot become a large allocation.
pub const INFLATED_BYTES: usize = 96 * 1024 * 1024;

/// Bytes of a commit that are kept for what is no row, value or conflict: its head and the people whom its conflicts name.
pub const COMMIT_MARGIN_BYTES: usize = 1024 * 1024;

/// Values of one row with its key, in bytes. A Durable Object refuses rows of 2 MB, marks and the rest of the record included.
pub const ROW_BYTES: usize = 2_000_000;

/// Bytes of a deleted row's image and of the keys that fell with it. They are one value of its record, of which a Durable Object refuses
/// 2 MB; beyond, neither is kept, and where the row should come back a person decides.
pub const TOMBSTONE_BYTES: usize = ROW_BYTES;

/// Values of one transaction, in bytes: the published bound of a local COMMIT.
pub const TRANSACTION_BYTES: usize = 32 * 1024 * 1024;

/// Characters of what a function of the app says when it refuses: it is kept with the receipt, and shown to a person.
pub const RULE_DETAIL_CHARS: usize = 300;

/// Bytes of what is said of a changeset's refused transactions, together. They are stored as one value, of which a Durable Object refuses
/// 2 MB, and travel in one receipt; beyond them only the reasons are told.
pub const REJECTION_DETAIL_BYTES: usize = 512 * 1024;

/// How often a row may have got another key since a device saw it, for the device's references to be led there.
pub const KEY_MOVES: usize = 100;

/// Deleted rows of a transaction that are compared with each inserted one, to tell key changes where somebody else edited the row.
/// The work is this times the inserted rows; beyond it only rows without such edits are told.
pub const KEY_CHANGES: usize = 100;

/// Rows of one transaction: the published bound of a local COMMIT.
pub const TRANSACTION_ROWS: usize = 100_000;

/// Sealing stops adding whole transactions above so many bytes of values, so that progress is saved in steps.
pub const SEAL_BYTES: usize = 4 * 1024 * 1024;

/// Sealing stops adding whole transactions above this many.
pub const SEAL_TRANSACTIONS: usize = 10_000;

/// Transactions that have disappeared into those of one changeset: no more than could be in it themselves, so that what a space keeps of
/// their ids is bounded as before.
pub const ABSORBED_TRANSACTIONS: usize = SEAL_TRANSACTIONS;

/// A transaction that writes more rows than this neither absorbs others nor disappears: it is no keystroke, and what sealing compares stays small.
pub const ABSORBING_ROWS: usize = 256;

/// Sealed changesets that wait for their receipt; writes beyond stay in the open log, where they coalesce.
pub const SEALED_IN_FLIGHT: usize = 4;

/// How far beyond the due number a device may stage: more than any client keeps sealed, so that honest ones never meet it.
pub const SEALED_AHEAD: usize = 256;

/// Rows of a changeset's many small transactions that are read together: enough for what gathers in a day without a network,
/// and bounded in memory. Rows beyond are read with their transactions.
pub const READ_AHEAD_ROWS: usize = 10_000;

/// Rows of one changeset: some transactions of the largest size.
pub const CHANGESET_ROWS: usize = 4 * TRANSACTION_ROWS;

/// Bytes of commits in one answer to a pull. A phone decodes and applies it in well under a second.
pub const PAGE_BYTES: usize = 1024 * 1024;

/// Bytes of commits in the answer to a hello: a device that comes for the first time shows something early, and one that was
/// away for a day is in step with it.
pub const FIRST_PAGE_BYTES: usize = 128 * 1024;

/// Bytes of history that a device is sent without asking in the answers to one message, which may hold many changesets: a page.
pub const UNASKED_BYTES: usize = PAGE_BYTES;

/// Bytes of the answers to one message; what is asked for beyond is to be asked for again. More than the answers to a hello, to
/// changesets and to a pull come to together, and little of the 128 MB that an object has for all it does.
pub const ANSWER_BYTES: usize = 4 * PAGE_BYTES;

/// Commits in one answer.
pub const PAGE_COMMITS: usize = 1_000;

/// A device asks for so many bytes of history first, then for twice as many with each answer.
pub const SLOW_START_BYTES: u32 = 256 * 1024;

/// Where an answer of some size did not come, so many of half that size come before it is tried again.
pub const PAGES_TO_GROW: u32 = 16;

/// A commit that is larger than a page travels in parts of this size.
pub const PART_BYTES: usize = 64 * 1024;

/// Bytes pushed over a socket beyond the acknowledged cursor; further commits are announced by `Head` only.
pub const PUSH_WINDOW_BYTES: usize = 256 * 1024;

/// The device confirms its cursor after so many bytes of pushes ...
pub const CONFIRM_BYTES: usize = 64 * 1024;

/// ... or after so long.
pub const CONFIRM_AFTER_MS: u64 = 2_000;

/// A changeset whose newest stamp is further ahead of the server than this is moved back as a whole.
pub const CLOCK_AHEAD_MS: u64 = 60_000;

/// First wait after a failed connection; doubled each time, with jitter.
pub const RETRY_FIRST_MS: u64 = 500;

/// Longest wait between attempts to connect.
pub const RETRY_MAX_MS: u64 = 60_000;

/// A peer that owes an answer for so long is taken for gone.
pub const ANSWER_TIMEOUT_MS: u64 = 20_000;

/// ... where shorter waits were in vain: a chunk, or a first page, at 13 kbit/s.
pub const ANSWER_TIMEOUT_MOST_MS: u64 = 4 * ANSWER_TIMEOUT_MS;

/// Transactions that a device asks about in one message after it began a new life: some 100 KiB.
pub const RECALL_TRANSACTIONS: usize = 10_000;

/// Points of a device's trail. Spaced ever wider towards the past they reach back over millions of commits.
pub const TRAIL_POINTS: usize = 24;
/// Conflicts listed by one prediction: more than a person reads before saying yes. Their number is told whole.
pub const PREDICTED_CONFLICTS: usize = 1_000;

/// Keys and lost values listed by one prediction, in bytes: it is an answer to a question, not a download.
pub const PREDICTED_BYTES: usize = 276 * 1024;

/// Sealed changesets that a plan, or a question to the user, covers at once.
pub const PLANNED_CHANGESETS: usize = 64;

/// Bytes that a device may have staged: as many of the largest changesets as one plan covers, since it is told when all of them are
/// there. What is due is taken besides.
pub const STAGED_BYTES: u64 = (PLANNED_CHANGESETS * CHANGESET_BYTES) as u64;

/// Bytes of commits that a plan reads to count them; beyond, it says how many there are.
pub const PLANNED_BYTES: usize = 8 * 1024 * 1024;

/// Rows of one page of a snapshot: read, packed and sent in well under a second of the object's time.
pub const SNAPSHOT_PAGE_ROWS: usize = 5_000;

/// A device that is further behind than this gets the rows as they are instead of what was done to them.
pub const SNAPSHOT_FROM_COMMITS: u64 = 10_000;

/// How long a snapshot may take to fetch; the commits above its beginning are kept for at least as long.
pub const SNAPSHOT_TOKEN_MS: u64 = 7 * 24 * 3_600 * 1_000;

/// Commits are kept so long for devices that have not come for them; who is silent for longer starts from a snapshot.
pub const RETENTION_MS: u64 = 90 * 24 * 3_600 * 1_000;

/// Commits pruned in one event: some hundred rows written.
pub const PRUNE_COMMITS: usize = 200;

/// Bytes of them, which are read at once: a large commit goes alone.
pub const PRUNE_BYTES: usize = 4 * PAGE_BYTES;

/// A device's cursor is written down when it has moved by so many commits ...
pub const CURSOR_EVERY_COMMITS: u64 = 1_000;

/// ... or when it was not for so long.
pub const CURSOR_EVERY_MS: u64 = 3_600 * 1_000;

/// Accepted changesets are kept on their device so long, in case the space is set back to a backup.
pub const KEPT_MS: u64 = 30 * 24 * 3_600 * 1_000;

/// What is kept grows no older than this between two welcomes, so that one wrong reading of any clock forgets next to nothing. Who is seldom there keeps it
/// for longer.
pub const KEPT_STEP_MS: u64 = 24 * 3_600 * 1_000;

/// The newest of them within so many bytes: a month of a busy person's work.
pub const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// Staged chunks of a changeset that is not decided are kept so long.
pub const STAGE_TTL_MS: u64 = 30 * 24 * 3_600 * 1_000;

/// Sides of one open conflict. More than a person can weigh; a further one takes the place of the oldest challenger, which is recorded.
pub const CONFLICT_SIDES: usize = 64;

/// Bytes of values in the sides of one open conflict: two of the largest rows. Each change tells all sides, and a commit with 64 of the
/// largest could be unpacked nowhere. More take the place of the oldest challengers, which are recorded.
pub const CONFLICT_BYTES: usize = 4 * 1024 * 1024;

/// Nesting of a JSON value in a set: more than anybody writes, and little enough for a stack of 1 MiB.
pub const JSON_DEPTH: usize = 64;

/// Additions that a set remembers apart: more devices than write to one cell between two syncs. The oldest are joined.
pub const SET_RUNS: usize = 64;

/// Commits whose changes of a text cell the space remembers, for devices that write on an older text.
pub const TEXT_HISTORY_COMMITS: usize = 128;

/// Bytes of what those changes took away or brought, so that a row's record stays small.
pub const TEXT_HISTORY_BYTES: usize = 8 * 1024;

/// Bytes of text that a merge goes through: all remembered versions of one cell together.
pub const TEXT_MERGE_BYTES: usize = 4 * 1024 * 1024;

/// Of an author's newest waiting writes to a text, so many are tried to be left out of its view: they may have been blocked there. Each run of them
/// costs a merge.
pub const TEXT_BLOCKED_WRITES: usize = 8;

/// Words by which two versions of a text may differ and still be compared word by word; beyond, the whole stretch counts as rewritten.
pub const TEXT_DIFFERENCES: usize = 200;

/// Words over which a stretch of a text is moved to lie better.
pub const TEXT_SLIDE: usize = 200;
