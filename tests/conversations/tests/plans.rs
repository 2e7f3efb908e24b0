//! Plans and consent: what a sync would do, told without doing it, and the question before a commit.

use crate::script::{
    A, B, hello, noise, on_both_paths, refused, resume_and_meet, sealed_by_hand, stage, status, text, value,
    with_household,
};
use crate::versions;
use ebbtide_core::change::{Base, Change, Mutation, RowId, Transaction};
use ebbtide_core::client::progress::{Phase, Progress};
use ebbtide_core::client::store::Progress as Upload;
use ebbtide_core::client::{Cause, Input, Output, Plan, State, TwoPhase};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::Receipt;
use ebbtide_core::ids::{DeviceSeq, Seq};
use ebbtide_core::limits::CHUNK_BYTES;
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::value::{Key, Value};
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_simulator::random::Random;

/// Asks for a plan and carries messages until it is told.
pub fn plan(talk: &mut Dialogue, party: usize) -> Plan {
    talk.input(party, Input::Plan);
    talk.reconnect(party);
    talk.settle();
    planned(talk, party)
}

/// The plan that a device was told.
pub fn planned(talk: &mut Dialogue, party: usize) -> Plan {
    let mut plans = talk.outputs(party).into_iter().filter_map(|output| match output {
        Output::Planned(plan) => Some(plan),
        _ => None,
    });
    plans.next().unwrap_or_else(|| panic!("no plan:\n{}", talk.transcript()))
}

fn failure(talk: &mut Dialogue, party: usize) -> Option<Cause> {
    talk.outputs(party).into_iter().find_map(|output| match output {
        Output::PlanFailed(cause) => Some(cause),
        _ => None,
    })
}

/// What the app is asked to confirm, if it is.
pub fn question(talk: &mut Dialogue, party: usize) -> Option<Plan> {
    talk.outputs(party).into_iter().find_map(|output| match output {
        Output::Confirm(plan) => Some(plan),
        _ => None,
    })
}

/// B has, offline, a write that meets a newer one, one that is refused, and one that nobody minds.
fn with_a_difficult_device(talk: &mut Dialogue) {
    with_household(talk);
    talk.input(B, Input::Pause(true));
    talk.exec(B, "UPDATE household SET name = 'of b' WHERE id = 'h'", &[]);
    talk.exec(B, "INSERT INTO household (id, code) VALUES ('b', 'x')", &[]);
    talk.exec(B, "INSERT INTO visit (id, household) VALUES ('v', 'h')", &[]);
    talk.exec(A, "UPDATE household SET name = 'of a' WHERE id = 'h'", &[]);
    talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'x')", &[]);
    talk.visit(A);
}

#[test]
fn cs80_a_plan_tells_what_would_be_sent_received_merged_and_refused_and_changes_nothing() {
    on_both_paths(|talk| {
        with_a_difficult_device(talk);
        let (space, rows, head) = (talk.space.rows(), talk.rows(B), talk.head());
        let plan = plan(talk, B);
        let sent =
            plan.sends.values().fold((0, 0, 0), |sum, c| (sum.0 + c.inserts, sum.1 + c.updates, sum.2 + c.deletes));
        assert_eq!((plan.transactions, sent), (3, (2, 1, 0)));
        let received =
            plan.receives.values().fold((0, 0), |sum, counts| (sum.0 + counts.inserts, sum.1 + counts.updates));
        assert_eq!((plan.commits, received, plan.more_commits), (head.0 as u32 - 1, (1, 1), 0));
        assert_eq!((plan.conflicts as usize, plan.unpredicted), (plan.merges.len(), 0));
        let lost = |name: &str| plan.merges.iter().any(|conflict| conflict.lost() == text(name));
        assert!(lost("of a") != lost("of b"), "one of the two names loses: {:?}", plan.merges);
        let reasons: Vec<&str> = plan.refused.iter().map(|refused| refused.reason.code()).collect();
        assert_eq!(reasons, ["unique"]);
        assert_eq!(plan.refused[0].changes.len(), 1);
        assert_eq!((talk.space.rows(), talk.rows(B), talk.head()), (space, rows, head));
        assert_eq!((status(talk, B).state, status(talk, B).pending), (State::Paused, 3));
    });
}

