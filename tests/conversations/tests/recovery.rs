//! Databases that were set back or copied: a new life, in which nothing that waits is lost and nothing is sent twice.

use crate::script::{A, B, noise, on_both_paths, refused, status, value, with_household};
use ebbtide_core::client::{Input, Output};
use ebbtide_core::message::ClientMessage;
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;

const DOSES: &str = "SELECT doses FROM household";

fn recovered(talk: &Dialogue, party: usize) -> bool {
    talk.took(party, |output| matches!(output, Output::Recovered { .. }))
}

#[test]
fn cs41_rows_of_both_lives_survive_a_restored_backup() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.backup(A);
        talk.exec(A, "INSERT INTO household (id, name) VALUES ('first life', 'a')", &[]);
        talk.visit(A);
        let first = talk.durable(A).state.incarnation;
        talk.restore(A, &backup);
        talk.exec(A, "INSERT INTO household (id, name) VALUES ('second life', 'b')", &[]);
        talk.sync(A);
        assert!(recovered(talk, A), "never silent");
        let state = talk.durable(A).state;
        assert!(state.incarnation != first && state.previous.is_none() && !state.recovering);
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM household"), Value::Integer(3));
    });
}

#[test]
fn cs42_what_another_life_sent_already_is_not_sent_again() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET doses = 1", &[]);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('v', 'h')", &[]);
        let backup = talk.backup(A);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('w', 'h')", &[]);
        talk.visit(A);
        // Somebody removes the row: sent again, it would come back.
        talk.visit(B);
        talk.exec(B, "DELETE FROM visit WHERE id = 'v'", &[]);
        talk.visit(B);
        let head = talk.head();
        talk.restore(A, &backup);
        sync_in_silence(talk);
        assert!(recovered(talk, A));
        assert_eq!(talk.head(), head, "nothing was decided");
        talk.cut(A);
        talk.assert_in_step();
        assert_eq!(value(talk, A, "SELECT group_concat(id) FROM visit"), Value::Text("w".into()));
    });
}

#[test]
fn cs42_what_another_life_sent_stays_visible_until_its_commit_is_applied() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('sent', 'h')", &[]);
        let backup = talk.backup(A);
        // More history than one page holds comes before what A sends.
        for seed in 0..8 {
            let photo = Value::Text(noise(500_000, seed));
            talk.exec(B, "INSERT INTO household (id, name) VALUES (?, ?)", &[Value::Text(seed.to_string()), photo]);
            talk.visit(B);
        }
        talk.visit(A);
        talk.restore(A, &backup);
        talk.connect(A);
        let mut behind = false;
        while talk.up(A) || talk.down(A) || talk.reconnect(A) {
            let shown = value(talk, A, "SELECT count(*) FROM visit WHERE id = 'sent'");
            assert_eq!(shown, Value::Integer(1), "{}", talk.transcript());
            behind |= recovered(talk, A) && talk.durable(A).state.cursor.seq < talk.head();
        }
        assert!(behind && !talk.durable(A).state.recovering);
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

/// Everything is exchanged, and A sends no changeset; the report counts what an earlier life had sent.
fn sync_in_silence(talk: &mut Dialogue) {
    let waiting = talk.durable(A).log.len() as u32;
    talk.connect(A);
    loop {
        let sends = |m: &ClientMessage| matches!(m, ClientMessage::Submit(_) | ClientMessage::Stage(_));
        assert!(!talk.sent_by(A).iter().any(sends), "{}", talk.transcript());
        if !(talk.up(A) || talk.down(A) || talk.reconnect(A)) {
            break;
        }
    }
    let reported = talk.took(A, |output| matches!(output, Output::UpToDate(report) if report.sent == waiting));
    assert!(reported, "{waiting} waited\n{}", talk.transcript());
}

#[test]
fn cs41_without_anything_waiting_nothing_is_asked() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.backup(A);
        talk.exec(A, "UPDATE household SET doses = 1", &[]);
        talk.visit(A);
        talk.restore(A, &backup);
        talk.connect(A);
        while talk.up(A) || talk.down(A) || talk.reconnect(A) {
            assert!(!asks(talk, A), "{}", talk.transcript());
        }
        assert!(recovered(talk, A));
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs42_what_an_earlier_life_was_refused_is_listed_and_not_tried_again() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(B, "INSERT INTO household (id, code) VALUES ('b', 'taken')", &[]);
        talk.visit(B);
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'taken')", &[]);
        let backup = talk.backup(A);
        talk.sync(A);
        assert_eq!(refused(talk, A), ["unique"]);
        talk.cut(A);
        talk.exec(B, "DELETE FROM household WHERE id = 'b'", &[]);
        talk.visit(B);
        talk.restore(A, &backup);
        sync_in_silence(talk);
        assert_eq!(refused(talk, A), ["unique"]);
        talk.cut(A);
        talk.assert_in_step();
        assert_eq!(value(talk, A, "SELECT count(*) FROM household"), Value::Integer(1));
    });
}

