//! How long a device keeps what a space that is set back may have lost: about a month of the space's time, whatever else clocks say.

use crate::script::{A, B, on_both_paths, text, value, with_household};
use ebbtide_core::ids::Millis;
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;

const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// So many more changesets that the device has looked through what it keeps.
const MANY: usize = 70;

/// A writes something that the space is going to lose, then `between`, then goes on for long enough.
fn keeps_through(talk: &mut Dialogue, between: impl Fn(&mut Dialogue)) {
    with_household(talk);
    let backup = talk.space.backup();
    talk.exec(A, "UPDATE household SET name = 'lost and found'", &[]);
    talk.visit(A);
    between(talk);
    for _ in 0..MANY {
        talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
        talk.visit(A);
    }
    talk.restore_space(&backup);
    [A, B].into_iter().for_each(|party| talk.visit(party));
    talk.assert_in_step();
    assert_eq!(value(talk, B, "SELECT name FROM household"), text("lost and found"));
}

fn writes_once(talk: &mut Dialogue) {
    talk.exec(A, "UPDATE household SET weight = 1.0", &[]);
    talk.visit(A);
}

#[test]
fn cs225_a_device_whose_clock_was_ahead_once_still_brings_back_what_a_restored_space_has_lost() {
    on_both_paths(|talk| {
        keeps_through(talk, |talk| {
            talk.skew_ms(A, 40 * DAY_MS);
            writes_once(talk);
            talk.skew_ms(A, 0);
        });
    });
}

#[test]
fn cs225_so_it_does_where_the_space_had_the_time_wrong_once() {
    on_both_paths(|talk| {
        keeps_through(talk, |talk| {
            let right = talk.now;
            talk.now = Millis(right.0 + 40 * DAY_MS as u64);
            [A, B].into_iter().for_each(|party| talk.skew_ms(party, -40 * DAY_MS));
            writes_once(talk);
            talk.now = right;
            [A, B].into_iter().for_each(|party| talk.skew_ms(party, 0));
        });
    });
}

#[test]
fn cs225_who_was_away_for_long_does_not_make_up_for_it_at_every_welcome() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.space.backup();
        talk.pass_ms(60 * DAY_MS as u64);
        talk.exec(A, "UPDATE household SET name = 'lost and found'", &[]);
        for _ in 0..MANY {
            talk.exec(A, "UPDATE household SET doses = doses + 1", &[]);
            talk.visit(A);
        }
        talk.restore_space(&backup);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT name FROM household"), text("lost and found"));
    });
}

#[test]
fn cs226_what_is_older_than_a_month_is_not_kept() {
    on_both_paths(|talk| {
        with_household(talk);
        let backup = talk.space.backup();
        for _ in 0..MANY {
            talk.pass_ms(DAY_MS as u64);
            talk.exec(A, "INSERT INTO visit (id) VALUES (uuidv7())", &[]);
            talk.visit(A);
        }
        talk.restore_space(&backup);
        talk.visit(A);
        let Value::Integer(back) = value(talk, A, "SELECT count(*) FROM visit") else { panic!("a count") };
        assert!((30..=40).contains(&back), "{back} came back");
    });
}
