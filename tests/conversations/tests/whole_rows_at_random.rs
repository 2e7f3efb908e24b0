//! Random histories of three devices over rows that wait for a person as a whole: written, replaced, deleted and chosen between while lines break
//! and everybody restarts. Whatever happens, a row has one conflict at most, which says what stands, and everything can be decided.

use crate::script::{open, text};
use ebbtide_core::client::{Input, TwoPhase};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_simulator::random::Random;
use ebbtide_store::local::{Choice, DbErrorCode, OpenRecord, Wanted};
use ebbtide_store::schema::Schema;
use std::collections::BTreeSet;

const DEVICES: usize = 3;
const STEPS: usize = 160;
const IDS: [&str; 2] = ["p", "q"];

fn schema(delete: &str) -> Schema {
    let json = serde_json::json!({
        "migrations": ["CREATE TABLE place (id TEXT PRIMARY KEY NOT NULL, street TEXT, zip INTEGER) STRICT"],
        "tables": { "place": { "row": "atomic", "merge": { "street": "review" }, "delete": delete } }
    });
    serde_json::from_value(json).expect("a schema")
}

fn work(talk: &mut Dialogue, party: usize, random: &mut Random, step: usize) {
    let (id, value) = (text(IDS[random.below(2) as usize]), Value::Integer(step as i64));
    match random.below(12) {
        0..=3 => talk.exec(party, "UPDATE place SET zip = ? WHERE id = ?", &[value, id]),
        4 | 5 => talk.exec(party, "UPDATE place SET street = ? WHERE id = ?", &[text(&format!("s{step}")), id]),
        6 => talk.exec(party, "INSERT OR IGNORE INTO place VALUES (?, 'new', ?)", &[id, value]),
        7 if random.percent(50) => {
            talk.exec(party, "INSERT OR REPLACE INTO place VALUES (?, 'again', ?)", &[id, value])
        }
        8 if random.percent(50) => talk.exec(party, "DELETE FROM place WHERE id = ?", &[id]),
        _ => choose(talk, party, random, step),
    }
}

/// Chooses something, if anything waits; that the row was deleted here, or that the device has no side, is no choice.
fn choose(talk: &mut Dialogue, party: usize, random: &mut Random, step: usize) {
    let records = open(talk, party);
    let Some(record) = records.first() else { return };
    let choice = match random.below(4) {
        0 => Choice::Mine,
        1 => Choice::Row(vec![("street".into(), Value::Null), ("zip".into(), Value::Integer(step as i64))]),
        _ => Choice::Side(random.below(record.sides.len() as u64) as u32),
    };
    let now = talk.time_of(party);
    match talk.device(party).database().resolve_conflict(record.id, &choice, now) {
        Ok(()) => talk.input(party, Input::LocalCommit),
        Err(error) => {
            assert!(matches!(error.code, DbErrorCode::ConflictNotOpen | DbErrorCode::BadParameter), "{error}");
        }
    }
}

/// The lists of all devices are one, which says of each row what they show.
fn check(talk: &mut Dialogue, seed: u64) -> Vec<OpenRecord> {
    let lists: Vec<Vec<OpenRecord>> = (0..DEVICES).map(|party| open(talk, party)).collect();
    let keys: BTreeSet<_> = lists[0].iter().map(|record| format!("{:?}", record.key)).collect();
    assert_eq!(keys.len(), lists[0].len(), "one conflict for a row; seed {seed}: {}", talk.transcript());
    for record in &lists[0] {
        let sql = format!("SELECT street, zip FROM place WHERE id = {:?}", record.key[0])
            .replace("Text(\"", "'")
            .replace("\")", "'");
        let stands = match talk.query(0, &sql).pop() {
            Some(row) => Wanted::Row(["street", "zip"].map(String::from).into_iter().zip(row).collect()),
            None => Wanted::Deleted,
        };
        assert_eq!(record.sides[0].wanted, stands, "seed {seed}: {}", talk.transcript());
        let challengers: Vec<_> = record.sides[1..].iter().map(|side| side.device).collect();
        assert_eq!(
            challengers.iter().collect::<BTreeSet<_>>().len(),
            challengers.len(),
            "a side for an author; seed {seed}"
        );
    }
    let shape = |records: &[OpenRecord]| -> Vec<_> {
        let wants = |record: &OpenRecord| record.sides.iter().map(|side| side.wanted.clone()).collect::<Vec<_>>();
        records.iter().map(|record| (record.id, wants(record), record.base.clone())).collect()
    };
    assert!(
        lists.iter().all(|list| shape(list) == shape(&lists[0])),
        "all list the same; seed {seed}: {}",
        talk.transcript()
    );
    lists.into_iter().next().unwrap_or_default()
}

