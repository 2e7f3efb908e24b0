//! The rules on words: what must not be left in the repository, and test filters that hide a failure.
//! The words are put together from parts, so that this file passes its own rules.

use super::source::Source;
use anyhow::Result;

/// Words that belong to one machine, to one registry, or to unfinished work. A `|` is left out of the word.
const FORBIDDEN: [(&str, &str); 14] = [
    ("/ro|ot/", "a path of one machine"),
    ("/ho|me/", "a path of one machine"),
    ("/wo|rk/", "a path of one machine"),
    ("/Us|ers/", "a path of one machine"),
    ("\"/tm|p/", "a path of one machine"),
    ("registry.npm|js.org", "a registry's host"),
    ("static.crates|.io", "a registry's host"),
    ("index.crates|.io", "a registry's host"),
    ("TO|DO", "unfinished work"),
    ("FIX|ME", "unfinished work"),
    ("XX|X", "unfinished work"),
    ("to|do!(", "unfinished work"),
    ("unimple|mented!(", "unfinished work"),
    ("db|g!(", "unfinished work"),
];

/// What leaves tests out, or leaves the others out.
const SKIPS: [&str; 8] = [
    "#[ign|ore",
    "test.sk|ip(",
    "it.sk|ip(",
    "describe.sk|ip(",
    "test.to|do(",
    "test.on|ly(",
    "it.on|ly(",
    "sk|ip: true",
];

/// Finds forbidden words and numbers of an issue tracker.
pub fn check_words(sources: &[Source]) -> Result<Vec<String>> {
    let forbidden: Vec<(String, &str)> = FORBIDDEN.iter().map(|(word, what)| (whole(word), *what)).collect();
    Ok(findings(sources, |line| {
        let word = forbidden.iter().find(|(word, _)| line.contains(word.as_str()));
        word.map(|(word, what)| format!("`{word}` is {what}")).or_else(|| issue_number(line))
    }))
}

/// Finds tests that are skipped or run alone.
pub fn check_skips(sources: &[Source]) -> Result<Vec<String>> {
    let skips = SKIPS.map(whole);
    Ok(findings(sources, |line| skips.iter().find(|skip| line.contains(skip.as_str())).map(|skip| format!("`{skip}`"))))
}

fn whole(word: &str) -> String {
    word.replace('|', "")
}

fn findings(sources: &[Source], check: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let lines = sources.iter().flat_map(|source| source.lines().map(move |(number, line)| (source, number, line)));
    lines
        .filter_map(|(source, number, line)| check(line).map(|what| format!("{}:{number}: {what}", source.path)))
        .collect()
}

/// The tracker's numbers mean nothing to a reader of the code: the reason itself belongs there.
fn issue_number(line: &str) -> Option<String> {
    let lower = line.to_ascii_lowercase();
    let after = lower.split("issue").skip(1).find(|after| {
        let digits = after.trim_start_matches([' ', '#']);
        digits.len() < after.len() && digits.starts_with(|char: char| char.is_ascii_digit())
    })?;
    let shown: String = after.chars().take(5).collect();
    Some(format!("`issue{shown}` is a number of the tracker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { path: "core/src/a.rs".into(), text: text.into() }
    }

    #[test]
    fn su09_leftovers_and_tracker_numbers_are_found() {
        let text = format!("// {}: later\nlet issued = 5;\n// see {} #12\n", whole("TO|DO"), "issue");
        let findings = check_words(&[source(&text)]).unwrap();
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("core/src/a.rs:1: "));
        assert!(findings[1].starts_with("core/src/a.rs:3: "));
    }

    #[test]
    fn su09_skipped_tests_are_found() {
        let findings = check_skips(&[source(&format!("{}]\nfn a() {{}}\n", whole("#[ign|ore")))]).unwrap();
        assert_eq!(findings.len(), 1);
    }
}
