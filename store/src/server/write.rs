//! Writing rows with their marks, set-wise: what order the caller gave does not matter.
//! Rows that others refer to are never taken out and put back, because the object's cascades act at once; unique values that change hands go through `park`.
//! The session calls it through `port`, within a savepoint of its own.

use super::event::SpaceStore;
use super::load::{bound_key, key_placeholders};
use super::places::put_marks;
use super::shape::{ColumnShape, Shape};
use super::text::{batch, join};
use super::values::{bound, packed_key, placeholder};
use super::{fail, marks};
use crate::sql::{Sql, SqlError, SqlErrorKind};
use ebbtide_core::change::{Field, RowId};
use ebbtide_core::commit::Effect;
use ebbtide_core::ids::TableId;
use ebbtide_core::server::store::{RowWrite, Violation};
use ebbtide_core::value::{Key, Value};
use std::collections::BTreeMap;

impl<S: Sql + Clone> SpaceStore<S> {
    /// Writes rows and marks, or answers the constraint that the rows met.
    pub(super) fn write_rows(&mut self, rows: &[RowWrite]) -> Result<Result<(), Violation>, SqlError> {
        if self.may_dangle(rows)? {
            self.defer_foreign_keys()?;
        }
        rows.iter().for_each(|row| drop(self.ahead.remove(&row.outcome.row)));
        self.park_names(rows)?;
        let written = match self.may_swap(rows)? {
            false => self.put_all(rows),
            true => self.put_all_or_park(rows),
        };
        if let Err(error) = written {
            let violation = fail::violation(error)?;
            return self.naming_both(rows, violation).map(Err);
        }
        self.note_unchecked(rows)?;
        self.write_marks(rows)?;
        Ok(Ok(()))
    }

