//! Where unpacking reads: the main stream from its front, noise from the back, and a budget for what is built of them.
//! It never reads past an end, never trusts a count before the budget has paid for it, and panics on nothing.
//! Used by every decoder of this crate.

use crate::error::malformed;
use crate::limits::DECODED_BYTES;
use ebbtide_core::error::Malformed;

/// Foreign bytes on their way to becoming values.
pub(crate) struct Input<'a> {
    main: &'a [u8],
    noise: Option<&'a [u8]>,
    budget: usize,
}

impl<'a> Input<'a> {
    /// One stream: noise, if there is any, stands at its end.
    pub(crate) fn plain(main: &'a [u8]) -> Self {
        Input { main, noise: None, budget: DECODED_BYTES }
    }

    /// Noise in a stream of its own.
    pub(crate) fn split(main: &'a [u8], noise: &'a [u8]) -> Self {
        Input { main, noise: Some(noise), budget: DECODED_BYTES }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.main.is_empty()
    }

    /// Pays for memory before it is allocated.
    pub(crate) fn charge(&mut self, count: usize, each: usize) -> Result<(), Malformed> {
        let cost = count.saturating_mul(each);
        if cost > self.budget {
            return malformed("decoded size over the limit");
        }
        self.budget -= cost;
        Ok(())
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let (&first, rest) = self.main.split_first().ok_or(Malformed { what: "unexpected end" })?;
        self.main = rest;
        Ok(first)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        malformed("number too long")
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        self.varint().map(unzigzag)
    }

    /// A number that fits `u32`.
    pub(crate) fn varint_u32(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.varint()?).or(malformed("number out of range"))
    }

    /// A length or count; what is built of it must be charged before it is allocated.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        Ok(self.varint_u32()? as usize)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.main.split_at_checked(length).ok_or(Malformed { what: "unexpected end" })?;
        self.main = rest;
        Ok(taken)
    }

    /// The bytes before the next `end`, which is skipped.
    pub(crate) fn bytes_until(&mut self, end: u8) -> Result<&'a [u8], Malformed> {
        let length = self.main.iter().position(|&byte| byte == end).ok_or(Malformed { what: "unexpected end" })?;
        let taken = self.bytes(length)?;
        self.byte()?;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    /// All that is left of the main stream.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.main)
    }

    /// What a reader of `rest` did not use; nothing of the main stream may be held besides.
    pub(crate) fn put_back(&mut self, rest: &'a [u8]) {
        self.main = rest;
    }

    /// The next chunk of noise, which stands before those already taken.
    pub(crate) fn noise(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let source = self.noise.as_mut().unwrap_or(&mut self.main);
        let start = source.len().checked_sub(length).ok_or(Malformed { what: "unexpected end of noise" })?;
        let (rest, chunk) = source.split_at(start);
        *source = rest;
        Ok(chunk)
    }

    /// Both streams must be used up.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        match self.main.is_empty() && self.noise.is_none_or(<[u8]>::is_empty) {
            true => Ok(()),
            false => malformed("trailing bytes"),
        }
    }
}

/// The reverse of `output::zigzag`.
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
