//! How long to wait before the next attempt to connect: doubling, bounded, with jitter from a seed.
//! It knows no clock; the session adds what it answers to the time.

use crate::limits::{RETRY_FIRST_MS, RETRY_MAX_MS};

/// Attempts in a row, and a small generator for the jitter.
#[derive(Debug, Clone)]
pub struct Backoff {
    attempts: u32,
    random: u64,
}

impl Backoff {
    /// Starts without failures. The seed only spreads devices apart; it protects nothing.
    pub fn new(seed: u64) -> Self {
        Self { attempts: 0, random: seed | 1 }
    }

    /// Failures since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Notes a success.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Notes a failure; answers how long to wait: between half of the bound and the whole.
    pub fn next_delay_ms(&mut self) -> u64 {
        let doubled = RETRY_FIRST_MS.saturating_mul(1 << self.attempts.min(20));
        let bound = doubled.min(RETRY_MAX_MS);
        self.attempts = self.attempts.saturating_add(1);
        bound / 2 + self.next_random() % (bound / 2 + 1)
    }

    /// xorshift64 (Marsaglia 2003).
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cs01_waits_double_up_to_the_bound_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(7);
        for attempt in 0..40 {
            let bound = (RETRY_FIRST_MS << attempt.min(20)).min(RETRY_MAX_MS);
            let delay = backoff.next_delay_ms();
            assert!(delay >= bound / 2 && delay <= bound, "attempt {attempt}: {delay}");
        }
        backoff.reset();
        assert!(backoff.next_delay_ms() <= RETRY_FIRST_MS);
    }
}
