//! What a device shows while something waits: pulls under pending changes, collisions, the app's triggers.

use crate::script::{A, B, on_both_paths, status, text, value, with_household};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;

#[test]
fn cs22_a_pull_leaves_pending_values_visible_until_they_are_decided() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET name = 'mine', doses = 1", &[]);
        talk.exec(B, "UPDATE household SET weight = 2.5", &[]);
        talk.visit(B);
        talk.connect(A);
        talk.up(A);
        talk.down(A);
        let row = talk.query(A, "SELECT name, doses, weight FROM household");
        assert_eq!(row, [[text("mine"), Value::Integer(1), Value::Real(2.5)]]);
        talk.settle();
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs23_a_pending_transaction_that_collides_leaves_the_view_and_returns_when_it_was_accepted() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(B, "INSERT INTO household (id, code) VALUES ('b', 'x')", &[]);
        talk.exec(B, "UPDATE household SET doses = 5 WHERE id = 'h'", &[]);
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'x')", &[]);
        talk.visit(A);
        talk.connect(B);
        talk.up(B);
        talk.down(B);
        assert_eq!(talk.query(B, "SELECT id FROM household ORDER BY id"), [[text("a")], [text("h")]]);
        assert_eq!(value(talk, B, "SELECT doses FROM household WHERE id = 'h'"), Value::Integer(5));
        assert_eq!((status(talk, B).blocked, status(talk, B).pending), (1, 2));
        // A lets go of the value before B's transaction is decided.
        talk.exec(A, "UPDATE household SET code = NULL WHERE id = 'a'", &[]);
        talk.connect(A);
        while talk.up(A) || talk.down(A) {}
        talk.cut(A);
        talk.settle();
        assert_eq!((status(talk, B).blocked, status(talk, B).failed), (0, 0));
        assert_eq!(value(talk, B, "SELECT code FROM household WHERE id = 'b'"), text("x"));
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs23_a_blocked_transaction_is_back_as_soon_as_it_fits_also_before_it_is_decided() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(B, "INSERT INTO household (id, code) VALUES ('b', 'x')", &[]);
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'x')", &[]);
        talk.visit(A);
        talk.connect(B);
        assert!(talk.up(B) && talk.down(B));
        assert_eq!((status(talk, B).blocked, status(talk, B).pending), (1, 1));
        talk.exec(A, "UPDATE household SET code = NULL WHERE id = 'a'", &[]);
        talk.connect(A);
        while talk.up(A) || talk.down(A) {}
        talk.cut(A);
        // B hears of that while its own is still under way.
        assert!(talk.down(B));
        assert_eq!((status(talk, B).blocked, status(talk, B).pending), (0, 1), "{}", talk.transcript());
        assert_eq!(value(talk, B, "SELECT code FROM household WHERE id = 'b'"), text("x"));
        talk.settle();
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs23_a_blocked_row_takes_what_the_space_says_of_it_meanwhile() {
    on_both_paths(|talk| {
        with_household(talk);
        // The transaction collides by its code; the same row's photo changes in a later commit of the same pull.
        talk.exec(B, "UPDATE household SET code = 'x', name = 'hidden' WHERE id = 'h'", &[]);
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'x')", &[]);
        talk.visit(A);
        talk.exec(A, "UPDATE household SET weight = 1.5 WHERE id = 'h'", &[]);
        talk.visit(A);
        talk.connect(B);
        talk.up(B);
        talk.down(B);
        let row = talk.query(B, "SELECT name, code, weight FROM household WHERE id = 'h'");
        assert_eq!(row, [[text("first"), Value::Null, Value::Real(1.5)]]);
        talk.settle();
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs216_a_page_of_commits_lays_what_waits_over_the_space_once() {
    const COMMITS: i64 = 20;
    const WAITING: i64 = 40;
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(B, "INSERT INTO household (id, code) VALUES ('b', 'x')", &[]);
        for number in 0..WAITING {
            talk.exec(B, "INSERT INTO left_half (id) VALUES ('w' || ?1)", &[Value::Integer(number)]);
        }
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'x')", &[]);
        talk.visit(A);
        for doses in 1..=COMMITS {
            talk.exec(A, "UPDATE household SET doses = ? WHERE id = 'h'", &[Value::Integer(doses)]);
            talk.visit(A);
        }
        let written = |talk: &mut Dialogue| match value(talk, B, "SELECT total_changes()") {
            Value::Integer(written) => written,
            other => panic!("a count, not {other:?}"),
        };
        let before = written(talk);
        talk.connect(B);
        talk.up(B);
        talk.down(B);
        let written = written(talk) - before;
        assert_eq!(value(talk, B, "SELECT doses FROM household WHERE id = 'h'"), Value::Integer(COMMITS));
        assert_eq!(value(talk, B, "SELECT count(*) FROM left_half"), Value::Integer(WAITING));
        assert_eq!(talk.query(B, "SELECT id FROM household ORDER BY id"), [[text("a")], [text("h")]]);
        assert_eq!((status(talk, B).blocked, status(talk, B).pending), (1, 1 + WAITING as u32));
        assert!(written < WAITING * COMMITS, "{written} rows were written");
        talk.settle();
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs24_the_effects_of_the_apps_triggers_travel_and_happen_once() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET name = 'renamed'", &[]);
        talk.visit(A);
        talk.visit(B);
        assert_eq!(talk.query(B, "SELECT name, touched FROM household"), [[text("renamed"), Value::Integer(1)]]);
        assert_eq!(value(talk, B, "SELECT id FROM household_search WHERE household_search MATCH 'renamed'"), text("h"));
        talk.assert_in_step();
    });
}

#[test]
fn cs25_a_swap_of_two_unique_values_arrives() {
    on_both_paths(|talk| {
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'x'), ('b', 'y')", &[]);
        talk.visit(A);
        talk.visit(B);
        let swap = [
            "UPDATE household SET code = NULL WHERE id = 'a'",
            "UPDATE household SET code = 'x' WHERE id = 'b'",
            "UPDATE household SET code = 'y' WHERE id = 'a'",
        ];
        talk.transaction(A, &swap);
        talk.exec(B, "UPDATE household SET doses = 1", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.visit(A);
        assert_eq!(talk.query(B, "SELECT code FROM household ORDER BY id"), [[text("y")], [text("x")]]);
        talk.assert_in_step();
    });
}

/// Found by the simulator: the row of another device stayed hidden after the transaction was decided.
#[test]
fn cs03_a_row_that_came_and_went_hides_nobody_s_row() {
    on_both_paths(|talk| {
        talk.exec(B, "INSERT INTO dose (member, day, amount) VALUES ('m', 1, 2.0)", &[]);
        talk.visit(B);
        talk.transaction(
            A,
            &[
                "INSERT INTO dose (member, day) VALUES ('m', 1)",
                "DELETE FROM dose",
                "INSERT INTO household (id, name) VALUES ('x', 'other')",
            ],
        );
        talk.visit(A);
        talk.visit(B);
        assert_eq!(talk.query(A, "SELECT amount FROM dose"), [[Value::Real(2.0)]]);
        talk.assert_in_step();
    });
}
