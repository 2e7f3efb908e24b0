//! What a new life of a database inherits: waiting transactions, open again, with the life that captured them.
//! It rewrites records and leaves rows alone; when a life ends is the session's business.
//! Called by the client store only.

use super::execute;
use crate::sql::SqlError;
use crate::sqlite::sql_error;
use ebbtide_core::client::store::Inherited;
use ebbtide_core::clock::Stamp;
use ebbtide_core::ids::{Incarnation, LogId, Seq};
use rusqlite::Connection;
use sha2::{Digest, Sha256};

const INHERITED: &str = "SELECT origin, stamp, id FROM _ebb_log WHERE origin IS NOT NULL ORDER BY origin, stamp";

/// Fresh as the opening's seed is, and another one for each life that ends in it. The hash keeps the seed secret.
pub(super) fn mint(seed: [u8; 16], last: Incarnation) -> Incarnation {
    let digest = Sha256::new().chain_update(b"incarnation").chain_update(seed).chain_update(last.0).finalize();
    let mut minted = [0; 16];
    minted.copy_from_slice(&digest[..16]);
    Incarnation(minted)
}

pub(super) fn reopen_log(connection: &Connection, origin: Incarnation) -> Result<(), SqlError> {
    execute(connection, "UPDATE _ebb_log SET origin = ? WHERE origin IS NULL", [&origin.0[..]])?;
    execute(connection, "DELETE FROM _ebb_changeset_bytes", [])?;
    execute(connection, "DELETE FROM _ebb_changeset", [])?;
    Ok(())
}

pub(super) fn inherited(connection: &Connection) -> Result<Vec<Inherited>, SqlError> {
    let one = |row: &rusqlite::Row<'_>| {
        let stamp = Stamp(row.get::<_, i64>(1)? as u64);
        Ok(Inherited { origin: Incarnation(row.get(0)?), stamp, id: LogId(row.get(2)?) })
    };
    let read = || -> rusqlite::Result<Vec<_>> { connection.prepare_cached(INHERITED)?.query_map([], one)?.collect() };
    read().map_err(|error| sql_error(&error, INHERITED))
}

pub(super) fn clamp_bases(connection: &Connection, fork: Seq) -> Result<(), SqlError> {
    execute(connection, "UPDATE _ebb_log SET seq = ?1 WHERE seq > ?1", [fork.0 as i64]).map(drop)
}

pub(super) fn drop_transactions(connection: &Connection, transactions: &[LogId]) -> Result<(), SqlError> {
    for LogId(id) in transactions {
        execute(connection, "DELETE FROM _ebb_blocked WHERE log = ?", [id])?;
        execute(connection, "DELETE FROM _ebb_resolution WHERE log = ?", [id])?;
        execute(connection, "DELETE FROM _ebb_log_part WHERE log = ?", [id])?;
        execute(connection, "DELETE FROM _ebb_log WHERE id = ?", [id])?;
    }
    Ok(())
}
