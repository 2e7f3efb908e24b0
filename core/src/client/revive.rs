//! Makes waiting transactions of changesets that are in a history which the space has lost.
//! They keep their ids, so that those which the space still has are found and leave again. Called when the space was set back.

use super::store::{ClientStore, Kept};
use crate::catalogue::{Catalogue, Table};
use crate::change::{
    Base, Change, Changeset, Field, LoggedChange, LoggedField, LoggedMutation, LoggedTransaction, Mutation, Transaction,
};
use crate::codec::Codec;
use crate::ids::{Incarnation, LogId};
use crate::merge::local;
use crate::value::Value;
use alloc::{vec, vec::Vec};

/// Puts what this device had sent before everything that waits. What was sealed under another schema version cannot be read
/// any more and is left out.
pub fn revive<S: ClientStore, C: Codec>(store: &mut S, codec: &C) -> Result<(), S::Error> {
    let catalogue = store.catalogue();
    let mut log = Vec::new();
    for Kept { life, device_seq, refused, bytes } in store.take_kept()? {
        let Ok(changeset) = codec.open(&bytes, device_seq, &catalogue) else { continue };
        log.extend(accepted(changeset, life, &refused, &catalogue));
    }
    store.prepend_log(&log)
}

fn accepted(
    changeset: Changeset,
    life: Incarnation,
    refused: &[u32],
    catalogue: &Catalogue,
) -> impl Iterator<Item = LoggedTransaction> {
    let (schema, opening, origin) = (changeset.schema, changeset.opening, Some(changeset.origin.unwrap_or(life)));
    let numbered = changeset.transactions.into_iter().enumerate();
    let taken = numbered.filter(|(index, _)| !refused.contains(&(*index as u32)));
    // A choice names a conflict by its place in the lost history; what was chosen is among the changes.
    taken.map(move |(_, Transaction { stamp, changes, absorbed, .. })| {
        let seq = changes.iter().map(|change| change.base.seq).min().unwrap_or_default();
        let base = Base { seq, ..Base::default() };
        let changes = changes.into_iter().filter_map(|change| logged(change, catalogue)).collect();
        let (id, resolutions, apart) = (LogId(0), Vec::new(), false);
        LoggedTransaction { id, stamp, base, schema, origin, opening, changes, resolutions, absorbed, apart }
    })
}

/// The values before are not known; nothing is taken back by them, since the rows are replaced by the space's.
fn logged(change: Change, catalogue: &Catalogue) -> Option<LoggedChange> {
    let table = catalogue.table(change.row.table)?;
    let mutation = match change.mutation {
        Mutation::Insert(values) => LoggedMutation::Insert(values),
        Mutation::Update(fields) => {
            LoggedMutation::Update(fields.into_iter().map(|field| logged_field(field, table)).collect())
        }
        Mutation::Delete => LoggedMutation::Delete(vec![Value::Null; table.fields().count()]),
    };
    Some(LoggedChange { row: change.row, mutation })
}

fn logged_field(Field { column, value }: Field, table: &Table) -> LoggedField {
    let (old, new) = local::logged(table.strategy(column), value);
    LoggedField { column, old, new }
}
