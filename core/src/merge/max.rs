//! `max`: of concurrent values the greatest stays, in SQLite's order.

use super::extreme;
use super::lww::Decision;
use super::seen::Writer;
use crate::server::store::Mark;
use crate::value::Value;
use core::cmp::Ordering;

/// Decides one cell. A cell at its default loses to any write.
pub fn decide(incumbent: Option<&Mark>, current: &Value, challenger: &Writer, value: &Value) -> Decision {
    extreme::decide(Ordering::Less, incumbent, current, challenger, value)
}
