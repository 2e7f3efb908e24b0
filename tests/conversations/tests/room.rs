//! How much the space says in one event: what does not fit is announced or asked for again, and nobody waits in vain.

use crate::script::{A, B, hello, noise, on_both_paths, sealed_by_hand, stage, submit, text, value, with_household};
use ebbtide_core::change::{Base, Change, Field, Mutation, RowId, Transaction};
use ebbtide_core::client::{Input, TwoPhase};
use ebbtide_core::clock::Stamp;
use ebbtide_core::error::RefusalCode;
use ebbtide_core::ids::{Cursor, DeviceSeq};
use ebbtide_core::limits::{ANSWER_BYTES, FIRST_PAGE_BYTES, PAGE_BYTES, PUSH_WINDOW_BYTES, UNASKED_BYTES};
use ebbtide_core::message::{ClientMessage, Range, Recall, ServerMessage};
use ebbtide_core::value::{Key, Value};
use ebbtide_protocol::encode_client;
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

fn is_refused_for_now(message: &ServerMessage) -> bool {
    matches!(message, ServerMessage::Refused(refusal) if refusal.code == RefusalCode::Internal)
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
        // What is short in any case, and a hello, after which the connection is nobody's.
        let state = talk.durable(A).state;
        let recall = Recall { origin: state.incarnation, stamps: vec![Stamp(1)], ..Recall::default() };
        messages.push(ClientMessage::Recall(recall));
        messages.push(ClientMessage::Applied { seq: state.cursor.seq, applied_receipt: DeviceSeq(0) });
        messages.push(greeting[0].clone());
        messages.push(ClientMessage::Pull { cursor: state.cursor, max_bytes: PAGE_BYTES as u32, held: None });
        let replies = talk.mail(A, &messages);
        let receipts = replies.iter().filter(|message| matches!(message, ServerMessage::Receipt(_))).count();
        let welcomes = replies.iter().filter(|message| matches!(message, ServerMessage::Welcome(_))).count();
        let recalled = replies.iter().filter(|message| matches!(message, ServerMessage::Recalled(_))).count();
        let pages: Vec<usize> = replies
            .iter()
            .filter_map(|message| if let ServerMessage::Page(page) = message { Some(page.bytes.len()) } else { None })
            .collect();
        assert_eq!((receipts, welcomes), (1, 1), "the first was decided, the second is to come again");
        assert_eq!(recalled, 1, "what became of transactions is told all the same");
        let bytes: usize = pages.iter().sum();
        assert!(bytes > 0 && bytes <= ANSWER_BYTES + PAGE_BYTES, "{bytes} bytes");
        let refused = replies.iter().filter(|message| is_refused_for_now(message)).count();
        assert_eq!(refused, 32 - pages.len() + 3, "pages, a changeset, a hello, and the pull after it");
        assert!(is_refused_for_now(replies.last().expect("an answer")), "{:?}", replies.last());
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

/// A hello of A, which has sealed more numbers than it has sent.
fn greeting(talk: &mut Dialogue) -> ClientMessage {
    let mut hello = hello(talk, A);
    hello.next_device_seq = DeviceSeq(10_000);
    ClientMessage::Hello(hello)
}

/// A transaction that is refused in so many words and some more: it changes a row that nobody has.
fn refused_in(talk: &Dialogue, letters: usize) -> Transaction {
    let catalogue = talk.space.catalogue();
    let table = catalogue.table_id("household").expect("a table");
    let column = catalogue.table(table).and_then(|table| table.column_of("doses")).expect("a column");
    let mutation = Mutation::Update(vec![Field { column, value: Value::Integer(1) }]);
    let row = RowId { table, key: Key(vec![text(&"x".repeat(letters))]) };
    let changes = vec![Change { row, mutation, base: Base::default() }];
    Transaction { stamp: Stamp(1 << 16), changes, ..Transaction::default() }
}

/// The same in a changeset of A's, beside a transaction that makes a row.
fn refused_in_part(talk: &Dialogue, number: u64, letters: usize) -> ClientMessage {
    let catalogue = talk.space.catalogue();
    let table = catalogue.table_id("household").expect("a table");
    let fields = catalogue.table(table).expect("a table").fields();
    let values = fields.map(|(_, column)| column.default.clone().unwrap_or_default()).collect();
    let row = RowId { table, key: Key(vec![text(&format!("of {number}"))]) };
    let changes = vec![Change { row, mutation: Mutation::Insert(values), base: Base::default() }];
    let made = Transaction { stamp: Stamp(2 << 16), changes, ..Transaction::default() };
    submit(number, sealed_by_hand(talk, number, vec![refused_in(talk, letters), made]))
}

/// So many letters are said of a refusal that a page holds two of them and not three.
const LETTERS: usize = PAGE_BYTES * 2 / 5;

fn verdicts(messages: &[ServerMessage]) -> Vec<u64> {
    let number = |message: &ServerMessage| match message {
        ServerMessage::Receipt(receipt) => Some(receipt.device_seq.0),
        _ => None,
    };
    messages.iter().filter_map(number).collect()
}

#[test]
fn sv230_of_long_verdicts_without_a_commit_the_newest_come_with_a_welcome_as_far_as_a_page_goes() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    let greeting = greeting(&mut talk);
    for number in 2..=4 {
        let bytes = sealed_by_hand(&talk, number, vec![refused_in(&talk, LETTERS)]);
        talk.mail(A, &[greeting.clone(), submit(number, bytes)]);
    }
    assert_eq!(verdicts(&talk.mail(A, &[greeting])), [3, 4]);
}

