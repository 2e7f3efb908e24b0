//! What the device says: changesets as there is room for them, the next pull, a confirmation, the hello.
//! It reads what waits from the store; what comes back is for `inbox`.

use super::batches::batches;
use super::link::OFFLINE_SEALED;
use super::seal::{self, Folding};
use super::session::{ClientSession, Link, Output, Step};
use super::store::{ClientStore, DeviceState, Rebuild};
use super::upload::Order;
use crate::codec::Codec;
use crate::error::Fault;
use crate::ids::{Cursor, SchemaVersion};
use crate::limits;
use crate::message::{ClientMessage, Hello, Submit, WANTS_SNAPSHOT};
use crate::server::session::VERSIONS;
use alloc::{vec, vec::Vec};

/// An answer that takes longer than this makes the service worker's copy worth writing.
const MIRROR_AFTER_MS: u64 = 1_000;

/// Bytes of changesets in one ready-made request.
const READY_BYTES: usize = 1024 * 1024;

impl ClientSession {
    pub(super) fn seal<S: ClientStore, C: Codec>(
        &mut self,
        at_most: usize,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        let mut waiting = step.store.sealed()?.len();
        let folding = if self.asks_first() { Folding::Single } else { Folding::Folded };
        while waiting < at_most && seal::seal_next(folding, &mut step.device, step.store, step.codec)? {
            waiting += 1;
        }
        Ok(())
    }

    /// Whether something can be sealed while there is no connection: nobody is to be woken for what waits for an answer, or for room.
    pub(super) fn could_seal<S: ClientStore, C: Codec>(&self, step: &mut Step<S, C>) -> Result<bool, S::Error> {
        Ok(step.store.sealed()?.len() < OFFLINE_SEALED && seal::could_seal(&step.device, step.store)?)
    }

