//! The changes to try: what cargo-mutants would change in some folders.
//! It knows where each change stands in the source, and not how it is tried. The command asks it once for each run.

use super::plain;
use anyhow::{Context, Result};
use serde_json::Value;

/// A place in a source file, as cargo-mutants counts: lines and characters from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character within it.
    pub column: usize,
}

/// What kind of code is changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Genre {
    /// A function answers the replacement at once.
    Answer,
    /// Another operator between two operands.
    Binary,
    /// An operator before its operand is left out.
    Unary,
    /// The guard of a match arm is always true, or always false.
    Guard,
    /// A match arm is left out.
    Arm,
    /// A field of a struct expression is left to its base.
    Field,
}

/// One change of the source.
pub struct Mutant {
    /// The number of its switch, from 1.
    pub id: u32,
    /// File, place and what changes, for people and as the key of its outcome.
    pub name: String,
    /// The file, relative to the root of the checkout.
    pub file: String,
    /// What is changed.
    pub genre: Genre,
    /// What stands there instead.
    pub replacement: String,
    /// From where.
    pub start: Place,
    /// To where, exclusive.
    pub end: Place,
}

/// All changes of the files in these folders, numbered.
pub fn all(folders: &[&str]) -> Result<Vec<Mutant>> {
    let mut command = plain::tool()?;
    command.args(["mutants", "--list", "--json", "--no-config", "--package", "ebbtide-core"]);
    command.args(["--exclude-re", "impl .*(Debug|Display) for"]);
    command.args(folders.iter().flat_map(|folder| [String::from("--file"), format!("{folder}**/*.rs")]));
    let listed = crate::process::output(&mut command)?;
    let listed: Vec<Value> = serde_json::from_str(&listed).context("cargo-mutants lists JSON")?;
    let numbered = (1..).zip(&listed);
    numbered
        .map(|(id, listed)| mutant(id, listed).with_context(|| format!("unknown kind of change: {listed}")))
        .collect()
}

fn mutant(id: u32, listed: &Value) -> Option<Mutant> {
    let text = |key: &str| Some(listed[key].as_str()?.to_owned());
    let place = |end: &str| {
        let number = |key: &str| listed["span"][end][key].as_u64().map(|number| number as usize);
        Some(Place { line: number("line")?, column: number("column")? })
    };
    let genre = genre(listed["genre"].as_str()?)?;
    let (start, end) = (place("start")?, place("end")?);
    Some(Mutant { id, name: text("name")?, file: text("file")?, genre, replacement: text("replacement")?, start, end })
}

fn genre(name: &str) -> Option<Genre> {
    Some(match name {
        "FnValue" => Genre::Answer,
        "BinaryOperator" => Genre::Binary,
        "UnaryOperator" => Genre::Unary,
        "MatchArmGuard" => Genre::Guard,
        "MatchArm" => Genre::Arm,
        "StructField" => Genre::Field,
        _ => return None,
    })
}