#[test]
fn cs81_what_was_planned_comes_true_when_nothing_else_moves() {
    on_both_paths(|talk| {
        with_a_difficult_device(talk);
        let plan = plan(talk, B);
        talk.input(B, Input::Run { upto: plan.upto });
        talk.reconnect(B);
        talk.settle();
        let outputs = talk.outputs(B);
        let report = outputs.iter().find_map(|output| match output {
            Output::UpToDate(report) => Some(*report),
            _ => None,
        });
        let report = report.unwrap_or_else(|| panic!("no report\n{}", talk.transcript()));
        assert_eq!((report.sent, report.received), (plan.transactions, plan.commits));
        assert_eq!((report.conflicts, report.errors as usize), (plan.conflicts, plan.refused.len()));
        assert_eq!((status(talk, B).state, status(talk, B).pending), (State::Paused, 0));
        resume_and_meet(talk);
    });
}

#[test]
fn cs82_a_plan_that_nobody_runs_blocks_nothing() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.input(B, Input::Pause(true));
        talk.exec(B, "UPDATE household SET doses = 1", &[]);
        assert_eq!(plan(talk, B).transactions, 1);
        talk.exec(B, "UPDATE household SET doses = 2", &[]);
        talk.exec(A, "UPDATE household SET name = 'meanwhile'", &[]);
        talk.visit(A);
        let second = plan(talk, B);
        assert_eq!((second.transactions, second.upto), (2, DeviceSeq(2)), "later writes go into later numbers");
        talk.restart(B);
        talk.visit(B);
        talk.visit(A);
        assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(2));
        talk.assert_in_step();
    });
}

#[test]
fn cs83_without_a_network_a_plan_is_a_typed_error_that_may_be_tried_again() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(B, "UPDATE household SET doses = 1", &[]);
        talk.input(B, Input::Online(false));
        talk.outputs(B);
        talk.input(B, Input::Plan);
        assert_eq!(failure(talk, B), Some(Cause { code: "offline".into(), retryable: true }));
        talk.input(B, Input::Online(true));
        talk.input(B, Input::Plan);
        talk.reconnect(B);
        talk.outputs(B);
        talk.cut(B);
        assert_eq!(failure(talk, B), Some(Cause { code: "network_error".into(), retryable: true }));
        talk.visit(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs84_a_plan_of_a_connected_device_holds_nothing_up() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        talk.sync(B);
        talk.input(B, Input::Plan);
        talk.exec(B, "UPDATE household SET name = 'b'", &[]);
        talk.exec(A, "UPDATE household SET doses = 3", &[]);
        talk.settle();
        assert_eq!(planned(talk, B).refused, []);
        talk.exec(B, "UPDATE household SET name = 'b again'", &[]);
        talk.settle();
        assert_eq!((status(talk, B).state, status(talk, B).pending), (State::Idle, 0));
        talk.assert_in_step();
    });
}

#[test]
fn cs85_a_large_changeset_is_predicted_once_all_its_chunks_are_there_also_by_a_rebuilt_session() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    talk.input(B, Input::Pause(true));
    talk.exec(B, "UPDATE household SET name = ?", &[text(&noise(1_500_000, 3))]);
    talk.exec(B, "INSERT INTO household (id, name) VALUES ('c', 'small')", &[]);
    talk.exec(A, "DELETE FROM household", &[]);
    talk.visit(A);
    talk.input(B, Input::Plan);
    talk.reconnect(B);
    loop {
        talk.evict();
        if !(talk.up(B) || talk.down(B)) {
            break;
        }
    }
    let plan = planned(&mut talk, B);
    assert_eq!((plan.transactions, plan.unpredicted), (2, 0));
    assert!(plan.conflicts as usize > plan.merges.len(), "a lost value of a megabyte is counted, not listed");
    assert_eq!(talk.head(), Seq(2), "what is staged is invisible");
    let prepared = talk.durable(B).sealed.iter().all(|entry| entry.progress == Upload::Prepared);
    assert!(prepared);
    resume_and_meet(&mut talk);
}

