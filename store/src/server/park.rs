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
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::server::store::RowWrite;
use ebbtide_core::value::{Key, Value};
use std::collections::BTreeMap;

impl<S: Sql + Clone> SpaceStore<S> {
    /// Moves the unique values that these rows are about to lose out of the way. Rows that are not there stay so.
    pub(super) fn park(&mut self, rows: &[RowWrite]) -> Result<(), SqlError> {
        let space = self.space.clone();
        for (place, row) in rows.iter().enumerate() {
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

    /// Whether a value by which others refer to a row passes to another of these rows. ON UPDATE of the row that loses it would take those along
    /// who refer to the one that gets it.
    pub(super) fn names_pass(&mut self, rows: &[RowWrite]) -> Result<bool, SqlError> {
        let space = self.space.clone();
        let catalogue = space.catalogue();
        for (at, table) in catalogue.tables.iter().enumerate() {
            let id = TableId(at as u16);
            let shape = space.shape(id)?;
            let of_table: Vec<&RowWrite> = rows.iter().filter(|row| row.outcome.row.table == id).collect();
            if !shape.fields_are_referred_to || of_table.len() < 2 {
                continue;
            }
            let ids: Vec<RowId> = of_table.iter().map(|row| row.outcome.row.clone()).collect();
            let before: Vec<_> = self.load_rows(&ids)?.into_iter().map(|state| state.values).collect();
            let names = catalogue.children_of(id).map(|(_, by)| &by.parent_columns);
            for columns in names.filter(|columns| !columns.iter().all(|column| table.is_key(*column))) {
                if pass(shape, columns, &of_table, &before)? {
                    return Ok(true);
                }
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

/// Whether one of the rows gets what another had in these columns.
fn pass(
    shape: &Shape,
    columns: &[ColumnId],
    rows: &[&RowWrite],
    before: &[Option<Vec<Value>>],
) -> Result<bool, SqlError> {
    let name = |row: &RowWrite, values: &[Value]| {
        let cells = columns.iter().map(|id| value_of(shape, &row.outcome.row, values, *id));
        cells.collect::<Result<Vec<Value>, _>>()
    };
    let mut had = BTreeMap::new();
    for (place, (row, values)) in rows.iter().zip(before).enumerate() {
        if let Some(values) = values {
            had.insert(name(row, values)?, place);
        }
    }
    for (place, (row, values)) in rows.iter().zip(before).enumerate() {
        let Some(after) = after(shape, &row.outcome.effect, values.as_deref()) else { continue };
        let name = name(row, &after)?;
        if !name.contains(&Value::Null) && had.get(&name).is_some_and(|owner| *owner != place) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The fields of a row once it is written.
fn after(shape: &Shape, effect: &Effect, before: Option<&[Value]>) -> Option<Vec<Value>> {
    match effect {
        Effect::Put(values) => Some(values.clone()),
        Effect::Delete => None,
        Effect::Set(fields) => {
            let mut values = before?.to_vec();
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
