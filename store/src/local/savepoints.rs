//! The app's savepoints inside a transaction, and the recording that goes back with them.
//! Names are compared as SQLite does; the same name may be open several times.
//! Called for statements that the authorizer knows as savepoint statements.

use super::LocalDatabase;
use super::access::{Actor, SavepointAction};
use super::error::{DbError, DbErrorCode};
use super::execute::Executed;
use crate::limits::SAVEPOINT_DEPTH;
use rusqlite::hooks::TransactionOperation;

impl LocalDatabase {
    pub(super) fn savepoint(&mut self, sql: &str, action: &SavepointAction) -> Result<Executed, DbError> {
        let Some(open) = &self.open else {
            let what = "savepoints belong into transaction()";
            return Err(DbError::of_statement(DbErrorCode::RawTransaction, what, sql));
        };
        if open.savepoints.len() >= SAVEPOINT_DEPTH {
            let what = format!("more than {SAVEPOINT_DEPTH} savepoints are open");
            return Err(DbError::of_statement(DbErrorCode::ForbiddenStatement, what, sql));
        }
        let run = || self.connection.prepare_cached(sql)?.raw_execute();
        self.access.acting(Actor::App, run).map_err(|error| DbError::from_sqlite(&error, sql))?;
        self.follow(action);
        Ok(Executed::default())
    }

    /// Does to the recording what SQLite has done to the database.
    fn follow(&mut self, action: &SavepointAction) {
        let mut capture = self.capture.lock();
        let Some(open) = &mut self.open else { return };
        if action.operation == TransactionOperation::Begin {
            open.savepoints.push((action.name.clone(), capture.mark()));
            return;
        }
        let same = |(name, _): &(String, _)| name.eq_ignore_ascii_case(&action.name);
        let Some(at) = open.savepoints.iter().rposition(same) else { return };
        if action.operation == TransactionOperation::Rollback {
            capture.trim(open.savepoints[at].1);
            open.savepoints.truncate(at + 1);
        } else {
            open.savepoints.truncate(at);
        }
    }
}
