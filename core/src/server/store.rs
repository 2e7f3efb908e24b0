//! What the server session asks of a space's database.
//! It speaks of rows, marks, commits and receipts in batches, never of SQL; every call belongs to one event's transaction.
//! Implemented once by `store` over its `Sql` port: Durable Object SQLite and native rusqlite.

use super::rules::AppRules;
use crate::catalogue::{Catalogue, Reference};
use crate::change::RowId;
use crate::clock::Stamp;
use crate::commit::{Decided, Outcome, Reason, SealedCommit};
use crate::conflict::{AuthorName, Claim, Claimed, ConflictId, QueueEntry};
use crate::ids::{AuthorId, ColumnId, DeviceSeq, Hash, Incarnation, Millis, Opening, SchemaVersion, Seq, TableId};
use crate::merge::record::CellRecord;
use crate::message::Chunk;
use crate::value::{Key, Value};
use alloc::{collections::BTreeMap, rc::Rc, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// The end of a space's history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// The newest commit.
    pub seq: Seq,
    /// The chain hash there.
    pub chain: Hash,
}

/// What a space remembers of one incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Its short name.
    pub id: AuthorId,
    /// Its identity.
    pub incarnation: Incarnation,
    /// Whose it is.
    pub user: String,
    /// The number that is due.
    pub expected: DeviceSeq,
    /// Receipts up to this number are applied there.
    pub applied_receipt: DeviceSeq,
    /// A later incarnation replaced it.
    pub retired: bool,
    /// Where it was when that was last written down.
    pub cursor: Seq,
    /// When that was.
    pub seen_at: Millis,
}

/// Who wrote a cell last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// In which commit.
    pub seq: Seq,
    /// With which clock reading, after the shift.
    pub stamp: Stamp,
    /// Whose write.
    pub author: AuthorId,
    /// In which of its changesets.
    pub device_seq: DeviceSeq,
    /// Whether what the cell became is what that device sent.
    pub as_sent: bool,
}

impl Mark {
    /// What its write wanted, as a side of a conflict.
    pub fn claim(&self, claimed: Claimed) -> Claim {
        Claim { claimed, author: self.author, device_seq: self.device_seq, stamp: self.stamp }
    }
}

/// The packed record that the server keeps per row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowMarks {
    /// The write that brought the row back after a delete; the default mark, which everybody has seen, while it never went.
    pub created: Mark,
    /// One per non-key column, in `Table::fields` order; `None` for a column at its default, which loses to any write.
    pub fields: Vec<Option<Mark>>,
    /// Who made the row, where no field tells: all of them are at their defaults, or it refers to another by its key or by defaults.
    pub born: Option<Mark>,
    /// Set when the row is deleted; the other marks are then those it had.
    pub deleted: Option<Mark>,
    /// What else is remembered of some fields, by their position among the fields; of a deleted row nothing.
    pub records: BTreeMap<u16, CellRecord>,
    /// What a deleted row leaves behind, where a delete rule or a foreign key may need it.
    pub tombstone: Option<Tombstone>,
}

/// A row that is gone: as it was, what its deletion took along, and where it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The schema version whose fields and tables are meant: it is translated when it is needed, not when the schema changes.
    pub schema: SchemaVersion,
    /// The non-key values that the row had, where a delete rule may need them.
    pub image: Option<Vec<Value>>,
    /// Rows that went with it, or whose columns were emptied with it; no columns for rows that went.
    pub cascade: Vec<(RowId, Vec<ColumnId>)>,
    /// The key that it got instead.
    pub moved: Option<Key>,
}

/// Values by which others referred to a row, in columns outside its key, until a commit took them away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormerName {
    /// The columns that a reference names.
    pub columns: Vec<ColumnId>,
    /// What they were.
    pub values: Vec<Value>,
    /// Whose they were.
    pub row: RowId,
}

/// A row as the server has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowState {
    /// Its non-key values, or `None` if there is no such row now.
    pub values: Option<Vec<Value>>,
    /// Its marks; `None` if it never existed here.
    pub marks: Option<RowMarks>,
}

/// Some rows of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Keys and non-key values, ascending by key as SQLite compares it.
    pub rows: Vec<(Key, Vec<Value>)>,
    /// Whether there may be rows after them.
    pub more: bool,
}

/// A row to be written together with its marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowWrite {
    /// The row and what it becomes.
    pub outcome: Outcome,
    /// Its new marks.
    pub marks: RowMarks,
}

