//! One step of the client session: its writes in one transaction, uncaptured, with references checked before COMMIT.
//! It knows what must be quiet meanwhile (capture, SQLite's own foreign keys, the app's triggers), not what is written.
//! Called by the adapters around every call of the client session.

use super::error::{DbError, DbErrorCode};
use super::references::TouchedRows;
use super::{LocalDatabase, device, unsaid};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::ids::{Millis, TableId};
use ebbtide_core::sorted::SortedSet;
use std::rc::Rc;

/// The local database inside a step; the client store is implemented on it.
pub struct SyncStep<'a> {
    pub(crate) db: &'a mut LocalDatabase,
    pub(crate) touched: TouchedRows,
    /// Tables of which the space said nothing in this step.
    pub(crate) unsaid: SortedSet<TableId>,
    /// Catalogues of other schema versions, as read in this step.
    pub(crate) catalogues: Vec<Rc<Catalogue>>,
    /// Whether the device's record has to be written at the end.
    pub(crate) device_changed: bool,
}

impl LocalDatabase {
    /// Runs `step` in one transaction. Its error takes everything back and comes through as the inner result; the
    /// outer one is the database's own failure, which takes everything back too.
    pub fn sync_step<T, E>(
        &mut self,
        now: Millis,
        step: impl FnOnce(&mut SyncStep<'_>) -> Result<T, E>,
    ) -> Result<Result<T, E>, DbError> {
        if self.open.is_some() {
            return Err(DbError::new(DbErrorCode::TransactionState, "a transaction of the app is open"));
        }
        self.ids.set(now);
        self.plan_triggers()?;
        self.begin_step()?;
        self.capture.lock().set_on(false);
        let (touched, unsaid, catalogues) = (TouchedRows::default(), SortedSet::new(), Vec::new());
        let mut running = SyncStep { db: self, touched, unsaid, catalogues, device_changed: false };
        let result = step(&mut running);
        let finished = if result.is_ok() { running.finish() } else { Ok(()) };
        self.capture.lock().set_on(true);
        if result.is_ok() && finished.is_ok() {
            self.note_touched();
            return Ok(result);
        }
        self.take_back()?;
        finished.map(|()| result)
    }

    /// Whether commits from now on wait for the disk. Without waiting a commit is atomic and in order as ever, but a
    /// power cut may take the last ones; the next one that waits makes all before it durable.
    pub fn wait_for_disk(&self, wait: bool) -> Result<(), DbError> {
        let sql = if wait { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
        self.connection.execute_batch(sql).map_err(|error| DbError::from_sqlite(&error, sql))
    }

    fn take_back(&mut self) -> Result<(), DbError> {
        self.abandon()?;
        self.waitlist.forget();
        let mut read = || {
            self.switch_on()?;
            device::read(&self.connection)
        };
        let found = read().map_err(|error| DbError::from_sqlite(&error, "SELECT FROM _ebb_device"))?;
        if let Some((device, clock)) = found {
            self.device = device;
            self.clock.observe(clock.last());
        }
        Ok(())
    }
}

impl SyncStep<'_> {
    /// Makes the step write something even if nothing changed, so that its commit reaches the disk with all before it.
    pub fn must_write(&mut self) {
        self.device_changed = true;
    }

    fn finish(&mut self) -> Result<(), DbError> {
        self.settle().map_err(|error| DbError::from_sqlite(&error, "applying remote changes"))?;
        let dangling = self.db.references.dangling(&self.db.connection, &self.touched);
        if let Some(what) = dangling.map_err(|error| DbError::from_sqlite(&error, "checking references"))? {
            return Err(DbError::new(DbErrorCode::ConstraintForeignKey, what));
        }
        self.db.control("COMMIT")
    }

    fn settle(&mut self) -> rusqlite::Result<()> {
        let db = &mut *self.db;
        unsaid::follow(&db.connection, &db.catalogue, &self.unsaid, &mut self.touched)?;
        if db.references.have_followers(&self.touched) {
            // What local tables do in turn is plain SQLite's business.
            db.wake_up()?;
            db.references.follow(&db.connection, &self.touched)?;
        }
        if self.device_changed {
            device::write(&db.connection, &db.device, db.clock)?;
        }
        Ok(())
    }
}
