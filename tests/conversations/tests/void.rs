//! Changesets that the space will never take: given up, sent again one by one, and the one at fault listed.

use crate::script::{A, B, on_both_paths, refused, status, value, with_household};
use ebbtide_core::change::Sealed;
use ebbtide_core::client::store::ClientStore;
use ebbtide_core::client::{Input, Output};
use ebbtide_core::codec::Codec;
use ebbtide_core::error::{Refusal, RefusalCode};
use ebbtide_core::ids::DeviceSeq;
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;

/// Seals everything that waits under the next number, as bytes that nobody can read.
fn seal_garbage(talk: &mut Dialogue, party: usize) {
    let now = talk.time_of(party);
    let sealed = talk.device(party).step(now, |store| {
        let log = store.unsealed(usize::MAX, usize::MAX)?;
        let mut device = store.device()?;
        let bytes = vec![0x55; 40];
        let sealed = Sealed { device_seq: device.next_device_seq, hash: WireCodec.hash(&bytes), bytes };
        store.put_sealed(&sealed, log.len() as u32, log.last().expect("something waits").id)?;
        device.next_device_seq = device.next_device_seq.next();
        store.set_device(&device)
    });
    sealed.expect("the database goes on");
}

#[test]
fn cs65_a_break_after_the_number_was_given_up_loses_nothing() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "INSERT INTO household (id) VALUES ('one')", &[]);
        seal_garbage(talk, A);
        talk.connect(A);
        while !talk.sent_by(A).iter().any(|message| matches!(message, ClientMessage::Void { .. })) {
            assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
        }
        talk.up(A);
        talk.restart(A);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM household"), Value::Integer(2));
    });
}

#[test]
fn cs65_a_write_on_top_of_bytes_that_nobody_can_read_arrives_with_what_was_in_them() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET doses = 1, name = 'under'", &[]);
        seal_garbage(talk, A);
        talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT name || doses FROM household"), Value::Text("under2".into()));
    });
}

/// The device hears that the space will never take a number.
fn hear_refusal(talk: &mut Dialogue, number: u64, code: RefusalCode) {
    let refusal = Refusal { code, device_seq: Some(DeviceSeq(number)), detail: "never".into() };
    talk.input(A, Input::Received(vec![ServerMessage::Refused(refusal)]));
}

/// The same, and its words of it were lost.
fn refuse(talk: &mut Dialogue, number: u64, code: RefusalCode) {
    talk.lose_up(A);
    hear_refusal(talk, number, code);
}

#[test]
fn cs65_who_is_refused_alone_and_again_is_listed() {
    let reasons =
        [(RefusalCode::TooLarge, "limit"), (RefusalCode::SchemaMismatch, "schema"), (RefusalCode::Malformed, "void")];
    for (code, reason) in reasons {
        on_both_paths(|talk| {
            with_household(talk);
            talk.connect(A);
            talk.settle();
            talk.exec(A, "INSERT INTO household (id) VALUES ('never')", &[]);
            refuse(talk, 2, code);
            assert!(talk.up(A) && talk.down(A));
            refuse(talk, 3, code);
            talk.settle();
            assert_eq!(refused(talk, A), [reason]);
            talk.cut(A);
            talk.exec(A, "UPDATE household SET doses = 1", &[]);
            talk.visit(A);
            talk.visit(B);
            talk.assert_in_step();
            assert_eq!(status(talk, A).failed, 1);
        });
    }
}

/// Whether the device has asked to give a number up.
fn voids(talk: &Dialogue, number: u64) -> bool {
    let voids = |m: &ClientMessage| matches!(m, ClientMessage::Void { device_seq } if device_seq.0 == number);
    talk.sent_by(A).iter().any(voids)
}

#[test]
fn cs65_what_comes_before_the_refused_number_is_decided_and_not_given_up() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.connect(A);
        talk.settle();
        talk.exec(A, "INSERT INTO visit (id) VALUES ('good')", &[]);
        talk.exec(A, "INSERT INTO visit (id) VALUES ('refused once')", &[]);
        hear_refusal(talk, 3, RefusalCode::TooLarge);
        loop {
            assert!(!voids(talk, 2), "{}", talk.transcript());
            if !(talk.up(A) || talk.down(A)) {
                break;
            }
        }
        talk.cut(A);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(2));
    });
}

