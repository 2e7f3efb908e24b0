//! Running the app's statements: one, or one over many rows, each atomic by itself.
//! It knows when a statement needs a transaction and what its failure takes back, not what it means.
//! The verbs behind `exec`, `execMany`, `query` and `get`.

use super::LocalDatabase;
use super::access::Actor;
use super::class::Class;
use super::error::{DbError, DbErrorCode};
use crate::sqlite::value::Bound;
use ebbtide_core::ids::Millis;
use ebbtide_core::value::Value;
use rusqlite::{Row, Statement};
use std::ops::ControlFlow;

/// What a statement did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Executed {
    /// Rows that it inserted, updated or deleted itself.
    pub changes: u64,
    /// The rowid of the last inserted row.
    pub last_insert_rowid: i64,
}

/// Takes the rows of a query, without copies in between.
pub trait RowSink {
    /// The column names; called once, also when no row follows.
    fn columns(&mut self, names: &[&str]);

    /// The next row. `Break` if no more are wanted.
    fn row(&mut self, row: &Row<'_>) -> ControlFlow<()>;
}

/// Wants no rows.
pub struct NoRows;

impl RowSink for NoRows {
    fn columns(&mut self, _names: &[&str]) {}

    fn row(&mut self, _row: &Row<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Gives the parameters of `execute_many`, one row after the other.
pub trait RowSource {
    /// Replaces `into` by the next row's values; false after the last.
    fn next(&mut self, into: &mut Vec<Value>) -> Result<bool, DbError>;
}

impl<I: Iterator<Item = Vec<Value>>> RowSource for I {
    fn next(&mut self, into: &mut Vec<Value>) -> Result<bool, DbError> {
        let next = Iterator::next(self);
        let found = next.is_some();
        *into = next.unwrap_or_default();
        Ok(found)
    }
}

impl LocalDatabase {
    /// Runs one statement whose rows, if any, nobody wants. Outside of a transaction it is one by itself: durable
    /// when this returns.
    pub fn execute(&mut self, sql: &str, params: &[Value], now: Millis) -> Result<Executed, DbError> {
        self.query(sql, params, now, &mut NoRows)
    }

    /// Runs one statement and hands its rows to the sink. Whether it writes makes no difference here.
    pub fn query(
        &mut self,
        sql: &str,
        params: &[Value],
        now: Millis,
        sink: &mut dyn RowSink,
    ) -> Result<Executed, DbError> {
        self.check_open(sql)?;
        self.ids.set(now);
        let class = self.class(sql)?;
        if let Some(action) = &class.savepoint {
            return self.savepoint(sql, action);
        }
        if class.looks_inside {
            self.wake()?;
        }
        let mut step = |db: &Self| {
            db.prepared(sql, |statement| {
                bind(statement, params)?;
                db.step(statement, sink)
            })
        };
        if class.readonly {
            return step(self).map_err(|error| DbError::from_sqlite(&error, sql));
        }
        self.writing(sql, &class, now, |db| step(db).map_err(|error| DbError::from_sqlite(&error, sql)))
    }

    /// Runs one statement for each row of parameters: all of them, or none.
    pub fn execute_many(&mut self, sql: &str, rows: &mut dyn RowSource, now: Millis) -> Result<Executed, DbError> {
        self.check_open(sql)?;
        self.ids.set(now);
        let class = self.class(sql)?;
        if class.savepoint.is_some() {
            let what = "a savepoint statement has no rows";
            return Err(DbError::of_statement(DbErrorCode::RawTransaction, what, sql));
        }
        self.all_or_nothing(sql, &class, now, |db| db.step_all(sql, rows))
    }

    /// Runs `write` in the open transaction, or in one of its own.
    fn writing(
        &mut self,
        sql: &str,
        class: &Class,
        now: Millis,
        mut write: impl FnMut(&Self) -> Result<Executed, DbError>,
    ) -> Result<Executed, DbError> {
        let alone = self.open.is_none();
        if alone {
            self.begin_writing()?;
        }
        let mark = self.capture.lock().mark();
        let mut result = write(self);
        if result.is_err() {
            self.settle_failure(mark)?;
        }
        if alone {
            // A failed statement was taken back already, and what FAIL has kept stays, as in plain SQLite.
            let finished = if self.has_ended() { self.abandon() } else { self.finish(now, sql) };
            result = match result {
                Ok(executed) => finished.map(|()| executed),
                Err(error) => finished.and(Err(error)),
            };
        }
        self.note_definitions(class)?;
        result
    }

    fn all_or_nothing(
        &mut self,
        sql: &str,
        class: &Class,
        now: Millis,
        mut write: impl FnMut(&Self) -> Result<Executed, DbError>,
    ) -> Result<Executed, DbError> {
        let alone = self.open.is_none();
        if alone {
            self.begin_writing()?
        } else {
            self.control("SAVEPOINT _ebb_many")?
        }
        let mark = self.capture.lock().mark();
        let result = write(self);
        let settled = match (&result, alone) {
            (Ok(_), true) => self.finish(now, sql),
            (Ok(_), false) => self.control("RELEASE _ebb_many"),
            (Err(_), true) => self.abandon(),
            (Err(_), false) => self.undo_many(mark),
        };
        self.note_definitions(class)?;
        match result {
            Ok(executed) => settled.map(|()| executed),
            Err(error) => settled.and(Err(error)),
        }
    }

    fn undo_many(&mut self, mark: crate::capture::Mark) -> Result<(), DbError> {
        if self.connection.is_autocommit() {
            return self.settle_failure(mark);
        }
        self.control("ROLLBACK TO _ebb_many")?;
        self.control("RELEASE _ebb_many")?;
        self.capture.lock().trim(mark);
        Ok(())
    }

    fn note_definitions(&mut self, class: &Class) -> Result<(), DbError> {
        if !class.defines {
            return Ok(());
        }
        if let Some(open) = &mut self.open {
            open.defined = true;
        }
        self.forget_classes()
    }

    /// Prepares and runs on the app's behalf: SQLite may prepare again when the schema has changed.
    fn prepared<T>(
        &self,
        sql: &str,
        run: impl FnOnce(&mut Statement<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.access.acting(Actor::App, || run(&mut *self.connection.prepare_cached(sql)?))
    }

    fn step(&self, statement: &mut Statement<'_>, sink: &mut dyn RowSink) -> rusqlite::Result<Executed> {
        let before = self.connection.total_changes();
        if statement.column_count() == 0 {
            statement.raw_execute()?;
        } else {
            let readonly = statement.readonly();
            sink.columns(&statement.column_names().collect::<Vec<_>>());
            let mut rows = statement.raw_query();
            let mut wanted = true;
            // A statement that writes runs to its end, or its last constraints would fail unheard.
            while wanted || !readonly {
                let Some(row) = rows.next()? else { break };
                wanted = wanted && sink.row(row).is_continue();
            }
        }
        // Statements that change no row leave the count of the one before.
        let changed = self.connection.total_changes() != before;
        Ok(Executed {
            changes: if changed { self.connection.changes() } else { 0 },
            last_insert_rowid: self.connection.last_insert_rowid(),
        })
    }

    fn step_all(&self, sql: &str, rows: &mut dyn RowSource) -> Result<Executed, DbError> {
        let mut total = Executed::default();
        let mut values = Vec::new();
        let failed = |error: rusqlite::Error| DbError::from_sqlite(&error, sql);
        self.access.acting(Actor::App, || {
            let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
            while rows.next(&mut values)? {
                bind(&mut statement, &values).map_err(failed)?;
                let done = self.step(&mut statement, &mut NoRows).map_err(failed)?;
                total.changes += done.changes;
                total.last_insert_rowid = done.last_insert_rowid;
            }
            Ok(total)
        })
    }
}

fn bind(statement: &mut Statement<'_>, params: &[Value]) -> rusqlite::Result<()> {
    let expected = statement.parameter_count();
    if expected != params.len() {
        return Err(rusqlite::Error::InvalidParameterCount(params.len(), expected));
    }
    for (index, value) in params.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, Bound(value))?;
    }
    Ok(())
}
