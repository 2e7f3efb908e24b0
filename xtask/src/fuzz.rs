//! Fuzzing, alone or as part of `cargo xtask soak`: the targets of `tests/fuzz` built with instrumented code, and libFuzzer run on each for
//! some minutes. It knows the compiler's flags for coverage and where findings go, not what a target does.

use crate::suites::{Counts, Step};
use crate::{paths, process};
use anyhow::{Context, Result, ensure};
use std::process::ExitCode;

/// The targets, each a program of `tests/fuzz`.
const TARGETS: [&str; 3] = ["decoders", "space", "device"];

/// How long each of them runs, unless something else is asked for.
const SECONDS_EACH: u32 = 20 * 60;

/// Coverage for libFuzzer, as `cargo fuzz` sets it, without the sanitizers that only a nightly compiler has.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Runs the named targets, or all, one after the other; stops at the first finding.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    let (seconds, targets) = match arguments {
        ["--seconds", seconds, targets @ ..] => (seconds.parse().context("--seconds takes a number")?, targets),
        targets => (SECONDS_EACH, targets),
    };
    let unknown = targets.iter().find(|name| !TARGETS.contains(name));
    ensure!(unknown.is_none(), "there is no target `{}`, only {}", unknown.unwrap_or(&""), TARGETS.join(", "));
    let host = host()?;
    let targets = if targets.is_empty() { &TARGETS } else { targets };
    targets.iter().try_for_each(|target| process::run(&mut step(target, &host, seconds)?.command))?;
    Ok(ExitCode::SUCCESS)
}

/// One step for each target. What is found new goes beside the build; what is worth keeping is copied into the corpus by hand.
pub fn steps() -> Result<Vec<Step>> {
    let host = host()?;
    TARGETS.iter().map(|target| step(target, &host, SECONDS_EACH)).collect()
}

fn step(target: &str, host: &str, seconds: u32) -> Result<Step> {
    let build = paths::target().join("fuzz");
    let found = build.join("corpus").join(target);
    std::fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    let mut command = process::command("cargo");
    // With a target of its own, the flags spare build scripts and macros.
    command.args(["run", "--package", "ebbtide-fuzz", "--profile", "sim", "--target", host]);
    command.arg("--bin").arg(format!("fuzz-{target}")).arg("--target-dir").arg(&build).arg("--");
    command.arg(&found).arg(paths::in_root(&format!("tests/fuzz/corpus/{target}")));
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", build.display()));
    command.args(["-timeout=20", "-rss_limit_mb=4096", "-print_final_stats=1"]);
    command.env("RUSTFLAGS", FLAGS);
    Ok(Step { command, counts: Counts::ExitCode })
}

/// The compiler's own target.
fn host() -> Result<String> {
    let version = process::output(process::command("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names its host")?.to_owned())
}
