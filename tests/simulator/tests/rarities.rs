//! What only some seeds have must happen in some of them: a feature of the world that is never drawn proves nothing.

use ebbtide_simulator::runner::one;

/// Some in which everything happens that can; by a migration a table joins in the last one alone.
const SEEDS: [u64; 17] = [517, 518, 519, 520, 521, 522, 523, 524, 525, 526, 527, 528, 529, 530, 531, 532, 2];

#[test]
fn sm10_most_seeds_have_writes_that_travel_as_one_and_some_of_these_come_apart() {
    let counts = (518..=523)
        .map(|seed| one(seed, false).unwrap_or_else(|failure| panic!("seed {seed}: {}", failure.finding)).counts);
    let counts: Vec<_> = counts.collect();
    assert!(counts.iter().filter(|counts| counts.absorbed > 0).count() > 3, "{counts:?}");
    assert!(counts.iter().any(|counts| counts.taken_apart > 0), "{counts:?}");
}

/// Some in which rules change by themselves, and a table joins without a migration.
const RULED: [u64; 3] = [33, 42, 63];

#[test]
fn sm12_rules_change_alone_while_writes_wait_and_are_decided_under_others_and_tables_join_without_a_migration() {
    let counts =
        RULED.map(|seed| one(seed, false).unwrap_or_else(|failure| panic!("seed {seed}: {}", failure.finding)).counts);
    assert!(counts.iter().all(|counts| counts.rules > 1), "{counts:?}");
    assert!(
        counts.iter().all(|counts| counts.reread > 0),
        "nothing waited on a device that took other rules: {counts:?}"
    );
    assert!(counts.iter().all(|counts| counts.of_then > 10), "{counts:?}");
    assert!(counts.iter().any(|counts| counts.kept > 0 && counts.joined > 0), "{counts:?}");
}

#[test]
fn sm05_everything_rare_happens_in_some_seeds() {
    let all: Vec<_> = SEEDS
        .into_iter()
        .map(|seed| one(seed, false).unwrap_or_else(|failure| panic!("seed {seed}: {}", failure.finding)).counts)
        .collect();
    for (place, (name, _)) in all[0].named().into_iter().enumerate() {
        let total: u64 = all.iter().map(|counts| counts.named()[place].1).sum();
        assert!(total > 0, "no {name} in seeds {SEEDS:?}");
    }
}
