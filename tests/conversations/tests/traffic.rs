//! How much travels, and when: nothing twice without need, no more at once than agreed, and what is due without being asked.

use crate::script::{A, B, hello, noise, on_both_paths, text, value, with_household};
use ebbtide_core::client::store::ClientStore;
use ebbtide_core::client::{Input, Output, TwoPhase};
use ebbtide_core::error::RefusalCode;
use ebbtide_core::ids::{Cursor, DeviceSeq, Seq};
use ebbtide_core::limits::{
    ANSWER_TIMEOUT_MS, CHANGESET_BYTES, CHUNK_BYTES, CHUNKS_IN_FLIGHT, RETENTION_MS, RETRY_FIRST_MS, SEALED_IN_FLIGHT,
    SINGLE_MESSAGE_BYTES,
};
use ebbtide_core::message::{Chunk, ClientMessage, ServerMessage, Then};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use std::collections::BTreeMap;

fn chunks(messages: Vec<ClientMessage>) -> Vec<Chunk> {
    messages.into_iter().filter_map(|m| if let ClientMessage::Stage(chunk) = m { Some(chunk) } else { None }).collect()
}

#[test]
fn cs141_each_chunk_is_sent_once_when_nothing_breaks() {
    on_both_paths(|talk| {
        with_household(talk);
        let names = [9, 10].map(|seed| text(&noise(1_500_000, seed)));
        talk.exec(A, "INSERT INTO household (id, name) VALUES ('1', ?), ('2', ?)", &names);
        talk.connect(A);
        let mut sent = Vec::new();
        loop {
            // Each message is looked at once, when it is about to be delivered.
            let before = chunks(talk.sent_by(A)).len();
            let all = chunks(talk.sent_by(A));
            if talk.up(A) {
                let left = chunks(talk.sent_by(A)).len();
                sent.extend(all.into_iter().take(before - left.min(before)).map(|chunk| chunk.index));
            } else if !talk.down(A) {
                break;
            }
        }
        let expected: Vec<u32> = (0..sent.len() as u32).collect();
        assert!(sent.len() > 10 && sent == expected, "{sent:?}");
    });
}

fn bytes(messages: &[ClientMessage]) -> usize {
    let bytes = |message: &ClientMessage| match message {
        ClientMessage::Submit(submit) => submit.bytes.len(),
        ClientMessage::Stage(chunk) => chunk.bytes.len(),
        _ => 0,
    };
    messages.iter().map(bytes).sum()
}

#[test]
fn cs214_however_much_waits_it_goes_out_in_pieces_of_which_few_are_ahead() {
    on_both_paths(|talk| {
        with_household(talk);
        // A week without a network: changesets of a few chunks each, and many small ones.
        for seed in 0..6 {
            talk.exec(A, "INSERT INTO household (id, name) VALUES (uuidv7(), ?)", &[text(&noise(700_000, seed))]);
            talk.pass_ms(5_000);
            talk.input(A, Input::Tick);
        }
        for seed in 6..24 {
            talk.exec(A, "INSERT INTO household (id, name) VALUES (uuidv7(), ?)", &[text(&noise(90_000, seed))]);
            talk.pass_ms(5_000);
            talk.input(A, Input::Tick);
        }
        assert_eq!(talk.durable(A).sealed.len(), 24);
        talk.connect(A);
        loop {
            let ahead = bytes(&talk.sent_by(A));
            assert!(ahead <= CHUNKS_IN_FLIGHT * CHUNK_BYTES, "{ahead} bytes at once");
            for output in talk.outputs(A) {
                let Output::Send(batch) = output else { continue };
                assert!(bytes(&batch) <= CHUNK_BYTES, "{} bytes in one piece", bytes(&batch));
            }
            if !(talk.up(A) || talk.down(A)) {
                break;
            }
        }
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM household"), Value::Integer(25));
    });
}

#[test]
fn cs214_what_was_sent_in_one_message_is_ahead_until_it_is_decided() {
    let talk = &mut Dialogue::new(2, TwoPhase::Auto);
    with_household(talk);
    for seed in 0..24 {
        talk.exec(A, "INSERT INTO household (id, name) VALUES (uuidv7(), ?)", &[text(&noise(90_000, seed))]);
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
    }
    talk.connect(A);
    let mut sent: BTreeMap<DeviceSeq, usize> = BTreeMap::new();
    loop {
        let batches = talk.outputs(A).into_iter().filter_map(|output| match output {
            Output::Send(batch) => Some(batch),
            _ => None,
        });
        for message in batches.flatten() {
            let ClientMessage::Submit(submit) = message else { continue };
            sent.insert(submit.device_seq, submit.bytes.len());
        }
        let now = talk.time_of(A);
        let sealed = talk.device(A).step(now, |store| store.sealed()).expect("the database goes on");
        let undecided = sealed.iter().filter(|entry| entry.receipt.is_none());
        let ahead: usize = undecided.filter_map(|entry| sent.get(&entry.device_seq)).sum();
        assert!(ahead <= CHUNKS_IN_FLIGHT * CHUNK_BYTES, "{ahead} bytes are ahead");
        if !(talk.up(A) || talk.down(A)) {
            break;
        }
    }
    assert_eq!(sent.len(), 24);
}

