//! Installs a snapshot: staged pages, then the commits since it began, become the rows of the database in one transaction.
//! What waits is taken out of the view before and laid over it again. How pages are fetched is for `rebuild`.

use super::apply::{Applied, drop_changeset, note, reject};
use super::left_out::LeftOut;
use super::overlay;
use super::seal::seal_before_leaving;
use super::store::{ClientStore, DeviceState, SnapshotState, StagedPart};
use super::versions;
use super::void::is_void;
use crate::catalogue::Catalogue;
use crate::change::{Field, LoggedTransaction, RowId};
use crate::codec::Codec;
use crate::commit::{Effect, Outcome, Receipt};
use crate::error::Fault;
use crate::ids::TableId;
use crate::value::{Key, Value};
use alloc::{collections::BTreeMap, collections::BTreeSet, vec::Vec};

/// Keys read at once when rows are looked for that the space does not have.
const KEYS: usize = 1_000;

/// What the commits after the pages made of rows.
type Late = BTreeMap<RowId, Effect>;

/// Replaces every row by what is staged, but for those of which it says nothing, and moves the cursor there.
pub fn install<S: ClientStore, C: Codec>(
    state: &SnapshotState,
    mut left_out: LeftOut,
    device: &mut DeviceState,
    store: &mut S,
    codec: &C,
    applied: &mut Applied,
) -> Result<(), Fault<S::Error>> {
    let late = late(store, codec, applied)?;
    left_out.lay_bare(store)?;
    let fresh = is_empty(store)?;
    if !fresh {
        take_out(&late, &left_out, store, codec)?;
    }
    each_page(&late, store, codec, |store, rows| put_in(rows, fresh, store))?;
    store.write(&beside_pages(&late, &left_out))?;
    store.forget_view()?;
    device.left_out = left_out.by();
    left_out.keep_previews(|row| late.contains_key(row), store)?;
    versions::keep_of_staged(store, codec)?;
    leave(state, device, store, codec, applied)?;
    device.move_cursor(state.upto);
    Ok(store.drop_snapshot()?)
}

/// Lays what waits over the installed rows.
pub fn finish<S: ClientStore>(store: &mut S) -> Result<(), S::Error> {
    overlay::lay_over_space(store)
}

fn late<S: ClientStore, C: Codec>(store: &mut S, codec: &C, applied: &mut Applied) -> Result<Late, Fault<S::Error>> {
    let catalogue = store.catalogue();
    let (mut late, mut after) = (Late::new(), 0);
    while let Some((id, part)) = store.staged_after(after)? {
        after = id;
        let outcomes = match part {
            StagedPart::Page(_) => continue,
            StagedPart::LastPage(bytes) => {
                let page = versions::look_into(&bytes, store, codec)?.commit;
                store.replace_queue(&[])?;
                store.change_queue(&page.queue)?;
                store.put_authors(&page.authors)?;
                continue;
            }
            StagedPart::Commit(seq, bytes) => {
                let commit = versions::look_into(&bytes, store, codec)?.commit;
                note(seq, &commit, store, applied)?;
                applied.foreign += 1;
                commit.outcomes
            }
        };
        for Outcome { row, effect } in outcomes {
            let earlier = late.remove(&row);
            let effect = then(earlier, effect, &catalogue, row.table);
            late.insert(row, effect);
        }
    }
    Ok(late)
}

fn then(earlier: Option<Effect>, later: Effect, catalogue: &Catalogue, table: TableId) -> Effect {
    match (earlier, later) {
        (Some(Effect::Put(values)), Effect::Set(fields)) => Effect::Put(with(values, &fields, catalogue, table)),
        (Some(Effect::Set(mut fields)), Effect::Set(more)) => {
            fields.retain(|field| more.iter().all(|newer| newer.column != field.column));
            fields.extend(more);
            fields.sort_by_key(|field| field.column);
            Effect::Set(fields)
        }
        (Some(Effect::Delete), Effect::Set(_)) => Effect::Delete,
        (_, later) => later,
    }
}

fn with(mut values: Vec<Value>, fields: &[Field], catalogue: &Catalogue, table: TableId) -> Vec<Value> {
    let Some(table) = catalogue.table(table) else { return values };
    for field in fields {
        if let Some(slot) = table.field_position(field.column).and_then(|at| values.get_mut(at)) {
            *slot = field.value.clone();
        }
    }
    values
}

/// Shows every row of the snapshot once, or, where a commit brought it, perhaps twice; a page at a time.
fn each_page<S: ClientStore, C: Codec>(
    late: &Late,
    store: &mut S,
    codec: &C,
    mut show: impl FnMut(&mut S, Vec<(RowId, Vec<Value>)>) -> Result<(), S::Error>,
) -> Result<(), Fault<S::Error>> {
    let catalogue = store.catalogue();
    let mut after = 0;
    while let Some((id, part)) = store.staged_after(after)? {
        after = id;
        let (StagedPart::Page(bytes) | StagedPart::LastPage(bytes)) = part else { continue };
        let page = versions::look_into(&bytes, store, codec)?.commit;
        store.observe(page.stamp)?;
        let rows = page.outcomes.into_iter().filter_map(|Outcome { row, effect }| {
            let Effect::Put(values) = effect else { return None };
            let values = match late.get(&row) {
                None => values,
                Some(Effect::Put(values)) => values.clone(),
                Some(Effect::Set(fields)) => with(values, fields, &catalogue, row.table),
                Some(Effect::Delete) => return None,
            };
            Some((row, values))
        });
        let rows = rows.collect();
        show(store, rows)?;
    }
    let new = late.iter().filter_map(|(row, effect)| match effect {
        Effect::Put(values) => Some((row.clone(), values.clone())),
        Effect::Set(_) | Effect::Delete => None,
    });
    Ok(show(store, new.collect())?)
}

