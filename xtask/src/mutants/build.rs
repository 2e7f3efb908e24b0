//! One build with all changes in it: a copy of the checkout whose core has the switches, without those that do not compile.
//! It does not know what the tests say. The command calls it once, `trial` runs what it built.

use super::list::{Genre, Mutant};
use super::program::{Kind, Program};
use super::rewrite::Rewritten;
use super::switches;
use crate::{paths, process};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The module that the copy gets, and how its core calls it.
const MODULE: &str = include_str!("mutant.rs.in");

/// Each round the compiler gets further; it has some five phases that complain by themselves.
const MAX_ROUNDS: usize = 25;

/// The package whose program plays whole seeds. Its own tests are left out: most of them play some of the same seeds.
pub const SIMULATOR: &str = "ebbtide-simulator";
/// One of its tests is no seed: scripted scenarios in which everything dies once.
const CRASHES: &str = "crash";

/// Copies and builds. Answers the test programs of these packages and the changes that do not compile.
pub fn build(mutants: &[Mutant], packages: &[&str]) -> Result<(Vec<Program>, BTreeSet<u32>)> {
    let tree = paths::target().join("mutation/tree");
    copy_checkout(&tree)?;
    let mut left_out = without_switch(mutants)?;
    for round in 1..=MAX_ROUNDS {
        let files = write_switches(&tree, mutants, &left_out)?;
        let at_fault = at_fault(&tree, &files)?;
        println!("round {round}: {} of {} changes do not compile", left_out.len() + at_fault.len(), mutants.len());
        if at_fault.is_empty() {
            return Ok((test_programs(&tree, packages)?, left_out));
        }
        left_out.extend(at_fault);
    }
    bail!("the copy in {} does not compile", paths::shown(&tree))
}

fn copy_checkout(tree: &Path) -> Result<()> {
    let listed = process::output(process::command("git").args(["ls-files", "-co", "--exclude-standard"]))?;
    for file in listed.lines().filter(|file| paths::in_root(file).is_file()) {
        let bytes = fs::read(paths::in_root(file))?;
        write_if_new(&tree.join(file), &bytes)?;
    }
    Ok(())
}

/// What stays the same keeps its time, so that cargo builds only what changed.
fn write_if_new(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let folder = path.parent().context("every file lies in a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", paths::shown(path)))
}

/// Changes for which there is no place: an operator of a condition with `let` in it can be no other.
fn without_switch(mutants: &[Mutant]) -> Result<BTreeSet<u32>> {
    let mut left = BTreeSet::new();
    for (file, mutants) in by_file(mutants, &BTreeSet::new()) {
        let sites = switches::sites(&fs::read_to_string(paths::in_root(file))?, &mutants)?;
        let placed: BTreeSet<u32> = sites.iter().flat_map(|site| &site.ids).copied().collect();
        let answers = |mutant: &&&Mutant| mutant.genre == Genre::Answer || placed.contains(&mutant.id);
        left.extend(mutants.iter().filter(|mutant| !answers(mutant)).map(|mutant| mutant.id));
    }
    Ok(left)
}

fn by_file<'a>(mutants: &'a [Mutant], left_out: &BTreeSet<u32>) -> BTreeMap<&'a str, Vec<&'a Mutant>> {
    let mut by_file: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        let of_file = by_file.entry(&mutant.file).or_default();
        if !left_out.contains(&mutant.id) {
            of_file.push(mutant);
        }
    }
    by_file
}

fn write_switches(tree: &Path, mutants: &[Mutant], left_out: &BTreeSet<u32>) -> Result<BTreeMap<String, Rewritten>> {
    let mut files = BTreeMap::new();
    for (file, mutants) in by_file(mutants, left_out) {
        let source = fs::read_to_string(paths::in_root(file))?;
        let sites = switches::sites(&source, &mutants).with_context(|| format!("cannot read {file}"))?;
        let rewritten = Rewritten::new(&source, &sites);
        write_if_new(&tree.join(file), rewritten.text.as_bytes())?;
        files.insert(file.to_owned(), rewritten);
    }
    let root = fs::read_to_string(paths::in_root("core/src/lib.rs"))?;
    write_if_new(&tree.join("core/src/lib.rs"), format!("{root}\n#[doc(hidden)]\npub mod mutant;\n").as_bytes())?;
    write_if_new(&tree.join("core/src/mutant.rs"), MODULE.as_bytes())?;
    Ok(files)
}

/// A target folder of its own: cargo would take the copy's packages for the checkout's.
fn cargo(tree: &Path, arguments: &[&str]) -> Command {
    let mut command = process::command("cargo");
    command.current_dir(tree).env("CARGO_TARGET_DIR", paths::target().join("mutation/built"));
    command.args(arguments).args(["--profile", "mutants", "--message-format", "json"]);
    command
}

/// The changes that the compiler complains about.
fn at_fault(tree: &Path, files: &BTreeMap<String, Rewritten>) -> Result<BTreeSet<u32>> {
    let output = cargo(tree, &["check", "--package", "ebbtide-core"]).output()?;
    let messages = messages(&output.stdout);
    let errors = messages.iter().filter(|message| message["message"]["level"] == "error");
    let mut found = BTreeSet::new();
    let mut unclear = None;
    for error in errors {
        let owners = owners(&error["message"], files);
        match owners {
            Some(owners) => found.extend(owners),
            None => unclear = error["message"]["rendered"].as_str(),
        }
    }
    match unclear {
        Some(text) if found.is_empty() && !output.status.success() => bail!("nothing to leave out for\n{text}"),
        _ => Ok(found),
    }
}

/// The owners of what the message points at first; of what else it points at, where that is nobody's.
fn owners(message: &Value, files: &BTreeMap<String, Rewritten>) -> Option<Vec<u32>> {
    let spans = message["spans"].as_array()?;
    let first = spans.iter().filter(|span| span["is_primary"] == true);
    let others = spans.iter().filter(|span| span["is_primary"] == false);
    first.chain(others).find_map(|span| {
        let end = |key: &str| span[key].as_u64().map(|end| end as usize);
        let file = files.get(span["file_name"].as_str()?)?;
        file.owners(&(end("byte_start")?..end("byte_end")?)).map(<[u32]>::to_vec)
    })
}

fn test_programs(tree: &Path, packages: &[&str]) -> Result<Vec<Program>> {
    let mut command = cargo(tree, &["test", "--no-run"]);
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    println!("building the tests");
    let output = command.output()?;
    let messages = messages(&output.stdout);
    if !output.status.success() {
        let texts: Vec<&str> = messages.iter().filter_map(|message| message["message"]["rendered"].as_str()).collect();
        bail!("the tests do not build: {}{}", texts.concat(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(messages.iter().filter_map(program).collect())
}

/// The program that a message of cargo is about, if it judges.
fn program(message: &Value) -> Option<Program> {
    let (folder, path) = (Path::new(message["manifest_path"].as_str()?).parent()?, message["executable"].as_str()?);
    let (name, is_test) = (message["target"]["name"].as_str()?, message["profile"]["test"] == true);
    let simulates = folder.ends_with("tests/simulator");
    let kind = match (simulates, is_test) {
        (true, false) if name == SIMULATOR => Kind::Seeds,
        (true, true) if name == CRASHES => Kind::Tests,
        (false, true) => Kind::Tests,
        _ => return None,
    };
    Some(Program { path: path.into(), folder: folder.into(), kind, last: simulates })
}

fn messages(output: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(output).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
