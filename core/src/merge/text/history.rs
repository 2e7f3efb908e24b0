//! What became of a text cell, commit by commit, so that the view in which a device wrote can be found again.
//! A device's view at a cursor is the space's text there with its own waiting writes laid over it in order, each run of writes that
//! continue each other as one; the same rule gives the device what it shows. Kept by the space with the row's marks, in bounds.

use super::diff::{self, Edit};
use super::{TextOperation, text, value};
use crate::ids::{AuthorId, DeviceSeq, Seq};
use crate::limits::{TEXT_BLOCKED_WRITES, TEXT_HISTORY_BYTES, TEXT_HISTORY_COMMITS, TEXT_MERGE_BYTES};
use crate::merge::seen::Writer;
use crate::server::draft::Write;
use crate::server::store::Mark;
use crate::value::Value;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The last changes of a text cell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextRecord {
    /// The text is known from this commit on.
    floor: Seq,
    entries: Vec<Entry>,
}

/// What one commit did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    seq: Seq,
    author: AuthorId,
    device_seq: DeviceSeq,
    /// From the text after it to the text before.
    undo: Vec<Edit>,
    own: Own,
}

/// What its author had done in its own view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Own {
    /// The same: it saw the text that stood there.
    Same,
    /// These edits, each with the cursor at which they were made.
    Edits(Vec<(Seq, Vec<Edit>)>),
    /// It cannot be told.
    Unknown,
}

/// A write in its author's view.
#[derive(Clone)]
struct Step {
    /// The commit that brought it.
    seq: Seq,
    old: String,
    new: String,
}

/// What the space made of an operation.
pub struct Made {
    /// The text.
    pub value: Value,
    /// The history with it.
    pub record: TextRecord,
    /// Whether nothing had to be merged: the author's device shows the same.
    pub same: bool,
}

/// A record with the texts that it tells of.
pub struct History {
    record: TextRecord,
    /// The text at the floor, then after each entry.
    texts: Vec<String>,
}

impl History {
    /// The history of a cell. Without a record its last write is the only one, on the text `before` it that everybody knows: what a row begins with
    /// in each of its lives. Whoever writes on another text than that is told by its fingerprint.
    pub fn of(record: Option<&TextRecord>, current: &str, mark: Option<&Mark>, before: Option<&str>) -> Self {
        let record = match (record, mark, before) {
            (Some(record), ..) => record.clone(),
            (None, Some(mark), Some(before)) => TextRecord {
                floor: Seq(0),
                entries: vec![Entry::of(mark.seq, mark.author, mark.device_seq, before, current, Own::Same)],
            },
            (None, mark, _) => TextRecord { floor: mark.map(|mark| mark.seq).unwrap_or_default(), entries: Vec::new() },
        };
        Self::with_texts(record, current)
    }

    /// A record that does not fit its text is of no use: what is known begins here.
    fn with_texts(mut record: TextRecord, current: &str) -> Self {
        let mut texts = vec![current.to_owned()];
        let mut known = record.entries.len();
        for (position, entry) in record.entries.iter().enumerate().rev() {
            let Some(before) = diff::apply(&texts[texts.len() - 1], &entry.undo) else { break };
            texts.push(before);
            known = position;
        }
        if known > 0 {
            record.floor = record.entries[known - 1].seq;
            record.entries.drain(..known);
        }
        texts.reverse();
        Self { record, texts }
    }

    fn current(&self) -> &str {
        self.texts.last().map(String::as_str).unwrap_or_default()
    }

    /// Lays an operation over what has become of the text that it was made on; `None` if that cannot be found.
    pub fn merge(mut self, operation: &TextOperation, write: &Write) -> Option<Made> {
        let steps = self.steps(write.writer.author);
        let seen = |steps: &[Step]| {
            let view = self.seen_at(write.writer.base.seq, steps)?;
            operation.on(&view).map(|after| (view, after))
        };
        let whole = seen(&steps);
        let in_full_view = whole.is_some();
        let partly = || partial_views(&steps, write.writer.base.seq).find_map(|steps| seen(&steps));
        let (view, after) = whole.or_else(partly)?;
        let merged = diff::merge(&view, &after, self.current());
        let same = view == self.current();
        let own = match (same, in_full_view) {
            (true, _) => Own::Same,
            (false, true) => Own::Edits(vec![(write.writer.base.seq, diff::diff(&view, &after))]),
            (false, false) => Own::Unknown,
        };
        let value = value(merged, operation.empty_is_null);
        self.push(&value, own, write);
        Some(Made { value, record: self.record, same })
    }

