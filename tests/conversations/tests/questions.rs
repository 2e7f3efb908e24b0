//! Plans and questions in full: every number that they tell, and what becomes of one that is overtaken by something else.

use crate::script::{A, B, hello, on_both_paths, resume_and_meet, status, text, value, with_household};
use ebbtide_core::client::plan::RowCounts;
use ebbtide_core::client::{Input, Output, Plan, State, TwoPhase};
use ebbtide_core::conflict::Conflict;
use ebbtide_core::ids::{DeviceSeq, TableId};
use ebbtide_core::limits::{PREDICTED_BYTES, PREDICTED_CONFLICTS};
use ebbtide_core::message::ClientMessage;
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;

fn told(talk: &mut Dialogue, party: usize) -> Option<Plan> {
    talk.outputs(party).into_iter().find_map(|output| match output {
        Output::Planned(plan) | Output::Confirm(plan) => Some(plan),
        _ => None,
    })
}

fn counts(inserts: u64, updates: u64, deletes: u64) -> RowCounts {
    RowCounts { inserts, updates, deletes }
}

#[test]
fn cs80_each_number_of_a_plan_is_the_sum_over_all_changesets_and_commits() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "INSERT INTO household (id) VALUES ('1'), ('2'), ('3'), ('4'), ('5'), ('6')", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.input(B, Input::Pause(true));
        let known = talk.head();
        // Two transactions of either, with two rows each of everything that can become of a row.
        for (party, own, foreign) in [(A, 1, 'x'), (B, 4, 'y')] {
            for step in 0..2 {
                let new = format!("INSERT INTO household (id, name) VALUES ('{foreign}{step}', 'new')");
                let visit = format!("INSERT INTO visit (id) VALUES ('{foreign}{step}')");
                let doses = format!("UPDATE household SET doses = {party} + {step} + 5 WHERE id = 'h'");
                let delete = format!("DELETE FROM household WHERE id = '{}'", own + step);
                talk.transaction(party, &[&new, &visit, &doses, &delete]);
            }
        }
        for _ in 0..2 {
            // One commit for each transaction of A.
            talk.visit(A);
        }
        talk.input(B, Input::Plan);
        talk.reconnect(B);
        talk.settle();
        let plan = told(talk, B).expect("a plan");
        let (sealed, commits) = (talk.durable(B).sealed, talk.space.commits());
        let bytes_up: u64 = sealed.iter().map(|entry| entry.total_bytes as u64).sum();
        let foreign = commits.iter().filter(|commit| commit.seq > known);
        let bytes_down: u64 = foreign.clone().map(|commit| commit.bytes.len() as u64).sum();
        assert_eq!((plan.transactions, plan.bytes_up), (2, bytes_up));
        assert_eq!((plan.commits as usize, plan.bytes_down, plan.more_commits), (foreign.count(), bytes_down, 0));
        let catalogue = talk.space.catalogue();
        let table = |name: &str| TableId(catalogue.tables.iter().position(|t| t.name == name).expect("a table") as u16);
        let sends: Vec<_> = plan.sends.iter().map(|(table, counts)| (*table, *counts)).collect();
        assert_eq!(sends, [(table("household"), counts(2, 2, 2)), (table("visit"), counts(2, 0, 0))]);
        let of_visits = plan.receives.get(&table("visit")).copied();
        assert_eq!(of_visits, Some(counts(2, 0, 0)));
        let of_households = plan.receives.get(&table("household")).copied().expect("some");
        assert_eq!((of_households.inserts, of_households.deletes), (2, 2));
        assert_eq!((plan.conflicts, plan.merges.len(), plan.unpredicted), (1, 1, 0), "{:?}", plan.merges);
    });
}

#[test]
fn cs84_what_was_written_while_a_plan_was_made_is_sent_once_it_is_told() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(B);
        talk.input(B, Input::Plan);
        talk.exec(B, "UPDATE household SET name = 'meanwhile'", &[]);
        talk.settle();
        assert!(told(talk, B).is_some());
        let after = status(talk, B);
        assert_eq!((after.state, after.pending), (State::Idle, 0), "{}", talk.transcript());
        // While it is paused nothing is committed, also not by the same step.
        talk.input(B, Input::Pause(true));
        talk.exec(B, "UPDATE household SET name = 'paused'", &[]);
        let head = talk.head();
        talk.input(B, Input::Plan);
        talk.reconnect(B);
        talk.settle();
        assert_eq!(told(talk, B).map(|plan| plan.transactions), Some(1));
        assert_eq!((talk.head(), status(talk, B).pending), (head, 1));
        resume_and_meet(talk);
    });
}

