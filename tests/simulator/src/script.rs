//! What a run plays: a seed, and what is left out of the history that it leads to.
//! It knows nothing of the world but that pieces of work and faults are numbered in the order in which they come.
//! Written by the minimiser and kept in named regressions.

use std::collections::BTreeSet;
use std::fmt;

/// See the file's header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// Where all chance comes from.
    pub seed: u64,
    /// At most so many devices.
    pub devices: Option<usize>,
    /// The calm begins after so many pieces of work.
    pub work: Option<u64>,
    /// Pieces of work that are not done.
    pub without_work: BTreeSet<u64>,
    /// Faults that do not happen.
    pub without_faults: BTreeSet<u64>,
}

impl Script {
    /// The whole history of a seed.
    pub fn whole(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }
}

/// As a test would write it.
impl fmt::Display for Script {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |numbers: &BTreeSet<u64>| {
            let mut ranges: Vec<(u64, u64)> = Vec::new();
            for number in numbers {
                match ranges.last_mut() {
                    Some((_, last)) if *last + 1 == *number => *last = *number,
                    _ => ranges.push((*number, *number)),
                }
            }
            let ranges: Vec<String> = ranges.iter().map(|(from, to)| format!("({from}, {to})")).collect();
            format!("ranges(&[{}])", ranges.join(", "))
        };
        writeln!(out, "Script {{")?;
        writeln!(out, "    seed: {},", self.seed)?;
        writeln!(out, "    devices: {:?},", self.devices)?;
        writeln!(out, "    work: {:?},", self.work)?;
        writeln!(out, "    without_work: {},", list(&self.without_work))?;
        writeln!(out, "    without_faults: {},", list(&self.without_faults))?;
        write!(out, "}}")
    }
}

/// All numbers of some ranges, both ends included.
pub fn ranges(ranges: &[(u64, u64)]) -> BTreeSet<u64> {
    ranges.iter().flat_map(|(from, to)| *from..=*to).collect()
}
