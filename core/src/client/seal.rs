//! Makes a changeset of the open log: coalesced transactions, each change with what the device had seen.
//! It decides how much goes into one number and what the bases are; bytes and hash are the codec's.
//! Called by the session when there is room for another number.

use super::absorb::absorb;
use super::coalesce::{Net, coalesce};
use super::store::{ClientStore, DeviceState};
use super::versions;
use crate::catalogue::{Catalogue, RowRule, Strategy, Table};
use crate::change::{
    Base, Change, Changeset, Field, LoggedChange, LoggedField, LoggedMutation, LoggedTransaction, Mutation, RowId,
    Transaction,
};
use crate::codec::Codec;
use crate::conflict::SeenValue;
use crate::error::Fault;
use crate::ids::{ColumnId, DeviceSeq, LogId, Seq};
use crate::limits::{SEAL_BYTES, SEAL_TRANSACTIONS};
use crate::merge::local;
use crate::merge::text::Ground;
use crate::sorted::{SortedMap, SortedSet};
use alloc::vec::Vec;

/// Whether transactions may disappear into later ones that write all their cells again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folding {
    /// They may.
    Folded,
    /// Each goes by itself: somebody is going to be told what becomes of each.
    Single,
}

/// Whether `seal_next` would find anything.
pub fn could_seal<S: ClientStore>(device: &DeviceState, store: &mut S) -> Result<bool, S::Error> {
    let waiting = store.waiting()?;
    if device.recovering || waiting.local > 0 || waiting.unsealed == 0 {
        return Ok(false);
    }
    Ok(store.unsealed(SEAL_BYTES, 1)?.first().is_some_and(|first| !first.ahead))
}

/// Seals the oldest part of the open log under the next number. Answers whether there was anything.
pub fn seal_next<S: ClientStore, C: Codec>(
    folding: Folding,
    device: &mut DeviceState,
    store: &mut S,
    codec: &C,
) -> Result<bool, Fault<S::Error>> {
    if device.recovering || store.waiting()?.local > 0 {
        return Ok(false);
    }
    let mut log = store.unsealed(SEAL_BYTES, 1)?;
    let Some(LoggedTransaction { schema, origin, opening, apart, ahead: false, .. }) = log.first() else {
        return Ok(false);
    };
    let (schema, origin, opening, apart) = (*schema, *origin, *opening, *apart);
    // Given up before: alone, the one that is at fault keeps no other back.
    if origin != Some(device.incarnation) {
        log = store.unsealed(SEAL_BYTES, SEAL_TRANSACTIONS)?;
    }
    // What goes apart is not held up by later writes that are folded, and would be refused with it again.
    let alike =
        |one: &&LoggedTransaction| (one.schema, one.origin, one.opening, one.apart) == (schema, origin, opening, apart);
    log.truncate(log.iter().take_while(alike).take_while(|one| !one.ahead).count());
    let catalogue = store.catalogue();
    let (count, upto) = (log.len() as u32, log.last().map(|transaction| transaction.id).unwrap_or_default());
    if folding == Folding::Folded {
        log = absorb(log, &catalogue);
    }
    let mut bases = Bases::new(&log, device.next_device_seq, store, codec)?;
    let transactions = log.iter().map(|logged| transaction(logged, &catalogue, &mut bases)).collect();
    let changeset = Changeset { device_seq: device.next_device_seq, schema, origin, opening, transactions };
    let sealed = codec.seal(&changeset, &catalogue);
    store.put_sealed(&sealed, count, upto)?;
    device.next_device_seq = device.next_device_seq.next();
    store.set_device(device)?;
    Ok(true)
}

/// Seals the open log up to its last write on top of a changeset that is about to leave: what such writes had seen can be told, cell by
/// cell, only while that changeset is still here.
pub fn seal_before_leaving<S: ClientStore, C: Codec>(
    leaving: DeviceSeq,
    device: &mut DeviceState,
    store: &mut S,
    codec: &C,
) -> Result<(), Fault<S::Error>> {
    if store.waiting()?.unsealed == 0 {
        return Ok(());
    }
    let leaving = store.sealed_log(Some(leaving))?;
    let rows: SortedSet<&RowId> = rows_of(&leaving).collect();
    let earliest = leaving.iter().map(|transaction| transaction.base.seq).min().unwrap_or_default();
    let later = store.unsealed_since(earliest)?;
    let on_top = later.iter().filter(|one| rows_of([*one]).any(|row| rows.contains(row)));
    let mut on_top: Vec<LogId> = on_top.map(|transaction| transaction.id).collect();
    // What comes after the last of them stays open, to be folded and sealed when there is room.
    while let (Some(last), Some(open)) = (on_top.last(), first_open(store)?) {
        if open > *last || !seal_next(Folding::Single, device, store, codec)? {
            break;
        }
    }
    // What cannot be sealed yet says of its cells that it had seen less, so that nothing unseen is written over.
    let first = first_open(store)?;
    on_top.retain(|id| first.is_some_and(|first| *id >= first));
    Ok(store.lower_bases(&on_top, earliest)?)
}

