//! What a device did: changes, transactions, changesets.
//! They name rows and fields by catalogue positions and carry what the device had seen; how they merge is not theirs to know.
//! Capture makes them, sealing packs them, the server session decides them.

use crate::clock::Stamp;
use crate::conflict::{Resolution, SeenValue};
use crate::ids::{ColumnId, DeviceSeq, Hash, Incarnation, LogId, Opening, SchemaVersion, Seq, TableId};
use crate::value::{Key, Value};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A row of a synced table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowId {
    /// Its table.
    pub table: TableId,
    /// Its primary key.
    pub key: Key,
}

/// What the writing device had seen of a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Base {
    /// The cursor at which the first still-pending write to the cell was made.
    pub seq: Seq,
    /// The last own number sealed before this write.
    pub device_seq: DeviceSeq,
}

/// A field and the value written to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Which column; never one of the key.
    pub column: ColumnId,
    /// The value after the write.
    pub value: Value,
}

/// What happened to a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mutation {
    /// A new row: the values of all non-key columns, in `Table::fields` order.
    Insert(Vec<Value>),
    /// The touched fields, ascending by column, each once.
    Update(Vec<Field>),
    /// The row went.
    Delete,
}

/// One row mutation with its field deltas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The row.
    pub row: RowId,
    /// What happened to it.
    pub mutation: Mutation,
    /// What the device had seen; the oldest over the change's cells.
    pub base: Base,
}

/// What the app committed locally at once. Its identity is the device's incarnation, the opening and its stamp.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Clock reading of the local commit; unique within an opening.
    pub stamp: Stamp,
    /// Its changes, at most one per row except delete followed by insert.
    pub changes: Vec<Change>,
    /// The open conflicts that it resolves; its changes write what was chosen.
    pub resolutions: Vec<Resolution>,
    /// What it had seen in the fields it writes whose conflicts wait for a person.
    pub seen: Vec<SeenValue>,
    /// Earlier transactions of the same run that disappeared into this one, ascending: deciding it decides them.
    pub absorbed: Vec<Stamp>,
}

/// Whole transactions under one number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changeset {
    /// Its number.
    pub device_seq: DeviceSeq,
    /// The schema version whose catalogue its ids refer to.
    pub schema: SchemaVersion,
    /// The life of the device in which its transactions were captured, where that is not the one that sends them, or where they
    /// were sealed before: the space then looks each of them up before it decides it.
    pub origin: Option<Incarnation>,
    /// In which run of the database its transactions were captured.
    pub opening: Opening,
    /// In the order of local commits, stamps rising.
    pub transactions: Vec<Transaction>,
}

impl Changeset {
    /// Whether one of its transactions stands for others as well.
    pub fn absorbs(&self) -> bool {
        self.transactions.iter().any(|transaction| !transaction.absorbed.is_empty())
    }
}

/// A changeset as the immutable bytes that travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its number.
    pub device_seq: DeviceSeq,
    /// Exactly these bytes are sent, however often.
    pub bytes: Vec<u8>,
    /// SHA-256 of `bytes`.
    pub hash: Hash,
}

/// A field written locally, with what stood there before: what a rebase needs to take the write back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedField {
    /// Which column.
    pub column: ColumnId,
    /// The value before.
    pub old: Value,
    /// The value after.
    pub new: Value,
}

/// One captured row mutation as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoggedMutation {
    /// A new row: the non-key values in `Table::fields` order.
    Insert(Vec<Value>),
    /// The fields whose value changed, ascending by column.
    Update(Vec<LoggedField>),
    /// The row went; its non-key values in `Table::fields` order.
    Delete(Vec<Value>),
}

/// A captured change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedChange {
    /// The row.
    pub row: RowId,
    /// What happened, both ways.
    pub mutation: LoggedMutation,
}

/// A local transaction as the log keeps it, uncoalesced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedTransaction {
    /// Its place in the log.
    pub id: LogId,
    /// Clock reading of the local commit.
    pub stamp: Stamp,
    /// Cursor and last sealed own number when it was made.
    pub base: Base,
    /// The schema version it was captured under.
    pub schema: SchemaVersion,
    /// The life of the device that captured it, where it may have been sent before; otherwise the present one did.
    pub origin: Option<Incarnation>,
    /// The run of the database that captured it.
    pub opening: Opening,
    /// Changes in the order of their happening.
    pub changes: Vec<LoggedChange>,
    /// The open conflicts that it resolves.
    pub resolutions: Vec<Resolution>,
    /// Earlier transactions that disappeared into this one when it was sealed for a history that the space has lost.
    pub absorbed: Vec<Stamp>,
    /// The space would not take it folded with others: it absorbs none, and disappears into none.
    pub apart: bool,
    /// A migration made it, ahead of the space, of rows that were on their way there. The space may run that migration on them as well: nothing
    /// of it is sealed until that is known.
    pub ahead: bool,
    /// Fields that hide what is pulled count as having seen no more than this, where what they lay on is not here any more to tell.
    pub lowered: Option<Seq>,
}

impl LoggedTransaction {
    /// What its fields that hide what is pulled had seen. One that follows it, as a text does, was made at `base`.
    pub fn hiding_base(&self) -> Base {
        Base { seq: self.lowered.map_or(self.base.seq, |lowered| lowered.min(self.base.seq)), ..self.base }
    }
}
