//! Reads from a program's output how many tests passed and failed.
//! It is strict: a skipped test counts as failed, and so does a failing program that reports no failed test.
//! The runner feeds it line by line.

use crate::suites::Counts;
use std::fmt;

/// Tests that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
}

impl Tally {
    /// Adds the other's counts.
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Collects the counts of one program.
pub struct Reader {
    counts: Counts,
    tally: Tally,
}

impl Reader {
    /// A reader for output of this kind.
    pub fn new(counts: Counts) -> Self {
        Self { counts, tally: Tally::default() }
    }

    /// Takes notice of the next line.
    pub fn read(&mut self, line: &str) {
        let line = without_colours(line);
        let line = line.trim();
        match self.counts {
            Counts::ExitCode => {}
            Counts::Nextest => replace(&mut self.tally, nextest(line)),
            Counts::Libtest => self.tally.add(libtest(line).unwrap_or_default()),
            Counts::Node => self.tally.add(node(line).unwrap_or_default()),
            Counts::OwnLine => replace(&mut self.tally, own_line(line)),
        }
    }

    /// The counts, now that the program has ended.
    pub fn finish(self, success: bool) -> Tally {
        let mut tally = self.tally;
        if self.counts == Counts::ExitCode && success {
            tally.passed += 1;
        }
        if !success && tally.failed == 0 {
            tally.failed += 1;
        }
        tally
    }
}

fn replace(tally: &mut Tally, newer: Option<Tally>) {
    if let Some(newer) = newer {
        *tally = newer;
    }
}

/// `Summary [ 0.2s] 12 tests run: 10 passed, 1 failed, 1 timed out, 2 skipped`
///
/// What its filters leave out is "skipped" too, but no filter is given, so these are ignored tests.
fn nextest(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("Summary [")?.split_once(" run: ")?.1;
    let mut tally = Tally::default();
    for part in counts.split(", ") {
        let (count, word) = counted(part)?;
        match word {
            "passed" => tally.passed += count,
            _ => tally.failed += count,
        }
    }
    Some(tally)
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn libtest(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut tally = Tally::default();
    for (count, word) in counts.split("; ").filter_map(counted) {
        match word {
            "passed" => tally.passed += count,
            "failed" | "ignored" => tally.failed += count,
            _ => {}
        }
    }
    Some(tally)
}

/// `ℹ pass 3`, with one line for each kind; older reporters write `# pass 3`.
fn node(line: &str) -> Option<Tally> {
    let line = line.strip_prefix('ℹ').or_else(|| line.strip_prefix('#'))?;
    let (word, count) = line.trim().split_once(' ')?;
    let count = count.parse().ok()?;
    match word {
        "pass" => Some(Tally { passed: count, failed: 0 }),
        "fail" | "cancelled" | "skipped" | "todo" => Some(Tally { passed: 0, failed: count }),
        _ => None,
    }
}

/// `3 passed, 0 failed`
fn own_line(line: &str) -> Option<Tally> {
    let (passed, failed) = line.split_once(", ")?;
    match (counted(passed)?, counted(failed)?) {
        ((passed, "passed"), (failed, "failed")) => Some(Tally { passed, failed }),
        _ => None,
    }
}

/// `3 passed` → (3, "passed"); what stands behind, such as `(1 slow)`, does not matter.
fn counted(part: &str) -> Option<(u64, &str)> {
    let (count, word) = part.trim().split_once(' ')?;
    Some((count.parse().ok()?, word.split(" (").next()?))
}

/// The text without terminal colours (`ESC [ … m`).
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(counts: Counts, output: &str, success: bool) -> Tally {
        let mut reader = Reader::new(counts);
        output.lines().for_each(|line| reader.read(line));
        reader.finish(success)
    }

    #[test]
    fn su03_reads_the_counts_of_every_kind_of_program() {
        let nextest = "     Summary [   0.2s] 13 tests run: 10 passed (1 slow), 2 failed, 1 timed out, 0 skipped";
        assert_eq!(read(Counts::Nextest, nextest, false), Tally { passed: 10, failed: 3 });
        let libtest = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(read(Counts::Libtest, &[libtest, libtest].join("\n"), true), Tally { passed: 6, failed: 0 });
        let node = "\u{1b}[34mℹ tests 3\u{1b}[39m\n\u{1b}[34mℹ pass 2\u{1b}[39m\nℹ fail 1\nℹ duration_ms 7.5";
        assert_eq!(read(Counts::Node, node, false), Tally { passed: 2, failed: 1 });
        assert_eq!(read(Counts::OwnLine, "1 passed, 0 failed\n500 passed, 0 failed", true).passed, 500);
        assert_eq!(read(Counts::ExitCode, "", true), Tally { passed: 1, failed: 0 });
    }

    #[test]
    fn su04_a_program_that_fails_without_a_failed_test_counts_as_one() {
        assert_eq!(read(Counts::Node, "ℹ pass 2\nℹ fail 0", false), Tally { passed: 2, failed: 1 });
        assert_eq!(read(Counts::ExitCode, "", false), Tally { passed: 0, failed: 1 });
    }

    #[test]
    fn su05_a_skipped_test_counts_as_failed() {
        assert_eq!(read(Counts::Node, "ℹ pass 2\nℹ skipped 1", true), Tally { passed: 2, failed: 1 });
        let libtest = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(read(Counts::Libtest, libtest, true), Tally { passed: 3, failed: 1 });
        let nextest = "Summary [   0.2s] 2 tests run: 2 passed, 1 skipped";
        assert_eq!(read(Counts::Nextest, nextest, true), Tally { passed: 2, failed: 1 });
    }
}
