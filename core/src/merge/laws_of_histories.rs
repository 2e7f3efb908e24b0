//! What the history of a text keeps, and for how long: a view within its bounds is found again, one beyond them is not.
//! Whether a view was found shows in what the space makes of a write: laid into the text, or put behind it on a line of its own.

use super::laws::{State, write_at};
use super::text;
use crate::catalogue::Strategy;
use crate::ids::{DeviceSeq, Seq};
use crate::limits::{TEXT_HISTORY_BYTES, TEXT_HISTORY_COMMITS, TEXT_MERGE_BYTES};
use crate::value::Value;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Commit after commit, each by somebody else who had seen the text before; the first text is that of commit 1.
fn told(texts: &[String]) -> State {
    let mut state = State::at(Value::Text(texts[0].clone()));
    for (position, text) in texts.iter().enumerate().skip(1) {
        let seq = position as u64 + 1;
        state = state
            .after(Strategy::Text, &state.value, &Value::Text(text.clone()), &write_at(seq as u32, seq - 1, seq, 0))
            .unwrap();
    }
    state
}

/// Whether a word that somebody put before the text, as it was at this commit, comes into the present one and not behind it.
fn finds(state: &State, base: u64, text: &str) -> bool {
    let by = write_at(5_000, base, 10_000, 0);
    let new = Value::Text(format!("NEW {text}"));
    let made = state.after(Strategy::Text, &Value::Text(text.into()), &new, &by).unwrap();
    let (before, after) = (text::text(&state.value).unwrap(), text::text(&made.value).unwrap());
    assert!(after.contains("NEW"));
    after.matches('\n').count() == before.matches('\n').count()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("w{number}")).collect()
}

#[test]
fn mg19_a_text_is_known_for_as_many_commits_as_the_bound_says() {
    let texts = numbered(TEXT_HISTORY_COMMITS + 2);
    let full = told(&texts[..=TEXT_HISTORY_COMMITS]);
    assert!(finds(&full, 1, "w0"));
    let over = told(&texts);
    assert!(!finds(&over, 1, "w0"));
    assert!(finds(&over, 2, "w1"));
}

#[test]
fn mg19_writes_of_one_changeset_count_as_one_commit() {
    let mut state = State::at(Value::Text("w0".into()));
    for seq in 2..TEXT_HISTORY_COMMITS as u64 + 2 {
        for half in ["first", "second"] {
            let new = Value::Text(format!("{half} {seq}"));
            state = state.after(Strategy::Text, &state.value, &new, &write_at(seq as u32, seq - 1, seq, 0)).unwrap();
        }
    }
    assert!(finds(&state, 1, "w0"));
}

#[test]
fn mg19_a_text_is_known_while_what_went_since_fits_its_bound() {
    // To undo one replaced word takes the word, 3 for the edit and 10 for the commit.
    let word = TEXT_HISTORY_BYTES / 2 - 13;
    for (length, known) in [(word, true), (word + 1, false)] {
        let texts = ["a".repeat(length), "b".repeat(word), "c".repeat(word)];
        let state = told(&texts);
        assert_eq!(finds(&state, 1, &texts[0]), known, "{length}");
        assert!(finds(&state, 2, &texts[1]));
    }
}

#[test]
fn mg19_what_its_author_had_done_in_its_own_view_counts_too() {
    // Two commits of which nothing went, and the edit of the second in its author's view.
    let longest = TEXT_HISTORY_BYTES - 2 * 13 - 3 - 6;
    for (length, known) in [(longest, true), (longest + 1, false)] {
        let state = told(&["x".into(), "x y".into()]);
        let brought = format!("x {}", "z".repeat(length - 1));
        let by = write_at(9, 1, 3, 0);
        let state = state.after(Strategy::Text, &Value::Text("x".into()), &Value::Text(brought), &by).unwrap();
        assert_eq!(finds(&state, 1, "x"), known, "{length}");
    }
}

#[test]
fn mg19_a_long_text_is_known_for_fewer_commits() {
    let most = 4;
    let length = TEXT_MERGE_BYTES / most;
    let texts: Vec<String> = (0..most + 2).map(|number| format!("{} {number}", "x".repeat(length - 2))).collect();
    assert!(finds(&told(&texts[..=most]), 1, &texts[0]));
    let over = told(&texts);
    assert!(!finds(&over, 1, &texts[0]));
    assert!(finds(&over, 2, &texts[1]));
}

