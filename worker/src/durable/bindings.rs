//! The JavaScript side of a Durable Object's storage, with every call caught.
//! The `worker` crate's cursor methods are not, and it does not bind `transactionSync`, hence these few of our own.

use js_sys::{Array, Function};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// `DurableObjectStorage`.
    #[derive(Clone)]
    pub type ObjectStorage;

    #[wasm_bindgen(method, getter, catch)]
    pub fn sql(this: &ObjectStorage) -> Result<SqlStorage, JsValue>;

    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    pub fn transaction_sync(this: &ObjectStorage, body: &Function) -> Result<JsValue, JsValue>;

    /// `SqlStorage`.
    pub type SqlStorage;

    #[wasm_bindgen(method, catch, variadic)]
    pub fn exec(this: &SqlStorage, sql: &str, params: &Array) -> Result<SqlCursor, JsValue>;

    /// `SqlStorageCursor`.
    pub type SqlCursor;

    #[wasm_bindgen(method, catch)]
    pub fn raw(this: &SqlCursor) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter, js_name = rowsWritten)]
    pub fn rows_written(this: &SqlCursor) -> f64;

    /// Runs an iterator to its end.
    #[wasm_bindgen(catch, js_namespace = Array, js_name = from)]
    pub fn rows_of(rows: &JsValue) -> Result<Array, JsValue>;
}
