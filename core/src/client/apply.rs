//! Applies what the space decided: ranges of commits in order, each own one together with its receipt.
//! It moves the cursor, the overlay and the log in the caller's transaction; it sends nothing.
//! Called by the session for every range, part and receipt.

use super::ahead;
use super::overlay::{self, Underlay};
use super::seal::seal_before_leaving;
use super::store::{ClientStore, DeviceState, RejectedTransaction, SealedEntry};
use super::versions;
use super::void::is_given_up;
use crate::change::{LoggedTransaction, RowId};
use crate::codec::Codec;
use crate::commit::{Commit, Outcome, Receipt, Rejection};
use crate::conflict::{ClosedConflict, ConflictId, QueueChange};
use crate::error::{Fault, Malformed};
use crate::ids::{Cursor, DeviceSeq, SchemaVersion, Seq};
use crate::message::{ItemBody, Range, RangeItem};
use crate::sorted::SortedSet;
use alloc::vec::Vec;

/// What a range did.
#[derive(Debug, Default)]
pub struct Applied {
    /// How many commits of other devices were applied.
    pub foreign: u32,
    /// How many own transactions left the overlay.
    pub settled: u32,
    /// Those of them that were refused.
    pub rejected: Vec<RejectedTransaction>,
    /// Unseen values that were overwritten or not taken by a rule, in all commits of the range.
    pub conflicts: u32,
    /// Conflicts that were opened and wait for a person.
    pub opened: Vec<ConflictId>,
    /// Conflicts that wait no longer.
    pub closed: Vec<ClosedConflict>,
    /// Bytes of commits that were read.
    pub bytes: usize,
    /// Set when an own commit came without its receipt, which must be asked for first.
    pub needs_receipt: Option<DeviceSeq>,
    /// Set when a commit is of a schema version whose catalogue must be asked for first.
    pub needs_catalogue: Option<SchemaVersion>,
    laying: Laying,
}

/// When blocked transactions are tried again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Laying {
    /// With every change of the space's rows.
    #[default]
    AtOnce,
    /// After the last commit: laying all that waits is work for the whole log.
    Postponed,
    /// Then, and what waits is out of the view until then.
    Owed,
}

impl Applied {
    fn note_queue(&mut self, changes: &[QueueChange]) {
        for change in changes {
            match change {
                QueueChange::Opened(open) => self.opened.push(open.id),
                QueueChange::Sides { .. } => {}
                // What came and went unseen is no news.
                QueueChange::Closed(closed) => {
                    self.opened.retain(|id| *id != closed.id);
                    self.closed.push(closed.clone());
                }
            }
        }
    }
}

/// Applies a range if it continues at the cursor; `None` if it leaves a gap, which must be pulled.
pub fn range<S: ClientStore, C: Codec>(
    range: &Range,
    device: &mut DeviceState,
    store: &mut S,
    codec: &C,
) -> Result<Option<Applied>, Fault<S::Error>> {
    check(range)?;
    let mut applied = Applied::default();
    if range.from > device.cursor.seq {
        return Ok(None);
    }
    if range.upto <= device.cursor.seq {
        return Ok(Some(applied));
    }
    let cursor = device.cursor.seq;
    let items: Vec<&RangeItem> = range.items.iter().filter(|item| item.seq > cursor).collect();
    applied.needs_receipt = first_without_receipt(&items, store)?;
    applied.needs_catalogue = versions::first_unknown(&items, store, codec)?;
    if applied.needs_receipt.is_some() || applied.needs_catalogue.is_some() {
        return Ok(Some(applied));
    }
    if items.len() > 1 {
        applied.laying = Laying::Postponed;
    }
    for item in items {
        self::item(item, device, store, codec, &mut applied)?;
        settle_until(item.seq, device, store, codec, &mut applied)?;
    }
    device.move_cursor(Cursor { seq: range.upto, chain: range.chain, view: device.cursor.view });
    settle_until(range.upto, device, store, codec, &mut applied)?;
    if applied.laying == Laying::Owed {
        overlay::lay_over(store)?;
    }
    store.set_device(device)?;
    Ok(Some(applied))
}

fn check<E>(range: &Range) -> Result<(), Fault<E>> {
    let rising = range.items.windows(2).all(|pair| pair[0].seq < pair[1].seq);
    let inside = range.items.iter().all(|item| item.seq > range.from && item.seq <= range.upto);
    if range.from <= range.upto && rising && inside {
        return Ok(());
    }
    Err(Fault::Peer(Malformed { what: "a range whose commits do not fit it" }))
}

/// The first own commit whose verdict is not here: nothing of the range is applied before it is.
fn first_without_receipt<S: ClientStore>(items: &[&RangeItem], store: &mut S) -> Result<Option<DeviceSeq>, S::Error> {
    let mut own = items.iter().filter_map(|item| match &item.body {
        ItemBody::OwnAsSent(device_seq) | ItemBody::OwnMerged(device_seq, _) => Some(*device_seq),
        ItemBody::Foreign(_) => None,
    });
    let sealed = store.sealed()?;
    let decided = |device_seq| sealed.iter().any(|entry| entry.device_seq == device_seq && entry.receipt.is_some());
    Ok(own.find(|device_seq| !decided(*device_seq)))
}

