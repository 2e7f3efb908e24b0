//! Refused transactions as results of a query: flat rows, so that every value keeps its type.
//! The page gathers them into objects (`npm/src/client/records.ts`). `client.rs` calls it.

use crate::cells::Rows;
use crate::database::Database;
use crate::error::{ClientError, Result};
use ebbtide_core::clock::Stamp;
use ebbtide_core::value::Value;
use ebbtide_store::local::ChangeKind;
use rusqlite::types::ValueRef;

const REJECTED: [&str; 9] = ["id", "reason", "detail", "change", "table", "kind", "column", "is_key", "value"];

/// The id under which the page knows a refused transaction.
pub fn stamp(id: &str) -> Result<Stamp> {
    let number = id.parse().map_err(|_| ClientError::permanent("bad_parameter", format!("`{id}` is no such id")));
    number.map(Stamp)
}

/// One row for each part of a key and each field of each change.
pub fn rejected(database: &mut Database) -> Result<Vec<u8>> {
    let mut rows = Rows::default();
    rows.name_columns(&REJECTED);
    for record in database.rejected()? {
        let id = record.stamp.0.to_string();
        for (index, change) in record.changes.iter().enumerate() {
            let kind = match change.kind {
                ChangeKind::Insert => "insert",
                ChangeKind::Update => "update",
                ChangeKind::Delete => "delete",
            };
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
