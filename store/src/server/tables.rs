//! The store's own tables. Numbers in them stay below 2^53; clock readings do not, and are packed in blobs.
//! `space` creates them when an object opens.

/// Statements that create what is missing.
pub(super) const CREATE: [&str; 11] = [
    // Short numbers of synced tables that no migration changes, unlike their positions in the catalogue.
    "CREATE TABLE IF NOT EXISTS _ebb_table (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT",
    // Commits name the catalogue of their schema version, so each version's is kept.
    "CREATE TABLE IF NOT EXISTS _ebb_catalogue (version INTEGER PRIMARY KEY, catalogue BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS _ebb_author (id INTEGER PRIMARY KEY, incarnation BLOB NOT NULL UNIQUE, user TEXT NOT NULL,
     expected INTEGER NOT NULL, applied_receipt INTEGER NOT NULL, retired INTEGER NOT NULL, registered_at INTEGER NOT NULL,
     cursor INTEGER NOT NULL, seen_at INTEGER NOT NULL) STRICT",
    // One record per row of the app, tombstones included. The key is text or packed bytes.
    "CREATE TABLE IF NOT EXISTS _ebb_row (tbl INTEGER NOT NULL, key ANY NOT NULL, marks BLOB NOT NULL,
     PRIMARY KEY (tbl, key)) STRICT, WITHOUT ROWID",
    // The log. `body` is the first part; larger commits go on in _ebb_commit_part.
    "CREATE TABLE IF NOT EXISTS _ebb_commit (seq INTEGER PRIMARY KEY, chain BLOB NOT NULL, author INTEGER NOT NULL,
     device_seq INTEGER NOT NULL, as_sent INTEGER NOT NULL, decided_at INTEGER NOT NULL, size INTEGER NOT NULL,
     body BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS _ebb_commit_part (seq INTEGER NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL,
     PRIMARY KEY (seq, part)) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS _ebb_decided (author INTEGER NOT NULL, device_seq INTEGER NOT NULL, hash BLOB NOT NULL,
     seq INTEGER, receipt BLOB NOT NULL, rejected BLOB, origin BLOB, ids BLOB, PRIMARY KEY (author, device_seq)) STRICT,
     WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS _ebb_stage (author INTEGER NOT NULL, device_seq INTEGER NOT NULL, hash BLOB NOT NULL,
     total_bytes INTEGER NOT NULL, count INTEGER NOT NULL, next_chunk INTEGER NOT NULL, prepared INTEGER NOT NULL,
     touched_at INTEGER NOT NULL, PRIMARY KEY (author, device_seq)) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS _ebb_chunk (author INTEGER NOT NULL, device_seq INTEGER NOT NULL, chunk INTEGER NOT NULL,
     body BLOB NOT NULL, PRIMARY KEY (author, device_seq, chunk)) STRICT, WITHOUT ROWID",
    // Conflicts that wait for a person; each part of a large one names the row.
    "CREATE TABLE IF NOT EXISTS _ebb_conflict (seq INTEGER NOT NULL, idx INTEGER NOT NULL, part INTEGER NOT NULL,
     tbl INTEGER NOT NULL, key ANY NOT NULL, schema INTEGER NOT NULL, body BLOB NOT NULL,
     PRIMARY KEY (seq, idx, part)) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS _ebb_ticket (ticket BLOB PRIMARY KEY, holder TEXT NOT NULL, expires_at INTEGER NOT NULL)
     STRICT, WITHOUT ROWID",
];

/// Only receipts with refused transactions are here, so that forgetting them reads nothing else.
pub(super) const CREATE_INDEX: &str =
    "CREATE INDEX IF NOT EXISTS _ebb_decided_rejected ON _ebb_decided (author, device_seq) WHERE rejected IS NOT NULL";

/// Only what was sent a second time has an origin, so that looking for it reads nothing else.
pub(super) const CREATE_ORIGIN_INDEX: &str =
    "CREATE INDEX IF NOT EXISTS _ebb_decided_origin ON _ebb_decided (origin) WHERE origin IS NOT NULL";

/// Conflicts are looked for by the row whose cells they are of.
pub(super) const CREATE_CONFLICT_INDEX: &str =
    "CREATE INDEX IF NOT EXISTS _ebb_conflict_row ON _ebb_conflict (tbl, key)";

/// The fact that holds the version of the space's schema.
pub(super) const PRESENT: &str = "schema";

/// One-row facts: the name of the space, its schema's version, how far the outbox is acknowledged.
pub(super) const CREATE_FACTS: &str =
    "CREATE TABLE IF NOT EXISTS _ebb_fact (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID";