#[test]
fn sv230_a_page_of_own_commits_ends_where_their_verdicts_fill_one_and_the_rest_is_announced() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    let greeting = greeting(&mut talk);
    for number in 2..=4 {
        let changeset = refused_in_part(&talk, number, LETTERS);
        talk.mail(A, &[greeting.clone(), changeset]);
    }
    let first = talk.mail(A, std::slice::from_ref(&greeting));
    assert_eq!(verdicts(&first), [2, 3]);
    assert!(is_announced(&mut talk, &first), "{:?}", first.last());
    let range = ranges(&first).pop().expect("a range");
    assert_eq!(range.items.len(), 2, "a commit comes with its verdict");
    let cursor = Cursor { seq: range.upto, chain: range.chain, ..Cursor::default() };
    let pull = ClientMessage::Pull { cursor, max_bytes: PAGE_BYTES as u32, held: None };
    let second = talk.mail(A, &[greeting, pull]).split_off(first.len());
    assert_eq!((verdicts(&second), ranges(&second)[0].items.len()), (vec![4], 1));
}

#[test]
fn sv230_whoever_was_told_all_there_is_hears_of_no_more_and_is_pushed_what_comes() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    long_history(&mut talk, 1);
    let greeting = greeting(&mut talk);
    for number in 2..=3 {
        let changeset = refused_in_part(&talk, number, LETTERS);
        talk.mail(A, &[greeting.clone(), changeset]);
    }
    talk.connect(A);
    talk.lose_up(A);
    // With the first verdict comes all of the history, which leaves no room beside the second.
    let mut messages = vec![greeting];
    for number in 4..=5 {
        let bytes = sealed_by_hand(&talk, number, vec![refused_in(&talk, 1)]);
        messages.push(submit(number, bytes));
    }
    let replies = talk.raw(A, &encode_client(&messages)).expect("an answer");
    assert_eq!(ranges(&replies).pop().expect("a range").upto, talk.head());
    assert!(matches!(replies.last(), Some(ServerMessage::Receipt(_))), "{:?}", replies.last());
    let applied = ClientMessage::Applied { seq: talk.head(), applied_receipt: DeviceSeq(0) };
    talk.raw(A, &encode_client(&[applied])).expect("an answer");
    talk.connect(B);
    talk.exec(B, "UPDATE household SET doses = 5", &[]);
    while talk.up(B) || talk.down(B) {}
    assert!(matches!(talk.waiting_for(A).as_slice(), [ServerMessage::Range(_)]), "{:?}", talk.waiting_for(A));
}

#[test]
fn sv230_what_is_said_of_many_transactions_fills_the_room_for_answers_too() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    let greeting = greeting(&mut talk);
    let stamps: Vec<Stamp> = (1..=2_000).map(|ms| Stamp(ms << 16)).collect();
    let nothing = |stamp: &Stamp| Transaction { stamp: *stamp, ..Transaction::default() };
    let bytes = sealed_by_hand(&talk, 2, stamps.iter().map(nothing).collect());
    talk.mail(A, &[greeting.clone(), submit(2, bytes)]);
    let origin = talk.durable(A).state.incarnation;
    let mut messages = vec![greeting];
    messages.resize(1 + 200, ClientMessage::Recall(Recall { origin, stamps, ..Recall::default() }));
    messages.push(ClientMessage::Snapshot { token: None, max_bytes: PAGE_BYTES as u32 });
    let replies = talk.mail(A, &messages);
    let whole = |message: &&ServerMessage| matches!(message, ServerMessage::Recalled(of) if of.accepted.len() == 2_000);
    assert_eq!(replies.iter().filter(whole).count(), 200);
    assert!(is_refused_for_now(replies.last().expect("an answer")), "{:?}", replies.last());
}

#[test]
fn sv230_catalogues_fill_the_room_for_answers_by_their_columns() {
    let columns: Vec<String> = (1..100).map(|column| format!("c{column} TEXT")).collect();
    let table =
        |name: &str| format!("CREATE TABLE {name} (id TEXT PRIMARY KEY NOT NULL, {}) STRICT", columns.join(", "));
    let names = ["first", "second", "third"];
    let tables: serde_json::Map<_, _> = names.iter().map(|name| ((*name).into(), serde_json::json!({}))).collect();
    let shape = serde_json::json!({ "migrations": names.map(table), "tables": tables });
    let mut talk = Dialogue::with_schema(1, TwoPhase::Auto, serde_json::from_value(shape).expect("a schema"));
    talk.visit(A);
    let mut messages = vec![ClientMessage::Hello(hello(&mut talk, A))];
    messages.resize(1 + 1_000, ClientMessage::Catalogue { version: talk.space.catalogue().version });
    let replies = talk.mail(A, &messages);
    let told = replies.iter().filter(|message| matches!(message, ServerMessage::Catalogue(_))).count();
    assert!((500..1_000).contains(&told), "{told} catalogues");
    assert!(is_refused_for_now(replies.last().expect("an answer")), "{:?}", replies.last());
}

#[test]
fn sv230_predictions_fill_the_room_for_answers_by_what_they_tell() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    let bytes = sealed_by_hand(&talk, 2, vec![refused_in(&talk, LETTERS)]);
    let mut messages = vec![greeting(&mut talk)];
    messages.extend(stage(2, &bytes));
    messages.resize(messages.len() + 40, ClientMessage::Predict { upto: DeviceSeq(2) });
    let replies = talk.mail(A, &messages);
    let told = replies.iter().filter(|message| matches!(message, ServerMessage::Predicted(_))).count();
    assert_eq!(told, ANSWER_BYTES / LETTERS);
    assert!(is_refused_for_now(replies.last().expect("an answer")), "{:?}", replies.last());
}
