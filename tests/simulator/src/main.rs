//! The command line of the simulator: many seeds, or one with its trace.
//! `--seeds N [--start S]` runs N seeds from S; `--seed X [--trace]` runs one. The last line counts what passed and failed.
//! Run by `cargo xtask test`.

use ebbtide_simulator::runner;
use ebbtide_simulator::world::Failure;
use std::process::ExitCode;
use std::time::Instant;

/// Lines of a failing seed's trace that are printed without `--trace`.
const SHORT_TRACE: usize = 25;

/// Characters of such a line.
const LINE_WIDTH: usize = 200;

/// Failing seeds that are printed with a trace; of the others the finding is enough.
const TRACED_FAILURES: usize = 3;

struct Arguments {
    seeds: u64,
    start: u64,
    seed: Option<u64>,
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}\nusage: ebbtide-simulator --seeds N [--start S] | --seed X [--trace]");
            return ExitCode::FAILURE;
        }
    };
    // A panic is reported with its seed; the default message would come once more between the others.
    if !arguments.trace {
        std::panic::set_hook(Box::new(|_| {}));
    }
    match arguments.seed {
        Some(seed) => single(seed, arguments.trace),
        None => several(arguments.start, arguments.seeds),
    }
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments { seeds: 500, start: 1, seed: None, trace: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let next = words.next().and_then(|text| text.parse::<u64>().ok());
            next.ok_or_else(|| format!("{word} needs a number"))
        };
        match word.as_str() {
            "--seeds" => parsed.seeds = number()?,
            "--start" => parsed.start = number()?,
            "--seed" => parsed.seed = Some(number()?),
            "--trace" => parsed.trace = true,
            other => return Err(format!("{other} is not known")),
        }
    }
    Ok(parsed)
}

fn single(seed: u64, trace: bool) -> ExitCode {
    match runner::one(seed, true) {
        Ok(summary) => {
            println!("seed {seed}: {summary:?}");
            println!("1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            print(&failure, if trace { usize::MAX } else { SHORT_TRACE });
            println!("0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a real run took, for the person who started it")]
fn several(start: u64, count: u64) -> ExitCode {
    let began = Instant::now();
    let report = runner::many(start, count);
    for (index, failure) in report.failures.iter().enumerate() {
        // The same seed again, this time keeping what happened.
        match runner::one(failure.seed, index < TRACED_FAILURES) {
            Err(again) => print(&again, SHORT_TRACE),
            Ok(_) => print(failure, SHORT_TRACE),
        }
    }
    let (transactions, faults) = report.fewest.unwrap_or_default();
    println!(
        "{} transactions and {} faults in {} decided changesets, at least {transactions} and {faults} a seed, in {:.1} s",
        report.transactions,
        report.faults,
        report.decisions,
        began.elapsed().as_secs_f64()
    );
    println!("{} passed, {} failed", report.passed, report.failures.len());
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(failure: &Failure, most_lines: usize) {
    println!("seed {} failed: {}", failure.seed, failure.finding);
    let from = failure.lines.len().saturating_sub(most_lines);
    for line in &failure.lines[from..] {
        let end = line.char_indices().nth(LINE_WIDTH).map_or(line.len(), |(end, _)| end);
        println!("  {}", if most_lines == usize::MAX { line } else { &line[..end] });
    }
    println!("again: cargo run -p ebbtide-simulator --profile sim -- --seed {} --trace", failure.seed);
}
