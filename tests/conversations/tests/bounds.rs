//! What the space takes exactly at a bound, and what lies beyond it: numbers, lengths, versions, clocks, the floor of the history.

use crate::script::{A, B, hello, on_both_paths, refused, submit, text, value, with_household};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{Base, Change, Changeset, Mutation, RowId, Transaction};
use ebbtide_core::client::Input;
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::error::RefusalCode;
use ebbtide_core::ids::{DeviceSeq, Hash, Opening, SchemaHash, SchemaVersion, TableId};
use ebbtide_core::limits::{
    ABSORBED_TRANSACTIONS, CHANGESET_BYTES, CHANGESET_ROWS, CHUNK_BYTES, CLOCK_AHEAD_MS, SEALED_AHEAD, STAGED_BYTES,
};
use ebbtide_core::message::{Chunk, ClientMessage, ServerMessage, Then};
use ebbtide_core::value::{Key, Value};
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;

/// What the space answers to a message of A, which has sealed more numbers than it has sent.
fn answer(talk: &mut Dialogue, message: ClientMessage) -> ServerMessage {
    let mut hello = hello(talk, A);
    hello.next_device_seq = DeviceSeq(10_000);
    talk.mail(A, &[ClientMessage::Hello(hello), message]).pop().expect("an answer")
}

fn refusal(answer: &ServerMessage) -> Option<RefusalCode> {
    if let ServerMessage::Refused(refusal) = answer { Some(refusal.code) } else { None }
}

/// The first chunk of a changeset of this length, well made.
fn chunk(device_seq: u64, total_bytes: usize) -> Chunk {
    let count = total_bytes.div_ceil(CHUNK_BYTES) as u32;
    Chunk {
        device_seq: DeviceSeq(device_seq),
        hash: Hash([7; 32]),
        total_bytes: total_bytes as u32,
        index: 0,
        count,
        then: Then::Wait,
        bytes: vec![1; CHUNK_BYTES.min(total_bytes)],
    }
}

#[test]
fn sv125_a_changeset_may_be_as_long_as_the_bound_and_a_number_as_far_ahead() {
    on_both_paths(|talk| {
        with_household(talk);
        let due = 2;
        let last = due + SEALED_AHEAD as u64;
        for (chunk, expected) in [
            (chunk(due, CHANGESET_BYTES), None),
            (chunk(due + 1, CHANGESET_BYTES + 1), Some(RefusalCode::TooLarge)),
            (chunk(last, 10), None),
            (chunk(last + 1, 10), Some(RefusalCode::TooLarge)),
        ] {
            let answer = answer(talk, ClientMessage::Stage(chunk));
            assert_eq!(refusal(&answer), expected, "{answer:?}");
        }
    });
}

#[test]
fn sv125_a_chunk_fits_its_changeset_in_every_respect_or_is_refused() {
    on_both_paths(|talk| {
        with_household(talk);
        let whole = chunk(2, 3 * CHUNK_BYTES);
        let wrong = [
            Chunk { count: 4, ..whole.clone() },
            Chunk { index: 3, ..whole.clone() },
            Chunk { bytes: vec![1; CHUNK_BYTES - 1], ..whole.clone() },
            Chunk { total_bytes: 0, count: 0, bytes: Vec::new(), ..whole.clone() },
        ];
        for chunk in wrong {
            let answer = answer(talk, ClientMessage::Stage(chunk));
            assert_eq!(refusal(&answer), Some(RefusalCode::Malformed), "{answer:?}");
        }
        assert_eq!(refusal(&answer(talk, ClientMessage::Stage(whole.clone()))), None);
        let other_length = Chunk { total_bytes: whole.total_bytes - 1, index: 1, ..whole };
        assert_eq!(refusal(&answer(talk, ClientMessage::Stage(other_length))), Some(RefusalCode::Malformed));
    });
}

#[test]
fn sv234_what_a_device_stages_ahead_is_bounded_and_what_is_due_is_always_taken() {
    let mut talk = Dialogue::new(2, ebbtide_core::client::TwoPhase::Auto);
    with_household(&mut talk);
    let due = 2;
    let largest = STAGED_BYTES / CHANGESET_BYTES as u64;
    let beyond = due + largest + 1;
    let first = (1..=largest).map(|ahead| (due + ahead, CHANGESET_BYTES, None));
    let refused = Some(RefusalCode::TooLarge);
    let then =
        [(beyond, 1, refused), (due, CHANGESET_BYTES, None), (due + 1, CHANGESET_BYTES, None), (beyond, 1, refused)];
    for (number, bytes, expected) in first.chain(then) {
        let answer = answer(&mut talk, ClientMessage::Stage(chunk(number, bytes)));
        assert_eq!(refusal(&answer), expected, "{number}: {answer:?}");
    }
    // What is decided has room for others.
    answer(&mut talk, ClientMessage::Void { device_seq: DeviceSeq(due) });
    answer(&mut talk, ClientMessage::Void { device_seq: DeviceSeq(due + 1) });
    let answer = answer(&mut talk, ClientMessage::Stage(chunk(beyond, CHANGESET_BYTES)));
    assert_eq!(answer, ServerMessage::Staged { device_seq: DeviceSeq(beyond), next_chunk: 1 });
}

