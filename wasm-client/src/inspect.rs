//! What the database says of itself for `sync.inspect()` and for a status without a sync.
//! It reads, in the shapes of the package's public types; nothing here changes anything.

use crate::clock;
use crate::database::Database;
use crate::error::Result;
use crate::options::Storage;
use ebbtide_core::client::store::{ClientStore, Progress, SealedEntry};
use ebbtide_store::json::{ObjectWriter, list};

/// This life of the database in hex, by which the server knows the device.
pub fn device_id(database: &mut Database) -> Result<String> {
    let device = database.sync_step(clock::now(), |store| Ok(store.device()?))?;
    Ok(hex(&device.incarnation.0))
}

/// The status of a database that is kept in step with nothing; what it would send is counted all the same.
pub fn local_status(database: &mut Database, online: bool) -> Result<String> {
    let (waiting, cursor) = database.sync_step(clock::now(), |store| {
        let cursor = store.device()?.cursor.seq;
        Ok((store.waiting()?, cursor))
    })?;
    let mut status = ObjectWriter::default();
    status.text("state", "local").flag("online", online).number("pending", waiting.pending);
    status.number("failed", waiting.rejected).number("blocked", waiting.blocked).number("conflicts", waiting.conflicts);
    Ok(status.whole("cursor", cursor.0).finish())
}

/// `SyncInspection`.
pub fn inspection(database: &mut Database, status: &str, storage: Storage) -> Result<String> {
    let (device, version, waiting, sealed) = database.sync_step(clock::now(), |store| {
        let version = store.catalogue().version;
        Ok((store.device()?, version, store.waiting()?, store.sealed()?))
    })?;
    let kind = match storage {
        Storage::Opfs => "opfs",
        Storage::Memory => "memory",
    };
    let mut kept = ObjectWriter::default();
    kept.text("kind", kind).whole("bytes", database.size_bytes()?);
    let mut inspection = ObjectWriter::default();
    inspection
        .raw("status", status)
        .text("device", &hex(&device.incarnation.0))
        .number("schemaVersion", version.migrations());
    if let Some(space) = &device.space {
        inspection.text("space", &space.0);
    }
    inspection.raw("changesets", &list(&sealed.iter().map(changeset).collect::<Vec<_>>()));
    inspection.number("unsealed", waiting.unsealed).raw("storage", &kept.finish());
    Ok(inspection.finish())
}

fn changeset(entry: &SealedEntry) -> String {
    let progress = match entry.progress {
        Progress::Sealed => "sealed",
        Progress::Staging { .. } => "staging",
        Progress::Staged => "staged",
        Progress::Prepared => "prepared",
        Progress::Committed => "committed",
    };
    let mut changeset = ObjectWriter::default();
    changeset.whole("deviceSeq", entry.device_seq.0).number("transactions", entry.transactions);
    changeset.whole("bytes", entry.total_bytes as u64).text("progress", progress).finish()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
