//! Verdicts on changesets: kept whole until the device confirms them, then without the list of what was refused.
//! It does not judge whether a number is due. The session calls it through `port`.

use super::event::SpaceStore;
use super::fail;
use super::values::{array, blob, stored};
use crate::sql::{Row, Sql, SqlError};
use ebbtide_core::commit::{Decided, Receipt, Rejection};
use ebbtide_core::ids::{AuthorId, DeviceSeq, Hash};
use ebbtide_core::server::store::DecidedTransactions;
use ebbtide_core::value::Value;

impl<S: Sql + Clone> SpaceStore<S> {
    /// The verdict on a number, if it is decided.
    pub(super) fn find_decided(
        &mut self,
        author: AuthorId,
        device_seq: DeviceSeq,
    ) -> Result<Option<Decided>, SqlError> {
        let params = [stored(u64::from(author.0))?, stored(device_seq.0)?];
        let rows = self
            .sql
            .query("SELECT hash,receipt,rejected FROM _ebb_decided WHERE author=? AND device_seq=?", &params)?;
        rows.into_iter().next().map(read).transpose()
    }

    /// Stores a verdict and drops what was staged under its number.
    pub(super) fn insert_decided(
        &mut self,
        author: AuthorId,
        decided: &Decided,
        transactions: &DecidedTransactions,
    ) -> Result<(), SqlError> {
        let mut receipt = decided.receipt.clone();
        let rejected = std::mem::take(&mut receipt.rejected);
        let ids = self.packed_ids(author, transactions)?;
        let params = [
            stored(u64::from(author.0))?,
            stored(receipt.device_seq.0)?,
            Value::Blob(decided.hash.0.to_vec()),
            receipt.seq.map_or(Ok(Value::Null), |seq| stored(seq.0))?,
            Value::Blob(packed(&receipt)?),
            if rejected.is_empty() { Value::Null } else { Value::Blob(packed(&rejected)?) },
            transactions.origin.map_or(Value::Null, |origin| Value::Blob(origin.0.to_vec())),
            ids,
        ];
        self.sql.execute(
            "INSERT INTO _ebb_decided (author,device_seq,hash,seq,receipt,rejected,origin,ids)
             VALUES (?,?,?,?,?,?,?,?)",
            &params,
        )?;
        self.delete_stage(author, receipt.device_seq)
    }

    /// Forgets what was refused up to a confirmed number.
    pub(super) fn forget_rejected(&mut self, author: AuthorId, upto: DeviceSeq) -> Result<(), SqlError> {
        let params = [stored(u64::from(author.0))?, stored(upto.0)?];
        self.sql.execute(
            "UPDATE _ebb_decided SET rejected=NULL WHERE author=? AND device_seq<=? AND rejected IS NOT NULL",
            &params,
        )?;
        Ok(())
    }
}

pub(super) fn packed<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, SqlError> {
    postcard::to_allocvec(value).map_err(|_| fail::misuse("a receipt that cannot be packed"))
}

fn read(row: Row) -> Result<Decided, SqlError> {
    let damaged = |_| fail::corrupt("receipt");
    let mut cells = row.into_iter();
    let hash = Hash(array(cells.next())?);
    let mut receipt: Receipt = postcard::from_bytes(&blob(cells.next())?).map_err(damaged)?;
    receipt.rejected = match cells.next() {
        Some(Value::Null) => Vec::new(),
        cell => postcard::from_bytes::<Vec<Rejection>>(&blob(cell)?).map_err(damaged)?,
    };
    Ok(Decided { hash, receipt })
}
