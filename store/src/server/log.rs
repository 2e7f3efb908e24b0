//! The commit log: the end of it is the head of the space, and the outbox reads it too.
//! Bodies are opaque here, and in parts where one value would be too large. The session calls it through `port`.

use super::event::{PageRequest, SpaceStore};
use super::fail;
use super::limits::PART_BYTES;
use super::values::{array, blob, number, stored};
use crate::sql::{Row, Sql, SqlError};
use ebbtide_core::commit::SealedCommit;
use ebbtide_core::ids::{AuthorId, DeviceSeq, Hash, Millis, Seq};
use ebbtide_core::server::store::{Head, NewCommit};
use ebbtide_core::value::Value;

/// The fact that holds the floor.
pub(super) const FLOOR: &str = "floor";

impl<S: Sql + Clone> SpaceStore<S> {
    /// The end of history.
    pub(super) fn log_head(&mut self) -> Result<Head, SqlError> {
        if let Some(head) = self.log.head {
            return Ok(head);
        }
        let rows = self.sql.query("SELECT seq,chain FROM _ebb_commit ORDER BY seq DESC LIMIT 1", &[])?;
        let head = match rows.into_iter().next() {
            None => Head::default(),
            Some(row) => {
                let mut cells = row.into_iter();
                Head { seq: Seq(number(cells.next())?), chain: Hash(array(cells.next())?) }
            }
        };
        self.log.head = Some(head);
        Ok(head)
    }

    /// The chain hash at a commit, if it is still in the log.
    pub(super) fn log_chain(&mut self, seq: Seq) -> Result<Option<Hash>, SqlError> {
        if seq == Seq(0) {
            return Ok(Some(Hash::default()));
        }
        if let Some(head) = self.log.head.filter(|head| head.seq == seq) {
            return Ok(Some(head.chain));
        }
        let floor = self.log_floor()?;
        if floor.seq == seq {
            return Ok(Some(floor.chain));
        }
        // No commit has a number that cannot be stored.
        let Ok(seq) = stored(seq.0) else { return Ok(None) };
        let rows = self.sql.query("SELECT chain FROM _ebb_commit WHERE seq=?", &[seq])?;
        rows.into_iter().next().map(|row| array(row.into_iter().next()).map(Hash)).transpose()
    }

    /// Up to where the log is pruned, with the chain hash there.
    pub(super) fn log_floor(&mut self) -> Result<Head, SqlError> {
        if let Some(floor) = self.log.floor {
            return Ok(floor);
        }
        let floor = match self.fact(FLOOR)? {
            None => Head::default(),
            Some(fact) => {
                let (seq, chain) = postcard::from_bytes(&blob(Some(fact))?).map_err(|_| fail::corrupt("floor"))?;
                Head { seq, chain }
            }
        };
        self.log.floor = Some(floor);
        Ok(floor)
    }

    /// Appends a commit, which must be the next one.
    pub(super) fn log_append(&mut self, commit: &NewCommit) -> Result<(), SqlError> {
        let sealed = &commit.sealed;
        if sealed.seq != self.log_head()?.seq.next() {
            return Err(fail::misuse("a commit out of order"));
        }
        let mut parts = sealed.bytes.chunks(PART_BYTES);
        let params = [
            stored(sealed.seq.0)?,
            Value::Blob(commit.chain.0.to_vec()),
            stored(u64::from(sealed.author.0))?,
            stored(sealed.device_seq.0)?,
            stored(u64::from(sealed.as_sent))?,
            stored(sealed.decided_at.0)?,
            stored(sealed.bytes.len() as u64)?,
            Value::Blob(parts.next().unwrap_or_default().to_vec()),
        ];
        self.sql.execute(
            "INSERT INTO _ebb_commit (seq,chain,author,device_seq,as_sent,decided_at,size,body)
             VALUES (?,?,?,?,?,?,?,?)",
            &params,
        )?;
        for (part, bytes) in (1..).zip(parts) {
            let params = [stored(sealed.seq.0)?, stored(part)?, Value::Blob(bytes.to_vec())];
            self.sql.execute("INSERT INTO _ebb_commit_part (seq,part,body) VALUES (?,?,?)", &params)?;
        }
        self.log.head = Some(Head { seq: sealed.seq, chain: commit.chain });
        self.log.page = None;
        Ok(())
    }

    /// Commits above `after`: at least one if there is one, then no more than about `max_bytes` or `max_count`.
    pub(super) fn log_page(
        &mut self,
        after: Seq,
        max_bytes: usize,
        max_count: usize,
    ) -> Result<Vec<SealedCommit>, SqlError> {
        let request = (after, max_bytes, max_count);
        if let Some((_, page)) = self.log.page.as_ref().filter(|(known, _)| *known == request) {
            return Ok(page.clone());
        }
        let page = self.read_page(request)?;
        self.log.page = Some((request, page.clone()));
        Ok(page)
    }

    fn read_page(&mut self, (after, max_bytes, max_count): PageRequest) -> Result<Vec<SealedCommit>, SqlError> {
        let Some(upto) = self.page_end(after, max_bytes, max_count)? else { return Ok(Vec::new()) };
        let rows = self.sql.query(
            "SELECT seq,author,device_seq,as_sent,decided_at,size,body FROM _ebb_commit
             WHERE seq>? AND seq<=? ORDER BY seq",
            &[stored(after.0)?, stored(upto.0)?],
        )?;
        rows.into_iter().map(|row| self.read_commit(row)).collect()
    }

    /// The last commit of a page, found without reading bodies.
    fn page_end(&mut self, after: Seq, max_bytes: usize, max_count: usize) -> Result<Option<Seq>, SqlError> {
        let Ok(after) = stored(after.0) else { return Ok(None) };
        let limit = stored(max_count.max(1) as u64)?;
        let rows =
            self.sql.query("SELECT seq,size FROM _ebb_commit WHERE seq>? ORDER BY seq LIMIT ?", &[after, limit])?;
        let (mut upto, mut total) = (None, 0);
        for row in rows {
            let mut cells = row.into_iter();
            let (seq, size) = (number(cells.next())?, number(cells.next())?);
            total += size;
            if upto.is_some() && total > max_bytes as u64 {
                break;
            }
            upto = Some(Seq(seq));
        }
        Ok(upto)
    }

    fn read_commit(&mut self, row: Row) -> Result<SealedCommit, SqlError> {
        let mut cells = row.into_iter();
        let seq = Seq(number(cells.next())?);
        let author = u32::try_from(number(cells.next())?).map_err(|_| fail::corrupt("author of a commit"))?;
        let device_seq = DeviceSeq(number(cells.next())?);
        let as_sent = number(cells.next())? == 1;
        let decided_at = Millis(number(cells.next())?);
        let size = number(cells.next())? as usize;
        let mut bytes = blob(cells.next())?;
        if bytes.len() < size {
            self.read_parts(seq, &mut bytes)?;
        }
        if bytes.len() != size {
            return Err(fail::corrupt("a part of a commit is missing"));
        }
        Ok(SealedCommit { seq, author: AuthorId(author), device_seq, as_sent, decided_at, bytes })
    }

    fn read_parts(&mut self, seq: Seq, bytes: &mut Vec<u8>) -> Result<(), SqlError> {
        let rows = self.sql.query("SELECT body FROM _ebb_commit_part WHERE seq=? ORDER BY part", &[stored(seq.0)?])?;
        for row in rows {
            bytes.extend(blob(row.into_iter().next())?);
        }
        Ok(())
    }
}
