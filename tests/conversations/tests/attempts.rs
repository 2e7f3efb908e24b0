//! When a device tries again: how long it waits between attempts that bring it no further, and what counts as further.

use crate::script::{A, B, noise, on_both_paths, status, with_household};
use ebbtide_core::client::{Input, Output};
use ebbtide_core::error::{Refusal, RefusalCode};
use ebbtide_core::limits::{CONFIRM_AFTER_MS, RETRY_FIRST_MS};
use ebbtide_core::message::ServerMessage;
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;

/// How long writes made without a connection gather.
const OFFLINE_SEAL_MS: u64 = 1_000;

fn failed_inside() -> Input {
    let refusal = Refusal { code: RefusalCode::Internal, device_seq: None, detail: "out of order".into() };
    Input::Received(vec![ServerMessage::Refused(refusal)])
}

/// How long the device waits until its next attempt.
fn waits_ms(talk: &mut Dialogue, party: usize) -> u64 {
    let at = status(talk, party).next_retry_at.expect("it tries again");
    at.0 - talk.time_of(party).0
}

/// The welcome comes, and what the device wants then fails in the space.
fn fail_after_the_welcome(talk: &mut Dialogue, party: usize) {
    assert!(talk.up(party) && talk.down(party));
    assert!(!talk.sent_by(party).is_empty(), "something waits for an answer");
    talk.input(party, failed_inside());
}

/// The next attempt, once its time has come.
fn try_again(talk: &mut Dialogue, party: usize) {
    let wait_ms = waits_ms(talk, party);
    talk.pass_ms(wait_ms);
    talk.input(party, Input::Tick);
    assert!(talk.reconnect(party), "it tries again by itself");
}

#[test]
fn cs01_a_welcome_alone_is_no_success() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET name = 'stuck'", &[]);
        talk.connect(A);
        fail_after_the_welcome(talk, A);
        for attempt in 1..6 {
            try_again(talk, A);
            fail_after_the_welcome(talk, A);
            let bound = RETRY_FIRST_MS << attempt;
            let waits_ms = waits_ms(talk, A);
            assert!(waits_ms >= bound / 2 && waits_ms <= bound, "attempt {attempt}: {waits_ms} ms");
        }
        let given_up = |output: &&Output| matches!(output, Output::Failed(cause) if cause.code == "server_error");
        assert_eq!(talk.outputs(A).iter().filter(given_up).count(), 1, "the app that asked for it is told");
        try_again(talk, A);
        talk.settle();
        assert_eq!(status(talk, A).pending, 0, "{}", talk.transcript());
    });
}

#[test]
fn cs01_what_is_decided_between_two_failures_is_a_success() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET name = 'stuck'", &[]);
        talk.connect(A);
        for _ in 0..4 {
            fail_after_the_welcome(talk, A);
            try_again(talk, A);
        }
        let before = status(talk, A).pending;
        while status(talk, A).pending == before {
            assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
        }
        talk.input(A, failed_inside());
        assert!(waits_ms(talk, A) <= RETRY_FIRST_MS, "{}", talk.transcript());
    });
}

/// The next attempt, up to where the device hears which chunk is missing.
fn resume(talk: &mut Dialogue, party: usize) {
    try_again(talk, party);
    for asked in ["a welcome", "which chunk is missing"] {
        assert!(talk.up(party) && talk.down(party), "{asked}\n{}", talk.transcript());
    }
}

#[test]
fn cs01_each_chunk_that_arrives_is_a_success_and_hearing_of_it_again_is_none() {
    on_both_paths(|talk| {
        with_household(talk);
        let photo = Value::Blob(noise(1_900_000, 1).into_bytes());
        talk.exec(A, "UPDATE household SET photo = ?", &[photo]);
        talk.connect(A);
        assert!(talk.up(A) && talk.down(A));
        for chunks in 1..6 {
            assert!(talk.up(A) && talk.down(A), "{}", talk.transcript());
            talk.cut(A);
            let waits_ms = waits_ms(talk, A);
            assert!(waits_ms <= RETRY_FIRST_MS, "{waits_ms} ms after {chunks} chunks, each on a connection");
            resume(talk, A);
        }
        for attempt in 1..5 {
            talk.cut(A);
            let (bound, waits_ms) = (RETRY_FIRST_MS << attempt, waits_ms(talk, A));
            assert!(waits_ms >= bound / 2 && waits_ms <= bound, "attempt {attempt}: {waits_ms} ms");
            resume(talk, A);
        }
        talk.settle();
        assert_eq!(status(talk, A).pending, 0, "{}", talk.transcript());
    });
}

#[test]
fn cs01_a_confirmation_that_is_due_while_a_snapshot_is_fetched_wakes_nobody_over_and_over() {
    on_both_paths(|talk| {
        with_household(talk);
        [A, B].into_iter().for_each(|party| talk.sync(party));
        talk.exec(A, "UPDATE household SET name = 'to be confirmed'", &[]);
        while talk.up(A) || talk.down(A) {}
        assert!(talk.down(B));
        talk.input(B, Input::CannotApply);
        talk.pass_ms(CONFIRM_AFTER_MS);
        talk.input(B, Input::Tick);
        let now = talk.time_of(B);
        let woken = talk.outputs(B).into_iter().rev().find_map(|output| match output {
            Output::WakeAt(at) => Some(at),
            _ => None,
        });
        assert!(woken.is_none_or(|at| at > now), "{woken:?} at {now:?}");
    });
}

#[test]
fn cs217_what_cannot_be_sealed_yet_wakes_nobody_over_and_over() {
    const MORE_THAN_IS_SEALED_OFFLINE: i64 = 66;
    for paused in [false, true] {
        on_both_paths(|talk| {
            with_household(talk);
            talk.input(A, Input::Online(false));
            talk.input(A, Input::Pause(paused));
            for doses in 0..MORE_THAN_IS_SEALED_OFFLINE {
                talk.exec(A, "UPDATE household SET doses = ?", &[Value::Integer(doses)]);
                talk.pass_ms(OFFLINE_SEAL_MS);
                talk.input(A, Input::Tick);
            }
            let (now, outputs) = (talk.time_of(A), talk.outputs(A));
            let mut wakes =
                outputs.iter().filter_map(|output| if let Output::WakeAt(at) = output { Some(*at) } else { None });
            let last = wakes.next_back().expect("it was to be woken while there was something to seal");
            assert!(last <= now, "woken at {last:?} at {now:?} for what is not going to be sealed");
            talk.input(A, Input::Online(true));
            talk.input(A, Input::Pause(false));
            talk.reconnect(A);
            talk.settle();
            assert_eq!(status(talk, A).pending, 0, "{}", talk.transcript());
        });
    }
}
