//! UUIDs of version 7 for SQL: the time, then a counter within the millisecond, then what nobody can guess.
//! It reads no clock and no system randomness: both come with the call that opens or uses the database.
//! Registered as `uuidv7()`.

use ebbtide_core::ids::Millis;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The counter starts in the lower half of its 12 bits, so that a busy millisecond has room to count.
const COUNTER_START_BITS: u16 = 0x07ff;
const COUNTER_MAX: u16 = 0x0fff;

/// The time for new ids; set by every verb of the local database.
#[derive(Clone, Default)]
pub struct IdClock(Arc<AtomicU64>);

impl IdClock {
    /// Sets the time.
    pub fn set(&self, now: Millis) {
        self.0.store(now.0, Ordering::Relaxed);
    }

    /// Registers `uuidv7()`. `seed` must be fresh and secret for every opening.
    pub fn register(&self, connection: &Connection, seed: [u8; 16]) -> rusqlite::Result<()> {
        let source = Mutex::new(Source::new(seed));
        let clock = Arc::clone(&self.0);
        // Innocuous, or a schema could not name it in a DEFAULT while schemas are not trusted.
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
        connection.create_scalar_function("uuidv7", 0, flags, move |_| {
            let mut source = source.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            Ok(source.next(clock.load(Ordering::Relaxed)))
        })
    }
}

struct Source {
    seed: [u8; 16],
    drawn: u64,
    millis: u64,
    counter: u16,
}

impl Source {
    fn new(seed: [u8; 16]) -> Self {
        Self { seed, drawn: 0, millis: 0, counter: COUNTER_MAX }
    }

    /// Canonical lower-case text, above every earlier one.
    fn next(&mut self, now: u64) -> String {
        let random = self.draw();
        if now > self.millis {
            self.millis = now;
            self.counter = u16::from_be_bytes([random[8], random[9]]) & COUNTER_START_BITS;
        } else if self.counter < COUNTER_MAX {
            self.counter += 1;
        } else {
            self.millis += 1;
            self.counter = 0;
        }
        let mut tail = [0; 10];
        tail[..2].copy_from_slice(&self.counter.to_be_bytes());
        tail[2..].copy_from_slice(&random[..8]);
        uuid::Builder::from_unix_timestamp_millis(self.millis, &tail).into_uuid().hyphenated().to_string()
    }

    fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        Sha256::new().chain_update(self.seed).chain_update(self.drawn.to_be_bytes()).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn st37_ids_rise_within_a_millisecond_and_when_the_clock_falls_back() {
        let mut source = Source::new([7; 16]);
        let mut last = String::new();
        for step in 0..10_000_u64 {
            let next = source.next(1_700_000_000_000 - step / 5_000);
            assert!(next > last, "{next} after {last}");
            assert_eq!((next.len(), &next[14..15]), (36, "7"));
            assert!("89ab".contains(&next[19..20]));
            last = next;
        }
    }
}
