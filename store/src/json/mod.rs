//! JSON in the little that a device needs: options and error bodies are read, reports and the log's view are written.
//! `serde_json` would cost every visitor 20 kB (compressed), half of it tables for numbers that never occur here.
//! The log's view and the browser's adapter use it; the Worker, which sees more, has `serde_json`.

mod fields;
mod read;
mod write;

pub use fields::Fields;
pub use read::{Json, parse};
pub use write::{ObjectWriter, list, quoted};
