//! What migrations made ahead of the space, in the log: released, with or without its changes of some rows.
//! It rewrites records and leaves rows alone; which side of a migration a row is on is the session's finding.
//! Called by the client store only.

use super::{execute, lives, packed};
use crate::local::log::decode;
use crate::sql::SqlError;
use crate::sqlite::sql_error;
use ebbtide_core::change::{LoggedTransaction, RowId};
use ebbtide_core::ids::{LogId, Seq};
use rusqlite::{Connection, params};

const PARTS: &str = "SELECT part, changes FROM _ebb_log_part WHERE log = ?1
    UNION ALL SELECT 0, changes FROM _ebb_log WHERE id = ?1";
const REPLACE: [&str; 2] = [
    "UPDATE _ebb_log_part SET changes = ?3 WHERE log = ?1 AND part = ?2",
    "UPDATE _ebb_log SET changes = ?3 WHERE id = ?1 AND ?2 = 0",
];

pub(super) fn release(connection: &Connection, made: &[LoggedTransaction], without: &[RowId]) -> Result<(), SqlError> {
    for LoggedTransaction { id, changes, .. } in made {
        let left_out = changes.iter().filter(|change| without.contains(&change.row)).count();
        match left_out {
            0 => {}
            all if all == changes.len() => lives::drop_transactions(connection, &[*id])?,
            _ => leave_out(connection, *id, without)?,
        }
    }
    execute(connection, "UPDATE _ebb_log SET ahead = 0 WHERE ahead", []).map(drop)
}

fn leave_out(connection: &Connection, LogId(id): LogId, without: &[RowId]) -> Result<(), SqlError> {
    let read = || -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
        connection.prepare_cached(PARTS)?.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    for (part, bytes) in read().map_err(|error| sql_error(&error, PARTS))? {
        let mut left = Vec::new();
        for change in decode(&bytes).map_err(|error| sql_error(&error, PARTS))? {
            if !without.contains(&change.row) {
                left.extend(packed(&change, PARTS)?);
            }
        }
        for sql in REPLACE {
            execute(connection, sql, params![id, part, left])?;
        }
    }
    Ok(())
}

pub(super) fn lower_bases(connection: &Connection, transactions: &[LogId], seq: Seq) -> Result<(), SqlError> {
    for LogId(id) in transactions {
        let sql = "UPDATE _ebb_log SET lowered = min(ifnull(lowered, ?2), ?2) WHERE id = ?1";
        execute(connection, sql, params![id, seq.0 as i64])?;
    }
    Ok(())
}
