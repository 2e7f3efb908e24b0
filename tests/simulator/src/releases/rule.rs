//! Rules that a release changes without a migration, and the tables of the simulated app that they may be changed of.
//! It knows which rules a field of the schema can have, and nothing of how they merge.
//! Steps of `piece`; which of them a seed takes, the world draws.

use super::piece::{Piece, column_after, table_after};
use crate::random::Random;

/// A rule that a release has from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// How a field merges: its table and its own name in the first release, and the strategy.
    Field(&'static str, &'static str, &'static str),
    /// The rows of a table merge as a whole.
    Atomic(&'static str),
}

/// A field and the strategies that it may have, its first one included.
type Choice = (&'static str, &'static str, &'static [&'static str]);

/// In both apps.
const FIELDS: [Choice; 10] = [
    ("household", "doses", &["sum", "max", "lww", "first"]),
    ("household", "touched", &["sum", "max", "lww"]),
    ("household", "code", &["first", "lww"]),
    ("household", "name", &["server", "first", "lww"]),
    ("visit", "high", &["sum", "lww", "max"]),
    ("tally", "total", &["lww", "sum", "max", "server"]),
    ("tally", "low", &["lww", "min", "max"]),
    ("tally", "earliest", &["lww", "first", "server"]),
    ("tally", "state", &["lww", "server", "first"]),
    ("dose", "amount", &["first", "lww"]),
];

/// In the larger app alone: a person may choose there.
const MORE: [Choice; 3] = [
    ("topic", "diagnosis", &["lww", "review", "first"]),
    ("topic", "title", &["review", "lww"]),
    ("page", "mood", &["review", "server", "lww"]),
];

/// Tables whose rows may come to merge as a whole, and then do for ever.
const WHOLE: [&str; 2] = ["dose", "member"];

/// The rules that some releases change, one after the other; a later one may take back what an earlier one changed.
pub fn draw(random: &mut Random, everything: bool) -> Vec<Vec<Piece>> {
    let mut fields: Vec<Choice> = FIELDS.to_vec();
    fields.extend(MORE.iter().filter(|_| everything));
    let whole = random.percent(30).then(|| *random.pick(&WHOLE));
    fields.retain(|(table, ..)| whole != Some(table));
    let mut changing = Vec::new();
    for _ in 0..random.between(2, 5) {
        changing.push(fields.remove(random.below(fields.len() as u64) as usize));
    }
    let mut releases: Vec<Vec<Piece>> = Vec::new();
    for release in 0..random.between(1, 3) {
        let chosen: Vec<Choice> = changing.iter().filter(|_| release == 0 || random.percent(60)).copied().collect();
        releases.push(chosen.iter().map(|choice| Piece::Rule(field(choice, random))).collect());
    }
    if let Some(table) = whole {
        let release = random.below(releases.len() as u64) as usize;
        releases[release].push(Piece::Rule(Rule::Atomic(table)));
    }
    releases.retain(|pieces| !pieces.is_empty());
    releases
}

fn field(&(table, column, strategies): &Choice, random: &mut Random) -> Rule {
    Rule::Field(table, column, random.pick::<&str>(strategies))
}

impl Rule {
    /// Writes it into the tables of a schema in JSON, of an app that has taken these steps before.
    pub fn apply(self, tables: &mut serde_json::Value, before: &[Piece]) {
        match self {
            Rule::Field(table, column, strategy) => {
                let column = column_after(before, table, column);
                tables[table_after(before, table)]["merge"][column] = strategy.into();
            }
            Rule::Atomic(table) => {
                tables[table_after(before, table)] = serde_json::json!({ "row": "atomic" });
            }
        }
    }
}
