//! Carries what waits over to a new schema: logged changes and kept server rows name tables and columns by position,
//! and a migration moves positions. What it dropped is dropped here too; what it added takes its constant default.
//! It matches by name, so a renamed table or column counts as another one.
//! Called when a database is opened under another catalogue than the last time, in the migrations' transaction.

use super::log::{damaged, decode};
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{LoggedChange, LoggedMutation, RowId};
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::value::Value;
use rusqlite::{Connection, OptionalExtension, params};

const LAST: &str = "SELECT catalogue FROM _ebb_catalogue ORDER BY version DESC LIMIT 1";

/// The catalogue under which the database was open last.
pub(super) fn last_catalogue(connection: &Connection) -> rusqlite::Result<Option<Catalogue>> {
    connection.query_row(LAST, [], |row| postcard::from_bytes(row.get_ref(0)?.as_blob()?).map_err(damaged)).optional()
}

/// Rewrites everything that names positions of `old`.
pub(super) fn carry_over(connection: &Connection, old: &Catalogue, new: &Catalogue) -> rusqlite::Result<()> {
    if old.tables != new.tables {
        let maps: Vec<Option<TableMap>> = old.tables.iter().map(|table| TableMap::of(table, new)).collect();
        rewrite_changes(connection, &maps, &HEADS)?;
        rewrite_changes(connection, &maps, &PARTS)?;
        rewrite_server_rows(connection, &maps)?;
    }
    if old.version != new.version {
        connection.execute("UPDATE _ebb_log SET schema = ?", [new.version.0])?;
    }
    Ok(())
}

/// Where encoded changes stand, by log id and part.
struct Places {
    all: &'static str,
    read: &'static str,
    replace: &'static str,
}

const HEADS: Places = Places {
    all: "SELECT id, 0 FROM _ebb_log",
    read: "SELECT changes FROM _ebb_log WHERE id = ?1 AND ?2 = 0",
    replace: "UPDATE _ebb_log SET changes = ?3 WHERE id = ?1 AND ?2 = 0",
};

const PARTS: Places = Places {
    all: "SELECT log, part FROM _ebb_log_part",
    read: "SELECT changes FROM _ebb_log_part WHERE log = ?1 AND part = ?2",
    replace: "UPDATE _ebb_log_part SET changes = ?3 WHERE log = ?1 AND part = ?2",
};

/// Where a table went.
struct TableMap {
    id: TableId,
    /// By old position.
    columns: Vec<Option<ColumnId>>,
    /// What each new field takes: an old field by position, or a constant.
    fields: Vec<Result<usize, Value>>,
}

impl TableMap {
    /// `None` if the table is gone or has another key: its rows are then other rows.
    fn of(old: &Table, new: &Catalogue) -> Option<Self> {
        let id = new.table_id(&old.name)?;
        let table = new.table(id)?;
        let position = |from: &Table, name: &str| from.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name));
        let columns: Vec<Option<ColumnId>> =
            old.columns.iter().map(|column| position(table, &column.name).map(|at| ColumnId(at as u16))).collect();
        let key: Vec<Option<ColumnId>> = old.key.iter().map(|id| columns[usize::from(id.0)]).collect();
        if !key.iter().copied().eq(table.key.iter().copied().map(Some)) {
            return None;
        }
        let source = |column: &ebbtide_core::catalogue::Column| {
            let before = position(old, &column.name).and_then(|at| old.field_position(ColumnId(at as u16)));
            before.ok_or_else(|| column.default.clone().unwrap_or_default())
        };
        let fields = table.fields().map(|(_, column)| source(column)).collect();
        Some(Self { id, columns, fields })
    }

    fn values(&self, old: &[Value]) -> Vec<Value> {
        let value = |source: &Result<usize, Value>| match source {
            Ok(at) => old.get(*at).cloned().unwrap_or_default(),
            Err(constant) => constant.clone(),
        };
        self.fields.iter().map(value).collect()
    }

    /// `None` if nothing of the change is left.
    fn change(&self, change: LoggedChange) -> Option<LoggedChange> {
        let row = RowId { table: self.id, key: change.row.key };
        let mutation = match change.mutation {
            LoggedMutation::Insert(values) => LoggedMutation::Insert(self.values(&values)),
            LoggedMutation::Delete(values) => LoggedMutation::Delete(self.values(&values)),
            LoggedMutation::Update(fields) => {
                let moved = fields.into_iter().filter_map(|mut field| {
                    field.column = self.columns.get(usize::from(field.column.0)).copied().flatten()?;
                    Some(field)
                });
                let mut fields: Vec<_> = moved.collect();
                fields.sort_by_key(|field| field.column);
                if fields.is_empty() {
                    return None;
                }
                LoggedMutation::Update(fields)
            }
        };
        Some(LoggedChange { row, mutation })
    }
}

fn map_of(maps: &[Option<TableMap>], table: TableId) -> Option<&TableMap> {
    maps.get(usize::from(table.0))?.as_ref()
}

/// One blob at a time, so that a long log is never in memory as a whole.
fn rewrite_changes(connection: &Connection, maps: &[Option<TableMap>], places: &Places) -> rusqlite::Result<()> {
    let mut all = connection.prepare(places.all)?;
    let all = all.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let all: Vec<(i64, i64)> = all.collect::<rusqlite::Result<_>>()?;
    for (log, part) in all {
        let changes = connection
            .prepare_cached(places.read)?
            .query_row(params![log, part], |row| decode(row.get_ref(0)?.as_blob()?))?;
        let mut bytes = Vec::new();
        for change in changes {
            let moved = map_of(maps, change.row.table).and_then(|map| map.change(change));
            if let Some(change) = moved {
                bytes = postcard::to_extend(&change, bytes).map_err(damaged)?;
            }
        }
        connection.prepare_cached(places.replace)?.execute(params![log, part, bytes])?;
    }
    Ok(())
}

fn rewrite_server_rows(connection: &Connection, maps: &[Option<TableMap>]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT tbl, key, fields FROM _ebb_server_row")?;
    let kept: Vec<(u16, Vec<u8>, Option<Vec<u8>>)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<rusqlite::Result<_>>()?;
    connection.execute("DELETE FROM _ebb_server_row", [])?;
    for (table, key, fields) in kept {
        let Some(map) = map_of(maps, TableId(table)) else { continue };
        let fields = match fields {
            None => None,
            Some(bytes) => {
                let values: Vec<Value> = postcard::from_bytes(&bytes).map_err(damaged)?;
                Some(postcard::to_allocvec(&map.values(&values)).map_err(damaged)?)
            }
        };
        let insert = "INSERT INTO _ebb_server_row (tbl, key, fields) VALUES (?, ?, ?)";
        connection.prepare_cached(insert)?.execute(params![map.id.0, key, fields])?;
    }
    Ok(())
}
