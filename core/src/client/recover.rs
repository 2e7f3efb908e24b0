//! A new life for a database whose numbers are not those that the space knows: a restored backup, a clone, a space set back.
//! Nothing that waits is lost and nothing is sent twice: the space is asked which transactions it has, the rest is sealed again
//! under new numbers with its ids. How the difference came about is the server session's finding.

use super::apply::Applied;
use super::overlay::Underlay;
use super::revive;
use super::session::{ClientSession, Output, Step, cause};
use super::store::{ClientStore, DeviceState, Inherited, Rebuild, RejectedTransaction};
use crate::change::{LoggedTransaction, RowId};
use crate::clock::Stamp;
use crate::codec::Codec;
use crate::commit::Reason;
use crate::error::{Fault, RefusalCode};
use crate::ids::{DeviceSeq, Incarnation, LogId, Opening, Seq};
use crate::limits::RECALL_TRANSACTIONS;
use crate::message::{ClientMessage, Recall, Recalled};
use crate::sorted::{SortedMap, SortedSet};
use alloc::{string::String, vec::Vec};

/// What was asked about earlier lives on this connection, and the answers.
#[derive(Debug, Default)]
pub struct Recalls {
    asked: Option<usize>,
    answers: Vec<Recalled>,
}

impl Recalls {
    /// Whether the space owes an answer.
    pub fn awaits_answer(&self) -> bool {
        self.asked.is_some_and(|asked| asked > self.answers.len())
    }

    /// Forgets what was asked: the connection is gone.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// The answers.
    pub fn answers(&self) -> &[Recalled] {
        &self.answers
    }

    /// All answers, once they are there.
    fn complete(&self) -> Option<&[Recalled]> {
        let asked = self.asked?;
        (self.answers.len() >= asked).then_some(self.answers.as_slice())
    }
}

impl ClientSession {
    /// Ends this life of the database and begins another one. What was sealed becomes open log again.
    pub(super) fn begin_new_life<S: ClientStore, C: Codec>(
        &mut self,
        why: RefusalCode,
        step: &mut Step<S, C>,
    ) -> Result<(), S::Error> {
        let again = step.device.recovering;
        let (old, new) = (step.device.incarnation, step.store.mint()?);
        step.store.reopen_log(old)?;
        let device = &mut step.device;
        // A life that the space never welcomed has decided nothing; the one before it is what must be retired.
        device.previous = device.previous.or(Some(old));
        device.incarnation = new;
        device.author = None;
        device.next_device_seq = DeviceSeq(1);
        device.last_decided = None;
        device.applied_receipt = DeviceSeq(0);
        device.recovering = true;
        // It may speak of changesets that are no longer sealed.
        step.store.drop_snapshot()?;
        step.store.set_device(device)?;
        self.mirrored = None;
        self.planning.begin_new_life();
        self.drop_link(step);
        step.outputs.push(Output::Recovered { code: why.code() });
        if again {
            // Refused twice without a welcome between: waits, lest the two sides go on like this at full speed.
            self.failed(cause(why.code(), true), step);
        } else {
            self.connect(step);
        }
        self.status.reason = Some(String::from(RECOVERED));
        Ok(())
    }

    /// The space was set back: what this device had sent of the lost history waits again, and its rows come anew.
    pub(super) fn begin_other_history<S: ClientStore, C: Codec>(
        &mut self,
        step: &mut Step<S, C>,
    ) -> Result<(), S::Error> {
        self.begin_new_life(RefusalCode::UnknownHistory, step)?;
        // What was known of the lost history's end says nothing of this one's.
        self.status.head = Seq(0);
        step.store.begin_other_history()?;
        let applied = revive::revive(step.store, step.codec)?;
        self.report(applied, step);
        self.begin_rebuild(Rebuild::OtherHistory, step)
    }

    /// Asks about what earlier lives left, and makes use of the answers once everything they speak of is applied.
    pub(super) fn recall<S: ClientStore, C: Codec>(
        &mut self,
        step: &mut Step<S, C>,
    ) -> Result<Vec<ClientMessage>, Fault<S::Error>> {
        if !step.device.recovering {
            return Ok(Vec::new());
        }
        if self.recalls.asked.is_none() {
            let questions = questions(&step.store.inherited()?, &step.device);
            self.recalls.asked = Some(questions.len());
            if !questions.is_empty() {
                return Ok(questions);
            }
        }
        let Some(answers) = self.recalls.complete() else { return Ok(Vec::new()) };
        // With a snapshot they are made use of when it is installed.
        if step.device.rebuild.is_some() {
            return Ok(Vec::new());
        }
        if answers.iter().any(|answer| answer.at > step.device.cursor.seq) {
            return Ok(Vec::new());
        }
        let applied = leave_overlay(answers, step.store, step.codec)?;
        step.device.recovering = false;
        step.store.set_device(&step.device)?;
        self.recalls.forget();
        self.report(applied, step);
        self.settle_start(step)?;
        Ok(Vec::new())
    }

    /// The space says what it has.
    pub(super) fn recalled(&mut self, recalled: Recalled) {
        self.status.head = self.status.head.max(recalled.at);
        if self.recalls.awaits_answer() {
            self.recalls.answers.push(recalled);
        }
    }
}

