//! What can be said of a schema without a database: names, strategies, rules.
//! Whether tables and columns exist is for the catalogue reader.
//! Called before a database is opened, on both sides.

use super::{RESERVED_PREFIX, Schema, SchemaError, TableRules};

/// Strategies of the design; those beyond `lww` are refused until they are built.
const STRATEGIES: [&str; 10] = ["lww", "first", "sum", "min", "max", "set", "text", "server", "review", "custom"];

/// Delete rules of the design; those beyond `wins` are refused until they are built.
const DELETE_RULES: [&str; 3] = ["wins", "keep", "review"];

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
    for (column, strategy) in &rules.merge {
        check_choice(&format!("tables.{table}.merge.{column}"), strategy, &STRATEGIES)?;
    }
    if let Some(rule) = &rules.delete {
        check_choice(&format!("tables.{table}.delete"), rule, &DELETE_RULES)?;
    }
    if let Some(row) = &rules.row {
        let place = format!("tables.{table}.row");
        return Err(match row.as_str() {
            "atomic" => SchemaError::Unsupported { place, what: "row 'atomic'".into() },
            other => SchemaError::invalid(place, format!("'{other}' is not a row rule; leave it out or say 'atomic'")),
        });
    }
    match rules.key.as_deref() {
        None | Some("natural") => Ok(()),
        Some(other) => {
            let what = format!("'{other}' is not a key rule; leave it out or say 'natural'");
            Err(SchemaError::invalid(format!("tables.{table}.key"), what))
        }
    }
}

/// The first choice is the one that is built.
fn check_choice(place: &str, given: &str, choices: &[&str]) -> Result<(), SchemaError> {
    if !choices.contains(&given) {
        let what = format!("'{given}' is unknown; one of {} is meant", choices.join(", "));
        return Err(SchemaError::invalid(place, what));
    }
    if given != choices[0] {
        return Err(SchemaError::Unsupported { place: place.into(), what: format!("'{given}'") });
    }
    Ok(())
}