fn changeset(talk: &Dialogue, transactions: Vec<Transaction>) -> Changeset {
    let schema = talk.space.catalogue().version;
    Changeset { device_seq: DeviceSeq(2), schema, origin: None, opening: Opening::default(), transactions }
}

/// Sealed as if the present catalogue were that of its version.
fn sealed(talk: &Dialogue, changeset: &Changeset) -> Vec<u8> {
    let catalogue = Catalogue { version: changeset.schema, ..Catalogue::clone(&talk.space.catalogue()) };
    WireCodec.seal(changeset, &catalogue).bytes
}

#[test]
fn sv126_a_version_that_the_space_lacks_is_waited_for_and_one_that_it_never_had_is_refused() {
    on_both_paths(|talk| {
        with_household(talk);
        let present = talk.space.catalogue().version;
        let versions = [
            (SchemaVersion::of(present.migrations() + 1, SchemaHash::default()), RefusalCode::WaitingForServer),
            (SchemaVersion(u64::MAX), RefusalCode::WaitingForServer),
            (SchemaVersion(present.0 + 1), RefusalCode::SchemaMismatch),
            (SchemaVersion(0), RefusalCode::SchemaMismatch),
        ];
        for (schema, expected) in versions {
            let empty = Transaction { stamp: Stamp(1 << 16), ..Transaction::default() };
            let made = Changeset { schema, ..changeset(talk, vec![empty]) };
            let answer = answer(talk, submit(2, sealed(talk, &made)));
            assert_eq!(refusal(&answer), Some(expected), "{answer:?}");
        }
    });
}

#[test]
fn sv125_a_changeset_of_more_rows_than_the_bound_is_refused_as_a_whole() {
    let mut talk = Dialogue::new(2, ebbtide_core::client::TwoPhase::Auto);
    with_household(&mut talk);
    for (rows, expected) in [(CHANGESET_ROWS + 1, Some(RefusalCode::TooLarge)), (CHANGESET_ROWS, None)] {
        let row = RowId { table: TableId(1), key: Key(vec![text("h")]) };
        let change = Change { row, mutation: Mutation::Delete, base: Base::default() };
        let changes = vec![change; rows];
        let made = changeset(&talk, vec![Transaction { stamp: Stamp(1 << 16), changes, ..Transaction::default() }]);
        let bytes = sealed(&talk, &made);
        let (hash, then) = (WireCodec.hash(&bytes), Then::Prepare);
        let whole = Chunk { hash, then, bytes: bytes.clone(), ..chunk(2, bytes.len()) };
        let answer = answer(&mut talk, ClientMessage::Stage(whole));
        assert_eq!(refusal(&answer), expected, "{answer:?}");
        assert!(expected.is_some() || matches!(answer, ServerMessage::Prepared { .. }), "{answer:?}");
    }
}

#[test]
fn cs172_a_changeset_stands_for_no_more_transactions_than_it_could_hold() {
    for (absorbed, expected) in
        [(ABSORBED_TRANSACTIONS, None), (ABSORBED_TRANSACTIONS + 1, Some(RefusalCode::TooLarge))]
    {
        let mut talk = Dialogue::new(2, ebbtide_core::client::TwoPhase::Auto);
        with_household(&mut talk);
        let absorbed: Vec<Stamp> = (1..=absorbed as u64).map(|ms| Stamp(ms << 16)).collect();
        let whole = Transaction { stamp: Stamp(1 << 40), absorbed, ..Transaction::default() };
        let made = changeset(&talk, vec![whole]);
        let bytes = sealed(&talk, &made);
        let answer = answer(&mut talk, submit(2, bytes));
        assert_eq!(refusal(&answer), expected, "{answer:?}");
    }
}

#[test]
fn sv68_a_clock_may_run_ahead_as_far_as_the_bound() {
    for (ahead, wins) in [(CLOCK_AHEAD_MS, 1), (CLOCK_AHEAD_MS + 1, 2)] {
        on_both_paths(|talk| {
            with_household(talk);
            talk.skew_ms(A, ahead as i64);
            talk.exec(A, "UPDATE household SET doses = 1", &[]);
            talk.visit(A);
            talk.pass_ms(1_000);
            talk.exec(B, "UPDATE household SET doses = 2", &[]);
            talk.visit(B);
            talk.visit(A);
            assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(wins), "{ahead} ms");
            talk.assert_in_step();
        });
    }
}

#[test]
fn cs21_a_later_changeset_depends_on_a_refused_one_also_where_nothing_was_ever_pruned() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(B, "UPDATE household SET code = 'x'", &[]);
        talk.visit(B);
        // A new device: what it writes was made at the beginning of the history, where the floor is.
        let new = talk.add("C", "ada");
        for sql in ["INSERT INTO household (id, code) VALUES ('c', 'x')", "UPDATE household SET name = 'more'"] {
            talk.exec(new, sql, &[]);
            talk.pass_ms(5_000);
            talk.input(new, Input::Tick);
        }
        assert_eq!(talk.durable(new).sealed.len(), 2);
        talk.sync(new);
        assert_eq!(refused(talk, new), ["unique", "dependency"], "{}", talk.transcript());
        talk.cut(new);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}
