//! What can be said of a schema without a database: names, strategies, rules.
//! Whether tables and columns exist is for the catalogue reader.
//! Called before a database is opened, on both sides.

use super::{RESERVED_PREFIX, Schema, SchemaError, TableRules};
use ebbtide_core::catalogue::{DeleteRule, Strategy};

impl Schema {
    /// Checks names, strategies and rules.
    pub fn validate(&self) -> Result<(), SchemaError> {
        for (position, name) in self.tables.keys().enumerate() {
            check_table_name(name)?;
            if self.tables.keys().take(position).any(|other| other.eq_ignore_ascii_case(name)) {
                return Err(SchemaError::invalid(format!("tables.{name}"), "is named twice; SQLite ignores case"));
            }
        }
        for (index, migration) in self.migrations.iter().enumerate() {
            if migration.sql().trim().is_empty() {
                return Err(SchemaError::invalid(format!("migrations[{index}]"), "is empty"));
            }
        }
        self.tables.iter().try_for_each(|(name, rules)| check_rules(name, rules))
    }
}

fn check_table_name(name: &str) -> Result<(), SchemaError> {
    let place = format!("tables.{name}");
    if name.is_empty() {
        return Err(SchemaError::invalid("tables", "a table has no name"));
    }
    let lower = name.to_ascii_lowercase();
    if lower.starts_with(RESERVED_PREFIX) || lower.starts_with("sqlite_") {
        return Err(SchemaError::invalid(place, "names starting with _ebb or sqlite_ are reserved"));
    }
    Ok(())
}

fn check_rules(table: &str, rules: &TableRules) -> Result<(), SchemaError> {
    for (column, name) in &rules.merge {
        let place = format!("tables.{table}.merge.{column}");
        choice(&place, name, &Strategy::NAMES)?;
    }
    if let Some(name) = &rules.delete {
        let place = format!("tables.{table}.delete");
        choice(&place, name, &DeleteRule::NAMES)?;
    }
    check_row(table, rules)?;
    match rules.key.as_deref() {
        None | Some("natural") => Ok(()),
        Some(other) => {
            let what = format!("'{other}' is not a key rule; leave it out or say 'natural'");
            Err(SchemaError::invalid(format!("tables.{table}.key"), what))
        }
    }
}

/// A row that merges as a whole has one strategy: that of its row.
fn check_row(table: &str, rules: &TableRules) -> Result<(), SchemaError> {
    let place = format!("tables.{table}.row");
    match rules.row.as_deref() {
        None => return Ok(()),
        Some("atomic") => {}
        Some(other) => {
            let what = format!("'{other}' is not a row rule; leave it out or say 'atomic'");
            return Err(SchemaError::invalid(place, what));
        }
    }
    let mut names: Vec<&str> = rules.merge.values().map(String::as_str).collect();
    names.dedup();
    if !matches!(names.as_slice(), [] | ["server"] | ["review"]) {
        let what = "'atomic' merges the row as a whole; its fields can have no strategies of their own, \
                    except 'server' or 'review' for all of them";
        return Err(SchemaError::invalid(place, what));
    }
    Ok(())
}

fn choice<T>(place: &str, given: &str, choices: &[(&str, T)]) -> Result<(), SchemaError> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    if names.contains(&given) {
        return Ok(());
    }
    Err(SchemaError::invalid(place, format!("'{given}' is unknown; one of {} is meant", names.join(", "))))
}
