//! The edits that lead from one text to another, and two sets of edits of one text made one.
//! Equal inputs give equal edits on every machine, which is what lets a device and the space agree without talking. It compares words
//! (Myers, "An O(ND) difference algorithm and its variations", 1986) and then scalar values, and knows nothing of who wrote what.

mod slide;

use crate::limits::TEXT_DIFFERENCES;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A stretch of the text that is replaced; counted in Unicode scalar values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// How many stay since the end of the edit before. Not zero, except for the first.
    pub skip: u32,
    /// How many go.
    pub delete: u32,
    /// What comes in their place.
    pub insert: String,
}

/// The edits from `before` to `after`, ascending.
pub fn diff(before: &str, after: &str) -> Vec<Edit> {
    let (a, b): (Vec<char>, Vec<char>) = (before.chars().collect(), after.chars().collect());
    let mut end = 0;
    // Between two stretches something stays, so that none touches the one before.
    let edit = |(from, to): (Span, Span)| {
        let skip = (from.0 - end) as u32;
        end = from.1;
        Edit { skip, delete: (from.1 - from.0) as u32, insert: b[to.0..to.1].iter().collect() }
    };
    stretches(&a, &b).into_iter().map(edit).collect()
}

/// What the edits make of a text; `None` if they are not of it.
pub fn apply(before: &str, edits: &[Edit]) -> Option<String> {
    let mut rest = before.chars();
    let mut after = String::with_capacity(before.len());
    for (position, edit) in edits.iter().enumerate() {
        if position > 0 && edit.skip == 0 {
            return None;
        }
        for _ in 0..edit.skip {
            after.push(rest.next()?);
        }
        for _ in 0..edit.delete {
            rest.next()?;
        }
        after.push_str(&edit.insert);
    }
    after.extend(rest);
    Some(after)
}

/// Both texts' words: what either took away is gone, what either brought is there. Where both brought something to one place,
/// `theirs`, which was committed, comes first; what both wrote into nothing is put line by line.
pub fn merge(base: &str, mine: &str, theirs: &str) -> String {
    if mine == theirs || base == mine {
        return theirs.into();
    }
    if base == theirs {
        return mine.into();
    }
    if base.is_empty() {
        // Two whole texts, not two edits of one: their words must not run into each other.
        return [theirs, "\n", mine].concat();
    }
    let (ours, others) = (placed(&diff(base, mine)), placed(&diff(base, theirs)));
    let base: Vec<char> = base.chars().collect();
    let (mut ours_at, mut others_at) = (Walk::over(&ours), Walk::over(&others));
    let mut merged = String::new();
    for at in 0..=base.len() {
        let (came, arrived) = (others_at.edit_at(at), ours_at.edit_at(at));
        merged.push_str(came.map_or("", |edit| &edit.insert));
        if arrived != came || arrived.is_some_and(|edit| edit.end == at) {
            merged.push_str(arrived.map_or("", |edit| &edit.insert));
        }
        if at < base.len() && !ours_at.deletes(at) && !others_at.deletes(at) {
            merged.push(base[at]);
        }
    }
    merged
}

/// An edit with its place in the base.
#[derive(Debug, PartialEq, Eq)]
struct Placed {
    at: usize,
    end: usize,
    insert: String,
}

fn placed(edits: &[Edit]) -> Vec<Placed> {
    let mut end = 0;
    let place = |edit: &Edit| {
        let at = end + edit.skip as usize;
        end = at + edit.delete as usize;
        Placed { at, end, insert: edit.insert.clone() }
    };
    edits.iter().map(place).collect()
}

struct Walk<'a> {
    edits: &'a [Placed],
    gone_until: usize,
}

impl<'a> Walk<'a> {
    fn over(edits: &'a [Placed]) -> Self {
        Self { edits, gone_until: 0 }
    }

    /// The edit that begins here, met once.
    fn edit_at(&mut self, at: usize) -> Option<&'a Placed> {
        let (first, rest) = self.edits.split_first().filter(|(first, _)| first.at == at)?;
        self.edits = rest;
        self.gone_until = first.end;
        Some(first)
    }

    fn deletes(&self, at: usize) -> bool {
        at < self.gone_until
    }
}

type Span = (usize, usize);

