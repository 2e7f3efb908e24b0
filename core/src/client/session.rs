//! The client session: what happened comes in with the time, what to do goes out.
//! It knows whether it is connected, what it waits for and when to try again; the rest it reads from the store.
//! The adapter runs `handle` in one transaction and executes the outputs after it; after an error it makes a new session.

use super::apply::{self, Applied};
use super::backoff::Backoff;
use super::seal;
use super::status::{State, Status, SyncReport};
use super::store::{ClientStore, DeviceState, RejectedTransaction};
use super::upload::Uploads;
use crate::codec::Codec;
use crate::commit::Receipt;
use crate::error::{Fault, Malformed, Refusal};
use crate::ids::{DeviceSeq, Millis, Seq};
use crate::limits;
use crate::message::{ClientMessage, Hello, ItemBody, Part, Range, RangeItem, ServerMessage, Submit, Welcome};
use alloc::{string::String, vec, vec::Vec};

/// Which path changesets take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TwoPhase {
    /// One message for small changesets, two phases for the others.
    #[default]
    Auto,
    /// Two phases for all.
    Always,
}

/// What the app chose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Which path changesets take.
    pub two_phase: TwoPhase,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// A stable code: `network_error`, `unauthorized`, or what the server answered.
    pub code: String,
    /// Whether trying again may help without anybody changing anything.
    pub retryable: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The database is open and sync is wanted.
    Start,
    /// The app committed something.
    LocalCommit,
    /// The browser says whether there is a network.
    Online(bool),
    /// The app pauses or resumes the sync.
    Pause(bool),
    /// The connection that was asked for is there.
    Connected,
    /// It is gone, or could not be made.
    Disconnected(Cause),
    /// The space said something on the connection.
    Received(Vec<ServerMessage>),
    /// Answers of the space that came by another way, such as the service worker.
    Delivered(Vec<ServerMessage>),
    /// The app wants to be up to date now.
    SyncNow,
    /// The time that was asked for has come.
    Tick,
}

/// What to do, after the transaction has committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Make a connection.
    Connect,
    /// Give the connection up.
    Disconnect,
    /// Send this.
    Send(Vec<ClientMessage>),
    /// Give `Tick` at this time; replaces the earlier wish.
    WakeAt(Millis),
    /// The status changed.
    Status,
    /// Commits up to here are applied.
    Applied {
        /// The new cursor.
        seq: Seq,
    },
    /// A transaction was refused and is listed.
    Rejected(RejectedTransaction),
    /// Unseen values were overwritten or not taken, and are recorded.
    Conflicts {
        /// How many.
        count: u32,
    },
    /// What waits to be sent without a connection changed: bring the service worker's copy up to date.
    SealedChanged,
    /// Everything known at the last `SyncNow` is exchanged.
    UpToDate(SyncReport),
    /// A `SyncNow` could not be fulfilled.
    Failed(Cause),
}

/// In the order in which they are to be executed.
pub type Outputs = Vec<Output>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Down,
    Connecting,
    Greeting,
    Up,
}

/// A wish to be up to date, and what happened since.
#[derive(Debug, Clone, Copy)]
struct Wish {
    since: Millis,
    report: SyncReport,
    pulled: bool,
}

/// Times at which the session wants to be called.
#[derive(Debug, Clone, Copy, Default)]
struct Timers {
    retry_at: Option<Millis>,
    answer_by: Option<Millis>,
    confirm_at: Option<Millis>,
    seal_at: Option<Millis>,
    mirror_at: Option<Millis>,
}

/// How long writes made without a connection gather before they are sealed for the service worker.
const OFFLINE_SEAL_MS: u64 = 1_000;

/// Sealed changesets that may wait without a connection; later writes stay in the open log.
const OFFLINE_SEALED: usize = 64;

/// An answer that takes longer than this makes the service worker's copy worth writing.
const MIRROR_AFTER_MS: u64 = 1_000;

/// Bytes of changesets in one ready-made request.
const READY_BYTES: usize = 1024 * 1024;

/// Connections that fail in a row before a wish to be up to date is given up.
const WISH_ATTEMPTS: u32 = 3;

/// The device's half of a sync.
#[derive(Debug)]
pub struct ClientSession {
    options: SessionOptions,
    link: Link,
    paused: bool,
    stopped: Option<Cause>,
    uploads: Uploads,
    backoff: Backoff,
    timers: Timers,
    pulling: bool,
    unconfirmed_bytes: usize,
    mirrored: bool,
    wish: Option<Wish>,
    status: Status,
    woken_for: Option<Millis>,
    latest: Millis,
}

