//! `server`: compare-and-set. A write that had not seen the current value is refused, and its transaction with it.
//! It looks at no clock and no value.

use super::seen::Writer;
use crate::server::store::Mark;

/// The writer had not seen what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

/// Whether the write may be taken. A cell at its default was seen by everybody.
pub fn decide(incumbent: Option<&Mark>, challenger: &Writer) -> Result<(), Stale> {
    match incumbent {
        Some(mark) if !challenger.had_seen(mark) => Err(Stale),
        _ => Ok(()),
    }
}
