//! Copies of a database that have by itself what another one let disappear into later writes, and spaces that were set back: everything counts once.

use crate::absorption::{everybody_shows, folds, number, on_both_paths, seal, with_stock};
use crate::script::{A, B, status, text};
use ebbtide_core::client::Output;
use ebbtide_simulator::dialogue::Dialogue;

/// Connects, as often as it takes a device to begin a new life where two histories and two copies have to be told apart.
fn come_by(talk: &mut Dialogue, party: usize) {
    for _ in 0..4 {
        talk.connect(party);
        talk.settle();
        talk.cut(party);
    }
}

/// A device of the same user that is a copy of A as it is now.
fn copy_of_a(talk: &mut Dialogue) -> usize {
    let copy = talk.backup(A);
    let clone = talk.add("C", "ada");
    talk.restore(clone, &copy);
    clone
}

#[test]
fn cs167_a_copy_that_has_only_what_was_absorbed_hears_that_it_is_decided() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE item SET stock = stock + 2 WHERE id = 'i'", &[]);
        let clone = copy_of_a(talk);
        talk.exec(A, "UPDATE item SET stock = stock + 3 WHERE id = 'i'", &[]);
        talk.exec(A, "UPDATE item SET stock = stock + 4 WHERE id = 'i'", &[]);
        assert_eq!(folds(&seal(talk, A)), [1], "the run of the database in which the first was written is another");
        everybody_shows(talk, &[A, B, clone], "SELECT stock FROM item WHERE id = 'i'", &number(12));
    });
}

/// A writes +2, is copied while it is open, writes +3 in the same run, and seals both as one.
fn with_a_copy_of_the_first_half(talk: &mut Dialogue) -> usize {
    let clone = talk.add("C", "ada");
    talk.exec(A, "UPDATE item SET stock = stock + 2, name = 'two' WHERE id = 'i'", &[]);
    let image = talk.image_while_open(A);
    talk.restore(clone, &image);
    talk.exec(A, "UPDATE item SET stock = stock + 3, name = 'three' WHERE id = 'i'", &[]);
    assert_eq!(folds(&seal(talk, A)), [1]);
    clone
}

#[test]
fn cs167_a_copy_of_what_was_absorbed_hears_that_it_is_decided() {
    on_both_paths(|talk| {
        let clone = with_a_copy_of_the_first_half(talk);
        talk.visit(A);
        talk.sync(clone);
        assert!(talk.took(clone, |output| matches!(output, Output::Recovered { .. })), "{}", talk.transcript());
        talk.cut(clone);
        everybody_shows(talk, &[A, B, clone], "SELECT stock || name FROM item WHERE id = 'i'", &text("8three"));
    });
}

#[test]
fn cs167_where_a_copy_came_first_the_rest_is_sent_by_itself() {
    on_both_paths(|talk| {
        let clone = with_a_copy_of_the_first_half(talk);
        talk.visit(clone);
        talk.sync(A);
        assert!(talk.took(A, |output| matches!(output, Output::Recovered { .. })), "{}", talk.transcript());
        talk.cut(A);
        everybody_shows(talk, &[A, B, clone], "SELECT stock || name FROM item WHERE id = 'i'", &text("8three"));
    });
}

#[test]
fn cs167_where_both_recover_at_once_everything_counts_once() {
    on_both_paths(|talk| {
        let clone = with_a_copy_of_the_first_half(talk);
        // A third copy takes the number from under both.
        let image = talk.backup(clone);
        let third = talk.add("D", "ada");
        talk.restore(third, &image);
        talk.exec(third, "UPDATE item SET name = 'third' WHERE id = 'j'", &[]);
        talk.visit(third);
        [A, clone].into_iter().for_each(|party| talk.connect(party));
        talk.settle();
        [A, clone].into_iter().for_each(|party| talk.cut(party));
        let sql = "SELECT group_concat(stock || name) FROM (SELECT * FROM item ORDER BY id)";
        everybody_shows(talk, &[A, B, clone, third], sql, &text("8three,0third"));
    });
}

#[test]
fn cs171_a_space_that_was_set_back_gets_it_back_as_it_was_sealed() {
    on_both_paths(|talk| {
        let backup = talk.space.backup();
        for n in 1..=3 {
            talk.exec(A, "UPDATE item SET stock = stock + 1, name = ? WHERE id = 'i'", &[number(n)]);
        }
        talk.visit(A);
        talk.restore_space(&backup);
        everybody_shows(talk, &[A, B], "SELECT stock || name FROM item WHERE id = 'i'", &text("63"));
    });
}

#[test]
fn cs171_a_sum_of_which_a_part_came_back_by_itself_is_refused_and_never_counted_twice() {
    on_both_paths(|talk| {
        let backup = talk.space.backup();
        let clone = with_a_copy_of_the_first_half(talk);
        talk.visit(A);
        talk.restore_space(&backup);
        talk.visit(clone);
        come_by(talk, A);
        let listed = talk.device(A).database().rejected().expect("a list");
        assert_eq!(listed.len(), 1, "{}", talk.transcript());
        everybody_shows(talk, &[A, B, clone], "SELECT stock || name FROM item WHERE id = 'i'", &text("5two"));
    });
}

#[test]
fn cs171_a_sum_is_known_as_one_though_the_space_has_another_rule_when_it_comes() {
    on_both_paths(|talk| {
        let backup = talk.space.backup();
        let clone = with_a_copy_of_the_first_half(talk);
        talk.visit(A);
        talk.restore_space(&backup);
        talk.visit(clone);
        // The space sets the stock from now on, and A's app adds to it as before.
        talk.deploy(&with_stock("lww"));
        come_by(talk, A);
        let listed = talk.device(A).database().rejected().expect("a list");
        assert_eq!(listed.len(), 1, "{}", talk.transcript());
        everybody_shows(talk, &[A, B, clone], "SELECT stock || name FROM item WHERE id = 'i'", &text("5two"));
    });
}

#[test]
fn cs171_values_of_which_a_part_came_back_by_itself_are_written_all_the_same() {
    on_both_paths(|talk| {
        let backup = talk.space.backup();
        let clone = talk.add("C", "ada");
        talk.exec(A, "UPDATE item SET name = 'two' WHERE id = 'i'", &[]);
        let image = talk.image_while_open(A);
        talk.restore(clone, &image);
        talk.exec(A, "UPDATE item SET name = 'three' WHERE id = 'i'", &[]);
        talk.visit(A);
        talk.restore_space(&backup);
        talk.visit(clone);
        come_by(talk, A);
        everybody_shows(talk, &[A, B, clone], "SELECT name FROM item WHERE id = 'i'", &text("three"));
        assert_eq!(status(talk, A).failed, 0);
    });
}
