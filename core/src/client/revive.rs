//! Makes waiting transactions of changesets that are in a history which the space has lost, and keeps again those that it still has.
//! They keep their ids, by which the space tells the ones from the others. Called when the space was set back.

use super::apply::Applied;
use super::recover::list;
use super::seal::as_sealed;
use super::store::{ClientStore, Kept};
use super::versions;
use crate::catalogue::{Catalogue, Table};
use crate::change::{
    Base, Change, Changeset, Field, LoggedChange, LoggedField, LoggedMutation, LoggedTransaction, Mutation, RowId,
    Transaction,
};
use crate::codec::Codec;
use crate::commit::Reason;
use crate::error::Fault;
use crate::ids::{DeviceSeq, Incarnation, LogId};
use crate::limits::{SEAL_BYTES, SEAL_TRANSACTIONS};
use crate::merge::local;
use crate::value::Value;
use crate::version_map::VersionMap;
use alloc::{vec, vec::Vec};

/// Why a write does not come back.
pub const OTHER_RULE: &str = "sent when the field merged by another rule, to a space that was set back since";

/// Puts what this device had sent before everything that waits, also what it sealed under earlier schema versions. What these meant by
/// a write and the field's rule of today cannot say is listed as refused.
pub fn revive<S: ClientStore, C: Codec>(store: &mut S, codec: &C) -> Result<Applied, S::Error> {
    let own = store.catalogue();
    let (mut log, mut applied) = (Vec::new(), Applied::default());
    for Kept { life, device_seq, refused, bytes } in store.take_kept()? {
        let (changeset, then) = match versions::open_own(&bytes, device_seq, store, codec) {
            Ok(opened) => opened,
            Err(Fault::Store(error)) => return Err(error),
            // Only a damaged file has such bytes. The space may have them still.
            Err(Fault::Peer(_)) => continue,
        };
        let map = (then.version != own.version).then(|| VersionMap::new(&then, &own));
        for mut transaction in accepted(changeset, life, &refused, &then) {
            let changes = &mut transaction.changes;
            let unsaid = map.as_ref().map(|map| carry_over(changes, map, &then, &own)).unwrap_or_default();
            transaction.schema = own.version;
            // What has nothing left but its name is sent: the space knows then that it came.
            let comes_back = unsaid.is_empty() || !transaction.changes.is_empty();
            if !unsaid.is_empty() {
                let unsaid = LoggedTransaction { changes: unsaid, ..transaction.clone() };
                list(unsaid, Reason::Schema, OTHER_RULE, store, &mut applied)?;
            }
            if comes_back {
                log.push(transaction);
            }
        }
    }
    store.prepend_log(&log)?;
    Ok(applied)
}

/// Keeps transactions that leave the open log since the space has them, in case it is set back once more.
pub fn keep<S: ClientStore, C: Codec>(log: &[LoggedTransaction], store: &mut S, codec: &C) -> Result<(), S::Error> {
    let catalogue = store.catalogue();
    let mut rest = log;
    while let Some(&LoggedTransaction { schema, origin, opening, .. }) = rest.first() {
        let (run, after) = rest.split_at(together(rest));
        rest = after;
        let Some(life) = origin else { continue };
        let (device_seq, transactions) = (DeviceSeq(0), as_sealed(run, &catalogue));
        let changeset = Changeset { device_seq, schema, origin, opening, transactions };
        let bytes = codec.seal(&changeset, &catalogue).bytes;
        store.keep(&Kept { life, device_seq, refused: Vec::new(), bytes })?;
    }
    Ok(())
}

/// How many of these go into one changeset.
fn together(log: &[LoggedTransaction]) -> usize {
    let id = |one: &LoggedTransaction| (one.schema, one.origin, one.opening);
    let mut bytes = 0;
    let fits = |one: &&LoggedTransaction| {
        bytes += one.changes.iter().map(size).sum::<usize>();
        id(one) == id(&log[0]) && bytes <= SEAL_BYTES
    };
    log.iter().take(SEAL_TRANSACTIONS).take_while(fits).count().max(1)
}