#[test]
fn cs85_a_prediction_covers_as_many_numbers_as_have_the_bytes_of_one_changeset() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    let catalogue = talk.space.catalogue();
    let table = catalogue.table_id("household").expect("a table");
    let columns = catalogue.table(table).expect("a table").fields();
    let values: Vec<(bool, Value)> =
        columns.map(|(_, of)| (of.name == "photo", of.default.clone().unwrap_or_default())).collect();
    let mut random = Random::new(1);
    // Each has more than half of that, and nothing deflates.
    let mut row = |number: u64, row: usize| {
        let photo: Vec<u8> = (0..1_900_000 / 8).flat_map(|_| random.draw().to_le_bytes()).collect();
        let value = |(is_photo, value): &(bool, Value)| {
            if *is_photo { Value::Blob(photo.clone()) } else { value.clone() }
        };
        let row = RowId { table, key: Key(vec![text(&format!("{number} {row}"))]) };
        Change { row, mutation: Mutation::Insert(values.iter().map(value).collect()), base: Base::default() }
    };
    let mut greeting = hello(&mut talk, B);
    greeting.next_device_seq = DeviceSeq(3);
    for number in 1..=2 {
        let changes = (0..12).map(|at| row(number, at)).collect();
        let made = Transaction { stamp: Stamp(number << 16), changes, ..Transaction::default() };
        let chunks = stage(number, &sealed_by_hand(&talk, number, vec![made]));
        talk.mail(B, &[vec![ClientMessage::Hello(greeting.clone())], chunks].concat());
    }
    for (upto, covered) in [(1, 1), (2, 1)] {
        let question = ClientMessage::Predict { upto: DeviceSeq(upto) };
        match talk.mail(B, &[ClientMessage::Hello(greeting.clone()), question]).pop() {
            Some(ServerMessage::Predicted(told)) => assert_eq!(told.len(), covered, "up to {upto}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn cs81_each_number_gets_the_receipt_that_was_predicted() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.input(B, Input::Pause(true));
        // The earlier of two: nothing comes of it but that it is recorded.
        talk.exec(B, "UPDATE household SET doses = 1", &[]);
        talk.pass_ms(5_000);
        talk.input(B, Input::Tick);
        talk.exec(A, "UPDATE household SET name = 'of a', doses = 2", &[]);
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'x')", &[]);
        talk.visit(A);
        let writes = [
            "INSERT INTO household (id, name) VALUES ('b', 'accepted')",
            "UPDATE household SET name = 'unseen' WHERE id = 'h'",
            "INSERT INTO household (id, code) VALUES ('c', 'x')",
            "INSERT INTO visit (id, household) VALUES ('v', 'b')",
        ];
        for sql in writes {
            talk.exec(B, sql, &[]);
            talk.pass_ms(5_000);
            talk.input(B, Input::Tick);
        }
        let numbers: Vec<DeviceSeq> = talk.durable(B).sealed.iter().map(|entry| entry.device_seq).collect();
        assert_eq!(numbers.len(), 1 + writes.len());
        let plan = plan(talk, B);
        let greeting = ClientMessage::Hello(hello(talk, B));
        let ask = |talk: &mut Dialogue, upto: DeviceSeq| {
            talk.mail(B, &[greeting.clone(), ClientMessage::Predict { upto }]).pop().expect("an answer")
        };
        let ServerMessage::Predicted(predicted) = ask(talk, plan.upto) else { panic!("{}", talk.transcript()) };
        let predicted: Vec<Receipt> = predicted.into_iter().map(|prediction| prediction.receipt).collect();
        let seqs: Vec<bool> = predicted.iter().map(|receipt| receipt.seq.is_some()).collect();
        assert_eq!(seqs, [true, true, true, false, true], "a refused number is no commit");
        talk.input(B, Input::Pause(false));
        talk.reconnect(B);
        talk.settle();
        for (number, predicted) in numbers.into_iter().zip(predicted) {
            assert_eq!(ask(talk, number), ServerMessage::Receipt(predicted), "{}", talk.transcript());
        }
    });
}

#[test]
fn cs80_a_write_below_a_deleted_row_makes_no_second_deletion_of_it() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.visit(B);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('v', 'h')", &[]);
        talk.exec(B, "DELETE FROM household WHERE id = 'h'", &[]);
        talk.visit(B);
        talk.input(B, Input::Pause(true));
        talk.visit(A);
        let received: u64 = plan(talk, B).receives.iter().map(|(_, counts)| counts.deletes).sum();
        assert_eq!(received, 0, "{}", talk.transcript());
    });
}

