//! `first`: of concurrent values the first committed stays; a write that had seen it replaces it.
//! It looks at no clock and no value.

use super::lww::Decision;
use super::seen::Writer;
use crate::server::store::Mark;

/// Decides one cell. A cell at its default loses to any write.
pub fn decide(incumbent: Option<&Mark>, challenger: &Writer) -> Decision {
    match incumbent {
        Some(mark) if !challenger.had_seen(mark) => Decision::Leave,
        _ => Decision::Take,
    }
}
