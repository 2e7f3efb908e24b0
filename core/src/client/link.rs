//! The session's connection: made, lost, waited for, given up, and the times at which something is due.
//! It knows neither messages nor changesets; what is said on the connection is in `inbox` and `outbox`.

use super::lineage::place;
use super::outbox::hello;
use super::session::{Cause, ClientSession, Link, OFFLINE_SEAL_MS, Output, Step, Wish, cause};
use super::status::SyncReport;
use super::store::ClientStore;
use crate::codec::Codec;
use crate::error::Fault;
use crate::ids::Millis;
use crate::limits;
use crate::message::ClientMessage;
use alloc::vec;

/// Sealed changesets that may wait without a connection; later writes stay in the open log.
pub(super) const OFFLINE_SEALED: usize = 64;

/// Connections that fail in a row before a wish to be up to date is given up.
const WISH_ATTEMPTS: u32 = 3;

impl ClientSession {
    /// Paused, and nothing was asked for that is done all the same.
    pub(super) fn is_silent(&self) -> bool {
        let wished = self.wish.is_some_and(|wish| wish.despite_pause);
        self.paused && !wished && !self.planning.is_wanted()
    }

    fn may_connect(&self) -> bool {
        self.link == Link::Down && !self.is_silent() && self.status.online && self.stopped.is_none()
    }

