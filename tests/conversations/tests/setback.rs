//! A space that was set back to a backup, and a history that was pruned: nobody loses a write, and all end in the same state.

use crate::script::{A, B, noise, on_both_paths, status, text, value, with_household};
use ebbtide_core::client::{Input, Output};
use ebbtide_core::ids::{DeviceSeq, Seq};
use ebbtide_core::limits::{CONFIRM_AFTER_MS, CURSOR_EVERY_MS, RETENTION_MS, SNAPSHOT_TOKEN_MS};
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_protocol::encode_client;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_simulator::disk::Image;

#[test]
fn cs60_devices_bring_back_what_a_restored_space_has_lost() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.space.backup();
        talk.exec(A, "UPDATE household SET name = 'lost and found'", &[]);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('of a', 'h')", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(B, "INSERT INTO visit (id, household) VALUES ('of b', 'h')", &[]);
        talk.exec(B, "DELETE FROM visit WHERE id = 'of a'", &[]);
        talk.visit(B);
        talk.exec(A, "UPDATE household SET doses = 7", &[]);
        talk.restore_space(&backup);
        for party in [A, B, A, B, A] {
            talk.connect(party);
            assert!(talk.durable(party).log.len() < 5);
            talk.sync(party);
            talk.cut(party);
        }
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT name || doses FROM household"), text("lost and found7"));
        assert_eq!(value(talk, A, "SELECT group_concat(id) FROM visit"), text("of b"));
    });
}

#[test]
fn cs151_a_device_that_heard_of_a_later_head_does_not_wait_for_it_when_the_space_was_set_back() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(A);
        let backup = talk.space.backup();
        talk.sync(B);
        for _ in 0..2 {
            talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
            while talk.up(A) || talk.down(A) {}
        }
        // The first is lost on the way, so that the second tells where the head is, and no more.
        talk.lose(B);
        talk.down(B);
        assert!(status(talk, B).head > status(talk, B).cursor);
        talk.cut(A);
        talk.cut(B);
        talk.restore_space(&backup);
        talk.sync(B);
        assert_eq!(status(talk, B).head, talk.head());
        talk.visit(A);
        talk.settle();
        talk.assert_in_step();
    });
}

#[test]
fn cs60_what_the_restored_space_still_has_is_not_written_twice() {
    on_both_paths(|talk| {
        with_household(talk);
        for _ in 0..5 {
            talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
            talk.exec(A, "INSERT INTO visit (id) VALUES (uuidv7())", &[]);
            talk.visit(A);
        }
        let backup = talk.space.backup();
        talk.exec(A, "INSERT INTO visit (id) VALUES (uuidv7())", &[]);
        talk.visit(A);
        let before = talk.head();
        talk.restore_space(&backup);
        talk.visit(A);
        assert!(talk.took(A, |output| matches!(output, Output::Recovered { code: "unknown_history" })));
        assert_eq!(talk.head(), before, "one commit was lost, and one came back");
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(6));
    });
}

#[test]
fn cs61_a_write_claims_to_have_seen_no_more_than_both_histories_share() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.space.backup();
        for _ in 0..4 {
            talk.exec(A, "UPDATE household SET weight = 1.0", &[]);
            talk.visit(A);
        }
        talk.exec(A, "UPDATE household SET name = 'old'", &[]);
        talk.restore_space(&backup);
        // The other history goes on in the meantime, further than the lost one did.
        for _ in 0..6 {
            talk.pass_ms(10);
            talk.exec(B, "UPDATE household SET name = 'newer'", &[]);
            talk.visit(B);
        }
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, A, "SELECT name FROM household"), text("newer"), "the later reading wins, unseen");
        let now = talk.now;
        let records = talk.device(A).database().decided_conflicts().expect("a list");
        assert!(!records.is_empty(), "and it is recorded, at {now:?}");
    });
}

