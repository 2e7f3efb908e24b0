//! Last writer wins: a write that had seen the current value replaces it, and clock readings decide only between concurrent ones.
//! It compares readings, not values, so falsy values are values.

use super::seen::Writer;
use crate::clock::Stamp;
use crate::server::store::Mark;

/// What to do with a write to a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Take it; it had seen what it replaces, or there was nothing.
    Take,
    /// Take it; the incumbent is overwritten unseen and recorded.
    Overwrite,
    /// Leave the incumbent; the write is recorded.
    Leave,
}

/// Decides one cell. `incumbent` is `None` for a cell at its default, which loses to any write.
/// Equal readings: the later commit, which is the challenger, wins.
pub fn decide(incumbent: Option<&Mark>, challenger: &Writer, stamp: Stamp) -> Decision {
    match incumbent {
        None => Decision::Take,
        Some(mark) if challenger.had_seen(mark) => Decision::Take,
        Some(mark) if stamp >= mark.stamp => Decision::Overwrite,
        Some(_) => Decision::Leave,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Base;
    use crate::ids::{AuthorId, DeviceSeq, Seq};

    fn incumbent(stamp: u64) -> Mark {
        Mark { seq: Seq(5), stamp: Stamp(stamp), author: AuthorId(2), device_seq: DeviceSeq(1), as_sent: true }
    }

    fn challenger(base: u64) -> Writer {
        let base = Base { seq: Seq(base), device_seq: DeviceSeq(0) };
        Writer { author: AuthorId(1), device_seq: DeviceSeq(1), schema: Default::default(), base }
    }

    #[test]
    fn mg03_a_write_that_had_seen_the_value_wins_whatever_the_clocks() {
        assert_eq!(decide(Some(&incumbent(900)), &challenger(5), Stamp(1)), Decision::Take);
    }

    #[test]
    fn mg04_readings_decide_between_concurrent_writes() {
        assert_eq!(decide(Some(&incumbent(900)), &challenger(4), Stamp(901)), Decision::Overwrite);
        assert_eq!(decide(Some(&incumbent(900)), &challenger(4), Stamp(899)), Decision::Leave);
    }

    #[test]
    fn mg05_equal_readings_go_to_the_later_commit() {
        assert_eq!(decide(Some(&incumbent(900)), &challenger(4), Stamp(900)), Decision::Overwrite);
    }

    #[test]
    fn mg06_a_cell_at_its_default_loses_to_any_write() {
        assert_eq!(decide(None, &challenger(0), Stamp(0)), Decision::Take);
    }
}
