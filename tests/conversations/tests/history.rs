//! Histories that do not fit: each is refused by name, the session stops or waits, and nothing is lost.

use crate::script::{A, B, assert_stopped, hello, noise, on_both_paths, with_household};
use ebbtide_core::client::Input;
use ebbtide_core::error::RefusalCode;
use ebbtide_core::ids::Incarnation;
use ebbtide_core::limits::FIRST_PAGE_BYTES;
use ebbtide_core::message::{ClientMessage, Hello, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_simulator::host::{HostError, SpaceHost};
use ebbtide_simulator::schema::schema;

#[test]
fn cs26_a_space_that_was_restored_is_noticed_by_the_chain_of_its_commits() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.space = SpaceHost::open(&schema());
        // Another history of the same length: only the chain tells.
        talk.exec(B, "UPDATE household SET doses = 1", &[]);
        let mut other = hello(talk, A);
        other.incarnation = Incarnation([9; 16]);
        other.last_decided = None;
        other.cursor = Default::default();
        let bytes = ebbtide_core::codec::Codec::seal(
            &ebbtide_protocol::WireCodec,
            &insert_household(talk),
            &talk.space.catalogue(),
        )
        .bytes;
        let replies = talk.mail(A, &[ClientMessage::Hello(other), crate::script::submit(1, bytes)]);
        assert!(replies.iter().any(|reply| matches!(reply, ServerMessage::Receipt(_))), "{replies:?}");
        let mut wrong = hello(talk, B);
        wrong.last_decided = None;
        let replies = talk.mail(B, &[ClientMessage::Hello(wrong)]);
        assert!(
            matches!(&replies[..], [ServerMessage::Refused(r)] if r.code == RefusalCode::UnknownHistory),
            "{replies:?}"
        );
    });
}

fn insert_household(talk: &ebbtide_simulator::dialogue::Dialogue) -> ebbtide_core::change::Changeset {
    use ebbtide_core::change::{Base, Change, Changeset, Mutation, RowId, Transaction};
    use ebbtide_core::value::{Key, Value};
    let catalogue = talk.space.catalogue();
    let table = catalogue.table_id("left_half").expect("a table");
    let row = RowId { table, key: Key(vec![Value::Text("p".into())]) };
    let change = Change { row, mutation: Mutation::Insert(vec![Value::Integer(1)]), base: Base::default() };
    let stamp = ebbtide_core::clock::Stamp(1 << 16);
    let transactions = vec![Transaction { stamp, changes: vec![change], ..Transaction::default() }];
    Changeset {
        device_seq: ebbtide_core::ids::DeviceSeq(1),
        schema: catalogue.version,
        origin: None,
        opening: ebbtide_core::ids::Opening::default(),
        transactions,
    }
}

/// A new device that says it takes the place of another.
fn successor_of(device: &Hello) -> Hello {
    Hello {
        previous: Some(device.incarnation),
        incarnation: Incarnation([9; 16]),
        next_device_seq: ebbtide_core::ids::DeviceSeq(1),
        last_decided: None,
        ..device.clone()
    }
}

#[test]
fn sv74_a_retired_incarnation_is_refused_and_its_successor_welcomed() {
    on_both_paths(|talk| {
        with_household(talk);
        let successor = successor_of(&hello(talk, A));
        let replies = talk.mail(A, &[ClientMessage::Hello(successor)]);
        assert!(matches!(&replies[0], ServerMessage::Welcome(_)), "{replies:?}");
        let retired = hello(talk, A);
        let retired = talk.mail(A, &[ClientMessage::Hello(retired)]);
        assert!(matches!(&retired[..], [ServerMessage::Refused(r)] if r.code == RefusalCode::Retired), "{retired:?}");
    });
}

#[test]
fn sv74_nobody_retires_the_device_of_another_user_nor_itself() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.user(B, "eve");
        let of_ada = hello(talk, A);
        let replies = talk.mail(B, &[ClientMessage::Hello(successor_of(&of_ada))]);
        assert!(matches!(&replies[0], ServerMessage::Welcome(_)), "eve has a device of her own: {replies:?}");
        let mut itself = of_ada.clone();
        itself.previous = Some(itself.incarnation);
        for hello in [itself, of_ada] {
            let replies = talk.mail(A, &[ClientMessage::Hello(hello)]);
            assert!(matches!(&replies[0], ServerMessage::Welcome(_)), "{replies:?}");
        }
    });
}

#[test]
fn sv75_a_device_of_another_user_is_refused() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.user(A, "eve");
        talk.connect(A);
        talk.settle();
        assert_stopped(talk, A, "foreign_device");
        talk.user(A, "ada");
        talk.exec(A, "UPDATE household SET doses = 1", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn sv76_no_common_version_is_a_refusal_of_its_own() {
    on_both_paths(|talk| {
        with_household(talk);
        let mut future = hello(talk, A);
        (future.min_version, future.max_version) = (7, 9);
        let replies = talk.mail(A, &[ClientMessage::Hello(future)]);
        let refused = matches!(&replies[..], [ServerMessage::Refused(r)] if r.code == RefusalCode::UnsupportedVersion);
        assert!(refused, "{replies:?}");
        talk.connect(A);
        talk.input(A, Input::Received(replies));
        assert_stopped(talk, A, "unsupported_version");
    });
}

#[test]
fn sv77_garbage_and_messages_before_the_hello_change_nothing_and_leave_the_connection() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.connect(A);
        for bytes in [&[][..], &[0xff; 40], &[1, 0], &[9, 1, 0]] {
            assert!(matches!(talk.raw(A, bytes), Err(HostError::Undecodable(_))), "{bytes:?}");
        }
        let pull = ClientMessage::Pull { cursor: Default::default(), max_bytes: 1, held: None };
        let replies = talk.mail(B, &[pull]);
        assert!(matches!(&replies[..], [ServerMessage::Refused(r)] if r.code == RefusalCode::Malformed));
        talk.settle();
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn sv79_the_answer_to_a_hello_brings_a_short_first_page() {
    on_both_paths(|talk| {
        with_household(talk);
        for seed in 0..6 {
            let name = Value::Text(noise(FIRST_PAGE_BYTES * 3 / 4, seed));
            talk.exec(A, "UPDATE household SET name = ?", &[name]);
            talk.visit(A);
        }
        let greeting = ClientMessage::Hello(hello(talk, B));
        let replies = talk.mail(B, &[greeting]);
        let [.., ServerMessage::Range(page), ServerMessage::Head { seq }] = replies.as_slice() else {
            panic!("{replies:?}")
        };
        assert!(!page.items.is_empty() && page.upto < talk.head() && *seq == talk.head(), "{:?}", page.upto);
        talk.visit(B);
        talk.assert_in_step();
    });
}
