//! A free place for unique values that change hands within one write: NULL where the column takes it, else a value nobody has.
//! It does not decide when that is needed; `write` does, after the direct way has failed.

use super::event::SpaceStore;
use super::fail;
use super::load::bound_key;
use super::shape::Shape;
use super::text::join;
use super::values::{bound, placeholder};
use super::write::matches;
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::{Affinity, Reference, ReferenceAction};
use ebbtide_core::change::RowId;
use ebbtide_core::commit::Effect;
use ebbtide_core::ids::ColumnId;
use ebbtide_core::server::store::RowWrite;
use ebbtide_core::value::{Key, Value};

impl<S: Sql + Clone> SpaceStore<S> {
    /// Moves the unique values that these rows are about to lose out of the way, each with its place in the write. Rows that are not there stay so.
    pub(super) fn park<'a>(&mut self, rows: impl Iterator<Item = (usize, &'a RowWrite)>) -> Result<(), SqlError> {
        let space = self.space.clone();
        for (place, row) in rows {
            let shape = space.shape(row.outcome.row.table)?;
            let fields = parked_fields(shape, &row.outcome.effect);
            if fields.is_empty() {
                continue;
            }
            match fields.iter().any(|field| shape.referred.contains(field)) {
                false => self.park_row(shape, &row.outcome.row.key, &fields, place)?,
                true => self.park_parent(shape, &row.outcome.row, &fields, place)?,
            }
        }
        Ok(())
    }

    /// Moves the values by which others refer to these rows, and which the rows are about to lose, out of the way: ON UPDATE would act on rows that
    /// name them by now, in the same write or in a row that gets them next. What follows is said by the write itself.
    pub(super) fn park_names(&mut self, rows: &[RowWrite]) -> Result<(), SqlError> {
        let space = self.space.clone();
        let mut losing = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            if space.shape(row.outcome.row.table)?.fields_are_referred_to && self.loses_name(row)? {
                losing.push((place, row));
            }
        }
        if losing.is_empty() {
            return Ok(());
        }
        let mut sql = self.sql.clone();
        match sql.savepoint(|_| self.park(losing.into_iter()))? {
            // Where no free value passes the constraints, ON UPDATE has its way.
            Err(refused) if fail::violation(refused.clone()).is_ok() => Ok(()),
            parked => parked,
        }
    }

    /// Whether a row that stays will have another value than now in columns by which others refer to it.
    fn loses_name(&mut self, row: &RowWrite) -> Result<bool, SqlError> {
        let (id, space) = (&row.outcome.row, self.space.clone());
        let (shape, catalogue) = (space.shape(id.table)?, space.catalogue());
        let Some(before) = self.load_rows(std::slice::from_ref(id))?.into_iter().next().and_then(|row| row.values)
        else {
            return Ok(false);
        };
        let Some(after) = after(shape, &row.outcome.effect, &before) else { return Ok(false) };
        for (_, by) in catalogue.children_of(id.table) {
            let name = |values: &[Value]| {
                let cells = by.parent_columns.iter().map(|column| value_of(shape, id, values, *column));
                cells.collect::<Result<Vec<Value>, _>>()
            };
            let old = name(&before)?;
            if !old.contains(&Value::Null) && old != name(&after)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Those who refer to the row say afterwards what they said before: keys are deferred, and the value will have a row again.
    fn park_parent(&mut self, shape: &Shape, row: &RowId, fields: &[usize], place: usize) -> Result<(), SqlError> {
        let Some(values) = self.load_rows(std::slice::from_ref(row))?.into_iter().next().and_then(|row| row.values)
        else {
            return Ok(());
        };
        let space = self.space.clone();
        let catalogue = space.catalogue();
        let parked = |id: &ColumnId| fields.iter().any(|field| shape.fields[*field].id == *id);
        let mut children = Vec::new();
        for (child, reference) in
            catalogue.children_of(row.table).filter(|(_, by)| by.parent_columns.iter().any(parked))
        {
            let old = reference.parent_columns.iter().map(|id| value_of(shape, row, &values, *id));
            let old = old.collect::<Result<Vec<Value>, _>>()?;
            let rows = self.children_of(child, reference, &old)?;
            children.push((child, reference, old, rows));
        }
        self.park_row(shape, &row.key, fields, place)?;
        for (child, reference, old, rows) in children {
            self.point_back(space.shape(child)?, reference, &old, rows, (shape, fields, place))?;
        }
        Ok(())
    }

    /// Takes back what ON UPDATE has done to the rows that referred to a row with the values `old`.
    fn point_back(
        &mut self,
        child: &Shape,
        reference: &Reference,
        old: &[Value],
        rows: Vec<RowId>,
        (parent, fields, place): (&Shape, &[usize], usize),
    ) -> Result<(), SqlError> {
        if reference.on_update == ReferenceAction::Refuse {
            return Ok(());
        }
        let columns = reference.columns.iter().map(|id| child.column(*id)).collect::<Result<Vec<_>, _>>()?;
        let pairs = |values: &[Value], joined: &str| {
            let cells = columns.iter().zip(values);
            let text = cells.map(|(column, value)| format!("{}={}", column.name, placeholder(value, column.affinity)));
            join(text, joined)
        };
        let bind = |values: &[Value]| {
            columns.iter().zip(values).map(|(column, value)| bound(value, column.affinity)).collect()
        };
        let update = format!("UPDATE {} SET {}", child.name, pairs(old, ","));
        if reference.on_update == ReferenceAction::Cascade {
            let parked = |(id, old): (&ColumnId, &Value)| {
                let field = fields.iter().find(|field| parent.fields[**field].id == *id);
                field.map_or(old.clone(), |field| free_value(parent, *field, place))
            };
            let there: Vec<Value> = reference.parent_columns.iter().zip(old).map(parked).collect();
            let params: Vec<Value> = [bind(old), bind(&there)].concat();
            self.sql.execute(&format!("{update} WHERE {}", pairs(&there, " AND ")), &params)?;
            return Ok(());
        }
        for row in rows {
            let mut params: Vec<Value> = bind(old);
            params.extend(bound_key(&child.key, &row.key));
            self.sql.execute(&format!("{update} WHERE {}", matches(&child.key, &row.key)?), &params)?;
        }
        Ok(())
    }

    fn park_row(&mut self, shape: &Shape, key: &Key, fields: &[usize], place: usize) -> Result<(), SqlError> {
        let columns = || fields.iter().map(|field| &shape.fields[*field]);
        let assigned = join(columns().map(|column| format!("{}=?", column.name)), ",");
        let values = fields.iter().map(|field| bound(&free_value(shape, *field, place), shape.fields[*field].affinity));
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

/// The fields of a row once it is written, if it stays.
fn after(shape: &Shape, effect: &Effect, before: &[Value]) -> Option<Vec<Value>> {
    match effect {
        Effect::Put(values) => Some(values.clone()),
        Effect::Delete => None,
        Effect::Set(fields) => {
            let mut values = before.to_vec();
            for field in fields {
                let place = shape.field_position(field.column).and_then(|at| values.get_mut(at));
                place.into_iter().for_each(|place| place.clone_from(&field.value));
            }
            Some(values)
        }
    }
}

fn value_of(shape: &Shape, row: &RowId, values: &[Value], id: ColumnId) -> Result<Value, SqlError> {
    let part = shape.key.iter().position(|column| column.id == id).and_then(|part| row.key.0.get(part));
    let field = || shape.field_position(id).and_then(|at| values.get(at));
    part.or_else(field).cloned().ok_or_else(|| fail::misuse("no such column"))
}

/// NULLs never collide, but whoever referred to the row could not be found by one. The others are far from anything an app would
/// write, and a collision is only a refusal.
fn free_value(shape: &Shape, field: usize, place: usize) -> Value {
    let column = &shape.fields[field];
    if column.nullable && !shape.referred.contains(&field) {
        return Value::Null;
    }
    match column.affinity {
        Affinity::Text => Value::Text(format!("\u{1}ebbtide {place}")),
        Affinity::Blob => Value::Blob(format!("\u{1}ebbtide {place}").into_bytes()),
        Affinity::Integer | Affinity::Numeric => Value::Integer(i64::MIN + 1 + place as i64),
        Affinity::Real => Value::Real(-1e300 * (1.0 + place as f64)),
    }
}
