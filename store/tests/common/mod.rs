//! A local database in memory.
//! Everything else comes from the contract's words.
//! Used by the store's native tests.

pub use ebbtide_store::local::contract::words::{NOW, Rows, Speak, schema, try_open};

use ebbtide_store::local::LocalDatabase;
use rusqlite::Connection;

/// Opens one that is expected to open.
pub fn open(migrations: &[&str], tables: &[&str]) -> LocalDatabase {
    try_open(Connection::open_in_memory().unwrap(), migrations, tables).unwrap()
}
