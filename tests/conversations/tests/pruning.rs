//! Which history a space keeps, and for whom: what devices lack, what snapshots may ask for, what is not elsewhere yet. And who
//! starts from a snapshot although the history is there.

use crate::script::{A, B, hello, noise, on_both_paths, refused, sealed_by_hand, submit, text, value, with_household};
use ebbtide_core::change::{Base, Change, Field, Mutation, RowId, Transaction};
use ebbtide_core::client::{Input, TwoPhase};
use ebbtide_core::clock::Stamp;
use ebbtide_core::ids::{Cursor, DeviceSeq, Seq};
use ebbtide_core::limits::{PRUNE_BYTES, PRUNE_COMMITS, RETENTION_MS, SNAPSHOT_FROM_COMMITS, SNAPSHOT_TOKEN_MS};
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::server::retention::Pruned;
use ebbtide_core::value::{Key, Value};
use ebbtide_simulator::dialogue::Dialogue;

/// Commits of A, the newest among them, all of now.
fn some_commits(talk: &mut Dialogue, count: i64) {
    for doses in 0..count {
        talk.exec(A, "UPDATE household SET doses = ?", &[Value::Integer(doses + 1)]);
        if doses + 1 < count {
            talk.pass_ms(2_000);
            talk.input(A, Input::Tick);
        }
    }
    talk.visit(A);
}

#[test]
fn sv80_history_that_all_have_goes_once_no_snapshot_asks_for_it_and_other_history_once_it_is_old() {
    for behind in [false, true] {
        on_both_paths(|talk| {
            with_household(talk);
            some_commits(talk, 5);
            let (decided, head) = (talk.now, talk.head());
            talk.pass_ms(24 * 3_600_000);
            // With its next hello a device says what it has.
            talk.visit(A);
            match behind {
                // It says where it is, and hears nothing.
                true => {
                    talk.connect(B);
                    talk.up(B);
                    talk.cut(B);
                }
                false => {
                    talk.visit(B);
                    talk.pass_ms(3_600_000);
                    talk.visit(B);
                }
            }
            let age = if behind { RETENTION_MS } else { SNAPSHOT_TOKEN_MS };
            talk.pass_ms(age - (talk.now.0 - decided.0));
            talk.space.prune(talk.now);
            assert_eq!(talk.space.floor(), Seq(1), "only what was there before: {behind}");
            talk.pass_ms(1);
            talk.space.prune(talk.now);
            assert_eq!(talk.space.floor().0, head.0 - 1, "the newest stays");
        });
    }
}

#[test]
fn sv80_what_was_not_delivered_elsewhere_stays_and_many_commits_go_in_batches() {
    let mut talk = Dialogue::new(1, TwoPhase::Auto);
    talk.exec(A, "INSERT INTO household (id) VALUES ('h')", &[]);
    talk.sync(A);
    let commits = 2 * PRUNE_COMMITS as u64 + 10;
    for doses in 1..commits {
        talk.exec(A, "UPDATE household SET doses = ?", &[Value::Integer(doses as i64)]);
        talk.settle();
    }
    assert_eq!(talk.head().0, commits);
    talk.cut(A);
    talk.pass_ms(RETENTION_MS + 1);
    for delivered in [0, 3, PRUNE_COMMITS as u64 + 1] {
        talk.space.prune_delivered(Some(Seq(delivered)), talk.now);
        assert_eq!(talk.space.floor(), Seq(delivered));
    }
    talk.space.prune_delivered(Some(Seq(commits)), talk.now);
    assert_eq!(talk.space.floor(), Seq(commits - 1));
    talk.visit(A);
    talk.assert_in_step();
}

