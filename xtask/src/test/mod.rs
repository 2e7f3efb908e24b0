//! `cargo xtask test` and `soak`: set-up, build, the suites one after the other, and one line with the counts of all.
//! It knows no suite by name; the table is in `suites.rs`. `.ci/run` relies on the last line and the exit code.

mod counts;
mod runner;

use crate::suites::{Needs, SUITES, Suite, Tier};
use crate::{build, process, setup};
use anyhow::{Context, Result, bail};
use counts::Tally;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Runs all suites, or the named one, and ends with `N passed, N failed`.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    match arguments {
        [] => run_all(SUITES.iter().collect(), Tier::Quick),
        ["--suite", name] => run_all(vec![named(name)?], Tier::Quick),
        _ => bail!("usage: cargo xtask test [--suite NAME]"),
    }
}

/// Runs the suites that have full counts, with them.
pub fn soak(arguments: &[&str]) -> Result<ExitCode> {
    match arguments {
        [] => run_all(SUITES.iter().filter(|suite| suite.soaks).collect(), Tier::Full),
        ["--suite", name] => run_all(vec![named(name)?], Tier::Full),
        _ => bail!("usage: cargo xtask soak [--suite NAME]"),
    }
}

fn named(name: &str) -> Result<&'static Suite> {
    let names = || SUITES.iter().map(|suite| suite.name).collect::<Vec<_>>().join(", ");
    SUITES.iter().find(|suite| suite.name == name).with_context(|| format!("no suite `{name}`; there are {}", names()))
}

fn run_all(suites: Vec<&Suite>, tier: Tier) -> Result<ExitCode> {
    process::stop_children_on_interrupt()?;
    let mut ground = Ground::default();
    let mut total = Tally::default();
    let mut lines = Vec::new();
    for suite in suites {
        println!("\n=== {}: {}", suite.name, suite.about);
        let tally = match ground.prepare(suite.needs) {
            Ok(()) => runner::run(suite, tier),
            Err(reason) => runner::failed(&format!("{} cannot run: {reason}", suite.name)),
        };
        lines.push(format!("{:<10} {tally}", suite.name));
        total.add(tally);
    }
    println!("\n{}\n{total}", lines.join("\n"));
    Ok(if total.failed == 0 && total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What has been prepared, and what failed: each need is tried once, and a failed build fails only what needs it.
#[derive(Default)]
struct Ground(BTreeMap<Needs, std::result::Result<(), String>>);

impl Ground {
    fn prepare(&mut self, needs: Needs) -> std::result::Result<(), String> {
        self.0.entry(needs).or_insert_with(|| prepare(needs).map_err(|error| format!("{error:#}"))).clone()
    }
}

fn prepare(needs: Needs) -> Result<()> {
    match needs {
        Needs::Rust => setup::for_rust(),
        Needs::Tools => setup::for_build(),
        Needs::Built => setup::for_build().and_then(|()| build::for_tests()),
        Needs::Browsers => setup::for_browsers().and_then(|()| build::for_tests()),
    }
}
