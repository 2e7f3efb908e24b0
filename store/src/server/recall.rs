//! The ids of decided transactions: kept with their verdicts, found again by who captured them.
//! A life's own verdicts are read from the newest backwards, as far as the ids reach; what it sent a second time has an index.
//! The session calls it through `port`.

use super::event::SpaceStore;
use super::fail;
use super::limits::EXACT_DOUBLE;
use super::receipts::packed;
use super::values::{blob, number, stored};
use crate::sql::{Row, Sql, SqlError};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::Reason;
use ebbtide_core::ids::{AuthorId, Incarnation, Opening};
use ebbtide_core::server::store::{DecidedTransactions, Fate};
use ebbtide_core::value::Value;
use std::collections::BTreeMap;

/// Verdicts read at once: some tens of kilobytes.
const BATCH: u64 = 200;

/// The ids of one number, and of all those up to it the newest: what a device gave up and sealed again comes late, with early ids.
type Ids = (Opening, Vec<Stamp>, Vec<(Stamp, Reason)>, Stamp);
type Fates = BTreeMap<Stamp, Fate>;

/// Stamps, ascending, within a run of the database.
#[derive(Clone, Copy)]
struct Asked<'a> {
    opening: Opening,
    stamps: &'a [Stamp],
}

impl<S: Sql + Clone> SpaceStore<S> {
    /// What is kept with the next verdict of an author. Nothing for a number that was given up.
    pub(super) fn packed_ids(
        &mut self,
        author: AuthorId,
        transactions: &DecidedTransactions,
    ) -> Result<Value, SqlError> {
        let DecidedTransactions { origin, opening, accepted, rejected } = transactions;
        let here = accepted.iter().copied().chain(rejected.iter().map(|(stamp, _)| *stamp)).max();
        let Some(newest) = here else { return Ok(Value::Null) };
        let reach = match origin {
            None => self.own_ids(author, EXACT_DOUBLE as u64, 1)?.pop().map_or(newest, |(_, ids)| newest.max(ids.3)),
            Some(_) => newest,
        };
        Ok(Value::Blob(packed(&(opening, accepted, rejected, reach))?))
    }

    /// What a life's own numbers decided, from the newest below one backwards.
    fn own_ids(&mut self, author: AuthorId, below: u64, limit: u64) -> Result<Vec<(u64, Ids)>, SqlError> {
        let rows = self.sql.query(
            "SELECT device_seq,ids FROM _ebb_decided WHERE author=? AND device_seq<? AND ids IS NOT NULL
             AND origin IS NULL ORDER BY device_seq DESC LIMIT ?",
            &[stored(u64::from(author.0))?, stored(below)?, stored(limit)?],
        )?;
        let of = |row: Row| {
            let mut cells = row.into_iter();
            Ok((number(cells.next())?, read(cells.next())?))
        };
        rows.into_iter().map(of).collect()
    }

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

    /// A life's own numbers, as far back as some number up to them reaches the oldest id asked for.
    fn fates_of_author(&mut self, author: AuthorId, asked: Asked<'_>, fates: &mut Fates) -> Result<(), SqlError> {
        let mut below = EXACT_DOUBLE as u64;
        loop {
            let numbers = self.own_ids(author, below, BATCH)?;
            let Some((last, _)) = numbers.last() else { return Ok(()) };
            below = *last;
            for (_, ids) in &numbers {
                if asked.stamps.first().is_some_and(|oldest| ids.3 < *oldest) {
                    return Ok(());
                }
                note(ids, asked, fates);
            }
        }
    }
}

fn read(cell: Option<Value>) -> Result<Ids, SqlError> {
    postcard::from_bytes(&blob(cell)?).map_err(|_| fail::corrupt("ids of decided transactions"))
}

fn note((opening, accepted, rejected, _): &Ids, asked: Asked<'_>, fates: &mut Fates) {
    let wanted = |stamp: &Stamp| *opening == asked.opening && asked.stamps.binary_search(stamp).is_ok();
    for (stamp, reason) in rejected.iter().filter(|(stamp, _)| wanted(stamp)) {
        fates.entry(*stamp).or_insert(Fate::Rejected(*reason));
    }
    fates.extend(accepted.iter().filter(|stamp| wanted(stamp)).map(|stamp| (*stamp, Fate::Accepted)));
}
