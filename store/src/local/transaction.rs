//! The app's open transaction: begin, commit with the log, rollback, and what a failed statement leaves of it.
//! It knows SQLite's transaction states and the recording; queues and time limits are its callers' business.
//! The verbs behind `transaction`, and the frame around each statement that is one by itself.

use super::LocalDatabase;
use super::error::{DbError, DbErrorCode};
use super::log::{Head, Made};
use super::{kept, log};
use crate::capture::Mark;
use crate::sql::SqlError;
use ebbtide_core::change::Base;
use ebbtide_core::ids::{DeviceSeq, Millis};

/// A transaction of the app.
#[derive(Debug, Default)]
pub(super) struct OpenTransaction {
    /// The app's savepoints, innermost last, with the recording's mark at each.
    pub savepoints: Vec<(String, Mark)>,
    /// Whether it changed the schema.
    pub defined: bool,
    /// Whether SQLite has ended it.
    pub ended: bool,
}

impl LocalDatabase {
    /// Begins a transaction of the app.
    pub fn begin(&mut self) -> Result<(), DbError> {
        if self.open.is_some() {
            return Err(DbError::new(DbErrorCode::TransactionState, "a transaction is open already"));
        }
        self.begin_writing()?;
        self.open = Some(OpenTransaction::default());
        Ok(())
    }

    /// Commits the app's transaction; durable when this returns. On failure nothing of it is kept.
    pub fn commit(&mut self, now: Millis) -> Result<(), DbError> {
        let open = self.open.take().ok_or_else(none_open)?;
        if open.ended {
            self.abandon()?;
            return Err(ended());
        }
        let result = self.finish(now, "COMMIT");
        if result.is_err() && open.defined {
            self.forget_classes()?;
        }
        result
    }

    /// Takes the app's transaction back.
    pub fn rollback(&mut self) -> Result<(), DbError> {
        let open = self.open.take().ok_or_else(none_open)?;
        self.abandon()?;
        if open.defined { self.forget_classes() } else { Ok(()) }
    }

    /// Whether a transaction of the app is open.
    pub fn in_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// Refuses statements in a transaction that SQLite has ended.
    pub(super) fn check_open(&self, sql: &str) -> Result<(), DbError> {
        match &self.open {
            Some(open) if open.ended => Err(DbError { sql: Some(sql.into()), ..ended() }),
            _ => Ok(()),
        }
    }

    pub(super) fn begin_writing(&mut self) -> Result<(), DbError> {
        self.wake()?;
        self.control("BEGIN IMMEDIATE")
    }

    /// Writes the log and commits; rolls back if either fails. `sql` is to blame for a deferred constraint.
    pub(super) fn finish(&mut self, now: Millis, sql: &str) -> Result<(), DbError> {
        let finished = self.flush(now).and_then(|()| {
            let commit = self.connection.prepare_cached("COMMIT").and_then(|mut commit| commit.raw_execute());
            commit.map(drop).map_err(|error| DbError::from_sqlite(&error, sql))
        });
        match finished {
            Ok(()) => self.note_touched(),
            Err(_) => self.abandon()?,
        }
        finished
    }

    fn flush(&mut self, now: Millis) -> Result<(), DbError> {
        if self.capture.is_broken() {
            return Err(DbError::new(
                DbErrorCode::StorageError,
                "capture has failed; the database must be opened again",
            ));
        }
        // Bound first: the guard must be gone before a statement runs.
        let taken = self.capture.lock().take();
        let taken = taken.map_err(|fault| log::refusal(&fault, &self.catalogue))?;
        let resolutions = std::mem::take(&mut self.resolving);
        if taken.rows > 0 || !resolutions.is_empty() {
            let base = Base {
                seq: self.device.cursor.seq,
                device_seq: DeviceSeq(self.device.next_device_seq.0.saturating_sub(1)),
            };
            let made = self.made()?;
            let (opening, stamp) = (self.opening, self.clock.tick(now));
            let head = Head { opening, stamp, base, schema: self.catalogue.version, made };
            log::append(&self.connection, &taken, head)
                .and_then(|id| log::append_resolutions(&self.connection, id, &resolutions))
                .map_err(|error| DbError::from_sqlite(&error, "INSERT INTO _ebb_log"))?;
            if !resolutions.is_empty() {
                self.waitlist.forget_counts();
            }
            self.waitlist.note_commit(made);
        }
        self.capture.lock().recycle(taken);
        Ok(())
    }

    /// Says whether the database is kept in step with a space at present. What is written while it is not, and no space has ever
    /// welcomed it, waits for a choice.
    pub fn keep_in_step(&mut self, in_step: bool) {
        self.apart = !in_step;
    }

    /// What was written apart may have been written on top of, so the choice is about all of it.
    fn made(&mut self) -> Result<Made, SqlError> {
        let apart = self.device.is_new() && (self.apart || self.waitlist.counts(&self.connection)?.local > 0);
        Ok(if apart { Made::Apart } else { Made::InStep })
    }

    /// Rolls back, unless SQLite has done so.
    pub(super) fn abandon(&mut self) -> Result<(), DbError> {
        self.capture.lock().clear();
        self.resolving.clear();
        self.waitlist.forget_counts();
        if self.connection.is_autocommit() { Ok(()) } else { self.control("ROLLBACK") }
    }

    /// After a failed statement: takes out of the recording what SQLite took out of the database.
    pub(super) fn settle_failure(&mut self, mark: Mark) -> Result<(), DbError> {
        if self.connection.is_autocommit() {
            self.capture.lock().clear();
            if let Some(open) = &mut self.open {
                open.ended = true;
            }
            return Ok(());
        }
        if !self.kept_since(mark)? {
            self.capture.lock().trim(mark);
        }
        Ok(())
    }

    fn kept_since(&self, mark: Mark) -> Result<bool, DbError> {
        let recorded = self.capture.lock().since(mark).to_vec();
        let compare = || kept::kept(&self.connection, &self.catalogue, &log::decode(&recorded)?);
        compare().map_err(|error| DbError::from_sqlite(&error, "SELECT"))
    }

    /// Whether SQLite is in no transaction any more.
    pub(super) fn has_ended(&self) -> bool {
        self.connection.is_autocommit()
    }

    /// A transaction statement of ours.
    pub(super) fn control(&self, sql: &str) -> Result<(), DbError> {
        let run = || self.connection.prepare_cached(sql)?.raw_execute();
        run().map(drop).map_err(|error| DbError::from_sqlite(&error, sql))
    }
}

fn none_open() -> DbError {
    DbError::new(DbErrorCode::TransactionState, "no transaction is open")
}

fn ended() -> DbError {
    DbError::new(DbErrorCode::TransactionEnded, "SQLite has rolled the transaction back after a failed statement")
}
