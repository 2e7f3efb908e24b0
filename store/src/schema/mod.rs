//! A schema as `defineSchema` hands it over, in JSON.
//! It holds what was declared; whether it fits the database is checked when the catalogue is read off it.
//! Used by both adapters when they open a database.

mod error;
mod hash;
#[cfg(feature = "sqlite")]
mod read;
mod renames;
mod validate;

pub use error::SchemaError;

use ebbtide_core::sorted::SortedMap;
use serde::{Deserialize, Serialize};

/// Names of this prefix belong to the engine.
pub const RESERVED_PREFIX: &str = "_ebb";

/// Migrations and the rules of the synced tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Append-only; the schema version is how many of them are applied.
    pub migrations: Vec<Migration>,
    /// Synced tables by name; tables not named stay local.
    pub tables: SortedMap<String, TableRules>,
}

/// One entry of the migration list: SQL for both sides, or for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Migration {
    /// For both sides.
    Both(String),
    /// For the named side only.
    OneSide {
        /// The statements.
        sql: String,
        /// Where they run.
        on: MigrationSide,
    },
    /// For both sides, with tables and columns that go on under other names.
    Renaming {
        /// The statements.
        sql: String,
        /// `table` to its new name, `new_table.column` to the column's new name.
        renames: SortedMap<String, String>,
    },
}

/// Where a one-sided migration runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MigrationSide {
    /// On devices only: full-text indexes, views, local tables.
    Client,
}

/// The rules of a synced table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableRules {
    /// Strategy per column; the others are `lww`.
    pub merge: SortedMap<String, String>,
    /// `wins`, `keep` or `review`.
    pub delete: Option<String>,
    /// `atomic` or nothing.
    pub row: Option<String>,
    /// `natural` allows a rowid alias as the key.
    pub key: Option<String>,
}

impl Migration {
    /// Its statements.
    pub fn sql(&self) -> &str {
        match self {
            Migration::Both(sql) | Migration::OneSide { sql, .. } | Migration::Renaming { sql, .. } => sql,
        }
    }

    /// Whether it runs on the server too.
    pub fn on_server(&self) -> bool {
        !matches!(self, Migration::OneSide { .. })
    }

    /// What goes on under another name: old and new.
    pub(crate) fn renames(&self) -> impl Iterator<Item = (String, String)> {
        let declared = match self {
            Migration::Renaming { renames, .. } => Some(renames),
            Migration::Both(_) | Migration::OneSide { .. } => None,
        };
        declared.into_iter().flatten().map(|(from, to)| (from.clone(), to.clone()))
    }
}
