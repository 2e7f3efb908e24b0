//! The statements by which rows of synced tables are written and read, as text, made once per schema.
//! Keys come first in every list of bound values of an insert, last where a row is looked up after its fields are set.
//! Used by the client store's writes.

use crate::catalogue::quote;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::ids::{ColumnId, TableId};

/// The statements of one table.
#[derive(Debug, Clone)]
pub(crate) struct TableStatements {
    /// Inserts a row, or gives all its fields new values.
    pub put: String,
    /// How many fields a row has.
    pub fields: usize,
    /// Deletes by key.
    pub delete: String,
    /// Reads all fields by key; a table without fields answers a 1.
    pub row: String,
    /// The beginning of an update and its end.
    update: (String, String),
    columns: Vec<String>,
    name: String,
    key: Vec<String>,
}

/// The statements of all tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statements(Vec<TableStatements>);

impl Statements {
    /// For a catalogue.
    pub fn of(catalogue: &Catalogue) -> Self {
        Self(catalogue.tables.iter().map(TableStatements::of).collect())
    }

    /// Those of one table of that catalogue.
    pub fn table(&self, id: TableId) -> &TableStatements {
        &self.0[usize::from(id.0)]
    }
}

impl TableStatements {
    fn of(table: &Table) -> Self {
        let name = quote(&table.name);
        let columns: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
        let key: Vec<&str> = table.key.iter().map(|id| columns[usize::from(id.0)].as_str()).collect();
        let fields: Vec<&str> = table.fields().map(|(id, _)| columns[usize::from(id.0)].as_str()).collect();
        let all: Vec<&str> = key.iter().chain(&fields).copied().collect();
        let found = key.iter().map(|column| format!("{column} = ?")).collect::<Vec<_>>().join(" AND ");
        let set: Vec<String> = fields.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let action = if set.is_empty() { "NOTHING".into() } else { format!("UPDATE SET {}", set.join(", ")) };
        let marks = vec!["?"; all.len()].join(", ");
        let shown = if fields.is_empty() { "1".into() } else { fields.join(", ") };
        Self {
            fields: fields.len(),
            put: format!(
                "INSERT INTO {name} ({}) VALUES ({marks}) ON CONFLICT ({}) DO {action}",
                all.join(", "),
                key.join(", ")
            ),
            delete: format!("DELETE FROM {name} WHERE {found}"),
            row: format!("SELECT {shown} FROM {name} WHERE {found}"),
            key: key.iter().map(|column| (*column).to_owned()).collect(),
            update: (format!("UPDATE {name} SET "), format!(" WHERE {found}")),
            columns,
            name,
        }
    }

    /// How many columns its key has.
    pub fn key_parts(&self) -> usize {
        self.key.len()
    }

    /// Reads keys in their order, all or those above one; the last value bound is how many.
    pub fn keys(&self, above: bool) -> String {
        let key = self.key.join(", ");
        let marks = vec!["?"; self.key.len()].join(", ");
        let above = if above { format!(" WHERE ({key}) > ({marks})") } else { String::new() };
        format!("SELECT {key} FROM {}{above} ORDER BY {key} LIMIT ?", self.name)
    }

    /// Sets some fields by key.
    pub fn set(&self, columns: impl Iterator<Item = ColumnId>) -> String {
        let set: Vec<String> = columns.map(|id| format!("{} = ?", self.columns[usize::from(id.0)])).collect();
        format!("{}{}{}", self.update.0, set.join(", "), self.update.1)
    }
}
