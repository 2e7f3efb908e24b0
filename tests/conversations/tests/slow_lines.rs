//! Lines so slow, or so short, that a large commit does not come in one answer: each answer brings it further.

use crate::script::{A, B, hello, noise, on_both_paths, text, with_household};
use ebbtide_core::client::{Input, TwoPhase};
use ebbtide_core::limits::{
    ANSWER_TIMEOUT_MOST_MS, ANSWER_TIMEOUT_MS, FIRST_PAGE_BYTES, PAGE_BYTES, PART_BYTES, SLOW_START_BYTES,
};
use ebbtide_core::message::{ClientMessage, HeldParts, Part, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_protocol::{encode_client, encode_server};
use ebbtide_simulator::dialogue::Dialogue;

/// Letters of a name whose commit is larger than the first two pages together.
const LETTERS: usize = 1_900_000;

fn large_commit(talk: &mut Dialogue, seed: u64) {
    talk.exec(B, "UPDATE household SET name = ?", &[text(&noise(LETTERS, seed))]);
    talk.visit(B);
}

fn part_bytes(messages: &[ServerMessage]) -> usize {
    let bytes = |message: &ServerMessage| if let ServerMessage::Part(part) = message { part.bytes.len() } else { 0 };
    messages.iter().map(bytes).sum()
}

fn first_part(messages: &[ServerMessage]) -> Option<u32> {
    messages.iter().find_map(|message| if let ServerMessage::Part(part) = message { Some(part.index) } else { None })
}

/// Until the space has answered a pull.
fn pull(talk: &mut Dialogue) -> Vec<ServerMessage> {
    for _ in 0..20 {
        let pulls = matches!(talk.sent_by(A).as_slice(), [.., ClientMessage::Pull { .. }]);
        assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
        if pulls {
            return talk.waiting_for(A);
        }
    }
    panic!("nothing is pulled: {}", talk.transcript());
}

#[test]
fn sv237_a_welcome_is_not_held_up_by_a_large_commit() {
    on_both_paths(|talk| {
        with_household(talk);
        large_commit(talk, 1);
        talk.connect(A);
        talk.up(A);
        let greeting = talk.waiting_for(A);
        assert!(matches!(greeting[..], [ServerMessage::Welcome(_), ..]));
        assert!(part_bytes(&greeting) < FIRST_PAGE_BYTES, "{} bytes", part_bytes(&greeting));
        talk.settle();
        talk.assert_in_step();
    });
}

#[test]
fn cs228_a_large_commit_comes_over_a_line_that_breaks_after_every_answer() {
    on_both_paths(|talk| {
        with_household(talk);
        large_commit(talk, 1);
        let (mut connections, mut expected) = (0, 0);
        while talk.durable(A).state.cursor.seq < talk.head() {
            talk.connect(A);
            let answer = pull(talk);
            let bytes = part_bytes(&answer);
            assert!((1..=PAGE_BYTES).contains(&bytes), "{bytes} bytes in one answer");
            assert_eq!(first_part(&answer), Some(expected), "what is here does not come again");
            expected += bytes.div_ceil(PART_BYTES) as u32;
            while talk.down(A) {}
            talk.cut(A);
            talk.pass_ms(60_000);
            connections += 1;
        }
        assert!((2..10).contains(&connections), "{connections} connections");
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs228_parts_of_a_history_that_is_lost_are_not_put_together_with_others() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.visit(B);
        let backup = talk.space.backup();
        large_commit(talk, 1);
        talk.connect(A);
        let first = pull(talk);
        assert_eq!(first_part(&first), Some(0));
        while talk.down(A) {}
        talk.cut(A);
        talk.restore_space(&backup);
        talk.pass_ms(60_000);
        large_commit(talk, 2);
        talk.visit(A);
        talk.visit(B);
        talk.visit(A);
        talk.assert_in_step();
        talk.assert_intact(A);
    });
}

#[test]
fn cs227_less_is_asked_for_where_no_answer_came() {
    on_both_paths(|talk| {
        with_household(talk);
        large_commit(talk, 1);
        let asked = |talk: &Dialogue| match talk.sent_by(A).last() {
            Some(ClientMessage::Pull { max_bytes, .. }) => *max_bytes,
            other => panic!("{other:?}"),
        };
        let mut sizes = Vec::new();
        for _ in 0..4 {
            talk.connect(A);
            while !matches!(talk.sent_by(A).last(), Some(ClientMessage::Pull { .. })) {
                assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
            }
            sizes.push(asked(talk));
            talk.lose_up(A);
            talk.pass_ms(ANSWER_TIMEOUT_MOST_MS);
            talk.input(A, Input::Tick);
            talk.pass_ms(60_000);
        }
        let least = PART_BYTES as u32;
        assert_eq!(sizes, [SLOW_START_BYTES, SLOW_START_BYTES / 2, least, least]);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs227_of_a_large_commit_each_answer_brings_twice_as_much_as_the_one_before() {
    on_both_paths(|talk| {
        with_household(talk);
        large_commit(talk, 1);
        talk.connect(A);
        let mut asked = Vec::new();
        while talk.durable(A).state.cursor.seq < talk.head() {
            if let Some(ClientMessage::Pull { max_bytes, .. }) = talk.sent_by(A).first() {
                asked.push(*max_bytes);
            }
            assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
        }
        assert_eq!(asked, [1, 2, 4].map(|times| times * SLOW_START_BYTES));
        talk.settle();
        talk.assert_in_step();
    });
}

/// Bytes that a line carries in a second: a chunk takes longer than the usual wait for an answer, and so does a part of a commit.
const BYTES_PER_S: usize = 2_000;

/// What the line carries next.
fn bytes_on_the_line(talk: &Dialogue, party: usize) -> usize {
    match (talk.waiting_for(party), talk.sent_by(party)) {
        (down, _) if !down.is_empty() => encode_server(&down).len(),
        (_, up) => encode_client(&up[..up.len().min(1)]).len(),
    }
}

/// Connects over and over until `done`; what is said takes its time. Answers how often.
fn over_a_slow_line(talk: &mut Dialogue, party: usize, done: impl Fn(&mut Dialogue) -> bool) -> usize {
    for connections in 1..12 {
        talk.connect(party);
        loop {
            talk.pass_ms((bytes_on_the_line(talk, party) / BYTES_PER_S * 1_000) as u64);
            talk.input(party, Input::Tick);
            if !(talk.down(party) || talk.up(party)) {
                break;
            }
        }
        if done(talk) {
            return connections;
        }
        talk.pass_ms(60_000);
    }
    panic!("it does not get on: {}", talk.transcript());
}

#[test]
fn cs229_what_takes_longer_than_the_usual_wait_arrives_all_the_same() {
    on_both_paths(|talk| {
        with_household(talk);
        let unsent = |talk: &mut Dialogue| talk.durable(A).sealed.iter().all(|entry| entry.receipt.is_some());
        talk.exec(A, "UPDATE household SET name = ?", &[text(&noise(400_000, 1))]);
        assert!(over_a_slow_line(talk, A, unsent) > 1, "the usual wait is too short");
        let arrived = |talk: &mut Dialogue| talk.durable(B).state.cursor.seq == talk.head();
        assert!(over_a_slow_line(talk, B, arrived) > 1, "the usual wait is too short");
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

/// Seconds until a device gives up a connection on which its write gets lost.
fn given_up_after(talk: &mut Dialogue) -> u64 {
    talk.connect(A);
    talk.settle();
    talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
    talk.lose_up(A);
    let mut seconds = 0;
    while talk.device(A).session().status().reason.is_none() {
        talk.pass_ms(1_000);
        talk.input(A, Input::Tick);
        seconds += 1;
    }
    talk.pass_ms(60_000);
    seconds
}

#[test]
fn cs229_after_quick_answers_a_dead_line_is_given_up_as_early_as_ever() {
    on_both_paths(|talk| {
        with_household(talk);
        let usual = ANSWER_TIMEOUT_MS / 1_000;
        assert_eq!(given_up_after(talk), usual);
        for _ in 0..3 {
            talk.visit(A);
        }
        assert_eq!(given_up_after(talk), usual);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

/// A commit of B's that is larger than a page, and the first part of it.
fn commit_of_many_parts(talk: &mut Dialogue) -> Part {
    let photos = [1, 2].map(|seed| Value::Blob(noise(LETTERS, seed).into_bytes()));
    talk.exec(B, "INSERT INTO household (id, photo) VALUES ('1', ?), ('2', ?)", &photos);
    talk.visit(B);
    match answer(talk, 1, None).remove(0) {
        ServerMessage::Part(part) => part,
        other => panic!("{other:?}"),
    }
}

/// A hello of A, and a pull that says which parts are there.
fn question(talk: &mut Dialogue, max_bytes: u32, held: Option<HeldParts>) -> [ClientMessage; 2] {
    let cursor = talk.durable(A).state.cursor;
    [ClientMessage::Hello(hello(talk, A)), ClientMessage::Pull { cursor, max_bytes, held }]
}

/// What the space answers to the pull.
fn answer(talk: &mut Dialogue, max_bytes: u32, held: Option<HeldParts>) -> Vec<ServerMessage> {
    let question = question(talk, max_bytes, held);
    let greeted = talk.mail(A, &question[..1]).len();
    talk.mail(A, &question).split_off(greeted)
}

/// The parts before `next` are there.
fn holding(part: &Part, next: u32) -> Option<HeldParts> {
    Some(HeldParts { seq: part.seq, chain: part.chain, count: part.count, next })
}

/// B writes, and what A is pushed waits.
fn write_beside(talk: &mut Dialogue, sql: &str) {
    talk.connect(B);
    talk.exec(B, sql, &[]);
    while talk.up(B) || talk.down(B) {}
    talk.cut(B);
}

#[test]
fn sv237_an_answer_has_no_more_parts_than_a_page_whatever_is_asked_for() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    commit_of_many_parts(&mut talk);
    assert_eq!(part_bytes(&answer(&mut talk, u32::MAX, None)), PAGE_BYTES);
}

#[test]
fn cs228_whoever_asks_with_all_parts_in_hand_gets_the_last_and_is_told_of_what_follows_if_anything_does() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    let first = commit_of_many_parts(&mut talk);
    let held = holding(&first, first.count);
    let answered = answer(&mut talk, 1, held);
    assert!(matches!(&answered[..], [ServerMessage::Part(part)] if part.index == first.count - 1), "{answered:?}");
    write_beside(&mut talk, "UPDATE household SET doses = 1");
    let (answered, head) = (answer(&mut talk, 1, held), talk.head());
    assert!(matches!(&answered[..], [ServerMessage::Part(_), ServerMessage::Head { seq }] if *seq == head));
}

#[test]
fn sv231_parts_that_are_not_confirmed_count_and_what_follows_them_is_only_announced() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    let first = commit_of_many_parts(&mut talk);
    let in_a_page = (PAGE_BYTES / PART_BYTES) as u32;
    let question = question(&mut talk, PAGE_BYTES as u32, holding(&first, first.count - in_a_page));
    talk.connect(A);
    talk.lose_up(A);
    let answered = talk.raw(A, &encode_client(&question)).expect("an answer");
    assert!(matches!(answered.last(), Some(ServerMessage::Part(part)) if part.index == first.count - 1), "to the end");
    write_beside(&mut talk, "UPDATE household SET doses = 1");
    assert!(matches!(talk.waiting_for(A).as_slice(), [ServerMessage::Head { .. }]), "{:?}", talk.waiting_for(A));
}
