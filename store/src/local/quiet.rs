//! The quiet state, in which SQLite's foreign keys and the app's triggers look away while remote changes are applied.
//! Each switch makes SQLite prepare all statements anew, so quiet lasts from one sync step to the next, until the app
//! writes or asks about what the switches show. Sync steps begin it; the verbs that take SQL from the app end it.

use super::LocalDatabase;
use super::error::DbError;
use super::triggers::TriggerPlan;
use rusqlite::config::DbConfig;
use std::rc::Rc;

/// Whether it is quiet.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    on: bool,
    /// The connection's count of written rows when the running step began.
    written_at_begin: u64,
}

impl LocalDatabase {
    /// The next step is going to write synced tables: it becomes quiet outside of the step's transaction, where that is
    /// cheaper. Without this call the step sees to it itself.
    pub fn expect_rows(&mut self) -> Result<(), DbError> {
        if self.open.is_some() {
            return Ok(());
        }
        self.plan_triggers()?;
        let quiet = self.switch_off().or_else(|error| self.switch_on().and(Err(error)));
        quiet.map_err(|error| DbError::from_sqlite(&error, "PRAGMA foreign_keys"))
    }

    /// Whether foreign keys and triggers look away at the moment.
    #[cfg(feature = "contract")]
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet.on
    }

    /// Sorts the triggers, if the app has changed its local tables since. It is not quiet then.
    pub(super) fn plan_triggers(&mut self) -> Result<(), DbError> {
        if self.triggers.is_none() {
            self.triggers = Some(Rc::new(TriggerPlan::of(&self.connection, &self.access, &self.catalogue)?));
        }
        Ok(())
    }

    /// Begins a sync step's transaction. If it is taken back, `switch_on` must follow.
    pub(super) fn begin_step(&mut self) -> Result<(), DbError> {
        self.control("BEGIN IMMEDIATE")?;
        self.quiet.written_at_begin = self.connection.total_changes();
        Ok(())
    }

    /// Inside a step's transaction and outside of any savepoint, before its first write to a synced table.
    pub(crate) fn quieten(&mut self) -> rusqlite::Result<()> {
        if self.quiet.on {
            return Ok(());
        }
        // Temporary triggers made inside the transaction would have SQLite read the whole schema again at each rollback to a
        // savepoint. While nothing was written, a transaction can end and begin unnoticed.
        if self.connection.total_changes() != self.quiet.written_at_begin {
            return self.switch_off();
        }
        self.run_cached("COMMIT")?;
        self.switch_off()?;
        self.run_cached("BEGIN IMMEDIATE")
    }

    /// Before anything of the app runs for which foreign keys and triggers matter.
    pub(super) fn wake(&mut self) -> Result<(), DbError> {
        self.wake_up().map_err(|error| DbError::from_sqlite(&error, "PRAGMA foreign_keys"))
    }

    pub(super) fn wake_up(&mut self) -> rusqlite::Result<()> {
        if self.quiet.on { self.switch_on() } else { Ok(()) }
    }

    fn switch_off(&mut self) -> rusqlite::Result<()> {
        if self.quiet.on {
            return Ok(());
        }
        // Noted first: what fails halfway is switched on again.
        self.quiet.on = true;
        if self.references.any {
            self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
        }
        self.plan().silence(&self.connection)
    }

    /// Also after a rollback, which may have brought temporary triggers back that were gone, but moved no switch.
    pub(super) fn switch_on(&mut self) -> rusqlite::Result<()> {
        self.plan().restore(&self.connection)?;
        if self.references.any {
            self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
        }
        self.quiet.on = false;
        Ok(())
    }

    /// Before the app's transaction in which logged changes are made once more, outside of any: the triggers whose writes were logged stay
    /// quiet, foreign keys do not. `end_repeated` must follow.
    pub(super) fn quieten_repeated(&mut self) -> Result<(), DbError> {
        self.plan_triggers()?;
        self.wake()?;
        let silent = self.plan().silence_logged(&self.connection);
        silent.map_err(|error| DbError::from_sqlite(&error, "CREATE TEMP TRIGGER"))
    }

    /// After it.
    pub(super) fn end_repeated(&mut self) -> Result<(), DbError> {
        self.plan().restore(&self.connection).map_err(|error| DbError::from_sqlite(&error, "DROP TRIGGER"))
    }

    fn plan(&self) -> Rc<TriggerPlan> {
        self.triggers.clone().unwrap_or_default()
    }

    fn run_cached(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.raw_execute().map(drop)
    }
}
