//! Random histories of devices that take turns, over tables of all shapes and merged by all rules: since each had seen what it writes over, they
//! come to what one SQLite database comes to that runs the same statements.

use crate::turns::take_turns;
use ebbtide_core::client::TwoPhase;
use ebbtide_simulator::random::Random;
use ebbtide_store::schema::Schema;

const SEEDS: u64 = 40;

const TABLES: &str = "CREATE TABLE plain (id TEXT PRIMARY KEY NOT NULL, name TEXT COLLATE NOCASE UNIQUE, rank INTEGER, share REAL, UNIQUE (rank, share)) STRICT;
    CREATE TABLE pair (day INTEGER NOT NULL, who TEXT NOT NULL, data BLOB UNIQUE, PRIMARY KEY (who, day)) WITHOUT ROWID, STRICT;
    CREATE TABLE loose (id NOT NULL PRIMARY KEY, number NUMERIC, whole INTEGER, word TEXT, any);
    CREATE TABLE made (id BLOB PRIMARY KEY NOT NULL, a INTEGER NOT NULL DEFAULT 3, b INTEGER, total INTEGER AS (a + b) STORED, twice INTEGER AS (a * 2)) STRICT;
    CREATE UNIQUE INDEX made_total ON made (total) WHERE a > 1;
    CREATE UNIQUE INDEX made_abs ON made (abs(b));
    CREATE TABLE counted (id INTEGER PRIMARY KEY NOT NULL, name TEXT) STRICT;
    CREATE TABLE merged (id TEXT PRIMARY KEY NOT NULL, early TEXT, low INTEGER, high REAL, total INTEGER, state TEXT, body TEXT, doubt TEXT) STRICT;
    CREATE TABLE card (id TEXT PRIMARY KEY NOT NULL, rank INTEGER UNIQUE, name TEXT) STRICT;
    CREATE TABLE said (id TEXT PRIMARY KEY NOT NULL, times INTEGER NOT NULL DEFAULT 0, last TEXT) STRICT;
    CREATE TRIGGER plain_insert AFTER INSERT ON plain BEGIN
        INSERT INTO said (id, last) VALUES ('plain ' || NEW.id, NEW.name) ON CONFLICT (id) DO UPDATE SET times = times + 1, last = excluded.last; END;
    CREATE TRIGGER plain_update AFTER UPDATE OF rank ON plain WHEN NEW.rank IS NOT OLD.rank BEGIN
        UPDATE said SET times = times + 1 WHERE id = 'plain ' || NEW.id; END;
    CREATE TRIGGER plain_delete AFTER DELETE ON plain BEGIN
        DELETE FROM said WHERE id = 'plain ' || OLD.id; UPDATE counted SET name = OLD.name; END;
    CREATE TRIGGER card_odd BEFORE INSERT ON card WHEN NEW.rank = 13 BEGIN SELECT RAISE(ABORT, 'no luck'); END;
    CREATE TRIGGER card_odd_too BEFORE UPDATE ON card WHEN NEW.rank = 13 BEGIN SELECT RAISE(ABORT, 'no luck'); END;
    CREATE TRIGGER card_even BEFORE UPDATE ON card WHEN NEW.rank = 4 BEGIN SELECT RAISE(IGNORE); END";

fn schema() -> Schema {
    let json = serde_json::json!({ "migrations": [TABLES], "tables": {
        "plain": {}, "pair": {}, "loose": {}, "made": {}, "counted": { "key": "natural" }, "card": { "row": "atomic" }, "said": {},
        "merged": { "merge": { "early": "first", "low": "min", "high": "max", "total": "sum", "state": "server", "body": "text", "doubt": "review" } }
    } });
    serde_json::from_value(json).expect("a schema")
}

fn any<'a>(random: &mut Random, values: &[&'a str]) -> &'a str {
    values[random.below(values.len() as u64) as usize]
}

fn id(random: &mut Random) -> &'static str {
    any(random, &["'a'", "'b'", "'c'", "''"])
}

fn word(random: &mut Random) -> &'static str {
    any(random, &["'one'", "'ONE'", "'two words'", "''", "'12'", "'1e3'", "'ünï'", "NULL"])
}

fn whole(random: &mut Random) -> &'static str {
    any(random, &["0", "1", "2", "3", "4", "13", "-1", "9223372036854775807", "-9223372036854775808", "NULL"])
}

fn real(random: &mut Random) -> &'static str {
    any(random, &["0.0", "-0.0", "1.5", "2.0", "1e308", "-1e308", "9e999", "5e-324", "NULL"])
}

fn blob(random: &mut Random) -> &'static str {
    any(random, &["x''", "x'00'", "x'61'", "x'ff00'", "NULL"])
}

