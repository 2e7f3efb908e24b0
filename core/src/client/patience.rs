//! How long an answer is waited for: longer after silence, so that on a slow line it comes before the connection is given up, and
//! the usual time again once answers come quickly.
//! The session calls it with what it hears, with every silence, and whenever nothing is awaited any more.

use crate::limits::{ANSWER_TIMEOUT_MOST_MS, ANSWER_TIMEOUT_MS};

/// The wait for an answer.
#[derive(Debug)]
pub struct Patience {
    wait_ms: u64,
    /// The longest that an answer took since nothing was awaited; `None` if there was none.
    longest_ms: Option<u64>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { wait_ms: ANSWER_TIMEOUT_MS, longest_ms: None }
    }
}

impl Patience {
    /// How long an answer may take.
    pub fn wait_ms(&self) -> u64 {
        self.wait_ms
    }

    /// An answer came with so much of the wait left.
    pub fn heard(&mut self, left_ms: u64) {
        let took = self.wait_ms.saturating_sub(left_ms);
        self.longest_ms = Some(self.longest_ms.unwrap_or(0).max(took));
    }

    /// All that was asked for is here. Half of the wait is enough if it was far from needed.
    pub fn all_answered(&mut self) {
        let half = self.wait_ms / 2;
        if self.longest_ms.take().is_some_and(|longest| longest < half / 2) {
            self.wait_ms = half.max(ANSWER_TIMEOUT_MS);
        }
    }

    /// Nothing came.
    pub fn was_silent(&mut self) {
        self.wait_ms = (self.wait_ms * 2).min(ANSWER_TIMEOUT_MOST_MS);
        self.longest_ms = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cs229_the_wait_grows_with_silence_and_shrinks_with_quick_answers() {
        let mut patience = Patience::default();
        assert_eq!(patience.wait_ms(), ANSWER_TIMEOUT_MS);
        (0..9).for_each(|_| patience.was_silent());
        assert_eq!(patience.wait_ms(), ANSWER_TIMEOUT_MOST_MS);
        patience.heard(1);
        patience.heard(ANSWER_TIMEOUT_MOST_MS);
        patience.all_answered();
        assert_eq!(patience.wait_ms(), ANSWER_TIMEOUT_MOST_MS, "the wait was needed");
        patience.all_answered();
        assert_eq!(patience.wait_ms(), ANSWER_TIMEOUT_MOST_MS, "nothing was asked for");
        for _ in 0..9 {
            patience.heard(patience.wait_ms() - 1);
            patience.all_answered();
        }
        assert_eq!(patience.wait_ms(), ANSWER_TIMEOUT_MS);
    }
}
