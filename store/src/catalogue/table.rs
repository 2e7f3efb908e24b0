//! One synced table: its columns, its key, its rules.
//! References to other tables are not read here.
//! Called by the catalogue reader for each table of the schema.

use super::strategy;
use super::{default, integer, quote, text};
use crate::limits::TABLE_COLUMNS;
use crate::schema::{SchemaError, TableRules};
use crate::sql::{Row, Sql};
use ebbtide_core::catalogue::{Affinity, Column, DeleteRule, RowRule, Strategy, Table};
use ebbtide_core::ids::ColumnId;

/// What `PRAGMA table_list` says of a table.
pub(super) struct Listed {
    name: String,
    kind: String,
    without_rowid: bool,
    strict: bool,
}

/// All tables of the main database.
pub(super) fn list(sql: &mut impl Sql) -> Result<Vec<Listed>, SchemaError> {
    let rows = sql.query("PRAGMA table_list", &[])?;
    let main = rows.iter().filter(|row| text(row, 0) == "main");
    let listed = |row: &Row| Listed {
        name: text(row, 1).into(),
        kind: text(row, 2).into(),
        without_rowid: integer(row, 4) != 0,
        strict: integer(row, 5) != 0,
    };
    Ok(main.map(listed).collect())
}

/// Reads and checks one table.
pub(super) fn read(
    sql: &mut impl Sql,
    listed: &[Listed],
    name: &str,
    rules: &TableRules,
) -> Result<Table, SchemaError> {
    let place = format!("tables.{name}");
    let found = listed.iter().find(|table| table.name.eq_ignore_ascii_case(name));
    let Some(found) = found else {
        return Err(SchemaError::invalid(place, "no migration creates this table"));
    };
    if found.kind != "table" {
        return Err(SchemaError::invalid(place, format!("is a {}; only ordinary tables can be synced", found.kind)));
    }
    let info = sql.query(&format!("PRAGMA table_xinfo({})", quote(&found.name)), &[])?;
    if info.len() > TABLE_COLUMNS {
        let what = format!("has {} columns; at most {TABLE_COLUMNS} can be synced", info.len());
        return Err(SchemaError::invalid(place, what));
    }
    let stored: Vec<&Row> = info.iter().filter(|row| integer(row, 6) == 0).collect();
    let mut table =
        Table { name: found.name.clone(), delete: delete_rule(rules), row: row_rule(rules), ..Table::default() };
    for row in &stored {
        table.columns.push(column(row, found.strict, sql)?);
    }
    table.key = key(&place, &info, &stored)?;
    let alias = !found.without_rowid && !has_key_index(sql, &found.name)?;
    check_key(&place, &table, alias, rules)?;
    strategy::assign(&place, &mut table, rules)?;
    Ok(table)
}

/// Names were checked when the schema was validated.
fn delete_rule(rules: &TableRules) -> DeleteRule {
    rules.delete.as_deref().and_then(DeleteRule::named).unwrap_or_default()
}

fn row_rule(rules: &TableRules) -> RowRule {
    if rules.row.is_some() { RowRule::Atomic } else { RowRule::Fields }
}

fn column(row: &Row, strict: bool, sql: &mut impl Sql) -> Result<Column, SchemaError> {
    // ANY is a type of its own in a STRICT table, and a word like any other elsewhere.
    let any = strict && text(row, 2).eq_ignore_ascii_case("ANY");
    let affinity = if any { Affinity::Blob } else { affinity(text(row, 2)) };
    let default = default::constant(text(row, 4), affinity, &mut |text| default::read_real(sql, text))?;
    Ok(Column {
        name: text(row, 1).into(),
        origin: None,
        affinity,
        not_null: integer(row, 3) != 0,
        default,
        strategy: Strategy::Lww,
    })
}

/// SQLite's rules for a declared type, in their order.
fn affinity(declared: &str) -> Affinity {
    let upper = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| upper.contains(word));
    if has(&["INT"]) {
        Affinity::Integer
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Affinity::Text
    } else if upper.is_empty() || has(&["BLOB"]) {
        Affinity::Blob
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

fn key(place: &str, info: &[Row], stored: &[&Row]) -> Result<Vec<ColumnId>, SchemaError> {
    let mut parts: Vec<&Row> = info.iter().filter(|row| integer(row, 5) > 0).collect();
    parts.sort_by_key(|row| integer(row, 5));
    if parts.is_empty() {
        return Err(SchemaError::invalid(
            place,
            "has no PRIMARY KEY; a synced row needs one, e.g. id TEXT PRIMARY KEY NOT NULL",
        ));
    }
    parts.into_iter().map(|part| position(place, part, stored)).collect()
}

fn position(place: &str, part: &Row, stored: &[&Row]) -> Result<ColumnId, SchemaError> {
    let position = stored.iter().position(|row| integer(row, 0) == integer(part, 0));
    let position = position.ok_or_else(|| {
        SchemaError::invalid(format!("{place}.{}", text(part, 1)), "is generated and cannot be part of the key")
    })?;
    Ok(ColumnId(u16::try_from(position).expect("at most TABLE_COLUMNS")))
}

/// A rowid alias is the only key of a rowid table that has no index of its own.
fn has_key_index(sql: &mut impl Sql, name: &str) -> Result<bool, SchemaError> {
    let indexes = sql.query(&format!("PRAGMA index_list({})", quote(name)), &[])?;
    Ok(indexes.iter().any(|row| text(row, 3) == "pk"))
}

fn check_key(place: &str, table: &Table, alias: bool, rules: &TableRules) -> Result<(), SchemaError> {
    if alias {
        return match rules.key.as_deref() {
            Some("natural") => Ok(()),
            _ => Err(SchemaError::invalid(
                place,
                "has an INTEGER PRIMARY KEY, which two devices would both count from 1; \
                 use id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()), or say key: 'natural' if the number comes from outside",
            )),
        };
    }
    for id in &table.key {
        let column = &table.columns[usize::from(id.0)];
        if !column.not_null {
            return Err(SchemaError::invalid(
                format!("{place}.{}", column.name),
                "is part of the key and must be NOT NULL",
            ));
        }
    }
    Ok(())
}

/// Every key column must compare by its bytes, or two devices disagree about what one row is.
pub(super) fn check_collation(sql: &mut impl Sql, table: &Table) -> Result<(), SchemaError> {
    let indexes = sql.query(&format!("PRAGMA index_list({})", quote(&table.name)), &[])?;
    let Some(index) = indexes.iter().find(|row| text(row, 3) == "pk") else {
        return Ok(());
    };
    let parts = sql.query(&format!("PRAGMA index_xinfo({})", quote(text(index, 1))), &[])?;
    match parts.iter().find(|row| integer(row, 5) != 0 && !text(row, 4).eq_ignore_ascii_case("BINARY")) {
        None => Ok(()),
        Some(row) => {
            let place = format!("tables.{}.{}", table.name, text(row, 2));
            Err(SchemaError::invalid(
                place,
                format!("is part of the key and compares by {}; keys must be BINARY", text(row, 4)),
            ))
        }
    }
}
