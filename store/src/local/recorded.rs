//! The refused transactions, with names instead of positions.
//! Reading changes nothing; a refused transaction can be taken off the list. What commits it again is `retry`.
//! The verbs behind `rejected`.

use super::LocalDatabase;
use super::error::DbError;
use super::log::damaged;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{LoggedChange, LoggedField, LoggedMutation};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::Reason;
use ebbtide_core::conflict::{ConflictId, Resolution};
use ebbtide_core::ids::ColumnId;
use ebbtide_core::merge::local;
use ebbtide_core::value::Value;
use rusqlite::Row;

const REJECTED: &str = "SELECT r.stamp, r.reason, r.detail, r.changes, c.catalogue, r.resolutions
    FROM _ebb_rejected AS r JOIN _ebb_catalogue AS c ON c.version = r.schema ORDER BY r.id";
const DROP_REJECTED: &str = "DELETE FROM _ebb_rejected WHERE stamp = ?";
/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A new row.
    Insert,
    /// Some fields.
    Update,
    /// The row goes.
    Delete,
}

/// A change with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedChange {
    /// The table.
    pub table: String,
    /// What it does.
    pub kind: ChangeKind,
    /// The key's columns.
    pub key: Vec<(String, Value)>,
    /// What is written; of a deleted row, what was there.
    pub fields: Vec<(String, Value)>,
}

/// A refused transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRecord {
    /// Its identity on this device.
    pub stamp: Stamp,
    /// Why.
    pub reason: Reason,
    /// What and where.
    pub detail: String,
    /// What it wanted.
    pub changes: Vec<NamedChange>,
    /// The conflicts that it was to resolve.
    pub resolves: Vec<ConflictId>,
}

impl LocalDatabase {
    /// The refused transactions, oldest first.
    pub fn rejected(&mut self) -> Result<Vec<RejectedRecord>, DbError> {
        self.listed(REJECTED, rejected)
    }

    /// Takes a refused transaction off the list. One that is not on it is no error: it is gone.
    pub fn discard_rejected(&mut self, stamp: Stamp) -> Result<(), DbError> {
        self.waitlist.forget_counts();
        let run = || self.connection.execute(DROP_REJECTED, [stamp.0 as i64]);
        run().map(drop).map_err(|error| DbError::from_sqlite(&error, DROP_REJECTED))
    }

    pub(super) fn listed<T>(
        &self,
        sql: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, DbError> {
        let all =
            || -> rusqlite::Result<Vec<T>> { self.connection.prepare_cached(sql)?.query_map([], read)?.collect() };
        all().map_err(|error| DbError::from_sqlite(&error, sql))
    }
}

fn rejected(row: &Row<'_>) -> rusqlite::Result<RejectedRecord> {
    let changes: Vec<LoggedChange> = unpacked(row, 3)?;
    let catalogue: Catalogue = unpacked(row, 4)?;
    let resolutions: Vec<Resolution> = unpacked(row, 5)?;
    Ok(RejectedRecord {
        stamp: Stamp(row.get::<_, i64>(0)? as u64),
        reason: unpacked(row, 1)?,
        detail: row.get(2)?,
        changes: changes.iter().filter_map(|change| named(change, &catalogue)).collect(),
        resolves: resolutions.iter().map(|resolution| resolution.conflict).collect(),
    })
}

pub(super) fn unpacked<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    postcard::from_bytes(row.get_ref(column)?.as_blob()?).map_err(damaged)
}

/// `None` for a table that the catalogue of its own version does not have: no such record is ever written.
fn named(change: &LoggedChange, catalogue: &Catalogue) -> Option<NamedChange> {
    let table = catalogue.table(change.row.table)?;
    let whole = |values: &[Value]| -> Vec<(String, Value)> {
        table.fields().zip(values).map(|((_, column), value)| (column.name.clone(), value.clone())).collect()
    };
    let (kind, fields) = match &change.mutation {
        LoggedMutation::Insert(values) => (ChangeKind::Insert, whole(values)),
        LoggedMutation::Delete(values) => (ChangeKind::Delete, whole(values)),
        LoggedMutation::Update(fields) => {
            let fields = fields.iter().map(|field| (name(table, field.column), wanted(table, field)));
            (ChangeKind::Update, fields.collect())
        }
    };
    let key = table.key.iter().zip(&change.row.key.0).map(|(column, value)| (name(table, *column), value.clone()));
    Some(NamedChange { table: table.name.clone(), kind, key: key.collect(), fields })
}

/// What was written to a field. Of a change of a set or text that is known only as it travelled, what it makes of an empty one.
fn wanted(table: &Table, field: &LoggedField) -> Value {
    match &field.new {
        Value::Blob(_) => local::redo(table.strategy(field.column), &Value::Null, &field.old, &field.new),
        new => new.clone(),
    }
}

fn name(table: &Table, column: ColumnId) -> String {
    table.columns.get(usize::from(column.0)).map(|column| column.name.clone()).unwrap_or_default()
}
