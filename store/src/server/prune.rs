//! Removing history that nobody needs, and what says who still does.
//! Which commits go is decided by `core`; here they go. The retention calls it through `port`.

use super::event::SpaceStore;
use super::log::FLOOR;
use super::receipts::packed;
use super::text::{batch, join};
use super::values::{number, stored};
use crate::sql::{Sql, SqlError};
use ebbtide_core::change::RowId;
use ebbtide_core::ids::{Millis, Seq};
use ebbtide_core::server::store::Head;
use ebbtide_core::value::Value;

impl<S: Sql + Clone> SpaceStore<S> {
    /// The lowest cursor of the devices that are not retired and were seen since then.
    pub(super) fn slowest(&mut self, since: Millis) -> Result<Option<Seq>, SqlError> {
        let rows = self
            .sql
            .query("SELECT min(cursor) FROM _ebb_author WHERE retired=0 AND seen_at>=?", &[stored(since.0)?])?;
        match rows.into_iter().next().and_then(|row| row.into_iter().next()) {
            None | Some(Value::Null) => Ok(None),
            cell => Ok(Some(Seq(number(cell)?))),
        }
    }

    /// Removes the commits up to a new floor, and the marks of rows that are gone.
    pub(super) fn prune_log(&mut self, floor: Head, tombstones: &[RowId]) -> Result<(), SqlError> {
        let upto = [stored(floor.seq.0)?];
        self.sql.execute("DELETE FROM _ebb_commit_part WHERE seq<=?", &upto)?;
        self.sql.execute("DELETE FROM _ebb_commit WHERE seq<=?", &upto)?;
        self.sql.execute("DELETE FROM _ebb_former WHERE seq<=?", &upto)?;
        self.set_fact(FLOOR, Value::Blob(packed(&(floor.seq, floor.chain))?))?;
        self.log.floor = Some(floor);
        self.log.page = None;
        self.forget_marks(tombstones)
    }

    fn forget_marks(&mut self, rows: &[RowId]) -> Result<(), SqlError> {
        let mut left = rows;
        while !left.is_empty() {
            let (now, later) = left.split_at(batch(left.len(), 2));
            let params = self.places(now)?;
            let cells = join(now.iter().map(|_| "(?,?)"), ",");
            self.sql.execute(&format!("DELETE FROM _ebb_row WHERE (tbl,key) IN (VALUES {cells})"), &params)?;
            left = later;
        }
        Ok(())
    }
}
