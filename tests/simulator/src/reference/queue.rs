//! The conflicts that wait for a person, as the rules want them: one to a cell, or to a row that is one whole, a side for each author,
//! closed by who had seen it last.
//! It knows no values but the incumbent's place; the names of conflicts are told by the space and only checked.
//! Part of the reference.

use ebbtide_core::conflict::ConflictId;
use std::collections::BTreeMap;

/// Where a row that waits as a whole stands among its fields.
pub const WHOLE: usize = usize::MAX;

/// A write that had not seen what stands at this place of a row: it waits there.
pub fn challenge(open: &mut BTreeMap<usize, Waiting>, position: usize, seq: u64, by: u32) {
    let waiting = open.entry(position).and_modify(|waiting| waiting.challenged(seq, by));
    waiting.or_insert_with(|| Waiting::opened(seq, by));
}

/// A conflict that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its name, once a commit told it.
    pub id: Option<ConflictId>,
    /// Who challenges the incumbent.
    pub challengers: Vec<u32>,
    /// The commit that last changed it.
    changed: u64,
    /// Whose that was.
    by: u32,
    /// The newest change by somebody else.
    before: u64,
}

impl Waiting {
    /// Opened by this author in this commit.
    pub fn opened(seq: u64, by: u32) -> Self {
        Self { id: None, challengers: vec![by], changed: seq, by, before: seq }
    }

    /// Its incumbent was replaced.
    pub fn moved(&mut self, seq: u64, by: u32) {
        if by != self.by {
            self.before = self.changed;
        }
        (self.changed, self.by) = (seq, by);
    }

    /// Somebody challenges, perhaps again.
    pub fn challenged(&mut self, seq: u64, by: u32) {
        if !self.challengers.contains(&by) {
            self.challengers.push(by);
        }
        self.moved(seq, by);
    }

    /// Whether somebody who chooses after having seen this commit knows how it stands.
    pub fn is_known(&self, seen: u64, author: u32) -> bool {
        seen >= self.changed || (author == self.by && seen >= self.before)
    }
}
