//! The client session's store, over the local database: rows, records and the log.
//! It keeps and writes; what records mean and when rows are written is the session's business.
//! Implemented on a sync step, so that every call belongs to its one transaction.

mod ahead;
mod changesets;
pub(crate) mod kept;
mod lives;
pub(crate) mod queue;
mod records;
mod snapshot;
mod statements;
pub(crate) mod unknown;
mod waitlist;
mod write;

pub use waitlist::Waitlist;

pub(crate) use lives::{drop_transactions, opening};
pub(crate) use records::put_rejected;
pub(crate) use statements::Statements;
pub(crate) use write::read_row;

use crate::local::SyncStep;
use crate::local::log::{self, Select};
use crate::sql::SqlError;
use crate::sqlite::sql_error;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{LoggedChange, LoggedTransaction, RowId, Sealed};
use ebbtide_core::client::store::{
    ClientStore, DeviceState, Inherited, Kept, Progress, RejectedTransaction, SealedEntry, ServerRow, SnapshotState,
    StagedPart, Waiting,
};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Outcome, Receipt};
use ebbtide_core::conflict::{AuthorName, Conflict, ConflictId, OpenConflict, QueueChange};
use ebbtide_core::ids::{DeviceSeq, Incarnation, LogId, SchemaVersion, Seq, TableId};
use ebbtide_core::message::{HeldParts, Part};
use ebbtide_core::value::{Key, Value};
use ebbtide_core::version_map::Unknown;
use std::rc::Rc;

