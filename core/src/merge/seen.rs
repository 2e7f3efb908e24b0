//! Whether a writer had seen what it writes over: decided by what the device had applied and sealed, never by clocks.
//! It knows nothing of strategies, which all start from its answer.

use crate::change::Base;
use crate::ids::{AuthorId, DeviceSeq, SchemaVersion};
use crate::server::store::Mark;

/// The changeset a write came in, and what its device had seen when it was made.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    /// Whose.
    pub author: AuthorId,
    /// In which changeset.
    pub device_seq: DeviceSeq,
    /// Under which schema version it was sealed.
    pub schema: SchemaVersion,
    /// What had been seen.
    pub base: Base,
}

impl Writer {
    /// Whether this writer had seen `mark`: it was pulled, or it is an own write from before that became what was sent.
    pub fn had_seen(&self, mark: &Mark) -> bool {
        mark.seq <= self.base.seq || self.wrote_before(mark) || self.migrated(mark)
    }

    /// What a migration wrote was seen by all who had run that migration, before they pulled what it did in the space.
    fn migrated(&self, mark: &Mark) -> bool {
        mark.author == AuthorId::MIGRATION && (1..=u64::from(self.schema.migrations())).contains(&mark.device_seq.0)
    }

    fn wrote_before(&self, mark: &Mark) -> bool {
        let earlier = mark.device_seq <= self.base.device_seq || mark.device_seq == self.device_seq;
        mark.author == self.author && mark.as_sent && earlier
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stamp;
    use crate::ids::{SchemaHash, Seq};

    fn writer(seq: u64, own: u64) -> Writer {
        let base = Base { seq: Seq(seq), device_seq: DeviceSeq(own) };
        Writer {
            author: AuthorId(1),
            device_seq: DeviceSeq(own + 1),
            schema: SchemaVersion::of(2, SchemaHash::default()),
            base,
        }
    }

    fn mark(seq: u64, author: u32, device_seq: u64) -> Mark {
        Mark {
            seq: Seq(seq),
            stamp: Stamp(0),
            author: AuthorId(author),
            device_seq: DeviceSeq(device_seq),
            as_sent: true,
        }
    }

    #[test]
    fn mg01_what_was_pulled_was_seen() {
        assert!(writer(15, 0).had_seen(&mark(15, 2, 1)));
        assert!(!writer(10, 0).had_seen(&mark(15, 2, 1)));
    }

    #[test]
    fn mg02_an_own_earlier_write_was_seen_before_its_receipt() {
        assert!(writer(10, 3).had_seen(&mark(15, 1, 3)));
        assert!(!writer(10, 3).had_seen(&mark(15, 2, 3)));
    }

    #[test]
    fn mg02_an_own_write_of_the_same_changeset_was_seen_and_one_of_a_later_changeset_was_not() {
        assert!(writer(10, 3).had_seen(&mark(15, 1, 4)));
        assert!(!writer(10, 3).had_seen(&mark(15, 1, 5)));
    }

    #[test]
    fn mg07_what_a_migration_wrote_was_seen_by_those_who_ran_it() {
        assert!(writer(10, 0).had_seen(&mark(15, 0, 2)));
        assert!(!writer(10, 0).had_seen(&mark(15, 0, 3)));
    }

    #[test]
    fn mg02_an_own_write_that_was_merged_into_something_else_was_not_seen() {
        let merged = Mark { as_sent: false, ..mark(15, 1, 3) };
        assert!(!writer(10, 3).had_seen(&merged));
    }
}
