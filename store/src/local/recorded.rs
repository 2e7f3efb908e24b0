//! The refused transactions, with names instead of positions.
//! Reading changes nothing; a refused transaction can be committed again or taken off the list.
//! The verbs behind `rejected`.

use super::LocalDatabase;
use super::error::{DbError, DbErrorCode};
use super::log::damaged;
use crate::catalogue::quote;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{LoggedChange, LoggedMutation};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::Reason;
use ebbtide_core::conflict::{ConflictId, Resolution};
use ebbtide_core::ids::{ColumnId, Millis};
use ebbtide_core::value::Value;
use rusqlite::{OptionalExtension, Row};

const REJECTED: &str = "SELECT r.stamp, r.reason, r.detail, r.changes, c.catalogue, r.resolutions
    FROM _ebb_rejected AS r JOIN _ebb_catalogue AS c ON c.version = r.schema ORDER BY r.id";
const ONE_REJECTED: &str = "SELECT r.stamp, r.reason, r.detail, r.changes, c.catalogue, r.resolutions
    FROM _ebb_rejected AS r JOIN _ebb_catalogue AS c ON c.version = r.schema WHERE r.stamp = ?";
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

/// What is to be written otherwise when a refused transaction is committed again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// The table of the change.
    pub table: String,
    /// The key of its row.
    pub key: Vec<Value>,
    /// The values, by column; a key's column only of a row that is inserted.
    pub values: Vec<(String, Value)>,
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

    /// Commits the changes of a refused transaction as a new one, edited, and takes it off the list: both, or nothing.
    pub fn retry_rejected(&mut self, stamp: Stamp, edits: &[Edit], now: Millis) -> Result<(), DbError> {
        let find = || self.connection.query_row(ONE_REJECTED, [stamp.0 as i64], rejected).optional();
        let found = find().map_err(|error| DbError::from_sqlite(&error, ONE_REJECTED))?;
        let Some(mut record) = found else {
            return Err(DbError::new(DbErrorCode::BadParameter, "no rejected transaction has this id"));
        };
        edits.iter().try_for_each(|edit| edited(&mut record.changes, edit))?;
        self.begin()?;
        let repeated = record.changes.iter().try_for_each(|change| self.repeat(change, now));
        match repeated.and_then(|()| self.discard_rejected(stamp)) {
            Ok(()) => self.commit(now),
            Err(error) => {
                self.rollback()?;
                Err(error)
            }
        }
    }

    fn repeat(&mut self, change: &NamedChange, now: Millis) -> Result<(), DbError> {
        let (sql, values) = statement(change);
        let done = self.execute(&sql, &values, now)?;
        if done.changes == 0 && change.kind == ChangeKind::Update {
            let message = format!("the row of `{}` that the transaction changes is gone", change.table);
            return Err(DbError::of_statement(DbErrorCode::Constraint, message, &sql));
        }
        Ok(())
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
            let fields = fields.iter().map(|field| (name(table, field.column), field.new.clone()));
            (ChangeKind::Update, fields.collect())
        }
    };
    let key = table.key.iter().zip(&change.row.key.0).map(|(column, value)| (name(table, *column), value.clone()));
    Some(NamedChange { table: table.name.clone(), kind, key: key.collect(), fields })
}

fn name(table: &Table, column: ColumnId) -> String {
    table.columns.get(usize::from(column.0)).map(|column| column.name.clone()).unwrap_or_default()
}

fn edited(changes: &mut [NamedChange], edit: &Edit) -> Result<(), DbError> {
    let bad = |what: &str| DbError::new(DbErrorCode::BadParameter, format!("`{}`: {what}", edit.table));
    let same_row = |change: &&mut NamedChange| {
        let key = change.key.iter().map(|(_, value)| value);
        change.table.eq_ignore_ascii_case(&edit.table) && key.eq(&edit.key)
    };
    let mut found = changes.iter_mut().filter(same_row).filter(|change| change.kind != ChangeKind::Delete);
    let change = found.next_back().ok_or_else(|| bad("the transaction writes no row with this key"))?;
    for (name, value) in &edit.values {
        let named = |(column, _): &&mut (String, Value)| column.eq_ignore_ascii_case(name);
        if let Some((_, part)) = change.key.iter_mut().find(named) {
            if change.kind != ChangeKind::Insert {
                return Err(bad("the key of a row that is there cannot be edited"));
            }
            *part = value.clone();
        } else if let Some((_, field)) = change.fields.iter_mut().find(named) {
            *field = value.clone();
        } else {
            change.fields.push((name.clone(), value.clone()));
        }
    }
    Ok(())
}

/// The statement that makes the change once more.
fn statement(change: &NamedChange) -> (String, Vec<Value>) {
    let list = |names: &[(String, Value)], each: fn(&str) -> String, between: &str| {
        names.iter().map(|(name, _)| each(&quote(name))).collect::<Vec<_>>().join(between)
    };
    let table = quote(&change.table);
    let assigned: fn(&str) -> String = |name| format!("{name} = ?");
    let matched = list(&change.key, assigned, " AND ");
    let all: Vec<(String, Value)> = match change.kind {
        ChangeKind::Insert => change.key.iter().chain(&change.fields).cloned().collect(),
        ChangeKind::Update => change.fields.iter().chain(&change.key).cloned().collect(),
        ChangeKind::Delete => change.key.clone(),
    };
    let sql = match change.kind {
        ChangeKind::Insert => {
            format!(
                "INSERT INTO {table} ({}) VALUES ({})",
                list(&all, str::to_owned, ", "),
                list(&all, |_| "?".into(), ", ")
            )
        }
        ChangeKind::Update => format!("UPDATE {table} SET {} WHERE {matched}", list(&change.fields, assigned, ", ")),
        ChangeKind::Delete => format!("DELETE FROM {table} WHERE {matched}"),
    };
    (sql, all.into_iter().map(|(_, value)| value).collect())
}
