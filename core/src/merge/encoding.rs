//! Operations as a field's value: what travels where the new value alone would not say enough.
//! Foreign bytes are read strictly and bounded by their own length. Used by `set` and `text`.

use crate::value::Value;
use alloc::vec::Vec;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An operation as the value that is sealed.
pub(super) fn packed<T: Serialize>(operation: &T) -> Value {
    // A vector takes any length, so that packing cannot fail; an empty blob would be refused by the space.
    Value::Blob(postcard::to_allocvec(operation).unwrap_or_default())
}

/// Reads an operation; nothing may be left over.
pub(super) fn unpacked<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (operation, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(operation)
}

/// A value that no operation says: it is sent as it is, except for bytes, which would look like one and are refused.
pub(super) fn plain(value: &Value) -> Value {
    if let Value::Blob(_) = value { Value::Blob(Vec::new()) } else { value.clone() }
}

/// FNV-1a: tells two texts of one cell apart; nobody gains anything by making them collide but a merge of his own text.
pub(super) fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
