//! Transactions that the space refuses: taken back with what depends on them, listed, blocking nothing else.

use crate::script::{A, B, on_both_paths, refused, status, text, with_household};
use ebbtide_core::client::{Input, Output};
use ebbtide_core::limits::{REJECTION_DETAIL_BYTES, RULE_DETAIL_CHARS};
use ebbtide_core::message::ClientMessage;
use ebbtide_core::server::rules::{AppRules, MergeQuestion, Validation};
use ebbtide_core::value::Value;
use std::rc::Rc;

#[test]
fn cs21_a_transaction_refused_for_a_unique_value_is_taken_back_with_its_dependents_alone() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'x')", &[]);
        talk.visit(A);
        talk.exec(B, "INSERT INTO household (id, code) VALUES ('b', 'x')", &[]);
        talk.exec(B, "INSERT INTO member (id, household) VALUES ('m', 'b')", &[]);
        talk.exec(B, "UPDATE household SET name = 'dependent' WHERE id = 'b'", &[]);
        talk.exec(B, "UPDATE household SET name = 'free' WHERE id = 'h'", &[]);
        talk.sync(B);
        assert_eq!(refused(talk, B), ["unique", "foreign_key", "dependency"]);
        assert_eq!(status(talk, B).failed, 3);
        assert_eq!(talk.query(B, "SELECT id FROM household ORDER BY id"), [[text("a")], [text("h")]]);
        assert_eq!(talk.query(B, "SELECT name FROM household WHERE id = 'h'"), [[text("free")]]);
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
        talk.assert_intact(B);
    });
}

#[test]
fn cs21_whoever_writes_a_row_that_a_refused_transaction_inserted_depends_on_it() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'x')", &[]);
        talk.visit(A);
        talk.exec(B, "INSERT INTO household (id, code) VALUES ('b', 'x')", &[]);
        talk.exec(B, "DELETE FROM household WHERE id = 'b'", &[]);
        talk.exec(B, "INSERT INTO household (id, name) VALUES ('b', 'again')", &[]);
        talk.sync(B);
        assert_eq!(refused(talk, B), ["unique", "dependency", "dependency"]);
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs21_a_child_in_a_later_changeset_is_refused_with_its_parent_and_not_dropped() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'x')", &[]);
        talk.visit(A);
        // It has seen nothing of the space, like the history that was pruned nowhere.
        let new = talk.add("C", "ada");
        talk.exec(new, "INSERT INTO household (id, code) VALUES ('b', 'x')", &[]);
        talk.pass_ms(5_000);
        talk.input(new, Input::Tick);
        talk.exec(new, "INSERT INTO member (id, household) VALUES ('m', 'b')", &[]);
        talk.sync(new);
        assert_eq!(refused(talk, new), ["unique", "foreign_key"], "{}", talk.transcript());
        talk.cut(new);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
    });
}

#[test]
fn sv71_a_child_written_unseen_of_a_parent_that_is_gone_goes_too() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "DELETE FROM household", &[]);
        talk.visit(A);
        talk.exec(B, "INSERT INTO member (id, household) VALUES ('m', 'h')", &[]);
        talk.sync(B);
        assert!(refused(talk, B).is_empty());
        assert!(talk.query(B, "SELECT * FROM member").is_empty());
        assert_eq!(talk.device(B).database().decided_conflicts().expect("readable").len(), 1);
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs21_two_edits_that_break_a_check_together_leave_the_first() {
    on_both_paths(|talk| {
        talk.exec(A, "INSERT INTO visit (id, low, high) VALUES ('v', 10, 90)", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(A, "UPDATE visit SET low = 60", &[]);
        talk.exec(B, "UPDATE visit SET high = 50", &[]);
        talk.visit(A);
        talk.sync(B);
        assert_eq!(refused(talk, B), ["constraint"]);
        assert_eq!(talk.query(B, "SELECT low, high FROM visit"), [[Value::Integer(60), Value::Integer(90)]]);
        talk.cut(B);
        talk.assert_in_step();
    });
}

#[test]
fn sv73_what_a_reader_writes_is_refused_and_taken_back() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.may_write(B, false);
        talk.exec(B, "UPDATE household SET name = 'not mine'", &[]);
        talk.sync(B);
        assert_eq!(refused(talk, B), ["forbidden"]);
        assert_eq!(talk.query(B, "SELECT name FROM household"), [[text("first")]]);
        talk.cut(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs29_a_refusal_whose_answer_was_lost_is_listed_although_later_numbers_were_settled_first() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET code = 'x'", &[]);
        talk.visit(A);
        talk.exec(B, "INSERT INTO household (id, code) VALUES ('b', 'x')", &[]);
        talk.pass_ms(2_000);
        talk.input(B, Input::Tick);
        talk.exec(B, "UPDATE household SET doses = 4 WHERE id = 'h'", &[]);
        talk.pass_ms(2_000);
        talk.input(B, Input::Tick);
        // Both numbers are decided by a request whose answer nobody hears.
        let now = talk.time_of(B);
        let request = talk.device(B).ready_request(now).expect("a request").expect("something that waits");
        assert_eq!(request.len(), 3, "two numbers");
        talk.mail(B, &request);
        // The verdict without a commit comes with the welcome, so nothing is sent a second time.
        talk.connect(B);
        talk.up(B);
        talk.down(B);
        assert!(
            !talk
                .sent_by(B)
                .iter()
                .any(|message| matches!(message, ClientMessage::Submit(_) | ClientMessage::Stage(_)))
        );
        talk.settle();
        assert_eq!(refused(talk, B), ["unique"]);
        assert_eq!(status(talk, B).failed, 1);
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

/// Refuses every household, at the length that an app's words may have.
#[derive(Debug)]
struct Wordy;

impl AppRules for Wordy {
    fn validates(&self, table: &str) -> bool {
        table == "household"
    }

    fn merge(&self, _: &MergeQuestion<'_>) -> Result<Value, String> {
        Err("nothing merges here".into())
    }

    fn validate(&self, _: &Validation<'_>) -> Result<(), String> {
        Err("x".repeat(RULE_DETAIL_CHARS))
    }
}

#[test]
fn sv233_what_is_said_of_refused_transactions_is_bounded_and_each_has_its_reason() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.space.set_rules(Rc::new(Wordy));
        let count = REJECTION_DETAIL_BYTES / RULE_DETAIL_CHARS + 100;
        for id in 0..count {
            talk.exec(A, "INSERT INTO household (id) VALUES (?)", &[Value::Text(format!("new {id}"))]);
        }
        talk.visit(A);
        let outputs = talk.outputs(A).into_iter();
        let told = outputs.filter_map(|output| if let Output::Rejected(told) = output { Some(told) } else { None });
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), count, "one changeset");
        assert!(
            told.iter().all(|one| one.reason.code() == told[0].reason.code() && one.device_seq == told[0].device_seq)
        );
        let bytes: usize = told.iter().map(|one| one.detail.len()).sum();
        assert!(bytes <= REJECTION_DETAIL_BYTES && bytes > REJECTION_DETAIL_BYTES - 1_000, "{bytes} bytes");
        assert!(told[0].detail.contains("xxx") && told[count - 1].detail.is_empty(), "the first are told in words");
        talk.visit(B);
        talk.assert_in_step();
    });
}
