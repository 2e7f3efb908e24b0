//! A socket's place: which device sits there and where its conversation stands.
//! It lives in the socket's attachment, so that the object may sleep or be evicted between any two messages.

use crate::auth::TicketHolder;
use crate::failure::Failure;
use ebbtide_core::ids::{Incarnation, Millis};
use ebbtide_core::server::{ServerSession, SessionState};
use serde::{Deserialize, Serialize};

/// A socket's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The device that the ticket was issued for.
    pub device: Incarnation,
    /// The conversation.
    pub state: SessionState,
}

impl Seat {
    /// A socket that was just opened.
    pub fn new(holder: &TicketHolder) -> Self {
        Seat { device: holder.device, state: ServerSession::new(holder.access.identity()).state().clone() }
    }

    /// The attachment.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("a vector takes any length")
    }

    /// Reads an attachment back.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        postcard::from_bytes(bytes).map_err(|error| Failure::internal(format!("attachment: {error}")))
    }

    /// Whether the token behind the socket is over.
    pub fn is_expired(&self, now: Millis) -> bool {
        self.state.identity.expires_at <= now
    }
}
