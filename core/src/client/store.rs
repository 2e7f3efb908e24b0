//! What the client session asks of the local database.
//! It speaks of rows, logs and changesets, never of SQL; every call belongs to the transaction that the adapter holds open.
//! Implemented once, over rusqlite, by `store`.

use super::belonging::SpaceName;
use crate::catalogue::Catalogue;
use crate::change::{LoggedChange, LoggedTransaction, RowId, Sealed};
use crate::clock::Stamp;
use crate::commit::{Outcome, Reason, Receipt};
use crate::conflict::{AuthorName, Conflict, ConflictId, OpenConflict, QueueChange, Resolution};
use crate::ids::{
    AuthorId, ChainHash, Cursor, DeviceSeq, Hash, Incarnation, LogId, Millis, Opening, SchemaVersion, Seq, TableId,
};
use crate::limits::{KEPT_STEP_MS, TRAIL_POINTS};
use crate::message::{HeldParts, Part, Token};
use crate::value::{Key, Value};
use crate::version_map::Unknown;
use alloc::{rc::Rc, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// What a device remembers of itself; one record, written as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceState {
    /// The space that it belongs to, once welcomed.
    pub space: Option<SpaceName>,
    /// This life of the database.
    pub incarnation: Incarnation,
    /// The life before, until the server knows of the change.
    pub previous: Option<Incarnation>,
    /// The server's short name for it, once welcomed.
    pub author: Option<AuthorId>,
    /// Up to where everything is applied.
    pub cursor: Cursor,
    /// The number that the next sealed changeset gets.
    pub next_device_seq: DeviceSeq,
    /// The last own number whose receipt is known, with the hash of its bytes.
    pub last_decided: Option<(DeviceSeq, Hash)>,
    /// Receipts up to this number are applied.
    pub applied_receipt: DeviceSeq,
    /// The schema version of the space's rows at the cursor, as far as is known.
    pub space_schema: SchemaVersion,
    /// A new life has begun, and the space was not yet asked which waiting transactions of earlier ones are decided.
    /// Nothing is sealed until it has answered.
    pub recovering: bool,
    /// Nothing more is applied until every row was replaced by a snapshot; and why.
    pub rebuild: Option<Rebuild>,
    /// The version of the last snapshot, where that left out tables which this device keeps.
    pub left_out: Option<SchemaVersion>,
    /// Some cursors where this database has been, ascending, with their chain hashes; closer together towards the end.
    pub trail: Vec<(Seq, ChainHash)>,
    /// The space's time as far as it counts for the age of what is kept; 0 before the first welcome. The device's own clock may be
    /// anywhere, and once it was ahead it stays there.
    pub heard_at: Millis,
    /// What the space said last that the time was.
    pub told_at: Millis,
}

impl DeviceState {
    /// The space says what time it is.
    pub fn hear(&mut self, now: Millis) {
        let passed_ms = now.0.saturating_sub(self.told_at.0).min(KEPT_STEP_MS);
        self.heard_at = if self.told_at == Millis(0) { now } else { Millis(self.heard_at.0.saturating_add(passed_ms)) };
        self.told_at = now;
    }

    /// Everything up to `cursor` is applied.
    pub fn move_cursor(&mut self, cursor: Cursor) {
        self.cursor = cursor;
        self.trail.pop_if(|(seq, _)| *seq >= cursor.seq);
        self.trail.push((cursor.seq, cursor.chain));
        if self.trail.len() > TRAIL_POINTS {
            self.trail.remove(most_superfluous(&self.trail));
        }
    }

    /// What this database went through beyond a commit is of a history that is lost.
    pub fn forget_trail_above(&mut self, fork: Seq) {
        self.trail.retain(|(seq, _)| *seq <= fork);
    }
}

/// The inner point whose neighbours are nearest to each other, measured by how far back they lie.
fn most_superfluous(trail: &[(Seq, ChainHash)]) -> usize {
    let newest = trail.last().map_or(0, |(seq, _)| seq.0);
    let weight = |at: usize| {
        let gap = u128::from(trail[at + 1].0.0.saturating_sub(trail[at - 1].0.0));
        (gap << 32) / u128::from(newest.saturating_sub(trail[at].0.0) + 1)
    };
    (1..trail.len() - 1).min_by_key(|at| weight(*at)).unwrap_or(0)
}

