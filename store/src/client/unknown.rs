//! What other schema versions mean to this device: their catalogues, and cells for which this version has no place yet.
//! It keeps them by what stays the same of their names; moving cells to their place is the opening migration's business.
//! Called by the client store only.

use super::{execute, packed};
use crate::local::log::damaged;
use crate::sql::SqlError;
use crate::sqlite::sql_error;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::ids::SchemaVersion;
use ebbtide_core::value::Value;
use ebbtide_core::version_map::{Unknown, UnknownCells};
use rusqlite::{Connection, OptionalExtension, params};

const CATALOGUE: &str = "SELECT catalogue FROM _ebb_catalogue WHERE version = ?";
const PUT_CATALOGUE: &str = "INSERT INTO _ebb_catalogue (version, catalogue) VALUES (?, ?)
    ON CONFLICT (version) DO NOTHING";
const DROP_ROW: &str = "DELETE FROM _ebb_unknown WHERE tbl = ? AND key = ?";
const PUT_CELL: &str = "INSERT OR REPLACE INTO _ebb_unknown (tbl, key, col, value) VALUES (?, ?, ?, ?)";

/// The column that says that a newer version made the row; no column of an app has this name.
pub(crate) const ROW: &str = "";

pub(crate) fn catalogue(connection: &Connection, version: SchemaVersion) -> Result<Option<Catalogue>, SqlError> {
    let read = || {
        let mut statement = connection.prepare_cached(CATALOGUE)?;
        let unpacked = |row: &rusqlite::Row<'_>| postcard::from_bytes(row.get_ref(0)?.as_blob()?).map_err(damaged);
        statement.query_row([version.0 as i64], unpacked).optional()
    };
    read().map_err(|error| sql_error(&error, CATALOGUE))
}

pub(super) fn put_catalogue(connection: &Connection, catalogue: &Catalogue) -> Result<(), SqlError> {
    let bytes = packed(catalogue, PUT_CATALOGUE)?;
    execute(connection, PUT_CATALOGUE, params![catalogue.version.0 as i64, bytes]).map(drop)
}

pub(super) fn keep(connection: &Connection, unknown: &[Unknown]) -> Result<(), SqlError> {
    for Unknown { table, key, cells } in unknown {
        let table = table.to_ascii_lowercase();
        let key = packed(key, PUT_CELL)?;
        if !matches!(cells, UnknownCells::Set(_)) {
            execute(connection, DROP_ROW, params![table, key])?;
        }
        if matches!(cells, UnknownCells::Put(_)) {
            put_cell(connection, &table, &key, ROW, &Value::Null)?;
        }
        if let UnknownCells::Put(cells) | UnknownCells::Set(cells) = cells {
            for (column, value) in cells {
                put_cell(connection, &table, &key, &column.to_ascii_lowercase(), value)?;
            }
        }
    }
    Ok(())
}

fn put_cell(connection: &Connection, table: &str, key: &[u8], column: &str, value: &Value) -> Result<(), SqlError> {
    let value = packed(value, PUT_CELL)?;
    execute(connection, PUT_CELL, params![table, key, column, value])?;
    Ok(())
}
