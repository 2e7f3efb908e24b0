//! `cargo xtask mutants`: changes the merge rules line by line and looks which changes no test notices.
//! What is changed and how it is tested says `.cargo/mutants.toml`, what came of it `tests/mutants.md`. Arguments after `--` are passed on.

use crate::{paths, process};
use anyhow::{Result, ensure};
use std::process::ExitCode;

/// The release that `tests/mutants.md` speaks of.
const VERSION: &str = "27.1.0";

/// Runs cargo-mutants, installed beside the checkout's other tools. An interrupted run goes on where it was.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    let tool = paths::scratch("cargo-mutants");
    let program = tool.join("bin/cargo-mutants");
    if !program.is_file() {
        println!("set-up: cargo-mutants missing, installing");
        let mut install = process::command("cargo");
        install.args(["install", "cargo-mutants", "--locked", "--version", VERSION, "--root"]).arg(&tool);
        process::run(&mut install)?;
    }
    ensure!(program.is_file(), "{} was not installed", paths::shown(&program));
    let arguments = arguments.strip_prefix(&["--"]).unwrap_or(arguments);
    let found = paths::target().join("mutants");
    let mut command = process::command(program);
    command.args(["mutants", "--package", "ebbtide-core", "--no-shuffle", "--iterate", "--output"]).arg(found);
    process::run(command.args(arguments))?;
    Ok(ExitCode::SUCCESS)
}
