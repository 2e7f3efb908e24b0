//! The bytes of Ebbtide: sealed changesets and commits, receipts, and the frames in which messages travel.
//! It knows nothing of storage, sockets or merging; `FORMAT.md` beside it describes every byte, golden vectors pin them.
//! Both sessions reach it through `ebbtide_core::codec::Codec`, the adapters through `frame`.
#![no_std]
#![warn(missing_docs)]

extern crate alloc;

mod changeset;
mod client;
mod codec;
mod column;
mod commit;
mod deflate;
mod entropy;
mod envelope;
mod error;
mod frame;
mod group;
mod input;
mod integers;
pub mod limits;
mod notes;
mod output;
mod plain;
mod planes;
mod prediction;
mod range;
mod reals;
mod receipt;
mod scalar;
mod server;
mod shape;
#[cfg(test)]
mod tests;
mod texts;
mod uuid;

pub use codec::WireCodec;
pub use envelope::{Peek, peek_changeset, peek_commit};
pub use error::DecodeError;
pub use frame::{MESSAGE_VERSION, decode_client, decode_server, encode_client, encode_server};
pub use receipt::{decode_receipt, encode_receipt};