#[test]
fn sv80_history_that_every_device_has_is_pruned_and_an_old_device_starts_from_a_snapshot() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(B, "UPDATE household SET doses = 4", &[]);
        talk.exec(B, "INSERT INTO visit (id, household) VALUES ('waits', 'h')", &[]);
        for _ in 0..20 {
            talk.exec(A, "UPDATE household SET name = name || '.'", &[]);
            talk.exec(A, "INSERT INTO visit (id) VALUES (uuidv7())", &[]);
            talk.visit(A);
        }
        talk.exec(A, "DELETE FROM visit", &[]);
        talk.visit(A);
        talk.space.prune(talk.now);
        assert_eq!(talk.space.floor().0, 0, "younger than a snapshot may be");
        talk.pass_ms(SNAPSHOT_TOKEN_MS + 1);
        talk.visit(A);
        talk.space.prune(talk.now);
        assert!(talk.space.floor().0 <= 1, "B has not come for it");
        talk.pass_ms(RETENTION_MS);
        talk.exec(A, "UPDATE household SET weight = 1.0", &[]);
        talk.visit(A);
        talk.space.prune(talk.now);
        assert_eq!(talk.space.floor().0, talk.head().0 - 1);
        assert_eq!(tombstones(talk), 0);
        talk.visit(B);
        let third = talk.add("C", "ada");
        talk.visit(third);
        talk.visit(A);
        talk.assert_in_step();
        assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(4));
        assert_eq!(value(talk, third, "SELECT count(*) FROM visit"), Value::Integer(1));
        assert_eq!(status(talk, B).pending, 0);
    });
}

fn noted(talk: &mut Dialogue, party: usize) -> Option<Seq> {
    let incarnation = talk.durable(party).state.incarnation;
    talk.space.noted_cursor(incarnation)
}

#[test]
fn sv106_a_cursor_is_written_down_when_its_device_leaves() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(B);
        let before = noted(talk, B);
        for _ in 0..5 {
            talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
            talk.sync(A);
        }
        talk.pass_ms(CONFIRM_AFTER_MS);
        talk.input(B, Input::Tick);
        talk.settle();
        assert_eq!(noted(talk, B), before, "not at every message");
        talk.evict();
        talk.cut(B);
        assert_eq!(noted(talk, B), Some(talk.head()));
    });
}

#[test]
fn sv106_a_cursor_is_written_down_after_an_hour_and_never_beyond_the_head() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.sync(B);
        let say = |talk: &mut Dialogue, seq| {
            let applied = ClientMessage::Applied { seq: Seq(seq), applied_receipt: DeviceSeq(0) };
            talk.raw(B, &encode_client(&[applied])).expect("an answer");
        };
        talk.pass_ms(CURSOR_EVERY_MS);
        say(talk, 1);
        assert_eq!(noted(talk, B), Some(Seq(1)), "by time");
        talk.exec(A, "UPDATE household SET doses = 1", &[]);
        talk.sync(A);
        say(talk, u64::MAX);
        assert_eq!(noted(talk, B), Some(talk.head()), "by distance, and no further than there is anything");
        say(talk, 1);
        talk.cut(B);
        assert_eq!(noted(talk, B), Some(talk.head()), "who leaves later may have heard less");
    });
}

fn tombstones(talk: &Dialogue) -> i64 {
    let rows = "SELECT count(*) FROM _ebb_row WHERE key NOT IN (SELECT id FROM household) AND key NOT IN (SELECT id FROM visit)";
    talk.space.connection().query_row(rows, [], |row| row.get(0)).expect("a count")
}

#[test]
fn sv81_an_edit_of_a_row_whose_tombstone_is_gone_is_recorded_and_changes_nothing() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('v', 'h')", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(B, "UPDATE visit SET notes = 'too late' WHERE id = 'v'", &[]);
        talk.exec(B, "UPDATE household SET doses = 2", &[]);
        talk.exec(A, "DELETE FROM visit", &[]);
        talk.visit(A);
        talk.pass_ms(RETENTION_MS + 1);
        talk.exec(A, "UPDATE household SET weight = 2.0", &[]);
        talk.visit(A);
        talk.space.prune(talk.now);
        talk.visit(B);
        talk.visit(A);
        talk.assert_in_step();
        assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(2));
        assert_eq!(value(talk, A, "SELECT count(*) FROM visit"), Value::Integer(0));
        let records = talk.device(B).database().decided_conflicts().expect("a list");
        assert!(records.iter().any(|record| record.table == "visit"), "{records:?}");
    });
}

