//! The port through which the sessions have changesets and commits packed and unpacked.
//! The sessions know no bytes; `protocol` implements this, and tests may.

use crate::catalogue::Catalogue;
use crate::change::{Changeset, Sealed};
use crate::commit::Commit;
use crate::error::Malformed;
use crate::ids::{DeviceSeq, Hash, SchemaVersion, Seq};
use alloc::vec::Vec;

/// Packs and unpacks what is hashed and stored.
pub trait Codec {
    /// Seals a changeset. The catalogue is that of its schema version and gives the shapes of its tables.
    fn seal(&self, changeset: &Changeset, catalogue: &Catalogue) -> Sealed;

    /// The schema version that a sealed changeset or a packed commit is of, so that the caller can bring its catalogue.
    fn schema_of(&self, bytes: &[u8]) -> Result<SchemaVersion, Malformed>;

    /// Unpacks sealed bytes. `expected` is the number under which they came; bytes of another number are malformed, and so are
    /// bytes of another schema version than the catalogue's. Bounded by `limits::INFLATED_BYTES`; ids are checked against the
    /// catalogue, values against nothing. Within a transaction changes come back in the codec's order: deletes first.
    fn open(&self, bytes: &[u8], expected: DeviceSeq, catalogue: &Catalogue) -> Result<Changeset, Malformed>;

    /// Packs a commit. The catalogue is that of its schema version.
    fn seal_commit(&self, commit: &Commit, catalogue: &Catalogue) -> Vec<u8>;

    /// Unpacks a commit, bounded as `open`.
    fn open_commit(&self, bytes: &[u8], catalogue: &Catalogue) -> Result<Commit, Malformed>;

    /// SHA-256.
    fn hash(&self, bytes: &[u8]) -> Hash;

    /// The chain hash after a commit: SHA-256 of the previous one, then the commit's seq and bytes.
    fn chain(&self, previous: Hash, seq: Seq, commit: &[u8]) -> Hash;
}
