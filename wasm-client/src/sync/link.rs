//! Makes and loses connections: a socket by a one-use ticket, or requests where sockets do not get through.
//! It knows transports and close codes; what is said over them is the session's. The driver calls it for `Connect`,
//! `Disconnect` and `Send`, the transports for what happens to them.

use super::driver::Sync;
use super::http::HttpLink;
use super::request;
use super::socket::Socket;
use super::timer::Timer;
use crate::error::describe;
use crate::limits::{AVOID_SOCKET_MS, PING_EVERY_MS, PONG_WITHIN_MS};
use ebbtide_core::client::{Cause, Input};
use ebbtide_core::message::ClientMessage;
use js_sys::Date;
use std::rc::Rc;
use wasm_bindgen_futures::spawn_local;

/// The server closes a socket with this code when its token has expired.
const CLOSE_EXPIRED: u16 = 4401;

/// The server closes a socket with this code when the token's rights to the space are gone.
const CLOSE_FORBIDDEN: u16 = 4403;

/// The connection of the moment.
#[derive(Default)]
pub enum Transport {
    /// None.
    #[default]
    None,
    /// A ticket is being fetched.
    Preparing,
    /// The socket is not open yet.
    Opening(Socket),
    /// A socket.
    Socket(Socket),
    /// Requests.
    Http(HttpLink),
}

/// The transport with what keeps it alive. A generation is one connection; what belongs to a former one is ignored.
#[derive(Default)]
pub struct Link {
    pub transport: Transport,
    pub generation: u32,
    /// Whether anything was heard since the last ping was due.
    heard: bool,
    pinged: bool,
    alive: Option<Timer>,
    avoid_socket_until: f64,
}

impl Link {
    /// Ends the connection, if there is one, and starts another generation.
    pub fn reset(&mut self) -> u32 {
        if matches!(self.transport, Transport::Opening(_)) {
            // Neither open nor refused: something on the way swallows sockets.
            self.avoid_socket_until = Date::now() + AVOID_SOCKET_MS;
        }
        self.transport = Transport::None;
        self.alive = None;
        self.generation += 1;
        self.generation
    }
}

/// Makes a connection; `Connected` or `Disconnected` follows.
pub fn connect(sync: &Rc<Sync>) {
    let generation = {
        let mut link = sync.link.borrow_mut();
        let generation = link.reset();
        link.transport = Transport::Preparing;
        generation
    };
    let sync = Rc::clone(sync);
    spawn_local(async move {
        if let Err(cause) = prepare(&sync, generation).await {
            lost(&sync, generation, cause);
        }
    });
}

/// Ends the connection without telling the session, which asked for it.
pub fn disconnect(sync: &Sync) {
    sync.abort();
    sync.link.borrow_mut().reset();
}

/// Sends messages on the connection of the moment.
pub fn send(sync: &Rc<Sync>, messages: Vec<ClientMessage>) {
    let link = sync.link.borrow();
    match &link.transport {
        Transport::Socket(socket) => {
            let bytes = ebbtide_protocol::encode_client(&messages);
            sync.count(bytes.len(), 0);
            if let Err(thrown) = socket.send(&bytes) {
                web_sys::console::warn_1(&format!("ebbtide: the socket took no message: {}", describe(&thrown)).into());
            }
        }
        Transport::Http(http) => http.send(sync, link.generation, messages),
        // The connection went away in the same moment; its end is on the way to the session.
        Transport::None | Transport::Preparing | Transport::Opening(_) => {}
    }
}

/// The app's transaction has ended: what could not be said during it is said now.
pub fn released(sync: &Rc<Sync>) {
    let link = sync.link.borrow();
    if let Transport::Http(http) = &link.transport {
        http.resume(sync, link.generation);
    }
}

async fn prepare(sync: &Rc<Sync>, generation: u32) -> Result<(), Cause> {
    if Date::now() < sync.link.borrow().avoid_socket_until {
        // Asking for a token first keeps a missing one from looking like a lost connection.
        sync.token().await?;
        return use_http(sync, generation);
    }
    let answer = request::post(sync, "ticket", &[]).await?;
    let ticket = request::fields(&answer).and_then(|mut fields| fields.required_text("ticket").ok());
    let ticket = ticket.ok_or_else(|| Cause { code: "server_error".to_owned(), retryable: true })?;
    let protocols = [format!("ebbtide.v{}", request::SYNC_VERSION), format!("ebbtide.ticket.{ticket}")];
    let url = sync.socket_url();
    if sync.link.borrow().generation != generation {
        return Ok(());
    }
    let socket = Socket::open(sync, generation, &url, &[&protocols[0], &protocols[1]]);
    match socket {
        Ok(socket) => sync.link.borrow_mut().transport = Transport::Opening(socket),
        // A page's policy may forbid sockets and allow requests.
        Err(_) => return use_http(sync, generation),
    }
    Ok(())
}