impl ClientSession {
    /// A session that has not started. The seed spreads retries of different devices apart.
    pub fn new(options: SessionOptions, seed: u64) -> Self {
        Self {
            options,
            link: Link::Down,
            paused: false,
            stopped: None,
            uploads: Uploads::default(),
            backoff: Backoff::new(seed),
            timers: Timers::default(),
            pulling: false,
            unconfirmed_bytes: 0,
            mirrored: true,
            wish: None,
            status: Status { online: true, ..Status::default() },
            woken_for: None,
            latest: Millis(0),
        }
    }

    /// Where it stands.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Handles one input. The session is unusable after an error: nothing of the step was kept.
    pub fn handle<S: ClientStore, C: Codec>(
        &mut self,
        input: Input,
        now: Millis,
        store: &mut S,
        codec: &C,
    ) -> Result<Outputs, Fault<S::Error>> {
        self.keep_time(now);
        let mut outputs = Vec::new();
        let mut step = Step { device: store.device()?, now, store, codec, outputs: &mut outputs };
        self.input(input, &mut step)?;
        self.pump(&mut step)?;
        self.refresh(&mut step)?;
        Ok(outputs)
    }

    fn input<S: ClientStore, C: Codec>(&mut self, input: Input, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        match input {
            Input::Start => self.connect(step),
            Input::LocalCommit => self.local_commit(step),
            Input::Online(online) => self.set_online(online, step),
            Input::Pause(paused) => self.set_paused(paused, step),
            Input::Connected => self.connected(step),
            Input::Disconnected(cause) => self.lost(cause, step),
            Input::Received(messages) => self.received(messages, step)?,
            Input::Delivered(messages) => self.delivered(messages, step)?,
            Input::SyncNow => self.sync_now(step),
            Input::Tick => self.tick(step)?,
        }
        Ok(())
    }

    /// A clock that was set back must not postpone what was due: the timers go back with it.
    fn keep_time(&mut self, now: Millis) {
        let back_ms = self.latest.0.saturating_sub(now.0);
        self.latest = now;
        if back_ms == 0 {
            return;
        }
        let Timers { retry_at, answer_by, confirm_at, seal_at, mirror_at } = &mut self.timers;
        for at in [retry_at, answer_by, confirm_at, seal_at, mirror_at].into_iter().flatten() {
            *at = Millis(at.0.saturating_sub(back_ms));
        }
    }

    fn may_connect(&self) -> bool {
        self.link == Link::Down && !self.paused && self.status.online && self.stopped.is_none()
    }

