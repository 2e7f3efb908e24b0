//! Postcard for the fixed fields of frames: written whole, read from the front of a payload.
//! It holds the one place where postcard's errors become ours.
//! Used by `client`, `server` and `range`.

use crate::input::Input;
use crate::output::Output;
use alloc::vec::Vec;
use ebbtide_core::error::Malformed;
use serde::{Deserialize, Serialize};

/// Appends fields.
pub(crate) fn write<T: Serialize>(out: &mut Output, fields: &T) {
    let bytes = postcard::to_extend(fields, Vec::new()).expect("plain numbers and arrays always serialise");
    out.bytes(&bytes);
}

/// Takes fields off the front.
pub(crate) fn read<'a, T: Deserialize<'a>>(input: &mut Input<'a>) -> Result<T, Malformed> {
    let (fields, rest) = postcard::take_from_bytes(input.rest()).or(Err(Malformed { what: "frame: fields" }))?;
    input.put_back(rest);
    Ok(fields)
}
