//! Two databases that speak as one device: whose bytes a verdict is on, and what a space decides of what the other one sealed.

use crate::script::{A, B, on_both_paths, refused, value, with_household};
use ebbtide_core::client::{Input, Output};
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;

fn recovered(talk: &Dialogue, party: usize) -> bool {
    talk.took(party, |output| matches!(output, Output::Recovered { .. }))
}

/// A device of the same user that is a copy of A as it is now.
fn copy_of_a(talk: &mut Dialogue) -> usize {
    let copy = talk.backup(A);
    let clone = talk.add("C", "ada");
    talk.restore(clone, &copy);
    clone
}

/// Everybody comes by until all know everything.
fn all_visit(talk: &mut Dialogue, parties: &[usize]) {
    for _ in 0..2 {
        parties.iter().for_each(|party| talk.visit(*party));
    }
    talk.assert_in_step();
}

#[test]
fn cs47_a_verdict_on_the_bytes_of_another_copy_is_none_on_its_own() {
    on_both_paths(|talk| {
        with_household(talk);
        let clone = copy_of_a(talk);
        talk.sync(clone);
        talk.sync(A);
        // Both seal the same number; the space hears of one.
        talk.exec(clone, "INSERT INTO visit (id, household) VALUES ('of c', 'h')", &[]);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('of a', 'h')", &[]);
        while talk.head().0 < 2 {
            assert!(talk.up(A) || talk.down(A));
        }
        while talk.down(clone) {}
        assert!(recovered(talk, clone), "{}", talk.transcript());
        talk.settle();
        [A, clone].into_iter().for_each(|party| talk.cut(party));
        all_visit(talk, &[A, clone, B]);
        assert_eq!(
            value(talk, B, "SELECT group_concat(id) FROM (SELECT id FROM visit ORDER BY id)"),
            Value::Text("of a,of c".into())
        );
    });
}

#[test]
fn cs47_a_number_that_was_never_sealed_here_is_of_another_copy() {
    on_both_paths(|talk| {
        with_household(talk);
        let clone = copy_of_a(talk);
        talk.sync(clone);
        talk.visit(A);
        talk.exec(A, "UPDATE household SET name = 'of a'", &[]);
        talk.sync(A);
        assert!(recovered(talk, clone), "{}", talk.transcript());
        [A, clone].into_iter().for_each(|party| talk.cut(party));
        talk.exec(clone, "UPDATE household SET doses = 4", &[]);
        all_visit(talk, &[A, clone, B]);
        assert_eq!(value(talk, B, "SELECT name || doses FROM household"), Value::Text("of a4".into()));
    });
}

#[test]
fn cs47_what_comes_by_another_way_for_another_life_is_passed_over() {
    on_both_paths(|talk| {
        with_household(talk);
        let clone = copy_of_a(talk);
        talk.exec(A, "UPDATE household SET name = 'of a'", &[]);
        seal_offline(talk, A);
        let request = request_of(talk, A);
        let replies = talk.mail(A, &request);
        assert!(replies.iter().any(|message| matches!(message, ServerMessage::Receipt(_))));
        talk.exec(clone, "UPDATE household SET doses = 4", &[]);
        seal_offline(talk, clone);
        let before = talk.durable(clone);
        talk.input(clone, Input::Delivered(replies));
        assert_eq!(talk.durable(clone), before, "meant for the other");
        all_visit(talk, &[A, clone, B]);
        assert_eq!(value(talk, B, "SELECT name || doses FROM household"), Value::Text("of a4".into()));
    });
}

fn seal_offline(talk: &mut Dialogue, party: usize) {
    talk.pass_ms(5_000);
    talk.input(party, Input::Tick);
    assert_eq!(talk.durable(party).sealed.len(), 1);
}

fn request_of(talk: &mut Dialogue, party: usize) -> Vec<ClientMessage> {
    let now = talk.time_of(party);
    talk.device(party).ready_request(now).expect("the database goes on").expect("something waits")
}

#[test]
fn cs48_a_hello_that_was_overtaken_is_said_again() {
    on_both_paths(|talk| {
        with_household(talk);
        let life = talk.durable(A).state.incarnation;
        talk.connect(A);
        // While the hello is under way, the service worker brings what was written after it.
        talk.exec(A, "UPDATE household SET doses = 4", &[]);
        seal_offline(talk, A);
        let request = request_of(talk, A);
        talk.mail(A, &request);
        talk.settle();
        assert!(!recovered(talk, A), "{}", talk.transcript());
        talk.cut(A);
        all_visit(talk, &[A, B]);
        assert_eq!(talk.durable(A).state.incarnation, life);
        assert_eq!(value(talk, B, "SELECT doses FROM household"), Value::Integer(4));
    });
}

