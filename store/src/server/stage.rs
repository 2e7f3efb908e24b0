//! Changesets on their way in, chunk by chunk, in any order.
//! Nothing staged is visible anywhere else. The session calls it through `port`; an adapter's alarm lets old ones expire.

use super::event::SpaceStore;
use super::fail;
use super::values::{array, blob, number, stored};
use crate::sql::{Row, Sql, SqlError};
use ebbtide_core::ids::{AuthorId, DeviceSeq, Hash, Millis};
use ebbtide_core::message::Chunk;
use ebbtide_core::server::store::Staging;
use ebbtide_core::value::Value;

impl<S: Sql + Clone> SpaceStore<S> {
    /// How far the upload of a number has come.
    pub(super) fn find_stage(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<Option<Staging>, SqlError> {
        let rows = self.sql.query(
            "SELECT hash,total_bytes,count,next_chunk,prepared FROM _ebb_stage WHERE author=? AND device_seq=?",
            &number_of(author, device_seq)?,
        )?;
        rows.into_iter().next().map(read).transpose()
    }

    /// Bytes of the author's uploads, as announced.
    pub(super) fn announced_bytes(&mut self, author: AuthorId) -> Result<u64, SqlError> {
        let author = [stored(u64::from(author.0))?];
        let rows = self.sql.query("SELECT coalesce(sum(total_bytes),0) FROM _ebb_stage WHERE author=?", &author)?;
        number(rows.into_iter().next().and_then(|row| row.into_iter().next()))
    }

    /// Whether there are uploads that may have to expire.
    pub fn has_stages(&mut self) -> Result<bool, SqlError> {
        Ok(!self.sql.query("SELECT 1 FROM _ebb_stage LIMIT 1", &[])?.is_empty())
    }

    /// Stores a chunk; one that is there already changes nothing.
    pub(super) fn insert_chunk(&mut self, author: AuthorId, chunk: &Chunk, now: Millis) -> Result<(), SqlError> {
        let [author_id, device_seq] = number_of(author, chunk.device_seq)?;
        let announced = [
            author_id.clone(),
            device_seq.clone(),
            Value::Blob(chunk.hash.0.to_vec()),
            stored(u64::from(chunk.total_bytes))?,
            stored(u64::from(chunk.count))?,
        ];
        self.sql.execute(
            "INSERT INTO _ebb_stage (author,device_seq,hash,total_bytes,count,next_chunk,prepared,touched_at)
             VALUES (?,?,?,?,?,0,0,0) ON CONFLICT DO NOTHING",
            &announced,
        )?;
        let index = stored(u64::from(chunk.index))?;
        let body = Value::Blob(chunk.bytes.clone());
        self.sql.execute(
            "INSERT INTO _ebb_chunk (author,device_seq,chunk,body) VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
            &[author_id, device_seq, index, body],
        )?;
        self.move_next_chunk(author, chunk, now)
    }

    /// The first missing chunk moves past everything that is there without a gap.
    fn move_next_chunk(&mut self, author: AuthorId, chunk: &Chunk, now: Millis) -> Result<(), SqlError> {
        let staging = self.find_stage(author, chunk.device_seq)?.ok_or_else(|| fail::corrupt("a stage is missing"))?;
        if staging.hash != chunk.hash {
            return Err(fail::misuse("a chunk of another changeset"));
        }
        let [author, device_seq] = number_of(author, chunk.device_seq)?;
        let present = self.sql.query(
            "SELECT chunk FROM _ebb_chunk WHERE author=? AND device_seq=? AND chunk>=? ORDER BY chunk",
            &[author.clone(), device_seq.clone(), stored(u64::from(staging.next_chunk))?],
        )?;
        let mut next = u64::from(staging.next_chunk);
        for row in present {
            if number(row.into_iter().next())? != next {
                break;
            }
            next += 1;
        }
        self.sql.execute(
            "UPDATE _ebb_stage SET next_chunk=?,touched_at=? WHERE author=? AND device_seq=?",
            &[stored(next)?, stored(now.0)?, author, device_seq],
        )?;
        Ok(())
    }

    /// The whole upload, once complete.
    pub(super) fn whole_upload(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<Vec<u8>, SqlError> {
        let rows = self.sql.query(
            "SELECT body FROM _ebb_chunk WHERE author=? AND device_seq=? ORDER BY chunk",
            &number_of(author, device_seq)?,
        )?;
        let mut whole = Vec::new();
        for row in rows {
            whole.extend(blob(row.into_iter().next())?);
        }
        Ok(whole)
    }

    /// Notes that the vote was given.
    pub(super) fn mark_prepared(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<(), SqlError> {
        let params = number_of(author, device_seq)?;
        self.sql.execute("UPDATE _ebb_stage SET prepared=1 WHERE author=? AND device_seq=?", &params)?;
        Ok(())
    }

    /// Drops the chunks of a number.
    pub(super) fn delete_stage(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<(), SqlError> {
        let params = number_of(author, device_seq)?;
        self.sql.execute("DELETE FROM _ebb_chunk WHERE author=? AND device_seq=?", &params)?;
        self.sql.execute("DELETE FROM _ebb_stage WHERE author=? AND device_seq=?", &params)?;
        Ok(())
    }

    /// Drops uploads that nobody has added to since `before`.
    pub fn expire_stages(&mut self, before: Millis) -> Result<(), SqlError> {
        let old = [stored(before.0)?];
        self.sql.execute(
            "DELETE FROM _ebb_chunk WHERE (author,device_seq) IN
             (SELECT author,device_seq FROM _ebb_stage WHERE touched_at<?)",
            &old,
        )?;
        self.sql.execute("DELETE FROM _ebb_stage WHERE touched_at<?", &old)?;
        Ok(())
    }
}

fn number_of(author: AuthorId, device_seq: DeviceSeq) -> Result<[Value; 2], SqlError> {
    Ok([stored(u64::from(author.0))?, stored(device_seq.0)?])
}

fn read(row: Row) -> Result<Staging, SqlError> {
    let mut cells = row.into_iter();
    let hash = Hash(array(cells.next())?);
    let mut count = || -> Result<u32, SqlError> {
        u32::try_from(number(cells.next())?).map_err(|_| fail::corrupt("a count of chunks"))
    };
    let (total_bytes, chunks, next_chunk, prepared) = (count()?, count()?, count()?, count()?);
    Ok(Staging { hash, total_bytes, count: chunks, next_chunk, prepared: prepared == 1 })
}
