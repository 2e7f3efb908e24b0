//! The port through which the sessions have changesets and commits packed and unpacked.
//! The sessions know no bytes; `protocol` implements this, and tests may.

use crate::catalogue::Catalogue;
use crate::change::{Changeset, Sealed};
use crate::commit::Commit;
use crate::error::Malformed;
use crate::ids::{DeviceSeq, Hash, Seq};
use alloc::vec::Vec;

/// Packs and unpacks what is hashed and stored.
pub trait Codec {
    /// Seals a changeset. The catalogue gives the shapes of its tables.
    fn seal(&self, changeset: &Changeset, catalogue: &Catalogue) -> Sealed;

    /// Unpacks sealed bytes. `expected` is the number under which they came; bytes of another number are malformed.
    /// Bounded by `limits::INFLATED_BYTES`; ids are checked against the catalogue, values against nothing.
    fn open(&self, bytes: &[u8], expected: DeviceSeq, catalogue: &Catalogue) -> Result<Changeset, Malformed>;

    /// Packs a commit.
    fn seal_commit(&self, commit: &Commit, catalogue: &Catalogue) -> Vec<u8>;

    /// Unpacks a commit, bounded as `open`.
    fn open_commit(&self, bytes: &[u8], catalogue: &Catalogue) -> Result<Commit, Malformed>;

    /// SHA-256.
    fn hash(&self, bytes: &[u8]) -> Hash;

    /// The chain hash after a commit: SHA-256 of the previous one, then the commit's seq and bytes.
    fn chain(&self, previous: Hash, seq: Seq, commit: &[u8]) -> Hash;
}
