//! New-types for every number that names something.
//! They know how to count and nothing of what they count; used by every crate.

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }
    };
}

number!(
    /// The number of a commit in its space: assigned by the server, contiguous from 1. 0 means "before the first".
    Seq(u64)
);
number!(
    /// The number of a changeset within one incarnation of a device, contiguous from 1. 0 means "none yet".
    DeviceSeq(u64)
);
number!(
    /// The server's short name for an incarnation within one space; travels instead of 16 bytes.
    AuthorId(u32)
);
number!(
    /// A synced table, by its position in the catalogue of a schema version.
    TableId(u16)
);
number!(
    /// A column, by its position in its table as SQLite lists them.
    ColumnId(u16)
);
number!(
    /// A local transaction in the device's log, in the order of local commits.
    LogId(i64)
);
number!(
    /// Milliseconds since the Unix epoch, or of a virtual clock.
    Millis(u64)
);

/// A version of a schema: how many migrations are applied, and part of the schema's hash. Two that have the same migrations and keep other
/// tables in step, or merge them by other rules, are two versions; of neither can be said that it is the later one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SchemaVersion(pub u64);

impl SchemaVersion {
    /// Migrations that a schema may have: the whole stays below 2^53.
    pub const MOST_MIGRATIONS: u32 = 1 << 21;

    /// The version of a schema's first `migrations`, fewer than `MOST_MIGRATIONS`.
    pub fn of(migrations: u32, hash: SchemaHash) -> Self {
        let [a, b, c, d, ..] = hash.0;
        Self(u64::from(migrations) << 32 | u64::from(u32::from_le_bytes([a, b, c, d])))
    }

    /// How many migrations are applied.
    pub fn migrations(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether it has more migrations than another.
    pub fn is_later_than(self, other: Self) -> bool {
        self.migrations() > other.migrations()
    }
}

/// One life of one local database and one user: minted at creation, import and recovery, never exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub [u8; 16]);

/// One run of a device's database, from one opening to the next: its tag, by chance. Two copies of a database never share one, so
/// life, opening and stamp name a transaction even where copies went on under one life with equal clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Opening(pub u32);

/// SHA-256 of exactly the sealed bytes of a changeset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hash(pub [u8; 32]);

/// The first 8 bytes of a changeset's hash: enough for a device to tell that a verdict is on what it sealed. Zeroes where a
/// number was given up, whatever its bytes were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 8]);

/// The first 8 bytes of the hash chain over a space's commits up to a seq. Only the server computes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChainHash(pub [u8; 8]);

/// A hash of what a role may read, so that a change of rights is noticed. Zero means the whole space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct View(pub [u8; 8]);

/// A hash of the migrations and of the synced tables' rules; equal on both sides of a sync.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SchemaHash(pub [u8; 8]);

impl AuthorId {
    /// The space itself, as the author of what a migration changed. Devices are numbered from 1.
    pub const MIGRATION: Self = Self(0);
}

impl Hash {
    /// What travels of a chain hash.
    pub fn truncated(self) -> ChainHash {
        ChainHash(self.front())
    }

    /// What travels of a changeset's hash with its receipt.
    pub fn fingerprint(self) -> Fingerprint {
        Fingerprint(self.front())
    }

    fn front(self) -> [u8; 8] {
        let mut front = [0; 8];
        front.copy_from_slice(&self.0[..8]);
        front
    }
}

/// Up to where a device has applied everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Everything up to this commit is applied.
    pub seq: Seq,
    /// The server's chain hash at `seq`, repeated back to it.
    pub chain: ChainHash,
    /// What the device was allowed to see when it got here.
    pub view: View,
}
