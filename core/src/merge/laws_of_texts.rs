//! The laws of `text`: edits lead where they should, and what devices show is what the space makes of their writes.
//! The last test runs whole conversations between devices and one cell, without storage or messages.

use super::laws::{State, write_at};
use super::text::diff::{apply, diff, merge};
use super::{local, text};
use crate::catalogue::Strategy;
use crate::change::Base;
use crate::ids::{AuthorId, DeviceSeq, SchemaVersion, Seq};
use crate::merge::seen::Writer;
use crate::server::draft::Write;
use crate::value::Value;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;
use proptest::strategy::Strategy as _;

fn prose() -> impl proptest::strategy::Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["a", "b", "word", "ä", "😀", " ", " ", "\n", "9"], 0..14)
        .prop_map(|parts| parts.concat())
}

fn sorted(text: &str) -> Vec<char> {
    let mut all: Vec<char> = text.chars().collect();
    all.sort_unstable();
    all
}

/// Every scalar value of it is a word by itself.
fn signs() -> impl proptest::strategy::Strategy<Value = Vec<char>> {
    proptest::collection::vec(proptest::sample::select(vec!['-', '+', ' ', 'ä']), 0..12)
}

/// The length of a longest common subsequence, by the book.
fn in_common(a: &[char], b: &[char]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (at, y) in b.iter().enumerate() {
            let longest = if x == y { diagonal + 1 } else { row[at].max(row[at + 1]) };
            diagonal = core::mem::replace(&mut row[at + 1], longest);
        }
    }
    row[b.len()]
}

proptest! {
    /// Fewer are impossible: what both texts have in common stays, so that nobody's edit takes a neighbour's word along.
    #[test]
    fn mg17_edits_touch_no_more_than_they_must(before in signs(), after in signs()) {
        let texts = [&before, &after].map(|signs| signs.iter().collect::<String>());
        let edits = diff(&texts[0], &texts[1]);
        let touched: usize = edits.iter().map(|edit| edit.delete as usize + edit.insert.chars().count()).sum();
        prop_assert_eq!(touched, before.len() + after.len() - 2 * in_common(&before, &after));
    }

    #[test]
    fn mg17_edits_lead_from_one_text_to_the_other(before in prose(), after in prose()) {
        let edits = diff(&before, &after);
        prop_assert_eq!(apply(&before, &edits), Some(after.clone()));
        prop_assert!(edits.iter().skip(1).all(|edit| edit.skip > 0));
        prop_assert_eq!(edits.is_empty(), before == after);
    }

    #[test]
    fn mg17_edits_of_another_text_are_told_apart(text in prose(), skip in any::<u32>(), delete in any::<u32>()) {
        let made = apply(&text, &[text::diff::Edit { skip, delete, insert: "x".into() }]);
        prop_assert_eq!(made.is_some(), u64::from(skip) + u64::from(delete) <= text.chars().count() as u64);
    }

    #[test]
    fn mg18_a_merge_with_nothing_is_nothing(base in prose(), mine in prose()) {
        prop_assert_eq!(&merge(&base, &mine, &base), &mine);
        prop_assert_eq!(&merge(&base, &base, &mine), &mine);
        prop_assert_eq!(&merge(&base, &mine, &mine), &mine);
    }

    /// Which of the two was committed first decides only the order of what both brought to one place.
    #[test]
    fn mg18_who_comes_first_loses_no_scalar_value(base in prose(), one in prose(), other in prose()) {
        prop_assert_eq!(sorted(&merge(&base, &one, &other)), sorted(&merge(&base, &other, &one)));
    }

    /// Both take the way through the other's result: a text merged with one and then moved by the other is the text merged with both.
    #[test]
    fn mg18_words_of_both_are_there(base in proptest::collection::vec("[a-c]", 0..8), at in 0_usize..8, there in 0_usize..8, cut in 0_usize..8) {
        let put = |at: usize, word: &str| {
            let mut words = base.clone();
            words.insert(at.min(base.len()), word.into());
            words.join(" ")
        };
        let mut shorter: Vec<String> = base.clone();
        if cut < shorter.len() {
            shorter.remove(cut);
        }
        let (text, cut) = (base.join(" "), shorter.join(" "));
        let both = merge(&text, &put(at, "MINE"), &put(there, "THEIRS"));
        prop_assert!(both.contains("MINE") && both.contains("THEIRS"), "{}", both);
        prop_assert_eq!(both.split_whitespace().count(), base.len() + 2);
        prop_assert!(merge(&text, &put(at, "MINE"), &cut).contains("MINE"));
        prop_assert!(merge(&text, &cut, &put(at, "MINE")).contains("MINE"));
    }

    #[test]
    fn mg18_a_write_that_had_seen_the_text_makes_what_was_written(old in super::laws::value(), new in super::laws::value()) {
        let made = State::at(old.clone()).after(Strategy::Text, &old, &new, &write_at(1, 1, 2, 0));
        match new {
            Value::Blob(_) => prop_assert!(made.is_err()),
            new => prop_assert_eq!(made.unwrap().value, new),
        }
    }
}

