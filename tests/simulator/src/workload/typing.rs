//! Somebody who writes the same fields of one row again and again, as one does at a keyboard, a slider or a counter.
//! Other statements come in between, on the same rows too. Drawn by the world, one stroke at a time.

use super::more::Words;
use super::{Statement, amount, code, note, text};
use crate::random::Random;
use ebbtide_core::value::Value;

/// What is being written, and for how long yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Typing {
    what: u64,
    row: u64,
    left: u64,
}

impl Typing {
    /// Whether the next piece of work is a stroke. In between somebody may begin.
    pub fn goes_on(&mut self, random: &mut Random) -> bool {
        if self.left == 0 && random.percent(6) {
            *self = Self { what: random.below(11), row: random.below(3), left: random.between(3, 12) };
        }
        let strokes = self.left > 0 && random.percent(85);
        self.left -= u64::from(strokes);
        strokes
    }

    /// The next stroke. The smaller app has no pages, topics and cards.
    pub fn stroke(&self, random: &mut Random, everything: bool, number: u64) -> Statement {
        let mut words = Words::of(number);
        let row = |prefix| text(prefix, self.row);
        let count = |random: &mut Random, upto| Value::Integer(random.below(upto) as i64);
        match self.what {
            7 if everything => {
                ("UPDATE page SET body = coalesce(body, '') || ? WHERE id = ?".into(), vec![words.some(1), row("g")])
            }
            8 if everything => {
                let sql = "UPDATE topic SET tags = json_array('tag0', ?), title = ? WHERE id = ?";
                (sql.into(), vec![text("tag", random.between(1, 6)), text("t", random.below(90)), row("o")])
            }
            9 if everything => ("UPDATE topic SET diagnosis = ? WHERE id = ?".into(), vec![note(random), row("o")]),
            10 if everything => ("UPDATE card SET note = ? WHERE id = ?".into(), vec![note(random), row("k")]),
            0 | 7 => ("UPDATE tally SET total = total + ? WHERE id = ?".into(), vec![count(random, 9), row("t")]),
            1 | 8 => {
                let sql = "UPDATE tally SET low = ?, high = ? WHERE id = ?";
                (sql.into(), vec![count(random, 40), count(random, 40), row("t")])
            }
            2 | 9 => ("UPDATE household SET code = ? WHERE id = ?".into(), vec![code(random), row("h")]),
            3 => ("UPDATE tally SET state = ? WHERE id = ?".into(), vec![note(random), row("t")]),
            4 => ("UPDATE tally SET earliest = ? WHERE id = ?".into(), vec![note(random), row("t")]),
            5 => {
                let sql = "UPDATE household SET doses = ?, weight = ? WHERE id = ?";
                (sql.into(), vec![count(random, 900), amount(random), row("h")])
            }
            _ => ("UPDATE visit SET notes = ? WHERE id = ?".into(), vec![note(random), row("v")]),
        }
    }
}