    fn connect<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        if !self.may_connect() {
            return;
        }
        self.link = Link::Connecting;
        self.timers.retry_at = None;
        self.timers.answer_by = Some(step.in_ms(limits::ANSWER_TIMEOUT_MS));
        step.outputs.push(Output::Connect);
    }

    fn local_commit<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        if self.link != Link::Up && self.timers.seal_at.is_none() {
            self.timers.seal_at = Some(step.in_ms(OFFLINE_SEAL_MS));
        }
    }

    fn set_online<S: ClientStore, C: Codec>(&mut self, online: bool, step: &mut Step<S, C>) {
        let came_back = online && !self.status.online;
        self.status.online = online;
        if !online {
            self.drop_link(step);
            self.timers.retry_at = None;
            self.fail_wish(&cause("offline", true), step);
        } else if came_back || self.timers.retry_at.is_some() {
            self.backoff.reset();
            self.connect(step);
        }
    }

    fn set_paused<S: ClientStore, C: Codec>(&mut self, paused: bool, step: &mut Step<S, C>) {
        self.paused = paused;
        if paused {
            self.drop_link(step);
            self.timers.retry_at = None;
            self.fail_wish(&cause("paused", false), step);
        } else {
            self.stopped = None;
            self.backoff.reset();
            self.connect(step);
        }
    }

    fn sync_now<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        if self.wish.is_none() {
            self.wish = Some(Wish { since: step.now, report: SyncReport::default(), pulled: false });
        }
        if self.paused {
            return self.fail_wish(&cause("paused", false), step);
        }
        if !self.status.online {
            return self.fail_wish(&cause("offline", true), step);
        }
        self.stopped = None;
        self.backoff.reset();
        self.connect(step);
    }

    fn connected<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        if self.link != Link::Connecting {
            return;
        }
        self.link = Link::Greeting;
        self.uploads.reset();
        self.timers.answer_by = Some(step.in_ms(limits::ANSWER_TIMEOUT_MS));
        step.outputs.push(Output::Send(vec![ClientMessage::Hello(hello(&step.device, step.store))]));
    }

    /// The connection is gone; says so only if there was one.
    fn drop_link<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        if self.link != Link::Down {
            step.outputs.push(Output::Disconnect);
        }
        self.forget_link(step);
    }

    fn forget_link<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        self.link = Link::Down;
        self.uploads.reset();
        self.pulling = false;
        self.timers.answer_by = None;
        self.timers.confirm_at = None;
        self.timers.mirror_at = Some(step.now);
    }

    fn lost<S: ClientStore, C: Codec>(&mut self, cause: Cause, step: &mut Step<S, C>) {
        if self.link == Link::Down {
            return;
        }
        self.forget_link(step);
        self.failed(cause, step);
    }

    /// A connection failed: waits and tries again, or stops where that cannot help.
    fn failed<S: ClientStore, C: Codec>(&mut self, cause: Cause, step: &mut Step<S, C>) {
        self.status.reason = Some(cause.code.clone());
        if let Some(wish) = self.wish.as_mut() {
            wish.report.retries += 1;
            wish.pulled = false;
        }
        if !cause.retryable {
            self.fail_wish(&cause, step);
            self.stopped = Some(cause);
            return;
        }
        let delay_ms = self.backoff.next_delay_ms();
        if self.backoff.attempts() >= WISH_ATTEMPTS {
            self.fail_wish(&cause, step);
        }
        self.timers.retry_at = Some(step.in_ms(delay_ms));
    }

    fn fail_wish<S: ClientStore, C: Codec>(&mut self, cause: &Cause, step: &mut Step<S, C>) {
        if self.wish.take().is_some() {
            step.outputs.push(Output::Failed(cause.clone()));
        }
    }

    fn tick<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        self.woken_for = None;
        let due = |timer: &mut Option<Millis>| timer.take_if(|at| *at <= step.now).is_some();
        let retry = due(&mut self.timers.retry_at);
        let silent = due(&mut self.timers.answer_by);
        let seal = due(&mut self.timers.seal_at);
        let mirror = due(&mut self.timers.mirror_at);
        if silent {
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

    /// Asks for the service worker's copy to be brought up to date, if there is, or was, anything in it.
    fn mirror<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        let waiting = step.store.sealed()?.iter().any(|entry| entry.receipt.is_none());
        if waiting || self.mirrored {
            step.outputs.push(Output::SealedChanged);
        }
        self.mirrored = waiting;
        Ok(())
    }

    fn received<S: ClientStore, C: Codec>(
        &mut self,
        messages: Vec<ServerMessage>,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        for message in messages {
            if self.link == Link::Down || self.link == Link::Connecting {
                return Ok(());
            }
            self.timers.answer_by = None;
            self.message(message, step)?;
        }
        Ok(())
    }

    /// Only what holds whoever brings it: receipts and ranges.
    fn delivered<S: ClientStore, C: Codec>(
        &mut self,
        messages: Vec<ServerMessage>,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        for message in messages {
            match message {
                ServerMessage::Receipt(receipt) => self.receipt(receipt, step)?,
                ServerMessage::Range(range) => self.range(range, step)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn message<S: ClientStore, C: Codec>(
        &mut self,
        message: ServerMessage,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        match message {
            ServerMessage::Welcome(welcome) => self.welcome(welcome, step)?,
            ServerMessage::Staged { device_seq, next_chunk } => self.uploads.staged(device_seq, next_chunk, step.store)?,
            ServerMessage::Prepared { device_seq } => self.uploads.prepared(device_seq, step.store)?,
            ServerMessage::Receipt(receipt) => self.receipt(receipt, step)?,
            ServerMessage::Expected { device_seq } => self.expected(device_seq, step)?,
            ServerMessage::Range(range) => self.range(range, step)?,
            ServerMessage::Part(part) => self.part(part, step)?,
            ServerMessage::Head { seq } => self.status.head = self.status.head.max(seq),
            ServerMessage::Refused(refusal) => self.refused(&refusal, step),
        }
        Ok(())
    }

    fn welcome<S: ClientStore, C: Codec>(&mut self, welcome: Welcome, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        if self.link == Link::Greeting {
            self.link = Link::Up;
            self.pulling = true;
        }
        self.backoff.reset();
        self.status.reason = None;
        self.status.head = self.status.head.max(welcome.head);
        step.device.author = Some(welcome.author);
        step.device.previous = None;
        step.device.cursor.view = welcome.view;
        Ok(step.store.set_device(&step.device)?)
    }

    fn receipt<S: ClientStore, C: Codec>(&mut self, receipt: Receipt, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        self.uploads.decided(receipt.device_seq);
        let sealed = step.store.sealed()?;
        let Some(entry) = sealed.iter().find(|entry| entry.device_seq == receipt.device_seq) else { return Ok(()) };
        if entry.receipt.is_some() {
            return Ok(());
        }
        if receipt.rejected.iter().any(|rejection| rejection.index >= entry.transactions) {
            return Err(Fault::Peer(Malformed { what: "a rejection of a transaction that was not sent" }));
        }
        if step.device.last_decided.is_none_or(|(last, _)| last < receipt.device_seq) {
            step.device.last_decided = Some((receipt.device_seq, entry.hash));
        }
        step.store.put_receipt(&receipt)?;
        step.store.set_device(&step.device)?;
        self.status.head = self.status.head.max(receipt.decided_at);
        let mut applied = Applied::default();
        apply::settle_until(step.device.cursor.seq, &mut step.device, step.store, step.codec, &mut applied)?;
        self.report(applied, step);
        Ok(())
    }

    fn expected<S: ClientStore, C: Codec>(&mut self, due: DeviceSeq, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        self.uploads.reset();
        let known = step.store.sealed()?.iter().any(|entry| entry.device_seq == due && entry.receipt.is_none());
        if !known {
            self.drop_link(step);
            self.failed(cause("unknown_history", false), step);
        }
        Ok(())
    }

    fn range<S: ClientStore, C: Codec>(&mut self, range: Range, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        let before = step.device.cursor.seq;
        let asked = core::mem::take(&mut self.pulling);
        self.status.head = self.status.head.max(range.upto);
        let Some(applied) = apply::range(&range, &mut step.device, step.store, step.codec)? else { return Ok(()) };
        if let Some(wish) = self.wish.as_mut() {
            wish.pulled |= asked && range.upto >= self.status.head;
        }
        if let Some(device_seq) = applied.needs_receipt {
            self.ask_for_receipt(device_seq, step)?;
        }
        self.report(applied, step);
        if step.device.cursor.seq > before {
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
            self.drop_link(step);
            self.failed(cause("unknown_history", false), step);
            return Ok(());
        };
        step.outputs.push(Output::Send(vec![ClientMessage::Resume { device_seq, hash: entry.hash }]));
        Ok(())
    }

    fn part<S: ClientStore, C: Codec>(&mut self, part: Part, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        if part.seq <= step.device.cursor.seq {
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
        self.range(Range { from: part.from, upto: part.seq, chain: part.chain, items }, step)
    }

    fn refused<S: ClientStore, C: Codec>(&mut self, refusal: &Refusal, step: &mut Step<S, C>) {
        self.drop_link(step);
        self.failed(cause(refusal.code.code(), refusal.code.retryable()), step);
    }

    fn report<S: ClientStore, C: Codec>(&mut self, applied: Applied, step: &mut Step<S, C>) {
        self.unconfirmed_bytes += applied.bytes;
        if let Some(wish) = self.wish.as_mut() {
            wish.report.sent += applied.settled;
            wish.report.received += applied.foreign;
            wish.report.conflicts += applied.conflicts;
            wish.report.conflicts_resolved += applied.conflicts;
            wish.report.errors += applied.rejected.len() as u32;
        }
        if applied.conflicts > 0 {
            step.outputs.push(Output::Conflicts { count: applied.conflicts });
        }
        step.outputs.extend(applied.rejected.into_iter().map(Output::Rejected));
    }

    fn seal<S: ClientStore, C: Codec>(&mut self, at_most: usize, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        let mut waiting = step.store.sealed()?.len();
        while waiting < at_most && seal::seal_next(&mut step.device, step.store, step.codec)? {
            waiting += 1;
        }
        Ok(())
    }

    /// Sends what can be sent: changesets, the next pull, a confirmation.
    fn pump<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        if self.link != Link::Up {
            return Ok(());
        }
        self.seal(limits::SEALED_IN_FLIGHT, step)?;
        let receipts = step.device.applied_receipt;
        let mut messages = self.uploads.pump(self.options.two_phase, receipts, step.store)?;
        messages.extend(self.pull(step));
        messages.extend(self.confirm(step));
        if self.uploads.awaits_answer() || self.pulling {
            self.timers.answer_by.get_or_insert(step.in_ms(limits::ANSWER_TIMEOUT_MS));
            self.timers.mirror_at.get_or_insert(step.in_ms(MIRROR_AFTER_MS));
        }
        if !messages.is_empty() {
            step.outputs.push(Output::Send(messages));
        }
        Ok(())
    }

    fn pull<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Option<ClientMessage> {
        let behind = step.device.cursor.seq < self.status.head && !self.uploads.awaits_answer();
        let wished = self.wish.is_some_and(|wish| !wish.pulled);
        if self.pulling || !(behind || wished) {
            return None;
        }
        self.pulling = true;
        Some(ClientMessage::Pull { cursor: step.device.cursor, max_bytes: limits::PAGE_BYTES as u32 })
    }

    fn confirm<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Option<ClientMessage> {
        let due = self.timers.confirm_at.is_some_and(|at| at <= step.now) || self.unconfirmed_bytes >= limits::CONFIRM_BYTES;
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

    /// Brings status, wishes and the next wake-up in line with what the step left behind.
    fn refresh<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        let waiting = step.store.waiting()?;
        let mut status = self.status.clone();
        status.pending = waiting.pending;
        status.blocked = waiting.blocked;
        status.failed = waiting.rejected;
        status.cursor = step.device.cursor.seq;
        status.next_retry_at = self.timers.retry_at;
        let done = self.link == Link::Up && waiting.pending == 0 && status.cursor >= status.head && !self.pulling;
        status.state = self.state(done);
        if done {
            status.last_sync_at = Some(step.now);
            self.fulfil_wish(step);
        }
        if self.mirrored && waiting.pending == waiting.unsealed {
            self.mirror(step)?;
        }
        if self.link != Link::Up && waiting.unsealed > 0 {
            self.timers.seal_at.get_or_insert(step.in_ms(OFFLINE_SEAL_MS));
        }
        if without_times(&status) != without_times(&self.status) {
            step.outputs.push(Output::Status);
        }
        self.status = status;
        self.wake(step);
        Ok(())
    }

    fn state(&self, done: bool) -> State {
        match self.link {
            _ if self.paused => State::Paused,
            _ if self.stopped.is_some() => State::Error,
            Link::Up if done => State::Idle,
            Link::Up => State::Syncing,
            Link::Connecting | Link::Greeting => State::Connecting,
            Link::Down => State::Offline,
        }
    }

    fn fulfil_wish<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        if let Some(mut wish) = self.wish.take_if(|wish| wish.pulled) {
            wish.report.duration_ms = step.now.0.saturating_sub(wish.since.0);
            step.outputs.push(Output::UpToDate(wish.report));
        }
    }

    fn wake<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        let Timers { retry_at, answer_by, confirm_at, seal_at, mirror_at } = self.timers;
        let next = [retry_at, answer_by, confirm_at, seal_at, mirror_at].into_iter().flatten().min();
        if let Some(at) = next.filter(|_| next != self.woken_for) {
            step.outputs.push(Output::WakeAt(at));
        }
        self.woken_for = next;
    }

    /// A ready-made conversation for somebody without a session: the hello and every small undecided changeset, in order.
    /// `None` if nothing waits that could travel so.
    pub fn ready_request<S: ClientStore>(&self, store: &mut S) -> Result<Option<Vec<ClientMessage>>, S::Error> {
        let device = store.device()?;
        let mut messages = vec![ClientMessage::Hello(hello(&device, store))];
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
        Ok(ClientMessage::Hello(hello(&device, store)))
    }
}