fn item<S: ClientStore, C: Codec>(
    item: &RangeItem,
    device: &mut DeviceState,
    store: &mut S,
    codec: &C,
    applied: &mut Applied,
) -> Result<(), Fault<S::Error>> {
    let (own, bytes) = match &item.body {
        ItemBody::Foreign(bytes) => (None, Some(bytes)),
        ItemBody::OwnAsSent(device_seq) => (Some(*device_seq), None),
        ItemBody::OwnMerged(device_seq, bytes) => (Some(*device_seq), Some(bytes)),
    };
    applied.bytes += bytes.map_or(0, Vec::len);
    let commit = match bytes {
        Some(bytes) => Some(versions::open_commit(bytes, store, codec)?),
        None => None,
    };
    let schema = commit.as_ref().map(|commit| commit.schema);
    ahead::before_commit(schema.unwrap_or_default(), device, store)?;
    let Some(device_seq) = own else {
        foreign(item.seq, commit, store, applied)?;
        return Ok(versions::space_is_at(schema.unwrap_or_default(), device, store)?);
    };
    let entry = store.sealed()?.into_iter().find(|entry| entry.device_seq == device_seq);
    let Some(SealedEntry { receipt: Some(receipt), transactions, .. }) = entry else {
        return Err(Fault::Peer(Malformed { what: "an own commit twice in one range" }));
    };
    seal_before_leaving(device_seq, device, store, codec)?;
    if commit.is_none() {
        versions::forget_own(device_seq, device, store)?;
    }
    own_commit(item.seq, commit, (receipt, transactions), device, store, applied)
}

fn foreign<S: ClientStore>(
    seq: Seq,
    commit: Option<Commit>,
    store: &mut S,
    applied: &mut Applied,
) -> Result<(), Fault<S::Error>> {
    let Some(commit) = commit else { return Ok(()) };
    note(seq, &commit, store, applied)?;
    applied.foreign += 1;
    Ok(write(commit.outcomes, store, applied)?)
}

pub(super) fn note<S: ClientStore>(
    seq: Seq,
    commit: &Commit,
    store: &mut S,
    applied: &mut Applied,
) -> Result<(), S::Error> {
    store.observe(commit.stamp)?;
    if !commit.conflicts.is_empty() {
        applied.conflicts += commit.conflicts.len() as u32;
        store.put_conflicts(seq, &commit.conflicts)?;
    }
    if !commit.queue.is_empty() {
        store.change_queue(&commit.queue)?;
        applied.note_queue(&commit.queue);
    }
    store.put_authors(&commit.authors)
}

/// Rows without pending changes are written directly, the others through the overlay.
fn write<S: ClientStore>(outcomes: Vec<Outcome>, store: &mut S, applied: &mut Applied) -> Result<(), S::Error> {
    let keeps = store.keeps_server_rows()?;
    if store.waiting()?.pending == 0 && !keeps {
        return store.write(&outcomes);
    }
    let rows: Vec<RowId> = outcomes.iter().map(|outcome| outcome.row.clone()).collect();
    let pending = store.pending_changes(&rows)?;
    let (mut free, mut hidden) = (Vec::new(), Vec::new());
    for (outcome, changes) in outcomes.into_iter().zip(pending) {
        let is_hidden = !changes.is_empty() || keeps && versions::is_hidden(&outcome.row, store)?;
        if is_hidden { hidden.push(outcome) } else { free.push(outcome) }
    }
    let rows: Vec<RowId> = hidden.iter().map(|outcome| outcome.row.clone()).collect();
    let mut underlay = Underlay::lift(&rows, store)?;
    let catalogue = store.catalogue();
    hidden.iter().for_each(|outcome| underlay.apply(outcome, &catalogue));
    settle(underlay.beside(free), store, applied)
}

fn settle<S: ClientStore>(underlay: Underlay, store: &mut S, applied: &mut Applied) -> Result<(), S::Error> {
    if applied.laying == Laying::AtOnce {
        return underlay.settle(store);
    }
    if underlay.settle_bare(store)? {
        applied.laying = Laying::Owed;
    }
    Ok(())
}

fn own_commit<S: ClientStore>(
    seq: Seq,
    commit: Option<Commit>,
    (receipt, transactions): (Receipt, u32),
    device: &mut DeviceState,
    store: &mut S,
    applied: &mut Applied,
) -> Result<(), Fault<S::Error>> {
    if receipt.seq != Some(seq) {
        return Err(Fault::Peer(Malformed { what: "an own commit at another seq than its receipt says" }));
    }
    match commit {
        Some(commit) => {
            note(seq, &commit, store, applied)?;
            leave_overlay(&receipt, Decided::Outcomes(commit.outcomes), device, store, applied)
        }
        None if store.keeps_server_rows()? || !store.blocked()?.is_empty() => {
            leave_overlay(&receipt, Decided::AsSent, device, store, applied)
        }
        None => {
            applied.settled += transactions;
            Ok(drop_changeset(&receipt, device, store)?)
        }
    }
}

