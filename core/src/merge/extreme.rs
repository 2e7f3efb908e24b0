//! What `min` and `max` share: of concurrent values the one at the wanted end of SQLite's order stays.
//! A write that had seen the current value replaces it; NULL never wins, and of equal values the later commit's is taken.
//! Which end is wanted, each of the two says.

use super::lww::Decision;
use super::order::compare;
use super::seen::Writer;
use crate::server::store::Mark;
use crate::value::Value;
use core::cmp::Ordering;

/// Decides one cell for the strategy under which a value that compares as `loses` to the current one is not taken.
/// A cell at its default loses to any write.
pub fn decide(
    loses: Ordering,
    incumbent: Option<&Mark>,
    current: &Value,
    challenger: &Writer,
    value: &Value,
) -> Decision {
    match incumbent {
        Some(mark) if !challenger.had_seen(mark) => concurrent(loses, current, value),
        _ => Decision::Take,
    }
}

fn concurrent(loses: Ordering, current: &Value, value: &Value) -> Decision {
    if current == value {
        return Decision::Take;
    }
    match (current, value) {
        (_, Value::Null) => Decision::Leave,
        (Value::Null, _) => Decision::Overwrite,
        _ if compare(value, current) != loses => Decision::Overwrite,
        _ => Decision::Leave,
    }
}
