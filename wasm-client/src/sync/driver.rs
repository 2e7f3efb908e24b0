//! Feeds the client session with what happens and carries out what it asks for, after its transaction has committed.
//! It knows the order (one input at a time, none while an app transaction is open) and no transport.
//! `client.rs` owns it; timers and transports reach it through weak references.

use super::host::Host;
use super::link::{self, Link};
use super::timer::Timer;
use super::{plan, report, request};
use crate::clock;
use crate::database::Database;
use crate::error::ClientError;
use crate::inspect;
use crate::limits::{FAULT_FIRST_WAIT_MS, FAULT_MAX_WAIT_MS};
use crate::options::SyncOptions;
use ebbtide_core::client::store::ClientStore;
use ebbtide_core::client::{
    Cause, ClientSession, Input, Output, Outputs, Plan, SessionOptions, SpaceName, Start, State,
};
use ebbtide_core::ids::DeviceSeq;
use ebbtide_core::message::ClientMessage;
use ebbtide_store::local::SyncStep;
use js_sys::{Math, Reflect};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;

/// The database, empty once it is closed.
pub type SharedDatabase = Rc<RefCell<Option<Database>>>;

/// The sync of one open database.
pub struct Sync {
    host: Host,
    options: SyncOptions,
    /// The app's last word on what becomes of what was local.
    start: Cell<Start>,
    /// This life of the database in hex; another one after `Recovered`.
    device: RefCell<String>,
    database: SharedDatabase,
    pub(super) link: RefCell<Link>,
    session: RefCell<ClientSession>,
    queue: RefCell<VecDeque<Input>>,
    /// An input is being handled, or the app has a transaction open.
    busy: Cell<bool>,
    held: Cell<bool>,
    wishes: Cell<Wishes>,
    wake: RefCell<Option<Timer>>,
    /// After a fault, until it begins anew.
    restart: RefCell<Option<Timer>>,
    token: RefCell<Option<String>>,
    /// The service worker's copy is to be made anew: when there is a token, and no transaction of the app is open.
    mirror_owed: Cell<bool>,
    /// The service worker has one, made here.
    has_copy: Cell<bool>,
    abort: RefCell<Option<AbortController>>,
    bytes: Cell<Traffic>,
    bytes_at_wish: Cell<Option<Traffic>>,
    faults: Cell<u32>,
    this: Weak<Sync>,
}

/// What browser and app say of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    /// The browser believes to have one.
    pub online: bool,
    /// The app does not want it used.
    pub paused: bool,
}

/// Application payload, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    pub up: u64,
    pub down: u64,
}

impl Sync {
    /// A sync that has not started.
    pub fn new(host: Host, options: SyncOptions, device: String, database: SharedDatabase, wishes: Wishes) -> Rc<Self> {
        let session = RefCell::new(new_session(&options, options.start));
        Rc::new_cyclic(|this| Self {
            host,
            start: Cell::new(options.start),
            options,
            device: RefCell::new(device),
            database,
            link: RefCell::default(),
            session,
            queue: RefCell::default(),
            busy: Cell::new(false),
            held: Cell::new(false),
            wishes: Cell::new(wishes),
            wake: RefCell::default(),
            restart: RefCell::default(),
            token: RefCell::default(),
            mirror_owed: Cell::new(false),
            has_copy: Cell::new(false),
            abort: RefCell::default(),
            bytes: Cell::default(),
            bytes_at_wish: Cell::default(),
            faults: Cell::new(0),
            this: this.clone(),
        })
    }

    /// Begins. A copy for another address is of an app that has turned elsewhere.
    pub fn start(&self) {
        self.host.keep_copy_for(&self.url("sync"));
        self.begin();
    }

    fn begin(&self) {
        let Wishes { online, paused } = self.wishes.get();
        let pause = paused.then_some(Input::Pause(true));
        self.queue.borrow_mut().extend([Some(Input::Online(online)), pause, Some(Input::Start)].into_iter().flatten());
        self.drain();
    }

    /// Ends the connection and all timers.
    pub fn stop(&self) {
        self.queue.borrow_mut().clear();
        *self.wake.borrow_mut() = None;
        *self.restart.borrow_mut() = None;
        link::disconnect(self);
    }

    /// Hands an input to the session, now or as soon as it is free.
    pub fn feed(&self, input: Input) {
        self.queue.borrow_mut().push_back(input);
        self.drain();
    }

    /// The app has committed something.
    pub fn local_commit(&self) {
        self.feed(Input::LocalCommit);
    }

