//! Who asks, and what they may do in one space.
//! It knows tokens and identities, no requests and no storage. The TypeScript entry calls it before it touches an object.

mod access;
mod dev;
mod identity;
mod jwt;
mod ticket;

pub use access::{Access, access};
pub use dev::dev_token;
pub use identity::{Identity, Role};
pub use jwt::{bearer, sign, verify, verify_signature};
pub use ticket::{NewTicket, TicketHolder, digest, new_ticket, ticket_in_protocols};