#[test]
fn mg18_words_that_come_to_one_place_do_not_run_into_each_other() {
    assert_eq!(merge("start w0", "start w5 w0", "start w6 w0"), "start w6 w5 w0");
    assert_eq!(merge("", "mine", "theirs"), "theirs\nmine");
    assert_eq!(merge("color", "colour", "colors"), "colours");
    assert_eq!(merge("a b", "a c", "a c"), "a c", "what both replaced alike is replaced once");
    assert_eq!(merge("one two three", "one three", "one TWO two three"), "one TWO three");
}

#[test]
fn mg18_what_both_replaced_alike_is_replaced_once_and_what_both_added_was_added_twice() {
    assert_eq!(merge("a b z", "a c z1", "a c z2"), "a c z21");
    assert_eq!(merge("a c z", "a b c z1", "a b c z2"), "a b b c z21");
    assert_eq!(merge("one two three four", "one four", "one two four!"), "one four!");
}

#[test]
fn mg17_edits_that_touch_are_no_edits() {
    let edit = |skip| text::diff::Edit { skip, delete: 1, insert: "x".into() };
    assert_eq!(apply("abc", &[edit(0), edit(1)]).as_deref(), Some("xbx"));
    assert_eq!(apply("abc", &[edit(1), edit(0)]), None);
}

/// A device and a space of other releases must find the same edits: of several that are equally few, these.
#[test]
fn mg17_the_edits_between_two_texts_are_the_same_in_every_release() {
    let told = |before: &str, after: &str| {
        let edits = diff(before, after);
        let one = |edit: &text::diff::Edit| format!("{} -{} +{}", edit.skip, edit.delete, edit.insert);
        edits.iter().map(one).collect::<Vec<_>>().join(" | ")
    };
    let pinned = [
        ("a-b", "b-a", "0 -2 + | 1 -0 +-a"),
        ("+-+-", "-+-+", "0 -1 + | 3 -0 ++"),
        ("- + ä -", "ä + - +", "0 -1 +ä | 3 -2 + | 1 -0 + +"),
        ("the cow eats the grass", "the brown cow ate grass", "4 -0 +brown  | 4 -7 +at"),
        ("one two", "two one", "0 -4 + | 3 -0 + one"),
        ("a1b2 c", "b2 a1 c c", "0 -4 +b2 a1 c"),
        ("--++--", "+-+-+-", "0 -1 ++ | 2 -1 + | 1 -0 ++"),
        ("colour", "color", "4 -1 +"),
        ("x y z", "x, y; z.", "1 -0 +, | 2 -0 +; | 2 -0 +."),
        ("36.0 0.1", "36.0 38.0 0.1", "5 -0 +38.0 "),
        ("0.1 x", "38.0 0.1 y", "0 -0 +38.0  | 4 -1 +y"),
        ("0.1 0.2 0.1", "0.1", "0 -8 +"),
    ];
    let found: Vec<_> = pinned.iter().map(|(before, after, _)| (*before, *after, told(before, after))).collect();
    let pinned: Vec<_> = pinned.iter().map(|(before, after, edits)| (*before, *after, String::from(*edits))).collect();
    assert_eq!(found, pinned);
}

/// A device that writes into one text.
#[derive(Default)]
struct Device {
    cursor: u64,
    /// The last number that was sealed.
    sealed: u64,
    /// Writes that wait: their number, the cursor at which they were made, old and new value, what travels.
    waiting: Vec<Waiting>,
}

struct Waiting {
    number: u64,
    base: u64,
    old: Value,
    new: Value,
    sent: Value,
}

impl Device {
    /// What it shows, by the overlay's rule: writes that continue each other are one.
    fn shows(&self, space: &[Value]) -> Value {
        let mut shown = space[self.cursor as usize].clone();
        let mut runs: Vec<(Value, Value)> = Vec::new();
        for write in &self.waiting {
            match runs.last_mut() {
                Some((_, new)) if *new == write.old => *new = write.new.clone(),
                _ => runs.push((write.old.clone(), write.new.clone())),
            }
        }
        for (old, new) in &runs {
            shown = local::redo(Strategy::Text, &shown, old, new);
        }
        shown
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// A device types a word at a place, or takes one away.
    Types { device: usize, place: usize, takes: bool },
    /// A device seals what is open.
    Seals { device: usize },
    /// The space decides the oldest sealed changeset of a device.
    Decides { device: usize },
    /// A device applies the next commit.
    Pulls { device: usize },
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_usize..3, 0_usize..9, proptest::bool::weighted(0.2)).prop_map(|(device, place, takes)| Step::Types { device, place, takes }),
        2 => (0_usize..3).prop_map(|device| Step::Seals { device }),
        2 => (0_usize..3).prop_map(|device| Step::Decides { device }),
        4 => (0_usize..3).prop_map(|device| Step::Pulls { device }),
    ];
    proptest::collection::vec(step, 0..60)
}

