//! A database belongs to the space that welcomed it first. Opened for another one it says nothing, hears nothing, and changes nothing but
//! what the app writes; back at its own it goes on.

use crate::script::{A, B, assert_stopped, hello, on_both_paths, status, text, value, with_household};
use ebbtide_core::client::{Input, Output, SpaceName, Start, State};
use ebbtide_core::ids::{DeviceSeq, Seq};
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;

const HERE: &str = "clinic-7";
const THERE: &str = "clinic-8";
const OTHER: &str = "other_space";

/// A has sent something, something that is sealed waits on it, and something that is not.
fn with_work_on_a(talk: &mut Dialogue) {
    with_household(talk);
    talk.exec(A, "INSERT INTO visit (id, household) VALUES ('sent', 'h')", &[]);
    talk.visit(A);
    talk.exec(A, "UPDATE household SET name = 'sealed'", &[]);
    talk.pass_ms(5_000);
    talk.input(A, Input::Tick);
    talk.exec(A, "UPDATE household SET doses = 7", &[]);
    assert_eq!((talk.durable(A).sealed.len(), talk.durable(A).log.len()), (1, 2));
}

fn open_at(talk: &mut Dialogue, party: usize, name: &str) {
    talk.go_to(name);
    talk.restart(party);
}

/// A has been everywhere and is in step with B.
fn goes_on_at_home(talk: &mut Dialogue, name: &str, doses: i64) {
    open_at(talk, A, HERE);
    talk.visit(A);
    talk.visit(B);
    talk.assert_in_step();
    assert_eq!(value(talk, B, "SELECT name FROM household"), text(name));
    assert_eq!(value(talk, B, "SELECT doses FROM household"), Value::Integer(doses));
    assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(1));
}

fn request(talk: &mut Dialogue, party: usize) -> Option<Vec<ClientMessage>> {
    let now = talk.time_of(party);
    talk.device(party).ready_request(now).expect("the database can be read")
}

fn speaks(output: &Output) -> bool {
    matches!(output, Output::Connect | Output::Send(_))
}

#[test]
fn cs260_a_database_that_is_opened_for_another_space_gives_that_nothing_and_goes_on_at_home() {
    on_both_paths(|talk| {
        with_work_on_a(talk);
        open_at(talk, A, THERE);
        let before = talk.durable(A);
        talk.input(A, Input::Start);
        talk.reconnect(A);
        talk.settle();
        assert_eq!((talk.head(), talk.space.rows().len()), (Seq(0), 0), "{}", talk.transcript());
        assert_stopped(talk, A, OTHER);
        assert_eq!(status(talk, A).pending, 2);
        assert_eq!(talk.durable(A), before);
        goes_on_at_home(talk, "sealed", 7);
        let after = talk.durable(A).state;
        assert_eq!((after.incarnation, after.space), (before.state.incarnation, Some(SpaceName(HERE.into()))));
    });
}

#[test]
fn cs260_whatever_happens_there_nothing_of_the_database_changes_but_by_its_app() {
    on_both_paths(|talk| {
        with_work_on_a(talk);
        open_at(talk, A, THERE);
        let before = talk.durable(A);
        let (run, confirmed) =
            (Input::Run { upto: DeviceSeq(9) }, Input::Confirmed { upto: DeviceSeq(9), accepted: true });
        for input in [
            Input::Online(false),
            Input::Start,
            Input::Online(true),
            Input::Pause(true),
            Input::Pause(false),
            Input::Connected,
            Input::SyncNow,
            Input::Plan,
            run,
            confirmed,
            Input::Choose(Start::Take),
            Input::CannotApply,
        ] {
            talk.input(A, input);
            talk.pass_ms(60_000);
            talk.input(A, Input::Tick);
            assert_eq!(request(talk, A), None);
        }
        assert_eq!(talk.durable(A), before, "{}", talk.transcript());
        assert!(!talk.took(A, speaks), "{}", talk.transcript());
        assert_stopped(talk, A, OTHER);
        let told = |output: &Output| match output {
            Output::Failed(cause) | Output::PlanFailed(cause) => cause.code == OTHER && !cause.retryable,
            _ => false,
        };
        assert_eq!(talk.outputs(A).into_iter().filter(told).count(), 3, "a wish, a plan, and one that is run");
        talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
        talk.pass_ms(60_000);
        talk.input(A, Input::Tick);
        assert_eq!((talk.durable(A).log.len(), status(talk, A).pending), (3, 3), "local work goes on");
        assert_eq!(talk.durable(A).sealed, before.sealed);
        goes_on_at_home(talk, "sealed", 8);
    });
}

#[test]
fn cs260_a_reply_to_what_the_service_worker_sent_before_waits_for_the_space_itself() {
    on_both_paths(|talk| {
        with_work_on_a(talk);
        let request = request(talk, A).expect("something waits");
        let replies = talk.mail(A, &request);
        assert!(replies.iter().any(|message| matches!(message, ServerMessage::Receipt(_))));
        open_at(talk, A, THERE);
        let before = talk.durable(A);
        talk.input(A, Input::Delivered(replies));
        assert_eq!(talk.durable(A), before);
        goes_on_at_home(talk, "sealed", 7);
    });
}

