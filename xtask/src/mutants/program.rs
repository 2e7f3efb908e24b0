//! The programs that judge a change: test programs, and the simulator with one whole seed at a time.
//! It owns how each is asked what it has, and started; it knows neither changes nor outcomes. `build` finds them, `trial` runs them.

use anyhow::Result;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A change can make a loop endless, and each turn may allocate: no test needs as much, in KiB.
const MEMORY_KIB: u64 = 6 << 20;
/// Seeds that judge: what rarely happens happens in several of so many.
const SEEDS: u64 = 40;

/// How a program is told what to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By names of tests, many at once.
    Tests,
    /// By the number of one seed.
    Seeds,
}

/// A built program and where it wants to run.
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// The folder of its package.
    pub folder: PathBuf,
    /// How it is told what to run.
    pub kind: Kind,
    /// Whether it is slow and sees much, so that it has its turn after all others.
    pub last: bool,
}

impl Program {
    /// The names of all that it can run.
    pub fn names(&self) -> Result<Vec<String>> {
        if self.kind == Kind::Seeds {
            return Ok((1..=SEEDS).map(|seed| seed.to_string()).collect());
        }
        let listed = Command::new(&self.path).args(["--list", "--format", "terse"]).output()?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }

    /// The processes that run these, with a change switched on; 0 is none.
    pub fn commands(&self, change: u32, names: &[&str]) -> Vec<Command> {
        let at_once = if self.kind == Kind::Seeds { 1 } else { names.len().max(1) };
        names.chunks(at_once).map(|names| self.command(change, names)).collect()
    }

    /// In a shell that bounds its memory.
    fn command(&self, change: u32, names: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"")).arg(&self.path);
        command.arg(if self.kind == Kind::Seeds { "--seed" } else { "--exact" }).args(names);
        // A failing property needs no smaller example here, and none is kept.
        command.envs([("PROPTEST_MAX_SHRINK_ITERS", "0"), ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")]);
        command.envs([("RUST_TEST_THREADS", "1"), ("RUST_BACKTRACE", "0")]).env("EBBTIDE_MUTANT", change.to_string());
        command.current_dir(&self.folder).stdin(Stdio::null()).process_group(0);
        command
    }
}
