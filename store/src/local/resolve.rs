//! A person's choice between the sides of an open conflict, as a local transaction: seen here at once, decided by the space.
//! It writes what was chosen and notes which conflict that resolves; whether the choice came in time is not known here.
//! The verb behind `conflicts.resolve`.

use super::LocalDatabase;
use super::error::{DbError, DbErrorCode};
use crate::catalogue::quote;
use crate::client::queue;
use ebbtide_core::change::RowId;
use ebbtide_core::conflict::{Claimed, ConflictId, OpenConflict, Resolution};
use ebbtide_core::ids::{ColumnId, Millis};
use ebbtide_core::value::Value;

/// What a person chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// One of the listed sides, by its place.
    Side(u32),
    /// The latest side of this device.
    Mine,
    /// Another value.
    Value(Value),
}

impl LocalDatabase {
    /// Resolves an open conflict. On failure nothing is changed.
    pub fn resolve_conflict(&mut self, id: ConflictId, choice: &Choice, now: Millis) -> Result<(), DbError> {
        if self.open.is_some() {
            return Err(DbError::new(DbErrorCode::TransactionState, "a transaction of the app is open"));
        }
        let open = self.open_conflict(id)?;
        let (side, value) = self.chosen(&open, choice)?;
        self.begin()?;
        let written = value.map_or(Ok(()), |(column, value)| self.write_choice(&open.row, column, value, now));
        match written {
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

    /// The side chosen, and what is to be written.
    #[allow(clippy::type_complexity, reason = "two answers, taken apart by the one caller")]
    fn chosen(
        &self,
        open: &OpenConflict,
        choice: &Choice,
    ) -> Result<(Option<u32>, Option<(ColumnId, Value)>), DbError> {
        let side = match choice {
            Choice::Side(side) => Some(*side as usize),
            Choice::Mine => Some(self.my_side(open)?),
            Choice::Value(_) => None,
        };
        let claimed = match side {
            Some(side) => Some(&open.sides.get(side).ok_or_else(no_side)?.claimed),
            None => None,
        };
        let value = match (choice, claimed, open.column) {
            (Choice::Value(value), _, Some(column)) => Some((column, value.clone())),
            (Choice::Value(_), _, None) => {
                let what = "a conflict about a whole row is resolved by one of its sides";
                return Err(DbError::new(DbErrorCode::BadParameter, what));
            }
            (_, Some(Claimed::Value(value)), Some(column)) => Some((column, value.clone())),
            _ => None,
        };
        Ok((side.map(|side| side as u32), value))
    }

    fn my_side(&self, open: &OpenConflict) -> Result<usize, DbError> {
        let mine = open.sides.iter().rposition(|side| Some(side.author) == self.device.author);
        mine.ok_or_else(|| DbError::new(DbErrorCode::BadParameter, "no side of this conflict is this device's"))
    }

    fn write_choice(&mut self, row: &RowId, column: ColumnId, value: Value, now: Millis) -> Result<(), DbError> {
        let table = &self.catalogue.tables[usize::from(row.table.0)];
        let name = |id: ColumnId| quote(&table.columns[usize::from(id.0)].name);
        let key: Vec<String> = table.key.iter().map(|id| format!("{} = ?", name(*id))).collect();
        let sql = format!("UPDATE {} SET {} = ? WHERE {}", quote(&table.name), name(column), key.join(" AND "));
        let params: Vec<Value> = [value].into_iter().chain(row.key.0.iter().cloned()).collect();
        let done = self.execute(&sql, &params, now)?;
        if done.changes == 0 {
            return Err(DbError::new(DbErrorCode::ConflictNotOpen, "the row of this conflict was deleted here"));
        }
        Ok(())
    }
}

fn no_side() -> DbError {
    DbError::new(DbErrorCode::BadParameter, "the conflict has no such side")
}
