//! Accepted changesets, kept for a while in case the space is set back to a backup.
//! It bounds them by age and size, and unpacks none of them. Called by the client store, and by the log of a row.

use super::{execute, packed};
use crate::local::log::damaged;
use crate::sql::SqlError;
use crate::sqlite::sql_error;
use ebbtide_core::client::store::Kept;
use ebbtide_core::commit::Receipt;
use ebbtide_core::ids::{DeviceSeq, Incarnation, Millis};
use ebbtide_core::limits::{KEPT_BYTES, KEPT_MS};
use rusqlite::{Connection, params};

const KEEP: &str = "INSERT INTO _ebb_kept (life, device_seq, kept_at, refused, bytes)
    SELECT ?1, ?2, ?3, ?4, bytes FROM _ebb_changeset_bytes WHERE device_seq = ?2";
const PUT: &str = "INSERT INTO _ebb_kept (life, device_seq, kept_at, refused, bytes) VALUES (?, ?, ?, ?, ?)";
// Of what was kept at 0 nobody knows how old it is.
const DROP_OLD: &str = "DELETE FROM _ebb_kept WHERE kept_at < ? AND kept_at > 0";
const DROP_EXCESS: &str = "DELETE FROM _ebb_kept WHERE id <= (SELECT max(id) FROM (SELECT id,
    sum(length(bytes)) OVER (ORDER BY id DESC) AS total FROM _ebb_kept) WHERE total > ?)";
const ALL: &str = "SELECT life, device_seq, refused, bytes FROM _ebb_kept ORDER BY id";

/// The bounds are looked at once in so many times.
const TRIM_EVERY: i64 = 64;

/// Keeps the bytes of a changeset that is still here.
pub(super) fn keep_sealed(
    connection: &Connection,
    life: Incarnation,
    receipt: &Receipt,
    now: Millis,
) -> Result<(), SqlError> {
    let refused: Vec<u32> = receipt.rejected.iter().map(|rejection| rejection.index).collect();
    let refused = packed(&refused, KEEP)?;
    execute(connection, KEEP, params![&life.0[..], receipt.device_seq.0 as i64, now.0 as i64, refused])?;
    trim(connection, now)
}

pub(super) fn put(connection: &Connection, kept: &Kept, now: Millis) -> Result<(), SqlError> {
    let Kept { life, device_seq, refused, bytes } = kept;
    let refused = packed(refused, PUT)?;
    execute(connection, PUT, params![&life.0[..], device_seq.0 as i64, now.0 as i64, refused, bytes])?;
    trim(connection, now)
}

fn trim(connection: &Connection, now: Millis) -> Result<(), SqlError> {
    if connection.last_insert_rowid() % TRIM_EVERY == 0 {
        execute(connection, DROP_OLD, [now.0.saturating_sub(KEPT_MS) as i64])?;
        execute(connection, DROP_EXCESS, [KEPT_BYTES as i64])?;
    }
    Ok(())
}

/// All of them, oldest first; they are forgotten.
pub(super) fn take(connection: &Connection) -> Result<Vec<Kept>, SqlError> {
    let all = all(connection)?;
    execute(connection, "DELETE FROM _ebb_kept", [])?;
    Ok(all)
}

/// All of them, oldest first.
pub(crate) fn all(connection: &Connection) -> Result<Vec<Kept>, SqlError> {
    let kept = |row: &rusqlite::Row<'_>| {
        Ok(Kept {
            life: Incarnation(row.get(0)?),
            device_seq: DeviceSeq(row.get::<_, i64>(1)? as u64),
            refused: postcard::from_bytes(row.get_ref(2)?.as_blob()?).map_err(damaged)?,
            bytes: row.get(3)?,
        })
    };
    let read = || -> rusqlite::Result<Vec<_>> { connection.prepare_cached(ALL)?.query_map([], kept)?.collect() };
    read().map_err(|error| sql_error(&error, ALL))
}
