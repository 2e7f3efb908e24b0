//! Under what a row is filed beside its table: the table's number and the packed key, as marks and the queue name it.
//! It holds the one statement that writes marks; what marks mean is for `marks` and its callers.

use super::event::SpaceStore;
use super::text::batch;
use super::values::{packed_key, stored};
use crate::sql::{Sql, SqlError};
use ebbtide_core::change::RowId;
use ebbtide_core::value::Value;

impl<S: Sql + Clone> SpaceStore<S> {
    /// `(tbl, key)` of a row.
    pub(super) fn place(&self, row: &RowId) -> Result<[Value; 2], SqlError> {
        Ok([stored(self.space.shape(row.table)?.number)?, packed_key(&row.key)])
    }

    /// `(tbl, key)` of rows, one behind the other.
    pub(super) fn places(&self, rows: &[RowId]) -> Result<Vec<Value>, SqlError> {
        let mut places = Vec::with_capacity(rows.len() * 2);
        for row in rows {
            places.extend(self.place(row)?);
        }
        Ok(places)
    }
}

/// Writes the packed marks of one table's rows, each given as `[key, marks]`.
pub(super) fn put_marks<S: Sql>(sql: &mut S, table: u64, records: Vec<[Value; 2]>) -> Result<(), SqlError> {
    let mut left = records.into_iter();
    while left.len() > 0 {
        let rows = batch(left.len(), 2);
        let params: Vec<Value> = left.by_ref().take(rows).flatten().collect();
        sql.execute(&marks_statement(table, rows), &params)?;
    }
    Ok(())
}

/// The table's number stands in the text: it is one of few, and leaves room for another row.
fn marks_statement(table: u64, rows: usize) -> String {
    let cells = vec![format!("({table},?,?)"); rows].join(",");
    format!(
        "INSERT INTO _ebb_row (tbl,key,marks) VALUES {cells} \
         ON CONFLICT (tbl,key) DO UPDATE SET marks=excluded.marks"
    )
}
