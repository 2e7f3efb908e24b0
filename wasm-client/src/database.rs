//! The local database in this crate's terms: cells in, cells out, errors with codes, the time filled in.
//! It adds nothing to what `store` does. `client.rs` calls it for the app, `sync` for the session.

use crate::cells::{Parameters, Rows};
use crate::clock;
use crate::error::{ClientError, Result};
use crate::options::{Durability, Options};
use ebbtide_core::clock::Stamp;
use ebbtide_core::conflict::ConflictId;
use ebbtide_core::error::Fault;
use ebbtide_core::ids::Millis;
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_store::local::{
    Choice, ConflictRecord, DbError, DbErrorCode, Edit, LocalDatabase, OpenRecord, RejectedRecord, RowEntry, RowSink,
    RowSource, SyncStep,
};
use ebbtide_store::sql::SqlError;
use rusqlite::{Connection, Row};
use std::ops::ControlFlow;

/// What a step of the sync answers.
type Stepped<T> = core::result::Result<T, Fault<SqlError>>;

fn failed_step(fault: Fault<SqlError>) -> ClientError {
    match fault {
        Fault::Store(error) => DbError::from(error).into(),
        Fault::Peer(malformed) => ClientError::retryable("malformed_message", malformed.what),
    }
}

/// The open local database.
pub struct Database {
    local: LocalDatabase,
    /// Whether commits wait for the disk, unless they only repeat what the space has.
    durability: Durability,
    /// Something was written without waiting for the disk.
    unsynced: bool,
}

impl Database {
    /// Opens it and brings it to the schema's version.
    pub fn open(connection: Connection, options: &Options) -> Result<Self> {
        let mut local = LocalDatabase::open(connection, &options.schema, clock::now(), clock::random_bytes()?)?;
        local.keep_in_step(options.sync.is_some());
        Ok(Self { local, durability: options.durability, unsynced: false })
    }

    /// Runs one statement; answers how many rows it changed.
    pub fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64> {
        Ok(self.local.execute(sql, parameters, clock::now())?.changes)
    }

    /// Runs a statement for each row of parameters; answers how many rows they changed.
    pub fn execute_many(&mut self, sql: &str, mut rows: Parameters<'_>) -> Result<u64> {
        Ok(self.local.execute_many(sql, &mut rows, clock::now())?.changes)
    }

    /// Runs one statement and collects its rows.
    pub fn query(&mut self, sql: &str, parameters: &[Value], rows: &mut Rows) -> Result<()> {
        self.local.query(sql, parameters, clock::now(), rows)?;
        Ok(())
    }

    /// Whether something was committed since `take_touched` was last asked.
    pub fn has_touched(&self) -> bool {
        self.local.has_touched()
    }

    /// Begins the app's transaction.
    pub fn begin(&mut self) -> Result<()> {
        Ok(self.local.begin()?)
    }

    /// Commits it.
    pub fn commit(&mut self) -> Result<()> {
        Ok(self.local.commit(clock::now())?)
    }

    /// Takes it back.
    pub fn rollback(&mut self) -> Result<()> {
        Ok(self.local.rollback()?)
    }

    /// The tables that a statement reads.
    pub fn reads(&mut self, sql: &str) -> Result<Vec<String>> {
        Ok(self.local.reads(sql)?)
    }

    /// The tables written since the last call.
    pub fn take_touched(&mut self) -> Vec<String> {
        self.local.take_touched()
    }

    /// The bytes of a SQLite file with the same content.
    pub fn export(&mut self) -> Result<Vec<u8>> {
        Ok(self.local.export()?)
    }

    /// The next step is going to write synced tables.
    pub fn expect_rows(&mut self) -> Result<()> {
        Ok(self.local.expect_rows()?)
    }

