//! Waiting transactions that were sent before, to a history that the space has lost. Their fields say what travelled, which another rule reads
//! otherwise: what it cannot say is listed as refused.
//! It rewrites the log; rows are brought in line by a snapshot. Called when a database opens, before the rest of the log moves on.

use super::device;
use super::error::DbError;
use super::log::{damaged, decode};
use super::open::failed;
use crate::client::{drop_transactions, put_rejected};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::LoggedChange;
use ebbtide_core::client::revive::{self, OTHER_RULE};
use ebbtide_core::client::store::{Rebuild, RejectedTransaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::Reason;
use ebbtide_core::ids::{DeviceSeq, LogId};
use ebbtide_core::version_map::VersionMap;
use rusqlite::{Connection, params};

/// They have no parts, and no choices. Those that are sealed again say by which rules they are to be read.
const ALL: &str = "SELECT id, stamp, changes FROM _ebb_log
    WHERE revived AND id > ifnull((SELECT max(log_upto) FROM _ebb_changeset), 0) ORDER BY id";
const REPLACE: &str = "UPDATE _ebb_log SET changes = ? WHERE id = ?";

type Revived = (i64, i64, Vec<LoggedChange>);

/// Makes them transactions of the new version.
pub(super) fn carry_over(connection: &Connection, old: &Catalogue, new: &Catalogue) -> Result<(), DbError> {
    if old.tables == new.tables {
        return Ok(());
    }
    let map = VersionMap::new(old, new);
    let mut is_said = true;
    for (id, stamp, mut changes) in all(connection).map_err(|e| failed(&e))? {
        let unsaid = revive::carry_over(&mut changes, &map, old, new);
        if !unsaid.is_empty() {
            put_rejected(connection, &refused(Stamp(stamp as u64), unsaid), new.version)?;
            is_said = false;
            if changes.is_empty() {
                drop_transactions(connection, &[LogId(id)])?;
                continue;
            }
        }
        replace(connection, id, &changes).map_err(|e| failed(&e))?;
    }
    if is_said { Ok(()) } else { fetch_rows(connection).map_err(|e| failed(&e)) }
}

fn all(connection: &Connection) -> rusqlite::Result<Vec<Revived>> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, decode(row.get_ref(2)?.as_blob()?)?));
    connection.prepare(ALL)?.query_map([], read)?.collect()
}

fn refused(stamp: Stamp, changes: Vec<LoggedChange>) -> RejectedTransaction {
    let (device_seq, reason, detail) = (DeviceSeq(0), Reason::Schema, OTHER_RULE.into());
    RejectedTransaction { stamp, device_seq, reason, detail, changes, resolutions: Vec::new() }
}

fn replace(connection: &Connection, id: i64, changes: &[LoggedChange]) -> rusqlite::Result<()> {
    let mut bytes = Vec::new();
    for change in changes {
        bytes = postcard::to_extend(change, bytes).map_err(damaged)?;
    }
    connection.prepare_cached(REPLACE)?.execute(params![bytes, id])?;
    Ok(())
}

/// The rows may show what does not wait any more.
fn fetch_rows(connection: &Connection) -> rusqlite::Result<()> {
    let (mut device, clock) = device::read(connection)?.unwrap_or_default();
    device.rebuild.get_or_insert(Rebuild::Behind);
    device::write(connection, &device, clock)
}
