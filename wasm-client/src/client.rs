//! The exported class: one open database and its sync, in the shapes that JavaScript uses.
//! It translates and guards against use after closing; statements are the local database's business, sync the driver's.
//! The worker script holds exactly one.

use crate::cells::{Parameters, Rows};
use crate::conflicts;
use crate::database::Database;
use crate::error::{ClientError, Result};
use crate::inspect;
use crate::options::{self, Options, Storage};
use crate::records;
use crate::storage;
use crate::sync::{Host, SharedDatabase, Sync, Wishes};
use core::cell::{Cell, RefMut};
use ebbtide_core::ids::DeviceSeq;
use sqlite_wasm_vfs::sahpool::OpfsSAHPoolUtil;
use std::rc::Rc;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// An open database.
#[wasm_bindgen]
pub struct Client {
    database: SharedDatabase,
    pool: Option<OpfsSAHPoolUtil>,
    storage: Storage,
    sync: Option<Rc<Sync>>,
    online: Cell<bool>,
    /// Something was committed that the sync has not been told of.
    written: Cell<bool>,
}

type Js<T> = core::result::Result<T, JsValue>;

#[wasm_bindgen]
impl Client {
    /// Opens the database that the options (JSON) name, and brings it to the schema's version.
    pub async fn open(options: String, host: Host) -> Js<Client> {
        let options = Options::parse(&options)?;
        let opened = storage::open(&options).await?;
        let mut database = Database::open(opened.connection, &options)?;
        let device = inspect::device_id(&mut database)?;
        let database: SharedDatabase = Rc::new(Some(database).into());
        let wishes = Wishes { online: options.online, paused: options.paused };
        let sync = options.sync.map(|sync| Sync::new(host, sync, device, Rc::clone(&database), wishes));
        Ok(Client {
            database,
            pool: opened.pool,
            storage: options.storage,
            sync,
            online: Cell::new(options.online),
            written: Cell::new(false),
        })
    }

    /// Runs a statement in a transaction of its own, or in the open one; answers how many rows it changed.
    pub fn exec(&self, sql: &str, parameters: &[u8]) -> Js<f64> {
        let parameters = Parameters::single(parameters)?;
        Ok(self.write(|database| database.execute(sql, &parameters))? as f64)
    }

    /// Runs a statement once for each row of parameters, all in one transaction; answers the rows changed in total.
    #[wasm_bindgen(js_name = execMany)]
    pub fn exec_many(&self, sql: &str, rows: &[u8]) -> Js<f64> {
        let rows = Parameters::new(rows)?;
        Ok(self.write(|database| database.execute_many(sql, rows))? as f64)
    }

    /// Runs a statement and answers its rows, encoded as `cells.rs` says.
    pub fn query(&self, sql: &str, parameters: &[u8]) -> Js<Vec<u8>> {
        let mut rows = Rows::default();
        let mut database = self.database()?;
        let result = database.query(sql, &Parameters::single(parameters)?, &mut rows);
        // A query may write by RETURNING, but hardly any does, and the sync has better to do than look at each.
        if database.has_touched() {
            self.written.set(true);
        }
        result?;
        Ok(rows.finish())
    }

    /// Begins the app's transaction; the sync stands still until it ends.
    pub fn begin(&self) -> Js<()> {
        self.database()?.begin()?;
        self.hold(true);
        Ok(())
    }

    /// Commits it; on failure it is rolled back.
    pub fn commit(&self) -> Js<()> {
        self.written.set(true);
        let committed = self.database()?.commit();
        self.hold(false);
        Ok(committed?)
    }

    /// Takes it back.
    pub fn rollback(&self) -> Js<()> {
        let rolled_back = self.database()?.rollback();
        self.hold(false);
        Ok(rolled_back?)
    }

    /// Whether something was committed that `pump` and `takeTouched` have not been asked about.
    #[wasm_bindgen(js_name = hasWritten)]
    pub fn has_written(&self) -> bool {
        self.written.get()
    }

    /// Tells the sync of what was committed. To be called after calls were answered, outside of a transaction.
    pub fn pump(&self) {
        if self.written.take()
            && let Some(sync) = &self.sync
        {
            sync.local_commit();
        }
    }

    /// The tables that a query reads.
    pub fn reads(&self, sql: &str) -> Js<Vec<String>> {
        Ok(self.database()?.reads(sql)?)
    }

    /// The tables written since the last call.
    #[wasm_bindgen(js_name = takeTouched)]
    pub fn take_touched(&self) -> Js<Vec<String>> {
        Ok(self.database()?.take_touched())
    }

    /// The database as the bytes of a SQLite file.
    pub fn export(&self) -> Js<Vec<u8>> {
        Ok(self.database()?.export()?)
    }

    /// Begins to keep the database in step.
    #[wasm_bindgen(js_name = startSync)]
    pub fn start_sync(&self) {
        if let Some(sync) = &self.sync {
            sync.start();
        }
    }

    /// Answers of the space that the service worker received while no page was there.
    pub fn deliver(&self, answer: &[u8]) {
        if let Some(sync) = &self.sync {
            sync.deliver(answer);
        }
    }

    /// Sends and receives until up to date; the host gets a report or a failure.
    #[wasm_bindgen(js_name = syncNow)]
    pub fn sync_now(&self) -> Js<()> {
        self.syncing()?.sync_now();
        Ok(())
    }

    /// Makes a plan of what a sync would do; the host gets it, or a failure.
    pub fn plan(&self) -> Js<()> {
        self.syncing()?.plan();
        Ok(())
    }