    /// Sends what can be sent: changesets, the next pull, a confirmation.
    pub(super) fn pump<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        if self.link != Link::Up {
            return Ok(());
        }
        let mut messages = self.recall(step)?;
        if step.device.rebuild.is_some() {
            messages.extend(self.rebuild(step)?);
        }
        if step.device.rebuild.is_none() {
            messages.extend(self.exchange(step)?);
        }
        if self.awaits_answer() {
            self.timers.answer_by.get_or_insert(step.in_ms(self.patience.wait_ms()));
            self.timers.mirror_at.get_or_insert(step.in_ms(MIRROR_AFTER_MS));
        } else {
            // Answered in time: no copy is needed, and nobody is to be woken for it.
            self.timers.mirror_at = None;
            self.backoff.reset();
            self.patience.all_answered();
        }
        step.outputs.extend(batches(messages).map(Output::Send));
        Ok(())
    }

    fn awaits_answer(&self) -> bool {
        let asked = self.recalls.awaits_answer() || self.verdicts.awaits_answer() || self.planning.awaits_answer();
        asked || self.uploads.awaits_answer() || self.pulling
    }

    /// Changesets as there is room for them, the next pull, a confirmation.
    fn exchange<S: ClientStore, C: Codec>(
        &mut self,
        step: &mut Step<S, C>,
    ) -> Result<Vec<ClientMessage>, Fault<S::Error>> {
        let planning = self.planning.is_wanted();
        // Giving up is a decision too, and not for a dry run.
        let mut messages = if planning { self.upload(step)? } else { self.give_up_or_upload(step)? };
        messages.extend(self.pump_plan(step)?);
        if planning && !self.planning.is_wanted() && !self.is_silent() {
            // What was held back for the plan goes now that it is told: nothing else may come to wake the session.
            messages.extend(self.give_up_or_upload(step)?);
        }
        messages.extend(match self.planning.is_wanted() {
            true => self.pull_for_plan(step)?,
            false => self.pull(step)?,
        });
        messages.extend(self.confirm(step));
        Ok(messages)
    }

    fn give_up_or_upload<S: ClientStore, C: Codec>(
        &mut self,
        step: &mut Step<S, C>,
    ) -> Result<Vec<ClientMessage>, Fault<S::Error>> {
        match self.give_up(step)? {
            Some(messages) => Ok(messages),
            None => self.upload(step),
        }
    }

    fn upload<S: ClientStore, C: Codec>(
        &mut self,
        step: &mut Step<S, C>,
    ) -> Result<Vec<ClientMessage>, Fault<S::Error>> {
        // What is made under a newer version than the space's stays in the open log, where it coalesces.
        if !self.waits_for_server(step) {
            let ahead = if self.asks_first() { limits::PLANNED_CHANGESETS } else { limits::SEALED_IN_FLIGHT };
            self.seal(ahead, step)?;
        }
        let order = Order {
            two_phase: self.options.two_phase,
            may_commit: self.may_commit(),
            applied_receipt: step.device.applied_receipt,
            readable: self.readable(),
        };
        Ok(self.uploads.pump(order, step.store)?)
    }

    /// Whether somebody is told what would become of each transaction before it is decided.
    fn asks_first(&self) -> bool {
        self.planning.is_wanted() || self.options.confirm
    }

    /// The newest schema version that the space can read.
    pub(super) fn readable(&self) -> SchemaVersion {
        self.space.map_or(SchemaVersion::default(), |space| space.version)
    }

    fn pull<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Result<Option<ClientMessage>, S::Error> {
        let behind = step.device.cursor.seq < self.status.head && !self.uploads.awaits_decision();
        let wished = self.wish.is_some_and(|wish| !wish.pulled);
        if self.pulling || !(behind || wished) {
            return Ok(None);
        }
        self.pulling = true;
        let (cursor, max_bytes) = (step.device.cursor, self.pace.bytes());
        Ok(Some(ClientMessage::Pull { cursor, max_bytes, held: step.store.held_parts()? }))
    }

    /// Whether what came was asked for.
    pub(super) fn pull_answered(&mut self) -> bool {
        let asked = core::mem::take(&mut self.pulling);
        if asked {
            self.pace.answered();
        }
        asked
    }

    fn confirm<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Option<ClientMessage> {
        let due =
            self.timers.confirm_at.is_some_and(|at| at <= step.now) || self.unconfirmed_bytes >= limits::CONFIRM_BYTES;
        if due {
            self.timers.confirm_at = None;
            self.unconfirmed_bytes = 0;
            let (seq, applied_receipt) = (step.device.cursor.seq, step.device.applied_receipt);
            return Some(ClientMessage::Applied { seq, applied_receipt });
        }
        if self.unconfirmed_bytes > 0 {
            self.timers.confirm_at.get_or_insert(step.in_ms(limits::CONFIRM_AFTER_MS));
        }
        None
    }

    /// Whether somebody without a session may be given what waits: not while the sync is paused, nor if the app wants to be asked.
    pub(super) fn may_hand_out(&self, device: &DeviceState) -> bool {
        !self.is_elsewhere(device) && !self.paused && !self.options.confirm
    }

    /// A ready-made conversation for somebody without a session: the hello and every small undecided changeset, in order.
    /// `None` if nothing waits that could travel so, or nothing may be sent.
    pub fn ready_request<S: ClientStore>(&self, store: &mut S) -> Result<Option<Vec<ClientMessage>>, S::Error> {
        let device = store.device()?;
        if !self.may_hand_out(&device) {
            return Ok(None);
        }
        let mut messages = vec![ClientMessage::Hello(hello(&device, store)?)];
        let mut bytes_left = READY_BYTES;
        for entry in store.sealed()?.iter().filter(|entry| entry.receipt.is_none()) {
            if entry.total_bytes > limits::SINGLE_MESSAGE_BYTES || entry.total_bytes > bytes_left {
                break;
            }
            bytes_left -= entry.total_bytes;
            let bytes = store.sealed_bytes(entry.device_seq)?;
            let (device_seq, applied_receipt) = (entry.device_seq, device.applied_receipt);
            messages.push(ClientMessage::Submit(Submit { device_seq, applied_receipt, bytes }));
        }
        Ok((messages.len() > 1).then_some(messages))
    }

    /// The hello with which a request over HTTP begins.
    pub fn hello<S: ClientStore>(&self, store: &mut S) -> Result<ClientMessage, S::Error> {
        let device = store.device()?;
        Ok(ClientMessage::Hello(hello(&device, store)?))
    }
}

/// Who speaks, and from where it continues.
pub(super) fn hello<S: ClientStore>(device: &DeviceState, store: &mut S) -> Result<Hello, S::Error> {
    let catalogue = store.catalogue();
    // While its rows are being replaced, a device is where its snapshot is, once that is whole; and nowhere, if it came from another history.
    let (features, cursor) = match device.rebuild {
        None => (0, device.cursor),
        Some(why) => {
            let before = if why == Rebuild::OtherHistory { Cursor::default() } else { device.cursor };
            let staged = store.snapshot()?.filter(|state| state.complete);
            (WANTS_SNAPSHOT, staged.map_or(before, |state| state.upto))
        }
    };
    Ok(Hello {
        min_version: *VERSIONS.start(),
        max_version: *VERSIONS.end(),
        features,
        incarnation: device.incarnation,
        previous: device.previous,
        next_device_seq: device.next_device_seq,
        last_decided: device.last_decided,
        applied_receipt: device.applied_receipt,
        cursor,
        schema: catalogue.version,
        schema_hash: catalogue.hash,
    })
}
