//! Capture: what SQLite changes in synced tables, recorded before it happens and kept until the local COMMIT.
//! It knows rows and fields, neither stamps nor the log table; who switches it on or off is not its business.
//! Used by the local database, which flushes what was recorded into the log.

mod encode;
mod plan;
mod recorder;

pub use plan::TablePlan;
pub use recorder::{Fault, Mark, Recorder, Taken};

use rusqlite::Connection;
use rusqlite::hooks::{Action, PreUpdateCase};
use std::sync::{Arc, Mutex, MutexGuard};

/// A recorder shared with the hook. Hooks must be `Send`; nothing here is ever contended.
#[derive(Clone, Default)]
pub struct Capture(Arc<Mutex<Recorder>>);

impl Capture {
    /// Installs the hook. Once per connection and before its first statement: the hook is what keeps SQLite from
    /// emptying a table without looking at its rows, and that is decided when a statement is prepared.
    pub fn install(connection: &mut Connection) -> rusqlite::Result<Self> {
        let capture = Capture::default();
        let recorder = Arc::clone(&capture.0);
        connection.preupdate_hook(Some(move |_: Action, database: &str, table: &str, case: &PreUpdateCase| {
            let mut recorder = recorder.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if database == "main" { recorder.see(table, case) } else { recorder.touch(table) }
        }))?;
        Ok(capture)
    }

    /// Whether the hook has panicked, which rusqlite hides: what was recorded since is incomplete.
    pub fn is_broken(&self) -> bool {
        self.0.is_poisoned()
    }

    /// The recorder. Never to be held while a statement runs: the hook needs it then.
    pub fn lock(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
