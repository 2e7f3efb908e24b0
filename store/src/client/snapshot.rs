//! A snapshot on its way in: its state and its pieces, raw as they came; and the keys of what is visible meanwhile.
//! Nothing here reads a piece. Called by the client store only.

use super::statements::TableStatements;
use super::{execute, packed};
use crate::local::log::damaged;
use crate::sql::SqlError;
use crate::sqlite::sql_error;
use crate::sqlite::value::{Bound, owned};
use ebbtide_core::client::store::{SnapshotState, StagedPart};
use ebbtide_core::value::Key;
use rusqlite::{Connection, OptionalExtension};

const STATE: &str = "SELECT state FROM _ebb_snapshot";
const SET_STATE: &str = "INSERT OR REPLACE INTO _ebb_snapshot (id, state) VALUES (1, ?)";
const STAGE: &str = "INSERT INTO _ebb_snapshot_part (part) VALUES (?)";
const STAGED_AFTER: &str = "SELECT id, part FROM _ebb_snapshot_part WHERE id > ? ORDER BY id LIMIT 1";

pub(super) fn state(connection: &Connection) -> Result<Option<SnapshotState>, SqlError> {
    let unpack = |row: &rusqlite::Row<'_>| postcard::from_bytes(row.get_ref(0)?.as_blob()?).map_err(damaged);
    let read = || connection.prepare_cached(STATE)?.query_row([], unpack).optional();
    read().map_err(|error| sql_error(&error, STATE))
}

pub(super) fn set_state(connection: &Connection, state: &SnapshotState) -> Result<(), SqlError> {
    execute(connection, SET_STATE, [packed(state, SET_STATE)?]).map(drop)
}

pub(super) fn stage(connection: &Connection, part: &StagedPart) -> Result<(), SqlError> {
    execute(connection, STAGE, [packed(part, STAGE)?]).map(drop)
}

pub(super) fn staged_after(connection: &Connection, number: i64) -> Result<Option<(i64, StagedPart)>, SqlError> {
    let unpack = |row: &rusqlite::Row<'_>| {
        let part = postcard::from_bytes(row.get_ref(1)?.as_blob()?).map_err(damaged)?;
        Ok((row.get(0)?, part))
    };
    let read = || connection.prepare_cached(STAGED_AFTER)?.query_row([number], unpack).optional();
    read().map_err(|error| sql_error(&error, STAGED_AFTER))
}

pub(super) fn drop_all(connection: &Connection) -> Result<(), SqlError> {
    execute(connection, "DELETE FROM _ebb_snapshot_part", [])?;
    execute(connection, "DELETE FROM _ebb_snapshot", []).map(drop)
}

pub(super) fn keys(
    connection: &Connection,
    table: &TableStatements,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<Key>, SqlError> {
    let sql = table.keys(after.is_some());
    let read = || -> rusqlite::Result<Vec<Key>> {
        let mut statement = connection.prepare_cached(&sql)?;
        let bound = after.iter().flat_map(|key| &key.0);
        let mut count = 0;
        for value in bound {
            count += 1;
            statement.raw_bind_parameter(count, Bound(value))?;
        }
        statement.raw_bind_parameter(count + 1, limit as i64)?;
        let mut rows = statement.raw_query();
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            let parts = (0..table.key_parts()).map(|at| owned(row.get_ref(at)?, at));
            keys.push(Key(parts.collect::<rusqlite::Result<_>>()?));
        }
        Ok(keys)
    };
    read().map_err(|error| sql_error(&error, &sql))
}
