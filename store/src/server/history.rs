//! The durable change history in D1: its tables, and the batch that delivers a piece of a space's log.
//! It holds SQL text and JSON, and runs nothing: D1 is asynchronous, so the adapter does. Values are JSON that loses nothing.

use super::limits::HISTORY_VALUE_BYTES;
use super::outbox::OutboxPosition;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Effect, Outcome, SealedCommit};
use ebbtide_core::ids::{ColumnId, Hash, Millis};
use ebbtide_core::value::Value;
use serde_json::{Map, Value as Json, json};

/// Creates the tables where they are missing.
///
/// `ebbtide_space` says up to where a space's history is here: all commits up to `seq`, of the next one the first `part`
/// outcomes, and the chain hash of the newest commit of which there is anything.
/// `ebbtide_change` has one row for each field of an update, and one for an insert or a delete, whose `value` is then
/// the whole row as an object, or NULL. `op` orders the rows within a commit. A value too large for D1 is `{"$omitted": bytes}`.
pub const CREATE: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS ebbtide_space (space TEXT PRIMARY KEY NOT NULL, seq INTEGER NOT NULL,
     part INTEGER NOT NULL, chain TEXT, updated_at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ebbtide_device (space TEXT NOT NULL, device TEXT NOT NULL, user TEXT NOT NULL,
     last_seq INTEGER NOT NULL, last_at INTEGER NOT NULL, PRIMARY KEY (space, device)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ebbtide_change (space TEXT NOT NULL, seq INTEGER NOT NULL, op INTEGER NOT NULL,
     kind TEXT NOT NULL, tbl TEXT NOT NULL, key TEXT NOT NULL, col TEXT, value TEXT, user TEXT NOT NULL,
     device TEXT NOT NULL, device_seq INTEGER NOT NULL, stamp TEXT NOT NULL, decided_at INTEGER NOT NULL,
     PRIMARY KEY (space, seq, op)) WITHOUT ROWID",
    // Without it the history of one row would read that of the whole space.
    "CREATE INDEX IF NOT EXISTS ebbtide_change_of_row ON ebbtide_change (space, tbl, key)",
];

/// What a batch fails with, as a whole, when D1 is not where the batch begins: SQLite names the column that must not be NULL.
pub const ELSEWHERE: &str = "ebbtide_space.seq";

/// Rows of another history that are deleted at once: D1 gives a statement 30 seconds.
const FORGET_ROWS: u32 = 5_000;

/// Up to where the history of a space is in D1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Everything up to here is there.
    pub position: OutboxPosition,
    /// The chain hash of the newest commit of which there is anything, in hexadecimal digits; none at the beginning.
    pub chain: Option<String>,
}

impl Place {
    /// The place at which this is the newest commit.
    pub fn new(position: OutboxPosition, newest: Option<Hash>) -> Self {
        Self { position, chain: newest.map(|hash| hexadecimal(&hash.0)) }
    }

    fn params(&self) -> [Json; 3] {
        [json!(self.position.seq.0), json!(self.position.part), json!(self.chain)]
    }
}

/// A statement with what it binds.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// SQL.
    pub sql: &'static str,
    /// Texts and numbers below 2^53.
    pub params: Vec<Json>,
}

/// A row of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry(Json);

impl Entry {
    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        self.0.to_string().len()
    }
}

/// Answers seq, part and chain of a space, if anything of it is in D1.
pub fn find_place(space: &str) -> Statement {
    Statement { sql: "SELECT seq, part, chain FROM ebbtide_space WHERE space=?", params: vec![json!(space)] }
}