/// A constraint that a write met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// `ForeignKey`, `Unique` or `Constraint`.
    pub reason: Reason,
    /// What and where.
    pub detail: String,
}

impl Violation {
    /// Whether a reference points nowhere.
    pub fn is_reference(&self) -> bool {
        self.reason == Reason::ForeignKey
    }
}

/// A commit and everything that is stored with it at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit {
    /// The commit as it travels.
    pub sealed: SealedCommit,
    /// The chain hash up to and including it.
    pub chain: Hash,
}

/// The transactions of a decided changeset by their ids, kept as long as its author: a database that was set back asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecidedTransactions {
    /// The life that captured them, where it is not the author's or they were sealed before.
    pub origin: Option<Incarnation>,
    /// The run of the database that captured them.
    pub opening: Opening,
    /// The accepted ones, by their stamps as captured.
    pub accepted: Vec<Stamp>,
    /// The refused ones.
    pub rejected: Vec<(Stamp, Reason)>,
}

/// What became of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is in the history.
    Accepted,
    /// It was refused.
    Rejected(Reason),
}

/// How far the upload of a changeset has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staging {
    /// Hash of the whole, as announced.
    pub hash: Hash,
    /// Length of the whole, in bytes.
    pub total_bytes: u32,
    /// How many chunks there are.
    pub count: u32,
    /// The first chunk that is missing; `count` when the whole is there.
    pub next_chunk: u32,
    /// Whether the vote was given.
    pub prepared: bool,
}

/// A space's database, inside one transaction.
pub trait ServerStore {
    /// A storage error; the event is then rolled back by the adapter.
    type Error;

    /// The synced tables of the present schema.
    fn catalogue(&self) -> Rc<Catalogue>;

    /// The functions that the app gave with the schema.
    fn rules(&self) -> Rc<dyn AppRules>;

    /// The synced tables of an earlier schema version of this space, also of one that it went past on its way to a later one.
    fn catalogue_of(&mut self, version: SchemaVersion) -> Result<Option<Rc<Catalogue>>, Self::Error>;

    /// Whether a table that other versions know by this identity is there and not kept in step.
    fn has_unkept(&mut self, identity: &str) -> Result<bool, Self::Error>;

    /// The end of history.
    fn head(&mut self) -> Result<Head, Self::Error>;

    /// The chain hash at a commit, if it is still in the log (seq 0: zeroes).
    fn chain_at(&mut self, seq: Seq) -> Result<Option<Hash>, Self::Error>;

    /// Up to where the log is pruned, with the chain hash there; zeroes while it is whole.
    fn floor(&mut self) -> Result<Head, Self::Error>;

    /// The lowest cursor of the devices that are not retired and were seen since then.
    fn slowest_cursor(&mut self, since: Millis) -> Result<Option<Seq>, Self::Error>;

    /// Removes the commits up to a new floor, and the marks of these rows, which are gone.
    fn prune(&mut self, floor: Head, tombstones: &[RowId]) -> Result<(), Self::Error>;

