//! What the app's function is told of the next commit: who made it and what became of which rows, in slices that fit.
//! It does not call the function. The TypeScript alarm does, and acknowledges each slice, however often it takes.

use super::opening::SpaceObject;
use super::outbox;
use crate::failure::Failure;
use crate::limits;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::commit::{Effect, Outcome};
use ebbtide_core::ids::{Millis, Seq};
use ebbtide_store::server::{OutboxAuthor, OutboxPosition, Reader};
use ebbtide_store::sql::Sql;

/// A commit, or a slice of one that is large.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// The space's name.
    pub space: String,
    /// Who made the commit.
    pub author: OutboxAuthor,
    /// When the space decided it.
    pub decided_at: Millis,
    /// The commit.
    pub seq: Seq,
    /// How many of its outcomes were told before.
    pub part: u64,
    /// What is to be acknowledged. Its part is zero where the slice ends the commit.
    pub upto: OutboxPosition,
    /// What names the tables and columns of the outcomes.
    pub catalogue: Catalogue,
    /// What became of which rows.
    pub outcomes: Vec<Outcome>,
}

impl<S: Sql + Clone> SpaceObject<S> {
    /// Begins to keep commits for the app's function, if that is new. Commits made before are not told.
    pub fn begin_telling(&mut self) -> Result<(), Failure> {
        self.event(|store| Ok(store.begin_at_head(Reader::App)?))
    }

    /// The next slice, or nothing if the app was told everything.
    pub fn next_slice(&mut self) -> Result<Option<Slice>, Failure> {
        let space = self.name()?.to_owned();
        self.event(|store| {
            let from = store.outbox_position(Reader::App)?;
            let Some(next) = store.next_undelivered(from)? else { return Ok(None) };
            let (catalogue, mut commit) = outbox::open(&next, store)?;
            let mut outcomes = commit.outcomes.split_off((from.part as usize).min(commit.outcomes.len()));
            let told = fitting(&outcomes);
            let ends = told == outcomes.len();
            outcomes.truncate(told);
            let upto = match ends {
                true => OutboxPosition { seq: next.sealed.seq, part: 0 },
                false => OutboxPosition { seq: from.seq, part: from.part + told as u64 },
            };
            let (author, seq, decided_at) = (next.author, next.sealed.seq, next.sealed.decided_at);
            Ok(Some(Slice { space, author, decided_at, seq, part: from.part, upto, catalogue, outcomes }))
        })
    }
}

/// How many of these are told at once: at least one, so that a large value holds up nothing.
fn fitting(outcomes: &[Outcome]) -> usize {
    let mut bytes = 0;
    let fits = |outcome: &&Outcome| {
        bytes += size(outcome);
        bytes <= limits::SLICE_BYTES
    };
    outcomes.iter().take(limits::SLICE_CHANGES).take_while(fits).count().max(outcomes.len().min(1))
}

fn size(outcome: &Outcome) -> usize {
    match &outcome.effect {
        Effect::Put(values) => values.iter().map(|value| value.size()).sum(),
        Effect::Set(fields) => fields.iter().map(|field| field.value.size()).sum(),
        Effect::Delete => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebbtide_core::change::RowId;
    use ebbtide_core::ids::TableId;
    use ebbtide_core::value::{Key, Value};

    #[test]
    fn ru61_a_slice_is_bounded_and_never_empty() {
        let row = |bytes: usize| Outcome {
            row: RowId { table: TableId(0), key: Key(vec![Value::Integer(1)]) },
            effect: Effect::Put(vec![Value::Blob(vec![0; bytes])]),
        };
        assert_eq!(fitting(&[]), 0);
        assert_eq!(fitting(&vec![row(1); limits::SLICE_CHANGES + 1]), limits::SLICE_CHANGES);
        assert_eq!(fitting(&[row(limits::SLICE_BYTES), row(1)]), 1);
        assert_eq!(fitting(&[row(1), row(limits::SLICE_BYTES), row(1)]), 1);
        assert_eq!(fitting(&[row(1), row(1)]), 2);
    }
}