/// The stretches that differ, word by word: what came or went alone keeps to the words' bounds, what was replaced is trimmed.
fn stretches(a: &[char], b: &[char]) -> Vec<(Span, Span)> {
    let (old, new) = (Words::of(a), Words::of(b));
    let same = |i: usize, j: usize| old.word(i) == new.word(j);
    let start = (0..old.len().min(new.len())).take_while(|i| same(*i, *i)).count();
    let most = old.len().min(new.len()) - start;
    let end = (1..=most).take_while(|i| same(old.len() - i, new.len() - i)).count();
    let middle = common(old.len() - start - end, new.len() - start - end, |i, j| same(start + i, start + j));
    let matches = middle.unwrap_or_default().into_iter().map(|(i, j)| (start + i, start + j));
    let mut found = Vec::new();
    let mut from = (start, start);
    for (i, j) in matches.chain([(old.len() - end, new.len() - end)]) {
        if (i, j) != from {
            found.push(Stretch { old: (from.0, i), new: (from.1, j) });
        }
        from = (i + 1, j + 1);
    }
    let in_letters = |stretch: Stretch| replaced(a, b, old.span(stretch.old), new.span(stretch.new));
    slide::together(found, &old, &new).into_iter().filter_map(in_letters).collect()
}

/// Two spans without what they begin and end with alike; nothing if they are alike.
fn replaced(a: &[char], b: &[char], x: Span, y: Span) -> Option<(Span, Span)> {
    let (old, new) = (&a[x.0..x.1], &b[y.0..y.1]);
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[start..], &new[start..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let differ = old.len() > end || new.len() > end;
    differ.then_some(((x.0 + start, x.1 - end), (y.0 + start, y.1 - end)))
}

/// A text's words: runs of ASCII letters and digits, and every other scalar value by itself.
struct Words<'a> {
    text: &'a [char],
    bounds: Vec<usize>,
}

impl<'a> Words<'a> {
    fn of(text: &'a [char]) -> Self {
        let is_letter = |at: usize| text[at].is_ascii_alphanumeric();
        let begins = |at: &usize| *at == 0 || !is_letter(*at) || !is_letter(*at - 1);
        Self { text, bounds: (0..text.len()).filter(begins).chain([text.len()]).collect() }
    }

    fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    fn word(&self, at: usize) -> &'a [char] {
        &self.text[self.bounds[at]..self.bounds[at + 1]]
    }

    fn span(&self, (from, to): Span) -> Span {
        (self.bounds[from], self.bounds[to])
    }
}

/// Words that differ, between words that stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    old: Span,
    new: Span,
}

/// The positions of a longest common subsequence; `None` if more than the bound would differ.
fn common(n: usize, m: usize, same: impl Fn(usize, usize) -> bool) -> Option<Vec<(usize, usize)>> {
    let bound = TEXT_DIFFERENCES.min(n + m);
    let mut reached: Vec<usize> = vec![0; 2 * bound + 3];
    let mut history = Vec::new();
    for edits in 0..=bound {
        history.push(reached.clone());
        for step in 0..=edits {
            let diagonal = Diagonal::of(edits, step, bound);
            let mut x = diagonal.start(&reached);
            while diagonal.y(x).is_some_and(|y| x < n && y < m && same(x, y)) {
                x += 1;
            }
            reached[diagonal.index] = x;
            if x == n && diagonal.y(x) == Some(m) {
                return Some(backtrack(&history, diagonal, n, bound));
            }
        }
    }
    None
}

/// One diagonal of the edit graph after so many edits.
#[derive(Clone, Copy)]
struct Diagonal {
    edits: usize,
    step: usize,
    index: usize,
}

impl Diagonal {
    /// `step` counts the deletions that led here, so that the diagonal x − y is 2 · step − edits.
    fn of(edits: usize, step: usize, bound: usize) -> Self {
        Self { edits, step, index: 2 * step + bound + 1 - edits }
    }

    fn y(&self, x: usize) -> Option<usize> {
        (x + self.edits).checked_sub(2 * self.step)
    }

    /// Whether the last edit was an insertion: the diagonal above.
    fn inserted(&self, reached: &[usize]) -> bool {
        self.step == 0 || (self.step != self.edits && reached[self.index - 1] < reached[self.index + 1])
    }

    /// Where it begins: without any edit at 0, as everything that was not reached yet.
    fn start(&self, reached: &[usize]) -> usize {
        if self.inserted(reached) { reached[self.index + 1] } else { reached[self.index - 1] + 1 }
    }
}

fn backtrack(history: &[Vec<usize>], mut diagonal: Diagonal, end: usize, bound: usize) -> Vec<(usize, usize)> {
    let mut matches = Vec::new();
    let mut x = end;
    loop {
        let reached = &history[diagonal.edits];
        let start = diagonal.start(reached);
        while x > start {
            x -= 1;
            matches.extend(diagonal.y(x).map(|y| (x, y)));
        }
        if diagonal.edits == 0 {
            matches.reverse();
            return matches;
        }
        let inserted = diagonal.inserted(reached);
        x = if inserted { start } else { start - 1 };
        let step = if inserted { diagonal.step } else { diagonal.step - 1 };
        diagonal = Diagonal::of(diagonal.edits - 1, step, bound);
    }
}