#[test]
fn sv232_what_is_pruned_at_once_is_bounded_in_bytes_and_the_rest_follows() {
    let mut talk = Dialogue::new(1, TwoPhase::Auto);
    talk.exec(A, "INSERT INTO household (id) VALUES ('h')", &[]);
    talk.sync(A);
    for seed in 0..8 {
        talk.exec(A, "UPDATE household SET name = ?", &[text(&noise(PRUNE_BYTES / 3, seed))]);
        talk.settle();
    }
    talk.cut(A);
    let head = talk.head().0;
    talk.pass_ms(RETENTION_MS + 1);
    assert_eq!(talk.space.prune_batch(None, talk.now), Pruned::More);
    let floor = talk.space.floor().0;
    assert!(floor > 1 && floor + 1 < head, "some of it: {floor} of {head}");
    talk.space.prune(talk.now);
    assert_eq!(talk.space.floor().0, head - 1);
    talk.visit(A);
    talk.assert_in_step();
}

#[test]
fn sv80_a_tombstone_goes_with_its_own_delete_and_not_with_that_of_an_earlier_life() {
    on_both_paths(|talk| {
        with_household(talk);
        let steps = [
            "INSERT INTO visit (id, notes) VALUES ('v', 'first life')",
            "DELETE FROM visit",
            "INSERT INTO visit (id, notes) VALUES ('v', 'second life')",
        ];
        for sql in steps {
            talk.exec(A, sql, &[]);
            talk.visit(A);
        }
        let floor = talk.head();
        talk.pass_ms(SNAPSHOT_TOKEN_MS + 1);
        for party in [A, B, A, B] {
            talk.visit(party);
            talk.pass_ms(3_600_000);
        }
        talk.exec(A, "DELETE FROM visit", &[]);
        talk.visit(A);
        talk.space.prune(talk.now);
        assert_eq!(talk.space.floor(), floor);
        talk.exec(B, "UPDATE visit SET notes = 'edited unseen'", &[]);
        talk.sync(B);
        assert!(refused(talk, B).is_empty(), "an edit of a deleted row is recorded: {}", talk.transcript());
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

/// Changesets of B under these numbers, each with another value of one field.
fn commits_of_b(talk: &mut Dialogue, numbers: std::ops::RangeInclusive<u64>) {
    let mut greeting = hello(talk, B);
    greeting.next_device_seq = DeviceSeq(numbers.end() + 1);
    let (seq, chain) = talk.space.head();
    greeting.cursor = Cursor { seq, chain: chain.truncated(), ..Cursor::default() };
    let catalogue = talk.space.catalogue();
    let table = catalogue.table_id("household").expect("a table");
    let column = catalogue.table(table).and_then(|table| table.column_of("doses")).expect("a column");
    let row = RowId { table, key: Key(vec![text("h")]) };
    let mut messages = vec![ClientMessage::Hello(greeting)];
    for number in numbers {
        let mutation = Mutation::Update(vec![Field { column, value: Value::Integer(number as i64) }]);
        let base = Base { seq: Seq(1), device_seq: DeviceSeq(number - 1) };
        let changes = vec![Change { row: row.clone(), mutation, base }];
        let written = Transaction { stamp: Stamp(number << 16), changes, ..Transaction::default() };
        messages.push(submit(number, sealed_by_hand(talk, number, vec![written])));
    }
    talk.mail(B, &messages);
}

#[test]
fn sv276_a_device_starts_from_a_snapshot_where_it_is_further_behind_than_the_bound() {
    let mut talk = Dialogue::new(2, TwoPhase::Auto);
    with_household(&mut talk);
    for number in (0..SNAPSHOT_FROM_COMMITS).step_by(1_000) {
        commits_of_b(&mut talk, number + 1..=number + 1_000);
    }
    for (commits, is_due) in [(SNAPSHOT_FROM_COMMITS, false), (SNAPSHOT_FROM_COMMITS + 1, true)] {
        if is_due {
            commits_of_b(&mut talk, commits..=commits);
        }
        assert_eq!(talk.head().0, 1 + commits);
        let greeting = ClientMessage::Hello(hello(&mut talk, A));
        match talk.mail(A, &[greeting]).remove(0) {
            ServerMessage::Welcome(welcome) => assert_eq!(welcome.snapshot, is_due, "{commits} behind"),
            other => panic!("{other:?}"),
        }
    }
    talk.visit(A);
    assert_eq!(value(&mut talk, A, "SELECT doses FROM household"), Value::Integer(1 + SNAPSHOT_FROM_COMMITS as i64));
}
