//! The laws of `set`: observed remove, in every order of arrival.
//! Arrays are written with blanks, doubles and in any order, as applications do.

use super::laws::{State, write_at};
use super::set;
use crate::catalogue::Strategy;
use crate::value::Value;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;

fn elements() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0_u8..6, 0..5)
}

fn array(elements: &[u8]) -> Value {
    Value::Text(format!("{elements:?}"))
}

fn canonical(value: &Value) -> BTreeSet<String> {
    set::elements(value).expect("a set").into_iter().map(|element| element.canonical).collect()
}

fn any_value() -> impl proptest::strategy::Strategy<Value = Value> {
    prop_oneof![
        super::laws::value(),
        elements().prop_map(|elements| array(&elements)),
        Just(Value::Text("[ {\"a\":1}, \"x\" ]".into())),
        Just(Value::Text("{}".into())),
    ]
}

proptest! {
    #[test]
    fn mg14_a_write_that_had_seen_the_set_makes_what_was_written(old in any_value(), new in any_value()) {
        let made = State::at(old.clone()).after(Strategy::Set, &old, &new, &write_at(1, 1, 2, 0));
        match new {
            Value::Blob(_) => prop_assert!(made.is_err()),
            new => prop_assert_eq!(made.unwrap().value, new),
        }
    }

    #[test]
    fn mg14_additions_stay_and_removals_count_in_every_order(
        start in elements(), news in proptest::collection::vec(elements(), 4), order in Just(vec![0_usize, 1, 2, 3]).prop_shuffle(),
    ) {
        let old = array(&start);
        let mut state = State::at(old.clone());
        let mut shown = old.clone();
        for (position, index) in order.iter().enumerate() {
            let write = write_at(*index as u32 + 1, 1, position as u64 + 2, 0);
            let new = array(&news[*index]);
            shown = set::redo(&shown, &old, &new);
            state = state.after(Strategy::Set, &old, &new, &write).unwrap();
        }
        let start = canonical(&old);
        let sets: Vec<BTreeSet<String>> = news.iter().map(|new| canonical(&array(new))).collect();
        let mut expected: BTreeSet<String> = start.iter().filter(|x| sets.iter().all(|set| set.contains(*x))).cloned().collect();
        expected.extend(sets.iter().flatten().filter(|x| !start.contains(*x)).cloned());
        prop_assert_eq!(canonical(&state.value), expected.clone());
        prop_assert_eq!(canonical(&shown), expected);
    }

    #[test]
    fn mg15_a_removal_takes_only_additions_that_its_writer_had_seen(again in 2_u64..6, seen in 1_u64..8) {
        // The element is there at 1, goes at 2, comes again at `again` + 1; the removal had seen up to `seen`.
        let (with, without) = (array(&[1, 2]), array(&[2]));
        let state = State::at(with.clone());
        let state = state.after(Strategy::Set, &with, &without, &write_at(1, 1, 2, 0)).unwrap();
        let state = state.after(Strategy::Set, &without, &with, &write_at(1, again, again + 1, 0)).unwrap();
        let removed = state.after(Strategy::Set, &with, &without, &write_at(2, seen, 9, 0)).unwrap();
        let stays = seen < again + 1;
        prop_assert_eq!(canonical(&removed.value).contains("1"), stays, "{:?}", removed.value);
    }

    #[test]
    fn mg16_garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        use super::cell::{self, Cell};
        for strategy in [Strategy::Set, Strategy::Text] {
            let (mark, value) = (State::at(Value::Null).mark, Value::Text("[1, 2]".into()));
            let cell = Cell { value: &value, mark: mark.as_ref(), record: None };
            let _ = cell::write(&super::laws::column(strategy), cell, &Value::Blob(bytes.clone()), &write_at(1, 0, 3, 0));
        }
    }
}

#[test]
fn mg15_many_additions_are_remembered_in_bounds() {
    let mut state = State::at(array(&[]));
    for n in 0..500_u64 {
        let old = state.value.clone();
        let list: Vec<u64> = (0..=n).collect();
        let new = Value::Text(format!("{list:?}"));
        state = state.after(Strategy::Set, &old, &new, &write_at(n as u32, n + 1, n + 2, 0)).unwrap();
    }
    let packed = postcard::to_allocvec(&state.record).unwrap();
    assert!(packed.len() < 2_000, "{} bytes", packed.len());
    let (old, new) = (state.value.clone(), Value::Text("[499]".into()));
    let removed = state.after(Strategy::Set, &old, &new, &write_at(7, 400, 900, 0)).unwrap();
    assert_eq!(
        set::elements(&removed.value).unwrap().len(),
        500,
        "the joined ones count as seen only with the newest of them"
    );
    let removed = state.after(Strategy::Set, &old, &new, &write_at(7, 501, 900, 0)).unwrap();
    assert_eq!(removed.value, new);
}
