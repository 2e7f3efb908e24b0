//! The durable change history in D1: its tables, and the batch that delivers a piece of a space's log.
//! It holds SQL text and JSON, and runs nothing: D1 is asynchronous, so the adapter does. Values are JSON that loses nothing.

use super::limits::HISTORY_VALUE_BYTES;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Effect, Outcome, SealedCommit};
use ebbtide_core::ids::{ColumnId, Millis, Seq};
use ebbtide_core::value::Value;
use serde_json::{Map, Value as Json, json};

/// Creates the tables where they are missing.
///
/// `ebbtide_change` has one row for each field of an update, and one for an insert or a delete, whose `value` is then
/// the whole row as an object, or NULL. `op` orders the rows within a commit. A value too large for D1 is `{"$omitted": bytes}`.
pub const CREATE: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS ebbtide_space (space TEXT PRIMARY KEY NOT NULL, seq INTEGER NOT NULL,
     updated_at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ebbtide_device (space TEXT NOT NULL, device TEXT NOT NULL, user TEXT NOT NULL,
     last_seq INTEGER NOT NULL, last_at INTEGER NOT NULL, PRIMARY KEY (space, device)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ebbtide_change (space TEXT NOT NULL, seq INTEGER NOT NULL, op INTEGER NOT NULL,
     kind TEXT NOT NULL, tbl TEXT NOT NULL, key TEXT NOT NULL, col TEXT, value TEXT, user TEXT NOT NULL,
     device TEXT NOT NULL, device_seq INTEGER NOT NULL, stamp TEXT NOT NULL, decided_at INTEGER NOT NULL,
     PRIMARY KEY (space, seq, op)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ebbtide_step (space TEXT NOT NULL, seq INTEGER NOT NULL, part INTEGER NOT NULL,
     upto_seq INTEGER NOT NULL, upto_part INTEGER NOT NULL, done_at INTEGER NOT NULL,
     PRIMARY KEY (space, seq, part)) WITHOUT ROWID",
    // Without it the history of one row would read that of the whole space.
    "CREATE INDEX IF NOT EXISTS ebbtide_change_of_row ON ebbtide_change (space, tbl, key)",
];

/// What a batch fails with when it was applied before: SQLite names the columns of the key it met.
pub const ALREADY_APPLIED: &str = "ebbtide_step.space";

/// Answers up to where an applied step went; binds space, seq and part of its beginning.
pub const FIND_STEP: &str = "SELECT upto_seq, upto_part FROM ebbtide_step WHERE space=? AND seq=? AND part=?";

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

/// The batch of a step. It begins with the step itself, so that a second run fails as a whole.
pub fn batch(space: &str, from: (Seq, u64), upto: (Seq, u64), entries: &[Entry], now: Millis) -> Vec<Statement> {
    let rows = Json::Array(entries.iter().map(|entry| entry.0.clone()).collect()).to_string();
    vec![
        Statement {
            sql: "INSERT INTO ebbtide_step (space,seq,part,upto_seq,upto_part,done_at) VALUES (?,?,?,?,?,?)",
            params: vec![json!(space), json!(from.0.0), json!(from.1), json!(upto.0.0), json!(upto.1), json!(now.0)],
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
        Statement {
            sql: "INSERT INTO ebbtide_space (space,seq,updated_at) VALUES (?,?,?)
                  ON CONFLICT (space) DO UPDATE SET seq=excluded.seq, updated_at=excluded.updated_at",
            params: vec![json!(space), json!(upto.0.0), json!(now.0)],
        },
    ]
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
