//! Sealed changesets that wait, and the part of the log that each one holds.
//! Bytes stand in a table of their own, so that noting progress does not write them again.
//! Called by the client store only.

use super::{execute, packed};
use crate::local::log::damaged;
use crate::sql::SqlError;
use crate::sqlite::sql_error;
use ebbtide_core::change::Sealed;
use ebbtide_core::client::store::{Progress, SealedEntry};
use ebbtide_core::commit::Receipt;
use ebbtide_core::ids::{DeviceSeq, Hash, LogId, SchemaVersion};
use rusqlite::{Connection, Row, params};

const PUT: &str = "INSERT INTO _ebb_changeset
    (device_seq, hash, transactions, log_from, log_upto, total_bytes, schema, progress, next_chunk)
    VALUES (?1, ?2, ?3, 1 + max(ifnull((SELECT max(log_upto) FROM _ebb_changeset), 0),
      ifnull((SELECT min(id) FROM _ebb_log) - 1, 0)), ?4, ?5, ?6, 0, 0)";
const PUT_BYTES: &str = "INSERT INTO _ebb_changeset_bytes (device_seq, bytes) VALUES (?, ?)";
const ALL: &str = "SELECT device_seq, hash, total_bytes, transactions, progress, next_chunk, receipt, schema
    FROM _ebb_changeset ORDER BY device_seq";
const BYTES: &str = "SELECT bytes FROM _ebb_changeset_bytes WHERE device_seq = ?";
const PROGRESS: &str = "UPDATE _ebb_changeset SET progress = ?2, next_chunk = ?3 WHERE device_seq = ?1";
const RECEIPT: &str = "UPDATE _ebb_changeset SET progress = 4, receipt = ?2 WHERE device_seq = ?1";

/// Statements that take a changeset and all that belongs to it away, each by its number.
const DROP: [&str; 6] = [
    "DELETE FROM _ebb_blocked WHERE log BETWEEN (SELECT log_from FROM _ebb_changeset WHERE device_seq = ?1)
     AND (SELECT log_upto FROM _ebb_changeset WHERE device_seq = ?1)",
    "DELETE FROM _ebb_resolution WHERE log BETWEEN (SELECT log_from FROM _ebb_changeset WHERE device_seq = ?1)
     AND (SELECT log_upto FROM _ebb_changeset WHERE device_seq = ?1)",
    "DELETE FROM _ebb_log_part WHERE log BETWEEN (SELECT log_from FROM _ebb_changeset WHERE device_seq = ?1)
     AND (SELECT log_upto FROM _ebb_changeset WHERE device_seq = ?1)",
    "DELETE FROM _ebb_log WHERE id BETWEEN (SELECT log_from FROM _ebb_changeset WHERE device_seq = ?1)
     AND (SELECT log_upto FROM _ebb_changeset WHERE device_seq = ?1)",
    "DELETE FROM _ebb_changeset_bytes WHERE device_seq = ?1",
    "DELETE FROM _ebb_changeset WHERE device_seq = ?1",
];

pub(super) fn put(
    connection: &Connection,
    sealed: &Sealed,
    transactions: u32,
    upto: LogId,
    schema: SchemaVersion,
) -> Result<(), SqlError> {
    let number = sealed.device_seq.0 as i64;
    let length = sealed.bytes.len() as i64;
    execute(connection, PUT, params![number, &sealed.hash.0[..], transactions, upto.0, length, schema.0 as i64])?;
    execute(connection, PUT_BYTES, params![number, sealed.bytes])?;
    Ok(())
}

pub(super) fn all(connection: &Connection) -> Result<Vec<SealedEntry>, SqlError> {
    let read = || -> rusqlite::Result<Vec<_>> { connection.prepare_cached(ALL)?.query_map([], entry)?.collect() };
    read().map_err(|error| sql_error(&error, ALL))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<SealedEntry> {
    let receipt = match row.get_ref(6)?.as_blob_or_null()? {
        Some(bytes) => Some(postcard::from_bytes(bytes).map_err(damaged)?),
        None => None,
    };
    Ok(SealedEntry {
        device_seq: DeviceSeq(row.get::<_, i64>(0)? as u64),
        hash: Hash(row.get(1)?),
        total_bytes: row.get::<_, i64>(2)? as usize,
        transactions: row.get(3)?,
        schema: SchemaVersion(row.get::<_, i64>(7)? as u64),
        progress: match row.get::<_, i64>(4)? {
            0 => Progress::Sealed,
            1 => Progress::Staging { next_chunk: row.get(5)? },
            2 => Progress::Staged,
            3 => Progress::Prepared,
            _ => Progress::Committed,
        },
        receipt,
    })
}

pub(super) fn bytes(connection: &Connection, device_seq: DeviceSeq) -> Result<Vec<u8>, SqlError> {
    let read = || connection.prepare_cached(BYTES)?.query_row([device_seq.0 as i64], |row| row.get(0));
    read().map_err(|error| sql_error(&error, BYTES))
}

pub(super) fn set_progress(connection: &Connection, device_seq: DeviceSeq, progress: Progress) -> Result<(), SqlError> {
    let (state, next_chunk) = match progress {
        Progress::Sealed => (0, 0),
        Progress::Staging { next_chunk } => (1, next_chunk),
        Progress::Staged => (2, 0),
        Progress::Prepared => (3, 0),
        Progress::Committed => (4, 0),
    };
    execute(connection, PROGRESS, params![device_seq.0 as i64, state, next_chunk]).map(drop_count)
}

pub(super) fn put_receipt(connection: &Connection, receipt: &Receipt) -> Result<(), SqlError> {
    let bytes = packed(receipt, RECEIPT)?;
    execute(connection, RECEIPT, params![receipt.device_seq.0 as i64, bytes]).map(drop_count)
}

/// Answers the last id that the log has left.
pub(super) fn drop(connection: &Connection, device_seq: DeviceSeq) -> Result<LogId, SqlError> {
    for sql in DROP {
        execute(connection, sql, [device_seq.0 as i64])?;
    }
    let sql = "SELECT ifnull(max(id), 0) FROM _ebb_log";
    let last = || connection.prepare_cached(sql)?.query_row([], |row| row.get(0).map(LogId));
    last().map_err(|error| sql_error(&error, sql))
}

fn drop_count(_rows: usize) {}
