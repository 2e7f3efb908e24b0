//! Single cases of the strategies that no law over all values pins down: what a record says, what counts as sent, what stands in for NULL.
//! Most were written for a changed line of the code that all other tests had let through (`tests/mutants.md`).

use super::cell::{self, Cell, Taken, Written};
use super::laws::{State, column, write_at};
use super::record::CellRecord;
use super::text::Ground;
use super::{local, set, sum, text};
use crate::catalogue::{Column, Strategy};
use crate::value::Value;

fn words(text: &str) -> Value {
    Value::Text(text.into())
}

fn with_default(strategy: Strategy, default: Value) -> Column {
    Column { default: Some(default), ..column(strategy) }
}

/// What becomes of what travelled.
fn written(state: &State, strategy: Strategy, sent: &Value, author: u32, seen: u64, stamp: u64) -> Written {
    let cell = Cell { value: &state.value, mark: state.mark.as_ref(), record: state.record.as_ref() };
    cell::write(&column(strategy), cell, sent, &write_at(author, seen, 9, stamp)).unwrap()
}

fn taken(state: &State, strategy: Strategy, sent: &Value, author: u32, seen: u64, stamp: u64) -> Taken {
    match written(state, strategy, sent, author, seen, stamp) {
        Written::Taken(taken) => taken,
        other => panic!("{other:?} is not taken"),
    }
}

