//! How concurrent changes meet: fields, clocks, bases, deletes, keys that two devices chose alike.

use crate::script::{A, B, on_both_paths, text, value, with_household};
use ebbtide_core::client::{Input, Output};
use ebbtide_core::codec::Codec;
use ebbtide_core::conflict::{Conflict, Side};
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;

/// The conflicts of the newest commit.
fn conflicts(talk: &mut Dialogue) -> Vec<Conflict> {
    let catalogue = talk.space.catalogue();
    let commits = talk.space.commits();
    let newest = commits.last().expect("a commit");
    WireCodec.open_commit(&newest.bytes, &catalogue).expect("the space's own bytes").conflicts
}

#[test]
fn sv65_two_fields_of_one_row_edited_on_two_devices_both_survive() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET weight = 4.5", &[]);
        talk.exec(B, "UPDATE household SET doses = 2", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.visit(A);
        let row = talk.query(A, "SELECT weight, doses FROM household");
        assert_eq!(row, [[Value::Real(4.5), Value::Integer(2)]]);
        assert!(conflicts(talk).is_empty());
        talk.assert_in_step();
    });
}

#[test]
fn sv66_of_concurrent_writes_to_a_field_the_later_reading_wins_in_both_orders() {
    for (first, second) in [(A, B), (B, A)] {
        on_both_paths(|talk| {
            with_household(talk);
            talk.exec(A, "UPDATE household SET name = 'earlier'", &[]);
            talk.exec(B, "UPDATE household SET name = NULL", &[]);
            talk.visit(first);
            talk.visit(second);
            let kept = conflicts(talk);
            assert_eq!(kept.iter().filter(|conflict| conflict.lost() == text("earlier")).count(), 1);
            let side = if second == B { Side::Challenger } else { Side::Incumbent };
            assert!(kept.iter().all(|conflict| conflict.kept == side), "{kept:?}");
            let told = talk.took(second, |output| matches!(output, Output::Conflicts { .. }));
            assert!(told, "the device is told");
            talk.visit(first);
            assert_eq!(value(talk, A, "SELECT name FROM household"), Value::Null);
            talk.assert_in_step();
        });
    }
}

#[test]
fn sv67_who_had_seen_a_value_replaces_it_however_slow_the_clock() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.skew_ms(A, 30_000);
        talk.skew_ms(B, -86_400_000);
        talk.exec(A, "UPDATE household SET doses = 1", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(B, "UPDATE household SET doses = 2", &[]);
        talk.visit(B);
        talk.visit(A);
        assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(2));
        assert!(conflicts(talk).is_empty());
        talk.assert_in_step();
    });
}

#[test]
fn sv68_a_clock_that_runs_ahead_is_moved_back_and_gains_nothing() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.skew_ms(A, 86_400_000);
        talk.exec(A, "UPDATE household SET doses = 1", &[]);
        talk.visit(A);
        talk.pass_ms(1_000);
        talk.exec(B, "UPDATE household SET doses = 2", &[]);
        talk.visit(B);
        talk.visit(A);
        assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(2));
        talk.assert_in_step();
    });
}

#[test]
fn cs18_a_value_pulled_under_a_pending_write_counts_as_unseen() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET doses = 1", &[]);
        talk.exec(B, "UPDATE household SET doses = 2", &[]);
        talk.visit(B);
        // A pulls B's value under its own before it seals.
        talk.visit(A);
        assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(2));
        assert_eq!(conflicts(talk).len(), 1);
        talk.visit(B);
        talk.assert_in_step();
    });
}

/// A's write was decided while B's value was hidden under it, and A has not heard the verdict.
fn with_one_decided_on_the_way(talk: &mut Dialogue) {
    with_household(talk);
    talk.sync(A);
    talk.exec(A, "UPDATE household SET doses = 1", &[]);
    talk.exec(B, "UPDATE household SET doses = 2", &[]);
    let head = talk.head();
    talk.connect(B);
    while talk.up(B) || talk.down(B) {}
    assert!(talk.down(A) && talk.head() > head);
    while talk.head().0 < head.0 + 2 {
        assert!(talk.up(A) || talk.down(A));
    }
    [A, B].into_iter().for_each(|party| talk.cut(party));
}

/// What each commit overwrote unseen, and who won.
fn lost(talk: &mut Dialogue) -> Vec<(Side, Value)> {
    let (catalogue, commits) = (talk.space.catalogue(), talk.space.commits());
    let all = commits.iter().map(|commit| WireCodec.open_commit(&commit.bytes, &catalogue).expect("a commit"));
    all.flat_map(|commit| commit.conflicts).map(|conflict| (conflict.kept, conflict.lost())).collect()
}