impl ClientStore for SyncStep<'_> {
    type Error = SqlError;

    fn catalogue(&self) -> Rc<Catalogue> {
        Rc::clone(&self.db.catalogue)
    }

    fn catalogue_of(&mut self, version: SchemaVersion) -> Result<Option<Rc<Catalogue>>, SqlError> {
        if let Some(known) = self.catalogues.iter().find(|known| known.version == version) {
            return Ok(Some(Rc::clone(known)));
        }
        let found = unknown::catalogue(&self.db.connection, version)?.map(Rc::new);
        self.catalogues.extend(found.clone());
        Ok(found)
    }

    fn put_catalogue(&mut self, catalogue: &Catalogue) -> Result<(), SqlError> {
        unknown::put_catalogue(&self.db.connection, catalogue)
    }

    fn keep_unknown(&mut self, unknown: &[Unknown]) -> Result<(), SqlError> {
        unknown::keep(&self.db.connection, unknown)
    }

    fn let_follow(&mut self, tables: &[TableId]) -> Result<(), SqlError> {
        self.unsaid.extend(tables.iter().copied());
        Ok(())
    }

    fn device(&mut self) -> Result<DeviceState, SqlError> {
        Ok(self.db.device.clone())
    }

    fn set_device(&mut self, state: &DeviceState) -> Result<(), SqlError> {
        self.db.device = state.clone();
        self.device_changed = true;
        Ok(())
    }

    fn observe(&mut self, seen: Stamp) -> Result<(), SqlError> {
        self.device_changed |= seen > self.db.clock.last();
        self.db.clock.observe(seen);
        Ok(())
    }

    fn mint(&mut self) -> Result<Incarnation, SqlError> {
        Ok(lives::mint(self.db.seed, self.db.device.incarnation))
    }

    fn reopen_log(&mut self, origin: Incarnation) -> Result<(), SqlError> {
        self.db.waitlist.forget_counts();
        lives::reopen_log(&self.db.connection, origin)
    }

    fn reopen_changeset(&mut self, device_seq: DeviceSeq, life: Incarnation) -> Result<(), SqlError> {
        self.db.waitlist.forget_counts();
        lives::reopen_changeset(&self.db.connection, device_seq, life)
    }

    fn reopen_apart(&mut self, device_seq: DeviceSeq) -> Result<(), SqlError> {
        self.db.waitlist.forget_counts();
        lives::reopen_apart(&self.db.connection, device_seq)
    }

    fn inherited(&mut self) -> Result<Vec<Inherited>, SqlError> {
        lives::inherited(&self.db.connection)
    }

    fn local_log(&mut self) -> Result<Vec<LogId>, SqlError> {
        lives::local(&self.db.connection)
    }

    fn adopt_local(&mut self) -> Result<(), SqlError> {
        self.device_changed = true;
        self.db.waitlist.forget_counts();
        lives::adopt_local(&self.db.connection)
    }

    fn ahead(&mut self) -> Result<Vec<LoggedTransaction>, SqlError> {
        log::read(&self.db.connection, Select::Ahead, |_| false)
    }

    fn release_ahead(&mut self, without: &[RowId]) -> Result<(), SqlError> {
        let made = self.ahead()?;
        // The log may have carried the clock's last reading.
        self.device_changed = true;
        self.db.waitlist.forget();
        ahead::release(&self.db.connection, &made, without)
    }

    fn lower_bases(&mut self, transactions: &[LogId], seq: Seq) -> Result<(), SqlError> {
        ahead::lower_bases(&self.db.connection, transactions, seq)
    }

    fn drop_transactions(&mut self, transactions: &[LogId]) -> Result<(), SqlError> {
        self.device_changed = true;
        self.db.waitlist.forget();
        lives::drop_transactions(&self.db.connection, transactions)
    }

    fn keep_sealed(&mut self, receipt: &Receipt) -> Result<(), SqlError> {
        let (life, now) = (self.db.device.incarnation, self.db.device.heard_at);
        kept::keep_sealed(&self.db.connection, life, receipt, now)
    }

    fn keep(&mut self, kept: &Kept) -> Result<(), SqlError> {
        kept::put(&self.db.connection, kept, self.db.device.heard_at)
    }

    fn take_kept(&mut self) -> Result<Vec<Kept>, SqlError> {
        kept::take(&self.db.connection)
    }

    fn prepend_log(&mut self, transactions: &[LoggedTransaction]) -> Result<(), SqlError> {
        self.db.waitlist.forget();
        lives::prepend_log(&self.db.connection, transactions)
    }

    fn begin_other_history(&mut self) -> Result<(), SqlError> {
        queue::begin_era(&self.db.connection)
    }

    fn clamp_bases(&mut self, fork: Seq) -> Result<(), SqlError> {
        self.db.waitlist.forget_counts();
        lives::clamp_bases(&self.db.connection, fork)
    }

    fn snapshot(&mut self) -> Result<Option<SnapshotState>, SqlError> {
        snapshot::state(&self.db.connection)
    }

    fn set_snapshot(&mut self, state: &SnapshotState) -> Result<(), SqlError> {
        snapshot::set_state(&self.db.connection, state)
    }

    fn stage(&mut self, part: &StagedPart) -> Result<(), SqlError> {
        snapshot::stage(&self.db.connection, part)
    }

    fn staged_after(&mut self, number: i64) -> Result<Option<(i64, StagedPart)>, SqlError> {
        snapshot::staged_after(&self.db.connection, number)
    }

    fn drop_snapshot(&mut self) -> Result<(), SqlError> {
        snapshot::drop_all(&self.db.connection)
    }

    fn keys(&mut self, table: TableId, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, SqlError> {
        snapshot::keys(&self.db.connection, self.db.statements.table(table), after, limit)
    }

    fn forget_view(&mut self) -> Result<(), SqlError> {
        self.db.waitlist.forget_blocked();
        execute(&self.db.connection, "DELETE FROM _ebb_server_row", [])?;
        execute(&self.db.connection, "DELETE FROM _ebb_unknown", [])?;
        execute(&self.db.connection, "DELETE FROM _ebb_blocked", []).map(drop)
    }

    fn waiting(&mut self) -> Result<Waiting, SqlError> {
        self.db.waitlist.counts(&self.db.connection)
    }

    fn unsealed(&mut self, max_bytes: usize, max_count: usize) -> Result<Vec<LoggedTransaction>, SqlError> {
        let (mut bytes, mut count) = (0_usize, 0_usize);
        log::read(&self.db.connection, Select::Unsealed, |size| {
            bytes = bytes.saturating_add(size);
            count += 1;
            bytes >= max_bytes || count >= max_count
        })
    }

    fn unsealed_since(&mut self, seq: Seq) -> Result<Vec<LoggedTransaction>, SqlError> {
        log::read(&self.db.connection, Select::UnsealedSince(seq), |_| false)
    }

    fn sealed_log(&mut self, only: Option<DeviceSeq>) -> Result<Vec<LoggedTransaction>, SqlError> {
        log::read(&self.db.connection, only.map_or(Select::Sealed, Select::Changeset), |_| false)
    }

    fn put_sealed(&mut self, sealed: &Sealed, transactions: u32, upto: LogId) -> Result<(), SqlError> {
        self.db.waitlist.forget_counts();
        changesets::put(&self.db.connection, sealed, transactions, upto, self.db.catalogue.version)
    }

    fn sealed(&mut self) -> Result<Vec<SealedEntry>, SqlError> {
        changesets::all(&self.db.connection)
    }

    fn sealed_bytes(&mut self, device_seq: DeviceSeq) -> Result<Vec<u8>, SqlError> {
        changesets::bytes(&self.db.connection, device_seq)
    }

    fn set_progress(&mut self, device_seq: DeviceSeq, progress: Progress) -> Result<(), SqlError> {
        changesets::set_progress(&self.db.connection, device_seq, progress)
    }

    fn put_receipt(&mut self, receipt: &Receipt) -> Result<(), SqlError> {
        changesets::put_receipt(&self.db.connection, receipt)
    }

    fn drop_sealed(&mut self, device_seq: DeviceSeq) -> Result<(), SqlError> {
        // The log carried the clock's last readings; the device's record must, from now on.
        self.device_changed = true;
        let gone = if self.db.waitlist.is_indexed() { self.sealed_log(Some(device_seq))? } else { Vec::new() };
        let last = changesets::drop(&self.db.connection, device_seq)?;
        self.db.waitlist.remove(&gone, last);
        self.db.waitlist.forget_blocked();
        Ok(())
    }

    fn put_rejected(&mut self, rejected: &RejectedTransaction) -> Result<(), SqlError> {
        self.db.waitlist.forget_counts();
        records::put_rejected(&self.db.connection, rejected, self.db.catalogue.version)
    }

    fn put_conflicts(&mut self, seq: Seq, conflicts: &[Conflict]) -> Result<(), SqlError> {
        records::put_conflicts(&self.db.connection, seq, conflicts, self.db.catalogue.version)
    }

    fn open_conflict(&mut self, id: ConflictId) -> Result<Option<OpenConflict>, SqlError> {
        queue::find(&self.db.connection, id, &self.db.catalogue)
    }

    fn change_queue(&mut self, changes: &[QueueChange]) -> Result<(), SqlError> {
        self.db.waitlist.forget_counts();
        changes.iter().try_for_each(|change| queue::change(&self.db.connection, change, &self.db.catalogue))
    }

    fn replace_queue(&mut self, open: &[OpenConflict]) -> Result<(), SqlError> {
        self.db.waitlist.forget_counts();
        queue::replace(&self.db.connection, open, &self.db.catalogue)
    }

    fn put_authors(&mut self, authors: &[AuthorName]) -> Result<(), SqlError> {
        authors.iter().try_for_each(|author| queue::put_author(&self.db.connection, author))
    }

    fn pending_changes(&mut self, rows: &[RowId]) -> Result<Vec<Vec<(LogId, LoggedChange)>>, SqlError> {
        self.db.waitlist.pending(&self.db.connection, rows)
    }

    fn keeps_server_rows(&mut self) -> Result<bool, SqlError> {
        records::keeps_server_rows(&self.db.connection)
    }

    fn kept_rows(&mut self) -> Result<Vec<RowId>, SqlError> {
        records::kept_rows(&self.db.connection)
    }

    fn server_row(&mut self, row: &RowId) -> Result<ServerRow, SqlError> {
        records::server_row(&self.db.connection, row)
    }

    fn set_server_row(&mut self, row: &RowId, server: ServerRow) -> Result<(), SqlError> {
        records::set_server_row(&self.db.connection, row, &server)
    }

    fn row(&mut self, row: &RowId) -> Result<Option<Vec<Value>>, SqlError> {
        let statements = self.db.statements.table(row.table);
        write::read_row(&self.db.connection, statements, row).map_err(|error| sql_error(&error, &statements.row))
    }

    fn write(&mut self, outcomes: &[Outcome]) -> Result<(), SqlError> {
        self.write_rows(outcomes)
    }

    fn try_write(&mut self, outcomes: &[Outcome]) -> Result<bool, SqlError> {
        self.try_write_rows(outcomes)
    }

    fn blocked(&mut self) -> Result<Vec<LogId>, SqlError> {
        Ok(self.db.waitlist.blocked(&self.db.connection)?.iter().copied().collect())
    }

    fn set_blocked(&mut self, transactions: &[LogId]) -> Result<(), SqlError> {
        self.db.waitlist.forget_blocked();
        records::set_blocked(&self.db.connection, transactions)
    }

    fn put_part(&mut self, part: &Part) -> Result<(), SqlError> {
        records::put_part(&self.db.connection, part)
    }

    fn held_parts(&mut self) -> Result<Option<HeldParts>, SqlError> {
        records::held_parts(&self.db.connection)
    }

    fn take_parts(&mut self, seq: Seq, count: u32) -> Result<Option<Vec<u8>>, SqlError> {
        records::take_parts(&self.db.connection, seq, count)
    }
}

/// Runs one of our own statements that answers no rows.
fn execute(connection: &rusqlite::Connection, sql: &str, params: impl rusqlite::Params) -> Result<usize, SqlError> {
    let run = || connection.prepare_cached(sql)?.execute(params);
    run().map_err(|error| sql_error(&error, sql))
}

/// Packs one of our own records.
fn packed<T: serde::Serialize>(record: &T, sql: &str) -> Result<Vec<u8>, SqlError> {
    postcard::to_allocvec(record).map_err(|error| sql_error(&log::damaged(error), sql))
}