/// The batch of a step. It fails as a whole unless D1 is where the step begins, so that no step runs twice.
pub fn batch(space: &str, from: &Place, upto: &Place, entries: &[Entry], now: Millis) -> Vec<Statement> {
    let rows = Json::Array(entries.iter().map(|entry| entry.0.clone()).collect()).to_string();
    vec![
        Statement {
            sql: "INSERT INTO ebbtide_space (space,seq,part,chain,updated_at) VALUES (?,0,0,NULL,?)
                  ON CONFLICT (space) DO NOTHING",
            params: vec![json!(space), json!(now.0)],
        },
        Statement {
            sql: "UPDATE ebbtide_space SET seq=CASE WHEN seq=?1 AND part=?2 AND chain IS ?3 THEN ?4 END, part=?5, chain=?6,
                  updated_at=?7 WHERE space=?8",
            params: [from.params(), upto.params()].concat().into_iter().chain([json!(now.0), json!(space)]).collect(),
        },
        Statement {
            sql: "INSERT INTO ebbtide_change (space,seq,op,kind,tbl,key,col,value,user,device,device_seq,stamp,decided_at)
                  SELECT ?, e.value->>0, e.value->>1, e.value->>2, e.value->>3, e.value->>4, e.value->>5, e.value->>6,
                  e.value->>7, e.value->>8, e.value->>9, e.value->>10, e.value->>11 FROM json_each(?) AS e",
            params: vec![json!(space), json!(rows)],
        },
        Statement {
            sql: "INSERT INTO ebbtide_device (space,device,user,last_seq,last_at)
                  SELECT ?, e.value->>8, e.value->>7, max(e.value->>0), max(e.value->>11) FROM json_each(?) AS e
                  GROUP BY e.value->>8
                  ON CONFLICT (space,device) DO UPDATE SET last_seq=excluded.last_seq, last_at=excluded.last_at",
            params: vec![json!(space), json!(rows)],
        },
    ]
}

/// Takes D1 back to an earlier place, where what it has behind it is of another history.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewind {
    /// Deletes some rows; to be repeated until it changes none.
    pub forget: Statement,
    /// Says that D1 is there, in one batch.
    pub settle: Vec<Statement>,
}

/// The way from where D1 was found back to a place. Nothing is done once D1 is no longer where it was found: then
/// another life of the object was quicker.
pub fn rewind(space: &str, found: &Place, to: &Place) -> Rewind {
    let seq = json!(to.position.seq.0);
    let found = || found.params().into_iter();
    Rewind {
        forget: Statement {
            sql: "DELETE FROM ebbtide_change WHERE (space,seq,op) IN (SELECT space,seq,op FROM ebbtide_change
                  WHERE space=?1 AND seq>?2 ORDER BY seq DESC, op DESC LIMIT ?3)
                  AND EXISTS (SELECT 1 FROM ebbtide_space WHERE space=?1 AND seq=?4 AND part=?5 AND chain IS ?6)",
            params: [json!(space), seq.clone(), json!(FORGET_ROWS)].into_iter().chain(found()).collect(),
        },
        settle: vec![
            // A device that was only there in the other history stays listed until it comes back.
            Statement {
                sql: "UPDATE ebbtide_device SET last_seq=min(last_seq,?2) WHERE space=?1
                      AND EXISTS (SELECT 1 FROM ebbtide_space WHERE space=?1 AND seq=?3 AND part=?4 AND chain IS ?5)",
                params: [json!(space), seq].into_iter().chain(found()).collect(),
            },
            Statement {
                sql: "UPDATE ebbtide_space SET seq=?1, part=?2, chain=?3
                      WHERE space=?4 AND seq=?5 AND part=?6 AND chain IS ?7",
                params: to.params().into_iter().chain([json!(space)]).chain(found()).collect(),
            },
        ],
    }
}

/// How many rows the outcomes make: the place of the next one's first row within its commit.
pub fn operations(outcomes: &[Outcome]) -> usize {
    outcomes.iter().map(|outcome| if let Effect::Set(fields) = &outcome.effect { fields.len() } else { 1 }).sum()
}

/// Who made a commit, as the history names them.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The user's id.
    pub user: &'a str,
    /// The device, in hexadecimal digits.
    pub device: &'a str,
    /// The newest clock reading of the commit.
    pub stamp: Stamp,
}

