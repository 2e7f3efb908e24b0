//! Statements on the tables that only the larger app has: cards and deeds that merge as a whole, samples at the ends of all ranges, topics with sets
//! and with fields that a person decides, pages of text. Drawn by the workload.

use super::{Statement, amount, note, text};
use crate::random::Random;
use crate::reference::texts;
use ebbtide_core::value::Value;

/// Whole numbers at which something may turn over.
const ENDS: [i64; 7] = [i64::MIN, i64::MIN + 1, -1, 0, 1, 9_007_199_254_740_993, i64::MAX];

/// Words that one piece of work may type.
const WORDS: u64 = 16;

/// Words that nobody else types.
#[derive(Debug)]
pub(super) struct Words(std::ops::Range<u64>);

impl Words {
    pub(super) fn of(work: u64) -> Self {
        Self(work * WORDS..(work + 1) * WORDS)
    }

    pub(super) fn some(&mut self, count: u64) -> Value {
        texts::value((0..count).filter_map(|_| self.0.next()).map(texts::word))
    }
}

pub(super) fn statement(random: &mut Random, words: &mut Words) -> Statement {
    match random.below(4) {
        0 => on_card(random),
        1 => on_sample(random),
        2 => on_page(random, words),
        _ => on_topic(random),
    }
}

fn on_page(random: &mut Random, words: &mut Words) -> Statement {
    let (id, at) = (text("g", random.below(3)), Value::Integer(random.below(8) as i64));
    match random.below(12) {
        0 | 1 => ("INSERT INTO page (id, body) VALUES (?, ?)".into(), vec![id, words.some(3)]),
        2..=4 => ("UPDATE page SET body = coalesce(body, '') || ? WHERE id = ?".into(), vec![words.some(1), id]),
        5..=7 => {
            let sql = "UPDATE page SET body = substr(body, 1, ?1) || ?2 || substr(body, ?1 + 1) WHERE id = ?3 AND body IS NOT NULL";
            (sql.into(), vec![at, words.some(2), id])
        }
        8 => ("UPDATE page SET body = substr(body, 1, ?1) || substr(body, ?1 + 3) WHERE id = ?2".into(), vec![at, id]),
        9 => ("UPDATE page SET body = ?, mood = ? WHERE id = ?".into(), vec![words.some(2), note(random), id]),
        10 => ("UPDATE page SET mood = ?".into(), vec![note(random)]),
        _ => {
            let sql = *random.pick(&["DELETE FROM page WHERE id = ?", "UPDATE page SET body = NULL WHERE id = ?"]);
            (sql.into(), vec![id])
        }
    }
}

/// Cards, and deeds, which are the same but that a person chooses between whole rows.
fn on_card(random: &mut Random) -> Statement {
    let (id, table) = match random.below(4) {
        at @ 0..=1 => (text("k", at), "card"),
        at => (text("k", at), "deed"),
    };
    let (sql, params) = match random.below(8) {
        0 | 1 => ("INSERT INTO card (id, owner, balance) VALUES (?, ?, ?)", vec![id, note(random), number(random)]),
        2 => {
            let sql = "INSERT INTO card (id, note) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET note = excluded.note";
            (sql, vec![id, note(random)])
        }
        3 => ("UPDATE card SET owner = ? WHERE id = ?", vec![note(random), id]),
        4 => ("UPDATE card SET balance = ?, note = ? WHERE id = ?", vec![number(random), note(random), id]),
        5 => ("UPDATE card SET note = ?", vec![note(random)]),
        6 => ("UPDATE card SET balance = ? WHERE id = ?", vec![number(random), id]),
        _ => ("DELETE FROM card WHERE id = ?", vec![id]),
    };
    (sql.replace("card", table), params)
}

fn on_sample(random: &mut Random) -> Statement {
    let (batch, at) = (batch(random), number(random));
    let optional = |random: &mut Random| if random.percent(25) { Value::Null } else { number(random) };
    match random.below(8) {
        0 | 1 => ("INSERT INTO sample (batch, number, grade, value) VALUES (?, ?, ?, ?)".into(), {
            vec![batch, at, amount(random), optional(random)]
        }),
        2 => {
            let sql = "INSERT OR REPLACE INTO sample (batch, number, data) VALUES (?, ?, ?)";
            (sql.into(), vec![batch, at, data(random)])
        }
        3 => ("UPDATE sample SET value = ? WHERE batch = ?".into(), vec![optional(random), batch]),
        4 => ("UPDATE sample SET grade = ?, data = ? WHERE number >= ?".into(), vec![amount(random), data(random), at]),
        5 => ("UPDATE OR IGNORE sample SET batch = ? WHERE number = ?".into(), vec![batch, at]),
        6 => ("UPDATE sample SET data = NULL, value = NULL WHERE batch = ?".into(), vec![batch]),
        _ => ("DELETE FROM sample WHERE batch = ? AND number = ?".into(), vec![batch, at]),
    }
}

fn on_topic(random: &mut Random) -> Statement {
    let (id, tag) = (text("o", random.below(4)), text("tag", random.below(6)));
    match random.below(16) {
        12..=14 => ("UPDATE topic SET verdict = ? WHERE id = ?".into(), vec![note(random), id]),
        15 => ("UPDATE topic SET verdict = substr(coalesce(verdict, '') || ' so', 1, 44)".into(), vec![]),
        0 | 1 => ("INSERT INTO topic (id, tags, diagnosis) VALUES (?, json_array(?), ?)".into(), {
            vec![id, tag, note(random)]
        }),
        2 => ("INSERT INTO topic (id, title) VALUES (?, ?)".into(), vec![id, tag]),
        3..=5 => {
            let sql = "UPDATE topic SET tags = json_insert(coalesce(tags, '[]'), '$[#]', ?2)
                WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM json_each(coalesce(tags, '[]')) WHERE value = ?2)";
            (sql.into(), vec![id, tag])
        }
        6 | 7 => {
            let sql = "UPDATE topic SET tags = (SELECT json_group_array(value) FROM json_each(tags) WHERE value <> ?)
                WHERE tags IS NOT NULL AND id = ?";
            (sql.into(), vec![tag, id])
        }
        8 => ("UPDATE topic SET tags = NULL WHERE id = ?".into(), vec![id]),
        9 | 10 => ("UPDATE topic SET diagnosis = ? WHERE id = ?".into(), vec![note(random), id]),
        _ => ("DELETE FROM topic WHERE id = ?".into(), vec![id]),
    }
}

fn number(random: &mut Random) -> Value {
    Value::Integer(*random.pick(&ENDS))
}

fn batch(random: &mut Random) -> Value {
    random.pick(&[Value::Blob(vec![]), Value::Blob(vec![0]), Value::Blob(vec![0xff; 16])]).clone()
}

fn data(random: &mut Random) -> Value {
    random.pick(&[Value::Null, Value::Blob(vec![]), Value::Blob(vec![0, 0xff]), Value::Blob(vec![7; 300])]).clone()
}
