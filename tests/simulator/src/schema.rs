//! The application whose databases are synced: few tables, each there for a rule that it puts under strain.
//! It is plain SQL as a developer would write it; the engine's own tables are not its business.
//! Used by the simulator and the conversations.

use ebbtide_store::schema::Schema;

/// Households with a unique code and an `updated_at` trigger, members that go with them, visits that stay behind without them,
/// doses under a composite key without a rowid, and two halves that are always written together.
pub fn schema() -> Schema {
    serde_json::from_value(base()).expect("the schema above has the schema's shape")
}

/// The same with a table whose fields merge by all kinds of rules.
pub fn with_strategies() -> Schema {
    serde_json::from_value(with_tally()).expect("the schema above has the schema's shape")
}

/// The same with rows that merge as a whole, by clocks and by a person, keys and values at the ends of their ranges, sets, texts, and fields that a person or the app's own function decides.
pub fn with_everything() -> Schema {
    serde_json::from_value(all()).expect("the schema above has the schema's shape")
}

/// The larger app's schema or the smaller one's, as the app hands it over.
pub fn json(everything: bool) -> serde_json::Value {
    if everything { all() } else { with_tally() }
}

fn all() -> serde_json::Value {
    let mut json = with_tally();
    let migrations = json["migrations"].as_array_mut().expect("a list");
    let more = "CREATE TABLE card (id TEXT PRIMARY KEY NOT NULL, owner TEXT, balance INTEGER NOT NULL DEFAULT 0, note TEXT) STRICT;
        CREATE TABLE sample (batch BLOB NOT NULL, number INTEGER NOT NULL, grade REAL, value INTEGER, data BLOB,
            PRIMARY KEY (batch, number)) STRICT;
        CREATE TABLE deed (id TEXT PRIMARY KEY NOT NULL, owner TEXT, balance INTEGER NOT NULL DEFAULT 0, note TEXT) STRICT;
        CREATE TABLE topic (id TEXT PRIMARY KEY NOT NULL, tags TEXT, diagnosis TEXT, verdict TEXT,
            title TEXT NOT NULL DEFAULT '') STRICT;
        CREATE TABLE page (id TEXT PRIMARY KEY NOT NULL, body TEXT, mood TEXT) STRICT;";
    migrations.push(more.into());
    json["tables"]["card"] = serde_json::json!({ "row": "atomic" });
    json["tables"]["deed"] = serde_json::json!({ "row": "atomic", "merge": { "note": "review" } });
    json["tables"]["sample"] = serde_json::json!({});
    json["tables"]["topic"] =
        serde_json::json!({ "merge": { "tags": "set", "diagnosis": "review", "verdict": "custom" } });
    json["tables"]["page"] = serde_json::json!({ "merge": { "body": "text" } });
    json
}

fn with_tally() -> serde_json::Value {
    let mut json = base();
    let migrations = json["migrations"].as_array_mut().expect("a list");
    let tally = "CREATE TABLE tally (id TEXT PRIMARY KEY NOT NULL, earliest TEXT, low INTEGER, high INTEGER,
        total INTEGER NOT NULL DEFAULT 0, state TEXT) STRICT;";
    migrations.push(tally.into());
    json["tables"]["tally"] = serde_json::json!({
        "merge": { "earliest": "first", "low": "min", "high": "max", "total": "sum", "state": "server" }
    });
    json
}

fn base() -> serde_json::Value {
    serde_json::json!({
        "migrations": [
            "CREATE TABLE household (id TEXT PRIMARY KEY NOT NULL, name TEXT, code TEXT UNIQUE, doses INTEGER NOT NULL DEFAULT 0,
                weight REAL, photo BLOB, touched INTEGER NOT NULL DEFAULT 0, CHECK (doses >= -1000000)) STRICT;
             CREATE TRIGGER household_touched AFTER UPDATE OF name ON household
                BEGIN UPDATE household SET touched = touched + 1 WHERE id = NEW.id; END;",
            "CREATE TABLE member (id TEXT PRIMARY KEY NOT NULL, household TEXT NOT NULL REFERENCES household(id) ON DELETE CASCADE,
                name TEXT NOT NULL DEFAULT 'nobody', age INTEGER CHECK (age IS NULL OR age BETWEEN 0 AND 150)) STRICT;
             CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, household TEXT REFERENCES household(id) ON DELETE SET NULL,
                notes TEXT, low INTEGER NOT NULL DEFAULT 0, high INTEGER NOT NULL DEFAULT 100, CHECK (low <= high)) STRICT;
             CREATE TABLE dose (member TEXT NOT NULL, day INTEGER NOT NULL, amount REAL NOT NULL DEFAULT 0.0, note TEXT,
                PRIMARY KEY (member, day)) WITHOUT ROWID, STRICT;
             CREATE TABLE left_half (id TEXT PRIMARY KEY NOT NULL, value INTEGER) STRICT;
             CREATE TABLE right_half (id TEXT PRIMARY KEY NOT NULL, value INTEGER) STRICT;",
            { "on": "client", "sql": "CREATE VIRTUAL TABLE household_search USING fts5(id UNINDEXED, name);
             CREATE TRIGGER household_search_insert AFTER INSERT ON household
                BEGIN DELETE FROM household_search WHERE id = NEW.id;
                INSERT INTO household_search (id, name) VALUES (NEW.id, NEW.name); END;
             CREATE TRIGGER household_search_update AFTER UPDATE OF id, name ON household
                BEGIN DELETE FROM household_search WHERE id IN (OLD.id, NEW.id);
                INSERT INTO household_search (id, name) VALUES (NEW.id, NEW.name); END;
             CREATE TRIGGER household_search_delete AFTER DELETE ON household
                BEGIN DELETE FROM household_search WHERE id = OLD.id; END;" }
        ],
        "tables": { "household": {}, "member": {}, "visit": {}, "dose": {}, "left_half": {}, "right_half": {} }
    })
}