/// The rows of one outcome; `first` is the place of its first row within the commit.
pub fn entries(
    sealed: &SealedCommit,
    origin: &Origin<'_>,
    catalogue: &Catalogue,
    outcome: &Outcome,
    first: usize,
) -> Vec<Entry> {
    let Some(table) = catalogue.table(outcome.row.table) else { return Vec::new() };
    let key = bounded(&Json::Array(outcome.row.key.0.iter().map(to_json).collect()), HISTORY_VALUE_BYTES);
    let most = match &outcome.effect {
        Effect::Set(fields) => HISTORY_VALUE_BYTES / fields.len().max(1),
        Effect::Put(_) | Effect::Delete => HISTORY_VALUE_BYTES,
    };
    let entry = |op: usize, kind: &str, column: Option<&str>, value: Option<Json>| {
        Entry(json!([
            sealed.seq.0,
            op,
            kind,
            table.name,
            key,
            column,
            value.map(|value| bounded(&value, most)),
            origin.user,
            origin.device,
            sealed.device_seq.0,
            origin.stamp.0.to_string(),
            sealed.decided_at.0,
        ]))
    };
    match &outcome.effect {
        Effect::Put(values) => vec![entry(first, "insert", None, Some(image(table, values)))],
        Effect::Delete => vec![entry(first, "delete", None, None)],
        Effect::Set(fields) => fields
            .iter()
            .enumerate()
            .map(|(place, field)| {
                entry(first + place, "update", column_name(table, field.column), Some(to_json(&field.value)))
            })
            .collect(),
    }
}

/// JSON as text, or only its length where D1 could not take it: one such value must not hold up all that follow.
fn bounded(json: &Json, most: usize) -> String {
    let text = json.to_string();
    if text.len() <= most { text } else { json!({ "$omitted": text.len() }).to_string() }
}

fn column_name(table: &Table, column: ColumnId) -> Option<&str> {
    table.columns.get(usize::from(column.0)).map(|column| column.name.as_str())
}

fn image(table: &Table, values: &[Value]) -> Json {
    let cells = table.fields().zip(values).map(|((_, column), value)| (column.name.clone(), to_json(value)));
    Json::Object(cells.collect::<Map<_, _>>())
}

/// Largest whole number that JSON readers take exactly.
const EXACT: i64 = (1 << 53) - 1;

/// A value as JSON. What JSON cannot say becomes an object with one member: `$integer`, `$real` or `$blob` (hexadecimal).
fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) if (-EXACT..=EXACT).contains(number) => json!(number),
        Value::Integer(number) => json!({ "$integer": number.to_string() }),
        Value::Real(number) if number.is_finite() => json!(number),
        Value::Real(number) => json!({ "$real": if *number > 0.0 { "Infinity" } else { "-Infinity" } }),
        Value::Text(text) => json!(text),
        Value::Blob(bytes) => json!({ "$blob": hexadecimal(bytes) }),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sv33_values_become_json_that_loses_nothing() {
        let cases = [
            (Value::Null, "null"),
            (Value::Integer(0), "0"),
            (Value::Integer(i64::MIN), r#"{"$integer":"-9223372036854775808"}"#),
            (Value::Real(0.5), "0.5"),
            (Value::Real(3.0), "3.0"),
            (Value::Real(f64::NEG_INFINITY), r#"{"$real":"-Infinity"}"#),
            (Value::Text(String::new()), "\"\""),
            (Value::Text("a\0b".into()), "\"a\\u0000b\""),
            (Value::Blob(vec![0, 255]), r#"{"$blob":"00ff"}"#),
        ];
        for (value, json) in cases {
            assert_eq!(to_json(&value).to_string(), json);
        }
    }

    #[test]
    fn sv33_a_value_too_large_for_d1_leaves_its_length() {
        let large = to_json(&Value::Blob(vec![0; 600_000]));
        assert_eq!(bounded(&large, HISTORY_VALUE_BYTES), r#"{"$omitted":1200012}"#);
        assert_eq!(bounded(&json!("x"), HISTORY_VALUE_BYTES), "\"x\"");
    }
}
