//! Trying changes: which tests come by each of them, and whether one of those fails once it is on.
//! It knows built programs and numbers, not source. The command calls it after `build`.

use super::list::Mutant;
use super::program::{Kind, Program};
use crate::paths;
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The unchanged tests of a batch take this many times as long before a change counts as endless, and a busy machine's grace.
const PATIENCE: f64 = 15.0;
const GRACE: Duration = Duration::from_secs(15);
/// Between two looks whether a program has ended.
const LOOK: Duration = Duration::from_millis(4);
/// Few tests notice most changes, so quick ones go first and few at a time: a program does not stop at the first that fails.
const BATCHES: [usize; 4] = [2, 6, 16, 48];
/// How many of the tests that come by a change it meets in each round: what gets through goes on when all others had their turn.
const ROUNDS: [usize; 4] = [24, QUICK, QUICK + MOST_SEEDS, usize::MAX];
/// What gets through so many tests meets the simulator before the slower ones: it sees more in the same time.
const QUICK: usize = 72;
/// Seeds that come by a change take a second each; of those that can notice it at all, so many hardly all miss it.
const MOST_SEEDS: usize = 16;

/// What became of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A test failed.
    Caught,
    /// The tests before passed, the simulator found something.
    Simulated,
    /// A test did not end.
    Endless,
    /// All tests passed.
    Missed,
    /// No test comes by.
    Unreached,
}

impl Outcome {
    /// The word in the list of outcomes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Simulated => "simulated",
            Self::Endless => "endless",
            Self::Missed => "missed",
            Self::Unreached => "unreached",
        }
    }
}

/// A test, and how long it takes.
struct Test {
    program: usize,
    name: String,
    seconds: f64,
}

/// The tests of some programs, and which of them come by which change, quick ones first.
pub struct Tests {
    programs: Vec<Program>,
    tests: Vec<Test>,
    reaching: BTreeMap<u32, Vec<usize>>,
}

impl Tests {
    /// Runs each test once, by itself.
    pub fn survey(programs: Vec<Program>, jobs: usize) -> Result<Self> {
        let mut tests = Vec::new();
        for (program, built) in programs.iter().enumerate() {
            tests.extend(built.names()?.into_iter().map(|name| Test { program, name, seconds: 0.0 }));
        }
        let mut this = Self { programs, tests, reaching: BTreeMap::new() };
        let surveyed = this.each(jobs, this.tests.len(), |at| this.reached(at))?;
        for (test, (seconds, _)) in this.tests.iter_mut().zip(&surveyed) {
            test.seconds = *seconds;
        }
        let mut order: Vec<usize> = (0..this.tests.len()).collect();
        order.sort_by(|a, b| this.turn(*a).partial_cmp(&this.turn(*b)).expect("times are numbers"));
        for at in order {
            surveyed[at].1.iter().for_each(|id| this.reaching.entry(*id).or_default().push(at));
        }
        for tests in this.reaching.values_mut() {
            let before = tests.iter().filter(|at| this.programs[this.tests[**at].program].kind == Kind::Tests).count();
            tests.truncate(before + MOST_SEEDS);
            let last = tests.iter().filter(|at| this.programs[this.tests[**at].program].last).count();
            let from = tests.len().min(QUICK).min(tests.len() - last);
            tests[from..].rotate_right(last);
        }
        Ok(this)
    }

    /// Programs that are last come after all others, seeds after tests, and quick ones first.
    fn turn(&self, at: usize) -> (bool, bool, f64) {
        let program = &self.programs[self.tests[at].program];
        (program.last, program.kind == Kind::Seeds, self.tests[at].seconds)
    }

    fn reached(&self, at: usize) -> Result<(f64, Vec<u32>)> {
        let test = &self.tests[at];
        let path = paths::target().join(format!("mutation/reached-{at}"));
        let began = Instant::now();
        for mut command in self.programs[test.program].commands(0, &[&test.name]) {
            let output = command.env("EBBTIDE_REACHED", &path).output()?;
            ensure!(output.status.success(), "{} fails without any change", test.name);
        }
        let seconds = began.elapsed().as_secs_f64();
        // A test that comes by nothing leaves no list.
        let reached = fs::read_to_string(&path).unwrap_or_default();
        fs::remove_file(&path).ok();
        Ok((seconds, reached.lines().flat_map(str::parse).collect()))
    }

