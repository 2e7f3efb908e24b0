//! The command line of the simulator: many seeds over several processes, one with its trace, or one made smaller. The last line
//! counts what passed and failed. It owns how things are printed, and nothing of how they run.
//! Run by `cargo xtask test` and `cargo xtask soak`.

use ebbtide_simulator::minimise::minimise;
use ebbtide_simulator::script::Script;
use ebbtide_simulator::shards::{self, Figures};
use ebbtide_simulator::world::Failure;
use ebbtide_simulator::{crash, disk, runner};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: ebbtide-simulator [--seeds N] [--start S] [--memory FILE]   N seeds from S; batches that passed are remembered in FILE
       ebbtide-simulator --seed X [--trace]                       one seed
       ebbtide-simulator --minimise X                             the smallest history found that fails as seed X does
       ebbtide-simulator --crash STRIDE [--memory FILE]           the scenarios, with a crash at every STRIDE-th point";

/// Lines of a failing seed's trace that are printed without `--trace`.
const SHORT_TRACE: usize = 25;

/// Characters of such a line.
const LINE_WIDTH: usize = 200;

/// Failing seeds that are printed with a trace; of the others the finding is enough.
const TRACED_FAILURES: usize = 3;

#[derive(Default)]
struct Arguments {
    seeds: Option<u64>,
    start: Option<u64>,
    batch: Option<u64>,
    seed: Option<u64>,
    minimise: Option<u64>,
    /// A stride, and which part of how many.
    crash: Option<usize>,
    part: usize,
    parts: Option<usize>,
    memory: Option<PathBuf>,
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    disk::quicken_this_process();
    // A panic is reported with its seed; the default message would come once more between the others.
    if !arguments.trace {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let seeds = arguments.seeds.unwrap_or(500);
    if let Some(seed) = arguments.seed {
        return single(seed, arguments.trace);
    }
    if let Some(seed) = arguments.minimise {
        return smaller(seed);
    }
    if let Some(stride) = arguments.crash {
        return match arguments.parts {
            Some(parts) => crash_part(stride, arguments.part, parts),
            None => crash_all(stride, arguments.memory.as_deref()),
        };
    }
    if let Some(from) = arguments.batch {
        return batch(from, seeds);
    }
    several(arguments.start.unwrap_or(1), seeds, arguments.memory)
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--trace" {
            parsed.trace = true;
            continue;
        }
        let next = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        if word == "--memory" {
            parsed.memory = Some(next.into());
            continue;
        }
        let number = next.parse::<u64>().map_err(|_| format!("{word} needs a number"))?;
        match word.as_str() {
            "--seeds" => parsed.seeds = Some(number),
            "--start" => parsed.start = Some(number),
            "--batch" => parsed.batch = Some(number),
            "--seed" => parsed.seed = Some(number),
            "--crash" => parsed.crash = Some((number as usize).max(1)),
            "--part" => parsed.part = number as usize,
            "--parts" => parsed.parts = Some(number as usize),
            "--minimise" => parsed.minimise = Some(number),
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

/// What `shards` starts: a line for each seed.
fn batch(from: u64, seeds: u64) -> ExitCode {
    for seed in from..from + seeds {
        match runner::checked(seed) {
            Ok(summary) => {
                println!("{seed} {}", Figures::of(summary.transactions, summary.faults, summary.decisions));
            }
            Err(failure) => println!("{seed} {}", failure.finding.lines().next().unwrap_or("without words")),
        }
    }
    ExitCode::SUCCESS
}

/// All scenarios, each in a process of its own.
fn crash_all(stride: usize, memory: Option<&Path>) -> ExitCode {
    let report = match shards::crash(stride, memory) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("the scenarios cannot be played: {error}");
            return ExitCode::FAILURE;
        }
    };
    report.failures.iter().for_each(|finding| println!("{finding}"));
    println!("{} scenarios, a crash at every {stride}. point", report.scenarios);
    println!("{} passed, {} failed", report.passed, report.failures.len());
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What `shards` starts: its counts, and a line for each finding.
fn crash_part(stride: usize, part: usize, parts: usize) -> ExitCode {
    let report = crash::run(stride, part, parts);
    for finding in &report.failures {
        let line: String = finding.lines().take(3).collect::<Vec<_>>().join(" / ");
        println!("failed {}", line.chars().take(2_000).collect::<String>());
    }
    println!("done {} {}", report.scenarios, report.passed);
    ExitCode::SUCCESS
}

fn smaller(seed: u64) -> ExitCode {
    let Some((script, failure)) = minimise(Script::whole(seed)) else {
        println!("seed {seed} does not fail");
        return ExitCode::SUCCESS;
    };
    println!("#[test]\nfn xx00_seed_{seed}_what_it_found() {{\n    assert_sound(&{script});\n}}\n");
    let traced = runner::play(&script, true).err().unwrap_or(failure);
    print(&traced, usize::MAX);
    ExitCode::FAILURE
}

#[expect(clippy::disallowed_methods, reason = "how long a real run took, for the person who started it")]
fn several(start: u64, count: u64, memory: Option<PathBuf>) -> ExitCode {
    let began = Instant::now();
    let report = match shards::run(start, count, memory.as_deref()) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("the seeds cannot be run: {error}");
            return ExitCode::FAILURE;
        }
    };
    for (index, (seed, finding)) in report.failures.iter().enumerate() {
        // The same seed again, this time keeping what happened. One that ends its process is not run in this one.
        let again = if finding.starts_with("its process") { None } else { runner::one(*seed, true).err() };
        let failure = again.unwrap_or_else(|| Failure { seed: *seed, finding: finding.clone(), lines: Vec::new() });
        print(&failure, if index < TRACED_FAILURES { SHORT_TRACE } else { 0 });
    }
    let figures = report.figures;
    println!(
        "{} transactions and {} faults in {} decided changesets, at least {} and {} a seed, in {:.1} s",
        figures.transactions,
        figures.faults,
        figures.decisions,
        figures.fewest_transactions,
        figures.fewest_faults,
        began.elapsed().as_secs_f64()
    );
    println!("{} passed, {} failed", figures.passed, report.failures.len());
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
