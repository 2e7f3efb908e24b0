//! How the hook's columns map to a synced table's key and fields.
//! Generated columns have positions for the hook, but none in the catalogue.
//! Made when a schema is opened, read for every captured row.

use crate::catalogue::quote;
use ebbtide_core::catalogue::{Affinity, Catalogue, RowRule, Table};
use ebbtide_core::ids::{ColumnId, TableId};
use rusqlite::Connection;

/// One synced table as the hook sees it.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// As SQLite spells it.
    pub name: String,
    /// Its place in the catalogue.
    pub id: TableId,
    /// Key columns in key order.
    pub key: Vec<ColumnPlan>,
    /// The other columns in `Table::fields` order.
    pub fields: Vec<ColumnPlan>,
    /// Whether an update is logged with all fields, since the row merges as a whole.
    pub whole_updates: bool,
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct ColumnPlan {
    /// Its place in the catalogue.
    pub id: ColumnId,
    /// Its place for the hook.
    pub position: i32,
    /// Whether whole numbers in it are reals that SQLite stores as integers to save space.
    pub real: bool,
    /// Whether it stores a whole real as that, which an index does not tell from the integer.
    pub untyped: bool,
}

impl TablePlan {
    /// The plans of all synced tables, in catalogue order.
    pub fn all(connection: &Connection, catalogue: &Catalogue) -> rusqlite::Result<Vec<Self>> {
        let tables = catalogue.tables.iter().enumerate();
        tables.map(|(at, table)| Self::of(connection, TableId(at as u16), table)).collect()
    }

    fn of(connection: &Connection, id: TableId, table: &Table) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare(&format!("PRAGMA table_xinfo({})", quote(&table.name)))?;
        let stored = statement.query_map([], |row| Ok((row.get::<_, i32>(0)?, row.get::<_, i64>(6)?)))?;
        let positions: Vec<i32> = stored
            .filter_map(|column| column.map(|(position, hidden)| (hidden == 0).then_some(position)).transpose())
            .collect::<rusqlite::Result<_>>()?;
        let column = |id: ColumnId| {
            let affinity = table.columns[usize::from(id.0)].affinity;
            ColumnPlan {
                id,
                position: positions[usize::from(id.0)],
                real: affinity == Affinity::Real,
                untyped: affinity == Affinity::Blob,
            }
        };
        Ok(Self {
            name: table.name.clone(),
            id,
            key: table.key.iter().map(|id| column(*id)).collect(),
            fields: table.fields().map(|(id, _)| column(id)).collect(),
            whole_updates: table.row == RowRule::Atomic,
        })
    }
}
