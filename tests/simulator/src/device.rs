//! A device: the real client session over a real local database on a disk, which survives the device's crashes.
//! It carries out single inputs and SQL, and can be stopped at the points where a browser can die; network and time are its caller's.
//! Driven by the simulator and the conversations.

use crate::disk::{Aftermath, Disk, connect};
use crate::host::integrity;
use crate::reference::fold;
use crate::rows::{Rows, read, select};
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::LoggedTransaction;
use ebbtide_core::client::store::{ClientStore, DeviceState, SealedEntry};
use ebbtide_core::client::{ClientSession, Input, Outputs, SessionOptions, SpaceName};
use ebbtide_core::error::Fault;
use ebbtide_core::ids::{DeviceSeq, LogId, Millis, TableId};
use ebbtide_core::message::ClientMessage;
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_store::local::{DbError, LocalDatabase, RowSink, SyncStep};
use ebbtide_store::schema::Schema;
use ebbtide_store::sql::SqlError;
use rusqlite::Connection;
use std::ops::ControlFlow;
use std::rc::Rc;

/// Why a device could not go on: a bug, unless its disk was given trouble.
#[derive(Debug)]
pub enum DeviceError {
    /// The local database failed.
    Database(DbError),
    /// The session failed.
    Session(Fault<SqlError>),
}

impl From<DbError> for DeviceError {
    fn from(error: DbError) -> Self {
        DeviceError::Database(error)
    }
}

/// Everything of a device that must outlive a crash, and what a check looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct Durable {
    /// What SELECT answers.
    pub rows: Rows,
    /// All waiting transactions, sealed ones first.
    pub log: Vec<LoggedTransaction>,
    /// How many of them are sealed.
    pub sealed_count: usize,
    /// Those out of the view.
    pub blocked: Vec<LogId>,
    /// The sealed changesets.
    pub sealed: Vec<SealedEntry>,
    /// The device's record.
    pub state: DeviceState,
}

/// A device that is switched on.
pub struct Device {
    disk: Disk,
    database: Option<LocalDatabase>,
    session: ClientSession,
    catalogue: Rc<Catalogue>,
    /// The queries for all rows, a table each.
    selects: Rc<[String]>,
    home: SpaceName,
    options: SessionOptions,
}

impl Device {
    /// Opens the database on `disk` for a space, making it if it is not there. The seed gives a new database its incarnation.
    pub fn open(
        disk: &Disk,
        schema: &Schema,
        home: SpaceName,
        options: SessionOptions,
        now: Millis,
        seed: [u8; 16],
    ) -> Result<Self, DbError> {
        let connection = on(disk).map_err(|error| DbError::from_sqlite(&error, "opening the disk"))?;
        let mut database = LocalDatabase::open(connection, schema, now, seed)?;
        let catalogue = database.sync_step(now, |step| Ok::<_, SqlError>(step.catalogue()))?.map_err(DbError::from)?;
        let spread = u64::from_le_bytes([seed[0], seed[1], seed[2], seed[3], seed[4], seed[5], seed[6], seed[7]]);
        let session = ClientSession::new(home.clone(), options, spread);
        let selects = catalogue.tables.iter().map(select).collect();
        Ok(Self { disk: disk.clone(), database: Some(database), session, catalogue, selects, home, options })
    }

    /// Dies here and now: memory is lost, and what was not flushed meets its fate.
    pub fn crash(mut self, aftermath: Aftermath) {
        self.disk.cut_power();
        drop(self.database.take());
        self.disk.restart(aftermath);
    }

    /// Ends in peace: the connection is closed, and its journal goes into the file.
    pub fn close(mut self) {
        drop(self.database.take());
    }

    /// The disk.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// A new session on the open database, as an adapter makes one after an error.
    pub fn restart_session(&mut self, seed: u64) {
        self.session = ClientSession::new(self.home.clone(), self.options, seed);
    }

    /// The synced tables.
    pub fn catalogue(&self) -> &Rc<Catalogue> {
        &self.catalogue
    }

    /// The session, to look at.
    pub fn session(&self) -> &ClientSession {
        &self.session
    }

    /// The database, for SQL.
    pub fn database(&mut self) -> &mut LocalDatabase {
        self.database.as_mut().expect("a device that was not crashed")
    }

    /// Gives the session one input.
    pub fn handle(&mut self, input: Input, now: Millis) -> Result<Outputs, DeviceError> {
        let Self { database, session, .. } = self;
        let database = database.as_mut().expect("a device that was not crashed");
        if input.brings_rows() {
            database.expect_rows()?;
        }
        let step = database
            .sync_step(now, |store| session.handle(input, now, store, &WireCodec).map_err(DeviceError::Session));
        step?
    }

    /// What the service worker would be given.
    pub fn ready_request(&mut self, now: Millis) -> Result<Option<Vec<ClientMessage>>, DeviceError> {
        let Self { database, session, .. } = self;
        let database = database.as_mut().expect("a device that was not crashed");
        let step = database.sync_step(now, |store| session.ready_request(store));
        step?.map_err(|error| DeviceError::Database(error.into()))
    }

