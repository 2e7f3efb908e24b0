//! The queue of open conflicts: few rows, in parts where one value would be too large, found by name and by the row concerned.
//! What a conflict means is not its business; entries of an earlier schema version come back in the words of the present one.
//! The session calls it through `port`.

use super::event::SpaceStore;
use super::fail;
use super::limits::PART_BYTES;
use super::space::catalogue_of;
use super::text::{batch, join};
use super::values::{blob, number, stored};
use crate::sql::{Row, Sql, SqlError};
use ebbtide_core::change::RowId;
use ebbtide_core::conflict::{ClosedConflict, Closing, ConflictId, OpenConflict, QueueChange, QueueEntry};
use ebbtide_core::ids::{AuthorId, SchemaVersion, Seq};
use ebbtide_core::value::Value;

const COLUMNS: &str = "q.seq,q.idx,q.schema,q.body";

impl<S: Sql + Clone> SpaceStore<S> {
    /// The open conflicts of these rows.
    pub(super) fn conflicts_of(&mut self, rows: &[RowId]) -> Result<Vec<QueueEntry>, SqlError> {
        let mut found = Vec::new();
        if rows.is_empty() || self.queue_is_empty()? {
            return Ok(found);
        }
        let mut left = rows;
        while !left.is_empty() {
            let (now, later) = left.split_at(batch(left.len(), 2));
            let params = self.places(now)?;
            let wanted = join(now.iter().map(|_| "(?,?)"), ",");
            let sql = format!(
                "WITH w(t,k) AS (VALUES {wanted}) SELECT {COLUMNS} FROM w JOIN _ebb_conflict AS q
                 ON q.tbl=w.t AND q.key=w.k ORDER BY q.seq,q.idx,q.part"
            );
            let rows = self.sql.query(&sql, &params)?;
            found.extend(self.entries(rows)?);
            left = later;
        }
        Ok(found)
    }

    /// An open conflict by its name.
    pub(super) fn conflict_named(&mut self, id: ConflictId) -> Result<Option<QueueEntry>, SqlError> {
        // No conflict has a name that cannot be stored.
        let (Ok(seq), Ok(index)) = (stored(id.seq.0), stored(u64::from(id.index))) else { return Ok(None) };
        let sql = format!("SELECT {COLUMNS} FROM _ebb_conflict AS q WHERE q.seq=? AND q.idx=? ORDER BY q.part");
        let rows = self.sql.query(&sql, &[seq, index])?;
        Ok(self.entries(rows)?.into_iter().next())
    }

    /// Open conflicts above a name, in order.
    pub(super) fn conflicts_after(&mut self, after: ConflictId, max_count: usize) -> Result<Vec<QueueEntry>, SqlError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM _ebb_conflict AS q WHERE (q.seq,q.idx) IN
             (SELECT seq,idx FROM _ebb_conflict WHERE part=0 AND (seq,idx)>(?,?) ORDER BY seq,idx LIMIT ?)
             ORDER BY q.seq,q.idx,q.part"
        );
        let params = [stored(after.seq.0)?, stored(u64::from(after.index))?, stored(max_count as u64)?];
        let rows = self.sql.query(&sql, &params)?;
        self.entries(rows)
    }

    /// Adds an open conflict, or replaces the one of this name.
    pub(super) fn write_conflict(&mut self, entry: &QueueEntry) -> Result<(), SqlError> {
        let OpenConflict { id, row, .. } = &entry.open;
        self.delete_conflict(*id)?;
        let body = postcard::to_allocvec(entry).map_err(|_| fail::misuse("a conflict that cannot be packed"))?;
        let [table, key] = self.place(row)?;
        let version = stored(self.space.catalogue().version.0)?;
        for (part, bytes) in (0..).zip(body.chunks(PART_BYTES)) {
            let params = [
                stored(id.seq.0)?,
                stored(u64::from(id.index))?,
                stored(part)?,
                table.clone(),
                key.clone(),
                version.clone(),
                Value::Blob(bytes.to_vec()),
            ];
            self.sql.execute(
                "INSERT INTO _ebb_conflict (seq,idx,part,tbl,key,schema,body) VALUES (?,?,?,?,?,?,?)",
                &params,
            )?;
        }
        self.queue_empty = Some(false);
        Ok(())
    }

    /// Takes a conflict off the queue.
    pub(super) fn delete_conflict(&mut self, id: ConflictId) -> Result<(), SqlError> {
        let params = [stored(id.seq.0)?, stored(u64::from(id.index))?];
        self.sql.execute("DELETE FROM _ebb_conflict WHERE seq=? AND idx=?", &params)?;
        self.queue_empty = None;
        Ok(())
    }

    /// Takes conflicts off that a migration left nothing to decide in: their table or column is gone, or their row is one of these.
    pub(super) fn close_moot(&mut self, gone: &[RowId]) -> Result<Vec<QueueChange>, SqlError> {
        let mut closed = Vec::new();
        for row in self.sql.query("SELECT seq,idx FROM _ebb_conflict WHERE part=0 ORDER BY seq,idx", &[])? {
            let mut cells = row.into_iter();
            let id = ConflictId { seq: Seq(number(cells.next())?), index: number(cells.next())? as u32 };
            if self.conflict_named(id)?.is_none_or(|entry| gone.contains(&entry.open.row)) {
                self.delete_conflict(id)?;
                let (closing, by) = (Closing::Moot, AuthorId::MIGRATION);
                closed.push(QueueChange::Closed(ClosedConflict { id, closing, by }));
            }
        }
        Ok(closed)
    }

    /// Asked before every look-up, and true almost always.
    fn queue_is_empty(&mut self) -> Result<bool, SqlError> {
        if let Some(known) = self.queue_empty {
            return Ok(known);
        }
        let empty = self.sql.query("SELECT 1 FROM _ebb_conflict LIMIT 1", &[])?.is_empty();
        self.queue_empty = Some(empty);
        Ok(empty)
    }

    /// Puts parts together; entries whose table or column is gone have nothing to decide any more and are left out.
    fn entries(&mut self, rows: Vec<Row>) -> Result<Vec<QueueEntry>, SqlError> {
        let mut bodies: Vec<(ConflictId, SchemaVersion, Vec<u8>)> = Vec::new();
        for row in rows {
            let mut cells = row.into_iter();
            let id = ConflictId { seq: Seq(number(cells.next())?), index: number(cells.next())? as u32 };
            let schema = SchemaVersion(number(cells.next())?);
            let body = blob(cells.next())?;
            match bodies.last_mut().filter(|(last, ..)| *last == id) {
                Some((_, _, whole)) => whole.extend(body),
                None => bodies.push((id, schema, body)),
            }
        }
        let mut entries = Vec::with_capacity(bodies.len());
        for (_, schema, body) in bodies {
            let entry: QueueEntry = postcard::from_bytes(&body).map_err(|_| fail::corrupt("conflict"))?;
            entries.extend(self.present(entry, schema)?);
        }
        Ok(entries)
    }

    fn present(&mut self, entry: QueueEntry, schema: SchemaVersion) -> Result<Option<QueueEntry>, SqlError> {
        let present = self.space.catalogue();
        if schema == present.version {
            return Ok(Some(entry));
        }
        let Some(former) = catalogue_of(&mut self.sql, schema)? else { return Err(fail::corrupt("catalogue")) };
        let open = entry.open.translated(&former, &present);
        Ok(open.map(|open| QueueEntry { open, parked: entry.parked }))
    }
}
