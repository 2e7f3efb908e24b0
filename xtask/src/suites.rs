//! The table of test suites: what each needs, what it runs, how its tests are counted, how long it may take.
//! Nothing runs here; `test.rs` does that. A new suite is a new entry.

use crate::{cargo, fuzz, paths, process, setup};
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// One suite.
pub struct Suite {
    pub name: &'static str,
    pub about: &'static str,
    pub needs: Needs,
    /// In `test`, a suite that takes longer is stopped and counts as failed. About five times what a loaded small machine takes.
    /// The full counts of `soak` take hours, and have no limit.
    pub limit: Duration,
    pub steps: fn(Tier) -> Result<Vec<Step>>,
    /// Whether the suite has larger counts for `cargo xtask soak`.
    pub soaks: bool,
}

/// What must be there before the suite can run; each includes the ones before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    Rust,
    Tools,
    Built,
    Browsers,
}

/// How much of a suite to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    Quick,
    Full,
}

/// One program of a suite and where its counts are found.
pub struct Step {
    pub command: Command,
    pub counts: Counts,
}

/// How a program tells how many tests passed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// It is one test, passed when it exits with success.
    ExitCode,
    /// The summary of cargo-nextest.
    Nextest,
    /// The `test result:` lines of the built-in test harness.
    Libtest,
    /// The last lines of Node's spec reporter.
    Node,
    /// Its last line of the form `N passed, N failed`.
    OwnLine,
}

/// In the order in which they run: the fast ones that fail for simple reasons come first.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "tidy",
        about: "the repository's own rules",
        needs: Needs::Rust,
        limit: minutes(2),
        steps: |_| Ok(vec![Step { command: xtask("tidy")?, counts: Counts::OwnLine }]),
        soaks: false,
    },
    Suite {
        name: "lint",
        about: "rustfmt and clippy, native and wasm",
        needs: Needs::Tools,
        limit: minutes(20),
        steps: |_| Ok(lint()),
        soaks: false,
    },
    Suite {
        name: "rust",
        about: "unit tests, strategy laws, store contract, conversations on native SQLite",
        needs: Needs::Rust,
        limit: minutes(20),
        steps: |_| rust_tests(),
        soaks: false,
    },
    Suite {
        name: "types",
        about: "the TypeScript type check of every package",
        needs: Needs::Built,
        limit: minutes(5),
        steps: |_| type_checks(),
        soaks: false,
    },
    Suite {
        name: "npm",
        about: "the parts of the npm package that need neither browser nor Worker",
        needs: Needs::Built,
        limit: minutes(5),
        steps: |_| node_tests("npm/test/**/*.test.ts"),
        soaks: false,
    },
    Suite {
        name: "workerd",
        about: "the Worker in real workerd with Durable Object and D1",
        needs: Needs::Built,
        limit: minutes(15),
        steps: |_| node_tests("tests/workerd/**/*.test.ts"),
        soaks: false,
    },
    Suite {
        name: "browser",
        about: "the package, the service worker and the demo in Chromium",
        needs: Needs::Browsers,
        limit: minutes(25),
        steps: |_| node_tests("tests/browser/**/*.test.ts"),
        soaks: false,
    },
    Suite {
        name: "simulator",
        about: "client and server sessions in virtual time with faults, crashes at every n-th point, in full also fuzzing",
        needs: Needs::Rust,
        limit: minutes(60),
        steps: simulator,
        soaks: true,
    },
];

