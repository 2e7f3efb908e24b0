//! What a sync would do, told without doing it: a dry run that the app asked for, and the question before a commit.
//! While it plans, nothing is committed and nothing is applied: changesets are staged, predictions asked for, commits only counted.
//! The session lets it speak in place of the usual pull and keeps its memory; the store is only read.

use super::absorb;
use super::coalesce::{Net, coalesce};
use super::session::{Cause, ClientSession, Link, Output, Step, cause};
use super::store::{ClientStore, RejectedTransaction, SealedEntry};
use super::versions;
use crate::catalogue::Catalogue;
use crate::change::LoggedTransaction;
use crate::codec::Codec;
use crate::commit::{Effect, Outcome, Rejection};
use crate::conflict::Conflict;
use crate::error::{Fault, Malformed, RefusalCode};
use crate::ids::{Cursor, DeviceSeq, TableId};
use crate::limits;
use crate::message::{ClientMessage, ItemBody, Prediction, Range, RangeItem};
use crate::sorted::SortedMap;
use alloc::{vec, vec::Vec};

/// The code of a status, or of a failed wish, that waits for the app's consent.
pub const NOT_CONFIRMED: &str = "not_confirmed";

/// Rows of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// New rows.
    pub inserts: u64,
    /// Rows with other values.
    pub updates: u64,
    /// Rows that go.
    pub deletes: u64,
}

/// What a sync would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The last number that it covers.
    pub upto: DeviceSeq,
    /// Transactions that would be sent.
    pub transactions: u32,
    /// Their sealed bytes.
    pub bytes_up: u64,
    /// Their rows, a transaction at a time, by table.
    pub sends: SortedMap<TableId, RowCounts>,
    /// Commits of other devices that would be applied.
    pub commits: u32,
    /// Their bytes.
    pub bytes_down: u64,
    /// Their rows by table.
    pub receives: SortedMap<TableId, RowCounts>,
    /// Commits beyond those, not looked at.
    pub more_commits: u64,
    /// Unseen values that would be overwritten, or not taken.
    pub conflicts: u32,
    /// Those, or the first of them.
    pub merges: Vec<Conflict>,
    /// Conflicts that would be left to a person.
    pub opened: u32,
    /// Transactions that would be refused.
    pub refused: Vec<RejectedTransaction>,
    /// Transactions among those to be sent about which nothing is predicted.
    pub unpredicted: u32,
}

/// Commits beyond the cursor, counted and not applied.
#[derive(Debug, Clone)]
struct Census {
    upto: Cursor,
    commits: u32,
    bytes: u64,
    rows: SortedMap<TableId, RowCounts>,
    done: bool,
}

/// What the session remembers of plans and of the app's consent.
#[derive(Debug, Default)]
pub(super) struct Planning {
    /// A plan is wanted; set until it is told.
    census: Option<Census>,
    /// Up to which number a prediction was asked for on this connection.
    asked: Option<DeviceSeq>,
    /// Up to which number the last answer was asked for, and the answer.
    predicted: Option<(DeviceSeq, Vec<Prediction>)>,
    /// Up to which number the app is being asked.
    question: Option<DeviceSeq>,
    approved: DeviceSeq,
    declined: Option<DeviceSeq>,
}

impl Planning {
    /// Whether a plan is being made.
    pub(super) fn is_wanted(&self) -> bool {
        self.census.is_some()
    }

    /// Whether the app is being asked, or has said no.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.question.is_some() || self.declined.is_some()
    }

    /// Whether the app has said no and there is nothing else to do.
    pub(super) fn is_declined(&self) -> bool {
        self.declined.is_some() && self.question.is_none() && self.asked.is_none()
    }

    /// Whether the space owes a prediction.
    pub(super) fn awaits_answer(&self) -> bool {
        self.asked.is_some()
    }

    /// Numbers begin anew: what was asked and answered speaks of others.
    pub(super) fn begin_new_life(&mut self) {
        *self = Self { census: self.census.take(), ..Self::default() };
    }

    /// The connection is gone.
    pub(super) fn forget_link(&mut self) {
        self.asked = None;
        self.predicted = None;
    }
}

