//! Transactions that come a second time, after a device began a new life: found by their ids, decided once.
//! It answers what is decided and leaves the others to `decide`; how a device comes to ask is not its concern.
//! Called by the session and when it predicts.

use super::decide::{self, Asked, Verdict};
use super::former;
use super::store::{Author, DecidedTransactions, Fate, ServerStore};
use crate::catalogue::Catalogue;
use crate::change::{Changeset, Mutation, Transaction};
use crate::clock::Stamp;
use crate::commit::{Reason, Receipt, Rejection};
use crate::ids::{ChainHash, Millis, Seq};
use crate::message::{Recall, Recalled, ServerMessage};
use alloc::{collections::BTreeMap, string::String, vec::Vec};

/// Which transactions are decided, and how far back the device's history is this one.
pub(super) fn recall<S: ServerStore>(recall: &Recall, store: &mut S) -> Result<ServerMessage, S::Error> {
    let fates = store.fates(recall.origin, recall.opening, &recall.stamps)?;
    let mut recalled = Recalled {
        origin: recall.origin,
        opening: recall.opening,
        at: store.head()?.seq,
        fork: fork(&recall.trail, store)?,
        ..Recalled::default()
    };
    for (stamp, fate) in fates {
        match fate {
            Fate::Accepted => recalled.accepted.push(stamp),
            Fate::Rejected(reason) => recalled.rejected.push((stamp, reason)),
        }
    }
    Ok(ServerMessage::Recalled(recalled))
}

fn fork<S: ServerStore>(trail: &[(Seq, ChainHash)], store: &mut S) -> Result<Seq, S::Error> {
    for (seq, chain) in trail.iter().rev() {
        if store.chain_at(*seq)?.is_some_and(|here| here.truncated() == *chain) {
            return Ok(*seq);
        }
    }
    Ok(Seq(0))
}

/// Whose changeset it is, and what its token allows.
#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) author: &'a Author,
    pub(super) may_write: bool,
}

/// Decides a changeset as commit `seq`; transactions that came before keep the fate that they had, also where their sender may not
/// write any more.
pub(super) fn decide<S: ServerStore>(
    asked: Asked<'_>,
    sender: Sender<'_>,
    seq: Seq,
    now: Millis,
    store: &mut S,
) -> Result<Verdict, S::Error> {
    let changeset = asked.changeset;
    let fates = fates(changeset, sender.author, store)?;
    if fates.is_empty() {
        return decide_fresh(asked, sender, seq, now, store);
    }
    let rules = former::rules(asked.sealed_under, store)?;
    let fates = with_parts(changeset, fates, &rules);
    let (fresh, places) = undecided(changeset, &fates);
    let unkept = places.iter().zip(0..).filter(|(place, _)| asked.unkept.contains(place)).map(|(_, at)| at).collect();
    let verdict = decide_fresh(Asked { changeset: &fresh, unkept: &unkept, ..asked }, sender, seq, now, store)?;
    Ok(with_fates(verdict, changeset, &fates, &places))
}

fn decide_fresh<S: ServerStore>(
    asked: Asked<'_>,
    Sender { author, may_write }: Sender<'_>,
    seq: Seq,
    now: Millis,
    store: &mut S,
) -> Result<Verdict, S::Error> {
    if !may_write {
        return Ok(forbidden(asked.changeset));
    }
    decide::decide(asked, author.id, seq, now, store)
}

fn forbidden(changeset: &Changeset) -> Verdict {
    let reject = |index: usize| Rejection {
        index: index as u32,
        reason: Reason::Forbidden,
        detail: String::from("the user may read this space, not write to it"),
    };
    Verdict { rejected: (0..changeset.transactions.len()).map(reject).collect(), ..Verdict::default() }
}

