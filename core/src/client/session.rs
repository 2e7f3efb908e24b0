//! The client session: what happened comes in with the time, what to do goes out.
//! It knows whether it is connected, what it waits for and when to try again; the rest it reads from the store.
//! The adapter runs `handle` in one transaction and executes the outputs after it; after an error it makes a new session.

use super::backoff::Backoff;
use super::belonging::SpaceName;
use super::lineage::Place;
use super::pace::Pace;
use super::patience::Patience;
use super::plan::{NOT_CONFIRMED, Plan, Planning};
use super::progress::{Progress, receiving};
use super::rebuild::Verdicts;
use super::recover::Recalls;
use super::start::{CHOICE_NEEDED, Start};
use super::status::{State, Status, SyncReport};
use super::store::{ClientStore, DeviceState, Rebuild, RejectedTransaction};
use super::upload::Uploads;
use super::void::Refused;
use crate::codec::Codec;
use crate::conflict::{ClosedConflict, ConflictId};
use crate::error::{Fault, RefusalCode};
use crate::ids::{DeviceSeq, Millis, SchemaVersion, Seq};
use crate::limits::PAGE_BYTES;
use crate::message::{ClientMessage, ItemBody, RangeItem, ServerMessage};
use alloc::{string::String, vec::Vec};

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
    /// Whether the app is asked before anything is committed, which takes two phases.
    pub confirm: bool,
    /// What becomes of what was written before there was a space.
    pub start: Start,
    /// Bytes asked for in one page of history or of a snapshot, where that is less than the bound.
    pub page_bytes: Option<u32>,
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
    /// The app wants to know what a sync would do.
    Plan,
    /// The app wants a plan carried out, also while the sync is paused.
    Run {
        /// The last number that the plan covers.
        upto: DeviceSeq,
    },
    /// The app answers `Output::Confirm`.
    Confirmed {
        /// The last number that it was asked about.
        upto: DeviceSeq,
        /// Whether these may be committed.
        accepted: bool,
    },
    /// The app says what becomes of what was written before there was a space.
    Choose(Start),
    /// The time that was asked for has come.
    Tick,
    /// A step failed on a constraint of the local database: applying it again would fail again.
    CannotApply,
}

impl Input {
    /// Whether handling it will probably write synced tables, so that the store can prepare for it.
    pub fn brings_rows(&self) -> bool {
        let (Input::Received(messages) | Input::Delivered(messages)) = self else { return false };
        let new = |item: &RangeItem| !matches!(item.body, ItemBody::OwnAsSent(_));
        messages.iter().any(|message| matches!(message, ServerMessage::Range(range) if range.items.iter().any(new)))
    }
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
    /// Values met unseen, and are recorded.
    Conflicts {
        /// How many a rule decided.
        decided: u32,
        /// Those that wait for a person.
        opened: Vec<ConflictId>,
    },
    /// Conflicts wait no longer.
    Resolved(Vec<ClosedConflict>),
    /// What waits to be sent without a connection changed: bring the service worker's copy up to date.
    SealedChanged,
    /// The database began a new life: it, or the space, had been set back, or it was copied. What waited still waits, and
    /// will be sent unless the space has it already.
    Recovered {
        /// Why: `unknown_numbers`, `unknown_history` or `device_retired`.
        code: &'static str,
    },
    /// Everything known at the last `SyncNow` is exchanged.
    UpToDate(SyncReport),
    /// A `SyncNow` could not be fulfilled.
    Failed(Cause),
    /// The plan that was asked for.
    Planned(Plan),
    /// A plan could not be made.
    PlanFailed(Cause),
    /// May this be committed? `Input::Confirmed` answers.
    Confirm(Plan),
}

/// In the order in which they are to be executed.
pub type Outputs = Vec<Output>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Down,
    Connecting,
    Greeting,
    Up,
}

/// A wish to be up to date, and what happened since.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) since: Millis,
    pub(super) report: SyncReport,
    pub(super) pulled: bool,
    /// Fulfilled even while the sync is paused.
    pub(super) despite_pause: bool,
}

/// What the space said of its schema on this connection: rows up to its head are of this version.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpaceVersion {
    pub(super) version: SchemaVersion,
    pub(super) head: Seq,
}

/// Times at which the session wants to be called.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timers {
    pub(super) retry_at: Option<Millis>,
    pub(super) answer_by: Option<Millis>,
    pub(super) confirm_at: Option<Millis>,
    pub(super) seal_at: Option<Millis>,
    pub(super) mirror_at: Option<Millis>,
}