/// A space of one text cell; its commits name author and number.
struct Space {
    state: State,
    texts: Vec<Value>,
    commits: Vec<(usize, u64)>,
    /// Whether somebody took words away, so that the text may have become empty.
    taken_away: bool,
}

impl Space {
    fn decide(&mut self, author: usize, device: &Device) -> Result<(), TestCaseError> {
        let Some(number) = device.waiting.iter().map(|write| write.number).find(|number| self.is_due(author, *number))
        else {
            return Ok(());
        };
        let seq = self.texts.len() as u64;
        for write in device.waiting.iter().filter(|write| write.number == number) {
            let base = Base { seq: Seq(write.base), device_seq: DeviceSeq(number - 1) };
            let writer = Writer {
                author: AuthorId(author as u32),
                device_seq: DeviceSeq(number),
                base,
                schema: SchemaVersion::default(),
            };
            let by = Write { writer, stamp: Default::default(), seq: Seq(seq) };
            self.state = self.state.sent(Strategy::Text, &write.sent, &by).expect("it is taken");
            // What is put behind the text, because nobody knows what it was made on, stands on a line of its own.
            let found = !text::text(&self.state.value).unwrap().contains('\n');
            prop_assert!(found || self.taken_away, "the view was not found again");
        }
        self.texts.push(self.state.value.clone());
        self.commits.push((author, number));
        Ok(())
    }

    fn is_due(&self, author: usize, number: u64) -> bool {
        let decided = self.commits.iter().filter(|(other, _)| *other == author).count() as u64;
        number != 0 && number == decided + 1
    }
}

fn edited(shown: &Value, place: usize, takes: bool, word: usize) -> Value {
    let text = text::text(shown).expect("a text");
    let mut words: Vec<String> = text.split_whitespace().map(String::from).collect();
    let place = place.min(words.len());
    match takes && place < words.len() {
        true => drop(words.remove(place)),
        false => words.insert(place, format!("w{word}")),
    }
    Value::Text(words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Over several sealed changesets and pulls between them the space finds every view again: what it makes of a write is what the
    /// author's device makes of it with the same functions, and no word goes that nobody took away.
    #[test]
    fn mg19_the_space_makes_of_a_write_what_its_device_shows(steps in steps()) {
        let mut space = Space { state: State::at(Value::Text("start".into())), texts: vec![Value::Null; 2], commits: vec![(9, 0)], taken_away: false };
        space.texts[1] = space.state.value.clone();
        let mut devices = [Device::default(), Device::default(), Device::default()];
        devices.iter_mut().for_each(|device| device.cursor = 1);
        for (word, step) in steps.iter().enumerate() {
            match *step {
                Step::Types { device, place, takes } => {
                    let device = &mut devices[device];
                    let old = device.shows(&space.texts);
                    let new = edited(&old, place, takes, word);
                    space.taken_away |= takes;
                    let sent = local::sent(Strategy::Text, &old, &new, text::Ground::Firm);
                    device.waiting.push(Waiting { number: 0, base: device.cursor, old, new, sent });
                }
                Step::Seals { device } => {
                    let device = &mut devices[device];
                    if device.waiting.iter().any(|write| write.number == 0) {
                        device.sealed += 1;
                        device.waiting.iter_mut().filter(|write| write.number == 0).for_each(|write| write.number = device.sealed);
                    }
                }
                Step::Decides { device } => space.decide(device, &devices[device])?,
                Step::Pulls { device: at } => {
                    let device = &mut devices[at];
                    let Some((author, number)) = space.commits.get(device.cursor as usize).copied() else { continue };
                    let before = device.shows(&space.texts);
                    let alone = device.waiting.iter().filter(|write| write.number == number).count() == 1;
                    device.cursor += 1;
                    if author == at {
                        device.waiting.retain(|write| write.number != number);
                        if alone && device.waiting.is_empty() {
                            prop_assert_eq!(&device.shows(&space.texts), &before, "an own commit changes nothing that is seen");
                        }
                    }
                }
            }
        }
        if !space.taken_away {
            let end = text::text(&space.state.value).unwrap();
            let words: Vec<&str> = end.split_whitespace().collect();
            let sealed = |word: usize| devices.iter().flat_map(|device| &device.waiting).all(|write| !text::text(&write.new).unwrap().contains(&format!("w{word}")));
            for (word, step) in steps.iter().enumerate() {
                if matches!(step, Step::Types { .. }) && sealed(word) {
                    prop_assert_eq!(words.iter().filter(|found| **found == format!("w{word}")).count(), 1, "{} in {}", word, end);
                }
            }
        }
    }
}
