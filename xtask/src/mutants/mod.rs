//! `cargo xtask mutants`: changes the core line by line and looks which changes no test notices.
//! All changes are built at once, each behind a switch, so that trying one takes no build; what a switch cannot do, cargo-mutants
//! does by itself, called with what follows `--`. What came of it is in `tests/mutants.md`.

mod build;
mod list;
mod plain;
mod program;
mod rewrite;
mod switches;
mod trial;

use crate::paths;
use anyhow::{Result, bail};
use list::Mutant;
use std::io::Write;
use std::process::ExitCode;
use trial::{Outcome, Outcomes, Tests};

/// A part of the core, and the tests that must notice what changes in it.
struct Group {
    name: &'static str,
    folders: &'static [&'static str],
    tests: &'static [&'static str],
}

/// The merge rules have laws and examples beside them; what the sessions do shows in conversations, and at last in whole seeds.
const GROUPS: [Group; 2] = [
    Group { name: "merge", folders: &["core/src/merge/"], tests: &["ebbtide-core"] },
    Group {
        name: "sessions",
        folders: &["core/src/client/", "core/src/server/"],
        tests: &["ebbtide-core", "ebbtide-conversations", build::SIMULATOR],
    },
];

/// Tries a group, or the files of it whose names contain one of the words, in their order; those first that were never tried. What was
/// caught before is not tried again.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    match arguments {
        ["--", rest @ ..] => plain::run(rest)?,
        [] => GROUPS.iter().try_for_each(|group| try_group(group, &[]))?,
        [name, files @ ..] => match GROUPS.iter().find(|group| group.name == *name) {
            Some(group) => try_group(group, files)?,
            None => bail!("there is no group `{name}`; there are merge and sessions"),
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn try_group(group: &Group, files: &[&str]) -> Result<()> {
    // One build serves all groups.
    let all = list::all(&GROUPS.map(|group| group.folders).concat())?;
    let (programs, left_out) = build::build(&all, group.tests)?;
    let jobs = std::thread::available_parallelism()?.get();
    let tests = Tests::survey(programs, jobs)?;
    let outcomes = Outcomes::load(paths::target().join(format!("mutation/{}.tsv", group.name)));
    let rank = |mutant: &Mutant| files.iter().position(|file| mutant.file.contains(file));
    let of_group = all.iter().filter(|mutant| group.folders.iter().any(|folder| mutant.file.starts_with(folder)));
    let wanted = of_group.filter(|mutant| files.is_empty() || rank(mutant).is_some());
    let open = wanted.filter(|mutant| !outcomes.caught(&mutant.name));
    let (unbuilt, mut open): (Vec<&Mutant>, Vec<&Mutant>) = open.partition(|mutant| left_out.contains(&mutant.id));
    open.sort_by_key(|mutant| (outcomes.tried(&mutant.name), rank(mutant)));
    println!("{}: trying {} changes; {} more do not compile", group.name, open.len(), unbuilt.len());
    let file = outcomes.appending()?;
    let note = |word: &str, mutant: &Mutant| -> Result<()> {
        Ok(writeln!(file.lock().expect("no panic holds the lock"), "{word}\t{}", mutant.name)?)
    };
    unbuilt.iter().try_for_each(|mutant| note("unbuilt", mutant))?;
    tests.try_all(&open, jobs, |mutant, outcome| {
        if matches!(outcome, Outcome::Missed | Outcome::Unreached) {
            println!("{:9} {}", outcome.word(), mutant.name);
        }
        note(outcome.word(), mutant)
    })
}
