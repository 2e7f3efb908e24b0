//! Rows that were a device's own before their table was kept in step, as transactions of its log.
//! It cuts and orders them; whether they travel is the app's choice, and asking for it the session's.
//! Called by the opening migration.

use super::log::damaged;
use crate::capture::Taken;
use crate::limits::LOG_PART_BYTES;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::LoggedChange;
use ebbtide_core::limits::{TRANSACTION_BYTES, TRANSACTION_ROWS};
use rusqlite::Connection;

/// Brings rows into an order in which references look back: where they fill several transactions, parents are decided first.
/// Tables that refer to each other in a circle, or to themselves, stay as they are.
pub(super) fn parents_first(changes: &mut [LoggedChange], catalogue: &Catalogue) {
    let count = catalogue.tables.len();
    let mut depths = vec![0; count];
    for _ in 0..count {
        for (at, table) in catalogue.tables.iter().enumerate() {
            let parents = table.references.iter().map(|reference| usize::from(reference.parent.0));
            let deepest = parents.filter(|parent| *parent != at).map(|parent| depths[parent] + 1).max();
            depths[at] = depths[at].max(deepest.unwrap_or(0)).min(count);
        }
    }
    changes.sort_by_key(|change| depths[usize::from(change.row.table.0)]);
}

/// As few transactions as the bounds of one allow.
pub(super) fn transactions(changes: &[LoggedChange]) -> rusqlite::Result<Vec<Taken>> {
    let mut all: Vec<Taken> = Vec::new();
    let mut part_start = 0;
    for change in changes {
        let bytes = postcard::to_allocvec(change).map_err(damaged)?;
        let full =
            |taken: &Taken| taken.rows >= TRANSACTION_ROWS || taken.bytes.len() + bytes.len() > TRANSACTION_BYTES;
        if all.last().is_none_or(full) {
            all.push(Taken { bytes: Vec::new(), parts: Vec::new(), rows: 0 });
            part_start = 0;
        }
        let Some(taken) = all.last_mut() else { continue };
        if taken.bytes.len() - part_start >= LOG_PART_BYTES {
            part_start = taken.bytes.len();
            taken.parts.push(part_start);
        }
        taken.bytes.extend(bytes);
        taken.rows += 1;
    }
    Ok(all)
}

/// Whether something waits for the app's choice.
pub(super) fn has_local(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare("SELECT 1 FROM _ebb_log WHERE local LIMIT 1")?.exists([])
}
