//! Runs histories by themselves: one thread, nothing but the script decides. Some seeds are played twice, because one must always give one trace.
//! It prints nothing and knows no other process; `shards` spreads many seeds over several.
//! Called by the binary, the minimiser and the regression tests.

use crate::script::Script;
use crate::world::{Failure, Summary, run};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One of so many seeds is played twice.
const TWICE_EVERY: u64 = 20;

/// Runs one seed.
pub fn one(seed: u64, keep_lines: bool) -> Result<Summary, Failure> {
    play(&Script::whole(seed), keep_lines)
}

/// Runs a script. A panic of the engine is a failure like any other.
pub fn play(script: &Script, keep_lines: bool) -> Result<Summary, Failure> {
    let played = catch_unwind(AssertUnwindSafe(|| run(script, keep_lines)));
    played.unwrap_or_else(|panic| {
        let words =
            panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let finding = format!("panic: {}", words.unwrap_or("without words"));
        Err(Failure { seed: script.seed, finding, lines: Vec::new() })
    })
}

/// Runs one seed, and where it is its turn a second time.
pub fn checked(seed: u64) -> Result<Summary, Failure> {
    let summary = one(seed, false)?;
    if seed.is_multiple_of(TWICE_EVERY) && one(seed, false)?.hash != summary.hash {
        return Err(Failure { seed, finding: "the same seed gave another trace".into(), lines: Vec::new() });
    }
    Ok(summary)
}
