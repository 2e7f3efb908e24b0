//! What a migration made here, ahead of the space, of rows that were on their way there. The space runs the same migration on those that it
//! decided before; to the others nobody does it but this device.
//! It knows when that can be told, from the order of commits; how such writes are kept is the store's business. Called when commits are applied.

use super::overlay::Underlay;
use super::store::{ClientStore, DeviceState};
use crate::change::{LoggedChange, LoggedMutation, LoggedTransaction, RowId};
use crate::ids::SchemaVersion;
use crate::sorted::SortedSet;
use crate::value::Value;
use alloc::vec::Vec;

/// The commit that is applied next is of this version. With the first one that is no older than this device's, the rows that the space
/// has before it are those that its own run of the migration met.
pub fn before_commit<S: ClientStore>(
    version: SchemaVersion,
    device: &DeviceState,
    store: &mut S,
) -> Result<(), S::Error> {
    let Some(made) = due(version, device, store)? else { return Ok(()) };
    let (rows, coming) = (rows(&made), coming(store)?);
    let underlay = Underlay::lift(&rows, store)?;
    let met = |row: &RowId| !coming.contains(row) || underlay.has(row);
    let without: Vec<RowId> = rows.iter().filter(|row| met(row)).cloned().collect();
    store.release_ahead(&without)?;
    underlay.settle(store)
}

/// The visible rows are those of a snapshot of this version, bare. In which order the space decided rows and migrated is not told by it: what a row
/// shows tells whether the migration was run on it.
pub fn in_snapshot<S: ClientStore>(
    version: SchemaVersion,
    device: &DeviceState,
    store: &mut S,
) -> Result<(), S::Error> {
    let Some(made) = due(version, device, store)? else { return Ok(()) };
    let coming = coming(store)?;
    let mut without = Vec::new();
    for change in made.iter().flat_map(|transaction| &transaction.changes) {
        let was_met = match store.row(&change.row)? {
            Some(values) => !is_as_before(change, &values, store),
            None => !coming.contains(&change.row),
        };
        if was_met {
            without.push(change.row.clone());
        }
    }
    store.release_ahead(&without)
}

/// What waits for a version that comes with this one.
fn due<S: ClientStore>(
    version: SchemaVersion,
    device: &DeviceState,
    store: &mut S,
) -> Result<Option<Vec<LoggedTransaction>>, S::Error> {
    let own = store.catalogue().version;
    if !own.is_later_than(device.space_schema) || own.is_later_than(version) {
        return Ok(None);
    }
    Ok(Some(store.ahead()?).filter(|made| !made.is_empty()))
}

fn rows(made: &[LoggedTransaction]) -> Vec<RowId> {
    let rows = made.iter().flat_map(|transaction| &transaction.changes).map(|change| &change.row);
    rows.collect::<SortedSet<&RowId>>().into_iter().cloned().collect()
}

/// The rows whose inserts still wait.
fn coming<S: ClientStore>(store: &mut S) -> Result<SortedSet<RowId>, S::Error> {
    let mut log = store.sealed_log(None)?;
    log.extend(store.unsealed(usize::MAX, usize::MAX)?);
    let changes = log.into_iter().flat_map(|transaction| transaction.changes);
    Ok(changes.filter(|change| matches!(change.mutation, LoggedMutation::Insert(_))).map(|change| change.row).collect())
}

fn is_as_before<S: ClientStore>(change: &LoggedChange, values: &[Value], store: &S) -> bool {
    let catalogue = store.catalogue();
    let Some(table) = catalogue.table(change.row.table) else { return false };
    match &change.mutation {
        LoggedMutation::Update(fields) => fields.iter().all(|field| {
            let value = table.field_position(field.column).and_then(|at| values.get(at));
            value == Some(&field.old)
        }),
        LoggedMutation::Delete(before) => values == before.as_slice(),
        LoggedMutation::Insert(_) => false,
    }
}
