//! Spreads seeds over processes, one thread each, in batches; a batch that is done can be remembered, so that hours of them can be interrupted.
//! A process that dies fails the seeds of its batch that it had not reported. It knows seeds and counts, no world.
//! Called by the binary, which is also what it starts.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Seeds of one process. Starting one costs milliseconds.
const BATCH_SEEDS: u64 = 25;

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
pub fn run(start: u64, count: u64, memory: Option<&Path>) -> std::io::Result<Report> {
    let mut report = Report::default();
    let known = memory.map(remembered).transpose()?.unwrap_or_default();
    let mut batches = Vec::new();
    for from in (start..start + count).step_by(BATCH_SEEDS as usize) {
        let seeds = BATCH_SEEDS.min(start + count - from);
        match known.get(&(from, seeds)) {
            Some(figures) => report.figures.add(*figures),
            None => batches.push((from, seeds)),
        }
    }
    let (next, report) = (Mutex::new(batches.into_iter()), Mutex::new(report));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(|| -> std::io::Result<()> {
                    loop {
                        let batch = next.lock().expect("no worker panics").next();
                        let Some((from, seeds)) = batch else { return Ok(()) };
                        let (figures, failures) = process(from, seeds)?;
                        let mut report = report.lock().expect("no worker panics");
                        if let Some(memory) = memory.filter(|_| failures.is_empty()) {
                            remember(memory, from, seeds, &figures)?;
                        }
                        report.figures.add(figures);
                        report.failures.extend(failures);
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    Ok(report.into_inner().expect("no worker panics"))
}

/// One process over a batch, and what it said.
fn process(from: u64, seeds: u64) -> std::io::Result<(Figures, BTreeMap<u64, String>)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--batch", &from.to_string(), "--seeds", &seeds.to_string()])
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

/// Plays the scenarios with a crash at every `stride`-th point, in one process for each core.
pub fn crash(stride: usize) -> std::io::Result<crate::crash::Report> {
    let parts = std::thread::available_parallelism().map_or(1, usize::from);
    let start = |part: usize| {
        let arguments = ["--crash", "--part", "--parts"].into_iter().zip([stride, part, parts]);
        Command::new(std::env::current_exe()?)
            .args(arguments.flat_map(|(name, value)| [name.to_owned(), value.to_string()]))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
    };
    let children: Vec<_> = (0..parts).map(start).collect::<Result<_, _>>()?;
    let mut report = crate::crash::Report::default();
    for (part, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let found = text.lines().filter_map(|line| line.strip_prefix("failed "));
        report.failures.extend(found.map(str::to_owned));
        let done = text.lines().find_map(|line| line.strip_prefix("done ")).and_then(|line| line.split_once(' '));
        match done.and_then(|(scenarios, passed)| Some((scenarios.parse::<usize>().ok()?, passed.parse::<u64>().ok()?)))
        {
            Some((scenarios, passed)) => {
                report.scenarios += scenarios;
                report.passed += passed;
            }
            None => report.failures.push(format!("the process of part {part} died")),
        }
    }
    Ok(report)
}

type Memory = BTreeMap<(u64, u64), Figures>;

fn remembered(memory: &Path) -> std::io::Result<Memory> {
    let text = match std::fs::read_to_string(memory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Memory::new()),
        read => read?,
    };
    let line = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let key = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((key, Figures::parse(words.next()?)?))
    };
    Ok(text.lines().filter_map(line).collect())
}

fn remember(memory: &Path, from: u64, seeds: u64, figures: &Figures) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(memory)?;
    writeln!(file, "{from} {seeds} {figures}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sm03_what_was_done_is_remembered_and_not_run_again() {
        let memory = std::env::temp_dir().join(format!("ebbtide-shards-{}", std::process::id()));
        let figures = Figures::of(205, 33, 150);
        remember(&memory, 26, 25, &figures).expect("a file that can be written");
        let known = remembered(&memory).expect("a file that can be read");
        std::fs::remove_file(&memory).expect("a file that is there");
        assert_eq!(known.get(&(26, 25)), Some(&figures));
        let report = remembered(&memory).expect("no file is no memory");
        assert!(report.is_empty());
    }

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