/// The status' reason between the end of one life and the space's welcome to the next.
const RECOVERED: &str = "recovered";

/// A transaction that an earlier life sent and the space refused.
const REFUSED_BEFORE: &str = "refused when an earlier life of this database sent it";

/// Where the history is another one, it is asked for the fork even if nothing waits.
fn questions(inherited: &[Inherited], device: &DeviceState) -> Vec<ClientMessage> {
    let mut runs: SortedMap<(Incarnation, Opening), Vec<_>> = SortedMap::new();
    inherited.iter().for_each(|one| runs.entry((one.origin, one.opening)).or_default().push(one.stamp));
    let pages =
        runs.iter().flat_map(|(run, stamps)| stamps.chunks(RECALL_TRANSACTIONS).map(|stamps| (*run, stamps.to_vec())));
    let mut questions: Vec<((Incarnation, Opening), Vec<Stamp>)> = pages.collect();
    if questions.is_empty() && device.rebuild == Some(Rebuild::OtherHistory) {
        questions.push(((device.incarnation, Opening::default()), Vec::new()));
    }
    let trail = || device.trail.clone();
    let recall =
        |((origin, opening), stamps)| ClientMessage::Recall(Recall { origin, opening, stamps, trail: trail() });
    questions.into_iter().map(recall).collect()
}

/// The decided ones leave the overlay: what they did came with commits, or was refused.
fn leave_overlay<S: ClientStore, C: Codec>(
    answers: &[Recalled],
    store: &mut S,
    codec: &C,
) -> Result<Applied, S::Error> {
    let mut applied = Applied::default();
    let fates = fates(answers, &store.inherited()?);
    let log = store.unsealed(usize::MAX, usize::MAX)?;
    let leaving = log.iter().filter(|transaction| fates.contains_key(&transaction.id));
    let rows: SortedSet<&RowId> = leaving.flat_map(|t| &t.changes).map(|change| &change.row).collect();
    let rows: Vec<RowId> = rows.into_iter().cloned().collect();
    let underlay = Underlay::lift(&rows, store)?;
    leave_log(answers, false, store, codec, &mut applied)?;
    underlay.settle(store)?;
    Ok(applied)
}

/// The decided ones leave the log, the refused ones for the list. With `other_history`, what the rest has seen ends at the fork.
pub(super) fn leave_log<S: ClientStore, C: Codec>(
    answers: &[Recalled],
    other_history: bool,
    store: &mut S,
    codec: &C,
    applied: &mut Applied,
) -> Result<(), S::Error> {
    let fates = fates(answers, &store.inherited()?);
    let mut accepted = Vec::new();
    for transaction in store.unsealed(usize::MAX, usize::MAX)? {
        match fates.get(&transaction.id) {
            Some(Some(reason)) => list(transaction, *reason, REFUSED_BEFORE, store, applied)?,
            Some(None) => accepted.push(transaction),
            None => {}
        }
    }
    revive::keep(&accepted, store, codec)?;
    applied.settled += fates.len() as u32;
    store.drop_transactions(&fates.keys().copied().collect::<Vec<_>>())?;
    if other_history {
        store.clamp_bases(fork(answers))?;
    }
    Ok(())
}

/// What the space has taken of what waits, as its answers say.
pub(super) fn taken<S: ClientStore>(answers: &[Recalled], store: &mut S) -> Result<Vec<LoggedTransaction>, S::Error> {
    let fates = fates(answers, &store.inherited()?);
    let mut log = store.unsealed(usize::MAX, usize::MAX)?;
    log.retain(|transaction| fates.get(&transaction.id) == Some(&None));
    Ok(log)
}

/// Up to where this database's history and the space's are the same.
pub(super) fn fork(answers: &[Recalled]) -> Seq {
    answers.iter().map(|answer| answer.fork).min().unwrap_or_default()
}

/// Lists a transaction as refused that is no part of a changeset any more.
pub(super) fn list<S: ClientStore>(
    LoggedTransaction { stamp, changes, resolutions, .. }: LoggedTransaction,
    reason: Reason,
    detail: &str,
    store: &mut S,
    applied: &mut Applied,
) -> Result<(), S::Error> {
    let (device_seq, detail) = (DeviceSeq(0), String::from(detail));
    let rejected = RejectedTransaction { stamp, device_seq, reason, detail, changes, resolutions };
    store.put_rejected(&rejected)?;
    applied.rejected.push(rejected);
    Ok(())
}

/// What became of waiting transactions; a reason for the refused ones.
fn fates(answers: &[Recalled], inherited: &[Inherited]) -> SortedMap<LogId, Option<Reason>> {
    let mut known = SortedMap::new();
    for answer in answers {
        let id = |stamp: Stamp| (answer.origin, answer.opening, stamp);
        known.extend(answer.accepted.iter().map(|stamp| (id(*stamp), None)));
        known.extend(answer.rejected.iter().map(|(stamp, reason)| (id(*stamp), Some(*reason))));
    }
    let fate = |one: &Inherited| known.get(&(one.origin, one.opening, one.stamp)).map(|fate| (one.id, *fate));
    inherited.iter().filter_map(fate).collect()
}
