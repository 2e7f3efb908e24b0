//! Reading a table in the order of its keys, a bounded piece at a time: what snapshots are made of.
//! It knows neither marks nor commits. The session calls it through `port`.

use super::event::SpaceStore;
use super::load::{bound_key, key_placeholders};
use super::shape::Shape;
use super::text::join;
use crate::sql::{Sql, SqlError};
use ebbtide_core::ids::TableId;
use ebbtide_core::server::store::Scan;
use ebbtide_core::value::{Key, Value};

/// Rows of the first statement: even of the largest, an object's memory holds so many.
const FIRST_ROWS: usize = 16;

/// Each further statement may read so many times more.
const GROWTH: usize = 4;

impl<S: Sql + Clone> SpaceStore<S> {
    /// Rows above `after`, at least one if there is one. Statements grow as long as rows prove to be small.
    pub(super) fn scan_rows(
        &mut self,
        table: TableId,
        after: Option<&Key>,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Scan, SqlError> {
        let space = self.space.clone();
        let shape = space.shape(table)?;
        let mut scan = Scan { rows: Vec::new(), more: true };
        let (mut bytes, mut limit) = (0, FIRST_ROWS);
        while scan.more && scan.rows.len() < max_rows.max(1) && (scan.rows.is_empty() || bytes < max_bytes) {
            let last = scan.rows.last().map(|(key, _)| key).or(after).cloned();
            let limited = limit.min(max_rows.max(1) - scan.rows.len());
            let rows = self.scan_some(shape, last.as_ref(), limited)?;
            scan.more = rows.len() == limited;
            for row in rows {
                if !scan.rows.is_empty() && bytes >= max_bytes {
                    scan.more = true;
                    break;
                }
                bytes += size(&row);
                scan.rows.push(row);
            }
            let average = bytes / scan.rows.len().max(1) + 1;
            limit = (limit * GROWTH).min(max_bytes.saturating_sub(bytes) / average).max(FIRST_ROWS);
        }
        Ok(scan)
    }

    fn scan_some(
        &mut self,
        shape: &Shape,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Vec<Value>)>, SqlError> {
        let names = join(shape.key.iter().map(|column| format!("t.{}", column.name)), ",");
        let (above, params) = match after {
            None => (String::new(), Vec::new()),
            Some(key) => {
                let cells = join(key_placeholders(&shape.key, key)?, ",");
                (format!(" WHERE ({names})>({cells})"), bound_key(&shape.key, key).collect())
            }
        };
        let fields = match shape.field_selection.sql.as_str() {
            "" => String::new(),
            list => format!(",{list}"),
        };
        let key = &shape.key_selection.sql;
        let statement = format!("SELECT {key}{fields} FROM {} AS t{above} ORDER BY {names} LIMIT {limit}", shape.name);
        let rows = self.sql.query(&statement, &params)?;
        let read = |row: Vec<Value>| {
            let mut cells = row.into_iter();
            let key = Key(shape.key_selection.read(&mut cells)?);
            Ok((key, shape.field_selection.read(&mut cells)?))
        };
        rows.into_iter().map(read).collect()
    }
}

fn size((key, values): &(Key, Vec<Value>)) -> usize {
    key.0.iter().chain(values).map(Value::size).sum()
}
