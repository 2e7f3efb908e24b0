//! Makes a changeset of the open log: coalesced transactions, each change with what the device had seen.
//! It decides how much goes into one number and what the bases are; bytes and hash are the codec's.
//! Called by the session when there is room for another number.

use super::coalesce::{Net, coalesce};
use super::store::{ClientStore, DeviceState};
use crate::catalogue::Catalogue;
use crate::change::{
    Base, Change, Changeset, Field, LoggedChange, LoggedField, LoggedMutation, LoggedTransaction, Mutation, RowId, Transaction,
};
use crate::codec::Codec;
use crate::commit::{Effect, Outcome};
use crate::ids::{ColumnId, Seq};
use crate::limits::{SEAL_BYTES, SEAL_TRANSACTIONS};
use alloc::{collections::BTreeMap, vec, vec::Vec};

/// Seals the oldest part of the open log under the next number. Answers whether there was anything.
pub fn seal_next<S: ClientStore, C: Codec>(
    device: &mut DeviceState,
    store: &mut S,
    codec: &C,
) -> Result<bool, S::Error> {
    let mut log = store.unsealed(SEAL_BYTES, SEAL_TRANSACTIONS)?;
    let Some(schema) = log.first().map(|transaction| transaction.schema) else { return Ok(false) };
    log.truncate(log.iter().take_while(|transaction| transaction.schema == schema).count());
    let catalogue = store.catalogue();
    let mut bases = Bases::new(&log, store)?;
    let transactions = log.iter().map(|logged| transaction(logged, &catalogue, &mut bases)).collect();
    let changeset = Changeset { device_seq: device.next_device_seq, schema, transactions };
    let sealed = codec.seal(&changeset, &catalogue);
    let upto = log.last().map(|transaction| transaction.id).unwrap_or_default();
    store.put_sealed(&sealed, log.len() as u32, upto)?;
    device.next_device_seq = device.next_device_seq.next();
    store.set_device(device)?;
    Ok(true)
}

fn transaction(logged: &LoggedTransaction, catalogue: &Catalogue, bases: &mut Bases) -> Transaction {
    let position = |row: &RowId, column| catalogue.table(row.table).and_then(|table| table.field_position(column));
    let mut changes = Vec::new();
    for (row, net) in coalesce(&logged.changes, position) {
        push_changes(&mut changes, row, net, logged.base, bases);
    }
    bases.note(logged);
    Transaction { stamp: logged.stamp, changes }
}

fn push_changes(changes: &mut Vec<Change>, row: RowId, net: Net, base: Base, bases: &Bases) {
    let whole = |mutation| Change { row: row.clone(), mutation, base: bases.of_row(&row, base) };
    match net {
        Net::Inserted(values) => changes.push(whole(Mutation::Insert(values))),
        Net::Deleted => changes.push(whole(Mutation::Delete)),
        Net::Replaced(values) => {
            changes.push(whole(Mutation::Delete));
            changes.push(whole(Mutation::Insert(values)));
        }
        Net::Updated(fields) => changes.extend(updates(row, fields, base, bases)),
        Net::Nothing => {}
    }
}

/// One update per base: cells of one row may have been seen at different cursors.
fn updates(row: RowId, fields: Vec<LoggedField>, base: Base, bases: &Bases) -> Vec<Change> {
    let mut by_base: BTreeMap<Base, Vec<Field>> = BTreeMap::new();
    for field in fields {
        let base = bases.of_cell(&row, field.column, base);
        by_base.entry(base).or_default().push(Field { column: field.column, value: field.new });
    }
    let change = |(base, fields)| Change { row: row.clone(), mutation: Mutation::Update(fields), base };
    by_base.into_iter().map(change).collect()
}

/// For every cell with a pending write: the cursor at which the first of them was made.
///
/// Kept only when the cursor moved while writes were pending; otherwise every cell has its transaction's own base.
struct Bases {
    first: Option<BTreeMap<RowId, BTreeMap<Option<ColumnId>, Seq>>>,
}

impl Bases {
    fn new<S: ClientStore>(open: &[LoggedTransaction], store: &mut S) -> Result<Self, S::Error> {
        let newest = open.last().map(|transaction| transaction.base.seq).unwrap_or_default();
        let waiting = store.sealed()?;
        let moved_within = open.first().is_some_and(|transaction| transaction.base.seq != newest);
        if waiting.is_empty() && !moved_within {
            return Ok(Self { first: None });
        }
        let mut bases = Self { first: Some(BTreeMap::new()) };
        for transaction in store.sealed_log(None)? {
            bases.note(&transaction);
        }
        Ok(bases)
    }

    fn note(&mut self, transaction: &LoggedTransaction) {
        let Some(first) = self.first.as_mut() else { return };
        for LoggedChange { row, mutation } in &transaction.changes {
            let cells = first.entry(row.clone()).or_default();
            let columns: Vec<Option<ColumnId>> = match mutation {
                LoggedMutation::Update(fields) => fields.iter().map(|field| Some(field.column)).collect(),
                LoggedMutation::Insert(_) | LoggedMutation::Delete(_) => vec![None],
            };
            for column in columns {
                cells.entry(column).or_insert(transaction.base.seq);
            }
        }
    }

    /// A pending insert or delete of the whole row counts for each of its cells.
    fn of_cell(&self, row: &RowId, column: ColumnId, base: Base) -> Base {
        let cells = self.first.as_ref().and_then(|first| first.get(row));
        let earliest = cells.and_then(|cells| cells.get(&Some(column)).or_else(|| cells.get(&None)));
        Base { seq: earliest.copied().unwrap_or(base.seq).min(base.seq), ..base }
    }

    fn of_row(&self, row: &RowId, base: Base) -> Base {
        let cells = self.first.as_ref().and_then(|first| first.get(row));
        let earliest = cells.and_then(|cells| cells.values().min()).copied();
        Base { seq: earliest.unwrap_or(base.seq).min(base.seq), ..base }
    }
}

/// What a changeset's transactions do to rows, in their order, as outcomes: what "accepted as sent" means.
pub fn outcomes(log: &[LoggedTransaction], catalogue: &Catalogue) -> Vec<Outcome> {
    let position = |row: &RowId, column| catalogue.table(row.table).and_then(|table| table.field_position(column));
    let net = log.iter().flat_map(|transaction| coalesce(&transaction.changes, position));
    net.filter_map(|(row, net)| effect(net).map(|effect| Outcome { row, effect })).collect()
}

fn effect(net: Net) -> Option<Effect> {
    match net {
        Net::Inserted(values) | Net::Replaced(values) => Some(Effect::Put(values)),
        Net::Deleted => Some(Effect::Delete),
        Net::Updated(fields) => {
            let set = fields.into_iter().map(|field| Field { column: field.column, value: field.new });
            Some(Effect::Set(set.collect()))
        }
        Net::Nothing => None,
    }
}
