//! What waits in the log, by row and by count, kept in memory and built only when somebody asks.
//! It follows the log: capture says that it grew, the client store what it took away.
//! Owned by the local database.

use crate::local::log::{self, Made, Select};
use crate::sql::SqlError;
use crate::sqlite::sql_error;
use ebbtide_core::change::{LoggedChange, LoggedMutation, LoggedTransaction, RowId};
use ebbtide_core::client::store::Waiting;
use ebbtide_core::ids::LogId;
use ebbtide_core::sorted::SortedSet;
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};

/// See the file's header.
#[derive(Debug, Default)]
pub struct Waitlist {
    counts: Option<Waiting>,
    index: Option<Index>,
    blocked: Option<SortedSet<LogId>>,
}

#[derive(Debug, Default)]
struct Index {
    /// Everything up to here is in it.
    upto: LogId,
    rows: HashMap<RowId, Vec<(LogId, LoggedMutation)>>,
}

const COUNT: &str = "SELECT (SELECT count(*) FROM _ebb_log),
    (SELECT count(*) FROM _ebb_log WHERE id > ifnull((SELECT max(log_upto) FROM _ebb_changeset), 0)),
    (SELECT count(*) FROM _ebb_log WHERE local),
    (SELECT count(*) FROM _ebb_blocked), (SELECT count(*) FROM _ebb_rejected),
    (SELECT count(*) FROM _ebb_queue AS q WHERE NOT EXISTS (SELECT 1 FROM _ebb_resolution AS r
      WHERE r.seq = q.seq AND r.idx = q.idx AND r.log NOT IN (SELECT log FROM _ebb_blocked)))";

impl Waitlist {
    /// A local transaction was logged.
    pub(crate) fn note_commit(&mut self, made: Made) {
        if let Some(counts) = &mut self.counts {
            counts.pending += 1;
            counts.unsealed += 1;
            counts.local += u32::from(made == Made::Apart);
        }
    }

    /// Something else about the counts has changed.
    pub(crate) fn forget_counts(&mut self) {
        self.counts = None;
    }

    /// A step was taken back: what it did to the memory is unknown.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The blocked transactions have changed.
    pub(crate) fn forget_blocked(&mut self) {
        self.blocked = None;
        self.counts = None;
    }

    pub(crate) fn counts(&mut self, connection: &Connection) -> Result<Waiting, SqlError> {
        if let Some(counts) = self.counts {
            return Ok(counts);
        }
        let count = || {
            connection.prepare_cached(COUNT)?.query_row([], |row| {
                Ok(Waiting {
                    pending: row.get(0)?,
                    unsealed: row.get(1)?,
                    local: row.get(2)?,
                    blocked: row.get(3)?,
                    rejected: row.get(4)?,
                    conflicts: row.get(5)?,
                })
            })
        };
        let counts = count().map_err(|error| sql_error(&error, COUNT))?;
        self.counts = Some(counts);
        Ok(counts)
    }

    pub(crate) fn blocked(&mut self, connection: &Connection) -> Result<&SortedSet<LogId>, SqlError> {
        if self.blocked.is_none() {
            let sql = "SELECT log FROM _ebb_blocked ORDER BY log";
            let read = || -> rusqlite::Result<SortedSet<LogId>> {
                let mut statement = connection.prepare_cached(sql)?;
                statement.query_map([], |row| row.get(0).map(LogId))?.collect()
            };
            self.blocked = Some(read().map_err(|error| sql_error(&error, sql))?);
        }
        Ok(self.blocked.get_or_insert_default())
    }

    /// The waiting changes of each row, without those of blocked transactions.
    pub(crate) fn pending(
        &mut self,
        connection: &Connection,
        rows: &[RowId],
    ) -> Result<Vec<Vec<(LogId, LoggedChange)>>, SqlError> {
        if self.counts(connection)?.pending == 0 {
            return Ok(vec![Vec::new(); rows.len()]);
        }
        self.catch_up(connection)?;
        self.blocked(connection)?;
        let (index, blocked) = (self.index.get_or_insert_default(), self.blocked.get_or_insert_default());
        let changes = |row: &RowId| {
            let found = index.rows.get(row).map(Vec::as_slice).unwrap_or_default();
            let visible = found.iter().filter(|(id, _)| !blocked.contains(id));
            visible.map(|(id, m)| (*id, LoggedChange { row: row.clone(), mutation: m.clone() })).collect()
        };
        Ok(rows.iter().map(changes).collect())
    }

    fn catch_up(&mut self, connection: &Connection) -> Result<(), SqlError> {
        let index = self.index.get_or_insert_default();
        for transaction in log::read(connection, Select::After(index.upto), |_| false)? {
            for change in transaction.changes {
                index.rows.entry(change.row).or_default().push((transaction.id, change.mutation));
            }
            index.upto = transaction.id;
        }
        Ok(())
    }

    /// Whether rows are in memory, so that leaving transactions have to be named.
    pub(crate) fn is_indexed(&self) -> bool {
        self.index.is_some()
    }

    /// These transactions, in log order, have left the log, which now ends at `last`.
    pub(crate) fn remove(&mut self, gone: &[LoggedTransaction], last: LogId) {
        self.counts = None;
        let Some(index) = &mut self.index else { return };
        let has_left = |(id, _): &(LogId, LoggedMutation)| gone.binary_search_by_key(id, |one| one.id).is_ok();
        let rows: HashSet<&RowId> = gone.iter().flat_map(|one| &one.changes).map(|change| &change.row).collect();
        // Once for each row: a single one may have been written by all of them.
        for row in rows {
            if let Some(waiting) = index.rows.get_mut(row) {
                waiting.retain(|one| !has_left(one));
                if waiting.is_empty() {
                    index.rows.remove(row);
                }
            }
        }
        // SQLite gives the ids above the last row out again.
        index.upto = index.upto.min(last);
    }
}
