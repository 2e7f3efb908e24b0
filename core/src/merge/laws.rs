//! The laws that strategies keep, as properties over all values.
//! Orders of arrival are permuted here, on single cells; whole histories are the simulator's.

use super::cell::{self, Cell, Written};
use super::local;
use super::record::CellRecord;
use super::seen::Writer;
use super::text::Ground;
use crate::catalogue::{Column, Strategy};
use crate::change::Base;
use crate::clock::Stamp;
use crate::commit::Reason;
use crate::ids::{AuthorId, DeviceSeq, Seq};
use crate::server::draft::Write;
use crate::server::store::Mark;
use crate::value::Value;
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;
use proptest::strategy::Strategy as _;

/// A cell and who wrote it, moved on by writes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub value: Value,
    pub mark: Option<Mark>,
    pub record: Option<CellRecord>,
}

/// A write by a device of its own that had pulled up to `seen`, as commit `seq`.
pub(super) fn write_at(author: u32, seen: u64, seq: u64, stamp: u64) -> Write {
    let base = Base { seq: Seq(seen), device_seq: DeviceSeq(0) };
    let writer = Writer { author: AuthorId(author), device_seq: DeviceSeq(1), schema: Default::default(), base };
    Write { writer, stamp: Stamp(stamp), seq: Seq(seq) }
}

pub(super) fn column(strategy: Strategy) -> Column {
    Column { strategy, ..Column::default() }
}

impl State {
    pub fn at(value: Value) -> Self {
        Self { value, mark: Some(Mark { seq: Seq(1), author: AuthorId(99), ..Mark::default() }), record: None }
    }

    /// The state after a write of `new` on the sight of `old`, or the reason of its refusal.
    pub fn after(&self, strategy: Strategy, old: &Value, new: &Value, write: &Write) -> Result<Self, Reason> {
        self.sent(strategy, &local::sent(strategy, old, new, Ground::Firm), write)
    }

    /// The same for what travelled.
    pub fn sent(&self, strategy: Strategy, sent: &Value, write: &Write) -> Result<Self, Reason> {
        let cell = Cell { value: &self.value, mark: self.mark.as_ref(), record: self.record.as_ref() };
        match cell::write(&column(strategy), cell, sent, write).map_err(|refused| refused.reason)? {
            Written::Left(_) | Written::Waits(_) | Written::Asks(_) => Ok(self.clone()),
            Written::Taken(taken) => Ok(Self { value: taken.value, mark: Some(taken.mark), record: taken.record }),
        }
    }
}

pub(super) fn value() -> impl proptest::strategy::Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        (-3_i64..3).prop_map(Value::Integer),
        any::<f64>().prop_filter_map("NaN is NULL", |x| (!x.is_nan()).then_some(Value::Real(x))),
        Just(Value::Integer(0)),
        ".{0,4}".prop_map(Value::Text),
        Just(Value::Text(String::new())),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(Value::Blob),
    ]
}

fn whole() -> impl proptest::strategy::Strategy<Value = Value> {
    prop_oneof![Just(Value::Null), Just(Value::Integer(0)), any::<i64>().prop_map(Value::Integer)]
}

/// Concurrent writes, in the order of `order`, on a value that all had seen.
fn concurrent(strategy: Strategy, start: &Value, news: &[Value], order: &[usize]) -> Result<Value, Reason> {
    let mut state = State::at(start.clone());
    for (position, index) in order.iter().enumerate() {
        let write = write_at(*index as u32 + 1, 1, position as u64 + 2, 100 + *index as u64);
        state = state.after(strategy, start, &news[*index], &write)?;
    }
    Ok(state.value)
}

fn orders() -> impl proptest::strategy::Strategy<Value = Vec<usize>> {
    Just((0..4).collect::<Vec<usize>>()).prop_shuffle()
}

const VALUE_STRATEGIES: [Strategy; 5] =
    [Strategy::Lww, Strategy::First, Strategy::Min, Strategy::Max, Strategy::Server];

