//! Where packing writes: a main stream of structure, and noise beside it that no compression would shrink.
//! It knows variable-length integers and nothing of what they mean; noise is laid out last chunk first, to be read from the end.
//! Used by every encoder of this crate.

use alloc::vec::Vec;

/// The two streams of a body under construction.
#[derive(Default)]
pub(crate) struct Output {
    main: Vec<u8>,
    noise: Vec<Vec<u8>>,
}

impl Output {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.main.push(byte);
    }

    /// LEB128, as postcard writes it.
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.main.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.main.push(value as u8);
    }

    /// Zig-zag, then LEB128.
    pub(crate) fn signed(&mut self, value: i64) {
        self.varint(zigzag(value));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.main.extend_from_slice(bytes);
    }

    /// A chunk that is as good as random.
    pub(crate) fn noise(&mut self, chunk: Vec<u8>) {
        self.noise.push(chunk);
    }

    /// The main stream, and the noise with its last chunk first.
    pub(crate) fn finish(self) -> (Vec<u8>, Vec<u8>) {
        let mut noise = Vec::with_capacity(self.noise.iter().map(Vec::len).sum());
        self.noise.iter().rev().for_each(|chunk| noise.extend_from_slice(chunk));
        (self.main, noise)
    }

    /// The main stream of an encoder that makes no noise.
    pub(crate) fn into_main(self) -> Vec<u8> {
        debug_assert!(self.noise.is_empty(), "frames have no noise");
        self.main
    }
}

/// Small magnitudes of either sign become small numbers.
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The length of a number as a varint.
pub(crate) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}
