//! Who has the unique value that a row wanted, so that a refusal names both rows.
//! It looks only after the database has refused, and leaves the database's words where it finds nobody: in an index over an expression, say.
//! Called by `write`.

use super::event::SpaceStore;
use super::fail;
use super::load::{bound_key, key_placeholders};
use super::shape::{Shape, index_columns, index_list};
use super::text::{join, quote};
use super::values::{bound, placeholder, text};
use super::write::matches;
use crate::sql::{Sql, SqlError};
use ebbtide_core::commit::{Effect, Reason};
use ebbtide_core::server::store::{RowWrite, ServerStore, Violation};
use ebbtide_core::value::Value;

/// Characters of a key's part that a refusal shows.
const SHOWN: u32 = 100;

impl<S: Sql + Clone> SpaceStore<S> {
    /// The same refusal in words that name the row that wanted a value and the row that has it.
    pub(super) fn naming_both(&mut self, rows: &[RowWrite], violation: Violation) -> Result<Violation, SqlError> {
        if violation.reason != Reason::Unique {
            return Ok(violation);
        }
        for row in rows {
            if let Some(detail) = self.collision(row)? {
                return Ok(Violation { detail, ..violation });
            }
        }
        Ok(violation)
    }

    fn collision(&mut self, row: &RowWrite) -> Result<Option<String>, SqlError> {
        let (space, catalogue) = (self.space.clone(), self.catalogue());
        let table = row.outcome.row.table;
        let declared = catalogue.table(table).ok_or_else(|| fail::misuse("no such table"))?;
        let mut sql = self.sql.clone();
        for index in index_list(&mut sql, &declared.name)?.iter().filter(|index| index.unique && !index.primary) {
            let columns: Option<Vec<String>> = index_columns(&mut sql, &index.name)?.into_iter().collect();
            let Some(columns) = columns else { continue };
            let Some((statement, params)) = holder(space.shape(table)?, row, &columns)? else { continue };
            if let Some(found) = sql.query(&statement, &params)?.into_iter().next() {
                let mut cells = found.into_iter();
                let (own, other) = (text(cells.next())?, text(cells.next())?);
                let place = format!("{}.{}", declared.name, columns.join(", "));
                return Ok(Some(format!(
                    "{place}: the row with the key {own} wants what the row with the key {other} has"
                )));
            }
        }
        Ok(None)
    }
}

/// Looks for another row with the values that this one is to have in these columns; nothing if it touches none of them.
fn holder(shape: &Shape, row: &RowWrite, columns: &[String]) -> Result<Option<(String, Vec<Value>)>, SqlError> {
    let key = &row.outcome.row.key;
    let own = matches(&shape.key, key)?;
    let (mut conditions, mut params) = (Vec::new(), bound_key(&shape.key, key).collect::<Vec<_>>());
    let mut touched = false;
    for name in columns.iter().map(|column| quote(column)) {
        match shape
            .fields
            .iter()
            .position(|field| field.name == name)
            .and_then(|field| Some((field, written(&row.outcome.effect, shape, field)?)))
        {
            Some((field, value)) => {
                touched = true;
                let affinity = shape.fields[field].affinity;
                conditions.push(format!("t.{name}={}", placeholder(value, affinity)));
                params.push(bound(value, affinity));
            }
            // A field that the row keeps.
            None => {
                conditions.push(format!("t.{name}=(SELECT {name} FROM {} WHERE {own})", shape.name));
                params.extend(bound_key(&shape.key, key));
            }
        }
    }
    params.extend(bound_key(&shape.key, key));
    let shown = |value: String| format!("substr(quote({value}),1,{SHOWN})");
    let cells = key_placeholders(&shape.key, key)?.into_iter().zip(&key.0).map(|(cell, value)| match value {
        // Large ones are bound as text, which a comparison takes for a number and `quote` does not.
        Value::Integer(_) => shown(format!("CAST({cell} AS INTEGER)")),
        _ => shown(cell.to_owned()),
    });
    let wanting = join(cells, "||','||");
    let having = join(shape.key.iter().map(|column| shown(format!("t.{}", column.name))), "||','||");
    let statement = format!(
        "SELECT {wanting},{having} FROM {} AS t WHERE {} AND NOT ({own}) LIMIT 1",
        shape.name,
        conditions.join(" AND ")
    );
    Ok(touched.then_some((statement, params)))
}

/// What a row is to have in a field, if it is written.
pub(super) fn written<'a>(effect: &'a Effect, shape: &Shape, field: usize) -> Option<&'a Value> {
    match effect {
        Effect::Put(values) => values.get(field),
        Effect::Set(fields) => fields.iter().find(|set| set.column == shape.fields[field].id).map(|set| &set.value),
        Effect::Delete => None,
    }
}
