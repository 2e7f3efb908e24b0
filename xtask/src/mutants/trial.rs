//! Trying changes: which tests come by each of them, and whether one of those fails once it is on.
//! It knows built programs and numbers, not source. The command calls it after `build`.

use super::build::Program;
use super::list::Mutant;
use crate::paths;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A change can make a loop endless, and each turn may allocate: no test needs as much, in KiB.
const MEMORY_KIB: u64 = 6 << 20;
/// The unchanged tests of a batch take this many times as long before a change counts as endless, and a busy machine's grace.
const PATIENCE: f64 = 15.0;
const GRACE: Duration = Duration::from_secs(15);
/// Between two looks whether a program has ended.
const LOOK: Duration = Duration::from_millis(4);
/// Few tests notice most changes, so quick ones go first and few at a time; the rest of a round goes at once.
const BATCHES: [usize; 2] = [2, 6];
/// How many of the tests that come by a change it meets in each round: what gets through goes on when all others had their turn.
const ROUNDS: [usize; 3] = [24, 72, usize::MAX];

/// What became of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A test failed.
    Caught,
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
            let listed = Command::new(&built.path).args(["--list", "--format", "terse"]).output()?;
            let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
            let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
            tests.extend(names.map(|name| Test { program, name: name.to_owned(), seconds: 0.0 }));
        }
        let mut this = Self { programs, tests, reaching: BTreeMap::new() };
        let surveyed = this.each(jobs, this.tests.len(), |at| this.reached(at))?;
        for (test, (seconds, _)) in this.tests.iter_mut().zip(&surveyed) {
            test.seconds = *seconds;
        }
        let mut order: Vec<usize> = (0..this.tests.len()).collect();
        order.sort_by(|a, b| this.tests[*a].seconds.total_cmp(&this.tests[*b].seconds));
        for at in order {
            surveyed[at].1.iter().for_each(|id| this.reaching.entry(*id).or_default().push(at));
        }
        Ok(this)
    }

    fn reached(&self, at: usize) -> Result<(f64, Vec<u32>)> {
        let test = &self.tests[at];
        let path = paths::target().join(format!("mutation/reached-{at}"));
        let mut command = self.command(test.program, 0, [test.name.as_str()].into_iter());
        let output = command.env("EBBTIDE_REACHED", &path).output()?;
        ensure!(output.status.success(), "{} fails without any change", test.name);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let seconds = said.rsplit_once("finished in ").and_then(|(_, rest)| rest.split_once('s')?.0.parse().ok());
        // A test that comes by nothing leaves no list.
        let reached = fs::read_to_string(&path).unwrap_or_default();
        fs::remove_file(&path).ok();
        Ok((seconds.context("the test program says how long it took")?, reached.lines().flat_map(str::parse).collect()))
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
                match self.passes(program, id, &batch)? {
                    Some(status) if status.success() => {}
                    Some(_) => return Ok(Outcome::Caught),
                    None => return Ok(Outcome::Endless),
                }
            }
        }
        Ok(Outcome::Missed)
    }

    /// Runs some tests of a program; nothing means that they did not end.
    fn passes(&self, program: usize, id: u32, tests: &[&Test]) -> Result<Option<ExitStatus>> {
        if tests.is_empty() {
            return Ok(Some(ExitStatus::default()));
        }
        let seconds: f64 = tests.iter().map(|test| test.seconds).sum();
        let mut command = self.command(program, id, tests.iter().map(|test| test.name.as_str()));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        wait(&mut child, GRACE + Duration::from_secs_f64(seconds * PATIENCE))
    }

    /// The program with some of its tests, in a shell that bounds its memory.
    fn command<'a>(&self, program: usize, id: u32, tests: impl Iterator<Item = &'a str>) -> Command {
        let Program { path, folder } = &self.programs[program];
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\""))
            .arg(path)
            .arg("--exact")
            .args(tests);
        // A failing property needs no smaller example here, and none is kept.
        command.envs([("PROPTEST_MAX_SHRINK_ITERS", "0"), ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")]);
        command.envs([("RUST_TEST_THREADS", "1"), ("RUST_BACKTRACE", "0")]).env("EBBTIDE_MUTANT", id.to_string());
        command.current_dir(folder).stdin(Stdio::null()).process_group(0);
        command
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
        matches!(self.known.get(name).map(String::as_str), Some("caught" | "endless"))
    }

    /// A file to append outcomes to.
    pub fn appending(&self) -> Result<Mutex<File>> {
        Ok(Mutex::new(File::options().create(true).append(true).open(&self.path)?))
    }
}
