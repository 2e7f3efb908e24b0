//! Room for unique values that change hands within one write. Rows that nobody refers to are taken out for a while; the values of others wait in a
//! free place: NULL where the column takes it, else a value nobody has.
//! It does not decide when that is needed; `write` does, after the direct way has failed.

use super::collision::written;
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
    /// Frees the unique values of these rows, computed ones too where nobody refers to them. Answers what is to be written now.
    pub(super) fn make_way(&mut self, rows: &[RowWrite]) -> Result<Vec<RowWrite>, SqlError> {
        let space = self.space.clone();
        let (mut parents, mut others) = (Vec::new(), Vec::new());
        for (place, row) in rows.iter().enumerate() {
            let shape = space.shape(row.outcome.row.table)?;
            if shape.is_parent {
                parents.push((place, row));
            } else if !shape.unique.is_empty() {
                others.push(place);
            }
        }
        self.park(parents.into_iter())?;
        let ids: Vec<RowId> = others.iter().map(|place| rows[*place].outcome.row.clone()).collect();
        let mut whole = rows.to_vec();
        for (place, before) in others.into_iter().zip(self.load_rows(&ids)?) {
            let outcome = &mut whole[place].outcome;
            let shape = space.shape(outcome.row.table)?;
            if let (Effect::Set(_), Some(before)) = (&outcome.effect, before.values) {
                let cell = |(field, before)| written(&outcome.effect, shape, field).cloned().unwrap_or(before);
                outcome.effect = Effect::Put(before.into_iter().enumerate().map(cell).collect());
            }
        }
        self.delete_rows(&ids.iter().collect::<Vec<_>>())?;
        Ok(whole)
    }

    /// Moves the unique values that these rows are about to lose out of the way, each with its place in the write. Rows that are not there stay so.
    fn park<'a>(&mut self, rows: impl Iterator<Item = (usize, &'a RowWrite)>) -> Result<(), SqlError> {
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
        let mut named = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let shape = space.shape(row.outcome.row.table)?;
            if shape.referred.iter().any(|field| written(&row.outcome.effect, shape, *field).is_some()) {
                named.push((place, row));
            }
        }
        let ids: Vec<RowId> = named.iter().map(|(_, row)| row.outcome.row.clone()).collect();
        let mut losing = Vec::new();
        for ((place, row), before) in named.into_iter().zip(self.load_rows(&ids)?) {
            if let Some(before) = before.values
                && self.loses_name(row, &before)?
            {
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

    /// Whether a row will have another value than now in columns by which others refer to it.
    fn loses_name(&self, row: &RowWrite, before: &[Value]) -> Result<bool, SqlError> {
        let (id, effect) = (&row.outcome.row, &row.outcome.effect);
        let (shape, catalogue) = (self.space.shape(id.table)?, self.space.catalogue());
        for (_, by) in catalogue.children_of(id.table) {
            let old = by.parent_columns.iter().map(|column| value_of(shape, id, before, *column));
            let old = old.collect::<Result<Vec<Value>, _>>()?;
            let new = |column| shape.field_position(column).and_then(|field| written(effect, shape, field));
            let mut cells = by.parent_columns.iter().zip(&old);
            if !old.contains(&Value::Null) && cells.any(|(column, old)| new(*column).is_some_and(|new| new != old)) {
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
