//! How much is asked for at once: little at first and after silence, so that on a slow line an answer is here before the wait for it is over.
//! The session calls it with every answer and every silence.

use crate::limits::{PAGES_TO_GROW, PART_BYTES, SLOW_START_BYTES};

/// The size of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    bytes: u32,
    /// No silence was met so far with pages as large as this.
    ceiling: u32,
    most: u32,
    /// Pages of the ceiling's size since it was last changed.
    full: u32,
    /// What came since the last answer.
    came: usize,
}

impl Pace {
    /// Pages of at most so many bytes.
    pub fn upto(most: u32) -> Self {
        Self { bytes: most.min(SLOW_START_BYTES), ceiling: most, most, full: 0, came: 0 }
    }

    /// Bytes to ask for.
    pub fn bytes(&self) -> u32 {
        self.bytes
    }

    /// So many bytes of an answer came.
    pub fn came(&mut self, bytes: usize) {
        self.came = self.came.saturating_add(bytes);
    }

    /// An answer came in time. One that was short says nothing of the line.
    pub fn answered(&mut self) {
        if core::mem::take(&mut self.came) < self.bytes as usize / 2 {
            return;
        }
        if self.bytes == self.ceiling {
            self.full += 1;
        }
        if self.full >= PAGES_TO_GROW {
            self.ceiling = self.ceiling.saturating_mul(2).min(self.most);
            self.full = 0;
        }
        self.bytes = self.bytes.saturating_mul(2).min(self.ceiling);
    }

    /// None came.
    pub fn was_silent(&mut self) {
        self.ceiling = (self.bytes / 2).max(PART_BYTES as u32).min(self.most);
        (self.bytes, self.full, self.came) = (self.ceiling, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(mut pace: Pace, answers: u32) -> Pace {
        for _ in 0..answers {
            pace.came(pace.bytes() as usize / 2);
            pace.answered();
        }
        pace
    }

    #[test]
    fn cs227_pages_grow_with_answers_and_shrink_with_silence() {
        let most = 8 * SLOW_START_BYTES;
        let mut pace = Pace::upto(most);
        assert_eq!(pace.bytes(), SLOW_START_BYTES);
        pace.answered();
        assert_eq!(pace.bytes(), SLOW_START_BYTES, "nothing came");
        assert_eq!(after(pace, 2).bytes(), 4 * SLOW_START_BYTES);
        pace = after(pace, 20);
        assert_eq!(pace.bytes(), most);
        pace.was_silent();
        assert_eq!(pace.bytes(), most / 2);
        assert_eq!(
            after(pace, PAGES_TO_GROW - 1).bytes(),
            most / 2,
            "what was too much is not asked for again at once"
        );
        assert_eq!(after(pace, PAGES_TO_GROW).bytes(), most);
        (0..40).for_each(|_| pace.was_silent());
        assert_eq!(pace.bytes(), PART_BYTES as u32);
    }

    #[test]
    fn cs227_an_app_that_asks_for_less_is_never_asked_for_more() {
        let mut pace = Pace::upto(1_000);
        pace.was_silent();
        assert_eq!(after(pace, 1_000).bytes(), 1_000);
    }
}
