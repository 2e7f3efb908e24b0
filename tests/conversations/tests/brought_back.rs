//! What several copies of one database bring back into a space that was set back, or one of them brings it back and another sends it for the first
//! time: it counts once, and nobody is told that it is refused.

use crate::script::{A, B, of_users, value};
use ebbtide_core::client::{Input, TwoPhase};
use ebbtide_core::message::ClientMessage;
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::local::RejectedRecord;
use ebbtide_store::schema::Schema;

const TALLY: &str = "CREATE TABLE tally (id TEXT PRIMARY KEY NOT NULL, doses INTEGER NOT NULL DEFAULT 0) STRICT";
const FIRST: &str = "INSERT INTO tally (id) VALUES ('t')";
const MORE: &str = "UPDATE tally SET doses = doses + 1";

fn schema() -> Schema {
    let tables = serde_json::json!({ "tally": { "merge": { "doses": "sum" } } });
    serde_json::from_value(serde_json::json!({ "migrations": [TALLY], "tables": tables })).expect("a schema")
}

/// Two devices of one user, who know nothing yet, by each commit path.
fn on_both_paths(script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        script(&mut Dialogue::with_schema(2, two_phase, schema()));
    }
}

fn with_tally(talk: &mut Dialogue) {
    talk.exec(A, FIRST, &[]);
    [A, B].into_iter().for_each(|party| talk.visit(party));
}

/// A device of the same user that is a copy of A as it is now.
fn copy_of_a(talk: &mut Dialogue) -> usize {
    let copy = talk.backup(A);
    let clone = talk.add("C", "ada");
    talk.restore(clone, &copy);
    clone
}

fn seal_offline(talk: &mut Dialogue, party: usize) {
    talk.pass_ms(5_000);
    talk.input(party, Input::Tick);
}

/// Connects, as often as it takes a device to begin a new life where two histories and two copies have to be told apart.
pub fn come_by(talk: &mut Dialogue, party: usize) {
    for _ in 0..4 {
        talk.connect(party);
        talk.settle();
        talk.cut(party);
    }
}

/// Everybody comes by until all know everything, and there is one dose more.
fn all_have_one_dose(talk: &mut Dialogue, clone: usize) {
    [A, clone, B, A].into_iter().for_each(|party| come_by(talk, party));
    talk.assert_in_step();
    assert_eq!(value(talk, B, "SELECT doses FROM tally"), Value::Integer(1), "{}", talk.transcript());
}

fn rejected(talk: &mut Dialogue, party: usize) -> Vec<RejectedRecord> {
    talk.device(party).database().rejected().expect("a list")
}

#[test]
fn sv245_a_life_that_is_registered_anew_does_not_send_again_what_its_successor_brought_back() {
    on_both_paths(|talk| {
        let before_a = talk.space.backup();
        talk.exec(A, FIRST, &[]);
        seal_offline(talk, A);
        talk.exec(A, MORE, &[]);
        seal_offline(talk, A);
        assert_eq!(talk.durable(A).sealed.len(), 2);
        let clone = copy_of_a(talk);
        talk.visit(A);
        talk.restore_space(&before_a);
        // It begins a new life, and the space forgets once more whom it follows.
        talk.connect(A);
        assert!(talk.up(A) && talk.down(A));
        talk.restore_space(&before_a);
        come_by(talk, A);
        all_have_one_dose(talk, clone);
    });
}

#[test]
fn sv245_nor_does_a_life_that_a_set_back_made_live_again() {
    on_both_paths(|talk| {
        with_tally(talk);
        talk.exec(A, MORE, &[]);
        let clone = copy_of_a(talk);
        let before_its_successor = talk.space.backup();
        talk.visit(A);
        // The second time, the device names only the life that followed the one of the copy.
        for _ in 0..2 {
            talk.restore_space(&before_its_successor);
            come_by(talk, A);
        }
        all_have_one_dose(talk, clone);
    });
}

/// A device has asked what the space has, and is about to send the rest.
pub fn ask_and_stop(talk: &mut Dialogue, party: usize) {
    let sends = |message: &ClientMessage| matches!(message, ClientMessage::Submit(_) | ClientMessage::Stage(_));
    talk.connect(party);
    let mut lives = 0;
    while !talk.sent_by(party).iter().any(sends) {
        if talk.up(party) || talk.down(party) || talk.reconnect(party) {
            continue;
        }
        lives += 1;
        assert!(lives < 4, "{}", talk.transcript());
        talk.cut(party);
        talk.connect(party);
    }
    talk.cut(party);
    assert!(!talk.durable(party).state.recovering);
}

/// A and a copy of it have both asked what a space has that was set back, and only A has sent the rest; the other one may not write any more.
fn with_a_reader_who_asked(talk: &mut Dialogue) -> usize {
    with_tally(talk);
    let backup = talk.space.backup();
    talk.exec(A, MORE, &[]);
    talk.visit(A);
    let clone = copy_of_a(talk);
    talk.restore_space(&backup);
    [A, clone].into_iter().for_each(|party| ask_and_stop(talk, party));
    come_by(talk, A);
    talk.may_write(clone, false);
    clone
}

