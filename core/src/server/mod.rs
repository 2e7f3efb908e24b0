//! The space's half of a sync: a session per connection, decisions in the space's one database.
//! It knows no socket and no SQL; `worker` drives it per message, the simulator in virtual time.

pub mod answer;
mod capacity;
mod copies;
pub mod decide;
mod deletes;
pub mod draft;
mod drafts;
mod folded;
mod former;
mod greeting;
mod holders;
mod moves;
mod parts;
mod predict;
mod queue;
mod references;
mod resend;
pub mod retention;
mod room;
pub mod rules;
pub mod session;
mod snapshot;
pub mod staging;
pub mod store;
pub mod values;

pub use session::{Identity, ServerOutput, ServerSession, SessionState};
