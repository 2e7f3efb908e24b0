//! How much the space says in one event: what does not fit is announced or asked for again, and nobody waits in vain.

use crate::script::{A, B, hello, noise, on_both_paths, text, value, with_household};
use ebbtide_core::client::Input;
use ebbtide_core::error::RefusalCode;
use ebbtide_core::ids::Cursor;
use ebbtide_core::limits::{ANSWER_BYTES, FIRST_PAGE_BYTES, PAGE_BYTES, PUSH_WINDOW_BYTES, UNASKED_BYTES};
use ebbtide_core::message::{ClientMessage, Range, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;

/// Bytes of a commit of B's that fit a page, and of which few do.
const COMMIT_BYTES: usize = 400_000;

/// Commits of B that A does not have.
fn long_history(talk: &mut Dialogue, commits: u64) {
    for seed in 0..commits {
        talk.exec(B, "UPDATE household SET name = ?", &[text(&noise(2 * COMMIT_BYTES, seed))]);
        talk.visit(B);
    }
}

fn ranges(messages: &[ServerMessage]) -> Vec<&Range> {
    messages
        .iter()
        .filter_map(|message| if let ServerMessage::Range(range) = message { Some(range) } else { None })
        .collect()
}

fn history_bytes(messages: &[ServerMessage]) -> usize {
    ranges(messages).iter().flat_map(|range| &range.items).filter_map(|item| item.body.encoded()).map(<[u8]>::len).sum()
}

fn is_announced(talk: &mut Dialogue, messages: &[ServerMessage]) -> bool {
    matches!(messages.last(), Some(ServerMessage::Head { seq }) if *seq == talk.head())
}

/// What waits on A, each transaction in a changeset of its own.
fn many_changesets(talk: &mut Dialogue, count: i64) -> Vec<ClientMessage> {
    for doses in 1..=count {
        talk.exec(A, "UPDATE household SET doses = ?", &[Value::Integer(doses)]);
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
    }
    let now = talk.time_of(A);
    talk.device(A).ready_request(now).expect("the database goes on").expect("something waits")
}

#[test]
fn sv230_many_decisions_in_one_message_bring_a_bounded_piece_of_the_history_and_announce_the_rest() {
    on_both_paths(|talk| {
        with_household(talk);
        long_history(talk, 12);
        let request = many_changesets(talk, 16);
        let replies = talk.mail(A, &request);
        let receipts = replies.iter().filter(|message| matches!(message, ServerMessage::Receipt(_))).count();
        assert_eq!(receipts, 16, "all are decided");
        let bytes = history_bytes(&replies);
        let first_commit_and_more = COMMIT_BYTES..=FIRST_PAGE_BYTES.max(2 * COMMIT_BYTES) + UNASKED_BYTES;
        assert!(first_commit_and_more.contains(&bytes), "{bytes} bytes");
        assert!(is_announced(talk, &replies), "{:?}", replies.last());
        talk.input(A, Input::Delivered(replies));
        talk.visit(A);
        assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(16));
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn sv230_a_device_that_was_only_told_of_the_history_pulls_it_and_is_pushed_to_again() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        // While it is connected and hears nothing, the history grows beyond what is pushed.
        long_history(talk, 4);
        talk.exec(A, "UPDATE household SET doses = 7", &[]);
        talk.settle();
        talk.sync(B);
        talk.exec(B, "UPDATE household SET code = 'small'", &[]);
        while talk.up(B) || talk.down(B) {}
        assert!(matches!(talk.waiting_for(A).as_slice(), [ServerMessage::Range(_)]), "{:?}", talk.waiting_for(A));
        talk.settle();
        talk.assert_in_step();
    });
}

