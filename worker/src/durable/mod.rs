//! The `Sql` port over a Durable Object's SQLite.
//! Every call into JavaScript is caught: an exception that escaped would end the whole isolate's memory.
//! The exported class holds one; its clones are handles to the same storage.

mod bindings;
pub mod values;

pub use bindings::ObjectStorage;

use crate::sql_errors::classify;
use bindings::{SqlCursor, rows_of};
use ebbtide_core::value::Value;
use ebbtide_store::sql::{Row, Sql, SqlError, SqlErrorKind};
use js_sys::{Array, Function};
use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use wasm_bindgen::closure::ScopedClosure;
use wasm_bindgen::{JsCast, JsValue};

/// A Durable Object's storage behind the port.
#[derive(Clone)]
pub struct DurableSql {
    storage: ObjectStorage,
    rows_written: Rc<Cell<u64>>,
}

// What is behind the handles is JavaScript's and SQLite's: a panic leaves a transaction that is rolled back.
impl UnwindSafe for DurableSql {}
impl RefUnwindSafe for DurableSql {}

impl DurableSql {
    /// A handle to an object's storage.
    pub fn new(storage: ObjectStorage) -> Self {
        DurableSql { storage, rows_written: Rc::default() }
    }

    /// Rows written in this life of the object, as the platform bills them.
    pub fn rows_written(&self) -> u64 {
        self.rows_written.get()
    }

    /// Starts a statement. One without rows to answer has run when this returns.
    fn start(&self, sql: &str, params: &[Value]) -> Result<SqlCursor, SqlError> {
        let bound = params.iter().map(values::to_js).collect::<Array>();
        let storage = self.storage.sql().map_err(|thrown| failed(&thrown, sql))?;
        storage.exec(sql, &bound).map_err(|thrown| failed(&thrown, sql))
    }

    fn written(&self, cursor: &SqlCursor) -> u64 {
        let written = cursor.rows_written() as u64;
        self.rows_written.set(self.rows_written.get() + written);
        written
    }
}

fn failed(thrown: &JsValue, sql: &str) -> SqlError {
    classify(values::message(thrown), sql)
}

impl Sql for DurableSql {
    /// Counts rows as the object does: a row once for itself and once for each index.
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, SqlError> {
        let cursor = self.start(sql, params)?;
        Ok(self.written(&cursor))
    }

    fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, SqlError> {
        let cursor = self.start(sql, params)?;
        let rows = cursor.raw().and_then(|rows| rows_of(&rows)).map_err(|thrown| failed(&thrown, sql))?;
        self.written(&cursor);
        let row = |row: JsValue| row.unchecked_into::<Array>().iter().map(|cell| values::from_js(&cell, sql)).collect();
        rows.iter().map(row).collect()
    }

    fn script(&mut self, sql: &str) -> Result<(), SqlError> {
        self.execute(sql, &[]).map(|_| ())
    }

    fn savepoint<T, R>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, R>) -> Result<Result<T, R>, SqlError> {
        let (mut body, mut result) = (Some(body), None);
        let mut inner = self.clone();
        let mut call = || -> Result<JsValue, JsValue> {
            let done = body.take().map(|body| body(&mut inner));
            let failed = done.as_ref().is_none_or(Result::is_err);
            result = done;
            // Throwing is how a transaction is rolled back.
            if failed { Err(js_sys::Error::new(ROLLBACK).into()) } else { Ok(JsValue::UNDEFINED) }
        };
        let thrown = {
            let closure =
                ScopedClosure::<dyn FnMut() -> Result<JsValue, JsValue>>::borrow_mut_assert_unwind_safe(&mut call);
            self.storage.transaction_sync(closure.as_ref().unchecked_ref::<Function>()).err()
        };
        match (result, thrown) {
            (Some(Err(refused)), Some(_)) => Ok(Err(refused)),
            (Some(Ok(value)), None) => Ok(Ok(value)),
            (_, Some(thrown)) => Err(classify(values::message(&thrown), "transactionSync")),
            (_, None) => Err(not_run()),
        }
    }
}

/// What is thrown to roll back; it never leaves `savepoint`.
const ROLLBACK: &str = "ebbtide: roll back";

fn not_run() -> SqlError {
    let message = "the object did not run the transaction".to_owned();
    SqlError { kind: SqlErrorKind::Other, message, sql: "transactionSync".to_owned() }
}
