//! Statements through the local database, as the package's worker runs them: with capture, or on a table that is not synced.
//! It adds nothing of its own. `bench.rs` drives it.

use crate::mode::Mode;
use crate::rows::TABLE;
use ebbtide_core::ids::Millis;
use ebbtide_core::value::Value;
use ebbtide_store::local::{DbError, LocalDatabase};
use ebbtide_store::schema::{Migration, Schema, TableRules};
use rusqlite::Connection;

/// Any seed will do where nothing is sent.
const SEED: [u8; 16] = [7; 16];

/// A local database with the table.
pub struct Shipped(LocalDatabase);

impl Shipped {
    /// Creates the table by a migration; tables that the schema does not name stay local.
    pub fn open(connection: Connection, mode: Mode) -> Result<Self, DbError> {
        let mut schema = Schema { migrations: vec![Migration::Both(TABLE.into())], ..Schema::default() };
        if mode == Mode::Hook {
            schema.tables.insert("item".into(), TableRules::default());
        }
        LocalDatabase::open(connection, &schema, now(), SEED).map(Self)
    }

    /// Runs the statement once for each row, all in one transaction.
    pub fn run(&mut self, sql: &str, rows: Vec<Vec<Value>>) -> Result<(), DbError> {
        self.0.execute_many(sql, &mut rows.into_iter(), now()).map(drop)
    }

    /// Gives the connection back, to be closed.
    pub fn close(self) -> Result<Connection, DbError> {
        self.0.into_connection()
    }
}

fn now() -> Millis {
    Millis(js_sys::Date::now() as u64)
}
