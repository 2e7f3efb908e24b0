//! The ids of decided transactions: kept with their verdicts, found again by who captured them.
//! A life's own verdicts are read from the newest backwards, as far as its clock reaches; what it sent a second time has an index.
//! The session calls it through `port`.

use super::event::SpaceStore;
use super::fail;
use super::receipts::packed;
use super::values::{blob, number, stored};
use crate::sql::{Sql, SqlError};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::Reason;
use ebbtide_core::ids::{AuthorId, Incarnation, Opening};
use ebbtide_core::server::store::{DecidedTransactions, Fate};
use ebbtide_core::value::Value;
use std::collections::BTreeMap;

/// Verdicts read at once: some tens of kilobytes.
const BATCH: u64 = 200;

type Ids = (Opening, Vec<Stamp>, Vec<(Stamp, Reason)>);
type Fates = BTreeMap<Stamp, Fate>;

/// Stamps, ascending, within a run of the database.
#[derive(Clone, Copy)]
struct Asked<'a> {
    opening: Opening,
    stamps: &'a [Stamp],
}

/// Nothing for a number that was given up.
pub(super) fn packed_ids(transactions: &DecidedTransactions) -> Result<Value, SqlError> {
    let DecidedTransactions { opening, accepted, rejected, .. } = transactions;
    match accepted.is_empty() && rejected.is_empty() {
        true => Ok(Value::Null),
        false => Ok(Value::Blob(packed(&(opening, accepted, rejected))?)),
    }
}

impl<S: Sql + Clone> SpaceStore<S> {
    /// Those of the transactions captured in one run of one life that are decided. Stamps ascend.
    pub(super) fn find_fates(
        &mut self,
        origin: Incarnation,
        opening: Opening,
        stamps: &[Stamp],
    ) -> Result<Fates, SqlError> {
        let mut fates = Fates::new();
        if stamps.is_empty() {
            return Ok(fates);
        }
        let asked = Asked { opening, stamps };
        if let Some(author) = self.find_author(origin)? {
            self.fates_of_author(author.id, asked, &mut fates)?;
        }
        self.fates_of_later_lives(origin, asked, &mut fates)?;
        Ok(fates)
    }

    /// Those of them that came with a later life. Stamps ascend.
    pub(super) fn find_brought_back(
        &mut self,
        origin: Incarnation,
        opening: Opening,
        stamps: &[Stamp],
    ) -> Result<Fates, SqlError> {
        let mut fates = Fates::new();
        self.fates_of_later_lives(origin, Asked { opening, stamps }, &mut fates)?;
        Ok(fates)
    }

    fn fates_of_later_lives(
        &mut self,
        origin: Incarnation,
        asked: Asked<'_>,
        fates: &mut Fates,
    ) -> Result<(), SqlError> {
        let origin = [Value::Blob(origin.0.to_vec())];
        for row in self.sql.query("SELECT ids FROM _ebb_decided WHERE origin=? AND ids IS NOT NULL", &origin)? {
            note(&read(row.into_iter().next())?, asked, fates);
        }
        Ok(())
    }

    /// A life's own numbers follow its clock, so what lies before the oldest id asked for cannot hold one.
    fn fates_of_author(&mut self, author: AuthorId, asked: Asked<'_>, fates: &mut Fates) -> Result<(), SqlError> {
        let mut below = Value::Integer(super::limits::EXACT_DOUBLE);
        loop {
            let rows = self.sql.query(
                "SELECT device_seq,ids FROM _ebb_decided WHERE author=? AND device_seq<? AND ids IS NOT NULL
                 AND origin IS NULL ORDER BY device_seq DESC LIMIT ?",
                &[stored(u64::from(author.0))?, below, stored(BATCH)?],
            )?;
            let Some(last) = rows.last() else { return Ok(()) };
            below = stored(number(last.first().cloned())?)?;
            for row in rows {
                let ids = read(row.into_iter().nth(1))?;
                note(&ids, asked, fates);
                if asked.stamps.first().is_some_and(|oldest| newest(&ids) < *oldest) {
                    return Ok(());
                }
            }
        }
    }
}

fn read(cell: Option<Value>) -> Result<Ids, SqlError> {
    postcard::from_bytes(&blob(cell)?).map_err(|_| fail::corrupt("ids of decided transactions"))
}

fn note((opening, accepted, rejected): &Ids, asked: Asked<'_>, fates: &mut Fates) {
    let wanted = |stamp: &Stamp| *opening == asked.opening && asked.stamps.binary_search(stamp).is_ok();
    for (stamp, reason) in rejected.iter().filter(|(stamp, _)| wanted(stamp)) {
        fates.entry(*stamp).or_insert(Fate::Rejected(*reason));
    }
    fates.extend(accepted.iter().filter(|stamp| wanted(stamp)).map(|stamp| (*stamp, Fate::Accepted)));
}

fn newest((_, accepted, rejected): &Ids) -> Stamp {
    let refused = rejected.iter().map(|(stamp, _)| *stamp).max();
    accepted.iter().copied().max().max(refused).unwrap_or_default()
}