    /// Tries the changes, several at once, and tells each outcome as it comes.
    pub fn try_all(
        &self,
        mutants: &[&Mutant],
        jobs: usize,
        tell: impl Fn(&Mutant, Outcome) -> Result<()> + Sync,
    ) -> Result<()> {
        let tests = |mutant: &Mutant| self.reaching.get(&mutant.id).map_or(&[][..], Vec::as_slice);
        let mut open = mutants.to_vec();
        let mut tried = 0;
        for most in ROUNDS {
            println!("{} changes are open", open.len());
            let outcomes = self.each(jobs, open.len(), |at| {
                let (mutant, tests) = (open[at], tests(open[at]));
                let upto = tests.len().min(most);
                let outcome = match self.try_one(mutant.id, &tests[tried.min(upto)..upto])? {
                    Outcome::Missed if tests.is_empty() => Outcome::Unreached,
                    Outcome::Missed if tests.len() > upto => return Ok(true),
                    outcome => outcome,
                };
                tell(mutant, outcome)?;
                Ok(false)
            })?;
            open = open.into_iter().zip(outcomes).filter_map(|(mutant, goes_on)| goes_on.then_some(mutant)).collect();
            tried = most;
        }
        Ok(())
    }

    fn try_one(&self, id: u32, mut rest: &[usize]) -> Result<Outcome> {
        let mut sizes = BATCHES.into_iter();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(sizes.next().unwrap_or(usize::MAX).min(rest.len()));
            rest = after;
            for program in 0..self.programs.len() {
                let batch: Vec<&Test> =
                    batch.iter().map(|at| &self.tests[*at]).filter(|test| test.program == program).collect();
                let outcome = self.run(program, id, &batch)?;
                if outcome != Outcome::Missed {
                    return Ok(outcome);
                }
            }
        }
        Ok(Outcome::Missed)
    }

    /// Runs some tests of a program, in one process or in several.
    fn run(&self, program: usize, id: u32, tests: &[&Test]) -> Result<Outcome> {
        if tests.is_empty() {
            return Ok(Outcome::Missed);
        }
        let names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
        let program = &self.programs[program];
        let commands = program.commands(id, &names);
        let seconds = tests.iter().map(|test| test.seconds).sum::<f64>() / commands.len() as f64;
        let patience = GRACE + Duration::from_secs_f64(seconds * PATIENCE);
        for mut command in commands {
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
            match wait(&mut child, patience)? {
                Some(status) if status.success() => {}
                Some(_) if program.last => return Ok(Outcome::Simulated),
                Some(_) => return Ok(Outcome::Caught),
                None => return Ok(Outcome::Endless),
            }
        }
        Ok(Outcome::Missed)
    }

    /// Does something for every number below the count, several at once, and answers in order.
    fn each<T: Send>(&self, jobs: usize, count: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let worker = || -> Result<()> {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= count {
                    return Ok(());
                }
                let result = work(at)?;
                done.lock().expect("no panic holds the lock").push((at, result));
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
        })?;
        let mut done = done.into_inner().expect("no panic holds the lock");
        done.sort_by_key(|(at, _)| *at);
        Ok(done.into_iter().map(|(_, result)| result).collect())
    }
}

/// The end of a program, or nothing if it was stopped because it took too long.
fn wait(child: &mut Child, patience: Duration) -> Result<Option<ExitStatus>> {
    for _ in 0..patience.as_millis() / LOOK.as_millis() {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(LOOK);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// The list of outcomes by name, kept from run to run.
pub struct Outcomes {
    path: PathBuf,
    known: BTreeMap<String, String>,
}

impl Outcomes {
    /// Reads what earlier runs found; a later line of a name counts.
    pub fn load(path: PathBuf) -> Self {
        // No list yet is an empty one.
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        Self { known: lines.map(|(word, name)| (name.to_owned(), word.to_owned())).collect(), path }
    }

    /// Whether a test has noticed this change before.
    pub fn caught(&self, name: &str) -> bool {
        matches!(self.known.get(name).map(String::as_str), Some("caught" | "simulated" | "endless"))
    }

    /// Whether this change has met tests before.
    pub fn tried(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|word| word != "unbuilt")
    }

    /// A file to append outcomes to.
    pub fn appending(&self) -> Result<Mutex<File>> {
        Ok(Mutex::new(File::options().create(true).append(true).open(&self.path)?))
    }
}
