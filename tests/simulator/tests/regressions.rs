//! Seeds that once failed, each named for what it found. The simulator's own promise, one seed one trace, is held here too.

use ebbtide_simulator::runner::one;

fn assert_sound(seed: u64) {
    if let Err(failure) = one(seed, true) {
        panic!("seed {seed}: {}\n{}", failure.finding, failure.lines.join("\n"));
    }
}

/// The app's `updated_at` trigger ran a second time in the space, which then had rows that no commit named.
#[test]
fn sv40_seed_1_a_trigger_that_writes_synced_tables_rests_in_the_space() {
    assert_sound(1);
}

/// A commit's change of a row that only a blocked transaction touched was undone when the view was laid anew.
#[test]
fn cs23_seed_2_a_row_of_a_blocked_transaction_follows_the_space() {
    assert_sound(2);
}

/// A second range found the same row under several blocked transactions.
#[test]
fn cs23_seed_20_several_blocked_transactions_share_rows() {
    assert_sound(20);
}

/// Unique values changed hands between rows under the overlay while the view was laid anew.
#[test]
fn cs25_seed_5_unique_values_change_hands_under_the_overlay() {
    assert_sound(5);
}

#[test]
fn cs30_one_seed_gives_one_trace() {
    let hash = |seed| one(seed, false).map(|summary| summary.hash).expect("a sound seed");
    assert_eq!(hash(7), hash(7));
    assert_ne!(hash(7), hash(8));
}
