//! The bounds of decoding and packing, beside those of the engine, which are passed on.
//! Every number carries its reason; the bounds of memory hold for foreign bytes whatever they claim.
//! Used by every decoder of this crate and by the adapters that read requests.

pub use ebbtide_core::limits::*;

/// Bytes of one message: the largest changeset, the most commits of an answer, and room for the frames around them.
pub const MESSAGE_BYTES: usize = CHANGESET_BYTES + 1024 * 1024;

/// Frames of one message: more than a full window of chunks and confirmations, far fewer than would cost time to walk.
pub const MESSAGE_FRAMES: usize = 4_096;

/// Items of one range: a page of commits, with slack for a server that counts otherwise.
pub const RANGE_ITEMS: usize = 4 * PAGE_COMMITS;

/// Rejections of one receipt: one for each transaction that sealing lets into a changeset.
pub const RECEIPT_REJECTIONS: usize = 2 * SEAL_TRANSACTIONS;

/// Inflated over deflated bytes. Packing keeps to it as unpacking does, so that no honest message is refused.
pub const INFLATE_RATIO: usize = 256;

/// Bodies below this are not deflated: the tables of a deflate block cost more than it saves there.
pub const DEFLATE_FROM_BYTES: usize = 96;

/// The level of deflate: on real rows level 6 takes twice the time for 1 % fewer bytes, level 3 gives 1 % more for little less time.
pub const DEFLATE_LEVEL: u8 = 4;

/// Decoded size of a changeset or commit: rows, values and their contents, as `charge` counts them.
pub const DECODED_BYTES: usize = INFLATED_BYTES;

/// What a decoded row is counted as, in bytes, besides its values: what one takes on wasm32, its allocations included.
pub const ROW_CHARGE: usize = 128;

/// What a decoded value is counted as, in bytes, besides its content: its size on wasm32.
pub const VALUE_CHARGE: usize = 16;

/// Distinct texts up to which a dictionary is tried: above, its indexes are as long as what they stand for.
pub const DICTIONARY_ENTRIES: usize = 16 * 1024;