    /// Whether what the app writes now would be sent at once: a connection is up, and nothing waits or is under way.
    pub fn is_idle(&self) -> bool {
        !self.held.get() && !self.busy.get() && self.session.borrow().status().state == State::Idle
    }

    /// Answers of the space that came by another way. What cannot be decoded is of no use and is dropped.
    pub fn deliver(&self, answer: &[u8]) {
        match ebbtide_protocol::decode_server(answer) {
            Ok(messages) => self.feed(Input::Delivered(messages)),
            Err(error) => web_sys::console::warn_1(&format!("ebbtide: a background reply was no use: {error}").into()),
        }
    }

    /// The browser says whether there is a network.
    pub fn set_online(&self, online: bool) {
        self.wishes.set(Wishes { online, ..self.wishes.get() });
        self.feed(Input::Online(online));
    }

    /// The app pauses or resumes the sync.
    pub fn set_paused(&self, paused: bool) {
        self.wishes.set(Wishes { paused, ..self.wishes.get() });
        self.feed(Input::Pause(paused));
    }

    /// The app wants to be up to date; a report or a failure follows.
    pub fn sync_now(&self) {
        self.count_from_here();
        self.feed(Input::SyncNow);
    }

    /// The app wants to know what a sync would do; a plan or a failure follows.
    pub fn plan(&self) {
        self.feed(Input::Plan);
    }

    /// The app wants a plan carried out; a report or a failure follows.
    pub fn run_plan(&self, upto: DeviceSeq) {
        self.count_from_here();
        self.feed(Input::Run { upto });
    }

    /// The app says what becomes of what was written before there was a space.
    pub fn start_with(&self, start: Start) {
        self.start.set(start);
        self.feed(Input::Choose(start));
    }

    /// The app answers the question that `Host::confirm` asked.
    pub fn confirmed(&self, upto: DeviceSeq, accepted: bool) {
        self.feed(Input::Confirmed { upto, accepted });
    }

    fn count_from_here(&self) {
        if self.bytes_at_wish.get().is_none() {
            self.bytes_at_wish.set(Some(self.bytes.get()));
        }
    }

    /// While the app has a transaction open, nothing else may run on the connection.
    pub fn hold(&self, held: bool) {
        self.held.set(held);
        self.drain();
        if !held {
            self.this.upgrade().iter().for_each(link::released);
            if self.token.borrow().is_some() {
                self.mirror_if_owed();
            }
        }
    }

    /// The status, as the page sees it.
    pub fn status(&self) -> String {
        report::status(self.session.borrow().status())
    }

    fn drain(&self) {
        if self.held.get() || self.busy.replace(true) {
            return;
        }
        loop {
            let input = self.queue.borrow_mut().pop_front();
            let Some(input) = input else { break };
            // After a fault the rest of what the session wanted is of a connection that is gone.
            let execute = |outputs: Outputs| outputs.into_iter().try_for_each(|output| self.execute(output));
            let done = self.step(input).and_then(execute);
            if let Err(error) = done {
                self.fault(&error);
            }
        }
        self.busy.set(false);
    }

