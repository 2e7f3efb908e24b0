//! What the database says of itself for `sync.inspect()` and for a status without a sync.
//! It reads, in the shapes of the package's public types; nothing here changes anything.

use crate::clock;
use crate::database::Database;
use crate::error::Result;
use crate::options::Storage;
use ebbtide_core::client::store::{ClientStore, Progress, SealedEntry};
use serde_json::{Value, json};

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
    let status = json!({
        "state": "local",
        "online": online,
        "pending": waiting.pending,
        "failed": waiting.rejected,
        "blocked": waiting.blocked,
        "conflicts": waiting.conflicts,
        "cursor": cursor.0,
    });
    Ok(status.to_string())
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
    let status: Value = serde_json::from_str(status).unwrap_or_default();
    let inspection = json!({
        "status": status,
        "device": hex(&device.incarnation.0),
        "schemaVersion": version.0,
        "changesets": sealed.iter().map(changeset).collect::<Vec<_>>(),
        "unsealed": waiting.unsealed,
        "storage": { "kind": kind, "bytes": database.size_bytes()? },
    });
    Ok(inspection.to_string())
}

fn changeset(entry: &SealedEntry) -> Value {
    json!({
        "deviceSeq": entry.device_seq.0,
        "transactions": entry.transactions,
        "bytes": entry.total_bytes,
        "progress": match entry.progress {
            Progress::Sealed => "sealed",
            Progress::Staging { .. } => "staging",
            Progress::Staged => "staged",
            Progress::Prepared => "prepared",
            Progress::Committed => "committed",
        },
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