#[test]
fn cs65_a_word_on_a_number_that_does_not_wait_gives_nothing_up() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.connect(A);
        talk.settle();
        talk.exec(A, "INSERT INTO visit (id) VALUES ('waits')", &[]);
        hear_refusal(talk, 1, RefusalCode::TooLarge);
        assert!(!voids(talk, 2));
        talk.restart(A);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(talk.durable(A).state.next_device_seq, DeviceSeq(3), "sealed once");
    });
}

/// A is connected, and has sent two numbers that do not arrive.
fn lose_two_on_the_way(talk: &mut Dialogue) {
    with_household(talk);
    talk.connect(A);
    talk.settle();
    talk.exec(A, "INSERT INTO visit (id) VALUES ('one')", &[]);
    talk.exec(A, "INSERT INTO visit (id) VALUES ('two')", &[]);
    while !talk.sent_by(A).is_empty() {
        talk.lose_up(A);
    }
}

#[test]
fn cs65_of_two_refused_numbers_the_first_is_given_up_first_whichever_was_heard_of_first() {
    for order in [[2, 3], [3, 2]] {
        on_both_paths(|talk| {
            lose_two_on_the_way(talk);
            order.into_iter().for_each(|number| hear_refusal(talk, number, RefusalCode::TooLarge));
            assert!(voids(talk, 2) && !voids(talk, 3), "{}", talk.transcript());
            talk.settle();
            assert!(refused(talk, A).is_empty(), "once is not for good");
            talk.cut(A);
            talk.visit(B);
            talk.assert_in_step();
            assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(2));
        });
    }
}

#[test]
fn cs65_what_was_decided_all_the_same_counts() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.connect(A);
        talk.settle();
        talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
        let device_seq = Some(DeviceSeq(2));
        let refusal = Refusal { code: RefusalCode::Malformed, device_seq, detail: "garbled".into() };
        while talk.head().0 < 2 {
            assert!(talk.up(A));
            if talk.head().0 < 2 {
                talk.down(A);
            }
        }
        talk.lose(A);
        talk.input(A, Input::Received(vec![ServerMessage::Refused(refusal)]));
        talk.settle();
        talk.cut(A);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT doses FROM household"), Value::Integer(1));
    });
}

#[test]
fn cs201_what_somebody_else_brought_and_is_refused_does_not_keep_what_was_given_up() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.connect(A);
        talk.settle();
        talk.exec(A, "INSERT INTO visit (id) VALUES ('given up')", &[]);
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('mine', 'taken')", &[]);
        while !talk.sent_by(A).is_empty() {
            talk.lose_up(A);
        }
        talk.exec(B, "INSERT INTO household (id, code) VALUES ('theirs', 'taken')", &[]);
        talk.visit(B);
        hear_refusal(talk, 2, RefusalCode::TooLarge);
        assert!(talk.up(A) && talk.down(A) && voids(talk, 3), "{}", talk.transcript());
        // What comes after the number that was given up goes with it, but the service worker is first.
        talk.lose_up(A);
        let now = talk.time_of(A);
        let request = talk.device(A).ready_request(now).expect("a request").expect("something that waits");
        let replies = talk.mail(A, &request);
        talk.input(A, Input::Delivered(replies));
        assert_eq!(refused(talk, A), ["unique"], "{}", talk.transcript());
        talk.reconnect(A);
        talk.settle();
        talk.cut(A);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(1));
    });
}

#[test]
fn cs65_what_is_refused_while_a_plan_is_made_is_given_up_once_it_is_told() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        talk.exec(A, "INSERT INTO household (id) VALUES ('never')", &[]);
        talk.input(A, Input::Plan);
        refuse(talk, 2, RefusalCode::TooLarge);
        while talk.up(A) || talk.down(A) {}
        assert!(talk.took(A, |output| matches!(output, Output::Planned(_))), "{}", talk.transcript());
        let gave_up = talk.transcript().contains("void 2");
        assert!(gave_up, "{}", talk.transcript());
    });
}

#[test]
fn cs65_a_snapshot_that_comes_while_numbers_are_given_up_loses_nothing() {
    on_both_paths(|talk| {
        lose_two_on_the_way(talk);
        hear_refusal(talk, 2, RefusalCode::TooLarge);
        assert!(talk.up(A) && talk.down(A) && voids(talk, 3), "{}", talk.transcript());
        // The first is given up, and the second waits to be.
        talk.lose_up(A);
        talk.input(A, Input::CannotApply);
        talk.settle();
        talk.cut(A);
        assert!(talk.transcript().contains("page of"), "{}", talk.transcript());
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(2));
        assert_eq!(status(talk, A).failed, 0);
    });
}