    /// The history when the text was replaced by other means than an operation on it.
    pub fn replaced(mut self, value: &Value, write: &Write) -> TextRecord {
        self.push(value, Own::Unknown, write);
        self.record
    }

    fn text_at(&self, seq: Seq) -> Option<&str> {
        let applied = self.record.entries.iter().take_while(|entry| entry.seq <= seq).count();
        if seq < self.record.floor { None } else { self.texts.get(applied).map(String::as_str) }
    }

    fn seen_at(&self, seq: Seq, steps: &[Step]) -> Option<String> {
        let mut view = self.text_at(seq)?.to_owned();
        let waiting: Vec<&Step> = steps.iter().filter(|step| step.seq > seq).collect();
        for run in runs(&waiting) {
            view = diff::merge(&run.0.old, &run.1.new, &view);
        }
        Some(view)
    }

    /// All writes of an author in the history, in its own views. What was made on one that cannot be told cannot be told either.
    fn steps(&self, author: AuthorId) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for (position, entry) in self.record.entries.iter().enumerate().filter(|(_, entry)| entry.author == author) {
            match &entry.own {
                Own::Same => {
                    let (old, new) = (self.texts[position].clone(), self.texts[position + 1].clone());
                    steps.push(Step { seq: entry.seq, old, new });
                }
                Own::Edits(list) => {
                    list.iter().for_each(|(base, edits)| self.step(entry.seq, *base, edits, &mut steps))
                }
                Own::Unknown => steps.clear(),
            }
        }
        steps
    }

    fn step(&self, seq: Seq, base: Seq, edits: &[Edit], steps: &mut Vec<Step>) {
        let old = self.seen_at(base, steps);
        match old.and_then(|old| diff::apply(&old, edits).map(|new| Step { seq, old, new })) {
            Some(step) => steps.push(step),
            None => steps.clear(),
        }
    }

    fn push(&mut self, value: &Value, own: Own, write: &Write) {
        let after = text(value).unwrap_or_default().to_owned();
        let Writer { author, device_seq, .. } = write.writer;
        match self.record.entries.last() {
            Some(last) if last.seq == write.seq => self.extend(after, own),
            _ => {
                let entry = Entry::of(write.seq, author, device_seq, self.current(), &after, own);
                self.record.entries.push(entry);
                self.texts.push(after);
            }
        }
        self.prune();
    }

    /// Another write of the same changeset. Each stays by itself, since one of them may be blocked where the others are in view.
    fn extend(&mut self, after: String, own: Own) {
        let position = self.record.entries.len() - 1;
        let (start, middle) = (self.texts[position].clone(), self.texts[position + 1].clone());
        // Whoever saw the text that stood there saw that of the commit before, and over it what is here already.
        let before = position.checked_sub(1).map_or(self.record.floor, |earlier| self.record.entries[earlier].seq);
        let list = |own, from: &str, to: &str| match own {
            Own::Same => Some(vec![(before, diff::diff(from, to))]),
            Own::Edits(list) => Some(list),
            Own::Unknown => None,
        };
        let last = &mut self.record.entries[position];
        last.undo = diff::diff(&after, &start);
        let earlier = list(core::mem::replace(&mut last.own, Own::Unknown), &start, &middle);
        if let (Some(earlier), Some(later)) = (earlier, list(own, &middle, &after)) {
            last.own = Own::Edits(fewer([earlier, later].concat(), before, &start));
        }
        self.texts[position + 1] = after;
    }

    fn prune(&mut self) {
        let longest = self.texts.iter().map(String::len).max().unwrap_or_default();
        while !self.record.entries.is_empty() && self.is_too_much(longest) {
            self.record.floor = self.record.entries.remove(0).seq;
            self.texts.remove(0);
        }
    }

    fn is_too_much(&self, longest: usize) -> bool {
        let count = self.record.entries.len();
        let bytes: usize = self.record.entries.iter().map(Entry::size).sum();
        count > TEXT_HISTORY_COMMITS || bytes > TEXT_HISTORY_BYTES || longest * count > TEXT_MERGE_BYTES
    }
}