#[test]
fn cs86_a_prediction_that_is_asked_for_out_of_turn_is_answered_and_changes_nothing() {
    on_both_paths(|talk| {
        with_household(talk);
        let mut greeting = hello(talk, A);
        greeting.next_device_seq = DeviceSeq(9);
        let greeting = ClientMessage::Hello(greeting);
        let ask = |talk: &mut Dialogue, upto: u64| {
            let upto = DeviceSeq(upto);
            talk.mail(A, &[greeting.clone(), ClientMessage::Predict { upto }]).pop()
        };
        let before = (talk.space.rows(), talk.head());
        assert!(matches!(ask(talk, 1), Some(ServerMessage::Receipt(_))));
        let lacking = ServerMessage::Staged { device_seq: DeviceSeq(2), next_chunk: 0 };
        for upto in [2, 3, u64::MAX] {
            assert_eq!(ask(talk, upto), Some(lacking.clone()));
        }
        assert_eq!(ask(talk, 0), Some(ServerMessage::Predicted(Vec::new())));
        assert_eq!((talk.space.rows(), talk.head()), before);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs87_a_reader_is_told_that_everything_would_be_refused() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.may_write(B, false);
        talk.input(B, Input::Pause(true));
        talk.exec(B, "UPDATE household SET name = 'not mine'", &[]);
        let plan = plan(talk, B);
        let reasons: Vec<&str> = plan.refused.iter().map(|refused| refused.reason.code()).collect();
        assert_eq!(reasons, ["forbidden"]);
    });
}

#[test]
fn cs95_the_status_tells_how_far_a_long_upload_and_a_long_catching_up_have_come() {
    on_both_paths(|talk| {
        with_household(talk);
        for seed in 0..3 {
            let row = |number: u64| [text(&number.to_string()), text(&noise(1_500_000, number))];
            let sql = "INSERT INTO household (id, name) VALUES (?, ?), (?, ?)";
            talk.exec(A, sql, &[row(2 * seed), row(2 * seed + 1)].concat());
            talk.pass_ms(2_000);
            talk.input(A, Input::Tick);
        }
        for (party, phase) in [(A, Phase::Sending), (B, Phase::Receiving)] {
            let seen = watched(talk, party);
            assert!(seen.iter().all(|progress| progress.phase == phase && progress.done < progress.total), "{seen:?}");
            assert!(seen.len() >= 2 && seen.windows(2).all(|pair| pair[0].done <= pair[1].done), "{seen:?}");
            assert_eq!(status(talk, party).progress, None);
            let chunks = |progress: &Progress| progress.done.is_multiple_of(CHUNK_BYTES as u64);
            let steps = seen.iter().filter(|progress| progress.done > 0 && chunks(progress)).count();
            assert!(phase == Phase::Receiving || steps > 0, "chunks that arrived count: {seen:?}");
            talk.cut(party);
        }
        talk.assert_in_step();
    });
}

/// Syncs a device and answers what it told of its progress on the way, without repetition.
fn watched(talk: &mut Dialogue, party: usize) -> Vec<Progress> {
    talk.connect(party);
    let mut seen = Vec::new();
    while talk.up(party) || talk.down(party) {
        seen.extend(status(talk, party).progress);
    }
    seen.dedup();
    seen
}

/// Two devices that ask before they commit, with a household on both.
pub fn with_consent(talk: &mut Dialogue) {
    with_household(talk);
    talk.confirm(true);
    talk.restart(B);
    talk.exec(B, "UPDATE household SET name = 'of b'", &[]);
    talk.connect(B);
    talk.settle();
}