impl ClientSession {
    /// Up to which number the space may be asked for a decision.
    pub(super) fn may_commit(&self) -> DeviceSeq {
        match (self.planning.is_wanted(), self.options.confirm) {
            (true, _) => DeviceSeq(0),
            (false, true) => self.planning.approved,
            (false, false) => DeviceSeq(u64::MAX),
        }
    }

    /// The app wants a plan.
    pub(super) fn wish_plan<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        let upto = step.device.cursor;
        let census = Census { upto, commits: 0, bytes: 0, rows: SortedMap::new(), done: false };
        self.planning.census.get_or_insert(census);
        if !self.status.online {
            return self.fail_plan(&cause("offline", true), step);
        }
        if step.device.rebuild.is_some() {
            return self.fail_plan(&cause(RefusalCode::SnapshotNeeded.code(), true), step);
        }
        self.stopped = None;
        self.backoff.reset();
        self.connect(step);
    }

    /// No plan can be told now.
    pub(super) fn fail_plan<S: ClientStore, C: Codec>(&mut self, cause: &Cause, step: &mut Step<S, C>) {
        if self.planning.census.take().is_some() {
            step.outputs.push(Output::PlanFailed(cause.clone()));
        }
    }

    /// The app wants what was planned to be done: that is its consent too.
    pub(super) fn run_plan<S: ClientStore, C: Codec>(&mut self, upto: DeviceSeq, step: &mut Step<S, C>) {
        self.planning.approved = self.planning.approved.max(upto);
        self.planning.question.take_if(|question| *question <= upto);
        self.planning.declined = None;
        self.sync_once(step);
    }

    /// The app was asked and has answered. An answer to another question than the open one is too late, and ignored.
    pub(super) fn answered<S: ClientStore, C: Codec>(
        &mut self,
        upto: DeviceSeq,
        accepted: bool,
        step: &mut Step<S, C>,
    ) {
        if self.planning.question.take_if(|question| *question == upto).is_none() {
            return;
        }
        if accepted {
            self.planning.approved = self.planning.approved.max(upto);
            self.planning.declined = None;
        } else {
            self.planning.declined = Some(upto);
            self.fail_wish(&cause(NOT_CONFIRMED, true), step);
        }
    }

    /// The app wants to be up to date, so what it declined is asked about once more.
    pub(super) fn ask_again(&mut self) {
        self.planning.declined = None;
    }

    /// The space predicts. What it says in the words of a version that is not known here is asked for again after that.
    pub(super) fn predicted<S: ClientStore, C: Codec>(
        &mut self,
        predictions: Vec<Prediction>,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        let asked = self.planning.asked.take();
        for prediction in &predictions {
            let version = step.codec.schema_of(&prediction.conflicts).map_err(Fault::Peer)?;
            if !versions::knows(version, step.store)? {
                self.ask_for_catalogue(version, step);
                return Ok(());
            }
        }
        self.planning.predicted = asked.map(|upto| (upto, predictions));
        Ok(())
    }

    /// Of a number that is asked about a chunk is missing after all, or it is decided: the question is asked anew when that is settled.
    pub(super) fn prediction_waits(&mut self, device_seq: DeviceSeq) {
        self.planning.asked.take_if(|upto| device_seq <= *upto);
    }

    /// A range that came while a plan is made: counted, and left to be pulled afterwards.
    pub(super) fn count_range<S: ClientStore, C: Codec>(
        &mut self,
        range: &Range,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        let asked = self.pull_answered();
        self.status.head = self.status.head.max(range.upto);
        let head = self.status.head;
        let items: Vec<&RangeItem> = range.items.iter().collect();
        if let Some(version) = versions::first_unknown(&items, step.store, step.codec)? {
            self.ask_for_catalogue(version, step);
            return Ok(());
        }
        let Some(census) = self.planning.census.as_mut() else { return Ok(()) };
        if range.from <= census.upto.seq && census.upto.seq <= range.upto {
            census.take(range, step)?;
        }
        census.done |= asked && (census.upto.seq >= head || census.bytes > limits::PLANNED_BYTES as u64);
        Ok(())
    }

    /// The next page to be counted.
    pub(super) fn pull_for_plan<S: ClientStore, C: Codec>(
        &mut self,
        step: &mut Step<S, C>,
    ) -> Result<Option<ClientMessage>, S::Error> {
        let census = self.planning.census.as_ref().filter(|census| !census.done && !self.pulling);
        let Some(cursor) = census.map(|census| census.upto) else { return Ok(None) };
        self.pulling = true;
        Ok(Some(ClientMessage::Pull { cursor, max_bytes: self.pace.bytes(), held: step.store.held_parts()? }))
    }

    /// Asks for a prediction where one is wanted, and tells plans and questions that are complete.
    pub(super) fn pump_plan<S: ClientStore, C: Codec>(
        &mut self,
        step: &mut Step<S, C>,
    ) -> Result<Option<ClientMessage>, Fault<S::Error>> {
        if self.link != Link::Up || !(self.planning.is_wanted() || self.options.confirm) {
            return Ok(None);
        }
        let waiting = self.predictable(step)?;
        let last = waiting.last().map(|entry| entry.device_seq);
        if let Some(upto) = last
            && self.planning.predicted.as_ref().is_none_or(|(covered, _)| *covered != upto)
        {
            let ask =
                self.planning.asked.is_none() && self.wants_prediction(upto) && self.uploads.all_prepared(&waiting);
            return Ok(ask.then(|| {
                self.planning.asked = Some(upto);
                ClientMessage::Predict { upto }
            }));
        }
        if self.planning.census.as_ref().is_some_and(|census| census.done) {
            let plan = self.plan(&waiting, step)?;
            (self.planning.census, self.planning.predicted) = (None, None);
            step.outputs.push(Output::Planned(plan));
        } else if let Some(upto) = last.filter(|upto| self.is_question(*upto)) {
            let plan = self.plan(&waiting, step)?;
            (self.planning.question, self.planning.predicted) = (Some(upto), None);
            step.outputs.push(Output::Confirm(plan));
        }
        Ok(None)
    }

    /// What is sealed and can be predicted now: in order, up to the first that the space will not take or cannot read.
    fn predictable<S: ClientStore, C: Codec>(&self, step: &mut Step<S, C>) -> Result<Vec<SealedEntry>, S::Error> {
        let mut waiting = undecided(step)?;
        let takes = |entry: &&SealedEntry| {
            !entry.schema.is_later_than(self.readable()) && !self.uploads.is_refused(entry.device_seq)
        };
        let length = waiting.iter().take_while(takes).count();
        waiting.truncate(length);
        Ok(waiting)
    }

    fn wants_prediction(&self, upto: DeviceSeq) -> bool {
        self.planning.is_wanted() || self.is_question(upto)
    }

    fn is_question(&self, upto: DeviceSeq) -> bool {
        let Planning { census, question, approved, declined, .. } = &self.planning;
        let new = upto > *approved && declined.is_none_or(|declined| upto > declined);
        self.options.confirm && census.is_none() && question.is_none() && new
    }

    fn plan<S: ClientStore, C: Codec>(
        &self,
        waiting: &[SealedEntry],
        step: &mut Step<S, C>,
    ) -> Result<Plan, Fault<S::Error>> {
        let mut plan =
            Plan { upto: waiting.last().map(|entry| entry.device_seq).unwrap_or_default(), ..Plan::default() };
        let predicted = self.planning.predicted.as_ref().map_or(&[][..], |(_, predictions)| predictions);
        for entry in waiting {
            let of_entry = |prediction: &&Prediction| prediction.receipt.device_seq == entry.device_seq;
            plan.add(entry, predicted.iter().find(of_entry), step)?;
        }
        let undecided: u32 = undecided(step)?.iter().map(|entry| entry.transactions).sum();
        let others = (undecided + step.store.waiting()?.unsealed).saturating_sub(plan.transactions);
        plan.transactions += others;
        plan.unpredicted += others;
        if let Some(census) = &self.planning.census {
            plan.more_commits = self.status.head.0.saturating_sub(census.upto.seq.0);
            (plan.commits, plan.bytes_down) = (census.commits, census.bytes);
            plan.receives.clone_from(&census.rows);
        }
        Ok(plan)
    }
}