/// How long writes made without a connection gather before they are sealed for the service worker.
pub(super) const OFFLINE_SEAL_MS: u64 = 1_000;

/// The device's half of a sync.
#[derive(Debug)]
pub struct ClientSession {
    /// The space that the database is opened for.
    pub(super) home: SpaceName,
    pub(super) options: SessionOptions,
    pub(super) link: Link,
    pub(super) paused: bool,
    pub(super) stopped: Option<Cause>,
    pub(super) uploads: Uploads,
    pub(super) recalls: Recalls,
    pub(super) verdicts: Verdicts,
    pub(super) refused: Option<Refused>,
    pub(super) planning: Planning,
    /// What the hello of this connection said of this device's numbers.
    pub(super) greeted_as: Option<Place>,
    pub(super) backoff: Backoff,
    pub(super) timers: Timers,
    pub(super) pulling: bool,
    pub(super) pace: Pace,
    pub(super) patience: Patience,
    pub(super) space: Option<SpaceVersion>,
    pub(super) unconfirmed_bytes: usize,
    /// The numbers in the service worker's copy, from the first to the last; the outer `None` while that is not known.
    pub(super) mirrored: Option<Option<(DeviceSeq, DeviceSeq)>>,
    pub(super) wish: Option<Wish>,
    pub(super) status: Status,
    pub(super) woken_for: Option<Millis>,
    pub(super) latest: Millis,
    pub(super) catching_up_from: Option<Seq>,
    /// Local transactions met rows of the space, and the app has not said what becomes of them.
    pub(super) choice_needed: bool,
}

