//! `cargo xtask tidy`: the repository's own rules, each checked over the files that git knows or would add.
//! It finds the files and prints the findings; each rule is in its own file. The test suites run it first.

mod crates;
mod headers;
mod length;
mod lockfile;
mod rules;
mod source;
mod words;

use anyhow::Result;
use source::Source;
use std::process::ExitCode;

/// A rule: what holds, and what is found where it does not.
type Rule = (&'static str, fn(&[Source]) -> Result<Vec<String>>);

const RULES: [Rule; 8] = [
    ("crates depend only downwards", crates::check_direction),
    ("core and protocol are no_std", crates::check_no_std),
    ("every rule of SPEC.md has a test, every test's rule is in SPEC.md", rules::check),
    ("every source file has a header", headers::check),
    ("no machine's paths, no registry hosts, no leftovers", words::check_words),
    ("no test is skipped or run alone", words::check_skips),
    ("package-lock.json fits the packages, on every platform", lockfile::check),
    ("no source file is too long", length::check),
];

/// Checks every rule and ends with the counts.
pub fn run() -> Result<ExitCode> {
    let sources = source::all()?;
    let mut failed = 0;
    for (name, check) in RULES {
        let findings = check(&sources)?;
        println!("{} {name}", if findings.is_empty() { "ok    " } else { "FAILED" });
        findings.iter().for_each(|finding| println!("         {finding}"));
        failed += usize::from(!findings.is_empty());
    }
    println!("{} passed, {failed} failed", RULES.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