fn first_open<S: ClientStore>(store: &mut S) -> Result<Option<LogId>, S::Error> {
    Ok(store.unsealed(SEAL_BYTES, 1)?.first().map(|transaction| transaction.id))
}

/// The transactions as they would be sealed, but for what they had seen.
pub fn as_sealed(log: &[LoggedTransaction], catalogue: &Catalogue) -> Vec<Transaction> {
    let mut bases = Bases { sealed_before: DeviceSeq(0), first: None, texts: SortedSet::new() };
    log.iter().map(|logged| transaction(logged, catalogue, &mut bases)).collect()
}

fn rows_of<'a>(log: impl IntoIterator<Item = &'a LoggedTransaction>) -> impl Iterator<Item = &'a RowId> {
    log.into_iter().flat_map(|transaction| &transaction.changes).map(|change| &change.row)
}

fn transaction(logged: &LoggedTransaction, catalogue: &Catalogue, bases: &mut Bases) -> Transaction {
    let position = |row: &RowId, column| catalogue.table(row.table).and_then(|table| table.field_position(column));
    let mut changes = Vec::new();
    for (row, net) in coalesce(&logged.changes, position) {
        if let Some(table) = catalogue.table(row.table) {
            push_changes(&mut changes, row, net, table, logged, bases);
        }
    }
    bases.note(logged, catalogue);
    let (resolutions, seen) = (logged.resolutions.clone(), seen(logged, catalogue));
    Transaction { stamp: logged.stamp, changes, resolutions, seen, absorbed: logged.absorbed.clone() }
}

/// What stood in the fields whose conflicts a person will choose from: the first value that the transaction found there.
fn seen(logged: &LoggedTransaction, catalogue: &Catalogue) -> Vec<SeenValue> {
    let mut seen: Vec<SeenValue> = Vec::new();
    let mut told_before = SortedSet::new();
    for LoggedChange { row, mutation } in &logged.changes {
        let (Some(table), LoggedMutation::Update(fields)) = (catalogue.table(row.table), mutation) else { continue };
        // The fields of a row that is one whole are logged all; where nothing changed, what is sent tells the base.
        let told = fields.iter().filter(|field| table.strategy(field.column).tells_base() && field.old != field.new);
        for field in told {
            if told_before.insert((row, field.column)) {
                seen.push(SeenValue { row: row.clone(), column: field.column, value: field.old.clone() });
            }
        }
    }
    seen
}

fn push_changes(
    changes: &mut Vec<Change>,
    row: RowId,
    net: Net,
    table: &Table,
    logged: &LoggedTransaction,
    bases: &Bases,
) {
    let whole = |mutation| Change { row: row.clone(), mutation, base: bases.of_row(&row, logged.hiding_base()) };
    match net {
        Net::Inserted(values) => changes.push(whole(Mutation::Insert(values))),
        Net::Deleted => changes.push(whole(Mutation::Delete)),
        Net::Replaced(values) => {
            changes.push(whole(Mutation::Delete));
            changes.push(whole(Mutation::Insert(values)));
        }
        Net::Updated(fields) => changes.extend(updates(row, fields, table, logged, bases)),
        Net::Nothing => {}
    }
}

/// One update per base: cells of one row may have been seen at different cursors.
fn updates(
    row: RowId,
    fields: Vec<LoggedField>,
    table: &Table,
    logged: &LoggedTransaction,
    bases: &Bases,
) -> Vec<Change> {
    let mut by_base: SortedMap<Base, Vec<Field>> = SortedMap::new();
    let whole = (table.row == RowRule::Atomic).then(|| bases.of_row(&row, logged.hiding_base()));
    for LoggedField { column, old, new } in fields {
        let strategy = table.strategy(column);
        let base = if let Some(base) = whole {
            base
        } else if strategy.rebases() {
            bases.of_write(logged.base)
        } else {
            bases.of_cell(&row, column, logged.hiding_base())
        };
        // What was written in a history that the space has lost, or sent there, may be put behind: whose words it would replace, nobody knows.
        let is_lost = logged.origin.is_some() || logged.lowered.is_some();
        let pending = strategy == Strategy::Text && !is_lost && bases.waits(&row, column);
        let ground = if pending { Ground::Pending } else { Ground::Firm };
        by_base.entry(base).or_default().push(Field { column, value: local::sent(strategy, &old, &new, ground) });
    }
    let change = |(base, fields)| Change { row: row.clone(), mutation: Mutation::Update(fields), base };
    by_base.into_iter().map(change).collect()
}