#[test]
fn cs96_nothing_is_committed_before_the_app_says_yes() {
    on_both_paths(|talk| {
        with_consent(talk);
        let asked = question(talk, B).expect("a question");
        assert_eq!((asked.transactions, asked.upto, asked.refused.len()), (1, DeviceSeq(1), 0));
        assert_eq!(talk.head(), Seq(1));
        assert_eq!(status(talk, B).reason.as_deref(), Some("not_confirmed"));
        talk.input(B, Input::Confirmed { upto: asked.upto, accepted: true });
        talk.settle();
        assert_eq!((talk.head(), status(talk, B).state, status(talk, B).reason), (Seq(2), State::Idle, None));
        assert!(question(talk, B).is_none(), "it is asked once");
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs91_a_no_leaves_everything_pending_and_is_asked_again_when_there_is_more_or_the_app_syncs() {
    on_both_paths(|talk| {
        with_consent(talk);
        let first = question(talk, B).expect("a question");
        talk.input(B, Input::Confirmed { upto: first.upto, accepted: false });
        let failed = talk.outputs(B).contains(&Output::Failed(Cause { code: "not_confirmed".into(), retryable: true }));
        assert!(failed, "the wish to be up to date is not fulfilled");
        talk.settle();
        let after = status(talk, B);
        assert_eq!((after.state, after.pending, after.reason.as_deref()), (State::Idle, 1, Some("not_confirmed")));
        // What others write arrives all the same.
        talk.exec(A, "UPDATE household SET doses = 7", &[]);
        talk.visit(A);
        talk.settle();
        assert_eq!(value(talk, B, "SELECT doses FROM household"), Value::Integer(7));
        assert!(question(talk, B).is_none());
        talk.exec(B, "UPDATE household SET code = 'more'", &[]);
        talk.settle();
        let more = question(talk, B).expect("there is more");
        assert_eq!((more.transactions, more.upto), (2, DeviceSeq(2)));
        talk.input(B, Input::Confirmed { upto: more.upto, accepted: false });
        talk.input(B, Input::SyncNow);
        talk.settle();
        let again = question(talk, B).expect("asked again by sync.now()");
        assert_eq!((talk.head(), again.transactions), (Seq(2), 2));
        talk.input(B, Input::Confirmed { upto: again.upto, accepted: true });
        talk.settle();
        assert_eq!((status(talk, B).pending, status(talk, B).reason), (0, None));
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs92_an_answer_survives_the_connection_and_a_late_one_is_ignored() {
    on_both_paths(|talk| {
        with_consent(talk);
        let asked = question(talk, B).expect("a question");
        talk.cut(B);
        talk.input(B, Input::Confirmed { upto: asked.upto, accepted: true });
        talk.input(B, Input::Confirmed { upto: asked.upto, accepted: false });
        talk.connect(B);
        talk.settle();
        assert!(question(talk, B).is_none());
        assert_eq!((status(talk, B).pending, talk.head()), (0, Seq(2)));
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs93_running_a_plan_is_consent_to_what_it_covers() {
    on_both_paths(|talk| {
        with_consent(talk);
        let asked = question(talk, B).expect("a question");
        talk.input(B, Input::Confirmed { upto: asked.upto, accepted: false });
        let plan = plan(talk, B);
        talk.input(B, Input::Run { upto: plan.upto });
        talk.settle();
        assert_eq!((status(talk, B).pending, talk.head()), (0, Seq(2)));
        assert!(question(talk, B).is_none());
        assert_eq!(refused(talk, B), [""; 0]);
    });
}

#[test]
fn cs97_a_plan_reads_what_was_committed_under_another_schema_version() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let talk = &mut Dialogue::with_schema(2, two_phase, versions::first());
        talk.exec(A, "INSERT INTO person (id, name, phone, age) VALUES ('p', 'Ada', '12', 36)", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.input(B, Input::Pause(true));
        talk.exec(B, "UPDATE person SET name = 'of b'", &[]);
        talk.deploy(&versions::second());
        talk.restart_with(A, &versions::second());
        talk.exec(A, "UPDATE human SET full_name = 'of a', kind = 'k'", &[]);
        talk.visit(A);
        let rows = talk.rows(B);
        let plan = plan(talk, B);
        let merged = plan.merges.iter().any(|conflict| [text("of a"), text("of b")].contains(&conflict.lost()));
        assert_eq!((plan.transactions, plan.unpredicted, merged), (1, 0, true), "{}", talk.transcript());
        assert!(plan.commits >= 1 && plan.more_commits == 0, "{plan:?}");
        assert_eq!((talk.rows(B), status(talk, B).pending), (rows, 1));
    }
}

#[test]
fn cs98_while_a_snapshot_is_needed_a_plan_is_a_typed_error_that_may_be_tried_again() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(B, "UPDATE household SET name = 'mine'", &[]);
        talk.input(B, Input::CannotApply);
        talk.input(B, Input::Plan);
        let cause = failure(talk, B).expect("no plan can be told");
        assert_eq!((cause.code.as_str(), cause.retryable), ("snapshot_needed", true));
        talk.visit(B);
        assert_eq!(plan(talk, B).transactions, 0);
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}