    /// The bytes of a sealed changeset.
    pub fn sealed_bytes(&mut self, device_seq: DeviceSeq, now: Millis) -> Result<Vec<u8>, DeviceError> {
        self.step(now, |store| store.sealed_bytes(device_seq))
    }

    /// Runs a read of the client store in a step of its own.
    pub fn step<T>(
        &mut self,
        now: Millis,
        body: impl FnOnce(&mut SyncStep<'_>) -> Result<T, SqlError>,
    ) -> Result<T, DeviceError> {
        self.database().sync_step(now, body)?.map_err(|error| DeviceError::Database(error.into()))
    }

    /// Everything durable.
    pub fn durable(&mut self, now: Millis) -> Result<Durable, DeviceError> {
        let rows = self.rows(now)?;
        self.step(now, |store| {
            let mut log = store.sealed_log(None)?;
            let sealed_count = log.len();
            log.extend(store.unsealed(usize::MAX, usize::MAX)?);
            let (blocked, sealed, state) = (store.blocked()?, store.sealed()?, store.device()?);
            Ok(Durable { rows, log, sealed_count, blocked, sealed, state })
        })
    }

    /// What SELECT answers for the synced tables.
    pub fn rows(&mut self, now: Millis) -> Result<Rows, DeviceError> {
        let (catalogue, selects) = (self.catalogue.clone(), self.selects.clone());
        let mut all = Rows::new();
        for (position, (table, select)) in catalogue.tables.iter().zip(selects.iter()).enumerate() {
            let mut sink = Collect { rows: &mut all, id: TableId(position as u16), table };
            self.database().query(select, &[], now, &mut sink)?;
        }
        Ok(all)
    }

    /// The same for a table that may not be synced yet, with the columns that it has in some catalogue.
    pub fn rows_of(&mut self, id: TableId, table: &Table, now: Millis) -> Result<Rows, DbError> {
        let mut rows = Rows::new();
        self.database().query(&select(table), &[], now, &mut Collect { rows: &mut rows, id, table })?;
        Ok(rows)
    }

    /// A number that rises with every row that anything writes to the database while it is open.
    pub fn writes(&mut self, now: Millis) -> Result<i64, DbError> {
        let rows = self.query("SELECT total_changes()", &[], now)?;
        match rows.first().and_then(|row| row.first()) {
            Some(Value::Integer(writes)) => Ok(*writes),
            other => panic!("a count, not {other:?}"),
        }
    }

    /// All rows of a query.
    pub fn query(&mut self, sql: &str, params: &[Value], now: Millis) -> Result<Vec<Vec<Value>>, DbError> {
        let mut rows = List(Vec::new());
        self.database().query(sql, params, now, &mut rows)?;
        Ok(rows.0)
    }

    /// SQLite's own checks of the file and its references, on a connection of their own. The device must be off afterwards.
    pub fn integrity(self) -> Vec<String> {
        let disk = self.disk.clone();
        self.close();
        integrity(&on(&disk).expect("a file that can be opened"))
    }
}

/// A connection as the browser's adapter configures it, except that its journal is written back as often as the disk wants.
fn on(disk: &Disk) -> rusqlite::Result<Connection> {
    let connection = connect(disk, "device.db")?;
    let pragmas = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        PRAGMA cache_size = -2048; PRAGMA wal_autocheckpoint = 60;";
    connection.execute_batch(pragmas)?;
    Ok(connection)
}

impl Durable {
    /// What the device must show if its space's rows at the cursor are these.
    pub fn expected(&self, server: &Rows, catalogue: &Catalogue) -> Rows {
        let mut rows = server.clone();
        for transaction in self.log.iter().filter(|transaction| !self.blocked.contains(&transaction.id)) {
            transaction.changes.iter().for_each(|change| fold::replay(&mut rows, change, catalogue));
        }
        rows
    }
}

struct Collect<'a> {
    rows: &'a mut Rows,
    id: TableId,
    table: &'a Table,
}

impl RowSink for Collect<'_> {
    fn columns(&mut self, _names: &[&str]) {}

    fn row(&mut self, row: &rusqlite::Row<'_>) -> ControlFlow<()> {
        let (id, values) = read(self.id, self.table, row).expect("values of a synced table");
        self.rows.insert(id, values);
        ControlFlow::Continue(())
    }
}

struct List(Vec<Vec<Value>>);

impl RowSink for List {
    fn columns(&mut self, _names: &[&str]) {}

    fn row(&mut self, row: &rusqlite::Row<'_>) -> ControlFlow<()> {
        let width = row.as_ref().column_count();
        let value = |column: usize| ebbtide_store::sqlite::value::owned(row.get_ref(column).expect("a column"), column);
        self.0.push((0..width).map(|column| value(column).expect("a value")).collect());
        ControlFlow::Continue(())
    }
}
