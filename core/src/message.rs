//! The conversation: everything the two sessions say to each other, transport left out.
//! Sealed bytes are opaque here; `protocol` gives every message its bytes, and the same messages travel over HTTP and WebSocket.

use crate::catalogue::Catalogue;
use crate::clock::Stamp;
use crate::commit::{Reason, Receipt};
use crate::error::Refusal;
use crate::ids::ChainHash;
use crate::ids::{
    AuthorId, Cursor, DeviceSeq, Hash, Incarnation, Millis, Opening, SchemaHash, SchemaVersion, Seq, TableId, View,
};
use crate::value::Key;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// From the device to the space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage {
    /// Opens every conversation, and every HTTP request.
    Hello(Hello),
    /// A whole small changeset, to be decided at once: stage, prepare and commit in one message.
    Submit(Submit),
    /// One chunk of a changeset.
    Stage(Chunk),
    /// Asks which chunk is missing first, after an interruption.
    Resume {
        /// Which changeset.
        device_seq: DeviceSeq,
        /// Its hash.
        hash: Hash,
    },
    /// Asks for the vote on a staged changeset.
    Prepare {
        /// Which changeset.
        device_seq: DeviceSeq,
        /// Its hash.
        hash: Hash,
    },
    /// Asks for the decision on a prepared changeset. Small and idempotent.
    Commit {
        /// Which changeset.
        device_seq: DeviceSeq,
        /// Its hash.
        hash: Hash,
        /// Receipts up to this number are applied; the server may forget their details.
        applied_receipt: DeviceSeq,
    },
    /// Gives a number up that can never be accepted.
    Void {
        /// Which changeset.
        device_seq: DeviceSeq,
    },
    /// Asks for commits above the cursor.
    Pull {
        /// From here.
        cursor: Cursor,
        /// No more than about so many bytes in the answer.
        max_bytes: u32,
        /// What is here already of the commit after it, where that comes in parts.
        held: Option<HeldParts>,
    },
    /// Everything up to here is applied: gives credit for more pushes.
    Applied {
        /// Up to here.
        seq: Seq,
        /// Receipts up to this number are applied.
        applied_receipt: DeviceSeq,
    },
    /// Asks which transactions of an earlier life are decided.
    Recall(Recall),
    /// Asks for a page of a snapshot: the first one, or the one that a token names.
    Snapshot {
        /// Where the page before ended.
        token: Option<Token>,
        /// No more than about so many bytes of values.
        max_bytes: u32,
    },
    /// Asks for the catalogue of a schema version, to read commits that were made under it.
    Catalogue {
        /// Which.
        version: SchemaVersion,
    },
    /// Asks what committing the prepared changesets up to this number would come to. Changes nothing.
    Predict {
        /// The last number that is asked about.
        upto: DeviceSeq,
    },
}

/// A bit of `Hello::features`: the device wants no commits with the welcome, it is about to ask for a snapshot.
pub const WANTS_SNAPSHOT: u64 = 1;

/// A question of a device that began a new life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recall {
    /// The life that captured the transactions.
    pub origin: Incarnation,
    /// The run of the database in that life.
    pub opening: Opening,
    /// Their ids within that run, ascending.
    pub stamps: Vec<Stamp>,
    /// Where the device has been: some of its cursors, ascending, with the chain hashes that it was given there.
    pub trail: Vec<(Seq, ChainHash)>,
}

/// Where a snapshot stands. The space keeps nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The head when the snapshot began; commits above it are pulled.
    pub begun_at: Seq,
    /// The chain hash there.
    pub chain: ChainHash,
    /// What the role may read.
    pub view: View,
    /// The schema version of its pages.
    pub schema: SchemaVersion,
    /// The space's time when it began.
    pub begun: Millis,
    /// The table that comes next.
    pub table: TableId,
    /// Its last row that was sent.
    pub after: Option<Key>,
}

/// Who speaks, and from where it continues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// Lowest protocol version spoken.
    pub min_version: u8,
    /// Highest protocol version spoken.
    pub max_version: u8,
    /// Optional abilities, a bit each.
    pub features: u64,
    /// This life of the device.
    pub incarnation: Incarnation,
    /// The life before, which is retired by this hello.
    pub previous: Option<Incarnation>,
    /// The number that the next sealed changeset will get.
    pub next_device_seq: DeviceSeq,
    /// The last own number whose receipt is known here, with the hash of its bytes.
    pub last_decided: Option<(DeviceSeq, Hash)>,
    /// Receipts up to this number are applied.
    pub applied_receipt: DeviceSeq,
    /// Up to where everything is applied.
    pub cursor: Cursor,
    /// Migrations applied here.
    pub schema: SchemaVersion,
    /// Hash of migrations and rules.
    pub schema_hash: SchemaHash,
}

/// A small changeset in one message. The server computes the hash from the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submit {
    /// Its number.
    pub device_seq: DeviceSeq,
    /// Receipts up to this number are applied.
    pub applied_receipt: DeviceSeq,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
}

/// A piece of a changeset on its way up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Which changeset.
    pub device_seq: DeviceSeq,
    /// Hash of the whole.
    pub hash: Hash,
    /// Length of the whole, in bytes.
    pub total_bytes: u32,
    /// Which chunk, from 0.
    pub index: u32,
    /// How many there are.
    pub count: u32,
    /// What to do once the whole is there.
    pub then: Then,
    /// The bytes of this chunk: `limits::CHUNK_BYTES`, or the rest.
    pub bytes: Vec<u8>,
}