/// Why the rows of a database must be replaced by a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rebuild {
    /// The history since its cursor is pruned or too long, or could not be applied.
    Behind,
    /// The space has another history at its cursor.
    OtherHistory,
}

/// How far the fetching of a snapshot has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotState {
    /// For the next page.
    pub token: Token,
    /// Whether all pages are there.
    pub complete: bool,
    /// Commits up to here are staged with the pages.
    pub upto: Cursor,
}

/// A piece of a snapshot on its way in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StagedPart {
    /// A page: an encoded commit of rows.
    Page(Vec<u8>),
    /// The last page, which has the queue of open conflicts as well.
    LastPage(Vec<u8>),
    /// A commit that came after the pages were begun, encoded.
    Commit(Seq, Vec<u8>),
}

/// A changeset that is in the history, kept in case the space is set back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The life that sent it.
    pub life: Incarnation,
    /// Its number in that life.
    pub device_seq: DeviceSeq,
    /// Positions of the transactions that were refused.
    pub refused: Vec<u32>,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
}

/// A waiting transaction of an earlier life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inherited {
    /// The life that captured it.
    pub origin: Incarnation,
    /// The run of the database in that life.
    pub opening: Opening,
    /// Its id within that run.
    pub stamp: Stamp,
    /// Its place in the log.
    pub id: LogId,
}

/// How far a sealed changeset has come. It is `applied` when its record is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Its bytes exist here.
    Sealed,
    /// The server has some of its chunks; `next_chunk` is the first that it lacks.
    Staging {
        /// The first missing chunk.
        next_chunk: u32,
    },
    /// The server has the whole.
    Staged,
    /// The server voted for it.
    Prepared,
    /// The receipt is here.
    Committed,
}

/// A sealed changeset without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedEntry {
    /// Its number.
    pub device_seq: DeviceSeq,
    /// Hash of its bytes.
    pub hash: Hash,
    /// Length of its bytes.
    pub total_bytes: usize,
    /// How many transactions it holds.
    pub transactions: u32,
    /// The schema version under which it was sealed.
    pub schema: SchemaVersion,
    /// How far it has come.
    pub progress: Progress,
    /// The verdict, once known.
    pub receipt: Option<Receipt>,
}

/// A transaction that the space refused, as the app will see it listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedTransaction {
    /// With the incarnation, its identity.
    pub stamp: Stamp,
    /// The changeset that carried it.
    pub device_seq: DeviceSeq,
    /// Why.
    pub reason: Reason,
    /// What and where.
    pub detail: String,
    /// What it wanted.
    pub changes: Vec<LoggedChange>,
    /// The open conflicts that it was to resolve.
    pub resolutions: Vec<Resolution>,
}

/// The row as the server has it, where local changes hide it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerRow {
    /// Not kept separately: it is the visible row with the pending changes taken back.
    Derived,
    /// Kept: the non-key values, or `None` if the server has no such row.
    Kept(Option<Vec<Value>>),
}

/// How much is waiting, for the status that applications see. Transactions, not rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Committed here, not yet applied as decided.
    pub pending: u32,
    /// Of these, not yet sealed.
    pub unsealed: u32,
    /// Of these, made before the database or their table was kept in step, and not yet decided about.
    pub local: u32,
    /// Of the pending ones, taken out of the view because they collide with what the space decided.
    pub blocked: u32,
    /// Listed as rejected.
    pub rejected: u32,
    /// Conflicts that wait for a person, without those that a waiting transaction resolves.
    pub conflicts: u32,
}

/// The local database, inside one transaction.
pub trait ClientStore {
    /// A storage error; the transaction is then rolled back by the adapter.
    type Error;

    /// The synced tables of the present schema.
    fn catalogue(&self) -> Rc<Catalogue>;

    /// The synced tables of another schema version, if this device knows it.
    fn catalogue_of(&mut self, version: SchemaVersion) -> Result<Option<Rc<Catalogue>>, Self::Error>;