fn anything(random: &mut Random) -> &'static str {
    match random.below(4) {
        0 => word(random),
        1 => whole(random),
        2 => real(random),
        _ => blob(random),
    }
}

/// No two of them are equal without being the same, as 1 and 1.0 are.
fn key(random: &mut Random) -> &'static str {
    match random.below(3) {
        0 => word(random),
        1 => whole(random),
        _ => blob(random),
    }
}

fn or(random: &mut Random) -> &'static str {
    any(random, &["", "", " OR REPLACE", " OR REPLACE", " OR IGNORE", " OR FAIL"])
}

/// Where it may be refused, a statement is about one row: in which order SQLite comes by more of them is each database's own.
fn statement(random: &mut Random) -> String {
    let or = or(random);
    match random.below(30) {
        0..=2 => format!(
            "INSERT{or} INTO plain VALUES ({}, {}, {}, {})",
            id(random),
            word(random),
            whole(random),
            real(random)
        ),
        3 => format!("UPDATE{or} plain SET rank = rank + 1, share = {} WHERE id = {}", real(random), id(random)),
        4 => format!("UPDATE{or} plain SET name = {}, id = {} WHERE id = {}", word(random), id(random), id(random)),
        5 => format!("DELETE FROM plain WHERE id = {}", id(random)),
        6 => format!(
            "INSERT INTO plain (id, rank) VALUES ({}, {}) ON CONFLICT (id) DO UPDATE SET rank = excluded.rank, name = {}",
            id(random),
            whole(random),
            word(random)
        ),
        7 | 8 => format!("INSERT{or} INTO pair VALUES ({}, {}, {})", whole(random), word(random), blob(random)),
        9 => format!(
            "UPDATE{or} pair SET day = day + {}, data = {} WHERE (who, day) = ({}, {})",
            whole(random),
            blob(random),
            word(random),
            whole(random)
        ),
        10 => format!("DELETE FROM pair WHERE who = {}", word(random)),
        11 | 12 => format!(
            "INSERT{or} INTO loose VALUES ({}, {}, {}, {}, {})",
            key(random),
            anything(random),
            anything(random),
            anything(random),
            anything(random)
        ),
        13 => format!("UPDATE loose SET number = {}, any = whole", anything(random)),
        14 => format!("UPDATE{or} loose SET id = {} WHERE id = {}", key(random), key(random)),
        15 => format!("DELETE FROM loose WHERE number IS {}", anything(random)),
        16 | 17 => {
            format!("INSERT{or} INTO made (id, a, b) VALUES ({}, {}, {})", blob(random), whole(random), whole(random))
        }
        18 => format!("UPDATE{or} made SET a = b, b = a WHERE id = {}", blob(random)),
        19 => format!("UPDATE{or} made SET b = {} WHERE id = {}", whole(random), blob(random)),
        20 => format!("INSERT{or} INTO counted VALUES ({}, {})", any(random, &["0", "1", "-4"]), word(random)),
        21 => format!("UPDATE{or} counted SET id = -id WHERE id = {}", whole(random)),
        22 | 23 => format!(
            "INSERT{or} INTO merged VALUES ({}, {}, {}, {}, {}, {}, {}, {})",
            id(random),
            word(random),
            whole(random),
            real(random),
            any(random, &["0", "5", "-7", "NULL"]),
            word(random),
            word(random),
            word(random)
        ),
        24 => {
            format!("UPDATE merged SET total = total + {}, low = {}", any(random, &["0", "1", "-4"]), whole(random))
        }
        25 => format!("UPDATE merged SET early = {}, high = {}, state = {}", word(random), real(random), word(random)),
        26 => format!(
            "UPDATE merged SET body = body || {}, doubt = {} WHERE id = {}",
            word(random),
            word(random),
            id(random)
        ),
        27 => format!("INSERT{or} INTO card VALUES ({}, {}, {})", id(random), whole(random), word(random)),
        28 => format!("UPDATE{or} card SET rank = {} WHERE id = {}", whole(random), id(random)),
        _ => format!("DELETE FROM {} WHERE id = {}", any(random, &["merged", "card", "said"]), id(random)),
    }
}

fn work(random: &mut Random) -> Vec<String> {
    let statements = if random.percent(40) { 1 } else { random.between(2, 6) };
    (0..statements).map(|_| statement(random)).collect()
}

#[test]
fn sv275_devices_that_take_turns_come_to_what_one_database_comes_to() {
    for seed in 0..SEEDS {
        let two_phase = if seed.is_multiple_of(2) { TwoPhase::Auto } else { TwoPhase::Always };
        take_turns(&format!("seed {seed}"), &schema(), two_phase, Random::new(seed), work);
    }
}