/// Takes rows out that the space does not have, or has otherwise: their unique values are free before any row comes in.
fn take_out<S: ClientStore, C: Codec>(
    late: &Late,
    left_out: &LeftOut,
    store: &mut S,
    codec: &C,
) -> Result<(), Fault<S::Error>> {
    let mut present: BTreeSet<RowId> = BTreeSet::new();
    each_page(late, store, codec, |store, rows| {
        let mut other = Vec::new();
        for (row, values) in rows {
            if store.row(&row)?.is_some_and(|here| here != values) {
                other.push(Outcome { row: row.clone(), effect: Effect::Delete });
            }
            present.insert(row);
        }
        store.write(&other)
    })?;
    let tables = store.catalogue().tables.len();
    for table in (0..tables).map(|position| TableId(position as u16)).filter(|table| !left_out.has(*table)) {
        take_out_absent(table, &present, store)?;
    }
    Ok(())
}

fn take_out_absent<S: ClientStore>(table: TableId, present: &BTreeSet<RowId>, store: &mut S) -> Result<(), S::Error> {
    let mut after: Option<Key> = None;
    loop {
        let keys = store.keys(table, after.as_ref(), KEYS)?;
        let Some(last) = keys.last().cloned() else { return Ok(()) };
        let rows = keys.into_iter().map(|key| RowId { table, key }).filter(|row| !present.contains(row));
        let gone: Vec<Outcome> = rows.map(|row| Outcome { row, effect: Effect::Delete }).collect();
        store.write(&gone)?;
        after = Some(last);
    }
}

/// What the commits after the pages did to rows that no page could have.
fn beside_pages(late: &Late, left_out: &LeftOut) -> Vec<Outcome> {
    let rows = late.iter().filter(|(row, effect)| left_out.has(row.table) && !matches!(effect, Effect::Put(_)));
    rows.map(|(row, effect)| Outcome { row: row.clone(), effect: effect.clone() }).collect()
}

fn put_in<S: ClientStore>(rows: Vec<(RowId, Vec<Value>)>, fresh: bool, store: &mut S) -> Result<(), S::Error> {
    let mut puts = Vec::with_capacity(rows.len());
    for (row, values) in rows {
        if fresh || store.row(&row)?.is_none() {
            puts.push(Outcome { row, effect: Effect::Put(values) });
        }
    }
    store.write(&puts)
}

fn is_empty<S: ClientStore>(store: &mut S) -> Result<bool, S::Error> {
    let tables = store.catalogue().tables.len();
    for table in (0..tables).map(|position| TableId(position as u16)) {
        if !store.keys(table, None, 1)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What was decided up to the snapshot's end is in its rows, or was refused.
fn leave<S: ClientStore, C: Codec>(
    state: &SnapshotState,
    device: &mut DeviceState,
    store: &mut S,
    codec: &C,
    applied: &mut Applied,
) -> Result<(), Fault<S::Error>> {
    for receipt in decided(state, store)? {
        seal_before_leaving(receipt.device_seq, device, store, codec)?;
        let log = store.sealed_log(Some(receipt.device_seq))?;
        applied.settled += log.len() as u32;
        reject(&receipt, log, store, applied)?;
        drop_changeset(&receipt, device, store)?;
    }
    Ok(())
}

fn decided<S: ClientStore>(state: &SnapshotState, store: &mut S) -> Result<Vec<Receipt>, S::Error> {
    let by_then = |receipt: &Receipt| receipt.seq.unwrap_or(receipt.decided_at) <= state.upto.seq;
    let receipts = store.sealed()?.into_iter().filter_map(|entry| entry.receipt);
    Ok(receipts.filter(|receipt| by_then(receipt) && !is_void(receipt)).collect())
}

/// What the space took of the changesets that leave.
pub fn taken<S: ClientStore>(state: &SnapshotState, store: &mut S) -> Result<Vec<LoggedTransaction>, S::Error> {
    let mut taken = Vec::new();
    for receipt in decided(state, store)?.into_iter().filter(|receipt| receipt.seq.is_some()) {
        let log = store.sealed_log(Some(receipt.device_seq))?.into_iter().zip(0..);
        let refused = |at: u32| receipt.rejected.iter().any(|rejection| rejection.index == at);
        taken.extend(log.filter(|(_, at)| !refused(*at)).map(|(transaction, _)| transaction));
    }
    Ok(taken)
}
