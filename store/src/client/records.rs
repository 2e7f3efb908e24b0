//! The session's smaller records: rejected transactions, conflicts, server rows, blocked transactions, pieces of commits.
//! Each is packed by postcard under the schema version whose positions it names.
//! Called by the client store only.

use super::{execute, packed};
use crate::local::log::damaged;
use crate::sql::SqlError;
use crate::sqlite::sql_error;
use ebbtide_core::change::RowId;
use ebbtide_core::client::store::{RejectedTransaction, ServerRow};
use ebbtide_core::conflict::Conflict;
use ebbtide_core::ids::{ChainHash, LogId, SchemaVersion, Seq, TableId};
use ebbtide_core::message::{HeldParts, Part};
use rusqlite::{Connection, OptionalExtension, params};

const PUT_REJECTED: &str = "INSERT INTO _ebb_rejected (stamp, device_seq, reason, detail, schema, changes, resolutions)
    VALUES (?, ?, ?, ?, ?, ?, ?)";
const PUT_CONFLICT: &str = "INSERT INTO _ebb_conflict (seq, schema, tbl, key, conflict) VALUES (?, ?, ?, ?, ?)";
const SERVER_ROW: &str = "SELECT fields FROM _ebb_server_row WHERE tbl = ? AND key = ?";
const PUT_SERVER_ROW: &str = "INSERT INTO _ebb_server_row (tbl, key, fields) VALUES (?1, ?2, ?3)
    ON CONFLICT (tbl, key) DO UPDATE SET fields = ?3";
const DROP_SERVER_ROW: &str = "DELETE FROM _ebb_server_row WHERE tbl = ? AND key = ?";
const DROP_OTHER_PARTS: &str = "DELETE FROM _ebb_part WHERE seq <> ?1 OR count <> ?2 OR chain <> ?3";
const PUT_PART: &str = "INSERT OR REPLACE INTO _ebb_part (seq, part, count, chain, bytes) VALUES (?, ?, ?, ?, ?)";

pub(crate) fn put_rejected(
    connection: &Connection,
    rejected: &RejectedTransaction,
    schema: SchemaVersion,
) -> Result<(), SqlError> {
    let reason = packed(&rejected.reason, PUT_REJECTED)?;
    let changes = packed(&rejected.changes, PUT_REJECTED)?;
    let (stamp, device_seq) = (rejected.stamp.0 as i64, rejected.device_seq.0 as i64);
    let resolutions = packed(&rejected.resolutions, PUT_REJECTED)?;
    let row = params![stamp, device_seq, reason, rejected.detail, schema.0 as i64, changes, resolutions];
    execute(connection, PUT_REJECTED, row)?;
    Ok(())
}

pub(super) fn put_conflicts(
    connection: &Connection,
    seq: Seq,
    conflicts: &[Conflict],
    schema: SchemaVersion,
) -> Result<(), SqlError> {
    for conflict in conflicts {
        let key = packed(&conflict.row.key, PUT_CONFLICT)?;
        let bytes = packed(conflict, PUT_CONFLICT)?;
        execute(connection, PUT_CONFLICT, params![seq.0 as i64, schema.0 as i64, conflict.row.table.0, key, bytes])?;
    }
    Ok(())
}

pub(super) fn keeps_server_rows(connection: &Connection) -> Result<bool, SqlError> {
    let sql = "SELECT 1 FROM _ebb_server_row LIMIT 1";
    let read = || connection.prepare_cached(sql)?.exists([]);
    read().map_err(|error| sql_error(&error, sql))
}

pub(super) fn kept_rows(connection: &Connection) -> Result<Vec<RowId>, SqlError> {
    let sql = "SELECT tbl, key FROM _ebb_server_row ORDER BY tbl, key";
    let row = |row: &rusqlite::Row<'_>| {
        let key = postcard::from_bytes(row.get_ref(1)?.as_blob()?).map_err(damaged)?;
        Ok(RowId { table: TableId(row.get(0)?), key })
    };
    let read = || -> rusqlite::Result<Vec<RowId>> { connection.prepare_cached(sql)?.query_map([], row)?.collect() };
    read().map_err(|error| sql_error(&error, sql))
}