    fn step(&self, input: Input) -> Result<Outputs, ClientError> {
        let mut database = self.database.borrow_mut();
        let Some(database) = database.as_mut() else { return Ok(Outputs::new()) };
        let now = clock::now();
        // With nothing of its own under way, what the device receives is only what the space has.
        let only_applies = matches!(input, Input::Received(_)) && self.session.borrow().status().pending == 0;
        if input.brings_rows() {
            database.expect_rows()?;
        }
        let handle = |store: &mut SyncStep<'_>| {
            self.session.borrow_mut().handle(input, now, store, &ebbtide_protocol::WireCodec)
        };
        if !only_applies {
            return database.sync_step(now, handle);
        }
        let outputs = database.apply_step(now, handle)?;
        if outputs.iter().any(rests_on_disk) {
            database.settle()?;
        }
        Ok(outputs)
    }

    fn execute(&self, output: Output) -> Result<(), ClientError> {
        let Some(this) = self.this.upgrade() else { return Ok(()) };
        match output {
            Output::Connect => link::connect(&this),
            Output::Disconnect => link::disconnect(self),
            Output::Send(messages) => link::send(&this, messages),
            Output::WakeAt(at) => self.wake_in(at.0 as f64 - clock::now().0 as f64),
            Output::Status => self.host.notice("status", &self.status()),
            Output::Applied { seq } => {
                self.faults.set(0);
                self.host.changed();
                self.host.notice("applied", &report::applied(seq));
            }
            Output::Rejected(transaction) => {
                self.host.changed();
                self.host.notice("rejected", &report::rejected(&transaction));
            }
            Output::Conflicts { decided, opened } => {
                self.host.notice("conflict", &report::conflicts(decided, &opened));
            }
            Output::Resolved(closed) => self.host.notice("resolved", &report::resolved(&closed)),
            Output::Recovered { code } => self.recovered(code)?,
            Output::SealedChanged => self.mirror()?,
            Output::UpToDate(done) => {
                self.faults.set(0);
                self.host.notice("report", &report::report(&done, self.traffic_of_wish()));
            }
            Output::Failed(cause) => {
                self.traffic_of_wish();
                self.host.notice("failed", &report::failure(&cause));
            }
            Output::Planned(plan) => self.tell(&plan, Host::planned)?,
            Output::PlanFailed(cause) => self.host.notice("planFailed", &report::failure(&cause)),
            Output::Confirm(plan) => self.tell(&plan, Host::confirm)?,
        }
        Ok(())
    }

    fn tell(&self, plan: &Plan, tell: fn(&Host, &str, Vec<u8>, Vec<u8>)) -> Result<(), ClientError> {
        let mut database = self.database.borrow_mut();
        let Some(database) = database.as_mut() else { return Ok(()) };
        let catalogue = database.sync_step(clock::now(), |store| Ok(store.catalogue()))?;
        let (merged, refused) = (plan::merged(plan, &catalogue), plan::refused(plan, &catalogue));
        tell(&self.host, &plan::facts(plan, &catalogue), merged, refused);
        Ok(())
    }

    /// The database has another name for the space from here on.
    fn recovered(&self, code: &str) -> Result<(), ClientError> {
        let device = self.database.borrow_mut().as_mut().map(inspect::device_id).transpose()?;
        let Some(device) = device else { return Ok(()) };
        *self.device.borrow_mut() = device;
        self.host.notice("recovered", &report::recovered(code));
        Ok(())
    }

    /// The session is spent after an error: begins anew from what is stored, after a while.
    fn fault(&self, error: &ClientError) {
        link::disconnect(self);
        self.queue.borrow_mut().clear();
        *self.session.borrow_mut() = new_session(&self.options, self.start.get());
        self.traffic_of_wish();
        let doubled = FAULT_FIRST_WAIT_MS * 2f64.powi(self.faults.get().min(16) as i32);
        self.faults.set(self.faults.get().saturating_add(1));
        let wait_ms = doubled.min(FAULT_MAX_WAIT_MS);
        self.host.notice("fault", &report::fault(error, clock::now().0 as f64 + wait_ms));
        let this = self.this.clone();
        // Applying it again would fail again, so the rows are fetched anew.
        let cannot_apply = error.code.starts_with("constraint");
        let restart = move || {
            if let Some(sync) = this.upgrade() {
                if cannot_apply {
                    sync.queue.borrow_mut().push_back(Input::CannotApply);
                }
                sync.begin();
            }
        };
        *self.wake.borrow_mut() = None;
        *self.restart.borrow_mut() = Some(Timer::after(wait_ms, restart));
    }

    fn wake_in(&self, delay_ms: f64) {
        let this = self.this.clone();
        let tick = move || {
            if let Some(sync) = this.upgrade() {
                sync.feed(Input::Tick);
            }
        };
        *self.wake.borrow_mut() = Some(Timer::after(delay_ms.max(0.0), tick));
    }

    /// Brings the service worker's copy of what waits up to date. That needs a token; taking it back needs none.
    fn mirror(&self) -> Result<(), ClientError> {
        self.mirror_owed.set(true);
        let Some(this) = self.this.upgrade().filter(|sync| !sync.held.get() && sync.database.borrow().is_some()) else {
            return Ok(());
        };
        let body = self.ready_request()?;
        let token = self.token.borrow().clone();
        let headers = match token {
            _ if body.is_empty() => "{}".to_owned(),
            Some(token) => report::headers(&self.headers(&token)),
            // Without a network there may be none; the copy is then made when there is one.
            None => {
                spawn_local(async move { drop(this.token().await) });
                return Ok(());
            }
        };
        self.mirror_owed.set(false);
        self.has_copy.set(!body.is_empty());
        self.host.mirror(&self.url("sync"), &headers, body);
        Ok(())
    }

    /// The same, outside of a step.
    fn mirror_if_owed(&self) {
        if self.mirror_owed.get()
            && let Err(error) = self.mirror()
        {
            self.fault(&error);
        }
    }

    fn ready_request(&self) -> Result<Vec<u8>, ClientError> {
        let mut database = self.database.borrow_mut();
        let Some(database) = database.as_mut() else { return Ok(Vec::new()) };
        let messages = database.sync_step(clock::now(), |store| Ok(self.session.borrow().ready_request(store)?))?;
        Ok(messages.map(|messages| ebbtide_protocol::encode_client(&messages)).unwrap_or_default())
    }

    /// Whether the app has a transaction open, so that nothing can be read from the database.
    pub(super) fn is_held(&self) -> bool {
        self.held.get()
    }

    /// The hello of a request.
    pub(super) fn hello(&self) -> Result<ClientMessage, Cause> {
        let failed = |code: &str| Cause { code: code.to_owned(), retryable: true };
        let mut database = self.database.borrow_mut();
        let database = database.as_mut().ok_or_else(|| failed("database_closed"))?;
        let hello = database.sync_step(clock::now(), |store| Ok(self.session.borrow().hello(store)?));
        hello.map_err(|error| failed(error.code))
    }

    /// The token of the moment, asked for at the page if there is none.
    pub(super) async fn token(&self) -> Result<String, Cause> {
        if let Some(token) = self.token.borrow().clone() {
            return Ok(token);
        }
        let token = self.host.token().await.map_err(|thrown| cause_of(&thrown))?;
        let token = token.as_string().ok_or_else(|| Cause { code: "token_failed".to_owned(), retryable: false })?;
        *self.token.borrow_mut() = Some(token.clone());
        self.mirror_if_owed();
        Ok(token)
    }

    /// The server refused it, and would refuse the copy that has it.
    pub(super) fn forget_token(&self) {
        *self.token.borrow_mut() = None;
        self.mirror_owed.set(self.mirror_owed.get() || self.has_copy.get());
    }

    /// What the present connection's requests are cancelled with.
    pub(super) fn abort_controller(&self) -> AbortController {
        let mut abort = self.abort.borrow_mut();
        abort.get_or_insert_with(|| AbortController::new().expect("every worker can abort requests")).clone()
    }

    /// Cancels the requests of the present connection.
    pub(super) fn abort(&self) {
        if let Some(abort) = self.abort.borrow_mut().take() {
            abort.abort();
        }
    }

    pub(super) fn count(&self, up: usize, down: usize) {
        let bytes = self.bytes.get();
        self.bytes.set(Traffic { up: bytes.up + up as u64, down: bytes.down + down as u64 });
    }

    fn traffic_of_wish(&self) -> Traffic {
        let (now, since) = (self.bytes.get(), self.bytes_at_wish.take().unwrap_or(self.bytes.get()));
        Traffic { up: now.up - since.up, down: now.down - since.down }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/v1/spaces/{}/{path}", self.options.url, self.options.encoded_space())
    }

    /// The socket's address is the same with another scheme.
    pub(super) fn socket_url(&self) -> String {
        self.url("socket").replacen("http", "ws", 1)
    }

    pub(super) fn headers(&self, token: &str) -> [(&'static str, String); 4] {
        [
            ("Authorization", format!("Bearer {token}")),
            ("Content-Type", "application/octet-stream".to_owned()),
            ("X-Client-ID", self.device.borrow().clone()),
            ("X-Sync-Version", request::SYNC_VERSION.to_string()),
        ]
    }
}

/// What tells others of the state of this device, and so must not be said before a power cut can no longer undo it.
fn rests_on_disk(output: &Output) -> bool {
    matches!(output, Output::Send(_) | Output::Connect | Output::SealedChanged | Output::UpToDate(_))
}

fn new_session(options: &SyncOptions, start: Start) -> ClientSession {
    // The seed spreads retries apart; it protects nothing.
    let seed = (Math::random() * 2f64.powi(53)) as u64;
    let SyncOptions { two_phase, confirm, ref space, .. } = *options;
    let options = SessionOptions { two_phase: two_phase.into(), confirm, start, page_bytes: None };
    ClientSession::new(SpaceName(space.clone()), options, seed)
}

/// What the page's token function failed with.
fn cause_of(thrown: &JsValue) -> Cause {
    let field = |name: &str| Reflect::get(thrown, &JsValue::from_str(name)).ok();
    let code = field("code").and_then(|code| code.as_string()).unwrap_or_else(|| "token_failed".to_owned());
    let retryable = field("retryable").and_then(|retryable| retryable.as_bool()).unwrap_or(false);
    Cause { code, retryable }
}
