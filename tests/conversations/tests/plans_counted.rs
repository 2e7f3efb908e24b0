//! What a plan counts: each commit that would come, once, however it arrives, and all that waits, predicted or not.

use crate::plans::{plan, planned};
use crate::script::{A, B, noise, on_both_paths, text, with_household};
use crate::versions;
use ebbtide_core::client::{Input, Output, Plan, SessionOptions, TwoPhase};
use ebbtide_core::ids::Seq;
use ebbtide_core::limits::PLANNED_BYTES;
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;

/// A page has one of the commits below.
const PAGE_BYTES: u32 = 60_000;

/// What is written, some pages of it, while the other device is away.
const COMMITS: u64 = 10;

/// A and B have a household; then A writes more than one page, of which B knows nothing.
pub fn behind_by_pages(two_phase: TwoPhase) -> Dialogue {
    let options = SessionOptions { two_phase, page_bytes: Some(PAGE_BYTES), ..SessionOptions::default() };
    let mut talk = Dialogue::with_options(2, options);
    with_household(&mut talk);
    for seed in 0..COMMITS {
        talk.exec(A, "UPDATE household SET name = ?", &[text(&noise(100_000, seed))]);
        talk.visit(A);
    }
    talk
}

fn updates(plan: &Plan) -> u64 {
    plan.receives.values().map(|counts| counts.updates).sum()
}

#[test]
fn cs80_a_plan_of_many_pages_counts_them_all_and_asks_for_everything_once() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let talk = &mut behind_by_pages(two_phase);
        talk.input(B, Input::Pause(true));
        talk.exec(B, "UPDATE household SET doses = 1", &[]);
        talk.outputs(B);
        talk.input(B, Input::Plan);
        talk.reconnect(B);
        // However often it is woken meanwhile.
        while talk.up(B) || talk.down(B) {
            talk.input(B, Input::Tick);
        }
        let outputs = talk.outputs(B);
        let told = outputs.iter().position(|output| matches!(output, Output::Planned(_))).expect("a plan");
        let Output::Planned(plan) = &outputs[told] else { unreachable!() };
        assert_eq!((u64::from(plan.commits), updates(plan), plan.more_commits), (COMMITS, COMMITS, 0));
        assert_eq!((plan.transactions, plan.unpredicted), (1, 0));
        let sent = outputs[..told].iter().filter_map(|output| match output {
            Output::Send(messages) => Some(messages),
            _ => None,
        });
        let (mut pages, mut predictions): (Vec<Seq>, usize) = (Vec::new(), 0);
        for message in sent.flatten() {
            match message {
                ClientMessage::Pull { cursor, .. } => pages.push(cursor.seq),
                ClientMessage::Predict { .. } => predictions += 1,
                _ => {}
            }
        }
        assert!(pages.len() > 3 && pages.is_sorted_by(|one, next| one < next), "{pages:?}");
        assert_eq!(predictions, 1, "{}", talk.transcript());
    }
}

#[test]
fn cs80_a_commit_that_is_pushed_while_its_page_is_on_the_way_is_counted_once() {
    on_both_paths(|talk| {
        with_household(talk);
        [A, B].into_iter().for_each(|party| talk.sync(party));
        talk.input(B, Input::Plan);
        talk.exec(B, "UPDATE household SET doses = 1", &[]);
        talk.exec(A, "UPDATE household SET name = 'pushed'", &[]);
        while talk.up(A) || talk.down(A) {}
        // The push comes first, then a page that has the same commit, then the prediction.
        talk.settle();
        let plan = planned(talk, B);
        assert_eq!((plan.commits, updates(&plan), plan.more_commits), (1, 1, 0), "{}", talk.transcript());
        [A, B].into_iter().for_each(|party| talk.cut(party));
        [B, A].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
    });
}

