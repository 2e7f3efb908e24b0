//! A free place for unique values that change hands within one write: NULL where the column takes it, else a value nobody has.
//! It does not decide when that is needed; `write` does, after the direct way has failed.

use super::event::SpaceStore;
use super::load::bound_key;
use super::shape::{ColumnShape, Shape};
use super::text::join;
use super::values::bound;
use super::write::matches;
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::Affinity;
use ebbtide_core::commit::Effect;
use ebbtide_core::server::store::RowWrite;
use ebbtide_core::value::{Key, Value};

impl<S: Sql + Clone> SpaceStore<S> {
    /// Moves the unique values that these rows are about to lose out of the way. Rows that are not there stay so.
    pub(super) fn park(&mut self, rows: &[RowWrite]) -> Result<(), SqlError> {
        let space = self.space.clone();
        for (place, row) in rows.iter().enumerate() {
            let shape = space.shape(row.outcome.row.table)?;
            let fields = parked_fields(shape, &row.outcome.effect);
            if !fields.is_empty() {
                self.park_row(shape, &row.outcome.row.key, &fields, place)?;
            }
        }
        Ok(())
    }

    fn park_row(&mut self, shape: &Shape, key: &Key, fields: &[usize], place: usize) -> Result<(), SqlError> {
        let columns = || fields.iter().map(|field| &shape.fields[*field]);
        let assigned = join(columns().map(|column| format!("{}=?", column.name)), ",");
        let values = columns().map(|column| bound(&free_value(column, place), column.affinity));
        let params: Vec<Value> = values.chain(bound_key(&shape.key, key)).collect();
        let statement = format!("UPDATE {} SET {assigned} WHERE {}", shape.name, matches(&shape.key, key)?);
        self.sql.execute(&statement, &params)?;
        Ok(())
    }
}

/// One field for each unique index that the row writes to; a field that the row keeps must not be touched.
fn parked_fields(shape: &Shape, effect: &Effect) -> Vec<usize> {
    let written = |field: usize| match effect {
        Effect::Put(_) | Effect::Delete => true,
        Effect::Set(fields) => fields.iter().any(|set| set.column == shape.fields[field].id),
    };
    let mut fields: Vec<usize> =
        shape.unique.iter().filter_map(|index| index.iter().copied().find(|field| written(*field))).collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

/// NULLs never collide; the others are far from anything an app would write, and a collision is only a refusal.
fn free_value(column: &ColumnShape, place: usize) -> Value {
    if column.nullable {
        return Value::Null;
    }
    match column.affinity {
        Affinity::Text => Value::Text(format!("\u{1}ebbtide {place}")),
        Affinity::Blob => Value::Blob(format!("\u{1}ebbtide {place}").into_bytes()),
        Affinity::Integer | Affinity::Numeric => Value::Integer(i64::MIN + 1 + place as i64),
        Affinity::Real => Value::Real(-1e300 * (1.0 + place as f64)),
    }
}