#[test]
fn sv84_what_builds_on_bytes_that_another_copy_replaced_is_not_decided() {
    on_both_paths(|talk| {
        with_household(talk);
        let clone = copy_of_a(talk);
        talk.sync(clone);
        // Two numbers of the clone are under way when the other copy takes the first.
        talk.exec(clone, "INSERT INTO visit (id, household) VALUES ('of c', 'h')", &[]);
        talk.exec(clone, "UPDATE visit SET notes = 'more' WHERE id = 'of c'", &[]);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('of a', 'h')", &[]);
        talk.connect(A);
        while talk.head().0 < 2 {
            assert!(talk.up(A) || talk.down(A));
        }
        while talk.up(clone) {}
        assert_eq!(talk.head().0, 2, "{}", talk.transcript());
        talk.settle();
        [A, clone].into_iter().for_each(|party| talk.cut(party));
        all_visit(talk, &[A, clone, B]);
        assert_eq!(value(talk, B, "SELECT notes FROM visit WHERE id = 'of c'"), Value::Text("more".into()));
    });
}

/// In A waits what the space will refuse; somebody else has the unique value.
fn with_a_refused_one(talk: &mut Dialogue) {
    with_household(talk);
    talk.exec(B, "INSERT INTO household (id, code) VALUES ('b', 'taken')", &[]);
    talk.visit(B);
    talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'taken')", &[]);
}

#[test]
fn sv85_who_asks_for_a_verdict_that_another_copy_confirmed_learns_that_it_is_one() {
    on_both_paths(|talk| {
        with_a_refused_one(talk);
        let clone = copy_of_a(talk);
        // The other copy is told why, and confirms it: the space keeps no details.
        talk.visit(A);
        talk.visit(A);
        talk.sync(clone);
        assert_eq!(refused(talk, clone), ["unique"], "{}", talk.transcript());
        talk.cut(clone);
        all_visit(talk, &[A, clone, B]);
    });
}

#[test]
fn sv85_a_verdict_that_another_copy_confirmed_is_not_told_as_if_it_were_whole() {
    on_both_paths(|talk| {
        with_a_refused_one(talk);
        let clone = copy_of_a(talk);
        talk.connect(clone);
        while talk.head().0 < 2 || talk.sent_by(clone).is_empty() {
            assert!(talk.up(clone) || talk.down(clone), "{}", talk.transcript());
            if matches!(talk.sent_by(clone).first(), Some(ClientMessage::Submit(_) | ClientMessage::Stage(_))) {
                break;
            }
        }
        talk.visit(A);
        talk.visit(A);
        while !talk.waiting_for(clone).is_empty() {
            talk.lose(clone);
        }
        talk.settle();
        assert_eq!(refused(talk, clone), ["unique"], "{}", talk.transcript());
        talk.cut(clone);
        all_visit(talk, &[A, clone, B]);
    });
}

#[test]
fn cs49_what_two_copies_write_at_equal_clock_readings_are_two_transactions() {
    on_both_paths(|talk| {
        // Their clocks are behind what they have seen, so that both go on from the same reading.
        talk.skew_ms(A, -3_600_000);
        with_household(talk);
        talk.exec(B, "UPDATE household SET doses = 1", &[]);
        talk.visit(B);
        talk.visit(A);
        let clone = copy_of_a(talk);
        talk.skew_ms(clone, -3_600_000);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('of a', 'h')", &[]);
        talk.exec(clone, "INSERT INTO visit (id, household) VALUES ('of c', 'h')", &[]);
        let stamps = [A, clone].map(|party| talk.durable(party).log[0].stamp);
        assert_eq!(stamps[0], stamps[1]);
        all_visit(talk, &[A, clone, B]);
        assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(2), "{}", talk.transcript());
    });
}

#[test]
fn cs43_what_was_sealed_and_not_sent_when_a_profile_was_copied_is_written_once() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('shared', 'h')", &[]);
        seal_offline(talk, A);
        let clone = copy_of_a(talk);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('of a', 'h')", &[]);
        talk.exec(clone, "INSERT INTO visit (id, household) VALUES ('of c', 'h')", &[]);
        all_visit(talk, &[clone, A, B]);
        let seen = "SELECT (SELECT doses FROM household) || group_concat(id) FROM (SELECT id FROM visit ORDER BY id)";
        assert_eq!(value(talk, B, seen), Value::Text("1of a,of c,shared".into()));
    });
}

#[test]
fn cs60_a_backup_of_a_device_that_is_put_back_after_the_space_was_set_back_goes_on() {
    on_both_paths(|talk| {
        with_household(talk);
        let visit = |id: &str| format!("INSERT INTO visit (id, household) VALUES ('{id}', 'h')");
        talk.exec(A, &visit("kept"), &[]);
        talk.visit(A);
        let (device, space) = (talk.backup(A), talk.space.backup());
        talk.exec(A, &visit("gone with both"), &[]);
        talk.visit(A);
        talk.exec(B, &visit("of b"), &[]);
        talk.visit(B);
        talk.restore_space(&space);
        talk.restore(A, &device);
        talk.exec(A, &visit("new"), &[]);
        all_visit(talk, &[A, B]);
        let seen = "SELECT group_concat(id) FROM (SELECT id FROM visit ORDER BY id)";
        assert_eq!(value(talk, A, seen), Value::Text("kept,new,of b".into()), "{}", talk.transcript());
    });
}
