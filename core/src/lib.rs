//! The words of Ebbtide, its clock, its merge strategies and the two sync sessions.
//! It knows no SQL text, no bytes, no JavaScript, no clock and no randomness: the same inputs give the same outputs.
//! `store` implements its store traits, `protocol` its codec; `wasm-client` and `worker` drive its sessions.
#![no_std]
#![warn(missing_docs)]

extern crate alloc;

pub mod catalogue;
pub mod change;
pub mod client;
pub mod clock;
pub mod codec;
pub mod commit;
pub mod conflict;
pub mod error;
pub mod ids;
pub mod json;
pub mod limits;
pub mod merge;
pub mod message;
pub mod server;
pub mod sorted;
pub mod value;
pub mod version_map;
