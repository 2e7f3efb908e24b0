//! The steps by which the simulated app's schema grows: SQL as a developer would write it, and by hand what each does to names and rows.
//! It shares nothing with the engine's own comparing and mapping of versions, and runs no SQL.
//! Put together to releases by `releases`.

use super::rule::Rule;
use crate::rows::Rows;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::RowId;
use ebbtide_core::value::{Key, Value};

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// Columns are added, one of them with a strategy of its own.
    Columns,
    /// A table and a column of another go on under other names.
    Renames,
    /// A table comes whose rows go with their household.
    Table,
    /// A table that others refer to is built anew, its columns in another order and one more among them.
    Rebuild,
    /// Rows are changed, deleted and inserted.
    Data,
    /// An index, for devices only.
    Index,
    /// A table that every device had for itself is kept in step from now on.
    Joins,
    /// The same without a migration.
    Keeps,
    /// A rule is another one, without a migration.
    Rule(Rule),
}

/// All of them that come with a migration, each at most once in an app's life.
pub const ALL: [Piece; 7] =
    [Piece::Columns, Piece::Renames, Piece::Table, Piece::Rebuild, Piece::Data, Piece::Index, Piece::Joins];

/// The table that joins, as it is from the first release on.
pub const SETTING: &str = "CREATE TABLE setting (name TEXT PRIMARY KEY NOT NULL, value TEXT, code TEXT UNIQUE,
    uses INTEGER NOT NULL DEFAULT 0, household TEXT REFERENCES household(id) ON DELETE CASCADE) STRICT";

/// What a migration of data makes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    /// The row with these fields.
    Row(Vec<Value>),
    /// Nothing.
    Gone,
}

/// A table's name after these steps.
pub fn table_after<'n>(steps: &[Piece], name: &'n str) -> &'n str {
    if steps.contains(&Piece::Renames) && name == "dose" { "given" } else { name }
}

/// A column's name after these steps, by the table's first name.
pub fn column_after<'n>(steps: &[Piece], table: &str, name: &'n str) -> &'n str {
    if steps.contains(&Piece::Renames) && (table, name) == ("visit", "notes") { "remarks" } else { name }
}

impl Piece {
    /// The entries of the migration list, for an app that has taken these steps before.
    pub fn migrations(self, before: &[Piece]) -> Vec<serde_json::Value> {
        let dose = table_after(before, "dose");
        let notes = column_after(before, "visit", "notes");
        match self {
            Piece::Columns => vec![
                "ALTER TABLE member ADD COLUMN village TEXT NOT NULL DEFAULT 'none';
                 ALTER TABLE visit ADD COLUMN minutes INTEGER NOT NULL DEFAULT 0;"
                    .into(),
            ],
            Piece::Renames => vec![serde_json::json!({
                "sql": "ALTER TABLE dose RENAME TO given; ALTER TABLE visit RENAME COLUMN notes TO remarks;",
                "renames": { "dose": "given", "visit.notes": "remarks" }
            })],
            Piece::Table => vec![
                "CREATE TABLE call (id TEXT PRIMARY KEY NOT NULL, household TEXT REFERENCES household(id) ON DELETE CASCADE,
                    topic TEXT, lasted INTEGER NOT NULL DEFAULT 0) STRICT;"
                    .into(),
            ],
            Piece::Rebuild => vec![REBUILD.into(), serde_json::json!({ "on": "client", "sql": SEARCH })],
            Piece::Data => vec![
                format!(
                    "UPDATE {dose} SET note = 'none' WHERE note IS NULL;
                     DELETE FROM visit WHERE household IS NULL AND {notes} IS NULL;
                     INSERT INTO tally (id, low, high) VALUES ('t0', 1, 3) ON CONFLICT (id) DO NOTHING;"
                )
                .into(),
            ],
            Piece::Index => vec![serde_json::json!({ "on": "client", "sql": "CREATE INDEX member_by_name ON member (name)" })],
            Piece::Joins => vec!["CREATE INDEX setting_by_value ON setting (value)".into()],
            Piece::Keeps | Piece::Rule(_) => Vec::new(),
        }
    }

    /// What it does to the rules of the synced tables, for an app that has taken these steps before.
    pub fn rules(self, tables: &mut serde_json::Value, before: &[Piece]) {
        match self {
            Piece::Rule(rule) => rule.apply(tables, before),
            Piece::Columns => tables["visit"]["merge"]["minutes"] = "sum".into(),
            Piece::Renames => {
                let rules = tables["dose"].take();
                tables.as_object_mut().expect("tables by name").remove("dose");
                tables["given"] = rules;
            }
            Piece::Table => tables["call"] = serde_json::json!({}),
            Piece::Joins | Piece::Keeps => tables["setting"] = serde_json::json!({ "merge": { "uses": "sum" } }),
            Piece::Rebuild | Piece::Data | Piece::Index => {}
        }
    }

    /// Whether it says how writes merge, and nothing of names, tables and rows.
    pub fn is_rule(self) -> bool {
        matches!(self, Piece::Rule(_))
    }

    /// Whether it changes rows of this table, by whichever of its names.
    pub fn changes_rows_of(self, table: &str) -> bool {
        self == Piece::Data && matches!(table, "dose" | "given" | "visit" | "tally")
    }

    /// What it makes of each row that it changes, in the terms of a catalogue that may have more columns and other names.
    pub fn done_to(self, rows: &Rows, catalogue: &Catalogue) -> Vec<(RowId, Became)> {
        if self != Piece::Data {
            return Vec::new();
        }
        let mut done: Vec<(RowId, Became)> =
            rows.iter().filter_map(|(row, values)| Some((row.clone(), data(row, values, catalogue)?))).collect();
        done.extend(inserted(rows, catalogue));
        done
    }
}

