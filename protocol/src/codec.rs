//! The codec that the sessions are given: sealing, opening and hashing.
//! It only leads to the files that know the bytes.
//! Called by both sessions through the port in `core`.

use crate::{changeset, commit, envelope};
use alloc::vec::Vec;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{Changeset, Sealed};
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::Commit;
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{DeviceSeq, Hash, SchemaVersion, Seq};
use sha2::{Digest, Sha256};

/// The format of `FORMAT.md`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WireCodec;

impl Codec for WireCodec {
    fn seal(&self, changeset: &Changeset, catalogue: &Catalogue) -> Sealed {
        let bytes = changeset::seal(changeset, catalogue);
        let hash = self.hash(&bytes);
        Sealed { device_seq: changeset.device_seq, bytes, hash }
    }

    fn schema_of(&self, bytes: &[u8]) -> Result<SchemaVersion, Malformed> {
        envelope::peek_outside(bytes).map(|(_, peek)| peek.schema)
    }

    fn open(&self, bytes: &[u8], expected: DeviceSeq, catalogue: &Catalogue) -> Result<Changeset, Malformed> {
        changeset::open(bytes, expected, catalogue)
    }

    fn seal_commit(&self, commit: &Commit, catalogue: &Catalogue) -> Vec<u8> {
        commit::seal(commit, catalogue)
    }

    fn open_commit(&self, bytes: &[u8], catalogue: &Catalogue) -> Result<Commit, Malformed> {
        commit::open(bytes, catalogue)
    }

    fn hash(&self, bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    fn chain(&self, previous: Hash, seq: Seq, commit: &[u8]) -> Hash {
        let chain = Sha256::new().chain_update(previous.0).chain_update(seq.0.to_le_bytes()).chain_update(commit);
        Hash(chain.finalize().into())
    }
}