impl ClientSession {
    /// A session that has not started. The seed spreads retries of different devices apart.
    pub fn new(home: SpaceName, options: SessionOptions, seed: u64) -> Self {
        let pace = Pace::upto(options.page_bytes.unwrap_or(PAGE_BYTES as u32));
        Self {
            home,
            options,
            link: Link::Down,
            paused: false,
            stopped: None,
            uploads: Uploads::default(),
            recalls: Recalls::default(),
            verdicts: Verdicts::default(),
            refused: None,
            planning: Planning::default(),
            greeted_as: None,
            backoff: Backoff::new(seed),
            timers: Timers::default(),
            pulling: false,
            pace,
            patience: Patience::default(),
            space: None,
            unconfirmed_bytes: 0,
            mirrored: None,
            wish: None,
            status: Status { online: true, ..Status::default() },
            woken_for: None,
            latest: Millis(0),
            catching_up_from: None,
            choice_needed: false,
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
        if self.is_elsewhere(&step.device) {
            self.stay_away(&input, &mut step)?;
        } else {
            self.input(input, &mut step)?;
            self.settle_start(&mut step)?;
            self.pump(&mut step)?;
        }
        self.refresh(&mut step)?;
        Ok(outputs)
    }

    fn input<S: ClientStore, C: Codec>(&mut self, input: Input, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        match input {
            Input::Start => self.connect(step),
            Input::LocalCommit => self.local_commit(step),
            Input::Online(online) => self.set_online(online, step),
            Input::Pause(paused) => self.set_paused(paused, step),
            Input::Connected => self.connected(step)?,
            Input::Disconnected(cause) => self.lost(cause, step),
            Input::Received(messages) => self.received(messages, step)?,
            Input::Delivered(messages) => self.delivered(messages, step)?,
            Input::SyncNow => self.sync_now(step),
            Input::Plan => self.wish_plan(step),
            Input::Run { upto } => self.run_plan(upto, step),
            Input::Confirmed { upto, accepted } => self.answered(upto, accepted, step),
            Input::Choose(start) => self.choose(start, step),
            Input::Tick => self.tick(step)?,
            Input::CannotApply => self.begin_rebuild(Rebuild::Behind, step)?,
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

    /// Brings status, wishes and the next wake-up in line with what the step left behind.
    fn refresh<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Result<(), Fault<S::Error>> {
        let waiting = step.store.waiting()?;
        let mut status = self.status.clone();
        status.pending = waiting.pending;
        status.blocked = waiting.blocked;
        status.failed = waiting.rejected;
        status.conflicts = waiting.conflicts;
        status.cursor = step.device.cursor.seq;
        status.next_retry_at = self.timers.retry_at;
        let done = self.link == Link::Up
            && waiting.pending == 0
            && status.cursor >= status.head
            && !self.pulling
            && !step.device.recovering
            && step.device.rebuild.is_none();
        status.state = self.state(done);
        if status.cursor >= status.head && self.waits_for_server(step) {
            self.fulfil_wish_so_far(step);
        }
        if self.choice_needed {
            self.fail_wish(&cause(CHOICE_NEEDED, false), step);
        }
        if done {
            status.last_sync_at = Some(step.now);
            self.fulfil_wish(step);
        }
        status.progress = self.progress(&status);
        self.rest(step);
        let stopped_for_it = self.stopped.as_ref().is_some_and(|cause| cause.code == CHOICE_NEEDED);
        match self.choice_needed || stopped_for_it {
            // Before what else the app may know: nothing goes on by itself here.
            true => status.reason = Some(String::from(CHOICE_NEEDED)),
            false if status.reason.as_deref() == Some(CHOICE_NEEDED) => status.reason = self.version_reason(step),
            false => {}
        }
        tell(&mut status, NOT_CONFIRMED, self.planning.is_unconfirmed());
        // What may not be sent any more, or was decided, does not stay with the service worker until the next tick.
        let nothing = self.paused || self.options.confirm || waiting.pending == waiting.unsealed;
        if self.mirrored != Some(None) && nothing {
            self.mirror(step)?;
        }
        let may_seal = self.link != Link::Up && !self.is_elsewhere(&step.device);
        if may_seal && self.timers.seal_at.is_none() && self.could_seal(step)? {
            self.timers.seal_at = Some(step.in_ms(OFFLINE_SEAL_MS));
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
            Link::Up if done || self.choice_needed || self.planning.is_declined() => State::Idle,
            Link::Up => State::Syncing,
            Link::Connecting | Link::Greeting => State::Connecting,
            Link::Down => State::Offline,
        }
    }

    fn progress(&mut self, status: &Status) -> Option<Progress> {
        let catching_up = self.link == Link::Up && self.pulling && !self.planning.is_wanted();
        if !catching_up || status.cursor >= status.head {
            self.catching_up_from = None;
            return self.uploads.progress();
        }
        let from = *self.catching_up_from.get_or_insert(status.cursor);
        self.uploads.progress().or_else(|| receiving(from, status.cursor, status.head))
    }

    /// A paused sync that was allowed one conversation is silent again.
    fn rest<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        if self.is_silent() && self.link != Link::Down {
            self.drop_link(step);
        }
    }

    fn fulfil_wish<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        if let Some(mut wish) = self.wish.take_if(|wish| wish.pulled) {
            wish.report.duration_ms = step.now.0.saturating_sub(wish.since.0);
            step.outputs.push(Output::UpToDate(wish.report));
        }
    }

    /// Whether this device has migrations that the space lacks, so that new changes have to wait.
    pub(super) fn waits_for_server<S: ClientStore, C: Codec>(&self, step: &Step<S, C>) -> bool {
        self.link == Link::Up
            && self.space.is_some_and(|space| step.store.catalogue().version.is_later_than(space.version))
    }

    /// Everything that can be exchanged is; what the space cannot read yet waits.
    fn fulfil_wish_so_far<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) {
        if self.wish.is_some_and(|wish| wish.pulled) && !self.pulling && !self.uploads.awaits_answer() {
            self.fail_wish(&cause(RefusalCode::WaitingForServer.code(), true), step);
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
}

/// What one input works with.
pub(super) struct Step<'a, S, C> {
    pub(super) device: DeviceState,
    pub(super) now: Millis,
    pub(super) store: &'a mut S,
    pub(super) codec: &'a C,
    pub(super) outputs: &'a mut Outputs,
}

impl<S, C> Step<'_, S, C> {
    pub(super) fn in_ms(&self, delay_ms: u64) -> Millis {
        Millis(self.now.0 + delay_ms)
    }
}

/// What the session waits for is the status' reason while nothing else is wrong.
fn tell(status: &mut Status, code: &str, waits: bool) {
    if waits && status.reason.is_none() {
        status.reason = Some(String::from(code));
    }
    if !waits {
        status.reason.take_if(|reason| reason == code);
    }
}

pub(super) fn cause(code: &str, retryable: bool) -> Cause {
    Cause { code: String::from(code), retryable }
}

/// The time of the last exchange alone is no news.
fn without_times(status: &Status) -> Status {
    Status { last_sync_at: None, ..status.clone() }
}
