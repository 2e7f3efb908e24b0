//! The browser adapter: SQLite on OPFS in a dedicated worker, and the link to the server, around the client session.
//! It decides nothing about merging or the order of the conversation; it brings time, randomness, storage and sockets.
//! The npm package's worker script is its only caller.
#![warn(missing_docs)]
// Natively nobody calls what is tested here.
#![cfg_attr(not(target_family = "wasm"), allow(dead_code))]

mod cells;
mod error;
mod limits;
mod options;

#[cfg(target_family = "wasm")]
mod client;
#[cfg(target_family = "wasm")]
mod clock;
#[cfg(target_family = "wasm")]
mod conflicts;
#[cfg(all(target_family = "wasm", feature = "contract"))]
mod contract;
#[cfg(target_family = "wasm")]
mod database;
#[cfg(target_family = "wasm")]
mod inspect;
#[cfg(all(target_family = "wasm", feature = "contract"))]
mod panic;
#[cfg(target_family = "wasm")]
mod records;
#[cfg(target_family = "wasm")]
mod storage;
#[cfg(target_family = "wasm")]
mod sync;

#[cfg(target_family = "wasm")]
pub use client::Client;