#[test]
fn mg19_what_was_written_on_an_unknown_text_ends_no_history() {
    let state = told(&["a".into(), "a b".into()]);
    let unknown = Value::Text("never there".into());
    let state =
        state.after(Strategy::Text, &unknown, &Value::Text("never there z".into()), &write_at(7, 2, 3, 0)).unwrap();
    assert_eq!(state.value, Value::Text("a b\n z".into()));
    assert!(finds(&state, 2, "a b"));
    assert!(finds(&state, 1, "a"));
}

#[test]
fn mg19_a_history_that_does_not_fit_its_text_begins_with_what_is_there() {
    let mut state = told(&numbered(4));
    // Too short for the edits that lead back.
    state.value = Value::Text("x".into());
    assert!(!finds(&state, 3, "w2") && !finds(&state, 3, "x"), "before its last commit nothing is known");
    assert!(finds(&state, 4, "x"));
}

#[test]
fn mg19_own_words_that_are_in_the_text_are_not_laid_over_it_again() {
    let text = |text: &str| Value::Text(text.into());
    let state = told(&["a b".into(), "a b c".into()]);
    let mut own = write_at(9, 1, 3, 0);
    let state = state.after(Strategy::Text, &text("a b"), &text("a x b"), &own).unwrap();
    assert_eq!(state.value, text("a x b c"));
    own = write_at(9, 3, 4, 0);
    own.writer.device_seq = DeviceSeq(2);
    own.writer.base.device_seq = DeviceSeq(1);
    let made = state.after(Strategy::Text, &text("a x b c"), &text("a x b c d"), &own).unwrap();
    assert_eq!((made.value, made.mark.unwrap().seq), (text("a x b c d"), Seq(4)));
}

/// A write of author 9 in its changeset of this number, on the sight of `old`; it is decided as commit `seq`.
fn own(state: &State, number: u64, seen: u64, seq: u64, old: &str, new: &str) -> State {
    let mut write = write_at(9, seen, seq, 0);
    write.writer.device_seq = DeviceSeq(number);
    write.writer.base.device_seq = DeviceSeq(number - 1);
    state.after(Strategy::Text, &Value::Text(old.into()), &Value::Text(new.into()), &write).unwrap()
}

#[test]
fn mg19_two_writes_of_a_changeset_with_a_pull_between_them_are_seen_by_the_next_one() {
    let state = told(&["a b".into(), "a b c".into()]);
    let state = own(&state, 1, 1, 3, "a b", "a x b");
    let state = own(&state, 1, 2, 3, "a x b c", "a x b c d");
    // Sealed before the commit of the first changeset had come.
    let state = own(&state, 2, 2, 4, "a x b c d", "a x b c d e");
    assert_eq!(state.value, Value::Text("a x b c d e".into()));
}

#[test]
fn mg19_writes_that_continue_each_other_are_one_in_the_view() {
    let state = told(&["a b".into(), "a".into()]);
    // Done and undone: the device shows what the other made of the text.
    let state = own(&state, 1, 1, 3, "a b", "a x");
    let state = own(&state, 1, 1, 3, "a x", "a b");
    let before = text::text(&state.value).unwrap().matches('\n').count();
    let state = own(&state, 2, 2, 4, "a", "a z");
    let after = text::text(&state.value).unwrap();
    assert!(after.contains('z') && after.matches('\n').count() == before, "{after:?}");
}

#[test]
fn mg19_one_of_several_writes_of_a_changeset_may_have_been_out_of_view() {
    let text = |text: &str| Value::Text(text.into());
    let state = told(&["a b".into()]);
    let state = own(&state, 1, 1, 2, "a b", "a x");
    let state = own(&state, 1, 1, 2, "a x", "a x y");
    // The first is blocked on its device when the second joins what is there.
    let view = text::redo(&text("a b"), &text("a x"), &text("a x y"));
    assert_eq!(view, text("a b y"));
    let state = own(&state, 2, 1, 3, "a b y", "a b y z");
    assert_eq!(state.value, text("a x y z"));
}

#[test]
fn mg19_many_writes_of_a_changeset_cost_a_history_no_more_than_a_few() {
    let mut state = told(&["a".into(), "a b".into()]);
    let mut written = String::from("a b");
    for number in 0..1_000 {
        let next = format!("{written} {number}");
        state = own(&state, 1, 2, 3, &written, &next);
        written = next;
    }
    assert_eq!(state.value, Value::Text(written.clone()));
    assert!(finds(&state, 1, "a"));
    // The newest may each have been out of view.
    let (seen, gone) = (written.replace(" 998", ""), format!("{written} z"));
    assert_eq!(own(&state, 2, 2, 4, &seen, &format!("{seen} z")).value, Value::Text(gone));
}