#[test]
fn sv246_what_the_space_has_is_not_refused_to_a_reader_who_brings_it_back() {
    on_both_paths(|talk| {
        let clone = with_a_reader_who_asked(talk);
        all_have_one_dose(talk, clone);
        assert!(rejected(talk, clone).is_empty(), "{}", talk.transcript());
    });
}

#[test]
fn sv246_what_it_does_not_have_is_refused_to_a_reader_beside_that() {
    on_both_paths(|talk| {
        let clone = with_a_reader_who_asked(talk);
        talk.exec(clone, MORE, &[]);
        all_have_one_dose(talk, clone);
        let reasons: Vec<_> = rejected(talk, clone).iter().map(|one| one.reason.code()).collect();
        assert_eq!(reasons, ["forbidden"], "{}", talk.transcript());
    });
}

#[test]
fn cs202_what_several_runs_of_a_database_sent_counts_once_however_often_the_space_is_set_back() {
    on_both_paths(|talk| {
        with_tally(talk);
        for _ in 0..3 {
            talk.restart(A);
            talk.exec(A, MORE, &[]);
            talk.visit(A);
        }
        let backup = talk.space.backup();
        for doses in [4, 5] {
            talk.exec(A, MORE, &[]);
            talk.visit(A);
            // Each time the device keeps again what the space still has, under the names that it was sent by.
            talk.restore_space(&backup);
            come_by(talk, A);
            assert_eq!(value(talk, A, "SELECT doses FROM tally"), Value::Integer(doses), "{}", talk.transcript());
        }
        [B, A].into_iter().for_each(|party| come_by(talk, party));
        talk.assert_in_step();
    });
}

#[test]
fn sv245_what_comes_with_that_for_the_first_time_counts_too() {
    on_both_paths(|talk| {
        with_tally(talk);
        let backup = talk.space.backup();
        let clone = talk.add("C", "ada");
        // The copy has the first of two transactions that were captured in one run and are sealed together.
        talk.exec(A, "INSERT INTO tally (id) VALUES ('u')", &[]);
        let image = talk.image_while_open(A);
        talk.restore(clone, &image);
        talk.exec(A, "UPDATE tally SET doses = doses + 1 WHERE id = 't'", &[]);
        talk.visit(A);
        talk.restore_space(&backup);
        ask_and_stop(talk, A);
        come_by(talk, clone);
        [A, clone, B, A].into_iter().for_each(|party| come_by(talk, party));
        assert!(rejected(talk, A).is_empty(), "{}", talk.transcript());
        for party in [A, B, clone] {
            let shown = talk.query(party, "SELECT id, doses FROM tally ORDER BY id");
            let expected = [("t", 1), ("u", 0)].map(|(id, doses)| [Value::Text(id.into()), Value::Integer(doses)]);
            assert_eq!(shown, expected, "{}", talk.transcript());
        }
        talk.assert_in_step();
    });
}

#[test]
fn cs280_a_text_that_was_written_on_lost_words_replaces_nobody_s() {
    for sent in [false, true] {
        for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
            let tables = serde_json::json!({ "note": { "merge": { "words": "text" } } });
            let note = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, words TEXT) STRICT";
            let schema = serde_json::json!({ "migrations": [note], "tables": tables });
            let mut talk = of_users(3, two_phase, serde_json::from_value(schema).expect("a schema"));
            talk.exec(A, "INSERT INTO note VALUES ('n', 'one')", &[]);
            [A, B, 2].into_iter().for_each(|party| talk.visit(party));
            let backup = talk.space.backup();
            talk.exec(B, "UPDATE note SET words = 'x one'", &[]);
            [B, A].into_iter().for_each(|party| talk.visit(party));
            talk.exec(A, "UPDATE note SET words = 'x one a'", &[]);
            talk.exec(A, "INSERT INTO note VALUES ('between', '')", &[]);
            talk.exec(A, "UPDATE note SET words = 'x one a b' WHERE id = 'n'", &[]);
            if sent {
                talk.visit(A);
            }
            talk.restore_space(&backup);
            talk.exec(2, "UPDATE note SET words = 'one c'", &[]);
            [2, A, B, A, 2].into_iter().for_each(|party| come_by(&mut talk, party));
            talk.assert_in_step();
            let Value::Text(words) = value(&mut talk, 2, "SELECT words FROM note WHERE id = 'n'") else {
                unreachable!()
            };
            let mut words: Vec<&str> = words.split_whitespace().collect();
            words.sort_unstable();
            words.dedup();
            assert_eq!(words, ["a", "b", "c", "one", "x"], "{}", talk.transcript());
        }
    }
}
