//! The engine's own tables in a device's database.
//! DDL only; their rows are written by the log and by the client store.
//! Run when a database is opened.

/// Each is created once; a later version appends statements, it does not edit these.
pub(super) const CREATE: &str = "
-- This life of the database, one row. space: the one that welcomed it, by its app's name for it.
CREATE TABLE IF NOT EXISTS _ebb_device (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  incarnation BLOB NOT NULL, previous BLOB, author INTEGER,
  seq INTEGER NOT NULL, chain BLOB NOT NULL, view BLOB NOT NULL,
  next_device_seq INTEGER NOT NULL, decided_device_seq INTEGER, decided_hash BLOB,
  applied_receipt INTEGER NOT NULL, clock INTEGER NOT NULL, recovering INTEGER NOT NULL, rebuild BLOB,
  trail BLOB NOT NULL, space_schema INTEGER NOT NULL, heard_at INTEGER NOT NULL,
  told_at INTEGER NOT NULL, space TEXT, left_out INTEGER);
-- Local transactions that wait, with the life that captured them where they may have been sent before, and the run of the database; changes are postcard, further parts of large ones are in
-- _ebb_log_part. local: made before the database or its table was kept in step, and not yet decided about. absorbed: stamps of those that a
-- transaction of a lost history stands for. apart: the space takes it only by itself. ahead: a migration made it of rows that were on their way, and the space
-- may run that on them as well. lowered: fields that hide what is pulled had seen no more than this commit. revived: it was sent before, and its fields say
-- what travelled under the rules of its schema.
CREATE TABLE IF NOT EXISTS _ebb_log (
  id INTEGER PRIMARY KEY, stamp INTEGER NOT NULL, seq INTEGER NOT NULL, device_seq INTEGER NOT NULL,
  schema INTEGER NOT NULL, changes BLOB NOT NULL, opening INTEGER NOT NULL, origin BLOB, local INTEGER NOT NULL DEFAULT 0,
  absorbed BLOB, apart INTEGER NOT NULL DEFAULT 0, ahead INTEGER NOT NULL DEFAULT 0,
  revived INTEGER NOT NULL DEFAULT 0, lowered INTEGER);
CREATE INDEX IF NOT EXISTS _ebb_log_seq ON _ebb_log (seq);
CREATE INDEX IF NOT EXISTS _ebb_log_local ON _ebb_log (id) WHERE local;
CREATE INDEX IF NOT EXISTS _ebb_log_ahead ON _ebb_log (id) WHERE ahead;
CREATE TABLE IF NOT EXISTS _ebb_log_part (
  log INTEGER NOT NULL, part INTEGER NOT NULL, changes BLOB NOT NULL, PRIMARY KEY (log, part)) WITHOUT ROWID;
-- The catalogue of each schema version that was open here or that the space told of: changes name tables and columns by position.
CREATE TABLE IF NOT EXISTS _ebb_catalogue (version INTEGER PRIMARY KEY, catalogue BLOB NOT NULL);
-- Under which version the database was open last.
CREATE TABLE IF NOT EXISTS _ebb_opened (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL);
-- Under which versions it was ever open; of the others the space told.
CREATE TABLE IF NOT EXISTS _ebb_had (version INTEGER PRIMARY KEY);
-- Transactions that are out of the view because they collide with what the space decided.
CREATE TABLE IF NOT EXISTS _ebb_blocked (log INTEGER PRIMARY KEY);
-- Sealed changesets that wait, each with its range of the log; what is above all ranges is unsealed. progress: 0 sealed, 1 staging, 2 staged, 3 prepared, 4 committed.
CREATE TABLE IF NOT EXISTS _ebb_changeset (
  device_seq INTEGER PRIMARY KEY, hash BLOB NOT NULL, transactions INTEGER NOT NULL, log_from INTEGER NOT NULL,
  log_upto INTEGER NOT NULL, progress INTEGER NOT NULL, next_chunk INTEGER NOT NULL, receipt BLOB, total_bytes INTEGER NOT NULL,
  schema INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS _ebb_changeset_bytes (device_seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
-- The server's version of rows that local changes hide; no fields means that it has no such row.
CREATE TABLE IF NOT EXISTS _ebb_server_row (
  tbl INTEGER NOT NULL, key BLOB NOT NULL, fields BLOB, PRIMARY KEY (tbl, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _ebb_rejected (
  id INTEGER PRIMARY KEY AUTOINCREMENT, stamp INTEGER NOT NULL, device_seq INTEGER NOT NULL, reason BLOB NOT NULL, detail TEXT NOT NULL,
  schema INTEGER NOT NULL, changes BLOB NOT NULL, resolutions BLOB NOT NULL);
-- What met unseen and was decided by a rule.
CREATE TABLE IF NOT EXISTS _ebb_conflict (
  id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, schema INTEGER NOT NULL, tbl INTEGER NOT NULL, key BLOB NOT NULL,
  conflict BLOB NOT NULL, era INTEGER NOT NULL DEFAULT 0);
-- Conflicts that wait for a person, as the space has them.
CREATE TABLE IF NOT EXISTS _ebb_queue (
  seq INTEGER NOT NULL, idx INTEGER NOT NULL, schema INTEGER NOT NULL, conflict BLOB NOT NULL,
  PRIMARY KEY (seq, idx)) WITHOUT ROWID;
-- Waiting transactions that resolve open conflicts: the state that was seen, and the side that was chosen.
CREATE TABLE IF NOT EXISTS _ebb_resolution (
  log INTEGER NOT NULL, seq INTEGER NOT NULL, idx INTEGER NOT NULL, seen INTEGER NOT NULL, side INTEGER,
  PRIMARY KEY (log, seq, idx)) WITHOUT ROWID;
-- Devices and users behind the short names in conflicts. A space that was set back gives these names again: era 0 is its present history, 1 the one before.
CREATE TABLE IF NOT EXISTS _ebb_author (
  era INTEGER NOT NULL DEFAULT 0, id INTEGER NOT NULL, device BLOB NOT NULL, user TEXT NOT NULL, PRIMARY KEY (era, id)) WITHOUT ROWID;
-- Accepted changesets, kept in case the space is set back.
CREATE TABLE IF NOT EXISTS _ebb_kept (
  id INTEGER PRIMARY KEY AUTOINCREMENT, life BLOB NOT NULL, device_seq INTEGER NOT NULL, kept_at INTEGER NOT NULL,
  refused BLOB NOT NULL, bytes BLOB NOT NULL);
-- A snapshot on its way in: how far it has come, and its pieces in the order in which they came.
CREATE TABLE IF NOT EXISTS _ebb_snapshot (id INTEGER PRIMARY KEY CHECK (id = 1), state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS _ebb_snapshot_part (id INTEGER PRIMARY KEY, part BLOB NOT NULL);
-- Cells of newer schema versions, by the names that stay the same; an empty column says that the row was made there.
CREATE TABLE IF NOT EXISTS _ebb_unknown (
  tbl TEXT NOT NULL, key BLOB NOT NULL, col TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (tbl, key, col)) WITHOUT ROWID;
-- Pieces of one commit that is too large for a message.
CREATE TABLE IF NOT EXISTS _ebb_part (
  seq INTEGER NOT NULL, part INTEGER NOT NULL, count INTEGER NOT NULL, chain BLOB NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY (seq, part));
";