/// For every cell with a pending write: the cursor at which the first of them was made.
///
/// Kept only when the cursor moved while writes were pending; otherwise every cell has its transaction's own base.
/// Every write had seen all own ones before it, so the own half of the base is the number before the changeset's.
struct Bases {
    sealed_before: DeviceSeq,
    first: Option<SortedMap<RowId, SortedMap<Option<ColumnId>, Seq>>>,
    /// Merged texts that an earlier transaction of this changeset writes.
    texts: SortedSet<(RowId, ColumnId)>,
}

impl Bases {
    fn new<S: ClientStore, C: Codec>(
        open: &[LoggedTransaction],
        number: DeviceSeq,
        store: &mut S,
        codec: &C,
    ) -> Result<Self, Fault<S::Error>> {
        let sealed_before = DeviceSeq(number.0.saturating_sub(1));
        let oldest = open.iter().map(|transaction| transaction.base.seq).min().unwrap_or_default();
        let moved_within = open.iter().any(|one| one.base.seq != oldest || one.lowered.is_some());
        let waiting = store.sealed()?;
        if waiting.is_empty() && !moved_within {
            return Ok(Self { sealed_before, first: None, texts: SortedSet::new() });
        }
        let mut bases = Self { sealed_before, first: Some(SortedMap::new()), texts: SortedSet::new() };
        for entry in waiting {
            match versions::open_sealed(entry.device_seq, store, codec) {
                Ok(sealed) => sealed
                    .transactions
                    .iter()
                    .flat_map(|transaction| &transaction.changes)
                    .for_each(|change| bases.note_sealed(change)),
                // Bytes that cannot be read are going to be given up; the log still has what they were made of.
                Err(Fault::Peer(_)) => {
                    let (log, catalogue) = (store.sealed_log(Some(entry.device_seq))?, store.catalogue());
                    log.iter().for_each(|transaction| bases.note(transaction, &catalogue));
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(bases)
    }

    /// What was sealed says itself how far back its cells go.
    fn note_sealed(&mut self, change: &Change) {
        match &change.mutation {
            Mutation::Update(fields) => {
                fields.iter().for_each(|field| self.note_cell(&change.row, Some(field.column), change.base.seq));
            }
            Mutation::Insert(_) | Mutation::Delete => self.note_cell(&change.row, None, change.base.seq),
        }
    }

    fn note(&mut self, transaction: &LoggedTransaction, catalogue: &Catalogue) {
        let seq = transaction.hiding_base().seq;
        for LoggedChange { row, mutation } in &transaction.changes {
            match mutation {
                LoggedMutation::Update(fields) => {
                    self.note_texts(row, fields, catalogue);
                    fields.iter().for_each(|field| self.note_cell(row, Some(field.column), seq));
                }
                LoggedMutation::Insert(_) | LoggedMutation::Delete(_) => self.note_cell(row, None, seq),
            }
        }
    }

    fn note_texts(&mut self, row: &RowId, fields: &[LoggedField], catalogue: &Catalogue) {
        let Some(table) = catalogue.table(row.table) else { return };
        let texts = fields.iter().map(|field| field.column).filter(|column| table.strategy(*column) == Strategy::Text);
        self.texts.extend(texts.map(|column| (row.clone(), column)));
    }

    /// Whether an update of this merged text waits already, so that it may still be refused under the next one.
    fn waits(&self, row: &RowId, column: ColumnId) -> bool {
        let sealed = self.first.as_ref().and_then(|first| first.get(row));
        sealed.is_some_and(|cells| cells.contains_key(&Some(column))) || self.texts.contains(&(row.clone(), column))
    }

    fn note_cell(&mut self, row: &RowId, column: Option<ColumnId>, seq: Seq) {
        let Some(first) = self.first.as_mut() else { return };
        if !first.contains_key(row) {
            first.insert(row.clone(), SortedMap::new());
        }
        if let Some(cells) = first.get_mut(row) {
            let earliest = cells.entry(column).or_insert(seq);
            *earliest = seq.min(*earliest);
        }
    }

    /// Where a pull moves the visible value under a pending write, the next write has seen what was pulled.
    fn of_write(&self, base: Base) -> Base {
        Base { seq: base.seq, device_seq: self.sealed_before }
    }

    /// A pending insert or delete of the whole row counts for each of its cells.
    fn of_cell(&self, row: &RowId, column: ColumnId, base: Base) -> Base {
        let cells = self.first.as_ref().and_then(|first| first.get(row));
        let of = |cell: Option<ColumnId>| cells.and_then(|cells| cells.get(&cell)).copied().unwrap_or(base.seq);
        Base { seq: of(Some(column)).min(of(None)).min(base.seq), device_seq: self.sealed_before }
    }

    fn of_row(&self, row: &RowId, base: Base) -> Base {
        let cells = self.first.as_ref().and_then(|first| first.get(row));
        let earliest = cells.and_then(|cells| cells.values().min()).copied();
        Base { seq: earliest.unwrap_or(base.seq).min(base.seq), device_seq: self.sealed_before }
    }
}