/// What the space made of a changeset.
enum Decided {
    /// This.
    Outcomes(Vec<Outcome>),
    /// Exactly what was sent: the server's version of its rows moves on by its own changes.
    AsSent,
}

/// The changeset's changes are taken back, the space's outcomes laid down, and what else is pending replayed.
fn leave_overlay<S: ClientStore>(
    receipt: &Receipt,
    decided: Decided,
    device: &mut DeviceState,
    store: &mut S,
    applied: &mut Applied,
) -> Result<(), Fault<S::Error>> {
    let log = store.sealed_log(Some(receipt.device_seq))?;
    let catalogue = store.catalogue();
    let outcomes = match &decided {
        Decided::Outcomes(outcomes) => outcomes.as_slice(),
        Decided::AsSent => &[],
    };
    let mut underlay = Underlay::lift(&touched(&log, outcomes), store)?;
    match decided {
        Decided::Outcomes(outcomes) => outcomes.iter().for_each(|outcome| underlay.apply(outcome, &catalogue)),
        Decided::AsSent => underlay.advance(&log, &catalogue),
    }
    applied.settled += log.len() as u32;
    reject(receipt, log, store, applied)?;
    drop_changeset(receipt, device, store)?;
    Ok(settle(underlay, store, applied)?)
}

fn touched(log: &[LoggedTransaction], outcomes: &[Outcome]) -> Vec<RowId> {
    let logged = log.iter().flat_map(|transaction| &transaction.changes).map(|change| &change.row);
    let rows: SortedSet<&RowId> = logged.chain(outcomes.iter().map(|outcome| &outcome.row)).collect();
    rows.into_iter().cloned().collect()
}

pub(super) fn reject<S: ClientStore>(
    receipt: &Receipt,
    mut log: Vec<LoggedTransaction>,
    store: &mut S,
    applied: &mut Applied,
) -> Result<(), Fault<S::Error>> {
    for Rejection { index, reason, detail } in &receipt.rejected {
        let Some(transaction) = log.get_mut(*index as usize) else {
            return Err(Fault::Peer(Malformed { what: "a rejection of a transaction that was not sent" }));
        };
        let rejected = RejectedTransaction {
            stamp: transaction.stamp,
            device_seq: receipt.device_seq,
            reason: *reason,
            detail: detail.clone(),
            changes: core::mem::take(&mut transaction.changes),
            resolutions: core::mem::take(&mut transaction.resolutions),
        };
        store.put_rejected(&rejected)?;
        applied.rejected.push(rejected);
    }
    Ok(())
}

pub(super) fn drop_changeset<S: ClientStore>(
    receipt: &Receipt,
    device: &mut DeviceState,
    store: &mut S,
) -> Result<(), S::Error> {
    if receipt.seq.is_some() {
        store.keep_sealed(receipt)?;
    }
    store.drop_sealed(receipt.device_seq)?;
    // A number without a commit may be settled after later ones: what the space may forget ends below the first that waits.
    let first_waiting = store.sealed()?.first().map_or(device.next_device_seq, |entry| entry.device_seq);
    let settled = DeviceSeq(first_waiting.0.saturating_sub(1));
    device.applied_receipt = device.applied_receipt.max(settled);
    store.set_device(device)
}

/// Takes a changeset back that was refused as a whole, and lists what its receipt names.
pub fn refuse<S: ClientStore>(
    receipt: &Receipt,
    device: &mut DeviceState,
    store: &mut S,
    applied: &mut Applied,
) -> Result<(), Fault<S::Error>> {
    leave_overlay(receipt, Decided::Outcomes(Vec::new()), device, store, applied)
}

/// Receipts without a commit take effect at the cursor at which they were decided, in the order of their numbers.
pub fn settle_until<S: ClientStore, C: Codec>(
    seq: Seq,
    device: &mut DeviceState,
    store: &mut S,
    codec: &C,
    applied: &mut Applied,
) -> Result<(), Fault<S::Error>> {
    while let Some(receipt) = next_without_commit(seq, store)? {
        seal_before_leaving(receipt.device_seq, device, store, codec)?;
        leave_overlay(&receipt, Decided::Outcomes(Vec::new()), device, store, applied)?;
    }
    Ok(())
}

fn next_without_commit<S: ClientStore>(seq: Seq, store: &mut S) -> Result<Option<Receipt>, S::Error> {
    // What was given up waits for all that comes after it, some of which may have been decided all the same.
    let first = store.sealed()?.into_iter().find(|entry| !is_given_up(entry));
    let receipt = first.and_then(|entry| entry.receipt);
    Ok(receipt.filter(|receipt| receipt.seq.is_none() && receipt.decided_at <= seq))
}