#[test]
fn cs19_a_write_on_top_of_one_that_leaves_with_a_snapshot_keeps_what_that_had_seen() {
    on_both_paths(|talk| {
        with_one_decided_on_the_way(talk);
        talk.exec(A, "UPDATE household SET doses = 3", &[]);
        talk.input(A, Input::CannotApply);
        talk.sync(A);
        assert_eq!(
            lost(talk).last(),
            Some(&(Side::Challenger, Value::Integer(2))),
            "B's value was overwritten unseen: {}",
            talk.transcript()
        );
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs19_a_write_on_top_of_one_under_way_keeps_what_that_had_seen() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET doses = 1", &[]);
        talk.exec(B, "UPDATE household SET doses = 2", &[]);
        talk.visit(B);
        talk.connect(A);
        talk.up(A);
        talk.down(A);
        // B's value is hidden under A's. More numbers are under way than A keeps in flight, so the last write is not sealed yet.
        for _ in 0..5 {
            talk.exec(A, "UPDATE household SET weight = ifnull(weight, 0) + 1", &[]);
        }
        talk.exec(A, "UPDATE household SET doses = 3", &[]);
        assert!(talk.durable(A).log.len() > talk.durable(A).sealed_count);
        talk.settle();
        assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(3));
        let one = (Side::Incumbent, Value::Integer(1));
        let two = (Side::Challenger, Value::Integer(2));
        assert_eq!(lost(talk), [one, two], "B's value was overwritten unseen: {}", talk.transcript());
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs20_own_earlier_writes_are_no_conflict_whatever_the_clock_does_between_them() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET doses = 1", &[]);
        talk.connect(A);
        talk.up(A);
        talk.down(A);
        talk.cut(A);
        talk.exec(A, "UPDATE household SET doses = 2", &[]);
        talk.skew_ms(A, 86_400_000);
        talk.exec(A, "UPDATE household SET weight = 1.0", &[]);
        talk.visit(A);
        assert_eq!(value(talk, A, "SELECT doses FROM household"), Value::Integer(2));
        assert!(conflicts(talk).is_empty());
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn sv69_a_delete_wins_over_a_concurrent_edit_in_both_orders_and_the_edit_is_recorded() {
    for (first, second) in [(A, B), (B, A)] {
        on_both_paths(|talk| {
            with_household(talk);
            talk.exec(A, "DELETE FROM household", &[]);
            talk.exec(B, "UPDATE household SET name = 'edited'", &[]);
            talk.visit(first);
            talk.visit(second);
            assert!(!conflicts(talk).is_empty());
            talk.visit(first);
            assert!(talk.query(B, "SELECT * FROM household").is_empty());
            talk.assert_in_step();
        });
    }
}

#[test]
fn sv71_unseen_children_go_with_their_parent_or_stay_without_one() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(B, "INSERT INTO member (id, household) VALUES ('m', 'h')", &[]);
        talk.exec(B, "INSERT INTO visit (id, household, notes) VALUES ('v', 'h', 'kept')", &[]);
        talk.visit(B);
        talk.exec(A, "DELETE FROM household", &[]);
        talk.visit(A);
        talk.visit(B);
        assert!(talk.query(B, "SELECT * FROM member").is_empty());
        assert_eq!(talk.query(B, "SELECT household, notes FROM visit"), [[Value::Null, text("kept")]]);
        talk.assert_in_step();
    });
}

#[test]
fn sv72_two_inserts_of_one_key_become_one_row_that_both_go_on_editing() {
    on_both_paths(|talk| {
        talk.exec(A, "INSERT INTO dose (member, day, amount) VALUES ('m', 1, 2.0)", &[]);
        talk.exec(B, "INSERT INTO dose (member, day, note) VALUES ('m', 1, 'b')", &[]);
        talk.connect(B);
        talk.up(B);
        talk.down(B);
        talk.visit(A);
        // B has not seen A's insert yet and edits what it takes for its own row.
        talk.exec(B, "UPDATE dose SET note = 'edited'", &[]);
        talk.settle();
        talk.cut(B);
        talk.visit(A);
        assert_eq!(talk.query(A, "SELECT amount, note FROM dose"), [[Value::Real(2.0), text("edited")]]);
        talk.visit(B);
        talk.assert_in_step();
    });
}