#[test]
fn sv81_a_child_of_a_row_whose_tombstone_is_gone_follows_it() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(B, "INSERT INTO visit (id, household) VALUES ('v', 'h')", &[]);
        talk.exec(B, "INSERT INTO member (id, household) VALUES ('m', 'h')", &[]);
        talk.exec(A, "DELETE FROM household", &[]);
        talk.visit(A);
        talk.pass_ms(RETENTION_MS + 1);
        talk.exec(A, "INSERT INTO household (id) VALUES ('another')", &[]);
        talk.visit(A);
        talk.space.prune(talk.now);
        talk.visit(B);
        talk.visit(A);
        talk.assert_in_step();
        assert_eq!(status(talk, B).failed, 0, "{}", talk.transcript());
        assert_eq!(value(talk, A, "SELECT id || ifnull(household, ' alone') FROM visit"), text("v alone"));
        assert_eq!(value(talk, A, "SELECT count(*) FROM member"), Value::Integer(0));
        let records = talk.device(B).database().decided_conflicts().expect("a list");
        assert!(records.iter().any(|record| record.table == "visit"), "{records:?}");
        assert!(records.iter().any(|record| record.table == "member"), "{records:?}");
    });
}

/// What A gives its service worker to send: a visit.
fn request_of_a_visit(talk: &mut Dialogue) -> Vec<ClientMessage> {
    talk.exec(A, "INSERT INTO visit (id) VALUES ('waits')", &[]);
    talk.pass_ms(2_000);
    talk.input(A, Input::Tick);
    let now = talk.time_of(A);
    talk.device(A).ready_request(now).expect("a request can be made").expect("something waits")
}

#[test]
fn cs26_a_reply_from_the_other_history_is_not_laid_over_the_lost_one() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.space.backup();
        // A request is made ready, and stays with the service worker while the device goes on by its connection.
        let request = request_of_a_visit(talk);
        for name in ["lost", "lost too", "lost as well"] {
            talk.exec(B, "UPDATE household SET name = ?", &[text(name)]);
            talk.visit(B);
        }
        talk.visit(A);
        talk.restore_space(&backup);
        for _ in 0..6 {
            talk.exec(B, "UPDATE household SET doses = doses + 1", &[]);
            talk.visit(B);
        }
        let replies = talk.mail(A, &request);
        let before = talk.durable(A);
        talk.input(A, Input::Delivered(replies));
        let after = talk.durable(A);
        assert_eq!((after.rows, after.state.cursor), (before.rows, before.state.cursor), "{}", talk.transcript());
        for party in [A, B, A] {
            talk.visit(party);
        }
        talk.assert_in_step();
        assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(6));
    });
}

#[test]
fn cs153_a_late_reply_of_a_lost_history_and_a_greeting_under_way_do_not_mix() {
    on_both_paths(|talk| {
        let (backup, request, replies) = with_a_reply_from_a_history_to_be_lost(talk);
        talk.restore_space(&backup);
        talk.mail(A, &request);
        talk.exec(B, "UPDATE household SET code = 'once'", &[]);
        for _ in 0..6 {
            talk.exec(B, "UPDATE household SET doses = doses + 1", &[]);
            talk.visit(B);
        }
        talk.connect(A);
        talk.up(A);
        // The space has answered a device that is elsewhere when the answer comes.
        talk.input(A, Input::Delivered(replies));
        talk.settle();
        talk.cut(A);
        for party in [B, A] {
            talk.visit(party);
        }
        talk.assert_in_step();
        assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(6));
        assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(1));
    });
}

