//! UUIDs written as text in the canonical lower-case form, as the 16 bytes they stand for.
//! Any other spelling is plain text, so that every text comes back as it was.
//! Used by `scalar` and `texts`.

use alloc::string::String;

/// Bits of a UUIDv7 that are neither time, version nor variant.
pub(crate) const V7_RANDOM_BITS: usize = 74;

const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The number that a canonical UUID text stands for.
pub(crate) fn parse(text: &str) -> Option<u128> {
    let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut number = 0_u128;
    for (position, &byte) in bytes.iter().enumerate() {
        if HYPHENS.contains(&position) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u128::from(digit);
    }
    Some(number)
}

/// The canonical text of a UUID.
pub(crate) fn format(number: u128) -> String {
    let mut text = String::with_capacity(36);
    for nibble in 0..32 {
        if matches!(nibble, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        let digit = (number >> (124 - 4 * nibble)) as usize & 15;
        text.push(char::from(HEX[digit]));
    }
    text
}

/// A UUIDv7 taken apart: milliseconds, and its 74 random bits. `None` for other versions and variants.
pub(crate) fn split_v7(number: u128) -> Option<(u64, u128)> {
    let (version, variant) = (number >> 76 & 15, number >> 62 & 3);
    if (version, variant) != (7, 2) {
        return None;
    }
    let random = (number >> 64 & 0xfff) << 62 | number & ((1 << 62) - 1);
    Some(((number >> 80) as u64, random))
}

/// The reverse of `split_v7`; only 48 bits of the milliseconds and 74 of the random part are used.
pub(crate) fn join_v7(millis: u64, random: u128) -> u128 {
    let high = u128::from(millis & 0xffff_ffff_ffff) << 80 | 7 << 76 | (random >> 62 & 0xfff) << 64;
    high | 2 << 62 | random & ((1 << 62) - 1)
}
