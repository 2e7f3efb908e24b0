//! One message in, its answer out: the same for an HTTP body and a socket, in one event.
//! A message that fails in storage is taken back alone and answered with a refusal; what was decided before it stands.

use super::opening::SpaceObject;
use super::seat::Seat;
use crate::auth::Access;
use crate::failure::Failure;
use crate::messages::of_device;
use ebbtide_core::error::{Refusal, RefusalCode};
use ebbtide_core::ids::{Incarnation, Millis};
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::server::store::ServerStore;
use ebbtide_core::server::{ServerOutput, ServerSession};
use ebbtide_protocol::{WireCodec, decode_client, encode_server};
use ebbtide_store::server::SpaceStore;
use ebbtide_store::sql::{Sql, SqlError};
use std::rc::Rc;

/// Codes with which a socket is closed; 4000 + the HTTP status that would say the same.
pub mod close_code {
    /// The token is over: get a new one and a new ticket.
    pub const EXPIRED: u16 = 4401;
    /// The device is not the ticket's.
    pub const WRONG_DEVICE: u16 = 4403;
    /// What came could not be understood.
    pub const MALFORMED: u16 = 4400;
    /// Larger than a message may be.
    pub const TOO_LARGE: u16 = 4413;
    /// Another protocol version.
    pub const UNSUPPORTED_VERSION: u16 = 4426;
    /// The server failed; come back later.
    pub const INTERNAL: u16 = 4500;
}

/// The answer to a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The frames to send; none if there is nothing to say.
    pub frames: Option<Vec<u8>>,
    /// Whether the space has a new commit: the other sockets get offers, the outbox wakes.
    pub committed: bool,
    /// For the operator's log.
    pub log: Option<String>,
}

/// The answer to a socket's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketAnswer {
    /// The attachment from now on.
    pub seat: Vec<u8>,
    /// What to send.
    pub answer: Answer,
    /// Close the socket afterwards, with this code.
    pub close: Option<u16>,
}

/// What a socket gets after another one's commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The attachment from now on; none if it stays as it is.
    pub seat: Option<Vec<u8>>,
    /// What to send; one buffer for all sockets that are sent the same one after the other.
    pub frames: Option<Rc<[u8]>>,
    /// Close the socket afterwards, with this code.
    pub close: Option<u16>,
}

impl<S: Sql + Clone> SpaceObject<S> {
    /// Answers an HTTP request, which begins with a hello.
    pub fn sync(
        &mut self,
        access: &Access,
        device: Option<Incarnation>,
        body: &[u8],
        now: Millis,
    ) -> Result<Answer, Failure> {
        self.check_name(&access.space)?;
        let messages = decode_client(body)?;
        if !matches!(messages.first(), Some(ClientMessage::Hello(_))) {
            return Err(Failure::malformed("a request begins with a hello"));
        }
        if device.is_some_and(|device| !of_device(&messages, device)) {
            return Err(Failure::malformed("X-Client-ID is not the device of the hello"));
        }
        let mut session = ServerSession::new(access.identity());
        self.event(|store| converse(&mut session, messages, now, store)).map_err(|failed| failed.0)
    }

    /// Answers a socket's message.
    pub fn socket_message(&mut self, seat: &[u8], body: &[u8], now: Millis) -> Result<SocketAnswer, Failure> {
        let mut seat = Seat::from_bytes(seat)?;
        if seat.is_expired(now) {
            return Ok(refused(&seat, RefusalCode::Forbidden, "the token has expired", close_code::EXPIRED));
        }
        let messages = match decode_client(body) {
            Ok(messages) => messages,
            Err(error) => return Ok(refused(&seat, error.refusal(), &error.to_string(), closing(error.refusal()))),
        };
        if !of_device(&messages, seat.device) {
            let detail = "the ticket was issued for another device";
            return Ok(refused(&seat, RefusalCode::ForeignDevice, detail, close_code::WRONG_DEVICE));
        }
        let mut session = ServerSession::resume(seat.state.clone());
        let done = self.event(|store| converse(&mut session, messages, now, store));
        let answer = match done {
            Ok(answer) => answer,
            Err(Failed(failure)) => {
                let mut refused = refused(&seat, RefusalCode::Internal, &failure.message, close_code::INTERNAL);
                refused.answer.log = failure.detail;
                return Ok(refused);
            }
        };
        seat.state = session.state().clone();
        Ok(SocketAnswer { seat: seat.to_bytes(), answer, close: None })
    }

