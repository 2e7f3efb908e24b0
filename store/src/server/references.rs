//! Foreign keys by indexed look-ups: rows that refer to nothing, rows that refer to a parent.
//! What is done about them is the session's decision, or the event's when it ends.

use super::event::SpaceStore;
use super::load::{Wanted, groups};
use super::shape::{ColumnShape, Shape};
use super::text::{batch, join};
use super::values::{bound, number, placeholder};
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::Reference;
use ebbtide_core::change::RowId;
use ebbtide_core::commit::Reason;
use ebbtide_core::ids::TableId;
use ebbtide_core::server::store::Violation;
use ebbtide_core::value::{Key, Value};

impl<S: Sql + Clone> SpaceStore<S> {
    /// Of these rows, the first found that refers to a row which is not there.
    pub(super) fn first_dangling(&mut self, rows: &[RowId]) -> Result<Option<Violation>, SqlError> {
        let space = self.space.clone();
        for group in groups(rows) {
            let shape = space.shape(rows[group[0]].table)?;
            for reference in &shape.references {
                let mut left = group.as_slice();
                while !left.is_empty() {
                    let (now, later) = left.split_at(batch(left.len(), shape.key.len()));
                    let keys = now.iter().map(|row| &rows[*row].key);
                    if let Some(found) = self.dangling_in(shape, reference, keys)? {
                        return Ok(Some(found));
                    }
                    left = later;
                }
            }
        }
        Ok(None)
    }

    fn dangling_in<'a>(
        &mut self,
        shape: &Shape,
        reference: &Reference,
        keys: impl Iterator<Item = &'a Key>,
    ) -> Result<Option<Violation>, SqlError> {
        let wanted = Wanted::of(shape, keys, false)?;
        let statement = format!(
            "{} SELECT w.i FROM w JOIN {} AS t ON {} WHERE {} LIMIT 1",
            wanted.with,
            shape.name,
            wanted.matches,
            self.points_nowhere(shape, reference)?
        );
        let found = self.sql.query(&statement, &wanted.params)?;
        let Some(row) = found.into_iter().next() else { return Ok(None) };
        number(row.into_iter().next())?;
        self.missing_parent(shape, reference).map(Some)
    }

    /// Of these rows, the first found that is gone while others still refer to it.
    ///
    /// What a row had in columns outside its key is not known any more, so references to such columns are looked for
    /// among all children.
    pub(super) fn first_orphan(&mut self, rows: &[RowId]) -> Result<Option<Violation>, SqlError> {
        let space = self.space.clone();
        let children = space.shapes().iter().flat_map(|child| child.references.iter().map(move |by| (child, by)));
        for (child, reference) in children {
            let parent = space.shape(reference.parent)?;
            let by_key = reference.parent_columns.iter().all(|id| parent.key.iter().any(|column| column.id == *id));
            let mut parents = rows.iter().filter(|row| row.table == reference.parent).peekable();
            if parents.peek().is_none() {
                continue;
            }
            let orphaned = match by_key {
                true => self.refers_to_any(child, reference, parent, parents)?,
                false => self.any_points_nowhere(child, reference, None)?,
            };
            if orphaned {
                return self.missing_parent(child, reference).map(Some);
            }
        }
        Ok(None)
    }

    fn refers_to_any<'a>(
        &mut self,
        child: &Shape,
        reference: &Reference,
        parent: &Shape,
        parents: impl Iterator<Item = &'a RowId>,
    ) -> Result<bool, SqlError> {
        for row in parents {
            let part = |id| parent.key.iter().position(|column| column.id == id).and_then(|part| row.key.0.get(part));
            let values: Vec<Value> = reference.parent_columns.iter().filter_map(|id| part(*id).cloned()).collect();
            if self.any_points_nowhere(child, reference, Some(&values))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn any_points_nowhere(
        &mut self,
        child: &Shape,
        reference: &Reference,
        parent: Option<&[Value]>,
    ) -> Result<bool, SqlError> {
        let (only, params) = match parent {
            None => (String::new(), Vec::new()),
            Some(values) => {
                let (text, params) = refers(child, reference, values)?;
                (format!("{text} AND "), params)
            }
        };
        let nowhere = self.points_nowhere(child, reference)?;
        let statement = format!("SELECT 1 FROM {} AS t WHERE {only}{nowhere} LIMIT 1", child.name);
        Ok(!self.sql.query(&statement, &params)?.is_empty())
    }

    /// The keys of the rows of `child` that refer to a parent with these values.
    pub(super) fn children_of(
        &mut self,
        child: TableId,
        reference: &Reference,
        parent: &[Value],
    ) -> Result<Vec<RowId>, SqlError> {
        let space = self.space.clone();
        let shape = space.shape(child)?;
        let (text, params) = refers(shape, reference, parent)?;
        let order = join(shape.key.iter().map(|column| format!("t.{}", column.name)), ",");
        let keys = &shape.key_selection;
        let statement = format!("SELECT {} FROM {} AS t WHERE {text} ORDER BY {order}", keys.sql, shape.name);
        let rows = self.sql.query(&statement, &params)?;
        let row = |row: Vec<Value>| Ok(RowId { table: child, key: Key(keys.read(&mut row.into_iter())?) });
        rows.into_iter().map(row).collect()
    }

    /// A condition on `t`: all columns of the reference have values, and there is no such parent.
    fn points_nowhere(&self, child: &Shape, reference: &Reference) -> Result<String, SqlError> {
        let parent = self.space.shape(reference.parent)?;
        let (mut given, mut same) = (Vec::new(), Vec::new());
        for (from, to) in reference.columns.iter().zip(&reference.parent_columns) {
            let (from, to) = (&child.column(*from)?.name, &parent.column(*to)?.name);
            given.push(format!("t.{from} IS NOT NULL"));
            same.push(format!("p.{to}=t.{from}"));
        }
        let (given, same) = (given.join(" AND "), same.join(" AND "));
        Ok(format!("{given} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {same})", parent.name))
    }

    fn missing_parent(&self, child: &Shape, reference: &Reference) -> Result<Violation, SqlError> {
        let parent = self.space.shape(reference.parent)?;
        let columns = reference.columns.iter().map(|id| child.column(*id).map(|column| column.name.clone()));
        let columns = join(columns.collect::<Result<Vec<_>, _>>()?, ",");
        let detail =
            format!("FOREIGN KEY constraint failed: {}({columns}) refers to no row of {}", child.name, parent.name);
        Ok(Violation { reason: Reason::ForeignKey, detail })
    }
}

/// A condition on `t`: it refers to a parent with these values. What is bound takes the child's affinities.
fn refers(child: &Shape, reference: &Reference, values: &[Value]) -> Result<(String, Vec<Value>), SqlError> {
    let columns = reference.columns.iter().map(|id| child.column(*id)).collect::<Result<Vec<&ColumnShape>, _>>()?;
    let pairs = || columns.iter().zip(values);
    let text = pairs().map(|(column, value)| format!("t.{}={}", column.name, placeholder(value, column.affinity)));
    Ok((join(text, " AND "), pairs().map(|(column, value)| bound(value, column.affinity)).collect()))
}