    /// Runs a step of the sync in one transaction, which makes everything before it durable too.
    pub fn sync_step<T>(&mut self, now: Millis, step: impl FnOnce(&mut SyncStep<'_>) -> Stepped<T>) -> Result<T> {
        let unsynced = self.unsynced;
        let stepped = self.local.sync_step(now, |store| {
            if unsynced {
                store.must_write();
            }
            step(store)
        })?;
        let value = stepped.map_err(failed_step)?;
        self.unsynced = false;
        Ok(value)
    }

    /// Runs a step that takes in what the space has, without waiting for the disk: a power cut may take it back as a
    /// whole, and then it is pulled again. Before anything leaves the device that rests on it, `settle` must be called.
    pub fn apply_step<T>(&mut self, now: Millis, step: impl FnOnce(&mut SyncStep<'_>) -> Stepped<T>) -> Result<T> {
        self.unsettled(|database| database.local.sync_step(now, step)?.map_err(failed_step))
    }

    /// Runs a write that waits for no disk. Before it is answered for, `sync_step` or `settle` has to make it durable.
    pub fn unsettled<T>(&mut self, write: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.durability == Durability::Relaxed {
            return write(self);
        }
        self.local.wait_for_disk(false)?;
        self.unsynced = true;
        let written = write(self);
        // What others write waits, whatever became of this one.
        self.local.wait_for_disk(true)?;
        written
    }

    /// Makes durable what was written without waiting.
    pub fn settle(&mut self) -> Result<()> {
        if self.unsynced { self.sync_step(clock::now(), |_| Ok(())) } else { Ok(()) }
    }

    /// The refused transactions.
    pub fn rejected(&mut self) -> Result<Vec<RejectedRecord>> {
        Ok(self.local.rejected()?)
    }

    /// The conflicts that wait for a person.
    pub fn open_conflicts(&mut self) -> Result<Vec<OpenRecord>> {
        Ok(self.local.open_conflicts()?)
    }

    /// The conflicts that rules have decided.
    pub fn decided_conflicts(&mut self) -> Result<Vec<ConflictRecord>> {
        Ok(self.local.decided_conflicts()?)
    }

    /// Resolves an open conflict.
    pub fn resolve_conflict(&mut self, id: ConflictId, choice: &Choice) -> Result<()> {
        Ok(self.local.resolve_conflict(id, choice, clock::now())?)
    }

    /// What this device knows of a row's history.
    pub fn row_log(&self, table: &str, key: &[Value]) -> Result<Vec<RowEntry>> {
        Ok(self.local.row_log(table, key, &WireCodec)?)
    }

    /// Commits a refused transaction again.
    pub fn retry_rejected(&mut self, stamp: Stamp, edits: &[Edit]) -> Result<()> {
        Ok(self.local.retry_rejected(stamp, edits, clock::now())?)
    }

    /// Takes a refused transaction off the list.
    pub fn discard_rejected(&mut self, stamp: Stamp) -> Result<()> {
        Ok(self.local.discard_rejected(stamp)?)
    }

    /// The size of the database file, in bytes.
    pub fn size_bytes(&mut self) -> Result<u64> {
        let mut size = FirstInteger::default();
        let sql = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
        self.local.query(sql, &[], clock::now(), &mut size)?;
        Ok(size.0.try_into().unwrap_or_default())
    }

    /// Closes the connection; the last one writes the WAL back.
    pub fn close(self) -> Result<()> {
        let connection = self.local.into_connection()?;
        let failed = |error| ClientError::permanent("storage_error", "the database did not close").caused_by(error);
        connection.close().map_err(|(_, error)| failed(error))
    }
}

/// Takes the first value of the first row.
#[derive(Default)]
struct FirstInteger(i64);

impl RowSink for FirstInteger {
    fn columns(&mut self, _names: &[&str]) {}

    fn row(&mut self, row: &Row<'_>) -> ControlFlow<()> {
        self.0 = row.get(0).unwrap_or_default();
        ControlFlow::Break(())
    }
}

impl RowSink for Rows {
    fn columns(&mut self, names: &[&str]) {
        self.name_columns(names);
    }

    fn row(&mut self, row: &Row<'_>) -> ControlFlow<()> {
        for column in 0..self.width() {
            // Only an index that is out of range can fail, and the width is the statement's own.
            self.cell(row.get_ref_unwrap(column));
        }
        self.end_row();
        ControlFlow::Continue(())
    }
}

impl RowSource for Parameters<'_> {
    fn next(&mut self, into: &mut Vec<Value>) -> core::result::Result<bool, DbError> {
        if self.rows() == 0 {
            return Ok(false);
        }
        self.next_into(into).map_err(|error| DbError::new(DbErrorCode::BadParameter, error.message))?;
        Ok(true)
    }
}

impl From<DbError> for ClientError {
    fn from(error: DbError) -> Self {
        let (code, retryable) = (error.code.code(), error.code.retryable());
        Self { code, message: error.to_string(), retryable, cause: None }
    }
}
