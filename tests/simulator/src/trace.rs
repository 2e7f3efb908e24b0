//! What happened in a run, as one number and, on request, as lines for a person.
//! The number covers every event with its content, so that two runs of a seed can be compared.
//! Every part of the world writes to it.

use std::collections::VecDeque;

/// Lines kept for a failing seed: more than a run has, but for one that talks in circles.
const KEPT_LINES: usize = 50_000;

/// See the file's header.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    lines: Option<VecDeque<String>>,
}

impl Trace {
    /// A trace that keeps lines, or only the number.
    pub fn new(keep_lines: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: keep_lines.then(VecDeque::new) }
    }

    /// Takes note of an event.
    pub fn event(&mut self, now: u64, what: &'static str, numbers: &[u64]) {
        self.bytes(what.as_bytes());
        self.bytes(&now.to_le_bytes());
        numbers.iter().for_each(|number| self.bytes(&number.to_le_bytes()));
        self.line(|| format!("{now} {what} {numbers:?}"));
    }

    /// Takes content into the number: FNV-1a.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// A line for a person only.
    pub fn line(&mut self, line: impl FnOnce() -> String) {
        let Some(lines) = self.lines.as_mut() else { return };
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line());
    }

    /// The number.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The last lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().flatten().map(String::as_str)
    }
}
