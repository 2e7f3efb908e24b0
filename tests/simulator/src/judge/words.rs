//! Which words texts may have: those that the rules say, where they can be told; elsewhere such as somebody typed.
//! It knows words and no order of them. Part of the judge.

use super::{Finding, Judge, Shown};
use crate::device::Durable;
use crate::reference::{sets, texts};
use crate::rows::Rows;
use ebbtide_core::catalogue::Strategy;
use ebbtide_core::change::{LoggedMutation, RowId};
use ebbtide_core::commit::Commit;
use ebbtide_core::ids::{ColumnId, Incarnation};
use ebbtide_core::value::Value;
use std::collections::BTreeSet;

impl Judge {
    /// A text has the words that the rules say, each once. Where what an author wrote behind refused words, or unseen by the space, had to be put
    /// otherwise, all its words are words that somebody typed.
    pub(super) fn holds_the_words(
        &mut self,
        (commit, writer): (&Commit, Incarnation),
        (row, position, column): (&RowId, usize, ColumnId),
        actual: &Value,
        expected: &Value,
    ) -> Result<(), Finding> {
        let (mut there, mut wanted) = (texts::words(actual), texts::words(expected));
        let place = (row.clone(), position);
        if let Some(doubled) = self.line.doubled.get(&place) {
            there.dedup();
            wanted.dedup();
            // Who takes away a word that is there twice, or was put there anew meanwhile, may see it still.
            there.retain(|word| wanted.contains(word) || !doubled.contains(word));
        }
        let loose = self.line.reference.loose.contains(&place);
        if loose {
            self.line.doubled.entry(place.clone()).or_default().extend(texts::words(actual));
        }
        if there == wanted {
            return Ok(());
        }
        let recorded = commit.conflicts.iter().any(|conflict| conflict.row == *row && conflict.column == Some(column));
        let typed = there.iter().all(|word| self.words.contains_key(word));
        let once = there.windows(2).all(|pair| pair[0] != pair[1]);
        // What comes back into a space that was set back may meet words that came with somebody else's already.
        let again = !self.lost.is_empty() && same_but_for_number(&there, &wanted);
        // What its writer took away may lie elsewhere in the space, behind what others put at the same place.
        let own = |word: &char| self.words.get(word) == Some(&writer);
        let before = self.line.history.last().and_then(|rows| rows.get(row)?.get(position)).map(texts::words);
        let beside_others = before.is_some_and(|before| !before.iter().all(own));
        let moved = once
            && wanted.iter().all(|word| there.contains(word))
            && there.iter().all(|word| wanted.contains(word) || own(word))
            && beside_others;
        if !(loose || recorded && once || again || moved) || !typed {
            return Err(format!("G5: a text has the words {there:x?}, by the rules {wanted:x?}: {row:?}"));
        }
        if !once {
            let twice = there.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
            self.line.doubled.entry(place).or_default().extend(twice);
        }
        self.line.reference.put(row, position, actual);
        Ok(())
    }

    /// Where a text is written in that was pulled since, the fold knows which words are there, and not in which order. It does not where a write
    /// waits for a space that was set back, or was decided already for another life of the database: some may be there twice. What was taken away
    /// may be seen still where the space has put it elsewhere than the writer saw it.
    pub(super) fn same_but_for_the_order_of_words(&self, device: usize, durable: &Durable, expected: &Rows) -> bool {
        let waiting: BTreeSet<&RowId> = durable.log.iter().flat_map(|t| &t.changes).map(|change| &change.row).collect();
        let lives = self.cursors.keys().filter(|(other, _)| *other == device).count();
        let again = lives > 1 || durable.log.iter().any(|transaction| transaction.origin.is_some());
        let same_words = |row: &RowId, column: ColumnId, shown: &Value, folded: &Value| {
            let (shown, folded) = (texts::words(shown), texts::words(folded));
            let more = || shown.iter().filter(|word| !folded.contains(word));
            match again {
                true => shown.iter().all(|word| self.words.contains_key(word)),
                false if more().next().is_none() => same_but_for_number(&shown, &folded),
                false => {
                    let taken = taken_away(durable, row, column);
                    folded.iter().all(|word| shown.contains(word)) && more().all(|word| taken.contains(word))
                }
            }
        };
        let same = |((row, shown), (other, folded)): (Shown<'_>, Shown<'_>)| {
            let table = self.catalogue.table(row.table).expect("a table");
            let mut fields = table.fields().zip(shown.iter().zip(folded));
            let moved = |column, strategy| waiting.contains(row) && table.strategy(column) == strategy;
            row == other
                && fields.all(|((column, _), (shown, folded))| {
                    shown == folded
                        || moved(column, Strategy::Text) && same_words(row, column, shown, folded)
                        || moved(column, Strategy::Set) && again && sets::same(shown, folded)
                })
        };
        durable.rows.len() == expected.len() && durable.rows.iter().zip(expected).all(same)
    }
}

/// The words that what waits takes out of a text.
fn taken_away(durable: &Durable, row: &RowId, column: ColumnId) -> BTreeSet<char> {
    let changes = durable.log.iter().flat_map(|transaction| &transaction.changes).filter(|change| change.row == *row);
    let fields = changes.flat_map(|change| match &change.mutation {
        LoggedMutation::Update(fields) => fields.as_slice(),
        LoggedMutation::Insert(_) | LoggedMutation::Delete(_) => &[],
    });
    let taken = fields.filter(|field| field.column == column).flat_map(|field| {
        let stays = texts::words(&field.new);
        texts::words(&field.old).into_iter().filter(move |word| !stays.contains(word))
    });
    taken.collect()
}

/// Whether two sorted lists differ in nothing but how often a word is there.
fn same_but_for_number(left: &[char], right: &[char]) -> bool {
    let (mut left, mut right) = (left.to_vec(), right.to_vec());
    left.dedup();
    right.dedup();
    left == right
}
