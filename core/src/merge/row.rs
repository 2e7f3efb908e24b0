//! `row: 'atomic'`: a write to any field is a write to the whole row, under one stamp.
//! It decides once per row, from the marks of all fields; which values differ is the draft's business.

use super::server::Stale;
use crate::catalogue::Strategy;
use crate::server::draft::Write;
use crate::server::store::Mark;

/// What to do with a full image of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Take it; it had seen what it replaces, or there was nothing.
    Take,
    /// Take it; what was not seen is overwritten and recorded.
    Overwrite,
    /// Leave the row; the write is recorded.
    Leave,
    /// Leave the row; the write waits for a person.
    Wait,
}

/// Decides a full image of the row against who wrote its fields.
pub fn decide<'a>(strategy: Strategy, marks: impl Iterator<Item = &'a Mark>, write: &Write) -> Result<Decision, Stale> {
    let unseen = marks.filter(|mark| !write.writer.had_seen(mark)).map(|mark| mark.stamp).max();
    match unseen {
        None => Ok(Decision::Take),
        Some(_) if strategy == Strategy::Server => Err(Stale),
        Some(_) if strategy == Strategy::Review => Ok(Decision::Wait),
        Some(stamp) if write.stamp >= stamp => Ok(Decision::Overwrite),
        Some(_) => Ok(Decision::Leave),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stamp;
    use crate::ids::Seq;
    use crate::merge::laws::write_at;

    fn mark(seq: u64, stamp: u64) -> Mark {
        Mark { seq: Seq(seq), stamp: Stamp(stamp), ..Mark::default() }
    }

    #[test]
    fn mg13_a_row_is_won_or_lost_as_a_whole() {
        let marks = [mark(1, 900), mark(7, 50), mark(8, 20)];
        let decided = |strategy, seen, stamp| decide(strategy, marks.iter(), &write_at(1, seen, 9, stamp));
        assert_eq!(decided(Strategy::Lww, 8, 0), Ok(Decision::Take), "seen, whatever the clocks");
        assert_eq!(decided(Strategy::Lww, 1, 50), Ok(Decision::Overwrite), "the newest unseen reading counts");
        assert_eq!(decided(Strategy::Lww, 1, 49), Ok(Decision::Leave));
        assert_eq!(decided(Strategy::Lww, 7, 49), Ok(Decision::Overwrite));
        assert_eq!(decided(Strategy::Server, 7, 900), Err(Stale));
        assert_eq!(decided(Strategy::Server, 8, 0), Ok(Decision::Take));
    }

    #[test]
    fn mg100_a_row_that_had_not_been_seen_waits_as_a_whole_whatever_the_clocks() {
        let marks = [mark(1, 900), mark(7, 50)];
        let decided = |seen, stamp| decide(Strategy::Review, marks.iter(), &write_at(1, seen, 9, stamp));
        assert_eq!(decided(1, 1_000), Ok(Decision::Wait), "one field that was not seen is enough");
        assert_eq!(decided(7, 0), Ok(Decision::Take));
        assert_eq!(decide(Strategy::Review, [].iter(), &write_at(1, 0, 9, 0)), Ok(Decision::Take));
    }
}
