//! What a space decided: commits with their outcomes, receipts with their verdicts.
//! Outcomes are absolute, so applying them needs no merge; who may read them is not decided here.
//! The server session makes them, the codec packs them, the client session applies them.

use crate::change::{Field, RowId};
use crate::clock::Stamp;
use crate::conflict::{AuthorName, Conflict, QueueChange};
use crate::ids::{AuthorId, DeviceSeq, Fingerprint, Hash, Millis, SchemaVersion, Seq};
use crate::value::Value;
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// The row is there with exactly these non-key values, in `Table::fields` order.
    Put(Vec<Value>),
    /// These fields of an existing row have these values; ascending by column.
    Set(Vec<Field>),
    /// The row is gone.
    Delete,
}

/// An effect and its row. A commit names a row at most once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The row.
    pub row: RowId,
    /// What it is now.
    pub effect: Effect,
}

/// What the space accepted of a changeset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Whose changeset.
    pub author: AuthorId,
    /// Its number.
    pub device_seq: DeviceSeq,
    /// The schema version whose catalogue the ids refer to.
    pub schema: SchemaVersion,
    /// The newest stamp in it after the shift; every device that applies the commit moves its clock past it.
    pub stamp: Stamp,
    /// What rows became, each row once, in the order of first mention.
    pub outcomes: Vec<Outcome>,
    /// What met unseen and was decided by a rule.
    pub conflicts: Vec<Conflict>,
    /// What it does to the queue of conflicts that wait for a person, in order.
    pub queue: Vec<QueueChange>,
    /// The devices and users that conflicts and queue mention, each once, ascending by short name.
    pub authors: Vec<AuthorName>,
}

/// The server's verdict on a changeset; its bytes are stored and replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which changeset.
    pub device_seq: DeviceSeq,
    /// Of which bytes: a copy of the database may have sealed others under this number.
    pub fingerprint: Fingerprint,
    /// Its commit; none if nothing of it became visible.
    pub seq: Option<Seq>,
    /// The head when it was decided: the cursor at which it leaves the overlay if it has no commit.
    pub decided_at: Seq,
    /// How far the device's clock ran ahead, in milliseconds; its stamps were moved back by as much.
    pub clock_shift_ms: u64,
    /// Whether every outcome equals what was sent and nothing was overwritten unseen, so that the device may apply its own bytes.
    pub as_sent: bool,
    /// The transactions that were refused, by position in the changeset, ascending. All others are in the commit.
    pub rejected: Vec<Rejection>,
    /// How many unseen values were overwritten or not taken.
    pub conflicts: u32,
}

/// A transaction that was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Its position in the changeset.
    pub index: u32,
    /// Why.
    pub reason: Reason,
    /// What and where, for a person: table, column, constraint.
    pub detail: String,
}

/// Why a transaction or a changeset was refused. Codes are appended, never renumbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// A foreign key would point nowhere.
    ForeignKey,
    /// Another row has the value.
    Unique,
    /// NOT NULL, CHECK or a RAISE of the app's triggers.
    Constraint,
    /// It writes a row of a rejected transaction, or refers to one.
    Dependency,
    /// It names a table, column or type that the schema does not have.
    Schema,
    /// Over a published limit.
    Limit,
    /// The author may not write.
    Forbidden,
    /// The device gave the number up.
    Void,
    /// It had not seen the value that it would replace, under a rule that asks for it.
    Stale,
    /// A sum would leave the range of 64 bits.
    Overflow,
    /// A function of the app in its Worker refused it.
    Custom,
    /// It waits in an open conflict until a person has chosen.
    Parked,
    /// It was made before its table was kept in step, and gave way to what the space has. Only a device says so, of its own.
    Replaced,
}

impl Reason {
    /// The stable code that applications see.
    pub fn code(self) -> &'static str {
        match self {
            Reason::ForeignKey => "foreign_key",
            Reason::Unique => "unique",
            Reason::Constraint => "constraint",
            Reason::Dependency => "dependency",
            Reason::Schema => "schema",
            Reason::Limit => "limit",
            Reason::Forbidden => "forbidden",
            Reason::Void => "void",
            Reason::Stale => "stale",
            Reason::Overflow => "overflow",
            Reason::Custom => "custom_rejected",
            Reason::Parked => "parked",
            Reason::Replaced => "replaced",
        }
    }
}

/// A decided changeset as the server remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Hash of the bytes that were decided.
    pub hash: Hash,
    /// The verdict.
    pub receipt: Receipt,
}

/// A commit as it is stored and travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedCommit {
    /// Its seq.
    pub seq: Seq,
    /// Whose changeset.
    pub author: AuthorId,
    /// Its number.
    pub device_seq: DeviceSeq,
    /// Whether the author may apply its own bytes instead.
    pub as_sent: bool,
    /// When the server decided it.
    pub decided_at: Millis,
    /// The encoded `Commit`.
    pub bytes: Vec<u8>,
}
