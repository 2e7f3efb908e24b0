//! The rule on length: a file that nobody can read in one sitting is several files.
//! Exceptions are listed here with their reason.

use super::source::Source;
use anyhow::Result;

/// Twice what the house style aims at.
const MOST_LINES: usize = 500;

/// Longer files, and why they stay together.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// Finds code that is too long, and exceptions that are no longer needed.
pub fn check(sources: &[Source]) -> Result<Vec<String>> {
    let excepted = |path: &str| EXCEPTIONS.iter().any(|(other, _)| *other == path);
    let long = |source: &&Source| (source.is_code() || source.ending() == "css") && lines(source) > MOST_LINES;
    let mut findings: Vec<String> = sources
        .iter()
        .filter(long)
        .filter(|source| !excepted(&source.path))
        .map(|source| format!("{}: {} lines, more than {MOST_LINES}", source.path, lines(source)))
        .collect();
    let needed = |path: &str| sources.iter().filter(long).any(|source| source.path == path);
    let idle = EXCEPTIONS.iter().filter(|(path, _)| !needed(path));
    findings.extend(idle.map(|(path, _)| format!("{path}: needs no exception from the length rule")));
    Ok(findings)
}

fn lines(source: &Source) -> usize {
    source.text.lines().count()
}