fn data(row: &RowId, values: &[Value], catalogue: &Catalogue) -> Option<Became> {
    let table = catalogue.table(row.table).expect("a table");
    let null = |at: usize| values[at] == Value::Null;
    match table.name.as_str() {
        "dose" | "given" => {
            let note = place(table, &["note"]);
            let with = |mut values: Vec<Value>| {
                values[note] = Value::Text("none".into());
                Became::Row(values)
            };
            null(note).then(|| with(values.to_vec()))
        }
        "visit" => {
            (null(place(table, &["household"])) && null(place(table, &["notes", "remarks"]))).then_some(Became::Gone)
        }
        _ => None,
    }
}

fn inserted(rows: &Rows, catalogue: &Catalogue) -> Option<(RowId, Became)> {
    let id = catalogue.table_id("tally").expect("a table");
    let row = RowId { table: id, key: Key(vec![Value::Text("t0".into())]) };
    let table = catalogue.table(id).expect("a table");
    let mut values: Vec<Value> = table.fields().map(|(_, column)| column.default.clone().unwrap_or_default()).collect();
    values[place(table, &["low"])] = Value::Integer(1);
    values[place(table, &["high"])] = Value::Integer(3);
    (!rows.contains_key(&row)).then_some((row, Became::Row(values)))
}

/// Where among its fields a table has the column of one of these names.
fn place(table: &Table, names: &[&str]) -> usize {
    table.fields().position(|(_, column)| names.contains(&column.name.as_str())).expect("a field")
}

const REBUILD: &str =
    "CREATE TABLE household_new (id TEXT PRIMARY KEY NOT NULL, colour TEXT NOT NULL DEFAULT 'none', code TEXT UNIQUE,
        name TEXT, weight REAL, doses INTEGER NOT NULL DEFAULT 0, photo BLOB, touched INTEGER NOT NULL DEFAULT 0,
        CHECK (doses >= -1000000)) STRICT;
    INSERT INTO household_new (id, code, name, weight, doses, photo, touched)
        SELECT id, code, name, weight, doses, photo, touched FROM household;
    DROP TABLE household;
    ALTER TABLE household_new RENAME TO household;
    CREATE TRIGGER household_touched AFTER UPDATE OF name ON household
        BEGIN UPDATE household SET touched = touched + 1 WHERE id = NEW.id; END;";

/// The triggers of the index for full text went with the table.
const SEARCH: &str = "CREATE TRIGGER household_search_insert AFTER INSERT ON household
        BEGIN DELETE FROM household_search WHERE id = NEW.id;
        INSERT INTO household_search (id, name) VALUES (NEW.id, NEW.name); END;
    CREATE TRIGGER household_search_update AFTER UPDATE OF id, name ON household
        BEGIN DELETE FROM household_search WHERE id IN (OLD.id, NEW.id);
        INSERT INTO household_search (id, name) VALUES (NEW.id, NEW.name); END;
    CREATE TRIGGER household_search_delete AFTER DELETE ON household
        BEGIN DELETE FROM household_search WHERE id = OLD.id; END;";