fn size(change: &LoggedChange) -> usize {
    match &change.mutation {
        LoggedMutation::Insert(values) | LoggedMutation::Delete(values) => values.iter().map(Value::size).sum(),
        LoggedMutation::Update(fields) => fields.iter().map(|field| field.old.size() + field.new.size()).sum(),
    }
}

/// Makes what was sent before changes of this version. Answers the writes that say what comes to a value where the rule now wants what it becomes,
/// or the other way round.
pub fn carry_over(
    changes: &mut Vec<LoggedChange>,
    map: &VersionMap,
    then: &Catalogue,
    own: &Catalogue,
) -> Vec<LoggedChange> {
    let mut unsaid = Vec::new();
    for LoggedChange { row, mutation } in core::mem::take(changes) {
        let mut said = mutation;
        if let LoggedMutation::Update(fields) = &mut said {
            let (same, other) =
                core::mem::take(fields).into_iter().partition(|field| means_the_same(&row, field, map, then, own));
            *fields = same;
            unsaid.extend(map.logged(LoggedChange { row: row.clone(), mutation: LoggedMutation::Update(other) }));
        }
        changes.extend(map.logged(LoggedChange { row, mutation: said }));
    }
    unsaid
}

/// Whether what travelled of a write says the same under the rules of another version.
fn means_the_same(row: &RowId, field: &LoggedField, map: &VersionMap, then: &Catalogue, own: &Catalogue) -> bool {
    let was = then.table(row.table).map(|table| table.strategy(field.column));
    let place = map.table(row.table).and_then(|table| Some((own.table(table.id)?, table.column(field.column)?)));
    let (Some(was), Some((table, column))) = (was, place) else { return true };
    let is = table.strategy(column);
    is == was || !is.rebases() && !was.rebases()
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
        let (id, resolutions, apart, ahead) = (LogId(0), Vec::new(), false, false);
        LoggedTransaction {
            id,
            stamp,
            base,
            schema,
            origin,
            opening,
            changes,
            resolutions,
            absorbed,
            apart,
            ahead,
            lowered: None,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stamp;
    use crate::ids::{ColumnId, Opening, SchemaVersion, TableId};
    use crate::value::Key;
    use alloc::string::String;

    /// A transaction of some run of the database that replaced a text of so many bytes by another one.
    fn written(opening: u32, bytes: usize) -> LoggedTransaction {
        let text = |letter: char| Value::Text(String::from_iter(core::iter::repeat_n(letter, bytes)));
        let field = LoggedField { column: ColumnId(1), old: text('a'), new: text('b') };
        let row = RowId { table: TableId(0), key: Key(vec![Value::Integer(1)]) };
        LoggedTransaction {
            id: LogId(1),
            stamp: Stamp(1),
            base: Base::default(),
            schema: SchemaVersion::default(),
            origin: Some(Incarnation::default()),
            opening: Opening(opening),
            changes: vec![LoggedChange { row, mutation: LoggedMutation::Update(vec![field]) }],
            resolutions: Vec::new(),
            absorbed: Vec::new(),
            apart: false,
            ahead: false,
            lowered: None,
        }
    }

    #[test]
    fn cs202_what_is_kept_again_is_of_one_run_and_no_larger_than_what_is_sealed() {
        let log = |of: [(u32, usize); 3]| of.map(|(opening, bytes)| written(opening, bytes));
        assert_eq!(together(&log([(1, 3_000), (1, 3_000), (1, 3_000)])), 3);
        assert_eq!(together(&log([(1, 10), (2, 10), (1, 10)])), 1, "another run has names of its own");
        let half = SEAL_BYTES / 4;
        assert_eq!(together(&log([(1, half), (1, half), (1, half)])), 1, "old and new values count");
        assert_eq!(together(&log([(1, SEAL_BYTES), (1, 10), (1, 10)])), 1, "one goes, however large");
    }
}
