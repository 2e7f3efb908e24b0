//! The Cloudflare adapter of the server session: requests, tokens, sockets and a Durable Object's SQLite, as values.
//! It does no I/O of its own: the TypeScript entry `ebbtide/server` holds requests, sockets and D1, and asks here what to do.
//! Everything but `durable` and `exports` is native Rust, and tested as such.

pub mod auth;
#[cfg(target_family = "wasm")]
mod durable;
pub mod failure;
pub mod gate;
pub mod limits;
pub mod space;

#[cfg(target_family = "wasm")]
mod exports;

pub mod messages;
pub mod sql_errors;
