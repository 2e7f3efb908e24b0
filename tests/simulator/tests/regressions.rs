//! Seeds that once failed, each named for what it found, as long as they show it: what a seed leads to changes with the world, so a
//! find is also told as a conversation. The simulator's own promise, one seed one trace, is held here too.

use ebbtide_simulator::runner::one;

#[test]
fn cs30_one_seed_gives_one_trace() {
    let hash = |seed| one(seed, false).map(|summary| summary.hash).expect("a sound seed");
    assert_eq!(hash(7), hash(7));
    assert_ne!(hash(7), hash(8));
}

#[test]
fn cs47_seeds_in_which_copies_of_one_database_once_differed_end_alike() {
    all_sound([86, 190, 278, 445]);
}

#[test]
fn cs60_seeds_in_which_texts_once_did_not_come_back_into_a_space_that_was_set_back_are_sound() {
    all_sound([509, 530, 545, 548]);
}

#[test]
fn mg19_seeds_in_which_words_on_an_own_insert_were_once_not_found_are_sound() {
    all_sound([555]);
}

#[test]
fn cs201_a_seed_in_which_numbers_that_were_given_up_and_a_refusal_once_waited_for_each_other_is_sound() {
    all_sound([1539]);
}

#[test]
fn sm12_a_seed_in_which_a_device_took_rules_back_that_its_space_never_had_is_sound() {
    all_sound([2063]);
}

fn all_sound<const N: usize>(seeds: [u64; N]) {
    for seed in seeds {
        if let Err(failure) = one(seed, false) {
            panic!("seed {seed}: {}", failure.finding);
        }
    }
}

#[test]
fn cs152_a_seed_in_which_a_late_reply_was_laid_over_a_lost_history_ends_well() {
    if let Err(failure) = one(376, false) {
        panic!("{}", failure.finding);
    }
}
