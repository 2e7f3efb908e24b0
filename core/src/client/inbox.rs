//! What the space says: each message taken into the store and into the session's memory of the connection.
//! It applies through `apply` and notes answers in `upload`; what to send next is for `outbox`.

use super::absorb;
use super::ahead;
use super::apply::{self, Applied};
use super::lineage;
use super::session::{ClientSession, Link, Output, SpaceVersion, Step, cause};
use super::store::{ClientStore, Rebuild, SealedEntry};
use super::versions;
use super::void::is_void;
use crate::codec::Codec;
use crate::commit::Receipt;
use crate::error::{Fault, Malformed, Refusal, RefusalCode};
use crate::ids::{DeviceSeq, Hash, SchemaVersion};
use crate::limits;
use crate::message::{ClientMessage, ItemBody, Part, Range, RangeItem, ServerMessage, Welcome};
use alloc::{string::String, vec, vec::Vec};

/// A commit larger than this many parts cannot exist: the largest changeset in parts.
const MAX_PARTS: usize = limits::INFLATED_BYTES / limits::PART_BYTES;

impl ClientSession {
    pub(super) fn received<S: ClientStore, C: Codec>(
        &mut self,
        messages: Vec<ServerMessage>,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        for message in messages {
            if self.link == Link::Down || self.link == Link::Connecting {
                return Ok(());
            }
            if let Some(by) = self.timers.answer_by.take() {
                self.patience.heard(by.0.saturating_sub(step.now.0));
            }
            self.pace.came(history_bytes(&message));
            self.message(message, step)?;
        }
        Ok(())
    }

    /// Only what holds whoever brings it: receipts and ranges. They may be meant for an earlier life of this database, or for a copy. The space
    /// has checked where the request stood, not where the device has come since: the first range must continue exactly here, and each
    /// other one the range before it. The history may have been lost since; an answer that is on its way on a connection is to what the device
    /// was before, so a new hello lets the space compare. Nothing is staged with a snapshot.
    pub(super) fn delivered<S: ClientStore, C: Codec>(
        &mut self,
        messages: Vec<ServerMessage>,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        if !self.is_at_home(&step.device) {
            return Ok(());
        }
        let before = (step.device.cursor, step.device.last_decided);
        let mut continues = true;
        for message in messages {
            match message {
                ServerMessage::Receipt(receipt) if self.is_news(&receipt, step)? => self.receipt(receipt, step)?,
                ServerMessage::Range(range) if step.device.rebuild.is_none() => {
                    continues &=
                        range.from == step.device.cursor.seq && lineage::can_apply(&range, &step.device, step.store)?;
                    if continues {
                        self.range(range, step)?;
                    }
                }
                _ => {}
            }
        }
        if before != (step.device.cursor, step.device.last_decided) && matches!(self.link, Link::Greeting | Link::Up) {
            self.drop_link(step);
            self.connect(step);
        }
        Ok(())
    }

    fn is_news<S: ClientStore, C: Codec>(
        &self,
        receipt: &Receipt,
        step: &mut Step<S, C>,
    ) -> Result<bool, Fault<S::Error>> {
        let waits = |entry: &SealedEntry| entry.device_seq == receipt.device_seq && entry.receipt.is_none();
        Ok(step.store.sealed()?.iter().any(waits) && lineage::belongs(receipt, &step.device, step.store)?)
    }

    fn message<S: ClientStore, C: Codec>(
        &mut self,
        message: ServerMessage,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        match message {
            ServerMessage::Welcome(welcome) => self.welcome(welcome, step)?,
            ServerMessage::Staged { device_seq, .. } if step.device.rebuild.is_some() => {
                self.verdicts.answered(device_seq);
            }
            ServerMessage::Staged { device_seq, next_chunk } => {
                self.prediction_waits(device_seq);
                if self.uploads.staged(device_seq, next_chunk, step.store)? {
                    self.backoff.reset();
                }
            }
            ServerMessage::Prepared { device_seq } => self.uploads.prepared(device_seq, step.store)?,
            ServerMessage::Receipt(receipt) => self.receipt(receipt, step)?,
            ServerMessage::Expected { device_seq } => self.expected(device_seq, step)?,
            ServerMessage::Range(range) => self.arrived(range, step)?,
            ServerMessage::Part(part) => self.part(part, step)?,
            ServerMessage::Head { seq } => self.status.head = self.status.head.max(seq),
            ServerMessage::Refused(refusal) => self.refused(&refusal, step)?,
            ServerMessage::Recalled(recalled) => self.recalled(recalled),
            ServerMessage::Page(page) => self.page(page, step)?,
            ServerMessage::Catalogue(catalogue) => {
                self.pulling = false;
                step.store.put_catalogue(&catalogue)?;
                self.fetch_left_out(step)?;
            }
            ServerMessage::Predicted(predictions) => self.predicted(predictions, step)?,
        }
        Ok(())
    }

