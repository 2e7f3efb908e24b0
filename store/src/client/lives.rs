//! What a new life of a database inherits: waiting transactions, open again, with the life that captured them; and those of a time
//! before there was a space.
//! It rewrites records and leaves rows alone; when a life ends is the session's business.
//! Called by the client store only.

use super::{execute, packed};
use crate::sql::SqlError;
use crate::sqlite::sql_error;
use ebbtide_core::change::LoggedTransaction;
use ebbtide_core::client::store::Inherited;
use ebbtide_core::clock::Stamp;
use ebbtide_core::ids::{DeviceSeq, Incarnation, LogId, Opening, Seq};
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

const INHERITED: &str = "SELECT origin, opening, stamp, id FROM _ebb_log WHERE origin IS NOT NULL
    ORDER BY origin, opening, stamp";

const PREPEND: &str =
    "INSERT INTO _ebb_log (id, stamp, opening, seq, device_seq, schema, changes, origin, absorbed, revived)
    VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, 1)";

/// Fresh as the opening's seed is, and another one for each life that ends in it. The hash keeps the seed secret.
pub(super) fn mint(seed: [u8; 16], last: Incarnation) -> Incarnation {
    let digest = Sha256::new().chain_update(b"incarnation").chain_update(seed).chain_update(last.0).finalize();
    let mut minted = [0; 16];
    minted.copy_from_slice(&digest[..16]);
    Incarnation(minted)
}

/// The tag of one run of a database.
pub(crate) fn opening(seed: [u8; 16]) -> Opening {
    let digest = Sha256::new().chain_update(b"opening").chain_update(seed).finalize();
    Opening(u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]))
}

pub(super) fn reopen_log(connection: &Connection, origin: Incarnation) -> Result<(), SqlError> {
    execute(connection, "UPDATE _ebb_log SET origin = ? WHERE origin IS NULL", [&origin.0[..]])?;
    execute(connection, "DELETE FROM _ebb_changeset_bytes", [])?;
    execute(connection, "DELETE FROM _ebb_changeset", [])?;
    Ok(())
}

pub(super) fn reopen_changeset(
    connection: &Connection,
    device_seq: DeviceSeq,
    life: Incarnation,
) -> Result<(), SqlError> {
    let origin = "UPDATE _ebb_log SET origin = ?2 WHERE origin IS NULL
        AND id BETWEEN (SELECT log_from FROM _ebb_changeset WHERE device_seq = ?1)
        AND (SELECT log_upto FROM _ebb_changeset WHERE device_seq = ?1)";
    execute(connection, origin, params![device_seq.0 as i64, &life.0[..]])?;
    unseal(connection, device_seq)
}

pub(super) fn reopen_apart(connection: &Connection, device_seq: DeviceSeq) -> Result<(), SqlError> {
    let apart = "UPDATE _ebb_log SET apart = 1 WHERE id BETWEEN
        (SELECT log_from FROM _ebb_changeset WHERE device_seq = ?1)
        AND (SELECT log_upto FROM _ebb_changeset WHERE device_seq = ?1)";
    execute(connection, apart, [device_seq.0 as i64])?;
    unseal(connection, device_seq)
}

fn unseal(connection: &Connection, device_seq: DeviceSeq) -> Result<(), SqlError> {
    let number = device_seq.0 as i64;
    execute(connection, "DELETE FROM _ebb_changeset_bytes WHERE device_seq = ?", [number])?;
    execute(connection, "DELETE FROM _ebb_changeset WHERE device_seq = ?", [number])?;
    Ok(())
}

pub(super) fn inherited(connection: &Connection) -> Result<Vec<Inherited>, SqlError> {
    let one = |row: &rusqlite::Row<'_>| {
        let (opening, stamp) = (Opening(row.get(1)?), Stamp(row.get::<_, i64>(2)? as u64));
        Ok(Inherited { origin: Incarnation(row.get(0)?), opening, stamp, id: LogId(row.get(3)?) })
    };
    let read = || -> rusqlite::Result<Vec<_>> { connection.prepare_cached(INHERITED)?.query_map([], one)?.collect() };
    read().map_err(|error| sql_error(&error, INHERITED))
}

/// Ids of what waits move up by two steps, since they may not meet on the way; blocked transactions are found again later.
const MAKE_ROOM: [&str; 7] = [
    "DELETE FROM _ebb_blocked",
    "UPDATE _ebb_log_part SET log = -log",
    "UPDATE _ebb_resolution SET log = -log",
    "UPDATE _ebb_log SET id = -id",
    "UPDATE _ebb_log_part SET log = ?1 - log",
    "UPDATE _ebb_resolution SET log = ?1 - log",
    "UPDATE _ebb_log SET id = ?1 - id",
];

pub(super) fn prepend_log(connection: &Connection, transactions: &[LoggedTransaction]) -> Result<(), SqlError> {
    for sql in MAKE_ROOM {
        let room = transactions.len() as i64;
        if sql.contains('?') {
            execute(connection, sql, [room])?
        } else {
            execute(connection, sql, [])?
        };
    }
    for (place, transaction) in transactions.iter().enumerate() {
        let mut changes = Vec::new();
        for change in &transaction.changes {
            changes.extend(packed(change, PREPEND)?);
        }
        let (stamp, seq) = (transaction.stamp.0 as i64, transaction.base.seq.0 as i64);
        let origin = transaction.origin.as_ref().map(|origin| &origin.0[..]);
        let opening = transaction.opening.0;
        let absorbed = match transaction.absorbed.as_slice() {
            [] => None,
            absorbed => Some(packed(&absorbed, PREPEND)?),
        };
        let row =
            params![place as i64 + 1, stamp, opening, seq, transaction.schema.0 as i64, changes, origin, absorbed];
        execute(connection, PREPEND, row)?;
    }
    Ok(())
}

/// A conflict that was opened above the fork is another one in the other history, or none.
const CLAMP: [&str; 3] = [
    "UPDATE _ebb_log SET lowered = min(ifnull(lowered, seq), seq, ?1), seq = min(seq, ?1)",
    "DELETE FROM _ebb_resolution WHERE seq > ?1",
    "UPDATE _ebb_resolution SET seen = ?1 WHERE seen > ?1",
];

pub(super) fn clamp_bases(connection: &Connection, fork: Seq) -> Result<(), SqlError> {
    for sql in CLAMP {
        execute(connection, sql, [fork.0 as i64])?;
    }
    Ok(())
}

pub(super) fn local(connection: &Connection) -> Result<Vec<LogId>, SqlError> {
    let sql = "SELECT id FROM _ebb_log WHERE local ORDER BY id";
    let read = || -> rusqlite::Result<Vec<_>> {
        connection.prepare_cached(sql)?.query_map([], |row| row.get(0).map(LogId))?.collect()
    };
    read().map_err(|error| sql_error(&error, sql))
}

pub(super) fn adopt_local(connection: &Connection) -> Result<(), SqlError> {
    execute(connection, "UPDATE _ebb_log SET local = 0 WHERE local", []).map(drop)
}

pub(crate) fn drop_transactions(connection: &Connection, transactions: &[LogId]) -> Result<(), SqlError> {
    for LogId(id) in transactions {
        execute(connection, "DELETE FROM _ebb_blocked WHERE log = ?", [id])?;
        execute(connection, "DELETE FROM _ebb_resolution WHERE log = ?", [id])?;
        execute(connection, "DELETE FROM _ebb_log_part WHERE log = ?", [id])?;
        execute(connection, "DELETE FROM _ebb_log WHERE id = ?", [id])?;
    }
    Ok(())
}
