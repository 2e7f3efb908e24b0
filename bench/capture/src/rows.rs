//! The table, the statements and the rows that every way of capturing gets.
//! It knows no database. The drivers take rows from it one by one.

use ebbtide_bench_engine::random::Random;
use ebbtide_core::value::Value;

pub const TABLE: &str = "CREATE TABLE item (
    id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, note TEXT, visits INTEGER NOT NULL, score REAL, kind TEXT
  ) STRICT";

pub const INSERT: &str = "INSERT INTO item (id, name, note, visits, score, kind) VALUES (?, ?, ?, ?, ?, ?)";
pub const UPDATE: &str = "UPDATE item SET note = ? WHERE id = ?";
pub const DELETE: &str = "DELETE FROM item WHERE id = ?";

/// The parameters of the three steps: every row is inserted, changed in one field, and deleted.
pub struct Steps {
    pub insert: Vec<Vec<Value>>,
    pub update: Vec<Vec<Value>>,
    pub delete: Vec<Vec<Value>>,
}

impl Steps {
    /// The same rows each time.
    pub fn new(count: usize) -> Self {
        let mut random = Random::new(7);
        let keys: Vec<Value> = (0..count).map(|index| Value::Text(uuid(&mut random, index))).collect();
        let insert = keys.iter().map(|key| inserted(key, &mut random)).collect();
        let update =
            keys.iter().enumerate().map(|(index, key)| vec![Value::Text(format!("note {index}")), key.clone()]);
        let update = update.collect();
        let delete = keys.into_iter().map(|key| vec![key]).collect();
        Self { insert, update, delete }
    }
}

fn inserted(key: &Value, random: &mut Random) -> Vec<Value> {
    let number = random.draw();
    let note =
        if number.is_multiple_of(10) { Value::Null } else { Value::Text(format!("visited on day {}", number % 366)) };
    vec![
        key.clone(),
        Value::Text(format!("Household {}", number % 100_000)),
        note,
        Value::Integer((number % 12) as i64),
        Value::Real((number % 1_000) as f64 / 8.0),
        Value::Text(["a", "b", "c"][(number % 3) as usize].into()),
    ]
}

/// About 25 rows of a bulk insert fall into a millisecond.
fn uuid(random: &mut Random, index: usize) -> String {
    random.uuid_at(1_795_219_200_000 + index as u64 / 25)
}
