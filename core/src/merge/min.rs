//! `min`: of concurrent values the least stays, in SQLite's order; a write that had seen the current value replaces it.
//! NULL never wins, and of equal values the later commit's is taken.

use super::lww::Decision;
use super::order::compare;
use super::seen::Writer;
use crate::server::store::Mark;
use crate::value::Value;
use core::cmp::Ordering;

/// Decides one cell. A cell at its default loses to any write.
pub fn decide(incumbent: Option<&Mark>, current: &Value, challenger: &Writer, value: &Value) -> Decision {
    match incumbent {
        Some(mark) if !challenger.had_seen(mark) => concurrent(current, value),
        _ => Decision::Take,
    }
}

fn concurrent(current: &Value, value: &Value) -> Decision {
    if current == value {
        return Decision::Take;
    }
    match (current, value) {
        (_, Value::Null) => Decision::Leave,
        (Value::Null, _) => Decision::Overwrite,
        _ if compare(value, current) != Ordering::Greater => Decision::Overwrite,
        _ => Decision::Leave,
    }
}
