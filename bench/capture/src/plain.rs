//! Statements on rusqlite directly, with triggers or without: the least that any way of capturing by triggers costs.
//! It mirrors how the local database binds and steps. `bench.rs` drives it.

use crate::delta;
use crate::mode::Mode;
use crate::rows::TABLE;
use ebbtide_core::value::Value;
use ebbtide_store::sqlite::value::Bound;
use rusqlite::{Connection, Result, params};

const LOG: &str = "CREATE TABLE log (id INTEGER PRIMARY KEY, changes BLOB NOT NULL)";
const APPEND: &str = "INSERT INTO log (changes) VALUES (?)";

/// Nothing is captured while commits of others are applied.
const GUARD: &str = "WHEN NOT applying()";

const FIELDS: [&str; 5] = ["name", "note", "visits", "score", "kind"];

/// A connection with the table and the triggers of a mode.
pub struct Plain {
    connection: Connection,
    collects: bool,
}

impl Plain {
    /// Creates table, log and triggers.
    pub fn open(connection: Connection, mode: Mode) -> Result<Self> {
        delta::register(&connection)?;
        connection.execute_batch(TABLE)?;
        connection.execute_batch(LOG)?;
        for trigger in triggers(mode) {
            connection.execute_batch(&trigger)?;
        }
        Ok(Self { connection, collects: matches!(mode, Mode::TriggerCollected | Mode::TriggerComplete) })
    }

    /// Runs the statement once for each row, all in one transaction.
    pub fn run(&mut self, sql: &str, rows: Vec<Vec<Value>>) -> Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut statement = self.connection.prepare_cached(sql)?;
        for row in rows {
            for (index, value) in row.iter().enumerate() {
                statement.raw_bind_parameter(index + 1, Bound(value))?;
            }
            statement.raw_execute()?;
        }
        if self.collects {
            let mut append = self.connection.prepare_cached(APPEND)?;
            for part in delta::take_collected() {
                append.execute(params![part])?;
            }
        }
        self.connection.execute_batch("COMMIT")
    }

    /// How many bytes the log holds.
    pub fn logged(&self) -> Result<i64> {
        self.connection.query_row("SELECT ifnull(sum(length(changes)), 0) FROM log", [], |row| row.get(0))
    }
}

fn triggers(mode: Mode) -> Vec<String> {
    let body = |json: String, arguments: String| match mode {
        Mode::TriggerJson => Some(format!("INSERT INTO log (changes) VALUES ({json})")),
        Mode::TriggerBytes => Some(format!("INSERT INTO log (changes) VALUES (delta({arguments}))")),
        Mode::TriggerCollected | Mode::TriggerComplete => Some(format!("SELECT collect({arguments})")),
        Mode::None | Mode::Off | Mode::Hook => None,
    };
    let pairs = FIELDS.map(|field| format!("OLD.{field}, NEW.{field}")).join(", ");
    let bodies = [
        ("INSERT", body(format!("json_array(0, NEW.id, {})", whole("NEW")), format!("0, NEW.id, {}", whole("NEW")))),
        ("UPDATE", body(json_delta(), format!("1, NEW.id, {pairs}"))),
        ("DELETE", body(format!("json_array(2, OLD.id, {})", whole("OLD")), format!("2, OLD.id, {}", whole("OLD")))),
    ];
    let guard = if mode == Mode::TriggerComplete { GUARD } else { "" };
    let trigger = |(event, body): (&str, Option<String>)| {
        body.map(|body| format!("CREATE TRIGGER capture_{event} AFTER {event} ON item {guard} BEGIN {body}; END"))
    };
    let eviction = (mode == Mode::TriggerComplete).then(eviction);
    bodies.into_iter().filter_map(trigger).chain(eviction).collect()
}

/// REPLACE runs no delete trigger for the rows that it evicts, so they are noted before they go.
fn eviction() -> String {
    let values = whole("item");
    format!(
        "CREATE TRIGGER capture_eviction BEFORE INSERT ON item {GUARD}
           BEGIN SELECT collect(2, item.id, {values}) FROM item WHERE item.id = NEW.id; END"
    )
}

fn whole(row: &str) -> String {
    FIELDS.map(|field| format!("{row}.{field}")).join(", ")
}

/// Old and new value of every field that differs, by its name.
fn json_delta() -> String {
    let field = |name| {
        format!(
            "CASE WHEN OLD.{name} IS NOT NEW.{name} THEN ',\"{name}\":' || json_array(OLD.{name}, NEW.{name}) ELSE '' END"
        )
    };
    format!("'{{\"id\":' || json_quote(NEW.id) || {} || '}}'", FIELDS.map(field).join(" || "))
}
