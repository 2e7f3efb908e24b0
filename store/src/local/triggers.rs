//! The app's triggers on synced tables while remote changes are applied.
//! One that writes synced tables already ran where the write came from and must not run again; one that writes only
//! local tables, such as a full-text index, must run. Constraints were checked where the write came from.
//! Worked out when a schema is opened; used by the client store around its writes.

use super::access::{Actor, SharedAccess};
use super::error::DbError;
use crate::catalogue::quote;
use crate::schema::SchemaError;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::sorted::{SortedMap, SortedSet};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

/// What to do about triggers while remote changes are applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TriggerPlan {
    /// Whether some trigger must stay quiet. SQLite's switch then silences all but temporary ones.
    silence: bool,
    /// Whether some trigger writes synced tables.
    writes_synced: bool,
    /// Temporary twins of those that must run nevertheless: (create, drop).
    twins: Vec<(String, String)>,
    /// The same of those that only check.
    checks: Vec<(String, String)>,
}

impl TriggerPlan {
    /// Sorts all triggers that writes to synced tables can set off. Refuses one that writes both kinds of tables.
    pub fn of(connection: &Connection, access: &SharedAccess, catalogue: &Catalogue) -> Result<Self, DbError> {
        let mut found: SortedMap<String, SortedSet<String>> = SortedMap::new();
        for table in &catalogue.tables {
            for (trigger, writes) in set_off_by(connection, access, table)? {
                found.entry(trigger).or_default().extend(writes);
            }
        }
        let mut plan = TriggerPlan::default();
        let (mut running, mut checking) = (Vec::new(), Vec::new());
        for (trigger, writes) in found {
            let synced = writes.iter().filter(|table| catalogue.table_id(table).is_some()).count();
            if synced > 0 && synced < writes.len() {
                return Err(mixed(&trigger).into());
            }
            plan.writes_synced |= synced > 0;
            match (synced, writes.is_empty()) {
                (0, false) => running.push(trigger),
                (0, true) => checking.push(trigger),
                _ => {}
            }
        }
        plan.silence = plan.writes_synced || !checking.is_empty();
        if plan.silence {
            plan.twins = twins(connection, &running)?;
        }
        if plan.writes_synced {
            plan.checks = twins(connection, &checking)?;
        }
        Ok(plan)
    }

    /// Before the first remote change of a step.
    pub fn silence(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.silence {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
            for (create, _) in &self.twins {
                connection.execute_batch(create)?;
            }
        }
        Ok(())
    }

    /// Before a local transaction is made once more, of which only what writes synced tables was logged.
    pub fn silence_logged(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.writes_synced {
            self.silence(connection)?;
            self.checks.iter().try_for_each(|(create, _)| connection.execute_batch(create))?;
        }
        Ok(())
    }

    /// After the last remote change. What is restored already stays so.
    pub fn restore(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.silence {
            let twins = self.twins.iter().chain(&self.checks);
            twins.map(|(_, drop)| drop).try_for_each(|drop| connection.execute_batch(drop))?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)?;
        }
        Ok(())
    }
}

fn mixed(trigger: &str) -> SchemaError {
    SchemaError::invalid(
        format!("trigger {trigger}"),
        "writes synced and local tables, so that it could neither run nor stay quiet on other devices; make two of it",
    )
}

/// The triggers that a write to the table runs, with the tables that each writes itself. Nothing is written: the
/// authorizer tells while the statements are prepared.
fn set_off_by(
    connection: &Connection,
    access: &SharedAccess,
    table: &Table,
) -> Result<SortedMap<String, SortedSet<String>>, DbError> {
    let name = quote(&table.name);
    let columns: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
    let nulls = vec!["NULL"; columns.len()].join(", ");
    let same: Vec<String> = columns.iter().map(|column| format!("{column} = {column}")).collect();
    let statements = [
        format!("INSERT INTO {name} ({}) VALUES ({nulls})", columns.join(", ")),
        format!("UPDATE {name} SET {}", same.join(", ")),
        format!("DELETE FROM {name}"),
    ];
    let mut found = SortedMap::new();
    for sql in statements {
        let (prepared, seen) = access.watching(|| access.acting(Actor::Engine, || connection.prepare(&sql).map(drop)));
        prepared.map_err(|error| DbError::from_sqlite(&error, &sql))?;
        for (trigger, writes) in seen.triggers {
            found.entry(trigger).or_insert_with(SortedSet::new).extend(writes);
        }
    }
    Ok(found)
}

fn twins(connection: &Connection, triggers: &[String]) -> Result<Vec<(String, String)>, DbError> {
    triggers.iter().map(|trigger| twin(connection, trigger)).collect()
}

/// A temporary trigger of the same content.
fn twin(connection: &Connection, trigger: &str) -> Result<(String, String), DbError> {
    let query = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?";
    let sql: String = connection
        .query_row(query, [trigger], |row| row.get(0))
        .map_err(|error| DbError::from_sqlite(&error, query))?;
    let name = quote(&format!("_ebb_twin_{trigger}"));
    let rest = after_name(&sql).ok_or_else(|| {
        SchemaError::invalid(format!("trigger {trigger}"), "has a name that Ebbtide cannot read; use a plain one")
    })?;
    Ok((format!("CREATE TEMP TRIGGER {name} {rest}"), format!("DROP TRIGGER IF EXISTS temp.{name}")))
}

/// What follows the name in the text that SQLite keeps, which always begins with CREATE TRIGGER and the name.
fn after_name(sql: &str) -> Option<&str> {
    let mut rest = sql.trim_start().get("CREATE TRIGGER".len()..)?.trim_start();
    rest = after_identifier(rest)?;
    match rest.trim_start().strip_prefix('.') {
        Some(qualified) => after_identifier(qualified.trim_start()),
        None => Some(rest),
    }
}

fn after_identifier(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    let closing = match first {
        '"' | '`' | '\'' => first,
        '[' => return text.split_once(']').map(|(_, rest)| rest),
        _ => {
            let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))?;
            return (end > 0).then(|| &text[end..]);
        }
    };
    let mut rest = &text[1..];
    loop {
        rest = rest.split_once(closing)?.1;
        match rest.strip_prefix(closing) {
            Some(doubled) => rest = doubled,
            None => return Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::after_name;

    #[test]
    fn st22_the_name_of_a_trigger_is_skipped_however_it_is_quoted() {
        for name in ["plain", "\"a \"\" b\"", "[x y]", "`b`", "main.t", "main . \"t\"", "größe$1"] {
            let sql = format!("CREATE TRIGGER {name} AFTER INSERT ON t BEGIN SELECT 1; END");
            assert_eq!(after_name(&sql).map(str::trim_start), Some("AFTER INSERT ON t BEGIN SELECT 1; END"), "{name}");
        }
    }
}
