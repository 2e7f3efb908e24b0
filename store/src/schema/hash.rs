//! The hash by which both sides of a sync recognise the same schema.
//! It covers the text of the migrations and the rules of the tables, not the database.
//! Used by the catalogue and, per migration, to notice changed texts.

use super::{Migration, Schema};
use ebbtide_core::ids::{SchemaHash, SchemaVersion};
use sha2::{Digest, Sha256};

impl Schema {
    /// First 8 bytes of SHA-256 over the schema's fields in declared order, tables by name, as postcard writes them.
    pub fn hash(&self) -> SchemaHash {
        let canonical = postcard::to_allocvec(self).expect("texts and lists always have bytes");
        SchemaHash(short(&canonical))
    }

    /// Its version, once its first `migrations` are applied, which are all that it says anything of.
    pub(crate) fn version(&self, migrations: usize) -> SchemaVersion {
        let count = u32::try_from(migrations).ok().filter(|count| *count < SchemaVersion::MOST_MIGRATIONS);
        SchemaVersion::of(count.expect("fewer migrations than 2^21"), self.hash())
    }
}

impl Migration {
    /// First 8 bytes of SHA-256 over its text, side and renames.
    pub fn hash(&self) -> [u8; 8] {
        let side: &[u8] = if self.on_server() { b"both\0" } else { b"client\0" };
        let renames: String = self.renames().map(|(from, to)| format!("\0{from}\0{to}")).collect();
        short(&[side, self.sql().as_bytes(), renames.as_bytes()].concat())
    }
}

fn short(bytes: &[u8]) -> [u8; 8] {
    let digest = Sha256::digest(bytes);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    first
}
