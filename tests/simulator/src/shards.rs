//! Spreads seeds and scenarios over processes, one thread each, in batches; one that passed can be remembered, so that hours of them can be
//! interrupted. A process that dies fails what it had not reported. It knows seeds and counts, no world.
//! Called by the binary, which is also what it starts.

use crate::crash;
use crate::memory::Memory;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Result};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Seeds of one process. Starting one costs milliseconds.
const BATCH_SEEDS: u64 = 25;

/// Lets mimalloc keep what it was given: worlds come and go, and giving their memory back between them costs a tenth of a run.
const ALLOCATOR_KEEPS: [(&str, &str); 1] = [("MIMALLOC_PURGE_DELAY", "-1")];

/// What some seeds came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Seeds without a finding.
    pub passed: u64,
    /// Local transactions.
    pub transactions: u64,
    /// Faults of all kinds.
    pub faults: u64,
    /// Decided changesets.
    pub decisions: u64,
    /// The fewest transactions of a seed.
    pub fewest_transactions: u64,
    /// The fewest faults of a seed.
    pub fewest_faults: u64,
}

/// All figures, and what was found, by seed.
#[derive(Debug, Default)]
pub struct Report {
    /// Of the seeds that passed.
    pub figures: Figures,
    /// The first line of every finding.
    pub failures: BTreeMap<u64, String>,
}

impl Figures {
    /// Figures of one seed.
    pub fn of(transactions: u64, faults: u64, decisions: u64) -> Self {
        let (fewest_transactions, fewest_faults) = (transactions, faults);
        Self { passed: 1, transactions, faults, decisions, fewest_transactions, fewest_faults }
    }

    fn numbers(&self) -> [u64; 6] {
        let (transactions, faults) = (self.fewest_transactions, self.fewest_faults);
        [self.passed, self.transactions, self.faults, self.decisions, transactions, faults]
    }

    fn parse(text: &str) -> Option<Self> {
        let numbers: Vec<u64> = text.split_ascii_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
        let [passed, transactions, faults, decisions, fewest_transactions, fewest_faults] = numbers.try_into().ok()?;
        Some(Self { passed, transactions, faults, decisions, fewest_transactions, fewest_faults })
    }

    fn add(&mut self, other: Self) {
        if other.passed == 0 {
            return;
        }
        let first = self.passed == 0;
        let fewest = |mine: u64, theirs: u64| if first { theirs } else { mine.min(theirs) };
        self.fewest_transactions = fewest(self.fewest_transactions, other.fewest_transactions);
        self.fewest_faults = fewest(self.fewest_faults, other.fewest_faults);
        self.passed += other.passed;
        self.transactions += other.transactions;
        self.faults += other.faults;
        self.decisions += other.decisions;
    }
}

/// As a process reports them, and as they are remembered.
impl std::fmt::Display for Figures {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.numbers().map(|number| number.to_string()).join(" "))
    }
}

/// Runs `count` seeds from `start` on all cores. With `memory`, batches that passed are remembered there and not run again.
pub fn run(start: u64, count: u64, memory: Option<&Path>) -> Result<Report> {
    let mut report = Report::default();
    let memory = Memory::open(memory)?;
    let mut batches = Vec::new();
    for from in (start..start + count).step_by(BATCH_SEEDS as usize) {
        let seeds = BATCH_SEEDS.min(start + count - from);
        match memory.get(&batch_key(from, seeds)).and_then(Figures::parse) {
            Some(figures) => report.figures.add(figures),
            None => batches.push((from, seeds)),
        }
    }
    let report = Mutex::new(report);
    spread(batches, |(from, seeds)| {
        let (figures, failures) = process(from, seeds)?;
        if failures.is_empty() {
            memory.put(&batch_key(from, seeds), &figures.to_string())?;
        }
        // At once, because the others may take hours.
        failures.iter().for_each(|(seed, finding)| eprintln!("seed {seed} failed: {finding}"));
        let mut report = report.lock().expect("no worker panics");
        report.figures.add(figures);
        report.failures.extend(failures);
        Ok(())
    })?;
    Ok(report.into_inner().expect("no worker panics"))
}

