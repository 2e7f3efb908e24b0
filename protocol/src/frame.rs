//! A message: one version byte, then frames of kind, length and payload.
//! It knows the two directions and the bounds; the payloads are the business of `client` and `server`.
//! Called by the adapters, for HTTP bodies and WebSocket messages alike.

use crate::error::{DecodeError, malformed};
use crate::input::Input;
use crate::limits::{MESSAGE_BYTES, MESSAGE_FRAMES};
use crate::output::Output;
use crate::{client, server};
use alloc::vec::Vec;
use ebbtide_core::error::Malformed;
use ebbtide_core::message::{ClientMessage, ServerMessage};

/// The version with which every message begins, and the protocol version that a hello offers.
pub const MESSAGE_VERSION: u8 = 1;

/// Frames of these kinds may be skipped by who does not know them.
const OPTIONAL_FROM: u64 = 64;

/// Packs messages of a device, in order.
pub fn encode_client(messages: &[ClientMessage]) -> Vec<u8> {
    encode(messages, client::write)
}

/// Unpacks what a device sent. An empty list is a message too.
pub fn decode_client(bytes: &[u8]) -> Result<Vec<ClientMessage>, DecodeError> {
    decode(bytes, client::read)
}

/// Packs messages of a space, in order.
pub fn encode_server(messages: &[ServerMessage]) -> Vec<u8> {
    encode(messages, server::write)
}

/// Unpacks what a space sent. An empty list is a message too.
pub fn decode_server(bytes: &[u8]) -> Result<Vec<ServerMessage>, DecodeError> {
    decode(bytes, server::read)
}

fn encode<M>(messages: &[M], write: fn(&mut Output, &M) -> u8) -> Vec<u8> {
    let mut out = Output::default();
    out.byte(MESSAGE_VERSION);
    for message in messages {
        let mut payload = Output::default();
        let kind = write(&mut payload, message);
        let payload = payload.into_main();
        out.byte(kind);
        out.varint(payload.len() as u64);
        out.bytes(&payload);
    }
    out.into_main()
}

type ReadFrame<M> = fn(u64, &mut Input<'_>) -> Result<Option<M>, Malformed>;

fn decode<M>(bytes: &[u8], read: ReadFrame<M>) -> Result<Vec<M>, DecodeError> {
    if bytes.len() > MESSAGE_BYTES {
        return Err(DecodeError::TooLarge("message"));
    }
    let mut input = Input::plain(bytes);
    match input.byte()? {
        MESSAGE_VERSION => {}
        version => return Err(DecodeError::UnsupportedVersion(version)),
    }
    let mut messages = Vec::new();
    let mut frames = 0;
    while !input.is_empty() {
        frames += 1;
        if frames > MESSAGE_FRAMES {
            return Err(DecodeError::TooLarge("frames of a message"));
        }
        messages.extend(decode_frame(&mut input, read)?);
    }
    Ok(messages)
}

fn decode_frame<M>(input: &mut Input<'_>, read: ReadFrame<M>) -> Result<Option<M>, Malformed> {
    let kind = input.varint()?;
    let length = input.count()?;
    let mut payload = Input::plain(input.bytes(length)?);
    if kind >= OPTIONAL_FROM {
        return Ok(None);
    }
    match read(kind, &mut payload)? {
        Some(message) => payload.finish().map(|()| Some(message)),
        None => malformed("frame: unknown kind"),
    }
}
