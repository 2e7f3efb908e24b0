//! The hybrid logical clock of a device or a space.
//! It orders writes, never decides what was seen, and does not read the time: every call brings it.
//! Used by the capture of local writes and by both sessions.

use crate::ids::Millis;
use serde::{Deserialize, Serialize};

/// A reading: 48 bits of milliseconds since the Unix epoch, then a 16-bit counter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp(pub u64);

const COUNTER_BITS: u32 = 16;

impl Stamp {
    /// The first reading of a millisecond.
    pub fn at(now: Millis) -> Self {
        Stamp(now.0 << COUNTER_BITS)
    }

    /// The physical part.
    pub fn millis(self) -> Millis {
        Millis(self.0 >> COUNTER_BITS)
    }

    /// The same reading, earlier by `shift_ms`; the counter stays, so the order within a changeset does.
    #[must_use]
    pub fn shifted_back(self, shift_ms: u64) -> Self {
        Stamp(self.0.saturating_sub(shift_ms << COUNTER_BITS))
    }
}

/// The last reading given or seen; the next one is above it, whatever the wall clock does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    last: Stamp,
}

impl Clock {
    /// A clock that continues from a persisted reading.
    pub fn resume(last: Stamp) -> Self {
        Self { last }
    }

    /// The last reading, to be persisted with what was stamped by it.
    pub fn last(&self) -> Stamp {
        self.last
    }

    /// A new reading, above every earlier one and every one seen.
    pub fn tick(&mut self, now: Millis) -> Stamp {
        self.last = Stamp::at(now).max(Stamp(self.last.0 + 1));
        self.last
    }

    /// Takes note of a foreign reading.
    pub fn observe(&mut self, seen: Stamp) {
        self.last = self.last.max(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ck01_readings_rise_when_the_wall_clock_falls_back() {
        let mut clock = Clock::default();
        let first = clock.tick(Millis(1_000));
        let second = clock.tick(Millis(10));
        assert!(second > first);
        assert_eq!(second.millis(), Millis(1_000));
    }

    #[test]
    fn ck02_a_seen_reading_is_passed() {
        let mut clock = Clock::default();
        clock.observe(Stamp::at(Millis(5_000)));
        assert!(clock.tick(Millis(1)) > Stamp::at(Millis(5_000)));
    }

    #[test]
    fn ck03_a_shift_keeps_the_order_within_a_changeset() {
        let mut clock = Clock::default();
        let (first, second) = (clock.tick(Millis(90_000)), clock.tick(Millis(90_000)));
        assert!(first.shifted_back(60_000) < second.shifted_back(60_000));
        assert_eq!(first.shifted_back(60_000).millis(), Millis(30_000));
    }
}