fn undecided<S: ClientStore, C: Codec>(step: &mut Step<S, C>) -> Result<Vec<SealedEntry>, S::Error> {
    let mut sealed = step.store.sealed()?;
    sealed.retain(|entry| entry.receipt.is_none());
    Ok(sealed)
}

impl Census {
    fn take<S: ClientStore, C: Codec>(&mut self, range: &Range, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        let counted = self.upto.seq;
        for item in range.items.iter().filter(|item| item.seq > counted) {
            if let ItemBody::Foreign(bytes) = &item.body {
                let commit = versions::look_into(bytes, step.store, step.codec)?.commit;
                commit.outcomes.iter().for_each(|outcome| self.row(outcome));
                self.commits += 1;
                self.bytes += bytes.len() as u64;
            }
        }
        (self.upto.seq, self.upto.chain) = (range.upto, range.chain);
        Ok(())
    }

    fn row(&mut self, outcome: &Outcome) {
        let counts = self.rows.entry(outcome.row.table).or_default();
        match outcome.effect {
            Effect::Put(_) => counts.inserts += 1,
            Effect::Set(_) => counts.updates += 1,
            Effect::Delete => counts.deletes += 1,
        }
    }
}

impl Plan {
    fn add<S: ClientStore, C: Codec>(
        &mut self,
        entry: &SealedEntry,
        prediction: Option<&Prediction>,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        let log = step.store.sealed_log(Some(entry.device_seq))?;
        let catalogue = step.store.catalogue();
        self.transactions += entry.transactions;
        self.bytes_up += entry.total_bytes as u64;
        log.iter().for_each(|transaction| self.rows(transaction, &catalogue));
        let Some(Prediction { receipt, opened, conflicts }) = prediction else {
            self.unpredicted += entry.transactions;
            return Ok(());
        };
        self.conflicts += receipt.conflicts;
        self.opened += opened;
        self.merges.extend(versions::look_into(conflicts, step.store, step.codec)?.commit.conflicts);
        if receipt.rejected.is_empty() {
            return Ok(());
        }
        // Sealed before anybody asked, a transaction may stand for others: they are all in question.
        let parts = match versions::open_sealed(entry.device_seq, step.store, step.codec) {
            Ok(changeset) => absorb::parts(&log, &changeset),
            Err(Fault::Peer(_)) => log.iter().map(|transaction| vec![transaction]).collect(),
            Err(fault) => return Err(fault),
        };
        for rejection in &receipt.rejected {
            let Some(parts) = parts.get(rejection.index as usize) else {
                return Err(Fault::Peer(Malformed { what: "a rejection of a transaction that was not sent" }));
            };
            self.refused.extend(parts.iter().map(|part| would_be_refused(part, rejection, entry.device_seq)));
        }
        Ok(())
    }

    fn rows(&mut self, transaction: &LoggedTransaction, catalogue: &Catalogue) {
        let position = |row: &crate::change::RowId, column| {
            catalogue.table(row.table).and_then(|table| table.field_position(column))
        };
        for (row, net) in coalesce(&transaction.changes, position) {
            let counts = self.sends.entry(row.table).or_default();
            match net {
                Net::Inserted(_) => counts.inserts += 1,
                Net::Updated(_) | Net::Replaced(_) => counts.updates += 1,
                Net::Deleted => counts.deletes += 1,
                Net::Nothing => {}
            }
        }
    }
}

fn would_be_refused(part: &LoggedTransaction, rejection: &Rejection, device_seq: DeviceSeq) -> RejectedTransaction {
    RejectedTransaction {
        stamp: part.stamp,
        device_seq,
        reason: rejection.reason,
        detail: rejection.detail.clone(),
        changes: part.changes.clone(),
        resolutions: part.resolutions.clone(),
    }
}