fn use_http(sync: &Rc<Sync>, generation: u32) -> Result<(), Cause> {
    {
        let mut link = sync.link.borrow_mut();
        if link.generation != generation {
            return Ok(());
        }
        link.transport = Transport::Http(HttpLink::default());
    }
    sync.feed(Input::Connected);
    Ok(())
}

/// The socket is open.
pub fn socket_opened(sync: &Rc<Sync>, generation: u32) {
    {
        let mut link = sync.link.borrow_mut();
        if link.generation != generation {
            return;
        }
        if let Transport::Opening(socket) = std::mem::take(&mut link.transport) {
            link.transport = Transport::Socket(socket);
        }
        link.heard = true;
        link.pinged = false;
    }
    keep_alive(sync, generation, PING_EVERY_MS);
    sync.feed(Input::Connected);
}

/// The socket is closed, or could not be opened.
pub fn socket_closed(sync: &Rc<Sync>, generation: u32, code: u16) {
    let never_opened = {
        let mut link = sync.link.borrow_mut();
        if link.generation != generation {
            return;
        }
        let never_opened = matches!(link.transport, Transport::Opening(_));
        if never_opened {
            link.avoid_socket_until = Date::now() + AVOID_SOCKET_MS;
            link.transport = Transport::Preparing;
        }
        never_opened
    };
    if never_opened {
        // The ticket came, so requests get through.
        if let Err(cause) = use_http(sync, generation) {
            lost(sync, generation, cause);
        }
        return;
    }
    if code == CLOSE_EXPIRED {
        sync.forget_token();
    }
    let cause = match code {
        CLOSE_FORBIDDEN => Cause { code: "forbidden".to_owned(), retryable: false },
        _ => Cause { code: "network_error".to_owned(), retryable: true },
    };
    lost(sync, generation, cause);
}

/// Bytes of a server message came.
pub fn received(sync: &Rc<Sync>, generation: u32, bytes: &[u8]) {
    if !is_current(sync, generation) {
        return;
    }
    heard(sync, generation);
    sync.count(0, bytes.len());
    accept(sync, generation, bytes);
}

/// Decodes a server message and hands it to the session. What cannot be decoded ends the connection.
pub fn accept(sync: &Rc<Sync>, generation: u32, bytes: &[u8]) {
    match ebbtide_protocol::decode_server(bytes) {
        Ok(messages) => sync.feed(Input::Received(messages)),
        Err(error) => {
            let outdated = matches!(error, ebbtide_protocol::DecodeError::UnsupportedVersion(_));
            let code = if outdated { "reload_needed" } else { error.code() };
            lost(sync, generation, Cause { code: code.to_owned(), retryable: !outdated });
        }
    }
}

/// The server showed a sign of life.
pub fn heard(sync: &Rc<Sync>, generation: u32) {
    let mut link = sync.link.borrow_mut();
    if link.generation == generation {
        link.heard = true;
        link.pinged = false;
    }
}

/// The connection is gone: drops what is left of it and tells the session.
pub fn lost(sync: &Rc<Sync>, generation: u32, cause: Cause) {
    if !is_current(sync, generation) {
        return;
    }
    disconnect(sync);
    sync.feed(Input::Disconnected(cause));
}

/// Whether this connection is still the one in use.
pub fn is_current(sync: &Sync, generation: u32) -> bool {
    sync.link.borrow().generation == generation
}

/// Pings a silent socket and gives up one that does not answer: networks drop connections without a word.
fn keep_alive(sync: &Rc<Sync>, generation: u32, delay_ms: f64) {
    let weak = Rc::downgrade(sync);
    let timer = Timer::after(delay_ms, move || {
        if let Some(sync) = weak.upgrade() {
            check_alive(&sync, generation);
        }
    });
    sync.link.borrow_mut().alive = Some(timer);
}

fn check_alive(sync: &Rc<Sync>, generation: u32) {
    let next_ms = {
        let mut link = sync.link.borrow_mut();
        if link.generation != generation {
            return;
        }
        let Transport::Socket(socket) = &link.transport else { return };
        if link.pinged {
            None
        } else if link.heard {
            link.heard = false;
            Some(PING_EVERY_MS)
        } else {
            // A socket that cannot take the ping does not answer it either.
            let _ = socket.ping();
            link.pinged = true;
            Some(PONG_WITHIN_MS)
        }
    };
    match next_ms {
        Some(delay_ms) => keep_alive(sync, generation, delay_ms),
        None => lost(sync, generation, Cause { code: "timeout".to_owned(), retryable: true }),
    }
}
