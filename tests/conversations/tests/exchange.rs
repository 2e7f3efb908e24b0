//! How changes travel: plain writes, pushes, gaps, announcements, parts, somebody else's delivery.

use crate::script::{A, B, noise, on_both_paths, status, text, value, with_household};
use ebbtide_core::client::{Input, Output};
use ebbtide_core::error::{Refusal, RefusalCode};
use ebbtide_core::ids::Seq;
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::value::Value;

#[test]
fn cs10_a_write_reaches_the_other_device_as_it_was_written() {
    on_both_paths(|talk| {
        let values = [Value::Null, Value::Integer(0), text(""), Value::Real(5e-324), Value::Blob(vec![])];
        let [name, doses, code, weight, photo] = values.clone();
        let sql = "INSERT INTO household (id, name, doses, code, weight, photo) VALUES ('h', ?, ?, ?, ?, ?)";
        talk.exec(A, sql, &[name, doses, code, weight, photo]);
        talk.visit(A);
        talk.visit(B);
        let row = talk.query(B, "SELECT name, doses, code, weight, photo FROM household");
        assert_eq!(row, [values.to_vec()]);
        talk.assert_in_step();
    });
}

#[test]
fn cs11_a_commit_is_pushed_to_a_connected_device_without_a_request() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        talk.sync(B);
        talk.outputs(B);
        talk.exec(A, "UPDATE household SET name = 'pushed'", &[]);
        while talk.up(A) || talk.down(A) {}
        assert!(talk.sent_by(B).is_empty());
        assert!(talk.down(B));
        assert_eq!(value(talk, B, "SELECT name FROM household"), text("pushed"));
        talk.settle();
        talk.assert_in_step();
    });
}

#[test]
fn cs12_a_gap_in_what_was_pushed_is_pulled() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        talk.sync(B);
        talk.exec(A, "UPDATE household SET name = 'lost'", &[]);
        while talk.up(A) || talk.down(A) {}
        talk.lose(B);
        talk.exec(A, "UPDATE household SET doses = 7", &[]);
        while talk.up(A) || talk.down(A) {}
        talk.down(B);
        assert_eq!(talk.query(B, "SELECT name, doses FROM household"), [[text("first"), Value::Integer(0)]]);
        assert!(matches!(talk.sent_by(B).as_slice(), [ClientMessage::Pull { .. }]), "{:?}", talk.sent_by(B));
        talk.settle();
        talk.assert_in_step();
    });
}

#[test]
fn cs13_a_device_that_confirms_nothing_is_only_told_of_the_head_and_pulls() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        talk.sync(B);
        for step in 0..12 {
            let name = noise(60_000, step);
            talk.exec(A, "UPDATE household SET name = ?", &[text(&name)]);
            while talk.up(A) || talk.down(A) {}
        }
        let waiting = talk.waiting_for(B);
        let head = talk.head();
        assert!(waiting.len() < 12 && matches!(waiting.last(), Some(ServerMessage::Head { seq }) if *seq < head));
        talk.settle();
        talk.assert_in_step();
        talk.exec(A, "UPDATE household SET name = 'short'", &[]);
        while talk.up(A) || talk.down(A) {}
        assert!(matches!(talk.waiting_for(B).as_slice(), [ServerMessage::Range(_)]), "pushes go on after a pull");
        talk.settle();
        talk.assert_in_step();
    });
}

#[test]
fn cs14_a_commit_larger_than_a_message_travels_in_parts_and_is_applied_with_the_last() {
    on_both_paths(|talk| {
        with_household(talk);
        let photos = [1, 2, 3].map(|seed| Value::Blob(noise(1_900_000, seed).into_bytes()));
        talk.exec(A, "INSERT INTO household (id, photo) VALUES ('1', ?), ('2', ?), ('3', ?)", &photos);
        talk.visit(A);
        talk.connect(B);
        // The hello, its answer, a pull.
        assert!(talk.up(B) && talk.down(B) && talk.up(B));
        let parts = talk.waiting_for(B).iter().filter(|message| matches!(message, ServerMessage::Part(_))).count();
        assert!(parts > 1, "{parts} parts");
        talk.settle();
        let found = talk.query(B, "SELECT photo FROM household WHERE id <> 'h' ORDER BY id");
        assert_eq!(found, photos.map(|photo| [photo]));
        talk.assert_in_step();
    });
}

