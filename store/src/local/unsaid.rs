//! Rows of tables of which the space says nothing, though this device keeps them in step: an earlier version of the app has them, or a later one.
//! What others delete takes them along, or their reference, by their foreign keys, as it does in the space and with local tables.
//! Which tables these are the client store is told. Called at the end of every sync step, before references are checked.

use super::references::{TouchedRows, name, points_nowhere};
use crate::catalogue::quote;
use crate::sqlite::value::owned;
use ebbtide_core::catalogue::{Catalogue, Reference, ReferenceAction, Table};
use ebbtide_core::change::RowId;
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::sorted::SortedSet;
use ebbtide_core::value::Key;
use rusqlite::Connection;

/// Until no row of these tables refers to one that has gone.
pub(super) fn follow(
    connection: &Connection,
    catalogue: &Catalogue,
    tables: &SortedSet<TableId>,
    touched: &mut TouchedRows,
) -> rusqlite::Result<()> {
    let mut more = !touched.left.is_empty();
    while more {
        more = false;
        for id in tables {
            let Some(table) = catalogue.table(*id) else { continue };
            for reference in &table.references {
                let Some(parent) = catalogue.table(reference.parent) else { continue };
                let nowhere = points_nowhere(table, reference, parent);
                if lets_go(table, reference) {
                    release(connection, table, reference, &nowhere)?;
                    continue;
                }
                let gone = delete(connection, table, &nowhere)?;
                more |= !gone.is_empty();
                touched.left.extend(gone.into_iter().map(|key| RowId { table: *id, key }));
            }
        }
    }
    Ok(())
}

/// Whether rows stay without their parent. What a foreign key forbids is done all the same: nobody else has these rows.
fn lets_go(table: &Table, reference: &Reference) -> bool {
    let may_be_null = |id: &ColumnId| !table.key.contains(id) && !table.columns[usize::from(id.0)].not_null;
    reference.on_delete == ReferenceAction::SetNull && reference.columns.iter().all(may_be_null)
}

fn release(connection: &Connection, table: &Table, reference: &Reference, nowhere: &str) -> rusqlite::Result<()> {
    let nulls: Vec<String> = reference.columns.iter().map(|id| format!("{} = NULL", name(table, *id))).collect();
    let sql = format!("UPDATE {} AS c SET {} WHERE {nowhere}", quote(&table.name), nulls.join(", "));
    connection.prepare_cached(&sql)?.execute([]).map(drop)
}

fn delete(connection: &Connection, table: &Table, nowhere: &str) -> rusqlite::Result<Vec<Key>> {
    let key: Vec<String> = table.key.iter().map(|id| name(table, *id)).collect();
    let sql = format!("DELETE FROM {} AS c WHERE {nowhere} RETURNING {}", quote(&table.name), key.join(", "));
    let mut statement = connection.prepare_cached(&sql)?;
    let read = |row: &rusqlite::Row<'_>| {
        let parts = (0..table.key.len()).map(|at| owned(row.get_ref(at)?, at));
        parts.collect::<rusqlite::Result<Vec<_>>>().map(Key)
    };
    statement.query_map([], read)?.collect()
}
