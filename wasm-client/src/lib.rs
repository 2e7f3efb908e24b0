//! wasm-client
use wasm_bindgen::prelude::wasm_bindgen;

/// The version of the SQLite inside.
#[wasm_bindgen]
pub fn sqlite_version() -> String {
    rusqlite::version().to_owned()
}