#[test]
fn sv230_of_many_pulls_in_one_message_the_last_are_told_to_come_again() {
    on_both_paths(|talk| {
        with_household(talk);
        long_history(talk, 6);
        let cursor = talk.durable(A).state.cursor;
        let pull = ClientMessage::Pull { cursor, max_bytes: PAGE_BYTES as u32, held: None };
        let mut messages = vec![ClientMessage::Hello(hello(talk, A))];
        messages.resize(1 + 16, pull);
        let replies = talk.mail(A, &messages);
        let bytes = history_bytes(&replies);
        assert!((ANSWER_BYTES - PAGE_BYTES..=ANSWER_BYTES + PAGE_BYTES).contains(&bytes), "{bytes} bytes");
        assert_eq!(ranges(&replies).len(), messages.len(), "each is answered");
        let last = ranges(&replies).pop().expect("a range");
        let nothing = Range { from: cursor.seq, upto: cursor.seq, chain: cursor.chain, items: Vec::new() };
        assert_eq!(*last, nothing);
        assert!(is_announced(talk, &replies), "{:?}", replies.last());
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn sv230_a_device_whose_pull_is_to_come_again_pulls_again() {
    on_both_paths(|talk| {
        with_household(talk);
        long_history(talk, 3);
        talk.connect(A);
        let pulls =
            |talk: &Dialogue| talk.sent_by(A).iter().any(|message| matches!(message, ClientMessage::Pull { .. }));
        while !pulls(talk) {
            assert!(talk.up(A) || talk.down(A), "the history is longer than the answer to a hello");
        }
        talk.lose_up(A);
        let Cursor { seq, chain, .. } = talk.durable(A).state.cursor;
        let nothing = Range { from: seq, upto: seq, chain, items: Vec::new() };
        let later = vec![ServerMessage::Range(nothing), ServerMessage::Head { seq: talk.head() }];
        talk.input(A, Input::Received(later));
        assert!(pulls(talk), "{:?}", talk.sent_by(A));
        talk.settle();
        talk.assert_in_step();
    });
}

#[test]
fn sv230_what_is_asked_beyond_the_bound_is_refused_for_now_and_what_came_before_stands() {
    on_both_paths(|talk| {
        with_household(talk);
        long_history(talk, 3);
        let request = many_changesets(talk, 2);
        let snapshot = ClientMessage::Snapshot { token: None, max_bytes: PAGE_BYTES as u32 };
        let (greeting, submits) = request.split_at(1);
        let mut messages = greeting.to_vec();
        messages.push(submits[0].clone());
        messages.resize(messages.len() + 32, snapshot);
        messages.push(submits[1].clone());
        messages.push(greeting[0].clone());
        let replies = talk.mail(A, &messages);
        let refused = |message: &&ServerMessage| matches!(message, ServerMessage::Refused(refusal) if refusal.code == RefusalCode::Internal);
        let receipts = replies.iter().filter(|message| matches!(message, ServerMessage::Receipt(_))).count();
        let welcomes = replies.iter().filter(|message| matches!(message, ServerMessage::Welcome(_))).count();
        let pages: usize = replies
            .iter()
            .map(|message| if let ServerMessage::Page(page) = message { page.bytes.len() } else { 0 })
            .sum();
        assert_eq!((receipts, welcomes), (1, 1), "the first was decided, the second is to come again");
        assert!(pages > 0 && pages <= ANSWER_BYTES + PAGE_BYTES, "{pages} bytes");
        assert!(replies.iter().filter(refused).count() >= 3, "{replies:?}");
        assert!(refused(&replies.last().expect("an answer")), "{:?}", replies.last());
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT doses FROM household"), Value::Integer(2));
    });
}

#[test]
fn sv231_a_commit_beyond_the_credit_window_is_announced_to_who_is_connected_and_pulled() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        talk.sync(B);
        for (seed, (bytes, is_pushed)) in
            [(PUSH_WINDOW_BYTES / 2, true), (PUSH_WINDOW_BYTES, false)].into_iter().enumerate()
        {
            // What does not deflate further is as long in the commit as half of it was here.
            talk.exec(A, "UPDATE household SET name = ?", &[text(&noise(2 * bytes, seed as u64))]);
            while talk.up(A) || talk.down(A) {}
            match is_pushed {
                true => assert!(matches!(talk.waiting_for(B).as_slice(), [ServerMessage::Range(_)])),
                false => assert!(matches!(talk.waiting_for(B).as_slice(), [ServerMessage::Head { .. }])),
            }
            talk.settle();
            talk.assert_in_step();
        }
        let photos = [1, 2].map(|seed| Value::Blob(noise(1_900_000, seed).into_bytes()));
        talk.exec(A, "INSERT INTO household (id, photo) VALUES ('1', ?), ('2', ?)", &photos);
        while talk.up(A) || talk.down(A) {}
        assert!(matches!(talk.waiting_for(B).as_slice(), [ServerMessage::Head { .. }]), "not in parts");
        talk.settle();
        talk.assert_in_step();
        talk.exec(A, "UPDATE household SET doses = 1", &[]);
        while talk.up(A) || talk.down(A) {}
        assert!(matches!(talk.waiting_for(B).as_slice(), [ServerMessage::Range(_)]), "pushes go on after a pull");
        talk.settle();
        talk.assert_in_step();
    });
}