/// What the last chunk asks for beyond being stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Then {
    /// Nothing: the next message says.
    #[default]
    Wait,
    /// The vote.
    Prepare,
    /// The decision.
    Commit,
}

/// From the space to the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage {
    /// Answers a hello that was understood.
    Welcome(Welcome),
    /// Chunks up to before `next_chunk` are stored.
    Staged {
        /// Which changeset.
        device_seq: DeviceSeq,
        /// The first missing chunk; equal to the count when the whole is there.
        next_chunk: u32,
    },
    /// The whole is there and can be decided.
    Prepared {
        /// Which changeset.
        device_seq: DeviceSeq,
    },
    /// The verdict.
    Receipt(Receipt),
    /// Another number is due; sent instead of a decision out of order.
    Expected {
        /// The number that is due.
        device_seq: DeviceSeq,
    },
    /// Commits, in order.
    Range(Range),
    /// A piece of a commit too large for one message.
    Part(Part),
    /// There is something up to here; pull it.
    Head {
        /// The newest commit.
        seq: Seq,
    },
    /// Something was not done, and why.
    Refused(Refusal),
    /// Which transactions are decided.
    Recalled(Recalled),
    /// A page of a snapshot.
    Page(Page),
    /// The catalogue of a schema version.
    Catalogue(Catalogue),
    /// What committing would come to, a number each, from the one that is due; fewer than asked for beyond a bound.
    Predicted(Vec<Prediction>),
}

/// What became of the transactions that a device asked about. Those in neither list were never decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recalled {
    /// The life that captured them.
    pub origin: Incarnation,
    /// The run of the database in that life.
    pub opening: Opening,
    /// The head now: up to here the device must have applied what the accepted ones did.
    pub at: Seq,
    /// The newest point of the device's trail that is in this history.
    pub fork: Seq,
    /// The accepted ones.
    pub accepted: Vec<Stamp>,
    /// The refused ones.
    pub rejected: Vec<(Stamp, Reason)>,
}

/// Some rows of a snapshot, as the space had them when it was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// For the next page.
    pub token: Token,
    /// The head when it was read: its rows are whole only with the commits up to here.
    pub head: Seq,
    /// Whether it is the first of its snapshot: what was staged of another one is void.
    pub first: bool,
    /// Whether it is the last.
    pub last: bool,
    /// An encoded commit without an author: a `Put` for each row.
    pub bytes: Vec<u8>,
}

/// What the commit of a changeset would come to, were it asked for now. Never stored, never shown as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    /// What the receipt would say. It is none: its seq is only where the commit would stand.
    pub receipt: Receipt,
    /// How many conflicts it would leave to a person.
    pub opened: u32,
    /// An encoded commit without outcomes: the conflicts that it would record as decided by a rule, or the first of them.
    pub conflicts: Vec<u8>,
}

/// The server's half of the handshake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Welcome {
    /// The version spoken from here on.
    pub version: u8,
    /// Abilities that both sides have.
    pub features: u64,
    /// The device's short name in this space.
    pub author: AuthorId,
    /// The newest commit.
    pub head: Seq,
    /// The number that is due from this device.
    pub expected: DeviceSeq,
    /// Migrations applied on the server.
    pub schema: SchemaVersion,
    /// What the role may read.
    pub view: View,
    /// The server's time.
    pub now: Millis,
    /// Commits up to here are no longer there.
    pub floor: Seq,
    /// Whether a snapshot is the shorter way from the device's cursor to the head, or the only one.
    pub snapshot: bool,
}

/// The commits in (from, upto] that the device may see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// Apply only if the cursor is at least here.
    pub from: Seq,
    /// The cursor afterwards.
    pub upto: Seq,
    /// The chain hash at `upto`, to be repeated in the next hello.
    pub chain: ChainHash,
    /// In order of seq.
    pub items: Vec<RangeItem>,
}

/// A commit within a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeItem {
    /// Its seq.
    pub seq: Seq,
    /// What it holds for this device.
    pub body: ItemBody,
}

/// What a range says of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemBody {
    /// Another device's commit, encoded.
    Foreign(Vec<u8>),
    /// The reader's own changeset, accepted exactly as sent.
    OwnAsSent(DeviceSeq),
    /// The reader's own changeset, merged; encoded.
    OwnMerged(DeviceSeq, Vec<u8>),
}

impl ItemBody {
    /// The commit's encoding; none where the reader has what it says.
    pub fn encoded(&self) -> Option<&[u8]> {
        match self {
            Self::Foreign(bytes) | Self::OwnMerged(_, bytes) => Some(bytes),
            Self::OwnAsSent(_) => None,
        }
    }
}

/// The first pieces of a commit, which need not come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldParts {
    /// The commit.
    pub seq: Seq,
    /// The chain hash at `seq`.
    pub chain: ChainHash,
    /// How many pieces it has.
    pub count: u32,
    /// The first one that is missing.
    pub next: u32,
}

/// A piece of one commit's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The range of the whole commit: from its predecessor (as this device counts) to itself.
    pub from: Seq,
    /// The commit.
    pub seq: Seq,
    /// The chain hash at `seq`.
    pub chain: ChainHash,
    /// The reader's own number, if it is its own commit.
    pub own: Option<DeviceSeq>,
    /// Which piece, from 0.
    pub index: u32,
    /// How many there are.
    pub count: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}
