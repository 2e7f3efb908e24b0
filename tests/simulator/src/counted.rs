//! The space's database, counting its statements and dying at one of them if it was told to.
//! Every verb goes through to the adapter behind it; what the statements do is not known here.
//! Used by the space's host.

use ebbtide_core::value::Value;
use ebbtide_store::sql::{Row, Sql, SqlError, SqlErrorKind};
use std::cell::Cell;
use std::rc::Rc;

/// Statements of the event so far, and the one at which it dies.
#[derive(Debug, Clone, Default)]
pub struct Count(Rc<Cell<(u64, Option<u64>)>>);

/// See the file's header.
#[derive(Debug, Clone)]
pub struct Counted<S> {
    pub inner: S,
    pub count: Count,
}

impl Count {
    /// Starts at nothing, to die at a statement or not at all.
    pub fn restart(&self, dies_at: Option<u64>) {
        self.0.set((0, dies_at));
    }

    /// How many there were.
    pub fn statements(&self) -> u64 {
        self.0.get().0
    }

    fn next(&self, sql: &str) -> Result<(), SqlError> {
        let (count, dies_at) = self.0.get();
        if dies_at.is_some_and(|at| count >= at) {
            return Err(SqlError { kind: SqlErrorKind::Other, message: "the machine died".into(), sql: sql.into() });
        }
        self.0.set((count + 1, dies_at));
        Ok(())
    }
}

impl<S: Sql + Clone> Sql for Counted<S> {
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, SqlError> {
        self.count.next(sql)?;
        self.inner.execute(sql, params)
    }

    fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, SqlError> {
        self.count.next(sql)?;
        self.inner.query(sql, params)
    }

    fn script(&mut self, sql: &str) -> Result<(), SqlError> {
        self.count.next(sql)?;
        self.inner.script(sql)
    }

    fn savepoint<T, R>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, R>) -> Result<Result<T, R>, SqlError> {
        let count = self.count.clone();
        self.inner.savepoint(|inner| body(&mut Self { inner: inner.clone(), count }))
    }
}
