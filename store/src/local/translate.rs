//! Carries what waits over to a new schema: logged changes and kept server rows name tables and columns by position,
//! and a migration moves positions. What it dropped is dropped here too; what it added takes its constant default.
//! Called when a database is opened under another catalogue than the last time, in the migrations' transaction.

use super::log::{damaged, decode};
use crate::client::queue;
use ebbtide_core::catalogue::{Catalogue, RowRule, Table};
use ebbtide_core::change::{LoggedChange, LoggedMutation};
use ebbtide_core::ids::TableId;
use ebbtide_core::value::Value;
use ebbtide_core::version_map::VersionMap;
use rusqlite::{Connection, OptionalExtension, params};

const LAST: &str = "SELECT catalogue FROM _ebb_catalogue
    WHERE version = (SELECT version FROM _ebb_opened)";

const HAD: &str = "SELECT catalogue FROM _ebb_catalogue
    WHERE version IN (SELECT version FROM _ebb_had UNION SELECT version FROM _ebb_opened)";

const QUEUE: &str = "SELECT q.conflict, c.catalogue, q.seq, q.idx
    FROM _ebb_queue AS q JOIN _ebb_catalogue AS c ON c.version = q.schema";

/// The catalogue under which the database was open last. To be asked before migrations run: the space may have told of newer ones.
pub(super) fn last_catalogue(connection: &Connection) -> rusqlite::Result<Option<Catalogue>> {
    connection.query_row(LAST, [], |row| postcard::from_bytes(row.get_ref(0)?.as_blob()?).map_err(damaged)).optional()
}

/// Whether a database that was open under some earlier catalogue kept one of these tables in step.
pub(super) fn had_in_step(connection: &Connection, tables: &[&Table]) -> rusqlite::Result<bool> {
    if tables.is_empty() {
        return Ok(false);
    }
    let mut statement = connection.prepare(HAD)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let had: Catalogue = postcard::from_bytes(row.get_ref(0)?.as_blob()?).map_err(damaged)?;
        if tables.iter().any(|table| had.table_of(table.identity()).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Rewrites everything that names positions of `old`.
pub(super) fn carry_over(connection: &Connection, old: &Catalogue, new: &Catalogue) -> rusqlite::Result<()> {
    if old.tables != new.tables {
        let map = VersionMap::new(old, new);
        let loosened = loosened(old, new);
        let carried = |change| map.logged(change).and_then(|change| narrowed(change, &loosened));
        rewrite_changes(connection, carried, &HEADS)?;
        rewrite_changes(connection, carried, &PARTS)?;
        rewrite_server_rows(connection, &map)?;
        if old.version.migrations() != new.version.migrations() {
            drop_undecidable(connection, new)?;
        }
    }
    if old.version != new.version {
        connection.execute("UPDATE _ebb_log SET schema = ?", [new.version.0 as i64])?;
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
    all: "SELECT id, 0 FROM _ebb_log
        WHERE NOT revived OR id <= ifnull((SELECT max(log_upto) FROM _ebb_changeset), 0)",
    read: "SELECT changes FROM _ebb_log WHERE id = ?1 AND ?2 = 0",
    replace: "UPDATE _ebb_log SET changes = ?3 WHERE id = ?1 AND ?2 = 0",
};

const PARTS: Places = Places {
    all: "SELECT log, part FROM _ebb_log_part",
    read: "SELECT changes FROM _ebb_log_part WHERE log = ?1 AND part = ?2",
    replace: "UPDATE _ebb_log_part SET changes = ?3 WHERE log = ?1 AND part = ?2",
};

/// Tables whose rows merged as a whole, and whose fields merge by themselves now.
fn loosened(old: &Catalogue, new: &Catalogue) -> Vec<TableId> {
    let was_whole = |table: &Table| {
        let before = old.table_of(table.identity()).and_then(|id| old.table(id));
        before.is_some_and(|before| before.row == RowRule::Atomic)
    };
    let tables = new.tables.iter().zip(0..).filter(|(table, _)| table.row == RowRule::Fields && was_whole(table));
    tables.map(|(_, at)| TableId(at)).collect()
}

/// An image of a whole row has fields that it found so and left so: by themselves they would write over what others made of them.
fn narrowed(mut change: LoggedChange, loosened: &[TableId]) -> Option<LoggedChange> {
    if let LoggedMutation::Update(fields) = &mut change.mutation
        && loosened.contains(&change.row.table)
    {
        fields.retain(|field| field.old != field.new);
        if fields.is_empty() {
            return None;
        }
    }
    Some(change)
}

/// One blob at a time, so that a long log is never in memory as a whole.
fn rewrite_changes(
    connection: &Connection,
    carried: impl Fn(LoggedChange) -> Option<LoggedChange>,
    places: &Places,
) -> rusqlite::Result<()> {
    let mut all = connection.prepare(places.all)?;
    let all = all.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let all: Vec<(i64, i64)> = all.collect::<rusqlite::Result<_>>()?;
    for (log, part) in all {
        let changes = connection
            .prepare_cached(places.read)?
            .query_row(params![log, part], |row| decode(row.get_ref(0)?.as_blob()?))?;
        let mut bytes = Vec::new();
        for change in changes {
            if let Some(change) = carried(change) {
                bytes = postcard::to_extend(&change, bytes).map_err(damaged)?;
            }
        }
        connection.prepare_cached(places.replace)?.execute(params![log, part, bytes])?;
    }
    Ok(())
}

/// Open conflicts in tables or columns that a migration took away: nobody could see them or choose. The space closes them too.
fn drop_undecidable(connection: &Connection, new: &Catalogue) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(QUEUE)?;
    let mut rows = statement.query([])?;
    let mut gone: Vec<(i64, i64)> = Vec::new();
    while let Some(row) = rows.next()? {
        if queue::open(row, new)?.is_none() {
            gone.push((row.get(2)?, row.get(3)?));
        }
    }
    let mut drop = connection.prepare("DELETE FROM _ebb_queue WHERE seq = ? AND idx = ?")?;
    gone.into_iter().try_for_each(|(seq, index)| drop.execute([seq, index]).map(|_| ()))
}

fn rewrite_server_rows(connection: &Connection, map: &VersionMap) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT tbl, key, fields FROM _ebb_server_row")?;
    let kept: Vec<(u16, Vec<u8>, Option<Vec<u8>>)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<rusqlite::Result<_>>()?;
    connection.execute("DELETE FROM _ebb_server_row", [])?;
    for (table, key, fields) in kept {
        let Some(map) = map.table(TableId(table)) else { continue };
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
