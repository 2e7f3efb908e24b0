//! Under which name earlier schema versions know a table or a column: what migrations declare as renamed, followed backwards.
//! It reads the schema only; whether a migration's SQL does what it declares shows in the database.
//! Used by the catalogue reader.

use super::{Migration, Schema, TableRules};
use ebbtide_core::sorted::SortedMap;

/// A name that was given away by a rename is another's from that version on, so its next bearer is marked with the version.
fn later_bearer(name: &str, version: usize) -> String {
    format!("{name}@{version}")
}

impl Schema {
    /// What the table was called first; `None` if it was never called otherwise.
    pub(crate) fn table_origin(&self, table: &str) -> Option<String> {
        let mut name = table.to_owned();
        for (index, migration) in self.migrations.iter().enumerate().rev() {
            match step(migration.renames(), &name) {
                Step::Was(before) => name = before,
                Step::IsNew => return Some(later_bearer(&name, index + 1)),
                Step::Same => {}
            }
        }
        (!name.eq_ignore_ascii_case(table)).then_some(name)
    }

    /// What the column was called first; `None` if it was never called otherwise.
    pub(crate) fn column_origin(&self, table: &str, column: &str) -> Option<String> {
        let (mut table_name, mut name) = (table.to_owned(), column.to_owned());
        for (index, migration) in self.migrations.iter().enumerate().rev() {
            let renames: Vec<(String, String)> = migration.renames().collect();
            let prefix = format!("{}.", table_name.to_ascii_lowercase());
            let own = renames.iter().filter(|(from, _)| from.to_ascii_lowercase().starts_with(&prefix));
            let own = own.map(|(from, to)| (from[prefix.len()..].to_owned(), to.clone()));
            match step(own, &name) {
                Step::Was(before) => name = before,
                Step::IsNew => return Some(later_bearer(&name, index + 1)),
                Step::Same => {}
            }
            match step(renames.into_iter(), &table_name) {
                Step::Was(before) => table_name = before,
                Step::IsNew => break,
                Step::Same => {}
            }
        }
        (!name.eq_ignore_ascii_case(column)).then_some(name)
    }

    /// The schema after its first migrations only: tables and columns that later ones rename have the names from before, and those
    /// whose names only later ones made free are not there.
    pub(crate) fn as_of(&self, migrations: usize) -> Schema {
        let (first, later) = self.migrations.split_at(migrations.min(self.migrations.len()));
        let mut tables = SortedMap::new();
        for (name, rules) in &self.tables {
            let Some(then) = table_before(later, name) else { continue };
            let mut merge = SortedMap::new();
            for (column, strategy) in &rules.merge {
                if let Some(column) = column_before(later, name, column) {
                    merge.insert(column, strategy.clone());
                }
            }
            tables.insert(then, TableRules { merge, ..rules.clone() });
        }
        Schema { migrations: first.to_vec(), tables }
    }
}

fn table_before(later: &[Migration], table: &str) -> Option<String> {
    let mut name = table.to_owned();
    for migration in later.iter().rev() {
        match step(migration.renames(), &name) {
            Step::Was(before) => name = before,
            Step::IsNew => return None,
            Step::Same => {}
        }
    }
    Some(name)
}

fn column_before(later: &[Migration], table: &str, column: &str) -> Option<String> {
    let (mut table, mut name) = (table.to_owned(), column.to_owned());
    for migration in later.iter().rev() {
        let prefix = format!("{}.", table.to_ascii_lowercase());
        let own = migration.renames().filter(|(from, _)| from.to_ascii_lowercase().starts_with(&prefix));
        match step(own.map(|(from, to)| (from[prefix.len()..].to_owned(), to)), &name) {
            Step::Was(before) => name = before,
            Step::IsNew => return None,
            Step::Same => {}
        }
        if let Step::Was(before) = step(migration.renames(), &table) {
            table = before;
        }
    }
    Some(name)
}

enum Step {
    Was(String),
    IsNew,
    Same,
}

fn step(mut renames: impl Iterator<Item = (String, String)>, name: &str) -> Step {
    let mut step = Step::Same;
    for (from, to) in renames.by_ref() {
        if to.eq_ignore_ascii_case(name) {
            return Step::Was(from);
        }
        if from.eq_ignore_ascii_case(name) {
            step = Step::IsNew;
        }
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(renames: &[serde_json::Value]) -> Schema {
        let migrations: Vec<_> = renames.iter().map(|r| serde_json::json!({ "sql": "x", "renames": r })).collect();
        serde_json::from_value(serde_json::json!({ "migrations": migrations, "tables": {} })).unwrap()
    }

    #[test]
    fn st80_a_renamed_table_keeps_its_first_name() {
        let schema = schema(&[serde_json::json!({ "a": "b" }), serde_json::json!({ "b": "c" })]);
        assert_eq!(schema.table_origin("C").as_deref(), Some("a"));
        assert_eq!(schema.table_origin("other"), None);
    }

    #[test]
    fn st80_who_takes_a_name_that_became_free_is_another() {
        let schema = schema(&[serde_json::json!({}), serde_json::json!({ "a": "b" })]);
        assert_eq!(schema.table_origin("b").as_deref(), Some("a"));
        assert_eq!(schema.table_origin("a").as_deref(), Some("a@2"));
    }

    #[test]
    fn st80_a_schema_as_of_an_earlier_migration_has_the_names_of_then() {
        let mut schema = schema(&[
            serde_json::json!({}),
            serde_json::json!({ "visit.notes": "remarks" }),
            serde_json::json!({ "visit": "call", "call.remarks": "words" }),
        ]);
        let rules = |json| serde_json::from_value::<TableRules>(json).unwrap();
        schema.tables.insert("call".into(), rules(serde_json::json!({ "merge": { "words": "text", "day": "min" } })));
        schema.tables.insert("visit".into(), TableRules::default());
        let then = |migrations| serde_json::to_value(schema.as_of(migrations).tables).unwrap();
        let visit = |notes: &str| serde_json::json!({ "visit": rules(serde_json::json!({ "merge": { notes: "text", "day": "min" } })) });
        assert_eq!((then(1), then(2)), (visit("notes"), visit("remarks")));
        assert_eq!(then(3), serde_json::to_value(&schema.tables).unwrap());
    }

    #[test]
    fn st80_columns_are_followed_through_their_tables_names() {
        let schema = schema(&[
            serde_json::json!({ "visit.notes": "remarks" }),
            serde_json::json!({ "visit": "call", "call.remarks": "words" }),
        ]);
        assert_eq!(schema.column_origin("call", "words").as_deref(), Some("notes"));
        assert_eq!(schema.column_origin("call", "notes").as_deref(), Some("notes@1"));
        assert_eq!(schema.column_origin("call", "day"), None);
    }
}