proptest! {
    #[test]
    fn mg08_a_write_that_had_seen_the_value_makes_what_was_written(old in value(), new in value()) {
        for strategy in VALUE_STRATEGIES {
            let state = State::at(old.clone()).after(strategy, &old, &new, &write_at(1, 1, 2, 0)).unwrap();
            prop_assert_eq!(&state.value, &new);
        }
    }

    #[test]
    fn mg08_sums_make_what_was_written(old in whole(), new in whole()) {
        let state = State::at(old.clone()).after(Strategy::Sum, &old, &new, &write_at(1, 1, 2, 0)).unwrap();
        prop_assert_eq!(&state.value, &new);
        prop_assert!(state.mark.unwrap().as_sent);
    }

    #[test]
    fn cs213_a_sum_that_was_sent_is_kept_and_sent_again_as_it_was(old in whole(), new in whole()) {
        let sent = local::sent(Strategy::Sum, &old, &new, Ground::Firm);
        let (old, new) = local::logged(Strategy::Sum, sent.clone());
        prop_assert_eq!(local::sent(Strategy::Sum, &old, &new, Ground::Firm), sent);
    }

    #[test]
    fn mg10_min_and_max_do_not_depend_on_the_order_of_arrival(start in value(), news in proptest::collection::vec(value(), 4), order in orders()) {
        // Equal values of two types differ in their bits, where the later commit's stays.
        let same = |a: &Value, b: &Value| super::order::compare(a, b) == core::cmp::Ordering::Equal;
        for strategy in [Strategy::Min, Strategy::Max] {
            let (a, b) = (concurrent(strategy, &start, &news, &[0, 1, 2, 3]), concurrent(strategy, &start, &news, &order));
            prop_assert!(same(&a.unwrap(), &b.unwrap()));
        }
    }

    #[test]
    fn mg10_null_never_wins(start in value(), news in proptest::collection::vec(value(), 4), order in orders()) {
        for strategy in [Strategy::Min, Strategy::Max] {
            let result = concurrent(strategy, &start, &news, &order).unwrap();
            prop_assert_eq!(result == Value::Null, news.iter().all(|new| *new == Value::Null));
        }
    }

    #[test]
    fn mg09_first_keeps_what_was_committed_first(start in value(), news in proptest::collection::vec(value(), 4), order in orders()) {
        let result = concurrent(Strategy::First, &start, &news, &order).unwrap();
        prop_assert_eq!(&result, &news[order[0]]);
    }

    #[test]
    fn mg11_a_sum_is_exact_in_every_order(start in -1_000_000_i64..1_000_000, deltas in proptest::collection::vec(-1_000_000_i64..1_000_000, 4), order in orders()) {
        let news: Vec<Value> = deltas.iter().map(|delta| Value::Integer(start + delta)).collect();
        let result = concurrent(Strategy::Sum, &Value::Integer(start), &news, &order).unwrap();
        prop_assert_eq!(result, Value::Integer(start + deltas.iter().sum::<i64>()));
    }

    #[test]
    fn mg11_a_sum_that_leaves_64_bits_is_refused_and_nothing_else(current in whole(), old in whole(), new in whole()) {
        let number = |value: &Value| if let Value::Integer(n) = value { i128::from(*n) } else { 0 };
        let exact = number(&current) + number(&new) - number(&old);
        let made = State::at(current).after(Strategy::Sum, &old, &new, &write_at(1, 0, 2, 0));
        match i64::try_from(exact) {
            Ok(exact) => prop_assert_eq!(number(&made.unwrap().value), i128::from(exact)),
            Err(_) => prop_assert_eq!(made, Err(Reason::Overflow)),
        }
    }

    #[test]
    fn mg11_what_is_no_delta_is_refused_as_schema(sent in value()) {
        let cell = Cell { value: &Value::Integer(1), mark: None, record: None };
        let made = cell::write(&column(Strategy::Sum), cell, &sent, &write_at(1, 0, 2, 0));
        let is_delta = matches!(&sent, Value::Integer(_));
        prop_assert_eq!(made.is_err_and(|refused| refused.reason == Reason::Schema), !is_delta);
    }

    #[test]
    fn mg08_a_device_shows_what_the_space_will_make_of_a_sum(current in whole(), old in whole(), new in whole()) {
        let shown = local::redo(Strategy::Sum, &current, &old, &new);
        if let Ok(made) = State::at(current.clone()).after(Strategy::Sum, &old, &new, &write_at(1, 0, 2, 0)) {
            prop_assert_eq!(shown, made.value);
        }
    }

    #[test]
    fn mg12_server_takes_only_what_had_seen_the_value(start in value(), new in value()) {
        let state = State::at(start.clone());
        prop_assert_eq!(state.after(Strategy::Server, &start, &new, &write_at(1, 0, 2, 900)), Err(Reason::Stale));
        let default = State { value: start.clone(), mark: None, record: None };
        prop_assert_eq!(default.after(Strategy::Server, &start, &new, &write_at(1, 0, 2, 0)).unwrap().value, new);
    }
}
