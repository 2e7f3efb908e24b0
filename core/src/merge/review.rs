//! Review: the committed value stays visible everywhere, and a write that had not seen it waits for a person.
//! It says whether a write waits; the queue in which it waits is the server's.
//! Called for each write to a field of this strategy, and of `custom`, where a function of the app takes the person's place.

use super::seen::Writer;
use crate::server::store::Mark;

/// What to do with a write to a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Take it: it had seen what it replaces, or there was nothing.
    Take,
    /// Leave the incumbent; the write is a challenger.
    Wait,
}

/// Decides one cell. `incumbent` is `None` for a cell at its default, which loses to any write. Clocks have no say.
pub fn decide(incumbent: Option<&Mark>, challenger: &Writer) -> Decision {
    match incumbent {
        Some(mark) if !challenger.had_seen(mark) => Decision::Wait,
        _ => Decision::Take,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Base;
    use crate::clock::Stamp;
    use crate::ids::{AuthorId, DeviceSeq, Seq};

    fn incumbent() -> Mark {
        Mark { seq: Seq(5), stamp: Stamp(1), author: AuthorId(2), device_seq: DeviceSeq(1), as_sent: true }
    }

    fn challenger(base: u64) -> Writer {
        let base = Base { seq: Seq(base), device_seq: DeviceSeq(0) };
        Writer { author: AuthorId(1), device_seq: DeviceSeq(1), schema: Default::default(), base }
    }

    #[test]
    fn mg30_a_write_that_had_not_seen_the_value_waits_whatever_the_clocks() {
        assert_eq!(decide(Some(&incumbent()), &challenger(4)), Decision::Wait);
    }

    #[test]
    fn mg30_a_write_that_had_seen_the_value_or_met_none_is_taken() {
        assert_eq!(decide(Some(&incumbent()), &challenger(5)), Decision::Take);
        assert_eq!(decide(None, &challenger(0)), Decision::Take);
    }
}