    /// Whether some row may refer to nothing, or leave something that refers to it, until the others are written too.
    fn may_dangle(&self, rows: &[RowWrite]) -> Result<bool, SqlError> {
        for row in rows {
            let shape = self.space.shape(row.outcome.row.table)?;
            let refers = |id| shape.references.iter().any(|reference| reference.columns.contains(&id));
            let may = match &row.outcome.effect {
                Effect::Put(_) => shape.fields_are_referred_to || !shape.references.is_empty(),
                Effect::Set(fields) => shape.fields_are_referred_to || fields.iter().any(|field| refers(field.column)),
                Effect::Delete => shape.is_parent,
            };
            if may {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a unique value may pass from one of these rows to another.
    fn may_swap(&self, rows: &[RowWrite]) -> Result<bool, SqlError> {
        let mut seen: Vec<TableId> = Vec::new();
        for table in rows.iter().map(|row| row.outcome.row.table) {
            if !self.space.shape(table)?.unique.is_empty() {
                if seen.contains(&table) {
                    return Ok(true);
                }
                seen.push(table);
            }
        }
        Ok(false)
    }

    fn put_all_or_park(&mut self, rows: &[RowWrite]) -> Result<(), SqlError> {
        let mut sql = self.sql.clone();
        match sql.savepoint(|_| self.put_all(rows))? {
            Err(error) if error.kind == SqlErrorKind::Unique => {
                // Where no free value passes the constraints, the collision stands.
                match self.make_way(rows) {
                    Err(refused) if fail::violation(refused.clone()).is_ok() => Err(error),
                    whole => self.put_all(&whole?),
                }
            }
            done => done,
        }
    }

    /// Rows that nobody refers to go first, so that their unique values are free. Others go last, so that no cascade of theirs reaches a child that
    /// has moved on.
    fn put_all(&mut self, rows: &[RowWrite]) -> Result<(), SqlError> {
        let space = self.space.clone();
        let (mut puts, mut sets) = (BTreeMap::new(), BTreeMap::new());
        let (mut parents, mut others) = (Vec::new(), Vec::new());
        for row in rows {
            let id = &row.outcome.row;
            let shape = space.shape(id.table)?;
            match &row.outcome.effect {
                Effect::Put(values) => {
                    puts.entry((id.table, put_shape(shape, &id.key, values)?))
                        .or_insert_with(Vec::new)
                        .push((&id.key, values));
                }
                Effect::Set(fields) => {
                    sets.entry((id.table, set_shape(shape, fields)?)).or_insert_with(Vec::new).push((&id.key, fields));
                }
                Effect::Delete if shape.is_parent => parents.push(id),
                Effect::Delete => others.push(id),
            }
        }
        self.delete_rows(&others)?;
        for ((table, cells), group) in &puts {
            self.put_group(space.shape(*table)?, cells, group)?;
        }
        for ((table, columns), group) in &sets {
            self.set_group(space.shape(*table)?, columns, group)?;
        }
        self.delete_rows(&parents)
    }

    fn put_group(&mut self, shape: &Shape, cells: &[&str], group: &[(&Key, &Vec<Value>)]) -> Result<(), SqlError> {
        let mut left = group;
        let mut statement = (0, String::new());
        while !left.is_empty() {
            let (now, later) = left.split_at(batch(left.len(), cells.len()));
            if statement.0 != now.len() {
                statement = (now.len(), put_statement(shape, cells, now.len()));
            }
            let mut params = Vec::with_capacity(now.len() * cells.len());
            for (key, values) in now {
                params.extend(bound_key(&shape.key, key));
                params.extend(bound_all(&shape.fields, values));
            }
            self.sql.execute(&statement.1, &params)?;
            left = later;
        }
        Ok(())
    }

    fn set_group(
        &mut self,
        shape: &Shape,
        columns: &[(usize, &str)],
        group: &[(&Key, &Vec<Field>)],
    ) -> Result<(), SqlError> {
        if columns.is_empty() {
            return Ok(());
        }
        let assigned = columns.iter().map(|(field, cell)| format!("{}={cell}", shape.fields[*field].name));
        let update = format!("UPDATE {} SET {}", shape.name, join(assigned, ","));
        let mut statement = (Vec::new(), String::new());
        for (key, fields) in group {
            let cells = key_placeholders(&shape.key, key)?;
            if statement.0 != cells {
                statement = (cells, format!("{update} WHERE {}", matches(&shape.key, key)?));
            }
            let values =
                columns.iter().zip(*fields).map(|((field, _), new)| bound(&new.value, shape.fields[*field].affinity));
            let params: Vec<Value> = values.chain(bound_key(&shape.key, key)).collect();
            self.sql.execute(&statement.1, &params)?;
        }
        Ok(())
    }

    /// In any order: deferred keys make a RESTRICT wait as well.
    pub(super) fn delete_rows(&mut self, rows: &[&RowId]) -> Result<(), SqlError> {
        let space = self.space.clone();
        for row in rows {
            let shape = space.shape(row.table)?;
            let params: Vec<Value> = bound_key(&shape.key, &row.key).collect();
            let statement = format!("DELETE FROM {} WHERE {}", shape.name, matches(&shape.key, &row.key)?);
            self.sql.execute(&statement, &params)?;
        }
        Ok(())
    }

    fn write_marks(&mut self, rows: &[RowWrite]) -> Result<(), SqlError> {
        for of_table in rows.chunk_by(|a, b| a.outcome.row.table == b.outcome.row.table) {
            let table = of_table.first().map_or_else(TableId::default, |row| row.outcome.row.table);
            let number = self.space.shape(table)?.number;
            let record = |row: &RowWrite| [packed_key(&row.outcome.row.key), Value::Blob(marks::pack(&row.marks))];
            put_marks(&mut self.sql, number, of_table.iter().map(record).collect())?;
        }
        Ok(())
    }
}

/// `a=? AND b=?` for a key.
pub(super) fn matches(columns: &[ColumnShape], key: &Key) -> Result<String, SqlError> {
    let cells = key_placeholders(columns, key)?;
    Ok(join(columns.iter().zip(cells).map(|(column, cell)| format!("{}={cell}", column.name)), " AND "))
}

/// The placeholders of a full row: rows with the same ones go into one statement.
fn put_shape(shape: &Shape, key: &Key, values: &[Value]) -> Result<Vec<&'static str>, SqlError> {
    if values.len() != shape.fields.len() {
        return Err(fail::misuse("a row of another length than its table's"));
    }
    let mut cells = key_placeholders(&shape.key, key)?;
    cells.extend(shape.fields.iter().zip(values).map(|(field, value)| placeholder(value, field.affinity)));
    Ok(cells)
}

/// The fields of an update with their placeholders.
fn set_shape(shape: &Shape, fields: &[Field]) -> Result<Vec<(usize, &'static str)>, SqlError> {
    let place = |field: &Field| {
        let position = shape.field_position(field.column).ok_or_else(|| fail::misuse("no such field"))?;
        Ok((position, placeholder(&field.value, shape.fields[position].affinity)))
    };
    fields.iter().map(place).collect()
}

fn bound_all<'a>(columns: &'a [ColumnShape], values: &'a [Value]) -> impl Iterator<Item = Value> + 'a {
    columns.iter().zip(values).map(|(column, value)| bound(value, column.affinity))
}

/// An UPSERT and never a REPLACE, which would delete the row and set its cascades off.
fn put_statement(shape: &Shape, cells: &[&str], rows: usize) -> String {
    let row = format!("({})", cells.join(","));
    let key = join(shape.key.iter().map(|column| &column.name), ",");
    let columns = join(shape.key.iter().chain(&shape.fields).map(|column| &column.name), ",");
    let assigned = join(shape.fields.iter().map(|field| format!("{0}=excluded.{0}", field.name)), ",");
    let update = if assigned.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {assigned}") };
    let values = vec![row; rows].join(",");
    format!("INSERT INTO {} ({columns}) VALUES {values} ON CONFLICT ({key}) DO {update}", shape.name)
}