/// What is decided of a changeset. What a life captured itself is not asked of its own numbers, which come once; but a space that was set
/// back to before it heard of a life's successor may have had it all from that.
fn fates<S: ServerStore>(
    changeset: &Changeset,
    author: &Author,
    store: &mut S,
) -> Result<BTreeMap<Stamp, Fate>, S::Error> {
    let mut stamps: Vec<Stamp> = changeset.transactions.iter().flat_map(ids).collect();
    stamps.sort_unstable();
    match changeset.origin {
        Some(origin) => store.fates(origin, changeset.opening, &stamps),
        None => store.brought_back(author.incarnation, changeset.opening, &stamps),
    }
}

/// A transaction's own id, and those of the transactions that it stands for.
fn ids(transaction: &Transaction) -> impl Iterator<Item = Stamp> {
    transaction.absorbed.iter().copied().chain([transaction.stamp])
}

/// The fates by which whole transactions are known. What was decided of one only in parts, since a copy of the database sent these by
/// themselves, is taken where it writes the same with them as without; a sum, set or text would have them twice, and is refused.
fn with_parts(changeset: &Changeset, mut fates: BTreeMap<Stamp, Fate>, rules: &Catalogue) -> BTreeMap<Stamp, Fate> {
    for transaction in &changeset.transactions {
        let in_part = transaction.absorbed.iter().any(|part| fates.contains_key(part));
        if in_part && !fates.contains_key(&transaction.stamp) && accumulates(transaction, rules) {
            fates.insert(transaction.stamp, Fate::Rejected(Reason::Stale));
        }
    }
    fates
}

/// Whether by the rules that it was sealed under it says what it does to a value, and not what this becomes.
fn accumulates(transaction: &Transaction, rules: &Catalogue) -> bool {
    transaction.changes.iter().any(|change| match (&change.mutation, rules.table(change.row.table)) {
        (Mutation::Update(fields), Some(table)) => fields.iter().any(|field| table.strategy(field.column).rebases()),
        _ => false,
    })
}

/// The transactions without a fate, and their places in the whole changeset.
fn undecided(changeset: &Changeset, fates: &BTreeMap<Stamp, Fate>) -> (Changeset, Vec<u32>) {
    let fresh = |(_, transaction): &(usize, &Transaction)| !fates.contains_key(&transaction.stamp);
    let kept = changeset.transactions.iter().enumerate().filter(fresh);
    let (places, transactions) = kept.map(|(place, transaction)| (place as u32, transaction.clone())).unzip();
    let Changeset { device_seq, schema, origin, opening, .. } = *changeset;
    (Changeset { device_seq, schema, origin, opening, transactions }, places)
}

fn with_fates(mut verdict: Verdict, whole: &Changeset, fates: &BTreeMap<Stamp, Fate>, places: &[u32]) -> Verdict {
    for rejection in &mut verdict.rejected {
        rejection.index = places.get(rejection.index as usize).copied().unwrap_or(rejection.index);
    }
    for (index, transaction) in whole.transactions.iter().enumerate() {
        if let Some(Fate::Rejected(reason)) = fates.get(&transaction.stamp) {
            let detail = String::from("refused when it was sent before");
            verdict.rejected.push(Rejection { index: index as u32, reason: *reason, detail });
        }
    }
    verdict.rejected.sort_by_key(|rejection| rejection.index);
    // The rows of a transaction that came before are as the space has them, not as they were sent.
    verdict.as_sent = false;
    verdict
}

/// The ids that are kept with a verdict.
pub(super) fn decided(changeset: &Changeset, accepted: Vec<Stamp>, receipt: &Receipt) -> DecidedTransactions {
    let refused = receipt.rejected.iter().filter_map(|rejection| {
        let transaction = changeset.transactions.get(rejection.index as usize)?;
        Some(ids(transaction).map(|id| (id, rejection.reason)))
    });
    let rejected = refused.flatten().collect();
    let (origin, opening) = (changeset.origin, changeset.opening);
    DecidedTransactions { origin, opening, accepted, rejected }
}
