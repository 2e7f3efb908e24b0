//! `cargo xtask bench`: set-up, build, then the measurements of `bench/`.
//! What is measured, and how, is decided there. Arguments after `--` are passed on.

use crate::{build, paths, process, setup};
use anyhow::{Result, ensure};
use std::process::ExitCode;

/// Runs `bench/run.mjs` under the project's Node and takes over its verdict.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    let entry = paths::in_root("bench/run.mjs");
    ensure!(entry.is_file(), "{} does not exist", paths::shown(&entry));
    setup::for_browsers()?;
    build::for_bench()?;
    let arguments = arguments.strip_prefix(&["--"]).unwrap_or(arguments);
    process::run(setup::node::command()?.arg(entry).args(arguments))?;
    Ok(ExitCode::SUCCESS)
}