/// A commit larger than this many parts cannot exist: the largest changeset in parts.
const MAX_PARTS: usize = limits::INFLATED_BYTES / limits::PART_BYTES;

/// What one input works with.
struct Step<'a, S, C> {
    device: DeviceState,
    now: Millis,
    store: &'a mut S,
    codec: &'a C,
    outputs: &'a mut Outputs,
}

impl<S, C> Step<'_, S, C> {
    fn in_ms(&self, delay_ms: u64) -> Millis {
        Millis(self.now.0 + delay_ms)
    }
}

fn hello<S: ClientStore>(device: &DeviceState, store: &S) -> Hello {
    let catalogue = store.catalogue();
    Hello {
        min_version: *crate::server::session::VERSIONS.start(),
        max_version: *crate::server::session::VERSIONS.end(),
        features: 0,
        incarnation: device.incarnation,
        previous: device.previous,
        next_device_seq: device.next_device_seq,
        last_decided: device.last_decided,
        applied_receipt: device.applied_receipt,
        cursor: device.cursor,
        schema: catalogue.version,
        schema_hash: catalogue.hash,
    }
}

fn cause(code: &str, retryable: bool) -> Cause {
    Cause { code: String::from(code), retryable }
}

/// The time of the last exchange alone is no news.
fn without_times(status: &Status) -> Status {
    Status { last_sync_at: None, ..status.clone() }
}
