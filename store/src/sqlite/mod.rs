//! The `Sql` port over rusqlite, plain or narrowed to what a Durable Object allows.
//! It knows no table; the local database uses the connection directly where the port would be too narrow.
//! Used by native tests, the simulator's server side, and the reading of schemas on devices.

mod error;
mod narrow;
pub mod value;

pub use error::{kind, sql_error};

use crate::sql::{Row, Sql, SqlError, SqlErrorKind};
use ebbtide_core::value::Value;
use rusqlite::{Connection, Statement};
use std::borrow::Borrow;

/// What the adapter lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breadth {
    /// Everything SQLite can do.
    Plain,
    /// No transaction statements, 100 bound values, numbers as doubles: a Durable Object.
    Narrow,
}

/// A database behind the port. Owns the connection, or borrows it; a clone of a borrowing one is another handle to it.
#[derive(Debug, Clone)]
pub struct SqliteSql<C: Borrow<Connection> = Connection> {
    connection: C,
    breadth: Breadth,
    depth: usize,
}

impl<C: Borrow<Connection>> SqliteSql<C> {
    /// All of SQLite.
    pub fn plain(connection: C) -> Self {
        Self { connection, breadth: Breadth::Plain, depth: 0 }
    }

    /// Imitates a Durable Object; foreign keys are on, as there.
    pub fn narrow(connection: C) -> Result<Self, SqlError> {
        let pragma = "PRAGMA foreign_keys = ON";
        connection.borrow().execute_batch(pragma).map_err(|error| sql_error(&error, pragma))?;
        Ok(Self { connection, breadth: Breadth::Narrow, depth: 0 })
    }

    /// The connection, for tests that look behind the port.
    pub fn connection(&self) -> &Connection {
        self.connection.borrow()
    }

    fn prepared<T>(
        &self,
        sql: &str,
        params: &[Value],
        run: impl FnOnce(&mut Statement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, SqlError> {
        if self.breadth == Breadth::Narrow {
            narrow::check(sql, params.len())?;
        }
        let attempt = || {
            let mut statement = self.connection.borrow().prepare_cached(sql)?;
            self.bind(&mut statement, params)?;
            run(&mut statement)
        };
        attempt().map_err(|error| sql_error(&error, sql))
    }

    fn bind(&self, statement: &mut Statement<'_>, params: &[Value]) -> rusqlite::Result<()> {
        let expected = statement.parameter_count();
        if expected != params.len() {
            return Err(rusqlite::Error::InvalidParameterCount(params.len(), expected));
        }
        for (index, value) in params.iter().enumerate() {
            let narrowed = if self.breadth == Breadth::Narrow { narrow::bound(value) } else { None };
            statement.raw_bind_parameter(index + 1, value::Bound(narrowed.as_ref().unwrap_or(value)))?;
        }
        Ok(())
    }

    /// A statement about savepoints. There are as many texts as levels, so they stay prepared.
    fn control(&self, sql: &str) -> Result<(), SqlError> {
        let run = || self.connection.borrow().prepare_cached(sql)?.raw_execute();
        run().map(drop).map_err(|error| sql_error(&error, sql))
    }

    fn undo(&self, name: &str) -> Result<(), SqlError> {
        self.control(&format!("ROLLBACK TO {name}"))?;
        self.control(&format!("RELEASE {name}"))
    }

    fn rows(&self, statement: &mut Statement<'_>) -> rusqlite::Result<Vec<Row>> {
        let width = statement.column_count();
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(width);
            for column in 0..width {
                let value = value::owned(row.get_ref(column)?, column)?;
                values.push(if self.breadth == Breadth::Narrow { narrow::returned(value) } else { value });
            }
            all.push(values);
        }
        Ok(all)
    }
}

impl<C: Borrow<Connection>> Sql for SqliteSql<C> {
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, SqlError> {
        self.prepared(sql, params, |statement| {
            if statement.column_count() > 0 {
                let mut rows = statement.raw_query();
                while rows.next()?.is_some() {}
                drop(rows);
                return Ok(if statement.readonly() { 0 } else { self.connection.borrow().changes() });
            }
            statement.raw_execute().map(|changed| changed as u64)
        })
    }

    fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, SqlError> {
        self.prepared(sql, params, |statement| self.rows(statement))
    }

    fn script(&mut self, sql: &str) -> Result<(), SqlError> {
        if self.breadth == Breadth::Narrow {
            narrow::check(sql, 0)?;
        }
        self.connection.borrow().execute_batch(sql).map_err(|error| sql_error(&error, sql))
    }

    fn savepoint<T, R>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, R>) -> Result<Result<T, R>, SqlError> {
        let name = format!("_ebb_{}", self.depth);
        self.control(&format!("SAVEPOINT {name}"))?;
        self.depth += 1;
        let result = body(self);
        self.depth -= 1;
        if result.is_err() {
            // A failure such as a full disk may have ended the whole transaction already.
            if !self.connection.borrow().is_autocommit() {
                self.undo(&name)?;
            }
            return Ok(result);
        }
        if self.connection.borrow().is_autocommit() {
            return Err(ended(&name));
        }
        match self.control(&format!("RELEASE {name}")) {
            Ok(()) => Ok(result),
            Err(error) => self.undo(&name).and(Err(error)),
        }
    }
}

/// The body reported success although SQLite had rolled everything back.
fn ended(name: &str) -> SqlError {
    SqlError {
        kind: SqlErrorKind::Other,
        message: "the transaction was rolled back by SQLite".into(),
        sql: format!("RELEASE {name}"),
    }
}
