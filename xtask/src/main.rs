//! The command line of the project's own tooling: `cargo xtask <command>`.
//! It only names the commands and hands over; what a command does is in the module of its name.
//! Developers, `.ci/run` and the README's two commands call it.

mod bench;
mod build;
mod cargo;
mod demo;
mod fuzz;
mod limits;
mod mutants;
mod paths;
mod process;
mod setup;
mod suites;
mod test;
mod tidy;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  demo [--port N]          install what is missing, build, run the demo in local workerd
  test [--suite NAME]      install what is missing, build, run every suite (or one)
  setup [--browsers]       install what is missing; --browsers adds Chromium
  build [PART…]            build everything, or client, worker, npm, demo, contract
  soak                     the suites' full counts: hours rather than minutes
  bench [-- args]          the measurements of bench/
  fuzz [--seconds N] [TARGET…]  foreign bytes, led by coverage: twenty minutes for each of the targets
  mutants [GROUP [FILE…]]  changes of the core that no test notices: merge, sessions, or both
  tidy                     the repository's own rules
  suites                   list the suites
  node -- args             run the Node that the project uses";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[&str]) -> Result<ExitCode> {
    let (command, rest) = arguments.split_first().unwrap_or((&"help", &[]));
    match *command {
        "setup" => setup::run(rest)?,
        "build" => {
            setup::for_build()?;
            build::run(rest)?;
        }
        "demo" => return demo::run(rest),
        "test" => return test::run(rest),
        "soak" => return test::soak(rest),
        "bench" => return bench::run(rest),
        "fuzz" => return fuzz::run(rest),
        "mutants" => return mutants::run(rest),
        "tidy" => return tidy::run(),
        "suites" => suites::print(),
        "node" => return setup::node::exec(rest),
        "help" | "--help" | "-h" => println!("{USAGE}"),
        other => bail!("unknown command `{other}`\n\n{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}
