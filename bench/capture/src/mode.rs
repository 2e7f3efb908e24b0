//! The ways of capturing that are compared.
//! It knows names only. The worker script asks for one by its name.

use wasm_bindgen::JsError;

/// A way of capturing changes, and which code runs the statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// rusqlite alone.
    None,
    /// Triggers that write a log row with the delta as JSON, built in SQL.
    TriggerJson,
    /// Triggers that write a log row with the delta as bytes, made by a Rust function.
    TriggerBytes,
    /// Triggers that call a Rust function, which collects the deltas; the log is written before COMMIT.
    TriggerCollected,
    /// The same with what correctness asks of triggers: silent while commits are applied, and rows that REPLACE evicts.
    TriggerComplete,
    /// The local database, on a table that is not synced.
    Off,
    /// The local database, on a synced table: the hook as shipped.
    Hook,
}

impl Mode {
    /// By its name in the results.
    pub fn named(name: &str) -> Result<Self, JsError> {
        Ok(match name {
            "none" => Mode::None,
            "trigger-json" => Mode::TriggerJson,
            "trigger-bytes" => Mode::TriggerBytes,
            "trigger-collected" => Mode::TriggerCollected,
            "trigger-complete" => Mode::TriggerComplete,
            "off" => Mode::Off,
            "hook" => Mode::Hook,
            other => return Err(JsError::new(&format!("there is no way of capturing called {other}"))),
        })
    }
}