/// Lists the suites.
pub fn print() {
    for suite in SUITES {
        println!("{:<10} {}", suite.name, suite.about);
    }
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

fn xtask(command: &str) -> Result<Command> {
    let mut xtask = process::command(std::env::current_exe()?);
    xtask.arg(command);
    Ok(xtask)
}

fn cargo(arguments: &[&str], counts: Counts) -> Step {
    let mut command = process::command("cargo");
    command.args(arguments);
    Step { command, counts }
}

fn lint() -> Vec<Step> {
    let wasm = |package, profile| {
        let target = ["--target", cargo::WASM_TARGET, "--profile", profile];
        let arguments = [&["clippy", "--package", package], &target[..], &["--", "-D", "warnings"]].concat();
        let mut step = cargo(&arguments, Counts::ExitCode);
        cargo::set_wasm_tools(&mut step.command);
        step.command.env("WASM_BINDGEN_USE_JS_SYS", "1");
        step
    };
    vec![
        cargo(&["fmt", "--all", "--check", "--", "--color", "never"], Counts::ExitCode),
        cargo(&["clippy", "--all-targets", "--all-features", "--", "-D", "warnings"], Counts::ExitCode),
        wasm("ebbtide-wasm-client", "client"),
        wasm("ebbtide-worker", "worker"),
    ]
}

/// The engine's crates share the simulator's profile, so that SQLite and all dependencies are compiled once for both.
fn rust_tests() -> Result<Vec<Step>> {
    let crates = cargo::native_crates()?;
    let engine: Vec<&str> = crates.iter().flat_map(|name| ["--package", name]).collect();
    let libraries = ["--package", "ebbtide-core", "--package", "ebbtide-protocol", "--package", "ebbtide-store"];
    let tool = ["--package", "xtask"];
    let examples = ["test", "--doc", "--all-features", "--no-fail-fast", "--profile", "sim"];
    let mut steps = if process::find("cargo-nextest").is_some() {
        let run = ["nextest", "run", "--all-features", "--no-fail-fast"];
        vec![
            cargo(&[&run, &engine[..], &["--cargo-profile", "sim"]].concat(), Counts::Nextest),
            cargo(&[&run[..], &tool].concat(), Counts::Nextest),
        ]
    } else {
        let test = ["test", "--all-features", "--no-fail-fast", "--lib", "--bins", "--tests"];
        vec![
            cargo(&[&test, &engine[..], &["--profile", "sim"]].concat(), Counts::Libtest),
            cargo(&[&["test", "--no-fail-fast", "--bins"], &tool[..]].concat(), Counts::Libtest),
        ]
    };
    steps.push(cargo(&[&examples[..], &libraries].concat(), Counts::Libtest));
    Ok(steps)
}

/// One check for every folder that has a `tsconfig.json`.
fn type_checks() -> Result<Vec<Step>> {
    let mut folders: Vec<PathBuf> = ["npm", "demo", "bench"].iter().map(|folder| paths::in_root(folder)).collect();
    for entry in std::fs::read_dir(paths::in_root("tests"))? {
        folders.push(entry?.path());
    }
    folders.retain(|folder| folder.join("tsconfig.json").is_file());
    folders.sort();
    folders.iter().map(|folder| type_check(folder.join("tsconfig.json"))).collect()
}

fn type_check(project: PathBuf) -> Result<Step> {
    let mut command = setup::node::command()?;
    command.arg(paths::in_root("node_modules/typescript/bin/tsc")).arg("--noEmit").arg("--project").arg(project);
    Ok(Step { command, counts: Counts::ExitCode })
}

/// One file after the other, because each drives its own browser or server on what may be two cores.
fn node_tests(pattern: &str) -> Result<Vec<Step>> {
    let mut command = setup::node::command()?;
    command.args(["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-timeout=180000", pattern]);
    if let Some(chromium) = setup::chromium() {
        command.env("EBBTIDE_CHROMIUM", chromium);
    }
    Ok(vec![Step { command, counts: Counts::Node }])
}

/// Interrupted hours go on where they were: seeds and scenarios that passed are remembered beside the build, and forgotten when the
/// simulator is built anew.
fn simulator(tier: Tier) -> Result<Vec<Step>> {
    let run = |arguments: &[&str]| {
        let program = ["run", "--package", "ebbtide-simulator", "--profile", "sim", "--"];
        cargo(&[&program, arguments].concat(), Counts::OwnLine)
    };
    match tier {
        Tier::Quick => Ok(vec![run(&["--seeds", "2000"]), run(&["--crash", "83"])]),
        Tier::Full => {
            let memory = paths::target().join("soak.txt");
            let remembering =
                |arguments: [&str; 2]| run(&[&arguments[..], &["--memory", &memory.to_string_lossy()]].concat());
            let mut steps = vec![remembering(["--crash", "1"]), remembering(["--seeds", "50000"])];
            steps.extend(fuzz::steps()?);
            Ok(steps)
        }
    }
}