#[test]
fn cs150_a_device_is_told_of_what_came_while_it_pulled_and_did_not_fit() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        talk.sync(B);
        // More than a message holds, so that it travels alone, in parts.
        let large = |seed: u64| [1, 2].map(|row| Value::Blob(noise(1_900_000, seed + row).into_bytes())).to_vec();
        for (sql, params) in [
            ("INSERT INTO household (id, photo) VALUES ('1', ?), ('2', ?)", large(10)),
            ("UPDATE household SET name = ?", vec![text("announced, since the first was not confirmed")]),
            ("INSERT INTO household (id, photo) VALUES ('3', ?), ('4', ?)", large(20)),
            ("UPDATE household SET name = ?", vec![text("last")]),
        ] {
            talk.exec(A, sql, &params);
            while talk.up(A) || talk.down(A) {}
        }
        talk.settle();
        assert_eq!(value(talk, B, "SELECT name FROM household WHERE id = 'h'"), text("last"));
        talk.assert_in_step();
    });
}

#[test]
fn cs15_a_ready_made_request_delivered_by_somebody_else_settles_through_its_reply() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET name = 'posted'", &[]);
        talk.pass_ms(2_000);
        talk.input(A, Input::Tick);
        let now = talk.time_of(A);
        let request = talk.device(A).ready_request(now).expect("a request").expect("something that waits");
        let replies = talk.mail(A, &request);
        assert_eq!(talk.head(), Seq(2));
        talk.restart(A);
        talk.input(A, Input::Start);
        talk.input(A, Input::Delivered(replies.clone()));
        assert_eq!(status(talk, A).pending, 0);
        assert!(talk.durable(A).sealed.is_empty());
        // Once more, and again through the session: nothing happens twice.
        talk.input(A, Input::Delivered(replies));
        let again = talk.mail(A, &request);
        talk.input(A, Input::Delivered(again));
        assert_eq!(talk.head(), Seq(2));
        talk.restart(A);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs16_a_receipt_alone_changes_nothing_that_is_seen() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET name = 'mine'", &[]);
        talk.exec(B, "UPDATE household SET name = 'later', doses = 3", &[]);
        talk.visit(B);
        talk.pass_ms(2_000);
        talk.input(A, Input::Tick);
        let now = talk.time_of(A);
        let request = talk.device(A).ready_request(now).expect("a request").expect("something that waits");
        let replies = talk.mail(A, &request);
        let receipts: Vec<_> = replies.iter().filter(|m| matches!(m, ServerMessage::Receipt(_))).cloned().collect();
        assert_eq!(receipts.len(), 1);
        talk.input(A, Input::Delivered(receipts));
        assert_eq!(talk.query(A, "SELECT name, doses FROM household"), [[text("mine"), Value::Integer(0)]]);
        assert_eq!(talk.durable(A).sealed.len(), 1);
        talk.visit(A);
        assert_eq!(talk.query(A, "SELECT name, doses FROM household"), [[text("later"), Value::Integer(3)]]);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs209_the_report_of_a_sync_counts_what_was_exchanged_the_connections_that_failed_and_its_time() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET name = 'of a'", &[]);
        talk.visit(A);
        talk.exec(B, "UPDATE household SET doses = 1", &[]);
        let began = talk.time_of(B);
        talk.connect(B);
        for _ in 0..2 {
            talk.cut(B);
            talk.pass_ms(60_000);
            talk.input(B, Input::Tick);
            assert!(talk.reconnect(B), "it tries again");
        }
        talk.settle();
        let took = talk.time_of(B).0 - began.0;
        let outputs = talk.outputs(B).into_iter();
        let mut reports =
            outputs.filter_map(|output| if let Output::UpToDate(report) = output { Some(report) } else { None });
        let report = reports.next().expect("a report");
        assert_eq!((report.sent, report.received, report.retries), (1, 1, 2));
        assert_eq!((report.duration_ms, reports.next()), (took, None));
    });
}

#[test]
fn cs210_a_connection_whose_token_has_run_out_is_made_anew() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        let refusal =
            Refusal { code: RefusalCode::Forbidden, device_seq: None, detail: "the token has expired".into() };
        talk.input(A, Input::Received(vec![ServerMessage::Refused(refusal)]));
        assert!(status(talk, A).next_retry_at.is_some(), "{:?}", status(talk, A));
        talk.cut(A);
        talk.exec(A, "UPDATE household SET name = 'with the next token'", &[]);
        talk.pass_ms(60_000);
        talk.input(A, Input::Tick);
        assert!(talk.reconnect(A), "it tries again by itself");
        talk.settle();
        assert_eq!(status(talk, A).pending, 0, "{}", talk.transcript());
    });
}