#[test]
fn cs214_what_the_space_had_already_when_the_line_broke_is_sent_twice_at_most() {
    on_both_paths(|talk| {
        with_household(talk);
        let names = [9, 10, 11, 12].map(|seed| text(&noise(1_700_000, seed)));
        let sql = "INSERT INTO household (id, name) VALUES ('1', ?), ('2', ?), ('3', ?), ('4', ?)";
        talk.exec(A, sql, &names);
        talk.connect(A);
        while chunks(talk.sent_by(A)).is_empty() {
            assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
        }
        // Some arrive, and none of the answers.
        (0..4).for_each(|_| assert!(talk.up(A)));
        talk.cut(A);
        talk.connect(A);
        let mut sent = 0;
        loop {
            let waits = chunks(talk.sent_by(A)).len();
            if talk.up(A) {
                sent += waits - chunks(talk.sent_by(A)).len();
            } else if !talk.down(A) {
                break;
            }
        }
        let count = chunks_of(talk);
        assert!(count >= 24 && sent <= count + CHUNKS_IN_FLIGHT, "{sent} chunks sent of {count}");
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

/// How many chunks the newest commit came in.
fn chunks_of(talk: &mut Dialogue) -> usize {
    talk.space.commits().last().map_or(0, |commit| commit.bytes.len().div_ceil(CHUNK_BYTES))
}

#[test]
fn cs214_after_a_chunk_that_got_lost_the_next_connection_goes_on_from_there() {
    on_both_paths(|talk| {
        with_household(talk);
        let names = [9, 10].map(|seed| text(&noise(1_500_000, seed)));
        talk.exec(A, "INSERT INTO household (id, name) VALUES ('1', ?), ('2', ?)", &names);
        talk.connect(A);
        while chunks(talk.sent_by(A)).len() < 3 {
            assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
        }
        talk.up(A);
        talk.lose_up(A);
        while talk.up(A) || talk.down(A) {}
        talk.pass_ms(ANSWER_TIMEOUT_MS);
        talk.input(A, Input::Tick);
        talk.pass_ms(RETRY_FIRST_MS);
        talk.input(A, Input::Tick);
        assert!(talk.reconnect(A), "it does not wait for ever");
        talk.settle();
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM household"), Value::Integer(3));
    });
}

#[test]
fn cs142_no_more_changesets_are_under_way_than_agreed() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.connect(A);
        talk.settle();
        for step in 0..SEALED_IN_FLIGHT as i64 + 3 {
            talk.exec(A, "UPDATE household SET doses = ?", &[Value::Integer(step)]);
        }
        assert_eq!(talk.durable(A).sealed.len(), SEALED_IN_FLIGHT);
        talk.settle();
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs143_a_ready_made_request_ends_before_the_first_large_changeset() {
    on_both_paths(|talk| {
        with_household(talk);
        let mut ready = |bytes: usize| {
            talk.exec(A, "UPDATE household SET name = ?", &[text(&noise(bytes, bytes as u64))]);
            talk.pass_ms(5_000);
            talk.input(A, Input::Tick);
            let now = talk.time_of(A);
            let request = talk.device(A).ready_request(now).expect("the database goes on");
            request.map_or(0, |messages| messages.len() - 1)
        };
        assert_eq!(ready(10), 1);
        assert_eq!(ready(4 * SINGLE_MESSAGE_BYTES), 1);
        assert_eq!(ready(10), 1, "numbers travel in order");
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs143_a_ready_made_request_is_bounded_and_without_anything_to_send_there_is_none() {
    on_both_paths(|talk| {
        with_household(talk);
        let now = talk.time_of(A);
        assert_eq!(talk.device(A).ready_request(now).expect("the database goes on"), None);
        for seed in 0..24 {
            talk.exec(
                A,
                "INSERT INTO household (id, name) VALUES (?, ?)",
                &[text(&seed.to_string()), text(&noise(100_000, seed))],
            );
            talk.pass_ms(5_000);
            talk.input(A, Input::Tick);
        }
        let waiting: Vec<usize> = talk.durable(A).sealed.iter().map(|entry| entry.total_bytes).collect();
        assert!(waiting.len() == 24 && waiting.iter().all(|bytes| *bytes <= SINGLE_MESSAGE_BYTES), "{waiting:?}");
        let now = talk.time_of(A);
        let request = talk.device(A).ready_request(now).expect("the database goes on").expect("much waits");
        let sent: Vec<usize> = request
            .iter()
            .filter_map(|m| if let ClientMessage::Submit(s) = m { Some(s.bytes.len()) } else { None })
            .collect();
        assert_eq!(sent, waiting[..sent.len()], "in order");
        let bytes: usize = sent.iter().sum();
        assert!(bytes <= 1 << 20 && bytes + waiting[sent.len()] > 1 << 20, "as many as fit: {bytes}");
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
    });
}

#[test]
fn cs13_a_device_that_confirms_is_sent_commit_after_commit() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        talk.sync(B);
        for step in 0..12 {
            talk.exec(A, "UPDATE household SET name = ?", &[text(&noise(60_000, step))]);
            while talk.up(A) || talk.down(A) {}
            let pushed = talk.waiting_for(B);
            assert!(matches!(pushed.as_slice(), [ServerMessage::Range(_)]), "{step}: {pushed:?}");
            while talk.down(B) || talk.up(B) {}
        }
        talk.assert_in_step();
    });
}

/// A's changeset as it would go up in chunks, none of them delivered.
fn uploads(talk: &mut Dialogue) -> Vec<Chunk> {
    talk.exec(A, "UPDATE household SET name = ?", &[text(&noise(2 * CHUNK_BYTES, 3))]);
    talk.connect(A);
    talk.up(A);
    talk.down(A);
    let chunks = chunks(talk.sent_by(A));
    assert!(chunks.len() > 1);
    chunks
}

#[test]
fn sv127_the_last_chunk_may_ask_for_the_decision_and_an_earlier_one_asks_in_vain() {
    let mut talk = Dialogue::new(2, TwoPhase::Always);
    with_household(&mut talk);
    let chunks = uploads(&mut talk);
    let count = chunks.len() as u32;
    for chunk in chunks {
        let hello = ClientMessage::Hello(hello(&mut talk, A));
        let next = chunk.index + 1;
        let replies = talk.mail(A, &[hello, ClientMessage::Stage(Chunk { then: Then::Commit, ..chunk })]);
        match next == count {
            true => assert!(replies.iter().any(|m| matches!(m, ServerMessage::Receipt(_))), "{replies:?}"),
            false => {
                let staged = ServerMessage::Staged { device_seq: DeviceSeq(2), next_chunk: next };
                assert_eq!(replies.last(), Some(&staged));
            }
        }
    }
    assert_eq!(talk.head(), Seq(2));
    talk.cut(A);
    talk.visit(A);
    talk.visit(B);
    talk.assert_in_step();
}

#[test]
fn sv125_one_message_may_hold_a_changeset_as_long_as_the_bound() {
    let mut talk = Dialogue::new(1, TwoPhase::Auto);
    talk.exec(A, "INSERT INTO household (id) VALUES ('h')", &[]);
    talk.visit(A);
    for (bytes, expected) in [(CHANGESET_BYTES, RefusalCode::Malformed), (CHANGESET_BYTES + 1, RefusalCode::TooLarge)] {
        let mut hello = hello(&mut talk, A);
        hello.next_device_seq = DeviceSeq(3);
        let connection = talk.mail(A, &[ClientMessage::Hello(hello), crate::script::submit(2, vec![0x55; bytes])]);
        let refused = matches!(connection.last(), Some(ServerMessage::Refused(r)) if r.code == expected);
        assert!(refused, "{connection:?}");
    }
}

#[test]
fn sv128_the_history_is_served_from_the_floor_on() {
    on_both_paths(|talk| {
        with_household(talk);
        let mut cursors: Vec<Cursor> = Vec::new();
        for step in 0..4 {
            talk.exec(A, "UPDATE household SET doses = ?", &[Value::Integer(step)]);
            talk.visit(A);
            cursors.push(talk.durable(A).state.cursor);
        }
        talk.pass_ms(RETENTION_MS + 1);
        talk.exec(A, "UPDATE household SET doses = 9", &[]);
        talk.visit(A);
        talk.space.prune(talk.now);
        let floor = talk.space.floor();
        assert!(cursors[0].seq < floor && cursors.iter().any(|cursor| cursor.seq == floor));
        for cursor in cursors {
            let hello = ClientMessage::Hello(hello(talk, A));
            let pull = ClientMessage::Pull { cursor, max_bytes: 100_000, held: None };
            let replies = talk.mail(A, &[hello, pull]);
            let last = replies.last().expect("an answer");
            match cursor.seq < floor {
                true => assert!(matches!(last, ServerMessage::Refused(r) if r.code == RefusalCode::SnapshotNeeded)),
                false => assert!(matches!(last, ServerMessage::Range(range) if range.from == cursor.seq), "{last:?}"),
            }
        }
        // The floor's own chain is still known: whoever is there with another history is told so.
        let hello = ClientMessage::Hello(hello(talk, A));
        let cursor = Cursor { seq: floor, ..Cursor::default() };
        let replies = talk.mail(A, &[hello, ClientMessage::Pull { cursor, max_bytes: 100_000, held: None }]);
        let refused =
            matches!(replies.last(), Some(ServerMessage::Refused(r)) if r.code == RefusalCode::UnknownHistory);
        assert!(refused, "{replies:?}");
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT doses FROM household"), ebbtide_core::value::Value::Integer(9));
    });
}

#[test]
fn cs180_that_there_is_a_network_connects_nobody_who_does_not_want_to_sync() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.restart(A);
        let connects = |talk: &Dialogue| talk.took(A, |output| *output == Output::Connect);
        talk.input(A, Input::Online(true));
        assert!(!connects(talk));
        talk.input(A, Input::Start);
        assert!(connects(talk));
    });
}