#[test]
fn cs153_a_late_reply_of_a_lost_history_is_not_staged_with_a_snapshot() {
    on_both_paths(|talk| {
        let (backup, _, replies) = with_a_reply_from_a_history_to_be_lost(talk);
        talk.restore_space(&backup);
        talk.exec(B, "UPDATE household SET code = 'once'", &[]);
        talk.visit(B);
        talk.pass_ms(RETENTION_MS + 1);
        talk.exec(B, "UPDATE household SET doses = 1", &[]);
        talk.visit(B);
        talk.space.prune(talk.now);
        talk.connect(A);
        while !talk.sent_by(A).iter().any(|message| matches!(message, ClientMessage::Resume { .. })) {
            assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
        }
        talk.input(A, Input::Delivered(replies));
        talk.settle();
        for doses in 2..8 {
            talk.exec(B, "UPDATE household SET doses = ?", &[Value::Integer(doses)]);
            talk.sync(B);
        }
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(1));
    });
}

#[test]
fn cs154_a_receipt_from_a_lost_history_gives_way_to_the_one_of_the_space() {
    on_both_paths(|talk| {
        let (backup, request, replies) = with_a_reply_from_a_history_to_be_lost(talk);
        let receipts: Vec<_> = replies.into_iter().filter(|m| matches!(m, ServerMessage::Receipt(_))).collect();
        talk.input(A, Input::Delivered(receipts));
        talk.restore_space(&backup);
        talk.mail(A, &request);
        for party in [A, B, A] {
            talk.visit(party);
        }
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(1));
    });
}

#[test]
fn cs154_a_late_receipt_of_a_lost_history_that_somebody_else_brings_takes_the_place_of_none() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.space.backup();
        let request = request_of_a_visit(talk);
        let ask = |talk: &mut Dialogue| {
            let mut replies = talk.mail(A, &request);
            replies.retain(|message| matches!(message, ServerMessage::Receipt(_)));
            replies
        };
        // In the history that is lost A may not write.
        talk.may_write(A, false);
        let late = ask(talk);
        assert!(matches!(&late[..], [ServerMessage::Receipt(receipt)] if receipt.seq.is_none()), "{late:?}");
        talk.restore_space(&backup);
        talk.may_write(A, true);
        let known = ask(talk);
        talk.input(A, Input::Delivered(known));
        talk.input(A, Input::Delivered(late));
        assert!(!talk.took(A, |output| matches!(output, Output::Rejected(_))), "it is accepted");
        for party in [A, B, A] {
            talk.visit(party);
        }
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(1));
    });
}

/// A backup of the space, what the service worker of A asks it, and what it answers, behind commits of B that are not in the backup.
fn with_a_reply_from_a_history_to_be_lost(talk: &mut Dialogue) -> (Image, Vec<ClientMessage>, Vec<ServerMessage>) {
    with_household(talk);
    let backup = talk.space.backup();
    let request = request_of_a_visit(talk);
    talk.cut(A);
    for name in ["lost", "lost too", "lost as well", "lost at last"] {
        talk.exec(B, "UPDATE household SET name = ?", &[text(name)]);
        talk.visit(B);
    }
    let replies = talk.mail(A, &request);
    (backup, request, replies)
}

#[test]
fn sv106_what_a_plan_counts_is_not_where_the_device_is() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.input(B, Input::Pause(true));
        for seed in 0..3 {
            talk.exec(A, "UPDATE household SET name = ?", &[text(&noise(100_000, seed))]);
            talk.visit(A);
        }
        talk.input(B, Input::Plan);
        talk.reconnect(B);
        talk.settle();
        talk.cut(B);
        assert!(noted(talk, B) <= Some(talk.durable(B).state.cursor.seq), "{}", talk.transcript());
    });
}

#[test]
fn cs208_places_of_a_history_that_is_lost_are_forgotten() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.space.backup();
        for _ in 0..3 {
            talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
            talk.visit(A);
        }
        talk.restore_space(&backup);
        talk.visit(A);
        let state = talk.durable(A).state;
        assert!(state.trail.is_sorted_by(|one, next| one.0 < next.0), "{:?}", state.trail);
        assert_eq!(state.trail.last(), Some(&(state.cursor.seq, state.cursor.chain)));
    });
}