#[test]
fn cs260_what_waits_with_the_service_worker_is_taken_back() {
    on_both_paths(|talk| {
        with_work_on_a(talk);
        open_at(talk, A, THERE);
        talk.input(A, Input::Start);
        assert!(talk.took(A, |output| *output == Output::SealedChanged));
        assert_eq!(request(talk, A), None);
        talk.go_to(HERE);
        talk.restart(A);
        talk.input(A, Input::Online(false));
        talk.input(A, Input::Start);
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
        assert!(talk.took(A, |output| *output == Output::SealedChanged));
        assert_eq!(request(talk, A).map(|messages| messages.len()), Some(3), "a hello and two changesets");
    });
}

#[test]
fn cs260_another_life_and_a_copy_belong_where_the_first_did() {
    on_both_paths(|talk| {
        with_household(talk);
        let space = talk.space.backup();
        talk.exec(A, "UPDATE household SET doses = 3", &[]);
        talk.visit(A);
        talk.restore_space(&space);
        talk.connect(A);
        talk.settle();
        assert!(talk.took(A, |output| matches!(output, Output::Recovered { code: "unknown_history" })));
        assert_eq!(talk.durable(A).state.space, Some(SpaceName(HERE.into())));
        let copy = talk.backup(A);
        let clone = talk.add("C", "ada");
        talk.go_to(THERE);
        talk.restore(clone, &copy);
        talk.input(clone, Input::SyncNow);
        assert_stopped(talk, clone, OTHER);
        talk.go_to(HERE);
        talk.restart(clone);
        for party in [A, clone, B] {
            talk.visit(party);
        }
        talk.assert_in_step();
    });
}

#[test]
fn cs261_what_a_database_wrote_before_its_first_welcome_may_be_sent_for_it_and_counts_once() {
    on_both_paths(|talk| {
        with_household(talk);
        let newcomer = talk.add("C", "ada");
        talk.exec(newcomer, "INSERT INTO household (id, name, doses) VALUES ('c', 'offline', 2)", &[]);
        talk.pass_ms(5_000);
        talk.input(newcomer, Input::Tick);
        let waiting = request(talk, newcomer).expect("the service worker may send it");
        let brought = talk.mail(newcomer, &waiting);
        assert_eq!(talk.space.rows().len(), 2, "it is there");
        talk.input(newcomer, Input::Delivered(brought));
        assert_eq!(talk.durable(newcomer).state.space, None);
        talk.visit(newcomer);
        for party in [A, B] {
            talk.visit(party);
        }
        assert_eq!(talk.query(A, "SELECT doses FROM household WHERE id = 'c'"), [[Value::Integer(2)]]);
        talk.assert_in_step();
    });
}

#[test]
fn cs261_a_database_that_nobody_has_welcomed_may_go_to_any_space() {
    on_both_paths(|talk| {
        talk.exec(A, "INSERT INTO household (id, name) VALUES ('h', 'mine')", &[]);
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
        assert_eq!(talk.durable(A).sealed.len(), 1);
        talk.connect(A);
        assert!(matches!(talk.sent_by(A)[..], [ClientMessage::Hello(_)]));
        assert!(talk.up(A));
        talk.lose(A);
        open_at(talk, A, THERE);
        talk.visit(A);
        assert_eq!(talk.space.rows().len(), 1);
        assert_eq!(talk.durable(A).state.space, Some(SpaceName(THERE.into())));
        open_at(talk, A, HERE);
        talk.input(A, Input::SyncNow);
        assert_stopped(talk, A, OTHER);
        assert_eq!((talk.head(), talk.space.rows().len()), (Seq(0), 0));
    });
}

#[test]
fn cs261_a_database_without_a_space_takes_no_answer_that_somebody_else_brings() {
    on_both_paths(|talk| {
        with_household(talk);
        // The service worker asked for a database of the same name, which is gone.
        let newcomer = talk.add("C", "ada");
        let hello = ClientMessage::Hello(hello(talk, newcomer));
        let brought = talk.mail(newcomer, &[hello]);
        assert!(brought.iter().any(|message| matches!(message, ServerMessage::Range(range) if range.upto > Seq(0))));
        open_at(talk, newcomer, THERE);
        let before = talk.durable(newcomer);
        talk.input(newcomer, Input::Delivered(brought));
        assert_eq!(talk.durable(newcomer), before);
        talk.sync(newcomer);
        assert_eq!(status(talk, newcomer).state, State::Idle);
        assert_eq!(talk.query(newcomer, "SELECT id FROM household").len(), 0);
    });
}

#[test]
fn cs260_there_too_the_status_says_whether_there_is_a_network_and_a_pause() {
    on_both_paths(|talk| {
        with_work_on_a(talk);
        open_at(talk, A, THERE);
        for (input, online, state) in [
            (Input::Start, true, State::Error),
            (Input::Online(false), false, State::Error),
            (Input::Pause(true), false, State::Paused),
            (Input::Online(true), true, State::Paused),
            (Input::Pause(false), true, State::Error),
        ] {
            talk.input(A, input);
            let status = status(talk, A);
            assert_eq!((status.online, status.state, status.reason.as_deref()), (online, state, Some(OTHER)));
        }
    });
}