fn batch_key(from: u64, seeds: u64) -> String {
    format!("seeds {from} {seeds}")
}

/// Does all jobs, as many at a time as there are cores.
fn spread<J: Send>(jobs: Vec<J>, work: impl Fn(J) -> Result<()> + Sync) -> Result<()> {
    let jobs = Mutex::new(jobs.into_iter());
    let worker = || -> Result<()> {
        loop {
            let job = jobs.lock().expect("no worker panics").next();
            let Some(job) = job else { return Ok(()) };
            work(job)?;
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })
}

/// One process over a batch, and what it said.
fn process(from: u64, seeds: u64) -> Result<(Figures, BTreeMap<u64, String>)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--batch", &from.to_string(), "--seeds", &seeds.to_string()])
        .envs(ALLOCATOR_KEEPS)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut figures = Figures::default();
    let mut failures: BTreeMap<u64, String> =
        (from..from + seeds).map(|seed| (seed, "its process died".to_owned())).collect();
    let output = child.stdout.take().expect("a pipe");
    for line in BufReader::new(output).lines() {
        let line = line?;
        let Some((seed, rest)) = line.split_once(' ') else { continue };
        let Ok(seed) = seed.parse::<u64>() else { continue };
        match Figures::parse(rest) {
            Some(more) => {
                figures.add(more);
                failures.remove(&seed);
            }
            None => {
                failures.insert(seed, rest.to_owned());
            }
        }
    }
    child.wait()?;
    Ok((figures, failures))
}

/// Plays the scenarios with a crash at every `stride`-th point on all cores, one scenario to a process. With `memory`, those
/// that passed are remembered there and not played again.
pub fn crash(stride: usize, memory: Option<&Path>) -> Result<crash::Report> {
    let memory = Memory::open(memory)?;
    let parts = crash::SCENARIOS.len();
    let key = |part: usize| format!("crash {stride} {part}/{parts}");
    let report = Mutex::new(crash::Report::default());
    spread((0..parts).collect(), |part| {
        let one = match memory.get(&key(part)).and_then(|passed| passed.parse().ok()) {
            Some(passed) => crash::Report { scenarios: 1, passed, failures: Vec::new() },
            None => {
                let one = crash_process(stride, part, parts)?;
                if one.failures.is_empty() {
                    memory.put(&key(part), &one.passed.to_string())?;
                }
                one
            }
        };
        let mut report = report.lock().expect("no worker panics");
        report.scenarios += one.scenarios;
        report.passed += one.passed;
        report.failures.extend(one.failures);
        Ok(())
    })?;
    Ok(report.into_inner().expect("no worker panics"))
}

fn crash_process(stride: usize, part: usize, parts: usize) -> Result<crash::Report> {
    let arguments = ["--crash", "--part", "--parts"].into_iter().zip([stride, part, parts]);
    let output = Command::new(std::env::current_exe()?)
        .args(arguments.flat_map(|(name, value)| [name.to_owned(), value.to_string()]))
        .envs(ALLOCATOR_KEEPS)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut failures: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix("failed ")).map(str::to_owned).collect();
    let done = text.lines().find_map(|line| line.strip_prefix("done ")).and_then(|line| line.split_once(' '));
    let counts = done.and_then(|(scenarios, passed)| Some((scenarios.parse().ok()?, passed.parse().ok()?)));
    if counts.is_none() {
        failures.push(format!("the process of scenario {part} died"));
    }
    let (scenarios, passed) = counts.unwrap_or_default();
    Ok(crash::Report { scenarios, passed, failures })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sm03_figures_add_up_and_keep_the_fewest() {
        let mut sum = Figures::default();
        sum.add(Figures::of(210, 40, 100));
        sum.add(Figures::default());
        sum.add(Figures::of(205, 50, 90));
        assert_eq!(sum.numbers(), [2, 415, 90, 190, 205, 40]);
        assert_eq!(Figures::parse(&sum.to_string()), Some(sum));
        assert_eq!(Figures::parse("G4: device 1 differs"), None);
    }
}
