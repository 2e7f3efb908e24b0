//! The one source of chance in a run: everything that happens follows from its seed.
//! It protects nothing and is not meant to be unpredictable; forks keep one part's draws from moving another's.
//! Used by the world, its network and its workload.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A generator with the draws that a world needs.
#[derive(Debug, Clone)]
pub struct Random(SplitMix64);

impl Random {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    /// An independent source for one part of the world.
    pub fn fork(&mut self) -> Self {
        Self::new(self.draw())
    }

    /// 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in so many cases of a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// 16 bytes.
    pub fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.draw().to_le_bytes());
        bytes[8..].copy_from_slice(&self.draw().to_le_bytes());
        bytes
    }
}

/// Another seed for each time that something is opened; the first is the seed itself.
pub fn nth(seed: [u8; 16], opening: u64) -> [u8; 16] {
    (u128::from_le_bytes(seed) ^ (u128::from(opening) << 64)).to_le_bytes()
}