/// The writes of an author without some of those that waited, for they were out of its view: blocked on its device. Of the newest, every run.
fn partial_views(steps: &[Step], base: Seq) -> impl Iterator<Item = Vec<Step>> + '_ {
    let settled = steps.iter().filter(|step| step.seq <= base).count();
    let oldest = settled.max(steps.len().saturating_sub(TEXT_BLOCKED_WRITES));
    let runs = (oldest..steps.len()).flat_map(move |from| (from + 1..=steps.len()).map(move |upto| (from, upto)));
    runs.map(|(from, upto)| [&steps[..from], &steps[upto..]].concat())
}

/// The first writes of a changeset as one, where they continue each other on the text before it: of the newest alone it is asked whether
/// each was in view.
fn fewer(mut list: Vec<(Seq, Vec<Edit>)>, before: Seq, start: &str) -> Vec<(Seq, Vec<Edit>)> {
    while list.len() > TEXT_BLOCKED_WRITES
        && let [(first, edits), (second, more), ..] = &list[..]
        && (*first, *second) == (before, before)
        && let Some(text) = diff::apply(start, edits).and_then(|text| diff::apply(&text, more))
    {
        list[1].1 = diff::diff(start, &text);
        list.remove(0);
    }
    list
}

/// Neighbours that continue each other, by their first and last.
fn runs<'a>(steps: &[&'a Step]) -> Vec<(&'a Step, &'a Step)> {
    let mut runs: Vec<(&Step, &Step)> = Vec::new();
    for step in steps {
        match runs.last_mut() {
            Some((_, last)) if last.new == step.old => *last = step,
            _ => runs.push((step, step)),
        }
    }
    runs
}

impl Entry {
    fn of(seq: Seq, author: AuthorId, device_seq: DeviceSeq, before: &str, after: &str, own: Own) -> Self {
        Self { seq, author, device_seq, undo: diff::diff(after, before), own }
    }

    fn size(&self) -> usize {
        let sizes = |edits: &[Edit]| edits.iter().map(|edit| edit.insert.len() + 3).sum::<usize>();
        let own =
            if let Own::Edits(list) = &self.own { list.iter().map(|(_, edits)| sizes(edits) + 6).sum() } else { 0 };
        sizes(&self.undo) + own + 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(seq: u64, old: &str, new: &str) -> Step {
        Step { seq: Seq(seq), old: old.into(), new: new.into() }
    }

    #[test]
    fn mg19_every_run_of_the_newest_waiting_writes_may_have_been_out_of_view() {
        let seqs = |steps: &[Step], base| -> Vec<Vec<u64>> {
            partial_views(steps, Seq(base)).map(|left| left.iter().map(|step| step.seq.0).collect()).collect()
        };
        let three = [step(1, "", "a"), step(2, "a", "b"), step(3, "b", "c")];
        assert_eq!(seqs(&three, 1), [vec![1, 3], vec![1], vec![1, 2]], "what it had pulled it saw");
        assert_eq!(seqs(&three, 3), [[0; 0]; 0]);
        let many: Vec<Step> = (1..=TEXT_BLOCKED_WRITES as u64 + 2).map(|seq| step(seq, "", "")).collect();
        let all = seqs(&many, 0);
        assert_eq!(all.len(), TEXT_BLOCKED_WRITES * (TEXT_BLOCKED_WRITES + 1) / 2);
        assert!(all.iter().all(|left| left.starts_with(&[1, 2])), "older ones are not tried");
    }

    #[test]
    fn mg19_writes_that_continue_each_other_are_one() {
        let steps = [step(1, "", "a"), step(2, "a", "b"), step(3, "x", "y"), step(4, "y", "z"), step(5, "y", "z")];
        let found = runs(&steps.iter().collect::<Vec<_>>());
        let found: Vec<(u64, u64)> = found.into_iter().map(|(first, last)| (first.seq.0, last.seq.0)).collect();
        assert_eq!(found, [(1, 2), (3, 4), (5, 5)]);
    }
}