    /// Rows of a table in the order of their keys, above `after`: at least one if there is one, then no more than about so many
    /// bytes of values or `max_rows`.
    fn scan(
        &mut self,
        table: TableId,
        after: Option<&Key>,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Scan, Self::Error>;

    /// An incarnation that is registered.
    fn author(&mut self, incarnation: Incarnation) -> Result<Option<Author>, Self::Error>;

    /// Registers an incarnation under the next free short name.
    fn register(&mut self, incarnation: Incarnation, user: &str, now: Millis) -> Result<Author, Self::Error>;

    /// Writes back an author's record.
    fn save_author(&mut self, author: &Author) -> Result<(), Self::Error>;

    /// The verdict on a number, if it is decided.
    fn decided(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<Option<Decided>, Self::Error>;

    /// Stores a verdict; the author's staged chunks of that number are dropped.
    fn put_decided(
        &mut self,
        author: AuthorId,
        decided: &Decided,
        transactions: &DecidedTransactions,
    ) -> Result<(), Self::Error>;

    /// Those of the transactions captured in one run of one life that are decided, whichever life sent them. Stamps ascend.
    fn fates(
        &mut self,
        origin: Incarnation,
        opening: Opening,
        stamps: &[Stamp],
    ) -> Result<BTreeMap<Stamp, Fate>, Self::Error>;

    /// Of these, only what later lives brought back. Every changeset asks, and nearly always there is nothing: it must cost next to nothing then.
    fn brought_back(
        &mut self,
        origin: Incarnation,
        opening: Opening,
        stamps: &[Stamp],
    ) -> Result<BTreeMap<Stamp, Fate>, Self::Error>;

    /// Forgets the details of verdicts up to a confirmed number: number, hash and seq stay.
    fn forget_receipts(&mut self, author: AuthorId, upto: DeviceSeq) -> Result<(), Self::Error>;

    /// How far the upload of a number has come.
    fn staging(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<Option<Staging>, Self::Error>;

    /// Bytes of the author's uploads that are not decided, as announced.
    fn bytes_staged(&mut self, author: AuthorId) -> Result<u64, Self::Error>;

    /// Stores a chunk; one that is there already changes nothing.
    fn put_chunk(&mut self, author: AuthorId, chunk: &Chunk, now: Millis) -> Result<(), Self::Error>;

    /// The whole upload, once complete.
    fn staged_bytes(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<Vec<u8>, Self::Error>;

    /// Notes that the vote was given.
    fn set_prepared(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<(), Self::Error>;

    /// Drops the chunks of a number.
    fn drop_stage(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<(), Self::Error>;

    /// Announces rows that `load` will be asked for piece by piece, so that they can be read at once. Replaces an earlier announcement.
    fn read_ahead(&mut self, rows: Vec<RowId>) -> Result<(), Self::Error>;

    /// Rows with their marks, in the order asked for.
    fn load(&mut self, rows: &[RowId]) -> Result<Vec<RowState>, Self::Error>;

    /// Writes rows and marks, set-wise: foreign keys are deferred, order does not matter. Stops at the first constraint met;
    /// what it wrote before is taken back with the enclosing savepoint.
    fn write(&mut self, rows: &[RowWrite]) -> Result<Result<(), Violation>, Self::Error>;

    /// Of these rows, the first that refers to a row which is not there.
    fn dangling(&mut self, rows: &[RowId]) -> Result<Option<Violation>, Self::Error>;

    /// The keys of the rows of `child` that refer, by `reference`, to a parent with these values.
    fn children(&mut self, child: TableId, reference: &Reference, parent: &[Value]) -> Result<Vec<RowId>, Self::Error>;

    /// The row that had these values last, and what took them away; `None` if a row has them now, or nobody remembers.
    fn former(
        &mut self,
        table: TableId,
        columns: &[ColumnId],
        values: &[Value],
    ) -> Result<Option<(RowId, Mark)>, Self::Error>;

    /// Remembers what rows were called, until history is pruned up to the commit of `mark`, or the schema changes.
    fn put_formers(&mut self, formers: &[FormerName], mark: &Mark) -> Result<(), Self::Error>;

    /// The open conflicts of these rows, in no particular order.
    fn open_conflicts(&mut self, rows: &[RowId]) -> Result<Vec<QueueEntry>, Self::Error>;

    /// An open conflict by its name; `None` if there is none, or none any more.
    fn open_conflict(&mut self, id: ConflictId) -> Result<Option<QueueEntry>, Self::Error>;

    /// Open conflicts above `after` in the order of their names, at most `max_count`: what a snapshot carries.
    fn open_conflicts_after(&mut self, after: ConflictId, max_count: usize) -> Result<Vec<QueueEntry>, Self::Error>;

    /// Adds an open conflict, or replaces the one of this name.
    fn put_conflict(&mut self, entry: &QueueEntry) -> Result<(), Self::Error>;

    /// Takes a conflict off the queue.
    fn drop_conflict(&mut self, id: ConflictId) -> Result<(), Self::Error>;

    /// The devices and users behind short names, ascending; names that nobody has are left out.
    fn author_names(&mut self, ids: &[AuthorId]) -> Result<Vec<AuthorName>, Self::Error>;

    /// Runs `body` in a savepoint that is rolled back when it answers `Err`.
    fn savepoint<T, R>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, R>) -> Result<Result<T, R>, Self::Error>
    where
        Self: Sized;

    /// Appends a commit to the log and moves the head.
    fn append(&mut self, commit: &NewCommit) -> Result<(), Self::Error>;

    /// Commits above `after`, in order: at least one if there is one, then no more than about `max_bytes` or `max_count`.
    fn commits(&mut self, after: Seq, max_bytes: usize, max_count: usize) -> Result<Vec<SealedCommit>, Self::Error>;
}