    /// A socket is gone: where its device is gets written down.
    pub fn socket_closed(&mut self, seat: &[u8], now: Millis) -> Result<(), Failure> {
        let session = ServerSession::resume(Seat::from_bytes(seat)?.state);
        self.event(|store| Ok(session.ended(now, store)?))
    }

    /// What each of these sockets should get now.
    pub fn offer(&mut self, seats: &[Vec<u8>], now: Millis) -> Result<Vec<Pushed>, Failure> {
        let mut last = Encoded::default();
        self.event(|store| seats.iter().map(|seat| offer_one(seat, now, store, &mut last)).collect())
    }
}

/// A failure inside an event, so that it can be told from a refusal.
struct Failed(Failure);

impl From<SqlError> for Failed {
    fn from(error: SqlError) -> Self {
        Failed(error.into())
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Failed(failure)
    }
}

fn converse<S: Sql + Clone>(
    session: &mut ServerSession,
    messages: Vec<ClientMessage>,
    now: Millis,
    store: &mut SpaceStore<S>,
) -> Result<Answer, Failed> {
    let mut answer = Answer::default();
    let mut replies = Vec::new();
    for message in messages {
        let before = session.clone();
        match store.savepoint(|store| session.handle(message, now, store, &WireCodec))? {
            Ok(outputs) => sort_out(outputs, &mut replies, &mut answer),
            Err(error) => {
                *session = before;
                replies.push(internal());
                answer.log = Some(error.to_string());
                break;
            }
        }
    }
    answer.frames = (!replies.is_empty()).then(|| encode_server(&replies));
    Ok(answer)
}

fn sort_out(outputs: Vec<ServerOutput>, replies: &mut Vec<ServerMessage>, answer: &mut Answer) {
    for output in outputs {
        match output {
            ServerOutput::Reply(message) => replies.push(message),
            ServerOutput::Committed { .. } => answer.committed = true,
        }
    }
}

/// What was encoded last: most sockets of a space are sent the same.
#[derive(Default)]
struct Encoded {
    messages: Vec<ServerMessage>,
    frames: Rc<[u8]>,
}

impl Encoded {
    fn frames(&mut self, messages: Vec<ServerMessage>) -> Rc<[u8]> {
        if self.messages != messages {
            self.frames = encode_server(&messages).into();
            self.messages = messages;
        }
        self.frames.clone()
    }
}

fn offer_one<S: Sql + Clone>(
    seat: &[u8],
    now: Millis,
    store: &mut SpaceStore<S>,
    last: &mut Encoded,
) -> Result<Pushed, Failure> {
    let mut seat = Seat::from_bytes(seat)?;
    if seat.is_expired(now) {
        let refused = refused(&seat, RefusalCode::Forbidden, "the token has expired", close_code::EXPIRED);
        return Ok(Pushed { seat: None, frames: refused.answer.frames.map(Rc::from), close: refused.close });
    }
    let mut session = ServerSession::resume(seat.state.clone());
    let messages = session.offer(store)?;
    if messages.is_empty() {
        return Ok(Pushed { seat: None, frames: None, close: None });
    }
    seat.state = session.state().clone();
    Ok(Pushed { seat: Some(seat.to_bytes()), frames: Some(last.frames(messages)), close: None })
}

fn internal() -> ServerMessage {
    let detail = "the server failed; nothing of this message was kept".to_owned();
    ServerMessage::Refused(Refusal { code: RefusalCode::Internal, device_seq: None, detail })
}

fn refused(seat: &Seat, code: RefusalCode, detail: &str, close: u16) -> SocketAnswer {
    let message = ServerMessage::Refused(Refusal { code, device_seq: None, detail: detail.to_owned() });
    let answer = Answer { frames: Some(encode_server(&[message])), ..Answer::default() };
    SocketAnswer { seat: seat.to_bytes(), answer, close: Some(close) }
}

fn closing(code: RefusalCode) -> u16 {
    match code {
        RefusalCode::UnsupportedVersion => close_code::UNSUPPORTED_VERSION,
        RefusalCode::TooLarge => close_code::TOO_LARGE,
        _ => close_code::MALFORMED,
    }
}
