//! Postcard for the fixed fields of frames: written whole, read from the front of a payload.
//! It holds the one place where postcard's errors become ours.
//! Used by `client`, `server` and `range`.

use crate::error::malformed;
use crate::input::Input;
use crate::output::Output;
use alloc::vec::Vec;
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::Opening;
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

/// Appends the tag of an opening as the last field, which is left out where there is none.
pub(crate) fn write_opening(out: &mut Output, opening: Opening) {
    if opening != Opening::default() {
        write(out, &opening);
    }
}

/// Takes it off.
pub(crate) fn read_opening(input: &mut Input<'_>) -> Result<Opening, Malformed> {
    if input.is_empty() {
        return Ok(Opening::default());
    }
    let opening = read(input)?;
    if opening == Opening::default() { malformed("frame: an opening without a tag") } else { Ok(opening) }
}
