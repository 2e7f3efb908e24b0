//! What a device makes of what it hears late, twice, out of order or from a space that errs: it goes on, asks, or says what is wrong.

use crate::script::{A, B, on_both_paths, text, value, with_household};
use ebbtide_core::client::{Input, Output, State};
use ebbtide_core::commit::{Reason, Receipt, Rejection};
use ebbtide_core::error::{Refusal, RefusalCode};
use ebbtide_core::ids::{ChainHash, DeviceSeq, Seq};
use ebbtide_core::limits::{INFLATED_BYTES, PART_BYTES};
use ebbtide_core::message::{ClientMessage, ItemBody, Part, Range, RangeItem, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;

fn recovered(talk: &Dialogue, party: usize) -> bool {
    talk.took(party, |output| matches!(output, Output::Recovered { .. }))
}

/// B is connected, up to date, and the push of the next commit waits for it.
fn with_a_push(talk: &mut Dialogue) -> Range {
    with_household(talk);
    talk.sync(A);
    talk.sync(B);
    talk.exec(A, "UPDATE household SET name = 'pushed'", &[]);
    while talk.up(A) || talk.down(A) {}
    let pushed = talk.waiting_for(B);
    let [ServerMessage::Range(range)] = pushed.as_slice() else { panic!("{pushed:?}") };
    range.clone()
}

fn garbage(seq: u64) -> RangeItem {
    RangeItem { seq: Seq(seq), body: ItemBody::Foreign(vec![0x55; 9]) }
}

#[test]
fn cs138_of_a_range_that_overlaps_what_is_there_only_the_rest_is_read() {
    on_both_paths(|talk| {
        let range = with_a_push(talk);
        talk.lose(B);
        let items = [vec![garbage(1)], range.items.clone()].concat();
        talk.input(B, Input::Received(vec![ServerMessage::Range(Range { from: Seq(0), items, ..range })]));
        assert_eq!(value(talk, B, "SELECT name FROM household"), text("pushed"));
        talk.settle();
        talk.assert_in_step();
    });
}

#[test]
fn cs138_a_range_whose_commits_do_not_fit_it_is_an_error_and_changes_nothing() {
    on_both_paths(|talk| {
        let range = with_a_push(talk);
        let item = range.items[0].clone();
        let wrong = [
            Range { items: vec![item.clone(), item.clone()], ..range.clone() },
            Range { items: vec![garbage(1), item.clone()], ..range.clone() },
            Range { items: vec![item, garbage(3)], ..range.clone() },
            Range { from: Seq(3), upto: Seq(2), items: Vec::new(), ..range.clone() },
        ];
        for range in wrong {
            let before = talk.durable(B).state.cursor;
            talk.failing_input(B, Input::Received(vec![ServerMessage::Range(range)]));
            talk.restart(B);
            assert_eq!(talk.durable(B).state.cursor, before);
            talk.sync(B);
            talk.restart(B);
            talk.sync(B);
        }
        talk.assert_in_step();
    });
}

#[test]
fn cs139_an_own_commit_without_its_verdict_waits_until_the_verdict_was_asked_for() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        talk.exec(A, "UPDATE household SET name = 'mine'", &[]);
        while talk.head().0 < 2 {
            assert!(talk.up(A));
            if talk.head().0 < 2 {
                talk.down(A);
            }
        }
        let mut answer = talk.waiting_for(A);
        while !talk.waiting_for(A).is_empty() {
            talk.lose(A);
        }
        answer.retain(|message| !matches!(message, ServerMessage::Receipt(_)));
        assert!(!answer.is_empty(), "the commit came with its receipt");
        talk.input(A, Input::Received(answer));
        assert_eq!(talk.durable(A).state.cursor.seq, Seq(1));
        let asks = |m: &ClientMessage| matches!(m, ClientMessage::Resume { device_seq: DeviceSeq(2), .. });
        assert!(talk.sent_by(A).iter().any(asks), "{}", talk.transcript());
        talk.settle();
        assert_eq!(talk.durable(A).state.cursor.seq, Seq(2));
        assert!(!recovered(talk, A));
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs139_somebody_else_s_answer_without_the_verdict_is_passed_over() {
    on_both_paths(|talk| {
        with_household(talk);
        let copy = talk.backup(A);
        let clone = talk.add("C", "ada");
        talk.restore(clone, &copy);
        talk.exec(A, "UPDATE household SET name = 'mine'", &[]);
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
        let now = talk.time_of(A);
        let request = talk.device(A).ready_request(now).expect("a request").expect("something that waits");
        let mut replies = talk.mail(A, &request);
        replies.retain(|message| !matches!(message, ServerMessage::Receipt(_)));
        assert!(replies.iter().any(|message| matches!(message, ServerMessage::Range(_))));
        for party in [A, clone] {
            let before = talk.durable(party);
            talk.input(party, Input::Delivered(replies.clone()));
            assert_eq!(talk.durable(party), before);
            assert!(talk.sent_by(party).is_empty() && !recovered(talk, party));
        }
        [A, clone, B, A].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
    });
}

/// What the service worker says for A, which has sealed a write.
fn made_ready(talk: &mut Dialogue) -> Vec<ClientMessage> {
    with_household(talk);
    talk.exec(A, "UPDATE household SET name = 'posted'", &[]);
    talk.pass_ms(5_000);
    talk.input(A, Input::Tick);
    let now = talk.time_of(A);
    talk.device(A).ready_request(now).expect("a request").expect("something that waits")
}

#[test]
fn cs152_what_somebody_else_brings_while_a_snapshot_is_fetched_is_not_staged_with_it() {
    on_both_paths(|talk| {
        let request = made_ready(talk);
        talk.input(A, Input::CannotApply);
        talk.connect(A);
        // The pages are here, and what became of the write is the last question.
        while !talk.sent_by(A).iter().any(|message| matches!(message, ClientMessage::Resume { .. })) {
            assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
        }
        let replies = talk.mail(A, &request);
        talk.input(A, Input::Delivered(replies));
        talk.settle();
        assert_eq!((talk.durable(A).state.rebuild, talk.durable(A).state.cursor.seq), (None, Seq(2)));
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT name FROM household"), text("posted"));
    });
}

#[test]
fn cs153_what_is_known_already_ends_no_connection_and_nothing_makes_one_before_its_time() {
    on_both_paths(|talk| {
        let request = made_ready(talk);
        let replies = talk.mail(A, &request);
        talk.restart(A);
        talk.input(A, Input::Delivered(replies.clone()));
        assert!(talk.durable(A).sealed.is_empty(), "{}", talk.transcript());
        assert!(!talk.took(A, |output| *output == Output::Connect), "nobody wants a sync yet");
        talk.sync(A);
        talk.input(A, Input::Delivered(replies));
        assert!(!talk.took(A, |output| *output == Output::Disconnect), "{}", talk.transcript());
        talk.exec(A, "UPDATE household SET doses = 1", &[]);
        talk.settle();
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs47_a_due_number_that_was_never_sealed_ends_a_life_and_a_late_word_of_one_that_was_does_not() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        talk.input(A, Input::Received(vec![ServerMessage::Expected { device_seq: DeviceSeq(1) }]));
        assert!(!recovered(talk, A));
        let next = talk.durable(A).state.next_device_seq;
        talk.input(A, Input::Received(vec![ServerMessage::Expected { device_seq: next }]));
        assert!(recovered(talk, A), "{}", talk.transcript());
        talk.settle();
        talk.cut(A);
        talk.exec(A, "UPDATE household SET doses = 2", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

/// A part of the commit after the cursor.
fn part(index: u32, count: u32, bytes: usize) -> Part {
    Part { from: Seq(1), seq: Seq(2), chain: ChainHash::default(), own: None, index, count, bytes: vec![0x55; bytes] }
}

#[test]
fn cs140_a_part_beyond_any_bound_is_an_error() {
    on_both_paths(|talk| {
        with_household(talk);
        let most = (INFLATED_BYTES / PART_BYTES) as u32;
        for part in [part(2, 2, 9), part(0, 2, PART_BYTES + 1), part(0, most + 1, 9)] {
            talk.sync(A);
            talk.failing_input(A, Input::Received(vec![ServerMessage::Part(part)]));
            talk.restart(A);
        }
        talk.sync(A);
        talk.input(A, Input::Received(vec![ServerMessage::Part(part(0, most, PART_BYTES))]));
        let confirmed = talk.sent_by(A);
        let is_confirmation = |m: &ClientMessage| matches!(m, ClientMessage::Applied { seq: Seq(1), .. });
        assert!(confirmed.iter().any(is_confirmation), "what came is confirmed by its bytes: {confirmed:?}");
        talk.restart(A);
        talk.exec(B, "UPDATE household SET doses = 3", &[]);
        talk.visit(B);
        talk.visit(A);
        assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(3));
        talk.assert_in_step();
    });
}

#[test]
fn cs46_a_verdict_that_refuses_more_than_was_sent_is_an_error_at_once_and_is_not_kept() {
    // The last would not take effect yet.
    for (index, decided_at) in [(1, 1), (7, 1), (u32::MAX, 1), (1, 9)].map(|(index, at)| (index, Seq(at))) {
        on_both_paths(|talk| {
            with_household(talk);
            talk.sync(A);
            talk.exec(A, "UPDATE household SET name = 'mine'", &[]);
            let sealed = talk.durable(A).sealed.remove(0);
            let receipt = Receipt {
                device_seq: sealed.device_seq,
                fingerprint: sealed.hash.fingerprint(),
                seq: None,
                decided_at,
                clock_shift_ms: 0,
                as_sent: false,
                rejected: vec![Rejection { index, reason: Reason::Unique, detail: "no such".into() }],
                conflicts: 0,
            };
            talk.failing_input(A, Input::Received(vec![ServerMessage::Receipt(receipt)]));
            talk.restart(A);
            assert_eq!(talk.durable(A).sealed[0].receipt, None);
            talk.visit(A);
            talk.visit(B);
            talk.assert_in_step();
        });
    }
}

#[test]
fn cs168_the_late_echo_of_a_changeset_that_comes_apart_already_breaks_nothing_off() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        let refusal = |code| Refusal { code, device_seq: Some(DeviceSeq(1)), detail: "late".into() };
        let hear = |talk: &mut Dialogue, code| {
            talk.input(A, Input::Received(vec![ServerMessage::Refused(refusal(code))]));
            talk.device(A).session().status().state
        };
        assert_eq!(hear(talk, RefusalCode::NotAsOne), State::Idle);
        assert_eq!(hear(talk, RefusalCode::TooLarge), State::Error, "any other is about something that is not here");
        talk.restart(A);
        talk.exec(A, "UPDATE household SET name = 'goes on'", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}
