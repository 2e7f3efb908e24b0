//! A person's choice between the sides of an open conflict, as a local transaction: seen here at once, decided by the space.
//! It writes what was chosen and notes which conflict that resolves; whether the choice came in time is not known here.
//! The verb behind `conflicts.resolve`.

use super::LocalDatabase;
use super::error::{DbError, DbErrorCode};
use crate::catalogue::quote;
use crate::client::queue;
use ebbtide_core::catalogue::{Column, Table};
use ebbtide_core::change::{Field, RowId};
use ebbtide_core::conflict::{Claim, Claimed, ConflictId, OpenConflict, Resolution};
use ebbtide_core::ids::{ColumnId, Millis};
use ebbtide_core::value::Value;

/// What a person chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// One of the listed sides, by its place.
    Side(u32),
    /// The latest side of this device.
    Mine,
    /// Another value of the field.
    Value(Value),
    /// Another image of the row, by the names of all columns that are not its key.
    Row(Vec<(String, Value)>),
}

/// What a choice comes to: the side that it names, and what is to be written.
struct Chosen {
    side: Option<u32>,
    fields: Vec<Field>,
}

impl LocalDatabase {
    /// Resolves an open conflict. On failure nothing is changed.
    pub fn resolve_conflict(&mut self, id: ConflictId, choice: &Choice, now: Millis) -> Result<(), DbError> {
        if self.open.is_some() {
            return Err(DbError::new(DbErrorCode::TransactionState, "a transaction of the app is open"));
        }
        let open = self.open_conflict(id)?;
        let Chosen { side, fields } = self.chosen(&open, choice)?;
        self.begin()?;
        match self.write_choice(&open.row, fields, now) {
            Ok(()) => {
                self.resolving.push(Resolution { conflict: id, seen: open.state.changed, side });
                self.commit(now)
            }
            Err(error) => {
                self.rollback()?;
                Err(error)
            }
        }
    }

    fn open_conflict(&mut self, id: ConflictId) -> Result<OpenConflict, DbError> {
        let listed = self.open_conflicts()?.iter().any(|record| record.id == id);
        let found = queue::find(&self.connection, id, &self.catalogue)?.filter(|_| listed);
        found.ok_or_else(|| {
            DbError::new(
                DbErrorCode::ConflictNotOpen,
                "no open conflict has this id; it may have been resolved meanwhile",
            )
        })
    }

    fn chosen(&self, open: &OpenConflict, choice: &Choice) -> Result<Chosen, DbError> {
        let side = match choice {
            Choice::Side(side) => *side as usize,
            Choice::Mine => self.my_side(open)?,
            Choice::Value(value) => return Ok(Chosen { side: None, fields: field(open, value.clone())? }),
            Choice::Row(values) => return Ok(Chosen { side: None, fields: self.image(open, values)? }),
        };
        let fields = match &open.sides.get(side).ok_or_else(|| wrong("the conflict has no such side"))?.claimed {
            Claimed::Value(value) => field(open, value.clone())?,
            Claimed::Row(fields) if self.is_between_rows(open) => self.present(open, fields),
            // What was deleted, or fell with it, the space brings back or takes away.
            Claimed::Row(_) | Claimed::Deleted => Vec::new(),
        };
        Ok(Chosen { side: Some(side as u32), fields })
    }

    /// Whether the row is there, and its images are what a person chooses from.
    fn is_between_rows(&self, open: &OpenConflict) -> bool {
        let stands = matches!(open.sides.first(), Some(Claim { claimed: Claimed::Row(_), .. }));
        stands && self.catalogue.table(open.row.table).is_some_and(Table::reviews_rows)
    }

    /// The fields of a side's image that the row has: what it did not know stays as it is.
    fn present(&self, open: &OpenConflict, fields: &[Field]) -> Vec<Field> {
        let table = self.catalogue.table(open.row.table);
        let known = |field: &&Field| table.is_some_and(|table| table.field_position(field.column).is_some());
        fields.iter().filter(known).cloned().collect()
    }

    /// The fields of another image of the row, which must name each column once.
    fn image(&self, open: &OpenConflict, values: &[(String, Value)]) -> Result<Vec<Field>, DbError> {
        let table = &self.catalogue.tables[usize::from(open.row.table.0)];
        if open.column.is_some() || !self.is_between_rows(open) {
            return Err(wrong("this conflict is not between images of a row"));
        }
        if let Some((name, _)) = values.iter().find(|(name, _)| !table.fields().any(|(_, c)| named(&c.name, name))) {
            return Err(wrong(&["the row has no column `", name, "`, or it is part of its key"].concat()));
        }
        let field = |(column, declared): (ColumnId, &Column)| {
            let mut given = values.iter().filter(|(name, _)| named(&declared.name, name));
            match (given.next(), given.next()) {
                (Some((_, value)), None) => Ok(Field { column, value: value.clone() }),
                _ => Err(wrong(&["the whole row is chosen: `", &declared.name, "` must be given once"].concat())),
            }
        };
        table.fields().map(field).collect()
    }

    fn my_side(&self, open: &OpenConflict) -> Result<usize, DbError> {
        let mine = open.sides.iter().rposition(|side| Some(side.author) == self.device.author);
        mine.ok_or_else(|| wrong("no side of this conflict is this device's"))
    }

    fn write_choice(&mut self, row: &RowId, fields: Vec<Field>, now: Millis) -> Result<(), DbError> {
        if fields.is_empty() {
            return Ok(());
        }
        let table = &self.catalogue.tables[usize::from(row.table.0)];
        let is = |id: ColumnId| quote(&table.columns[usize::from(id.0)].name) + " = ?";
        let set: Vec<String> = fields.iter().map(|field| is(field.column)).collect();
        let key: Vec<String> = table.key.iter().map(|id| is(*id)).collect();
        let sql = ["UPDATE ", &quote(&table.name), " SET ", &set.join(", "), " WHERE ", &key.join(" AND ")].concat();
        let values = fields.into_iter().map(|field| field.value);
        let params: Vec<Value> = values.chain(row.key.0.iter().cloned()).collect();
        let done = self.execute(&sql, &params, now)?;
        if done.changes == 0 {
            return Err(DbError::new(DbErrorCode::ConflictNotOpen, "the row of this conflict was deleted here"));
        }
        Ok(())
    }
}

/// What is written to the field that a conflict is about.
fn field(open: &OpenConflict, value: Value) -> Result<Vec<Field>, DbError> {
    match open.column {
        Some(column) => Ok(vec![Field { column, value }]),
        None => Err(wrong("a conflict about a whole row is resolved by a side, or by all values of the row")),
    }
}

fn named(column: &str, name: &str) -> bool {
    column.eq_ignore_ascii_case(name)
}

fn wrong(what: &str) -> DbError {
    DbError::new(DbErrorCode::BadParameter, what)
}