#[test]
fn cs80_a_gap_in_what_is_pushed_while_a_plan_is_made_is_counted_too() {
    on_both_paths(|talk| {
        with_household(talk);
        [A, B].into_iter().for_each(|party| talk.sync(party));
        talk.input(B, Input::Plan);
        for name in ["lost on the way", "pushed"] {
            talk.exec(A, "UPDATE household SET name = ?", &[text(name)]);
            while talk.up(A) || talk.down(A) {}
        }
        talk.lose(B);
        talk.settle();
        let plan = planned(talk, B);
        assert_eq!((plan.commits, updates(&plan), plan.more_commits), (2, 2, 0), "{}", talk.transcript());
        talk.assert_in_step();
    });
}

#[test]
fn cs80_a_plan_reads_a_bounded_part_of_a_long_history_and_says_how_many_commits_are_beyond() {
    const LARGE: u64 = 12;
    let talk = &mut Dialogue::new(2, TwoPhase::Auto);
    with_household(talk);
    for seed in 0..LARGE {
        let photo = Value::Blob(noise(1_900_000, seed).into_bytes());
        talk.exec(A, "UPDATE household SET photo = ?", &[photo]);
        talk.visit(A);
    }
    talk.input(B, Input::Pause(true));
    let plan = plan(talk, B);
    assert_eq!(u64::from(plan.commits) + plan.more_commits, LARGE);
    let (read, bound) = (plan.bytes_down as usize, PLANNED_BYTES);
    assert!(plan.more_commits > 0 && read > bound, "{read} bytes of {} commits", plan.commits);
    assert!(read / plan.commits as usize * (plan.commits as usize - 1) <= bound, "no more than one above it");
}

#[test]
fn cs80_what_the_space_cannot_read_yet_is_told_as_not_predicted() {
    let longer = serde_json::json!([versions::FIRST, "ALTER TABLE badge ADD COLUMN colour TEXT"]);
    let longer = versions::schema(&longer, &["person", "badge"]);
    versions::from_the_first(|talk| {
        talk.exec(A, versions::INSERT, &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        for age in [37, 38] {
            talk.exec(B, "UPDATE person SET age = ?", &[Value::Integer(age)]);
            talk.pass_ms(5_000);
            talk.input(B, Input::Tick);
        }
        assert_eq!(talk.durable(B).sealed.len(), 2);
        talk.restart_with(B, &longer);
        for colour in ["red", "green", "blue"] {
            talk.exec(B, "INSERT INTO badge VALUES (?1, ?1, ?1)", &[text(colour)]);
        }
        let plan = plan(talk, B);
        assert_eq!((plan.transactions, plan.unpredicted), (5, 3), "{}", talk.transcript());
        assert_eq!(plan.sends.values().map(|counts| (counts.inserts, counts.updates)).collect::<Vec<_>>(), [(0, 2)]);
    });
}

#[test]
fn cs85_numbers_that_a_prediction_does_not_reach_are_told_as_not_predicted() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.input(B, Input::Pause(true));
        for doses in [1, 2] {
            talk.exec(B, "UPDATE household SET doses = ?", &[Value::Integer(doses)]);
            talk.pass_ms(5_000);
            talk.input(B, Input::Tick);
        }
        assert_eq!(talk.durable(B).sealed.len(), 2);
        talk.input(B, Input::Plan);
        talk.reconnect(B);
        let is_prediction = |message: &ServerMessage| matches!(message, ServerMessage::Predicted(_));
        while !talk.waiting_for(B).iter().any(is_prediction) {
            assert!(talk.up(B) || talk.down(B), "{}", talk.transcript());
        }
        let mut answer = talk.waiting_for(B);
        while !talk.waiting_for(B).is_empty() {
            talk.lose(B);
        }
        // The space ends it where its bounds are.
        for message in &mut answer {
            if let ServerMessage::Predicted(predictions) = message {
                predictions.truncate(1);
            }
        }
        talk.input(B, Input::Received(answer));
        talk.settle();
        let plan = planned(talk, B);
        assert_eq!((plan.transactions, plan.unpredicted), (2, 1), "{}", talk.transcript());
    });
}
