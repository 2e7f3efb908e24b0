//! A copy of the app's data as an ordinary SQLite file.
//! The device's own records stay behind: a copy is not the device. Which migrations ran goes along, so that it can be opened again.
//! The verb behind `export`.

use super::LocalDatabase;
use super::error::{DbError, DbErrorCode};
use rusqlite::{Connection, MAIN_DB};

/// Where a database file says how it is journalled; 1 is a rollback journal, 2 WAL, which a copy in memory cannot have.
const JOURNAL_BYTES: std::ops::RangeInclusive<usize> = 18..=19;

impl LocalDatabase {
    /// The bytes of a database file with all of the app's tables. Refused while a transaction is open.
    pub fn export(&mut self) -> Result<Vec<u8>, DbError> {
        if self.open.is_some() {
            return Err(DbError::new(DbErrorCode::TransactionState, "a transaction is open"));
        }
        let mut copy = || {
            let mut bytes = self.connection.serialize(MAIN_DB)?.to_vec();
            if bytes.len() > *JOURNAL_BYTES.end() {
                bytes[JOURNAL_BYTES].fill(1);
            }
            stripped(&bytes)
        };
        copy().map_err(|error: rusqlite::Error| DbError::from_sqlite(&error, "export"))
    }
}

fn stripped(bytes: &[u8]) -> rusqlite::Result<Vec<u8>> {
    let mut copy = Connection::open_in_memory()?;
    copy.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), false)?;
    let query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '\\_ebb%' ESCAPE '\\'
                 AND name <> '_ebb_migration'";
    let names: Vec<String> = copy.prepare(query)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for name in names {
        copy.execute_batch(&format!("DROP TABLE {}", crate::catalogue::quote(&name)))?;
    }
    copy.execute_batch("VACUUM")?;
    Ok(copy.serialize(MAIN_DB)?.to_vec())
}
