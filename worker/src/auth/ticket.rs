//! Socket tickets: random, good once and for half a minute, kept as a digest only.
//! A browser cannot send a header with a socket, so the ticket travels as a sub-protocol and never in a URL.

use super::access::Access;
use crate::failure::Failure;
use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ebbtide_core::ids::{Incarnation, Millis};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The sub-protocol that both sides agree on.
pub const PROTOCOL: &str = "ebbtide.v1";

/// The sub-protocol entry that carries a ticket starts with this.
const TICKET_PREFIX: &str = "ebbtide.ticket.";

/// Whom a ticket stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketHolder {
    /// The user's access when the ticket was issued.
    pub access: Access,
    /// The device that asked.
    pub device: Incarnation,
}

/// A ticket that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTicket {
    /// What the holder gets.
    pub text: String,
    /// What is kept.
    pub digest: Vec<u8>,
    /// From then on it is worth nothing.
    pub expires_at: Millis,
}

/// Makes a ticket from random bytes.
pub fn new_ticket(random: &[u8], access: &Access, now: Millis) -> Result<NewTicket, Failure> {
    if random.len() != limits::TICKET_BYTES {
        return Err(Failure::internal("a ticket needs 32 random bytes"));
    }
    let expires_at = Millis((now.0 + limits::TICKET_MS).min(access.expires_at.0));
    Ok(NewTicket { text: URL_SAFE_NO_PAD.encode(random), digest: digest_of(random), expires_at })
}

/// The digest under which a ticket is kept; `None` for text that is no ticket.
pub fn digest(ticket: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(ticket).ok()?;
    (bytes.len() == limits::TICKET_BYTES).then(|| digest_of(&bytes))
}

/// The ticket in a `Sec-WebSocket-Protocol` header that also offers our protocol.
pub fn ticket_in_protocols(header: Option<&str>) -> Result<&str, Failure> {
    let offered = || header.unwrap_or_default().split(',').map(str::trim);
    if !offered().any(|protocol| protocol == PROTOCOL) {
        return Err(Failure::unsupported_version(format!("the socket must offer the protocol {PROTOCOL}")));
    }
    let ticket = offered().find_map(|protocol| protocol.strip_prefix(TICKET_PREFIX));
    ticket.ok_or_else(|| Failure::unauthorized("the socket must bring a ticket"))
}

fn digest_of(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sv17_a_ticket_comes_beside_the_protocol() {
        assert_eq!(ticket_in_protocols(Some("ebbtide.v1, ebbtide.ticket.abc")).unwrap(), "abc");
        assert_eq!(ticket_in_protocols(Some("ebbtide.v1")).unwrap_err().code, "unauthorized");
        assert_eq!(ticket_in_protocols(Some("ebbtide.ticket.abc")).unwrap_err().code, "unsupported_version");
        assert_eq!(ticket_in_protocols(None).unwrap_err().code, "unsupported_version");
    }

    #[test]
    fn sv17_a_ticket_never_outlives_its_token() {
        let access = Access { user: "ada".into(), space: "s".into(), may_write: true, expires_at: Millis(10_000) };
        let ticket = new_ticket(&[7; 32], &access, Millis(1_000)).unwrap();
        assert_eq!(ticket.expires_at, Millis(10_000));
        assert_eq!(digest(&ticket.text), Some(ticket.digest));
        assert_eq!(digest("short"), None);
        assert_eq!(digest("not base64!"), None);
    }
}