/// Somebody chooses until nothing waits.
fn decide_all(talk: &mut Dialogue, random: &mut Random, seed: u64) {
    for _ in 0..10 {
        for party in 0..DEVICES {
            for record in open(talk, party) {
                let (now, side) = (talk.time_of(party), random.below(record.sides.len() as u64) as u32);
                let chosen = talk.device(party).database().resolve_conflict(record.id, &Choice::Side(side), now);
                chosen.unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", talk.transcript()));
                talk.input(party, Input::LocalCommit);
            }
            talk.visit(party);
        }
    }
    (0..DEVICES).for_each(|party| talk.visit(party));
    talk.assert_in_step();
    assert!((0..DEVICES).all(|party| open(talk, party).is_empty()), "seed {seed}: {}", talk.transcript());
}

/// Answers what waited in the end, before it was decided.
fn run(seed: u64, two_phase: TwoPhase, delete: &str) -> Vec<OpenRecord> {
    let mut random = Random::new(seed);
    let mut talk = Dialogue::with_schema(DEVICES, two_phase, schema(delete));
    talk.exec(0, "INSERT INTO place VALUES ('p', 'Main', 0)", &[]);
    (0..DEVICES).for_each(|party| talk.visit(party));
    let mut online = [false; DEVICES];
    for step in 1..STEPS {
        talk.pass_ms(random.below(50));
        let party = random.below(DEVICES as u64) as usize;
        match random.below(20) {
            0..=6 => work(&mut talk, party, &mut random, step),
            7..=9 if !online[party] => {
                talk.connect(party);
                online[party] = true;
            }
            10 if online[party] => {
                talk.cut(party);
                online[party] = false;
            }
            11 if random.percent(30) => {
                talk.restart(party);
                online[party] = false;
            }
            12 if random.percent(20) => talk.evict(),
            13..=16 if online[party] => drop(talk.up(party)),
            _ if online[party] => drop(talk.down(party)),
            _ => {}
        }
    }
    (0..DEVICES).filter(|party| online[*party]).for_each(|party| talk.cut(party));
    (0..DEVICES).chain(0..DEVICES).for_each(|party| talk.visit(party));
    talk.assert_in_step();
    let waited = check(&mut talk, seed);
    decide_all(&mut talk, &mut random, seed);
    waited
}

#[test]
fn mg101_a_row_has_one_conflict_that_says_what_stands_whatever_happens() {
    let mut waited = Vec::new();
    for seed in 0..25 {
        for (at, delete) in ["wins", "keep", "review"].into_iter().enumerate() {
            let two_phase = if seed % 2 == 0 { TwoPhase::Auto } else { TwoPhase::Always };
            waited.extend(run(seed * 10 + at as u64, two_phase, delete));
        }
    }
    let some = |is: &dyn Fn(&OpenRecord) -> bool| waited.iter().filter(|record| is(record)).count();
    let deletes = |record: &OpenRecord| record.sides[1..].iter().any(|side| side.wanted == Wanted::Deleted);
    let counts = (waited.len(), some(&|record| record.sides.len() > 2), some(&deletes), some(&|r| r.base.is_some()));
    assert!(counts.0 > 25 && counts.1 > 5 && counts.2 > 2 && counts.3 > 15, "too little happens: {counts:?}");
}
