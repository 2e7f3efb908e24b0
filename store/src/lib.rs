//! All SQL text of the sync engine, once: the `Sql` port, the schema, capture, and the stores of client and server.
//! It knows rows, logs and records; what merges and who speaks when is decided in `core`.
//! Used by `wasm-client` (rusqlite on OPFS), `worker` (Durable Object SQLite) and, natively, by tests and the simulator.

#[cfg(feature = "sqlite")]
pub mod capture;
pub mod catalogue;
#[cfg(feature = "sqlite")]
pub mod client;
pub(crate) mod compare;
#[cfg(feature = "sqlite")]
pub mod json;
pub mod limits;
#[cfg(feature = "sqlite")]
pub mod local;
pub mod migrate;
mod portable;
pub mod schema;
pub mod server;
pub mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
