//! Measures the engine natively: merging in memory, deciding changesets over SQLite, applying commits on a device.
//! Prints a line of JSON for each round of each measure; what the figures are held against is `bench/parts/engine.mjs`'s business.
//! `cargo run --release -p ebbtide-bench-engine -- [--rounds N] [names]`; `cargo xtask bench -- engine` runs it.

mod apply;
mod commit;
mod files;
mod merge;
mod round;

use round::Round;
use std::process::ExitCode;

/// Interleaved rounds unless the caller says otherwise: an odd number, so that the median is a measured value.
const ROUNDS: usize = 5;

type Measure = (&'static str, fn() -> Round);

const MEASURES: [Measure; 7] = [
    ("merge, all seen", merge::all_seen),
    ("merge, half concurrent", merge::half_concurrent),
    ("commit, one-field updates", commit::updates),
    ("commit, one-field updates, a transaction each", commit::lone_updates),
    ("commit, inserts", commit::inserts),
    ("apply, inserts", apply::inserts),
    ("apply, one-field updates", apply::updates),
];

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut rounds = ROUNDS;
    if arguments.first().is_some_and(|first| first == "--rounds") {
        let Some(Ok(wanted)) = arguments.get(1).map(|count| count.parse()) else {
            eprintln!("usage: ebbtide-bench-engine [--rounds N] [words of the names of measures]");
            return ExitCode::from(2);
        };
        rounds = wanted;
        arguments.drain(..2);
    }
    for round in 0..rounds {
        for (name, measure) in MEASURES {
            if arguments.is_empty() || arguments.iter().any(|word| name.contains(word.as_str())) {
                println!("{}", measure().json(name, round));
            }
        }
    }
    ExitCode::SUCCESS
}