    /// Carries a plan out; the host gets a report or a failure.
    #[wasm_bindgen(js_name = runPlan)]
    pub fn run_plan(&self, upto: f64) -> Js<()> {
        self.syncing()?.run_plan(DeviceSeq(upto as u64));
        Ok(())
    }

    /// What this device knows of a row's history, as rows; the key is one row of parameters.
    #[wasm_bindgen(js_name = rowLog)]
    pub fn row_log(&self, table: &str, key: &[u8]) -> Js<Vec<u8>> {
        let key = Parameters::single(key)?;
        Ok(records::row_log(&*self.database()?, table, &key)?)
    }

    /// Answers the host's question whether changesets up to this number may be committed.
    pub fn confirmed(&self, upto: f64, accepted: bool) {
        if let Some(sync) = &self.sync {
            sync.confirmed(DeviceSeq(upto as u64), accepted);
        }
    }

    /// The app says what becomes of what was written before there was a space: `seed`, `merge` or `take`.
    pub fn start(&self, choice: &str) -> Js<()> {
        let start = options::start(choice)
            .ok_or_else(|| ClientError::permanent("bad_parameter", "sync.start(): it is 'seed', 'merge' or 'take'"))?;
        self.syncing()?.start_with(start);
        Ok(())
    }

    /// Pauses or resumes the sync.
    #[wasm_bindgen(js_name = setPaused)]
    pub fn set_paused(&self, paused: bool) -> Js<()> {
        self.syncing()?.set_paused(paused);
        Ok(())
    }

    /// Whether the browser believes to have a network.
    #[wasm_bindgen(js_name = setOnline)]
    pub fn set_online(&self, online: bool) {
        self.online.set(online);
        if let Some(sync) = &self.sync {
            sync.set_online(online);
        }
    }

    /// `SyncStatus`, as JSON.
    pub fn status(&self) -> Js<String> {
        match &self.sync {
            Some(sync) => Ok(sync.status()),
            None => Ok(inspect::local_status(&mut *self.database()?, self.online.get())?),
        }
    }

    /// `SyncInspection`, as JSON.
    pub fn inspect(&self) -> Js<String> {
        let status = self.status()?;
        Ok(inspect::inspection(&mut *self.database()?, &status, self.storage)?)
    }

    /// The refused transactions, one row a field, encoded as a result is.
    pub fn rejected(&self) -> Js<Vec<u8>> {
        Ok(records::rejected(&mut *self.database()?)?)
    }

    /// Commits the changes of a refused transaction again, edited: rows of edit, table, column (NULL for a part of the key), value.
    #[wasm_bindgen(js_name = retryRejected)]
    pub fn retry_rejected(&self, id: &str, edits: &[u8]) -> Js<()> {
        let edits = records::edits(Parameters::new(edits)?)?;
        self.written.set(true);
        Ok(self.database()?.retry_rejected(records::stamp(id)?, &edits)?)
    }

    /// Takes a refused transaction off the list.
    #[wasm_bindgen(js_name = discardRejected)]
    pub fn discard_rejected(&self, id: &str) -> Js<()> {
        self.written.set(true);
        Ok(self.database()?.discard_rejected(records::stamp(id)?)?)
    }

    /// The conflicts that wait for a person, encoded as a result is.
    #[wasm_bindgen(js_name = openConflicts)]
    pub fn open_conflicts(&self) -> Js<Vec<u8>> {
        Ok(conflicts::open(&mut *self.database()?)?)
    }

    /// The conflicts that rules have decided, encoded as a result is.
    #[wasm_bindgen(js_name = decidedConflicts)]
    pub fn decided_conflicts(&self) -> Js<Vec<u8>> {
        Ok(conflicts::decided(&mut *self.database()?)?)
    }

    /// Resolves an open conflict: a side by its place, -1 for this device's own, -2 for the one parameter.
    #[wasm_bindgen(js_name = resolveConflict)]
    pub fn resolve_conflict(&self, id: &str, side: i32, parameters: &[u8]) -> Js<()> {
        let choice = conflicts::choice(side, Parameters::single(parameters)?)?;
        self.written.set(true);
        Ok(self.database()?.resolve_conflict(conflicts::id(id)?, &choice)?)
    }

    /// Closes the database and lets go of its files. Closing twice does nothing.
    pub fn close(&self) -> Js<()> {
        if let Some(sync) = &self.sync {
            sync.stop();
        }
        let database = self.database.borrow_mut().take();
        if let Some(database) = database {
            database.close()?;
        }
        if let Some(pool) = &self.pool {
            let failed = |error| ClientError::permanent("storage_error", "the files were not let go").caused_by(error);
            pool.pause().map_err(failed)?;
        }
        Ok(())
    }

    /// Runs a statement of the app. What can be sent at once is sealed before the one wait for the disk that makes both
    /// durable; everything else waits for itself, and is sealed after it was answered.
    fn write<T>(&self, write: impl FnOnce(&mut Database) -> Result<T>) -> Result<T> {
        self.written.set(true);
        if !self.sync.as_ref().is_some_and(|sync| sync.is_idle()) {
            return write(&mut *self.database()?);
        }
        let written = self.database()?.unsettled(write);
        self.pump();
        self.database()?.settle()?;
        written
    }

    fn hold(&self, held: bool) {
        if let Some(sync) = &self.sync {
            sync.hold(held);
        }
    }

    fn syncing(&self) -> Result<&Rc<Sync>> {
        let missing = || ClientError::permanent("not_syncing", "the database was opened without `sync`");
        self.sync.as_ref().ok_or_else(missing)
    }

    fn database(&self) -> Result<RefMut<'_, Database>> {
        RefMut::filter_map(self.database.borrow_mut(), Option::as_mut)
            .map_err(|_| ClientError::permanent("database_closed", "the database was closed"))
    }
}
