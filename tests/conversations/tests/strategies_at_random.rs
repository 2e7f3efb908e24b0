//! Random histories of three devices over columns of the strategies that lose nothing: messages move one by one in any order, lines
//! break, devices restart, transactions are refused. In the end every delta, word and element is accounted for.

use crate::script::text;
use ebbtide_core::client::{Output, TwoPhase};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_simulator::random::Random;
use ebbtide_store::schema::Schema;
use std::collections::BTreeSet;

const DEVICES: usize = 3;
const STEPS: usize = 140;

/// A delta of its own size, so that refused transactions can be told from the sum.
const REFUSABLE: i64 = 1_000_000;

fn schema() -> Schema {
    let json = serde_json::json!({
        "migrations": [
            "CREATE TABLE item (id TEXT PRIMARY KEY NOT NULL, stock INTEGER NOT NULL DEFAULT 0, body TEXT, tags TEXT, code TEXT UNIQUE) STRICT;"
        ],
        "tables": { "item": { "merge": { "stock": "sum", "body": "text", "tags": "set" } } }
    });
    serde_json::from_value(json).expect("a schema")
}

/// What the devices did.
#[derive(Default)]
struct Account {
    total: i64,
    refusable: i64,
    refused: i64,
    words: Vec<String>,
    added: BTreeSet<String>,
    removed: BTreeSet<String>,
}

fn one(talk: &mut Dialogue, party: usize, column: &str) -> String {
    match talk.query(party, &format!("SELECT {column} FROM item WHERE id = 'i'"))[0][0].clone() {
        Value::Text(text) => text,
        _ => String::new(),
    }
}

fn work(talk: &mut Dialogue, party: usize, random: &mut Random, account: &mut Account, step: usize) {
    match random.below(10) {
        0 | 1 => {
            let delta = random.below(2_000) as i64 - 1_000;
            account.total += delta;
            talk.exec(party, "UPDATE item SET stock = stock + ? WHERE id = 'i'", &[Value::Integer(delta)]);
        }
        2 => {
            account.refusable += 1;
            let code = if random.percent(50) { text("taken") } else { Value::Null };
            let sql = "UPDATE item SET stock = stock + ?, code = ? WHERE id = 'i'";
            // Where the device knows the value to be taken, SQLite refuses at once.
            if code != Value::Null && talk.query(party, "SELECT 1 FROM item WHERE id = 'other'").is_empty() {
                talk.exec(party, sql, &[Value::Integer(REFUSABLE), code]);
            } else {
                talk.exec(party, sql, &[Value::Integer(REFUSABLE), Value::Null]);
            }
        }
        3..=6 => {
            let word = format!("w{step}.{party}");
            let body = one(talk, party, "body");
            let mut words: Vec<&str> = body.split_whitespace().collect();
            words.insert(random.below(words.len() as u64 + 1) as usize, &word);
            talk.exec(party, "UPDATE item SET body = ? WHERE id = 'i'", &[text(&words.join(" "))]);
            account.words.push(word);
        }
        _ => {
            let tags = one(talk, party, "tags");
            let mut tags: Vec<String> = serde_json::from_str(&tags).unwrap_or_default();
            if !tags.is_empty() && random.percent(30) {
                account.removed.insert(tags.swap_remove(random.below(tags.len() as u64) as usize));
            } else {
                tags.push(format!("t{step}.{party}"));
                account.added.insert(format!("t{step}.{party}"));
            }
            let json = serde_json::to_string(&tags).expect("texts");
            talk.exec(party, "UPDATE item SET tags = ? WHERE id = 'i'", &[text(&json)]);
        }
    }
}

fn refusals(talk: &mut Dialogue, party: usize) -> i64 {
    let outputs = talk.outputs(party);
    outputs.iter().filter(|output| matches!(output, Output::Rejected(_))).count() as i64
}

fn run(seed: u64, two_phase: TwoPhase) {
    let (mut random, mut account) = (Random::new(seed), Account::default());
    let mut talk = Dialogue::with_schema(DEVICES, two_phase, schema());
    talk.exec(0, "INSERT INTO item (id, body, tags) VALUES ('i', 'start', '[]')", &[]);
    (0..DEVICES).for_each(|party| talk.visit(party));
    // One device alone has what makes the others' codes collide.
    talk.exec(0, "INSERT INTO item (id, code) VALUES ('other', 'taken')", &[]);
    talk.visit(0);
    let mut online = [false; DEVICES];
    for step in 0..STEPS {
        let party = random.below(DEVICES as u64) as usize;
        match random.below(20) {
            0..=7 => work(&mut talk, party, &mut random, &mut account, step),
            8..=10 if !online[party] => {
                account.refused += refusals(&mut talk, party);
                talk.connect(party);
                online[party] = true;
            }
            11 if online[party] => {
                talk.cut(party);
                online[party] = false;
            }
            12 if random.percent(30) => {
                account.refused += refusals(&mut talk, party);
                talk.restart(party);
                online[party] = false;
            }
            13..=16 if online[party] => drop(talk.up(party)),
            _ if online[party] => drop(talk.down(party)),
            _ => {}
        }
    }
    (0..DEVICES).filter(|party| online[*party]).for_each(|party| talk.cut(party));
    for _ in 0..2 {
        for party in 0..DEVICES {
            account.refused += refusals(&mut talk, party);
            talk.visit(party);
        }
    }
    (0..DEVICES).for_each(|party| account.refused += refusals(&mut talk, party));
    talk.assert_in_step();
    check(&mut talk, &account, seed);
}

fn check(talk: &mut Dialogue, account: &Account, seed: u64) {
    let stock = talk.query(0, "SELECT stock FROM item WHERE id = 'i'")[0][0].clone();
    let expected = account.total + (account.refusable - account.refused) * REFUSABLE;
    assert_eq!(stock, Value::Integer(expected), "seed {seed}: {}", talk.transcript());
    let body = one(talk, 0, "body");
    for word in &account.words {
        let times = body.split_whitespace().filter(|found| found == word).count();
        assert_eq!(times, 1, "seed {seed}: {word} in {body}\n{}", talk.transcript());
    }
    let tags: BTreeSet<String> =
        serde_json::from_str::<Vec<String>>(&one(talk, 0, "tags")).expect("a list").into_iter().collect();
    let expected: BTreeSet<String> = account.added.difference(&account.removed).cloned().collect();
    assert_eq!(tags, expected, "seed {seed}: {}", talk.transcript());
}

#[test]
fn mg21_every_delta_word_and_element_is_accounted_for() {
    for seed in 0..25 {
        run(seed, TwoPhase::Auto);
        run(seed + 1_000, TwoPhase::Always);
    }
}
