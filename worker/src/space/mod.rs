//! A space's Durable Object without the object: what it does with a message, over any `Sql`.
//! It knows no request, socket or alarm; answers are values that the TypeScript class carries out after the event.

mod conversation;
mod hook;
mod opening;
mod outbox;
mod seat;
mod tickets;

pub use conversation::{Answer, Pushed, SocketAnswer, close_code};
pub use hook::Slice;
pub use opening::SpaceObject;
pub use outbox::{Elsewhere, Step};
pub use seat::Seat;