    pub(super) fn connect<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        if !self.may_connect() {
            return;
        }
        self.link = Link::Connecting;
        self.timers.retry_at = None;
        self.timers.answer_by = Some(step.in_ms(limits::ANSWER_TIMEOUT_MS));
        step.outputs.push(Output::Connect);
    }

    pub(super) fn local_commit<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        if self.link != Link::Up && self.timers.seal_at.is_none() {
            self.timers.seal_at = Some(step.in_ms(OFFLINE_SEAL_MS));
        }
    }

    pub(super) fn set_online<S: ClientStore, C: Codec>(&mut self, online: bool, step: &mut Step<S, C>) {
        let came_back = online && !self.status.online;
        self.status.online = online;
        if !online {
            self.drop_link(step);
            self.timers.retry_at = None;
            self.fail_wish(&cause("offline", true), step);
            self.fail_plan(&cause("offline", true), step);
        } else if came_back || self.timers.retry_at.is_some() {
            self.backoff.reset();
            self.connect(step);
        }
    }

    pub(super) fn set_paused<S: ClientStore, C: Codec>(&mut self, paused: bool, step: &mut Step<S, C>) {
        self.paused = paused;
        if paused {
            self.drop_link(step);
            self.timers.retry_at = None;
            self.fail_wish(&cause("paused", false), step);
            self.fail_plan(&cause("paused", false), step);
        } else {
            self.stopped = None;
            self.backoff.reset();
            // Also without a network: the service worker has nothing since the pause.
            self.timers.mirror_at = Some(step.now);
            self.connect(step);
        }
    }

    pub(super) fn sync_now<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        self.ask_again();
        self.wish(false, step);
        if self.is_silent() {
            return self.fail_wish(&cause("paused", false), step);
        }
        self.pursue_wish(step);
    }

    /// The same, also while the sync is paused.
    pub(super) fn sync_once<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        self.wish(true, step);
        self.pursue_wish(step);
    }

    fn wish<S: ClientStore, C: Codec>(&mut self, despite_pause: bool, step: &mut Step<S, C>) {
        let wish = Wish { since: step.now, report: SyncReport::default(), pulled: false, despite_pause };
        self.wish.get_or_insert(wish).despite_pause |= despite_pause;
    }

    fn pursue_wish<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        self.choice_needed = false;
        if !self.status.online {
            return self.fail_wish(&cause("offline", true), step);
        }
        self.stopped = None;
        self.backoff.reset();
        self.connect(step);
    }

    pub(super) fn connected<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Result<(), S::Error> {
        if self.link != Link::Connecting {
            return Ok(());
        }
        self.link = Link::Greeting;
        self.greeted_as = Some(place(&step.device));
        self.uploads.reset();
        self.timers.answer_by = Some(step.in_ms(self.patience.wait_ms()));
        step.outputs.push(Output::Send(vec![ClientMessage::Hello(hello(&step.device, step.store)?)]));
        Ok(())
    }

    /// The connection is gone; says so only if there was one.
    pub(super) fn drop_link<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        if self.link != Link::Down {
            step.outputs.push(Output::Disconnect);
        }
        self.forget_link(step);
    }

    fn forget_link<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        self.link = Link::Down;
        self.uploads.reset();
        self.recalls.forget();
        self.verdicts.forget();
        self.refused = None;
        self.planning.forget_link();
        self.greeted_as = None;
        self.pulling = false;
        self.space = None;
        self.choice_needed = false;
        self.timers.answer_by = None;
        self.timers.confirm_at = None;
        self.timers.mirror_at = Some(step.now);
    }

    pub(super) fn lost<S: ClientStore, C: Codec>(&mut self, cause: Cause, step: &mut Step<S, C>) {
        if self.link == Link::Down {
            return;
        }
        self.forget_link(step);
        self.failed(cause, step);
    }

    /// A connection failed: waits and tries again, or stops where that cannot help.
    pub(super) fn failed<S: ClientStore, C: Codec>(&mut self, cause: Cause, step: &mut Step<S, C>) {
        self.status.reason = Some(cause.code.clone());
        if let Some(wish) = self.wish.as_mut() {
            wish.report.retries += 1;
            wish.pulled = false;
        }
        self.fail_plan(&cause, step);
        if !cause.retryable {
            self.fail_wish(&cause, step);
            self.stopped = Some(cause);
            return;
        }
        let delay_ms = self.backoff.next_delay_ms();
        if self.backoff.attempts() >= WISH_ATTEMPTS {
            self.fail_wish(&cause, step);
        }
        self.timers.retry_at = (!self.is_silent()).then(|| step.in_ms(delay_ms));
    }

    pub(super) fn fail_wish<S: ClientStore, C: Codec>(&mut self, cause: &Cause, step: &mut Step<S, C>) {
        if self.wish.take().is_some() {
            step.outputs.push(Output::Failed(cause.clone()));
        }
    }

    pub(super) fn tick<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        self.woken_for = None;
        let due = |timer: &mut Option<Millis>| timer.take_if(|at| *at <= step.now).is_some();
        let retry = due(&mut self.timers.retry_at);
        let silent = due(&mut self.timers.answer_by);
        let seal = due(&mut self.timers.seal_at);
        let mirror = due(&mut self.timers.mirror_at);
        if silent {
            if self.pulling {
                self.pace.was_silent();
            }
            if self.link != Link::Connecting {
                self.patience.was_silent();
            }
            self.drop_link(step);
            self.failed(cause("timeout", true), step);
        }
        if retry {
            self.connect(step);
        }
        if seal && self.link != Link::Up {
            self.seal(OFFLINE_SEALED, step)?;
        }
        if mirror || seal {
            self.mirror(step)?;
        }
        Ok(())
    }

    /// Asks for the service worker's copy to be brought up to date, if something else is in it. Nothing is, while the app pauses
    /// or wants to be asked.
    pub(super) fn mirror<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        let sealed = step.store.sealed()?;
        let mut waiting = sealed.iter().filter(|entry| entry.receipt.is_none()).map(|entry| entry.device_seq);
        let first = waiting.next().filter(|_| self.may_hand_out(&step.device));
        let copy = first.map(|first| (first, waiting.next_back().unwrap_or(first)));
        if self.mirrored != Some(copy) {
            step.outputs.push(Output::SealedChanged);
        }
        self.mirrored = Some(copy);
        Ok(())
    }
}
