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

proptest! {
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
        let mut space = Space { state: State::at(Value::Text("start".into())), texts: vec![Value::Null; 2], commits: vec![(9, 0)] };
        space.texts[1] = space.state.value.clone();
        let mut devices = [Device::default(), Device::default(), Device::default()];
        devices.iter_mut().for_each(|device| device.cursor = 1);
        let mut taken_away = false;
        for (word, step) in steps.iter().enumerate() {
            match *step {
                Step::Types { device, place, takes } => {
                    let device = &mut devices[device];
                    let old = device.shows(&space.texts);
                    let new = edited(&old, place, takes, word);
                    taken_away |= takes;
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
        if !taken_away {
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