    fn welcome<S: ClientStore, C: Codec>(
        &mut self,
        welcome: Welcome,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        if !self.may_begin(welcome.head, step)? {
            return Ok(());
        }
        if self.link == Link::Greeting {
            self.link = Link::Up;
            self.pulling = step.device.rebuild.is_none();
        }
        if welcome.snapshot && step.device.rebuild.is_none() {
            self.begin_rebuild(Rebuild::Behind, step)?;
        }
        self.space = Some(SpaceVersion { version: welcome.schema, head: welcome.head });
        self.fetch_left_out(step)?;
        // A snapshot comes under the space's version.
        if step.device.rebuild.is_some() && !versions::knows(welcome.schema, step.store)? {
            step.outputs.push(Output::Send(vec![ClientMessage::Catalogue { version: welcome.schema }]));
        }
        self.status.reason = self.version_reason(step);
        // Lower than what was heard before where the space was set back.
        self.status.head = welcome.head;
        step.device.space = Some(self.home.clone());
        step.device.author = Some(welcome.author);
        step.device.previous = None;
        step.device.cursor.view = welcome.view;
        step.device.hear(welcome.now);
        Ok(step.store.set_device(&step.device)?)
    }

    /// What an app should know of the two sides' versions, while the sync goes on.
    pub(super) fn version_reason<S: ClientStore, C: Codec>(&self, step: &Step<S, C>) -> Option<String> {
        let (own, space) = (step.store.catalogue().version, self.space?.version);
        if own == space {
            return None;
        }
        let code = if own.is_later_than(space) { RefusalCode::WaitingForServer } else { RefusalCode::ReloadNeeded };
        Some(String::from(code.code()))
    }

    fn receipt<S: ClientStore, C: Codec>(
        &mut self,
        receipt: Receipt,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        if !lineage::belongs(&receipt, &step.device, step.store)? {
            return Ok(self.begin_new_life(RefusalCode::UnknownNumbers, step)?);
        }
        self.uploads.decided(receipt.device_seq);
        self.verdicts.answered(receipt.device_seq);
        self.prediction_waits(receipt.device_seq);
        let sealed = step.store.sealed()?;
        let Some(entry) = sealed.iter().find(|entry| entry.device_seq == receipt.device_seq) else { return Ok(()) };
        // Another one than is known is of the history that the space has now: somebody else brought the first from one that it has lost.
        let decided = |receipt: &Receipt| (receipt.seq, receipt.decided_at);
        if entry.receipt.as_ref().map(decided) == Some(decided(&receipt)) {
            return Ok(());
        }
        let void = is_void(&receipt);
        if !void && !receipt.rejected.is_empty() && !can_be_rejected(&receipt, entry.transactions, step)? {
            return Err(Fault::Peer(Malformed { what: "a rejection of a transaction that was not sent" }));
        }
        if step.device.last_decided.is_none_or(|(last, _)| last < receipt.device_seq) {
            let hash = if void { Hash::default() } else { entry.hash };
            step.device.last_decided = Some((receipt.device_seq, hash));
        }
        step.store.put_receipt(&receipt)?;
        step.store.set_device(&step.device)?;
        self.backoff.reset();
        self.status.head = self.status.head.max(receipt.decided_at);
        let mut applied = Applied::default();
        apply::settle_until(step.device.cursor.seq, &mut step.device, step.store, step.codec, &mut applied)?;
        self.report(applied, step);
        Ok(())
    }

    fn expected<S: ClientStore, C: Codec>(
        &mut self,
        due: DeviceSeq,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        self.uploads.reset();
        // A number that has a verdict meanwhile, which another way may have brought, only says that this answer is late.
        if due >= step.device.next_device_seq {
            self.begin_new_life(RefusalCode::UnknownNumbers, step)?;
        }
        Ok(())
    }

    /// What a plan counts is left to be applied by the sync itself.
    fn arrived<S: ClientStore, C: Codec>(
        &mut self,
        range: Range,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        match self.planning.is_wanted() {
            true => self.count_range(&range, step),
            false => self.range(range, step),
        }
    }

    fn range<S: ClientStore, C: Codec>(&mut self, range: Range, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        if step.device.rebuild.is_some() {
            return self.stage_range(&range, step);
        }
        let before = step.device.cursor.seq;
        let asked = self.pull_answered();
        self.status.head = self.status.head.max(range.upto);
        let Some(applied) = apply::range(&range, &mut step.device, step.store, step.codec)? else { return Ok(()) };
        if let Some(wish) = self.wish.as_mut() {
            wish.pulled |= asked && range.upto >= self.status.head;
        }
        if let Some(device_seq) = applied.needs_receipt {
            self.ask_for_receipt(device_seq, step)?;
        } else if let Some(version) = applied.needs_catalogue {
            self.ask_for_catalogue(version, step);
        } else if let Some(space) = self.space.filter(|space| step.device.cursor.seq >= space.head) {
            ahead::before_commit(space.version, &step.device, step.store)?;
            versions::space_is_at(space.version, &mut step.device, step.store)?;
        }
        self.report(applied, step);
        if step.device.cursor.seq > before {
            self.backoff.reset();
            step.outputs.push(Output::Applied { seq: step.device.cursor.seq });
        }
        Ok(())
    }

