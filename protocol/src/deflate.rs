//! Raw deflate in memory, bounded on the way back.
//! It knows nothing of what it packs; a wrong length, a cut stream and bytes after its end are all refused.
//! Used by `envelope` only.

use crate::error::malformed;
use crate::limits::{DEFLATE_LEVEL, INFLATE_RATIO, INFLATED_BYTES};
use alloc::{boxed::Box, vec, vec::Vec};
use ebbtide_core::error::Malformed;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// Deflates, or gives `None` where the ratio is one that `inflate` refuses.
pub(crate) fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let packed = miniz_oxide::deflate::compress_to_vec(bytes, DEFLATE_LEVEL);
    within_ratio(packed.len(), bytes.len()).then_some(packed)
}

/// Inflates as much as fits into `front`, and gives what was filled.
pub(crate) fn inflate_front<'a>(packed: &[u8], front: &'a mut [u8]) -> Result<&'a [u8], Malformed> {
    let mut state = Box::<DecompressorOxide>::default();
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, _, written) = decompress(&mut state, packed, front, 0, flags);
    match status {
        TINFLStatus::Done | TINFLStatus::HasMoreOutput => Ok(&front[..written]),
        _ => malformed("deflate stream"),
    }
}

/// Inflates to exactly `length` bytes, which is checked against the limits before anything is allocated.
pub(crate) fn inflate(packed: &[u8], length: usize) -> Result<Vec<u8>, Malformed> {
    if length > INFLATED_BYTES || !within_ratio(packed.len(), length) {
        return malformed("inflated size over the limit");
    }
    let mut bytes = vec![0; length];
    let mut state = Box::<DecompressorOxide>::default();
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, read, written) = decompress(&mut state, packed, &mut bytes, 0, flags);
    match status == TINFLStatus::Done && read == packed.len() && written == length {
        true => Ok(bytes),
        false => malformed("deflate stream"),
    }
}

fn within_ratio(packed: usize, length: usize) -> bool {
    length <= packed.saturating_mul(INFLATE_RATIO)
}
