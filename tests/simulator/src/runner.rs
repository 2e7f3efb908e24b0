//! Runs seeds: one by itself in a folder of its own, or many on all cores.
//! A part of them is played twice, because one seed must always give one trace; it prints nothing.
//! Called by the binary and the regression tests.

use crate::world::{Failure, Summary, run};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// One of so many seeds is played twice.
const TWICE_EVERY: u64 = 20;

/// Runs one seed. A panic of the engine is a failure like any other.
pub fn one(seed: u64, keep_lines: bool) -> Result<Summary, Failure> {
    let played = catch_unwind(AssertUnwindSafe(|| run(seed, keep_lines)));
    played.unwrap_or_else(|panic| {
        let words =
            panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Failure { seed, finding: format!("panic: {}", words.unwrap_or("without words")), lines: Vec::new() })
    })
}

/// Runs one seed, and where it is its turn a second time.
fn checked(seed: u64) -> Result<Summary, Failure> {
    let summary = one(seed, false)?;
    if seed.is_multiple_of(TWICE_EVERY) && one(seed, false)?.hash != summary.hash {
        return Err(Failure { seed, finding: "the same seed gave another trace".into(), lines: Vec::new() });
    }
    Ok(summary)
}

/// What many seeds came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Seeds without a finding.
    pub passed: u64,
    /// Local transactions, faults and decisions of all of them.
    pub transactions: u64,
    /// Faults of all kinds.
    pub faults: u64,
    /// Decided changesets.
    pub decisions: u64,
    /// The fewest transactions and faults of a seed.
    pub fewest: Option<(u64, u64)>,
    /// What was found, by seed.
    pub failures: Vec<Failure>,
}

/// Runs `count` seeds from `start` on all cores. Each result does not depend on the others.
pub fn many(start: u64, count: u64) -> Report {
    let next = AtomicU64::new(start);
    let report = Mutex::new(Report::default());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= start + count {
                        return;
                    }
                    let outcome = checked(seed);
                    report.lock().expect("no worker panics").add(outcome);
                }
            });
        }
    });
    let mut report = report.into_inner().expect("no worker panics");
    report.failures.sort_by_key(|failure| failure.seed);
    report
}

impl Report {
    fn add(&mut self, outcome: Result<Summary, Failure>) {
        match outcome {
            Ok(summary) => {
                self.passed += 1;
                self.transactions += summary.transactions;
                self.faults += summary.faults;
                self.decisions += summary.decisions;
                let (transactions, faults) = self.fewest.unwrap_or((u64::MAX, u64::MAX));
                self.fewest = Some((transactions.min(summary.transactions), faults.min(summary.faults)));
            }
            Err(failure) => self.failures.push(failure),
        }
    }
}
