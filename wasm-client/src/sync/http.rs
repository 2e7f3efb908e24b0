//! The connection without a socket: each send is a request that begins with a hello, and silence is filled by polling.
//! It knows when to ask, not what for. `link` makes one where sockets do not get through.

use super::driver::Sync;
use super::timer::Timer;
use super::{link, request};
use crate::limits::POLL_EVERY_MS;
use ebbtide_core::client::batches::batches;
use ebbtide_core::message::ClientMessage;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen_futures::spawn_local;

/// Requests, one at a time.
#[derive(Default)]
pub struct HttpLink {
    queue: RefCell<Vec<ClientMessage>>,
    busy: Cell<bool>,
    poll: RefCell<Option<Timer>>,
}

impl HttpLink {
    /// Sends messages with the next request.
    pub fn send(&self, sync: &Rc<Sync>, generation: u32, messages: Vec<ClientMessage>) {
        self.queue.borrow_mut().extend(messages);
        self.resume(sync, generation);
    }

    /// Goes on with what waits to be sent. While the app has a transaction open the hello cannot be read, and nothing is sent.
    pub fn resume(&self, sync: &Rc<Sync>, generation: u32) {
        if !self.queue.borrow().is_empty() && !sync.is_held() && !self.busy.replace(true) {
            let sync = Rc::clone(sync);
            spawn_local(async move { drain(&sync, generation).await });
        }
    }
}

/// Sends until nothing is left, then waits for the next poll.
async fn drain(sync: &Rc<Sync>, generation: u32) {
    loop {
        let Some(messages) = take(sync, generation) else { return };
        if messages.is_empty() {
            return wait(sync, generation);
        }
        if let Err(cause) = exchange(sync, generation, messages).await {
            return link::lost(sync, generation, cause);
        }
    }
}

async fn exchange(
    sync: &Rc<Sync>,
    generation: u32,
    messages: Vec<ClientMessage>,
) -> Result<(), ebbtide_core::client::Cause> {
    let body = ebbtide_protocol::encode_client(&greeted(sync, messages)?);
    let answer = request::post(sync, "sync", &body).await?;
    if link::is_current(sync, generation) {
        link::accept(sync, generation, &answer);
    }
    Ok(())
}

/// Every request opens with a hello; the session's own is already one.
fn greeted(
    sync: &Rc<Sync>,
    mut messages: Vec<ClientMessage>,
) -> Result<Vec<ClientMessage>, ebbtide_core::client::Cause> {
    if !matches!(messages.first(), Some(ClientMessage::Hello(_))) {
        messages.insert(0, sync.hello()?);
    }
    Ok(messages)
}

/// What is to be sent with the next request; `None` if this connection is over.
fn take(sync: &Sync, generation: u32) -> Option<Vec<ClientMessage>> {
    on_http(sync, generation, |http| {
        let mut waiting = batches(if sync.is_held() { Vec::new() } else { http.queue.take() });
        let messages = waiting.next().unwrap_or_default();
        http.queue.borrow_mut().extend(waiting.flatten());
        http.busy.set(!messages.is_empty());
        messages
    })
}

fn wait(sync: &Rc<Sync>, generation: u32) {
    let weak = Rc::downgrade(sync);
    let timer = Timer::after(POLL_EVERY_MS, move || {
        if let Some(sync) = weak.upgrade() {
            poll(&sync, generation);
        }
    });
    on_http(sync, generation, |http| *http.poll.borrow_mut() = Some(timer));
}

/// A hello alone: the answer brings what is new.
fn poll(sync: &Rc<Sync>, generation: u32) {
    if sync.is_held() {
        return wait(sync, generation);
    }
    match sync.hello() {
        Ok(hello) => {
            on_http(sync, generation, |http| http.send(sync, generation, vec![hello]));
        }
        Err(cause) => link::lost(sync, generation, cause),
    }
}

fn on_http<T>(sync: &Sync, generation: u32, task: impl FnOnce(&HttpLink) -> T) -> Option<T> {
    let link = sync.link.borrow();
    match &link.transport {
        link::Transport::Http(http) if link.generation == generation => Some(task(http)),
        _ => None,
    }
}