    fn ask_for_receipt<S: ClientStore, C: Codec>(
        &mut self,
        device_seq: DeviceSeq,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        let sealed = step.store.sealed()?;
        let Some(entry) = sealed.iter().find(|entry| entry.device_seq == device_seq) else {
            return Ok(self.begin_new_life(RefusalCode::UnknownNumbers, step)?);
        };
        step.outputs.push(Output::Send(vec![ClientMessage::Resume { device_seq, hash: entry.hash }]));
        Ok(())
    }

    /// The next pull waits for the answer, since it would bring the same commits again. Without a connection there will be one later.
    pub(super) fn ask_for_catalogue<S: ClientStore, C: Codec>(
        &mut self,
        version: SchemaVersion,
        step: &mut Step<S, C>,
    ) {
        if self.link == Link::Up {
            self.pulling = true;
            step.outputs.push(Output::Send(vec![ClientMessage::Catalogue { version }]));
        }
    }

    fn part<S: ClientStore, C: Codec>(&mut self, part: Part, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        let reached = match step.device.rebuild {
            None => step.device.cursor.seq,
            Some(_) => step.store.snapshot()?.map_or(part.seq, |state| state.upto.seq),
        };
        if part.seq <= reached {
            return Ok(());
        }
        if part.index >= part.count || part.bytes.len() > limits::PART_BYTES || part.count as usize > MAX_PARTS {
            return Err(Fault::Peer(Malformed { what: "a part that does not fit its commit" }));
        }
        self.unconfirmed_bytes += part.bytes.len();
        step.store.put_part(&part)?;
        let Some(bytes) = step.store.take_parts(part.seq, part.count)? else { return Ok(()) };
        let body = match part.own {
            Some(device_seq) => ItemBody::OwnMerged(device_seq, bytes),
            None => ItemBody::Foreign(bytes),
        };
        let items = vec![RangeItem { seq: part.seq, body }];
        self.arrived(Range { from: part.from, upto: part.seq, chain: part.chain, items }, step)
    }

    fn refused<S: ClientStore, C: Codec>(
        &mut self,
        refusal: &Refusal,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        if self.refused_for_good(refusal, step)? {
            return Ok(());
        }
        match refusal.code {
            // Something else was heard meanwhile: what the hello said of this database is no longer so.
            RefusalCode::UnknownNumbers if self.greeted_as != Some(lineage::place(&step.device)) => {
                self.drop_link(step);
                self.connect(step);
            }
            RefusalCode::UnknownNumbers | RefusalCode::HashMismatch | RefusalCode::Retired => {
                self.begin_new_life(refusal.code, step)?;
            }
            RefusalCode::UnknownHistory => self.begin_other_history(step)?,
            RefusalCode::SnapshotNeeded => self.begin_over(step)?,
            code => {
                // A connection that was open says so when its token has run out: the next one is made with another, or not at all.
                let retryable = code.retryable() || code == RefusalCode::Forbidden;
                self.drop_link(step);
                self.failed(cause(code.code(), retryable), step);
            }
        }
        Ok(())
    }

    pub(super) fn report<S: ClientStore, C: Codec>(&mut self, applied: Applied, step: &mut Step<S, C>) {
        self.unconfirmed_bytes += applied.bytes;
        if let Some(wish) = self.wish.as_mut() {
            wish.report.sent += applied.settled;
            wish.report.received += applied.foreign;
            wish.report.conflicts += applied.conflicts + applied.opened.len() as u32;
            wish.report.conflicts_resolved += applied.conflicts + applied.closed.len() as u32;
            wish.report.errors += applied.rejected.len() as u32;
        }
        if applied.conflicts > 0 || !applied.opened.is_empty() {
            step.outputs.push(Output::Conflicts { decided: applied.conflicts, opened: applied.opened });
        }
        if !applied.closed.is_empty() {
            step.outputs.push(Output::Resolved(applied.closed));
        }
        step.outputs.extend(applied.rejected.into_iter().map(Output::Rejected));
    }
}

/// Whether what a receipt rejects are transactions of its changeset, none of which stands for others: those are taken, or not decided.
fn can_be_rejected<S: ClientStore, C: Codec>(
    receipt: &Receipt,
    transactions: u32,
    step: &mut Step<S, C>,
) -> Result<bool, Fault<S::Error>> {
    let folded = absorb::is_folded(receipt.device_seq, step.store, step.codec)?;
    Ok(!folded && receipt.rejected.iter().all(|rejection| rejection.index < transactions))
}

fn history_bytes(message: &ServerMessage) -> usize {
    match message {
        ServerMessage::Range(range) => range.items.iter().filter_map(|item| item.body.encoded()).map(<[u8]>::len).sum(),
        ServerMessage::Part(part) => part.bytes.len(),
        ServerMessage::Page(page) => page.bytes.len(),
        _ => 0,
    }
}