#[test]
fn cs93_running_a_plan_answers_the_question_that_is_open() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.confirm(true);
        talk.restart(B);
        talk.exec(B, "UPDATE household SET name = 'of b'", &[]);
        talk.connect(B);
        talk.settle();
        let upto = told(talk, B).expect("a question").upto;
        talk.input(B, Input::Run { upto });
        // The dialog that asked is closed by the user, too late to matter.
        talk.input(B, Input::Confirmed { upto, accepted: false });
        talk.settle();
        let after = status(talk, B);
        assert_eq!((after.state, after.pending, after.reason), (State::Idle, 0, None));
        talk.exec(B, "UPDATE household SET name = 'later'", &[]);
        talk.settle();
        let later = told(talk, B).expect("the next number is a question of its own");
        assert_eq!((later.upto, status(talk, B).pending), (upto.next(), 1));
        talk.input(B, Input::Confirmed { upto: later.upto, accepted: true });
        talk.settle();
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs86_a_plan_whose_number_was_decided_meanwhile_is_told_and_so_is_the_next() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(B);
        talk.input(B, Input::Plan);
        talk.exec(B, "UPDATE household SET doses = 1", &[]);
        let asks = |talk: &Dialogue| talk.sent_by(B).iter().any(|m| matches!(m, ClientMessage::Predict { .. }));
        while !asks(talk) {
            assert!(talk.up(B) || talk.down(B), "{}", talk.transcript());
        }
        let entry = talk.durable(B).sealed.remove(0);
        let (device_seq, hash) = (entry.device_seq, entry.hash);
        let hello = ClientMessage::Hello(hello(talk, B));
        talk.mail(B, &[hello, ClientMessage::Commit { device_seq, hash, applied_receipt: DeviceSeq(0) }]);
        assert_eq!(talk.head().0, 2);
        talk.settle();
        assert_eq!(told(talk, B).expect("a plan").refused, []);
        talk.input(B, Input::Plan);
        talk.exec(B, "UPDATE household SET doses = 2", &[]);
        talk.settle();
        assert_eq!(told(talk, B).map(|plan| plan.transactions), Some(1), "{}", talk.transcript());
        assert_eq!(value(talk, B, "SELECT doses FROM household"), Value::Integer(2));
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

/// A plan of B for photos that both devices gave to so many households, each of so many bytes.
fn plan_of_photos(talk: &mut Dialogue, households: usize, bytes: usize) -> Plan {
    talk.input(B, Input::Pause(false));
    talk.reconnect(B);
    talk.settle();
    talk.cut(B);
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO household (id, name) SELECT printf('%06d', i), '' FROM n";
    talk.exec(A, "DELETE FROM household", &[]);
    talk.exec(A, many, &[Value::Integer(households as i64)]);
    [A, B].into_iter().for_each(|party| talk.visit(party));
    talk.input(B, Input::Pause(true));
    for party in [B, A] {
        talk.exec(party, "UPDATE household SET photo = ?", &[Value::Blob(vec![party as u8; bytes])]);
    }
    talk.visit(A);
    talk.input(B, Input::Plan);
    talk.reconnect(B);
    talk.settle();
    told(talk, B).expect("a plan")
}

#[test]
fn cs85_a_prediction_lists_as_many_conflicts_as_its_bounds_allow_and_counts_the_others() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    let more = PREDICTED_CONFLICTS + 7;
    let plan = plan_of_photos(&mut talk, more, 1);
    assert_eq!((plan.conflicts as usize, plan.merges.len()), (more, PREDICTED_CONFLICTS));
    let (households, bytes) = (400, 1_000);
    let plan = plan_of_photos(&mut talk, households, bytes);
    let size = |c: &Conflict| {
        let key: usize = c.row.key.0.iter().map(Value::size).sum();
        key + c.incumbent.claimed.size() + c.challenger.claimed.size()
    };
    let each = size(&plan.merges[0]);
    assert_eq!((plan.conflicts as usize, plan.merges.len()), (households, PREDICTED_BYTES / each));
}

#[test]
fn cs96_consent_and_questions_are_of_the_life_whose_numbers_they_name() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.space.backup();
        talk.confirm(true);
        talk.restart(A);
        talk.connect(A);
        for name in ["first", "second"] {
            talk.exec(A, "UPDATE household SET name = ?", &[text(name)]);
            talk.settle();
            let upto = told(talk, A).expect("a question").upto;
            talk.input(A, Input::Confirmed { upto, accepted: true });
            talk.settle();
        }
        talk.exec(A, "UPDATE household SET name = 'third'", &[]);
        talk.settle();
        let of_before = told(talk, A).expect("a question").upto;
        let before = talk.durable(A).state.incarnation;
        talk.restore_space(&backup);
        let head = talk.head();
        talk.connect(A);
        talk.settle();
        talk.reconnect(A);
        talk.settle();
        assert_ne!(talk.durable(A).state.incarnation, before, "the numbers begin anew");
        let asked = told(talk, A).expect("the question is asked in the new life").upto;
        assert_eq!((talk.head(), asked < of_before), (head, true), "{}", talk.transcript());
        talk.input(A, Input::Confirmed { upto: of_before, accepted: true });
        talk.settle();
        assert_eq!(talk.head(), head, "the yes was to another question");
        talk.input(A, Input::Confirmed { upto: asked, accepted: true });
        talk.settle();
        assert!(talk.head() > head);
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT name FROM household"), text("third"));
    });
}

#[test]
fn cs83_a_plan_that_a_new_life_interrupts_is_told_or_fails() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.space.backup();
        talk.exec(A, "UPDATE household SET name = 'lost'", &[]);
        talk.visit(A);
        talk.restore_space(&backup);
        talk.input(A, Input::Plan);
        talk.reconnect(A);
        talk.settle();
        let mut ends = talk.outputs(A).into_iter();
        let ended = ends.any(|output| matches!(output, Output::Planned(_) | Output::PlanFailed(_)));
        assert!(ended, "{}", talk.transcript());
    });
}
