//! Uploads in two phases: interruptions, retries, numbers out of order, other bytes.

use crate::script::{A, B, hello, noise, on_both_paths, submit, text, value, with_household};
use ebbtide_core::change::{Changeset, Transaction};
use ebbtide_core::client::{State, TwoPhase};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::error::RefusalCode;
use ebbtide_core::ids::{DeviceSeq, Opening, Seq};
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_protocol::{WireCodec, encode_server};
use ebbtide_simulator::dialogue::Dialogue;

#[test]
fn cs17_an_upload_is_resumed_at_the_first_missing_chunk_by_a_restarted_session() {
    for sent in 1..5 {
        let mut talk = Dialogue::new(2, TwoPhase::Auto);
        with_household(&mut talk);
        let name = noise(1_500_000, 9);
        talk.exec(A, "UPDATE household SET name = ?", &[text(&name)]);
        talk.connect(A);
        talk.up(A);
        talk.down(A);
        (0..sent).for_each(|_| assert!(talk.up(A)));
        talk.cut(A);
        assert_eq!(talk.head(), Seq(1), "what is staged is invisible");
        talk.restart(A);
        talk.connect(A);
        talk.up(A);
        talk.down(A);
        let resumes = |m: &ClientMessage| matches!(m, ClientMessage::Resume { device_seq: DeviceSeq(2), .. });
        let first = talk.sent_by(A);
        // Without an acknowledgement the device begins anew, and what is there already changes nothing.
        if first.iter().any(resumes) {
            talk.up(A);
            talk.down(A);
            let indexes: Vec<u32> = talk.sent_by(A).iter().filter_map(chunk_index).collect();
            assert_eq!(indexes.first(), Some(&(sent as u32)));
        }
        talk.settle();
        assert_eq!(talk.head(), Seq(2));
        talk.cut(A);
        talk.visit(B);
        assert_eq!(value(&mut talk, B, "SELECT name FROM household"), text(&name));
        talk.visit(A);
        talk.assert_in_step();
    }
}

fn chunk_index(message: &ClientMessage) -> Option<u32> {
    if let ClientMessage::Stage(chunk) = message { Some(chunk.index) } else { None }
}

#[test]
fn cs17_an_acknowledged_upload_is_asked_about_and_continued_days_later() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    let name = noise(1_900_000, 9);
    talk.exec(A, "UPDATE household SET name = ?", &[text(&name)]);
    talk.connect(A);
    talk.up(A);
    talk.down(A);
    for _ in 0..5 {
        talk.up(A);
        talk.down(A);
    }
    talk.restart(A);
    talk.pass_ms(3 * 86_400_000);
    talk.connect(A);
    talk.up(A);
    talk.down(A);
    assert!(matches!(talk.sent_by(A).as_slice(), [ClientMessage::Resume { .. }]), "{}", talk.transcript());
    talk.up(A);
    talk.down(A);
    let indexes: Vec<u32> = talk.sent_by(A).iter().filter_map(chunk_index).collect();
    assert_eq!(indexes.first(), Some(&5));
    talk.settle();
    talk.cut(A);
    talk.visit(A);
    talk.visit(B);
    talk.assert_in_step();
}

#[test]
fn sv60_an_answer_that_was_lost_comes_again_byte_for_byte_and_nothing_twice() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('v', 'h')", &[]);
        talk.connect(A);
        let mut lost = Vec::new();
        while talk.up(A) {
            lost = talk.waiting_for(A);
            if lost.iter().any(|message| matches!(message, ServerMessage::Receipt(_))) {
                break;
            }
            talk.down(A);
        }
        talk.cut(A);
        assert_eq!(talk.head(), Seq(2));
        talk.connect(A);
        talk.up(A);
        let again = talk.waiting_for(A);
        assert_eq!(receipts(&again), receipts(&lost));
        talk.settle();
        assert_eq!(talk.head(), Seq(2));
        talk.cut(A);
        talk.visit(B);
        assert_eq!(talk.query(B, "SELECT count(*) FROM visit"), talk.query(A, "SELECT 1"));
        talk.assert_in_step();
    });
}

fn receipts(messages: &[ServerMessage]) -> Vec<Vec<u8>> {
    let receipts = messages.iter().filter(|message| matches!(message, ServerMessage::Receipt(_)));
    receipts.map(|receipt| encode_server(std::slice::from_ref(receipt))).collect()
}

/// A changeset that no device made, under a number.
fn foreign_changeset(talk: &Dialogue, number: u64) -> Vec<u8> {
    let catalogue = talk.space.catalogue();
    let transactions = vec![Transaction { stamp: Stamp(1 << 16), ..Transaction::default() }];
    let changeset = Changeset {
        device_seq: DeviceSeq(number),
        schema: catalogue.version,
        origin: None,
        opening: Opening::default(),
        transactions,
    };
    WireCodec.seal(&changeset, &catalogue).bytes
}

#[test]
fn sv61_other_bytes_under_a_decided_number_are_refused_on_every_path() {
    on_both_paths(|talk| {
        with_household(talk);
        let hello = ClientMessage::Hello(hello(talk, A));
        let bytes = foreign_changeset(talk, 1);
        let hash = WireCodec.hash(&bytes);
        let number = DeviceSeq(1);
        let paths = [
            submit(1, bytes),
            ClientMessage::Resume { device_seq: number, hash },
            ClientMessage::Prepare { device_seq: number, hash },
            ClientMessage::Commit { device_seq: number, hash, applied_receipt: DeviceSeq(0) },
        ];
        for path in paths {
            let replies = talk.mail(A, &[hello.clone(), path]);
            let refused =
                matches!(replies.last(), Some(ServerMessage::Refused(r)) if r.code == RefusalCode::HashMismatch);
            assert!(refused, "{replies:?}");
        }
        assert_eq!(talk.head(), Seq(1));
    });
}

#[test]
fn sv62_a_number_that_is_not_due_is_answered_with_the_one_that_is() {
    on_both_paths(|talk| {
        with_household(talk);
        let mut hello = hello(talk, A);
        hello.next_device_seq = DeviceSeq(9);
        let ahead = submit(3, foreign_changeset(talk, 3));
        let replies = talk.mail(A, &[ClientMessage::Hello(hello), ahead]);
        assert_eq!(replies.last(), Some(&ServerMessage::Expected { device_seq: DeviceSeq(2) }));
        assert_eq!(talk.head(), Seq(1));
    });
}

#[test]
fn sv63_an_event_that_dies_leaves_nothing_and_the_retry_does_everything() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET name = 'after'", &[]);
        talk.connect(A);
        talk.up(A);
        talk.down(A);
        talk.up_into_a_crash(A, 1);
        assert_eq!(talk.head(), Seq(1));
        talk.visit(A);
        assert_eq!(talk.head(), Seq(2));
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn sv64_a_session_rebuilt_at_every_message_goes_on_where_it_was() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.connect(B);
        talk.settle();
        for step in 0..3 {
            talk.exec(A, "UPDATE household SET name = ?", &[text(&noise(200_000, step))]);
        }
        talk.connect(A);
        loop {
            talk.evict();
            if !(talk.up(A) || talk.down(A) || talk.up(B) || talk.down(B)) {
                break;
            }
        }
        assert_eq!(talk.device(A).session().status().state, State::Idle);
        talk.assert_in_step();
        talk.assert_intact(A);
    });
}
