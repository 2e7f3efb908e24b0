//! cargo-mutants itself: installed beside the checkout's other tools, and run with a build for each change.
//! It decides nothing about what is tried. `list` asks it for the changes, and people for those that no switch can make.

use crate::{paths, process};
use anyhow::{Result, ensure};
use std::process::Command;

/// The release that `tests/mutants.md` speaks of.
const VERSION: &str = "27.1.0";

/// The program, installed if it is missing.
pub fn tool() -> Result<Command> {
    let tool = paths::scratch("cargo-mutants");
    let program = tool.join("bin/cargo-mutants");
    if !program.is_file() {
        println!("set-up: cargo-mutants missing, installing");
        let mut install = process::command("cargo");
        install.args(["install", "cargo-mutants", "--locked", "--version", VERSION, "--root"]).arg(&tool);
        process::run(&mut install)?;
    }
    ensure!(program.is_file(), "{} was not installed", paths::shown(&program));
    Ok(process::command(program))
}

/// Builds and tests each change by itself, as `.cargo/mutants.toml` says. An interrupted run goes on where it was.
pub fn run(arguments: &[&str]) -> Result<()> {
    let mut command = tool()?;
    command.args(["mutants", "--package", "ebbtide-core", "--no-shuffle", "--iterate", "--output"]);
    process::run(command.arg(paths::target().join("mutation")).args(arguments))
}
