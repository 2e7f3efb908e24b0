//! What rows that others refer to were called before, in columns outside their keys: a reference that comes late is led by it.
//! It knows no rules of references. The session calls it through `port`, pruning and migrations when nobody needs it any more.

use super::event::SpaceStore;
use super::receipts::packed;
use super::text::join;
use super::values::{blob, bound, placeholder, stored};
use super::{fail, shape::Shape};
use crate::sql::{Sql, SqlError};
use ebbtide_core::change::RowId;
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::server::store::{FormerName, Mark};
use ebbtide_core::value::{Key, Value};

/// One row per name that was given up. The name is packed columns and values.
pub(super) const CREATE_FORMER: &str =
    "CREATE TABLE IF NOT EXISTS _ebb_former (tbl INTEGER NOT NULL, name BLOB NOT NULL,
     seq INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (tbl, name)) STRICT, WITHOUT ROWID";

/// Columns have other numbers under another schema, so what names them is forgotten with it.
pub(super) const FORGET: &str = "DELETE FROM _ebb_former";

impl<S: Sql + Clone> SpaceStore<S> {
    /// The row that had these values last, if no row has them now.
    pub(super) fn find_former(
        &mut self,
        table: TableId,
        columns: &[ColumnId],
        values: &[Value],
    ) -> Result<Option<(RowId, Mark)>, SqlError> {
        let space = self.space.clone();
        let shape = space.shape(table)?;
        let (condition, bound) = has(shape, columns, values)?;
        let mut params = vec![stored(shape.number)?, name(columns, values)?];
        params.extend(bound);
        let statement = format!(
            "SELECT body FROM _ebb_former WHERE tbl=? AND name=? AND NOT EXISTS (SELECT 1 FROM {} AS t WHERE {condition})",
            shape.name
        );
        let rows = self.sql.query(&statement, &params)?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let body = blob(row.into_iter().next())?;
        let (key, mark): (Key, Mark) = postcard::from_bytes(&body).map_err(|_| fail::corrupt("a former name"))?;
        Ok(Some((RowId { table, key }, mark)))
    }

    /// Remembers names.
    pub(super) fn write_formers(&mut self, formers: &[FormerName], mark: &Mark) -> Result<(), SqlError> {
        for former in formers {
            let number = self.space.shape(former.row.table)?.number;
            let body = Value::Blob(packed(&(&former.row.key, mark))?);
            let params = [stored(number)?, name(&former.columns, &former.values)?, stored(mark.seq.0)?, body];
            let statement = "INSERT INTO _ebb_former (tbl,name,seq,body) VALUES (?,?,?,?)
                 ON CONFLICT (tbl,name) DO UPDATE SET seq=excluded.seq, body=excluded.body";
            self.sql.execute(statement, &params)?;
        }
        Ok(())
    }
}

fn name(columns: &[ColumnId], values: &[Value]) -> Result<Value, SqlError> {
    packed(&(columns, values)).map(Value::Blob)
}

fn has(shape: &Shape, columns: &[ColumnId], values: &[Value]) -> Result<(String, Vec<Value>), SqlError> {
    let columns = columns.iter().map(|id| shape.column(*id)).collect::<Result<Vec<_>, _>>()?;
    let pairs = || columns.iter().zip(values);
    let text = pairs().map(|(column, value)| format!("t.{}={}", column.name, placeholder(value, column.affinity)));
    Ok((join(text, " AND "), pairs().map(|(column, value)| bound(value, column.affinity)).collect()))
}
