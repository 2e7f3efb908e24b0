//! Refused transactions as results of a query: flat rows, so that every value keeps its type.
//! The page gathers them into objects (`npm/src/client/records.ts`). `client.rs` calls it.

use crate::cells::{Parameters, Rows};
use crate::database::Database;
use crate::error::{ClientError, Result};
use ebbtide_core::clock::Stamp;
use ebbtide_core::value::Value;
use ebbtide_store::local::{ChangeKind, ChangeState, Edit};
use rusqlite::types::ValueRef;

const REJECTED: [&str; 9] = ["id", "reason", "detail", "change", "table", "kind", "column", "is_key", "value"];

/// The id under which the page knows a refused transaction.
pub fn stamp(id: &str) -> Result<Stamp> {
    let number = id.parse().map_err(|_| ClientError::permanent("bad_parameter", format!("`{id}` is no such id")));
    number.map(Stamp)
}

/// What is to be written otherwise, one row for each part of a key and each value.
pub fn edits(mut rows: Parameters<'_>) -> Result<Vec<Edit>> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut row = Vec::new();
    for _ in 0..rows.rows() {
        rows.next_into(&mut row)?;
        let [Value::Integer(at), Value::Text(table), column, value] = row.as_slice() else {
            return Err(ClientError::permanent("bad_parameter", "an edit has a table, a key and values"));
        };
        if *at != edits.len() as i64 - 1 {
            edits.push(Edit { table: table.clone(), ..Edit::default() });
        }
        let Some(edit) = edits.last_mut() else { continue };
        match column {
            Value::Text(name) => edit.values.push((name.clone(), value.clone())),
            _ => edit.key.push(value.clone()),
        }
    }
    Ok(edits)
}

const ROW_LOG: [&str; 9] = ["entry", "transaction", "at", "state", "reason", "kind", "column", "is_merged", "value"];

/// One row for each field of each change of a row; a change without fields has one without a column.
pub fn row_log(database: &Database, table: &str, key: &[Value]) -> Result<Vec<u8>> {
    let mut rows = Rows::default();
    rows.name_columns(&ROW_LOG);
    for (place, entry) in database.row_log(table, key)?.iter().enumerate() {
        let mut row = |column: Option<&str>, value: Option<&Value>| {
            let (state, reason) = state_of(entry.state);
            rows.cell(ValueRef::Integer(place as i64));
            rows.cell(text(&entry.stamp.0.to_string()));
            rows.cell(ValueRef::Integer(entry.stamp.millis().0 as i64));
            for word in [state, reason, kind_of(entry.kind)] {
                rows.cell(text(word));
            }
            rows.cell(column.map_or(ValueRef::Null, text));
            rows.cell(ValueRef::Integer(i64::from(value.is_none())));
            rows.cell(value.map_or(ValueRef::Null, value_ref));
            rows.end_row();
        };
        if entry.fields.is_empty() {
            row(None, None);
        }
        for (column, value) in &entry.fields {
            row(Some(column), value.as_ref());
        }
    }
    Ok(rows.finish())
}

fn state_of(state: ChangeState) -> (&'static str, &'static str) {
    match state {
        ChangeState::Applied => ("applied", ""),
        ChangeState::Pending => ("pending", ""),
        ChangeState::Blocked => ("blocked", ""),
        ChangeState::Rejected(reason) => ("rejected", reason.code()),
    }
}

fn kind_of(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Insert => "insert",
        ChangeKind::Update => "update",
        ChangeKind::Delete => "delete",
    }
}

/// One row for each part of a key and each field of each change.
pub fn rejected(database: &mut Database) -> Result<Vec<u8>> {
    let mut rows = Rows::default();
    rows.name_columns(&REJECTED);
    for record in database.rejected()? {
        let id = record.stamp.0.to_string();
        for (index, change) in record.changes.iter().enumerate() {
            let kind = kind_of(change.kind);
            let keys = change.key.iter().map(|field| (1, field));
            for (is_key, (column, value)) in keys.chain(change.fields.iter().map(|field| (0, field))) {
                for head in [&id, record.reason.code(), &record.detail] {
                    rows.cell(text(head));
                }
                rows.cell(ValueRef::Integer(index as i64));
                for place in [&change.table, kind, column] {
                    rows.cell(text(place));
                }
                rows.cell(ValueRef::Integer(is_key));
                rows.cell(value_ref(value));
                rows.end_row();
            }
        }
    }
    Ok(rows.finish())
}

pub(crate) fn text(text: &str) -> ValueRef<'_> {
    ValueRef::Text(text.as_bytes())
}

pub(crate) fn value_ref(value: &Value) -> ValueRef<'_> {
    match value {
        Value::Null => ValueRef::Null,
        Value::Integer(number) => ValueRef::Integer(*number),
        Value::Real(number) => ValueRef::Real(*number),
        Value::Text(string) => text(string),
        Value::Blob(bytes) => ValueRef::Blob(bytes),
    }
}
