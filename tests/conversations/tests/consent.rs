//! When the app is asked before something is committed, and when not.

use crate::plans::{planned, question, with_consent};
use crate::plans_counted::behind_by_pages;
use crate::script::{A, B, on_both_paths, status, with_household};
use ebbtide_core::client::{Input, Output, TwoPhase};
use ebbtide_core::ids::{DeviceSeq, Seq};
use ebbtide_core::message::ServerMessage;
use ebbtide_simulator::dialogue::Dialogue;

#[test]
fn cs96_while_the_app_has_not_answered_it_is_asked_neither_again_nor_about_more() {
    on_both_paths(|talk| {
        with_consent(talk);
        let asked = question(talk, B).expect("a question");
        talk.exec(A, "UPDATE household SET doses = 7", &[]);
        talk.visit(A);
        talk.settle();
        assert!(question(talk, B).is_none(), "what others write is no reason\n{}", talk.transcript());
        talk.exec(B, "UPDATE household SET code = 'more'", &[]);
        talk.settle();
        assert!(question(talk, B).is_none(), "nor is what is written here\n{}", talk.transcript());
        talk.input(B, Input::Confirmed { upto: asked.upto, accepted: true });
        talk.settle();
        assert_eq!((talk.head(), status(talk, B).pending), (Seq(3), 1), "the yes counts, for what it was given to");
        let more = question(talk, B).expect("the rest is asked about then");
        assert_eq!((more.transactions, more.upto), (1, DeviceSeq(2)));
        talk.input(B, Input::Confirmed { upto: more.upto, accepted: true });
        talk.settle();
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs91_what_was_declined_is_predicted_anew_when_it_is_asked_about_again() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.confirm(true);
        talk.restart(B);
        talk.exec(B, "INSERT INTO household (id, code) VALUES ('b', 'x')", &[]);
        talk.connect(B);
        talk.settle();
        let asked = question(talk, B).expect("a question");
        assert_eq!(asked.refused, []);
        talk.input(B, Input::Confirmed { upto: asked.upto, accepted: false });
        talk.settle();
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'x')", &[]);
        talk.visit(A);
        talk.settle();
        talk.input(B, Input::SyncNow);
        talk.settle();
        let again = question(talk, B).expect("asked again");
        let reasons: Vec<&str> = again.refused.iter().map(|refused| refused.reason.code()).collect();
        assert_eq!(reasons, ["unique"], "{}", talk.transcript());
    });
}

#[test]
fn cs93_who_plans_and_runs_is_asked_neither_before_the_plan_is_told_nor_after_it_is_run() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let talk = &mut behind_by_pages(two_phase);
        talk.confirm(true);
        talk.restart(B);
        talk.exec(B, "UPDATE household SET doses = 1", &[]);
        let asks = |talk: &Dialogue| talk.took(B, |output| matches!(output, Output::Confirm(_)));
        talk.input(B, Input::Plan);
        talk.reconnect(B);
        while !talk.took(B, |output| matches!(output, Output::Planned(_))) {
            assert!(talk.up(B) || talk.down(B), "{}", talk.transcript());
        }
        assert!(!asks(talk), "{}", talk.transcript());
        let plan = planned(talk, B);
        // What the question would say is on its way when the app runs the plan.
        while !talk.waiting_for(B).iter().any(|message| matches!(message, ServerMessage::Predicted(_))) {
            assert!(talk.up(B) || talk.down(B), "{}", talk.transcript());
        }
        talk.input(B, Input::Run { upto: plan.upto });
        talk.settle();
        assert!(!asks(talk), "{}", talk.transcript());
        assert_eq!(status(talk, B).pending, 0);
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    }
}
