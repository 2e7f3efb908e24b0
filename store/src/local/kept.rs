//! Whether a failed statement kept what it had done before it failed.
//! SQLite takes a failed statement back, but under FAIL, and where a STRICT table refuses a value under IGNORE. It does not say which it was; the
//! rows do. Used by the local database.

use crate::catalogue::quote;
use crate::sqlite::value::{Bound, owned};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{LoggedChange, LoggedMutation, RowId};
use ebbtide_core::ids::ColumnId;
use ebbtide_core::sorted::SortedMap;
use ebbtide_core::value::Value;
use rusqlite::{Connection, params_from_iter};

/// What a row was before the statement and would be after it, as far as the changes tell.
struct Net {
    before: bool,
    after: bool,
    fields: SortedMap<ColumnId, (Value, Value)>,
}

/// Compares the first row that tells the two cases apart. If none does, both are the same.
pub(super) fn kept(connection: &Connection, catalogue: &Catalogue, changes: &[LoggedChange]) -> rusqlite::Result<bool> {
    for (row, net) in net(catalogue, changes) {
        if net.before != net.after {
            return Ok(exists(connection, catalogue, row)? == net.after);
        }
        let changed = net.fields.iter().find(|(_, (old, new))| net.after && old != new);
        if let Some((column, (_, new))) = changed {
            return Ok(field(connection, catalogue, row, *column)?.as_ref() == Some(new));
        }
    }
    Ok(false)
}

fn net<'a>(catalogue: &Catalogue, changes: &'a [LoggedChange]) -> SortedMap<&'a RowId, Net> {
    let mut rows = SortedMap::new();
    for change in changes {
        let inserted = matches!(change.mutation, LoggedMutation::Insert(_));
        let net =
            rows.entry(&change.row).or_insert_with(|| Net { before: !inserted, after: true, fields: SortedMap::new() });
        net.after = !matches!(change.mutation, LoggedMutation::Delete(_));
        match &change.mutation {
            LoggedMutation::Update(fields) => {
                fields.iter().for_each(|f| note(net, f.column, Some(&f.old), Some(&f.new)));
            }
            LoggedMutation::Insert(values) => {
                columns(catalogue, &change.row).zip(values).for_each(|(c, v)| note(net, c, None, Some(v)));
            }
            LoggedMutation::Delete(values) => {
                columns(catalogue, &change.row).zip(values).for_each(|(c, v)| note(net, c, Some(v), None));
            }
        }
    }
    rows
}

fn note(net: &mut Net, column: ColumnId, old: Option<&Value>, new: Option<&Value>) {
    let cell = net.fields.entry(column).or_insert_with(|| {
        let known = old.or(new).cloned().unwrap_or_default();
        (known.clone(), known)
    });
    if let Some(new) = new {
        cell.1 = new.clone();
    }
}

fn columns<'a>(catalogue: &'a Catalogue, row: &RowId) -> impl Iterator<Item = ColumnId> + 'a {
    catalogue.table(row.table).into_iter().flat_map(|table| table.fields().map(|(id, _)| id))
}

fn exists(connection: &Connection, catalogue: &Catalogue, row: &RowId) -> rusqlite::Result<bool> {
    connection.prepare(&select(catalogue, row, "1"))?.exists(params_from_iter(row.key.0.iter().map(Bound)))
}

fn field(
    connection: &Connection,
    catalogue: &Catalogue,
    row: &RowId,
    column: ColumnId,
) -> rusqlite::Result<Option<Value>> {
    let name = &catalogue.tables[usize::from(row.table.0)].columns[usize::from(column.0)].name;
    let mut statement = connection.prepare(&select(catalogue, row, &quote(name)))?;
    let mut rows = statement.query(params_from_iter(row.key.0.iter().map(Bound)))?;
    rows.next()?.map(|row| owned(row.get_ref(0)?, 0)).transpose()
}

fn select(catalogue: &Catalogue, row: &RowId, what: &str) -> String {
    let table = &catalogue.tables[usize::from(row.table.0)];
    let key: Vec<String> =
        table.key.iter().map(|id| format!("{} = ?", quote(&table.columns[usize::from(id.0)].name))).collect();
    format!("SELECT {what} FROM {} WHERE {}", quote(&table.name), key.join(" AND "))
}