#[test]
fn mg11_an_insert_brings_what_it_has_beyond_the_default() {
    let seven = Value::Integer(7);
    assert_eq!(cell::inserted(&with_default(Strategy::Sum, Value::Integer(5)), &seven), Value::Integer(2));
    assert_eq!(cell::inserted(&column(Strategy::Sum), &seven), seven);
    assert_eq!(cell::inserted(&with_default(Strategy::Lww, Value::Integer(5)), &seven), seven);
    let tags = cell::inserted(&with_default(Strategy::Set, words(r#"["a"]"#)), &words(r#"["a","b"]"#));
    assert_eq!(tags, set::sent(&words(r#"["a"]"#), &words(r#"["a","b"]"#)));
    let notes = cell::inserted(&with_default(Strategy::Text, words("see: ")), &words("see: p. 4"));
    assert_eq!(notes, text::sent(&words("see: "), &words("see: p. 4"), Ground::Pending));
}

#[test]
fn mg16_a_record_tells_in_words_what_travelled_packed() {
    let to_null = sum::sent(&Value::Integer(3), &Value::Null);
    assert!(matches!(to_null, Value::Blob(_)));
    assert_eq!(cell::told(Strategy::Sum, &to_null), Value::Integer(-3));
    let tags = set::sent(&words(r#"["a"]"#), &words(r#"["b", "c"]"#));
    assert_eq!(cell::told(Strategy::Set, &tags), words(r#"["b","c"]"#));
    let [pending, firm] =
        [Ground::Pending, Ground::Firm].map(|ground| text::sent(&words("ab"), &words("ab cd"), ground));
    assert_eq!(cell::told(Strategy::Text, &pending), words("ab cd"));
    assert_eq!(cell::told(Strategy::Text, &firm), words(" cd"));
    assert_eq!(cell::told(Strategy::Text, &Value::Integer(1)), Value::Integer(1));
}

#[test]
fn mg08_only_a_write_that_had_seen_the_value_counts_as_sent() {
    let three = State::at(Value::Integer(3));
    let delta = Value::Integer(2);
    assert!(taken(&three, Strategy::Sum, &delta, 1, 1, 0).mark.as_sent);
    assert!(!taken(&three, Strategy::Sum, &delta, 1, 0, 0).mark.as_sent);
    let tags = State::at(words(r#"["a"]"#));
    let more = set::sent(&tags.value, &words(r#"["a","b"]"#));
    assert!(taken(&tags, Strategy::Set, &more, 1, 1, 0).mark.as_sent);
    assert!(!taken(&tags, Strategy::Set, &more, 1, 0, 0).mark.as_sent);
    // A text that nobody changed meanwhile comes out as written, and yet was written by somebody unseen.
    let note = State::at(words("ab"));
    let note = note.after(Strategy::Text, &note.value, &note.value, &write_at(2, 1, 2, 0)).unwrap();
    let longer = text::sent(&words("ab"), &words("abc"), Ground::Firm);
    let unseen = taken(&note, Strategy::Text, &longer, 1, 1, 0);
    assert_eq!((unseen.value, unseen.mark.as_sent), (words("abc"), false));
    assert!(taken(&note, Strategy::Text, &longer, 1, 2, 0).mark.as_sent);
}

#[test]
fn mg04_an_overwrite_is_one_only_where_the_value_was_not_seen() {
    let state = State::at(words("a"));
    assert!(taken(&state, Strategy::Lww, &words("b"), 1, 0, 5).overwrites);
    assert!(!taken(&state, Strategy::Lww, &words("b"), 1, 1, 5).overwrites);
}

#[test]
fn mg20_a_text_whose_ground_is_lost_is_written_whole_or_put_behind() {
    let mut state = State::at(words("there"));
    state.mark.as_mut().unwrap().stamp = crate::clock::Stamp(50);
    let whole = text::sent(&words("gone"), &words("gone too"), Ground::Pending);
    assert_eq!(written(&state, Strategy::Text, &whole, 1, 0, 49), Written::Left(words("gone too")));
    let later = taken(&state, Strategy::Text, &whole, 1, 0, 51);
    assert_eq!((later.value, later.overwrites, later.mark.as_sent), (words("gone too"), true, false));
    let had_seen = taken(&state, Strategy::Text, &whole, 1, 1, 0);
    assert_eq!((had_seen.value, had_seen.overwrites), (words("gone too"), true), "what goes with it is recorded");
    let refused = text::sent(&words("there, refused"), &words("there, refused too"), Ground::Pending);
    assert!(!taken(&state, Strategy::Text, &refused, 1, 1, 0).overwrites, "nothing goes");
    let edits = text::sent(&words("gone"), &words("gone too"), Ground::Firm);
    let behind = taken(&state, Strategy::Text, &edits, 1, 0, 0);
    assert_eq!((behind.value, behind.overwrites), (words("there\n too"), true));
    assert!(!taken(&state, Strategy::Text, &edits, 1, 1, 0).overwrites);
    assert!(matches!(behind.record, Some(CellRecord::Text(_))));
    let nothing = text::sent(&words("gone"), &words("go"), Ground::Firm);
    assert_eq!(written(&state, Strategy::Text, &nothing, 1, 0, 99), Written::Left(words("")));
    // What is no text is written over, and nothing is remembered of it.
    let number = State::at(Value::Integer(5));
    let over = taken(&number, Strategy::Text, &whole, 1, 0, 51);
    assert_eq!((over.value, over.record), (words("gone too"), None));
    assert_eq!(written(&number, Strategy::Text, &edits, 1, 0, 51), Written::Left(words(" too")));
}

#[test]
fn mg20_what_is_put_behind_stands_on_a_line_of_its_own() {
    let Value::Blob(bytes) = text::sent(&words("x"), &words("xy"), Ground::Firm) else { panic!("no edits") };
    let operation = text::received(&bytes).unwrap();
    assert_eq!(operation.behind(&Value::Null), Some(words("y")));
    assert_eq!(operation.behind(&words("a")), Some(words("a\ny")));
    assert_eq!(operation.behind(&words("a\n")), Some(words("a\ny")));
    assert_eq!(operation.behind(&Value::Integer(1)), None);
    assert_eq!((operation.whole(), operation.words_alone()), (None, words("y")));
}

#[test]
fn mg18_an_empty_text_is_null_if_its_writer_made_it_so() {
    for (new, empty) in [(Value::Null, Value::Null), (words(""), words(""))] {
        let state = State::at(words("ab"));
        let made = state.after(Strategy::Text, &state.value, &new, &write_at(1, 1, 2, 0)).unwrap();
        assert_eq!(made.value, empty);
        // The present text is gone already, by another way than the one that this write knew.
        assert_eq!(text::redo(&words(""), &words("ab"), &new), empty);
        assert_eq!(local::redo(Strategy::Text, &Value::Null, &words("ab"), &new), empty);
    }
    assert_eq!(text::text(&Value::Null), Some(""));
    assert_eq!(set::elements(&Value::Null).map(|all| all.len()), Some(0));
}

#[test]
fn mg08_a_write_as_it_was_sent_can_be_logged_and_redone() {
    assert_eq!(local::logged(Strategy::Sum, Value::Integer(4)), (Value::Integer(0), Value::Integer(4)));
    assert_eq!(local::logged(Strategy::Lww, Value::Integer(4)), (Value::Null, Value::Integer(4)));
    let (old, new) = (words(r#"["a"]"#), words(r#"["a","b"]"#));
    assert_eq!(local::redo(Strategy::Set, &words(r#"["a","c"]"#), &old, &new), words(r#"["a","c","b"]"#));
    assert_eq!(local::redo(Strategy::Lww, &words("moved"), &old, &new), new);
}

#[test]
fn mg08_a_change_of_a_set_or_text_as_it_travelled_can_be_logged_sent_again_and_redone() {
    let of_set = (Strategy::Set, r#"["a"]"#, r#"["a","b"]"#, r#"["c"]"#, r#"["c","b"]"#);
    let of_text = (Strategy::Text, "ab", "axb", "", "x");
    for (strategy, old, new, current, redone) in [of_set, of_text] {
        let sent = local::sent(strategy, &words(old), &words(new), Ground::Firm);
        assert!(matches!(sent, Value::Blob(_)));
        let (was, is) = local::logged(strategy, sent.clone());
        assert_eq!((&was, &is), (&sent, &sent), "what it was made on is not known any more");
        assert_eq!(local::sent(strategy, &was, &is, Ground::Firm), sent);
        assert_eq!(local::redo(strategy, &words(current), &was, &is), words(redone));
        assert_eq!(local::logged(strategy, words("whole")), (Value::Null, words("whole")));
    }
}

#[test]
fn mg10_an_extreme_is_an_overwrite_only_where_something_else_stood() {
    let state = State::at(Value::Integer(5));
    for (strategy, better, worse) in [(Strategy::Min, 4, 6), (Strategy::Max, 6, 4)] {
        assert!(taken(&state, strategy, &Value::Integer(better), 1, 0, 0).overwrites);
        let left = written(&state, strategy, &Value::Integer(worse), 1, 0, 0);
        assert_eq!(left, Written::Left(Value::Integer(worse)));
        assert_eq!(written(&state, strategy, &Value::Null, 1, 0, 0), Written::Left(Value::Null));
        assert_eq!(
            taken(&State::at(Value::Null), strategy, &Value::Integer(worse), 1, 0, 0).value,
            Value::Integer(worse)
        );
    }
}