    /// Remembers the synced tables of another schema version.
    fn put_catalogue(&mut self, catalogue: &Catalogue) -> Result<(), Self::Error>;

    /// Keeps cells that this version has no place for, until a migration makes one.
    fn keep_unknown(&mut self, unknown: &[Unknown]) -> Result<(), Self::Error>;

    /// The space says nothing of these tables: their rows follow, by their foreign keys, what goes in this step.
    fn let_follow(&mut self, tables: &[TableId]) -> Result<(), Self::Error>;

    /// The device's record.
    fn device(&mut self) -> Result<DeviceState, Self::Error>;

    /// Replaces the device's record.
    fn set_device(&mut self, state: &DeviceState) -> Result<(), Self::Error>;

    /// Moves the device's persisted clock past a foreign stamp.
    fn observe(&mut self, seen: Stamp) -> Result<(), Self::Error>;

    /// An incarnation that nobody has had. The randomness is the adapter's.
    fn mint(&mut self) -> Result<Incarnation, Self::Error>;

    /// Makes every sealed changeset open log again, and notes on waiting transactions that have no origin that it is this one.
    fn reopen_log(&mut self, origin: Incarnation) -> Result<(), Self::Error>;

    /// Makes one sealed changeset open log again; nothing may be sealed above it. Its transactions keep their ids: they were sealed
    /// before, in this life or the one they say.
    fn reopen_changeset(&mut self, device_seq: DeviceSeq, life: Incarnation) -> Result<(), Self::Error>;

    /// Makes one sealed changeset open log again, whose transactions the space takes only one by one; nothing may be sealed above it.
    fn reopen_apart(&mut self, device_seq: DeviceSeq) -> Result<(), Self::Error>;

    /// The waiting transactions of earlier lives, ascending.
    fn inherited(&mut self) -> Result<Vec<Inherited>, Self::Error>;

    /// The waiting transactions that were made before the database, or their table, was kept in step, ascending.
    fn local_log(&mut self) -> Result<Vec<LogId>, Self::Error>;

    /// From here on those are as all others.
    fn adopt_local(&mut self) -> Result<(), Self::Error>;

    /// What migrations made here ahead of the space of rows that were on their way there, in log order.
    fn ahead(&mut self) -> Result<Vec<LoggedTransaction>, Self::Error>;

    /// From here on those are as all others, without their changes of some rows. The rows are not touched: the caller brings them in line.
    fn release_ahead(&mut self, without: &[RowId]) -> Result<(), Self::Error>;

    /// What these waiting transactions claim to have seen where they hide what is pulled ends at a commit; where one was lowered before, at the earlier.
    fn lower_bases(&mut self, transactions: &[LogId], seq: Seq) -> Result<(), Self::Error>;

    /// Removes waiting transactions that are not sealed. The rows are not touched: the caller brings them in line.
    fn drop_transactions(&mut self, transactions: &[LogId]) -> Result<(), Self::Error>;

    /// Keeps the bytes of an accepted changeset that is about to be dropped, for `limits::KEPT_MS` and within `limits::KEPT_BYTES`.
    fn keep_sealed(&mut self, receipt: &Receipt) -> Result<(), Self::Error>;

    /// Keeps another one beside those.
    fn keep(&mut self, kept: &Kept) -> Result<(), Self::Error>;

    /// The kept changesets, oldest first; they are forgotten.
    fn take_kept(&mut self) -> Result<Vec<Kept>, Self::Error>;

    /// Puts transactions before everything that waits. Their ids are given by the store.
    fn prepend_log(&mut self, transactions: &[LoggedTransaction]) -> Result<(), Self::Error>;

    /// The space's short names for authors are given anew from here on; records of conflicts keep the ones that they were written with.
    fn begin_other_history(&mut self) -> Result<(), Self::Error>;

    /// Takes back what waiting transactions claim to have seen beyond a commit; of choices in conflicts that were opened beyond it only what they
    /// write is left.
    fn clamp_bases(&mut self, fork: Seq) -> Result<(), Self::Error>;

