//! Rows that may be in the space by now, or come there at any time: a changeset that was sealed has them, in this life or an earlier one.
//! It reads the log; what that means for a migration is not its business. Called by the opening migration.

use super::error::DbError;
use super::log::{self, Select};
use ebbtide_core::change::RowId;
use rusqlite::Connection;
use std::collections::BTreeSet;

pub(super) fn rows(connection: &Connection) -> Result<BTreeSet<RowId>, DbError> {
    let mut log = log::read(connection, Select::Sealed, |_| false)?;
    log.extend(log::read(connection, Select::Unsealed, |_| false)?.into_iter().filter(|one| one.origin.is_some()));
    let changes = log.into_iter().flat_map(|transaction| transaction.changes);
    Ok(changes.map(|change| change.row).collect())
}
