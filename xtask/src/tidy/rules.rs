//! Holds SPEC.md and the tests together: each rule has a test named after it, each name has its rule.
//! A rule is a list item that starts with its id in bold (`- **ST-03** …`); a test's name starts with the id
//! (`st03_…` in Rust, `'ST-03 …'` in TypeScript).

use super::source::Source;
use anyhow::Result;
use std::collections::BTreeMap;

/// The areas of SPEC.md.
const AREAS: [&str; 14] = ["CK", "MG", "CF", "DL", "RU", "ST", "CS", "SV", "SM", "WP", "TB", "SW", "JS", "SU"];

/// An id such as `ST-03`, and where it was first seen.
type Ids = BTreeMap<String, String>;

/// Finds rules without a test and tests without a rule.
pub fn check(sources: &[Source]) -> Result<Vec<String>> {
    let Some(spec) = sources.iter().find(|source| source.path == "SPEC.md") else {
        return Ok(vec!["there is no SPEC.md".into()]);
    };
    let (rules, mut findings) = written(spec);
    let tested = tested(sources);
    findings.extend(missing(&rules, &tested, "has no test"));
    findings.extend(missing(&tested, &rules, "is tested, but not in SPEC.md"));
    Ok(findings)
}

/// The rules of SPEC.md, and the ids that it uses twice.
fn written(spec: &Source) -> (Ids, Vec<String>) {
    let mut rules = Ids::new();
    let mut findings = Vec::new();
    for (number, line) in spec.lines() {
        let Some(id) = line.trim_start().strip_prefix("- **").and_then(leading_id) else { continue };
        if rules.insert(id.clone(), format!("SPEC.md:{number}")).is_some() {
            findings.push(format!("SPEC.md:{number}: {id} is there twice"));
        }
    }
    (rules, findings)
}

fn tested(sources: &[Source]) -> Ids {
    let mut tests = Ids::new();
    for source in sources.iter().filter(|source| source.is_code()) {
        for (number, line) in source.lines() {
            let id = if source.ending() == "rs" { rust_test(line) } else { script_test(&source.path, line) };
            if let Some(id) = id {
                tests.entry(id).or_insert_with(|| format!("{}:{number}", source.path));
            }
        }
    }
    tests
}

/// `fn st03_replace_logs_the_evicted_row()` → `ST-03`
fn rust_test(line: &str) -> Option<String> {
    let line = line.trim_start();
    let line = ["pub(crate) ", "pub(super) ", "pub "].iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line);
    let name = line.trim_start_matches("async ").strip_prefix("fn ")?;
    let (head, _) = name.split_once('_')?;
    let (area, number) = head.split_at_checked(2)?;
    let spelled = format!("{}-{number}", area.to_ascii_uppercase());
    leading_id(&spelled).filter(|id| *id == spelled)
}

/// `test('JS-07 a second tab …', …` → `JS-07`; the name may stand on a line of its own.
fn script_test(path: &str, line: &str) -> Option<String> {
    if !path.contains(".test.") {
        return None;
    }
    line.split(['\'', '"', '`']).skip(1).find_map(leading_id)
}

/// The id at the beginning of the text, if there is one and it ends there.
fn leading_id(text: &str) -> Option<String> {
    let (area, rest) = text.split_at_checked(2)?;
    let digits = rest.strip_prefix('-')?;
    let end = digits.find(|char: char| !char.is_ascii_digit()).unwrap_or(digits.len());
    let ends_there = !digits[end..].starts_with(|char: char| char.is_alphanumeric());
    (AREAS.contains(&area) && end >= 2 && ends_there).then(|| format!("{area}-{}", &digits[..end]))
}

fn missing(ids: &Ids, from: &Ids, what: &str) -> Vec<String> {
    let absent = ids.iter().filter(|(id, _)| !from.contains_key(*id));
    absent.map(|(id, place)| format!("{place}: {id} {what}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[test]
    fn su08_rules_and_test_names_are_held_together() {
        let spec = "- **ST-03** Evicted rows are logged.\n- **JS-07** One tab.\n- **JS-08** No test.\n";
        let rust = "    pub(super) fn st03_replace_logs_the_evicted_row<S>() {}\n    fn string_of() {}\n";
        let script = "test(\n  'JS-07 a second tab', () => {});\ntest('JS-09 is not in the book', () => {});\n";
        let sources =
            [source("SPEC.md", spec), source("store/src/a.rs", rust), source("tests/browser/a.test.ts", script)];
        let findings = check(&sources).unwrap();
        assert_eq!(
            findings,
            ["SPEC.md:3: JS-08 has no test", "tests/browser/a.test.ts:3: JS-09 is tested, but not in SPEC.md"]
        );
    }

    #[test]
    fn su08_an_id_that_is_there_twice_is_found() {
        let findings = check(&[source("SPEC.md", "- **CK-01** a\n- **CK-01** b\n")]).unwrap();
        assert_eq!(findings, ["SPEC.md:2: CK-01 is there twice", "SPEC.md:2: CK-01 has no test"]);
    }
}