#[test]
fn cs43_two_copies_of_one_database_go_their_own_ways() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
        let copy = talk.backup(A);
        let clone = talk.add("C", "ada");
        talk.restore(clone, &copy);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('of a', 'h')", &[]);
        talk.exec(clone, "INSERT INTO visit (id, household) VALUES ('of c', 'h')", &[]);
        for _ in 0..2 {
            talk.visit(A);
            talk.visit(clone);
        }
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, DOSES), Value::Integer(1), "written once");
        assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(2));
        let lives = [A, clone].map(|party| talk.durable(party).state.incarnation);
        assert_ne!(lives[0], lives[1]);
    });
}

#[test]
fn cs43_copies_that_recover_at_once_send_what_they_share_only_once() {
    on_both_paths(|talk| {
        with_household(talk);
        let old = talk.backup(A);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('sent', 'h')", &[]);
        talk.visit(A);
        // Two copies of the old file, and in both the same write.
        talk.restore(A, &old);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('shared', 'h')", &[]);
        let shared = talk.backup(A);
        let clone = talk.add("C", "ada");
        talk.restore(clone, &shared);
        // Both ask before either has sent anything.
        for party in [A, clone] {
            talk.connect(party);
            while !asks(talk, party) {
                assert!(talk.up(party) | talk.down(party) | reconnect(talk, party), "{}", talk.transcript());
            }
        }
        for party in [A, clone] {
            talk.up(party);
        }
        talk.settle();
        let head = talk.head();
        for party in [A, clone] {
            talk.cut(party);
        }
        // The second to come gets no commit of its own.
        assert_eq!(head.0, 3, "{}", talk.transcript());
        talk.visit(B);
        talk.exec(B, "DELETE FROM visit WHERE id = 'shared'", &[]);
        for party in [B, A, clone, B] {
            talk.visit(party);
        }
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(1));
    });
}

fn asks(talk: &Dialogue, party: usize) -> bool {
    talk.sent_by(party).iter().any(|message| matches!(message, ClientMessage::Recall(_)))
}

/// The session may have dropped its connection to begin anew.
fn reconnect(talk: &mut Dialogue, party: usize) -> bool {
    talk.reconnect(party)
}

#[test]
fn cs44_a_recovery_that_breaks_off_anywhere_goes_on_later() {
    on_both_paths(|talk| {
        for steps in 0..9 {
            with_household_once(talk, steps);
            let backup = talk.backup(A);
            let (before, after) = (format!("before {steps}"), format!("after {steps}"));
            talk.exec(A, "INSERT INTO household (id, name) VALUES (?, 'x')", &[Value::Text(before)]);
            talk.visit(A);
            talk.restore(A, &backup);
            talk.exec(A, "INSERT INTO household (id, name) VALUES (?, 'y')", &[Value::Text(after)]);
            talk.connect(A);
            for _ in 0..steps {
                let _ = talk.up(A) || talk.down(A) || reconnect(talk, A);
            }
            talk.restart(A);
            talk.visit(A);
            talk.visit(B);
            talk.assert_in_step();
            let expected = Value::Integer(1 + 2 * (steps as i64 + 1));
            assert_eq!(value(talk, B, "SELECT count(*) FROM household"), expected, "{}", talk.transcript());
        }
    });
}

fn with_household_once(talk: &mut Dialogue, steps: usize) {
    if steps == 0 {
        with_household(talk);
    }
}

#[test]
fn cs45_writes_made_while_a_new_life_begins_go_with_it() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.backup(A);
        talk.exec(A, "UPDATE household SET doses = 5", &[]);
        talk.visit(A);
        talk.restore(A, &backup);
        talk.exec(A, "UPDATE household SET name = 'mine'", &[]);
        talk.connect(A);
        while !asks(talk, A) {
            assert!(talk.up(A) || talk.down(A) || reconnect(talk, A));
        }
        talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
        talk.settle();
        talk.input(A, Input::Tick);
        talk.settle();
        assert_eq!(status(talk, A).pending, 0, "{}", talk.transcript());
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT name FROM household"), Value::Text("mine".into()));
    });
}