pub(super) fn server_row(connection: &Connection, row: &RowId) -> Result<ServerRow, SqlError> {
    let key = packed(&row.key, SERVER_ROW)?;
    let read = || {
        connection
            .prepare_cached(SERVER_ROW)?
            .query_row(params![row.table.0, key], |row| {
                let bytes = row.get_ref(0)?.as_blob_or_null()?;
                bytes.map(|bytes| postcard::from_bytes(bytes).map_err(damaged)).transpose()
            })
            .optional()
    };
    let kept = read().map_err(|error| sql_error(&error, SERVER_ROW))?;
    Ok(kept.map_or(ServerRow::Derived, ServerRow::Kept))
}

pub(super) fn set_server_row(connection: &Connection, row: &RowId, server: &ServerRow) -> Result<(), SqlError> {
    let key = packed(&row.key, PUT_SERVER_ROW)?;
    match server {
        ServerRow::Derived => execute(connection, DROP_SERVER_ROW, params![row.table.0, key])?,
        ServerRow::Kept(values) => {
            let fields = values.as_ref().map(|values| packed(values, PUT_SERVER_ROW)).transpose()?;
            execute(connection, PUT_SERVER_ROW, params![row.table.0, key, fields])?
        }
    };
    Ok(())
}

pub(super) fn set_blocked(connection: &Connection, transactions: &[LogId]) -> Result<(), SqlError> {
    execute(connection, "DELETE FROM _ebb_blocked", [])?;
    for id in transactions {
        execute(connection, "INSERT OR IGNORE INTO _ebb_blocked (log) VALUES (?)", [id.0])?;
    }
    Ok(())
}

pub(super) fn put_part(connection: &Connection, part: &Part) -> Result<(), SqlError> {
    let seq = part.seq.0 as i64;
    execute(connection, DROP_OTHER_PARTS, params![seq, part.count, part.chain.0])?;
    execute(connection, PUT_PART, params![seq, part.index, part.count, part.chain.0, part.bytes])?;
    Ok(())
}

pub(super) fn held_parts(connection: &Connection) -> Result<Option<HeldParts>, SqlError> {
    let sql =
        "SELECT seq, chain, count, count(*) FROM _ebb_part GROUP BY seq, chain, count HAVING max(part) < count(*)";
    let held = |row: &rusqlite::Row<'_>| {
        let (seq, chain) = (Seq(row.get::<_, i64>(0)? as u64), ChainHash(row.get(1)?));
        Ok(HeldParts { seq, chain, count: row.get(2)?, next: row.get(3)? })
    };
    let read = || connection.prepare_cached(sql)?.query_row([], held).optional();
    read().map_err(|error| sql_error(&error, sql))
}

pub(super) fn take_parts(connection: &Connection, seq: Seq, count: u32) -> Result<Option<Vec<u8>>, SqlError> {
    let whole = "SELECT count(*) = ?2 FROM _ebb_part WHERE seq = ?1 AND count = ?2 AND part < count";
    let sql = "SELECT bytes FROM _ebb_part WHERE seq = ? AND count = ? AND part < count ORDER BY part";
    let read = || -> rusqlite::Result<Option<Vec<u8>>> {
        if !connection.prepare_cached(whole)?.query_row(params![seq.0 as i64, count], |row| row.get(0))? {
            return Ok(None);
        }
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![seq.0 as i64, count])?;
        let mut bytes = Vec::new();
        while let Some(row) = rows.next()? {
            bytes.extend_from_slice(row.get_ref(0)?.as_blob()?);
        }
        Ok(Some(bytes))
    };
    let bytes = read().map_err(|error| sql_error(&error, sql))?;
    if bytes.is_some() {
        execute(connection, "DELETE FROM _ebb_part", [])?;
    }
    Ok(bytes)
}
