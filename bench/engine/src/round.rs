//! One round of one measure: how many, how long, and how long the plain way took beside it.
//! Times are this thread's own on the processor, so that other work on the machine does not count; waiting for the disk does not either.
//! It knows no engine. Every measure answers one.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// What one round took.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    /// Changes or rows.
    pub items: usize,
    /// The engine's time for them.
    pub engine: Duration,
    /// The time of the plain way that a developer would write without the engine.
    pub plain: Duration,
}

impl Round {
    /// The line that the bench reads.
    pub fn json(&self, name: &str, round: usize) -> serde_json::Value {
        serde_json::json!({
            "name": name,
            "round": round,
            "items": self.items,
            "seconds": self.engine.as_secs_f64(),
            "plain": self.plain.as_secs_f64(),
            "perSecond": (self.items as f64 / self.engine.as_secs_f64()).round(),
        })
    }
}

/// How long `work` takes, and what it answers.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = on_the_processor();
    let result = work();
    (on_the_processor() - start, result)
}

fn on_the_processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
