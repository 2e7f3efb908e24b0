//! What capture costs natively: the hook against SQL triggers that log whole deltas, and against no capture.
//! Five interleaved rounds on disk, medians; the figures that decide are taken inside wasm by `bench/`.
//! Run with `cargo run --release --example capture -p ebbtide-store`.

use ebbtide_core::change::RowId;
use ebbtide_core::client::store::ClientStore;
use ebbtide_core::commit::{Effect, Outcome};
use ebbtide_core::ids::{Millis, TableId};
use ebbtide_core::value::{Key, Value};
use ebbtide_store::local::LocalDatabase;
use ebbtide_store::schema::Schema;
use rusqlite::Connection;
use std::path::Path;
use std::time::Instant;

const ROWS: i64 = 50_000;
const ROUNDS: usize = 5;
const NOW: Millis = Millis(1_700_000_000_000);
const TABLE: &str = "CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, c INTEGER, d REAL, e TEXT)";

/// A log row per change, each column before and after, written by the triggers themselves.
const TRIGGERS: &str = "
CREATE TABLE visit_log (n INTEGER PRIMARY KEY, op, id, a0, b0, c0, d0, e0, a1, b1, c1, d1, e1);
CREATE TRIGGER visit_i AFTER INSERT ON visit BEGIN INSERT INTO visit_log (op, id, a1, b1, c1, d1, e1)
  VALUES (0, new.id, new.a, new.b, new.c, new.d, new.e); END;
CREATE TRIGGER visit_u AFTER UPDATE ON visit BEGIN INSERT INTO visit_log (op, id, a0, a1, b0, b1, c0, c1, d0, d1, e0, e1)
  VALUES (1, new.id, iif(old.a IS new.a, NULL, old.a), iif(old.a IS new.a, NULL, new.a),
    iif(old.b IS new.b, NULL, old.b), iif(old.b IS new.b, NULL, new.b), iif(old.c IS new.c, NULL, old.c),
    iif(old.c IS new.c, NULL, new.c), iif(old.d IS new.d, NULL, old.d), iif(old.d IS new.d, NULL, new.d),
    iif(old.e IS new.e, NULL, old.e), iif(old.e IS new.e, NULL, new.e)); END;
CREATE TRIGGER visit_d AFTER DELETE ON visit BEGIN INSERT INTO visit_log (op, id, a0, b0, c0, d0, e0)
  VALUES (2, old.id, old.a, old.b, old.c, old.d, old.e); END;";

const MODES: [&str; 3] = ["none", "triggers", "hook"];
const STEPS: [&str; 4] = ["insert", "one-field update", "delete", "one-row transactions"];

fn main() {
    let mut times = vec![vec![Vec::new(); STEPS.len()]; MODES.len()];
    for round in 0..ROUNDS {
        for turn in 0..MODES.len() {
            let mode = (round + turn) % MODES.len();
            for (step, seconds) in run(MODES[mode]).into_iter().enumerate() {
                times[mode][step].push(seconds);
            }
        }
    }
    println!("{ROWS} rows, medians of {ROUNDS} rounds in ms (times the one without capture)");
    for (step, name) in STEPS.iter().enumerate() {
        let base = median(&mut times[0][step]);
        let cells: Vec<String> = (0..MODES.len())
            .map(|mode| (MODES[mode], median(&mut times[mode][step])))
            .map(|(mode, seconds)| format!("{mode} {:.1} ({:.2}x)", seconds * 1e3, seconds / base))
            .collect();
        println!("{name:>22}: {}", cells.join(" | "));
    }
    let mut rates: Vec<f64> = (0..ROUNDS).map(|_| with_file(apply)).collect();
    println!("{:>22}: {:.0} rows/s", "apply", median(&mut rates));
}

/// Rows per second of remote inserts, as a device applies them.
fn apply(path: &Path) -> f64 {
    let mut db = open(path, "hook");
    let outcome = |n: i64| {
        let mut values = full(n);
        let key = Key(vec![values.remove(0)]);
        Outcome { row: RowId { table: TableId(0), key }, effect: Effect::Put(values) }
    };
    let outcomes: Vec<Outcome> = (0..ROWS).map(outcome).collect();
    ROWS as f64 / timed(|| db.sync_step(NOW, |store| store.write(&outcomes)).expect("commits").expect("writes"))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn run(mode: &str) -> [f64; 4] {
    with_file(|path| steps(&mut open(path, mode)))
}

fn with_file<T>(body: impl FnOnce(&Path) -> T) -> T {
    let folder = std::env::temp_dir().join(format!("ebbtide-capture-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let result = body(&folder.join("db"));
    std::fs::remove_dir_all(folder).expect("removed");
    result
}

fn open(path: &Path, mode: &str) -> LocalDatabase {
    let connection = Connection::open(path).expect("opens");
    let pragmas = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL";
    connection.execute_batch(pragmas).expect("pragmas");
    let migrations = if mode == "triggers" { vec![TABLE, TRIGGERS] } else { vec![TABLE] };
    let tables = if mode == "hook" { serde_json::json!({ "visit": {} }) } else { serde_json::json!({}) };
    let schema: Schema =
        serde_json::from_value(serde_json::json!({ "migrations": migrations, "tables": tables })).expect("a schema");
    LocalDatabase::open(connection, &schema, NOW, [1; 16]).expect("opens")
}

fn key(n: i64) -> Value {
    Value::Text(format!("0190f1d2-0000-7000-8000-{n:012}"))
}

fn full(n: i64) -> Vec<Value> {
    let text = |text: &str| Value::Text(text.into());
    vec![key(n), text("a household"), text("some words of a note"), Value::Integer(n), Value::Real(0.5), Value::Null]
}

fn steps(db: &mut LocalDatabase) -> [f64; 4] {
    let insert = "INSERT INTO visit VALUES (?, ?, ?, ?, ?, ?)";
    let update = "UPDATE visit SET c = c + 1 WHERE id = ?";
    let keys = || (0..ROWS).map(|n| vec![key(n)]);
    [
        timed(|| db.execute_many(insert, &mut (0..ROWS).map(full), NOW).expect("inserts")),
        timed(|| db.execute_many(update, &mut keys(), NOW).expect("updates")),
        timed(|| db.execute_many("DELETE FROM visit WHERE id = ?", &mut keys(), NOW).expect("deletes")),
        timed(|| (0..5_000).map(|n| db.execute(insert, &full(n), NOW).expect("inserts").changes).sum::<u64>()),
    ]
}

fn timed<T>(body: impl FnOnce() -> T) -> f64 {
    #[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
    let start = Instant::now();
    body();
    start.elapsed().as_secs_f64()
}
