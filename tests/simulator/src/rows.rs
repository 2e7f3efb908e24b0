//! All rows of the synced tables at one moment, read by plain SELECT on either side.
//! It is what the checks compare; how the rows came to be is not its business.
//! Read from devices and from the space, folded and predicted by the reference.

use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::RowId;
use ebbtide_core::ids::TableId;
use ebbtide_core::value::{Key, Value};
use ebbtide_store::sqlite::value::owned;
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// The non-key values of every row, in `Table::fields` order.
pub type Rows = BTreeMap<RowId, Vec<Value>>;

/// The query for all rows of a table, columns as declared.
pub fn select(table: &Table) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    format!("SELECT {} FROM \"{}\"", columns.join(", "), table.name)
}

/// A row of that query.
pub fn read(id: TableId, table: &Table, row: &Row<'_>) -> rusqlite::Result<(RowId, Vec<Value>)> {
    let value = |column: usize| owned(row.get_ref(column)?, column);
    let key = table.key.iter().map(|column| value(usize::from(column.0))).collect::<Result<_, _>>()?;
    let fields = table.fields().map(|(column, _)| value(usize::from(column.0))).collect::<Result<_, _>>()?;
    Ok((RowId { table: id, key: Key(key) }, fields))
}

/// Everything in the synced tables of a database.
pub fn dump(connection: &Connection, catalogue: &Catalogue) -> rusqlite::Result<Rows> {
    let mut all = Rows::new();
    for (position, table) in catalogue.tables.iter().enumerate() {
        let mut statement = connection.prepare_cached(&select(table))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, values) = read(TableId(position as u16), table, row)?;
            all.insert(id, values);
        }
    }
    Ok(all)
}

/// One number for all rows; equal rows, equal number.
pub fn state_hash(rows: &Rows) -> u64 {
    let mut hasher = DefaultHasher::new();
    rows.hash(&mut hasher);
    hasher.finish()
}

/// The first few differences, for a person.
pub fn difference(left: &Rows, right: &Rows, catalogue: &Catalogue) -> String {
    let keys: std::collections::BTreeSet<&RowId> = left.keys().chain(right.keys()).collect();
    let differing = keys.into_iter().filter(|row| left.get(*row) != right.get(*row));
    let line = |row: &RowId| {
        let table = catalogue.table(row.table).map_or("?", |table| table.name.as_str());
        format!("\n    {table} {:?}: {:?} | {:?}", row.key.0, left.get(row), right.get(row))
    };
    differing.take(6).map(line).collect()
}