    /// How far the fetching of a snapshot has come.
    fn snapshot(&mut self) -> Result<Option<SnapshotState>, Self::Error>;

    /// Notes how far it has come.
    fn set_snapshot(&mut self, state: &SnapshotState) -> Result<(), Self::Error>;

    /// Adds a piece.
    fn stage(&mut self, part: &StagedPart) -> Result<(), Self::Error>;

    /// The piece after one with this number, with its own; pieces come in the order in which they were added, from 1.
    fn staged_after(&mut self, number: i64) -> Result<Option<(i64, StagedPart)>, Self::Error>;

    /// Forgets a snapshot with all its pieces.
    fn drop_snapshot(&mut self) -> Result<(), Self::Error>;

    /// Some keys of visible rows, ascending as SQLite compares them, above `after`.
    fn keys(&mut self, table: TableId, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Self::Error>;

    /// Forgets which rows local changes hide, which transactions are blocked and which cells are kept aside: the visible rows are now the space's.
    fn forget_view(&mut self) -> Result<(), Self::Error>;

    /// Counts what waits.
    fn waiting(&mut self) -> Result<Waiting, Self::Error>;

    /// Unsealed transactions in log order: at least one if there is one, then no more than about `max_bytes` or `max_count`.
    fn unsealed(&mut self, max_bytes: usize, max_count: usize) -> Result<Vec<LoggedTransaction>, Self::Error>;

    /// Unsealed transactions that had seen more than commit `seq`, in log order.
    fn unsealed_since(&mut self, seq: Seq) -> Result<Vec<LoggedTransaction>, Self::Error>;

    /// Sealed transactions that still wait, in log order; with `only`, those of one changeset.
    fn sealed_log(&mut self, only: Option<DeviceSeq>) -> Result<Vec<LoggedTransaction>, Self::Error>;

    /// Stores a changeset and marks the unsealed log up to `upto` as its content.
    fn put_sealed(&mut self, sealed: &Sealed, transactions: u32, upto: LogId) -> Result<(), Self::Error>;

    /// All sealed changesets that wait, by number.
    fn sealed(&mut self) -> Result<Vec<SealedEntry>, Self::Error>;

    /// The bytes of a sealed changeset.
    fn sealed_bytes(&mut self, device_seq: DeviceSeq) -> Result<Vec<u8>, Self::Error>;

    /// Notes how far a changeset has come.
    fn set_progress(&mut self, device_seq: DeviceSeq, progress: Progress) -> Result<(), Self::Error>;

    /// Keeps a verdict with its changeset, which becomes `Committed`.
    fn put_receipt(&mut self, receipt: &Receipt) -> Result<(), Self::Error>;

    /// Removes a changeset and its part of the log: it has left the overlay.
    fn drop_sealed(&mut self, device_seq: DeviceSeq) -> Result<(), Self::Error>;

    /// Lists a transaction as rejected.
    fn put_rejected(&mut self, rejected: &RejectedTransaction) -> Result<(), Self::Error>;

    /// Records what met unseen in commit `seq` and was decided by a rule.
    fn put_conflicts(&mut self, seq: Seq, conflicts: &[Conflict]) -> Result<(), Self::Error>;

    /// An open conflict by its name, in the words of the present schema; `None` if it is not here, or what it is about is gone.
    fn open_conflict(&mut self, id: ConflictId) -> Result<Option<OpenConflict>, Self::Error>;

    /// Takes over what a commit does to the queue of open conflicts, in order. One that is not there is nothing to close.
    fn change_queue(&mut self, changes: &[QueueChange]) -> Result<(), Self::Error>;

    /// Replaces the whole queue by that of a snapshot.
    fn replace_queue(&mut self, open: &[OpenConflict]) -> Result<(), Self::Error>;

    /// Remembers who stands behind short names.
    fn put_authors(&mut self, authors: &[AuthorName]) -> Result<(), Self::Error>;

    /// For each row, in the order given, all its waiting changes in log order, with their place in the log.
    /// Those of blocked transactions are left out: they are not in the view.
    fn pending_changes(&mut self, rows: &[RowId]) -> Result<Vec<Vec<(LogId, LoggedChange)>>, Self::Error>;

    /// Whether any server version is kept separately: where not, an own commit taken as sent leaves the visible rows as they are.
    fn keeps_server_rows(&mut self) -> Result<bool, Self::Error>;

    /// The rows whose server version is kept separately.
    fn kept_rows(&mut self) -> Result<Vec<RowId>, Self::Error>;

    /// Where the server's version of a row is.
    fn server_row(&mut self, row: &RowId) -> Result<ServerRow, Self::Error>;

    /// Keeps the server's version of a row, or stops keeping it (`Derived`).
    fn set_server_row(&mut self, row: &RowId, server: ServerRow) -> Result<(), Self::Error>;

    /// The visible row's non-key values, in `Table::fields` order.
    fn row(&mut self, row: &RowId) -> Result<Option<Vec<Value>>, Self::Error>;

    /// Writes the visible database, uncaptured and set-wise: order within `outcomes` does not matter, foreign keys are off.
    /// `Put` replaces or inserts; `Set` and `Delete` of an absent row do nothing.
    fn write(&mut self, outcomes: &[Outcome]) -> Result<(), Self::Error>;

    /// Writes as `write` does, unless a constraint stands against the result: UNIQUE, NOT NULL, CHECK, or a reference from or to
    /// one of these rows that would point nowhere. Then it answers `false`, and nothing is written.
    fn try_write(&mut self, outcomes: &[Outcome]) -> Result<bool, Self::Error>;

    /// The waiting transactions that are out of the view, in log order. Persistent; one whose changeset is dropped leaves the list.
    fn blocked(&mut self) -> Result<Vec<LogId>, Self::Error>;

    /// Replaces the list of blocked transactions. The rows are not touched: the caller brings them in line.
    fn set_blocked(&mut self, transactions: &[LogId]) -> Result<(), Self::Error>;

    /// Keeps a piece of a large commit until the last is there. A piece of another commit than the kept ones replaces them.
    fn put_part(&mut self, part: &Part) -> Result<(), Self::Error>;

    /// The pieces that are kept, if they are the first of their commit.
    fn held_parts(&mut self) -> Result<Option<HeldParts>, Self::Error>;

    /// The whole encoding, once `count` pieces of commit `seq` are kept; they are then forgotten.
    fn take_parts(&mut self, seq: Seq, count: u32) -> Result<Option<Vec<u8>>, Self::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cs208_the_trail_keeps_its_ends_and_is_denser_towards_the_newest() {
        let mut device = DeviceState::default();
        let move_to = |device: &mut DeviceState, seq| {
            device.move_cursor(Cursor { seq: Seq(seq), ..Cursor::default() });
            device.trail.iter().map(|(seq, _)| seq.0).collect::<Vec<u64>>()
        };
        let full: Vec<u64> = (1..=TRAIL_POINTS as u64).collect();
        let trails: Vec<Vec<u64>> = full.iter().map(|seq| move_to(&mut device, *seq)).collect();
        assert_eq!(trails.last(), Some(&full), "all of it fits");
        for seq in TRAIL_POINTS as u64 + 1..=1_000 {
            let trail = move_to(&mut device, seq);
            assert_eq!((trail.len(), trail[0], trail[TRAIL_POINTS - 1]), (TRAIL_POINTS, 1, seq));
            assert!(trail.windows(2).all(|pair| pair[0] < pair[1]));
        }
        // The distance to the next point is in proportion to how far back it lies, give or take a few times.
        let trail = move_to(&mut device, 1_001);
        assert!(trail[TRAIL_POINTS - 4..].iter().all(|seq| 1_001 - seq < 16), "{trail:?}");
        let far = trail.windows(2).filter(|pair| 1_001 - pair[1] > 8);
        let gaps: Vec<(u64, u64)> = far.map(|pair| (pair[1] - pair[0], 1_001 - pair[0])).collect();
        assert!(gaps.iter().all(|(gap, back)| 5 * gap <= 4 * back), "{gaps:?}");
    }
}
