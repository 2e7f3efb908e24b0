//! The space's database: the `ServerStore` of `core` over the `Sql` port.
//! It keeps rows, marks, commits, receipts and uploads, and refuses to end an event with a reference that points nowhere; what merges it does not know.
//! Used by `worker` over Durable Object SQLite, and natively by tests and the simulator.

mod authors;
mod barrier;
mod collision;
mod event;
mod facts;
mod fail;
mod formers;
pub mod history;
pub mod limits;
mod load;
mod log;
mod marks;
mod outbox;
mod park;
mod places;
mod port;
mod prune;
mod queue;
mod recall;
mod receipts;
mod references;
mod scan;
mod shape;
mod space;
mod stage;
mod tables;
pub(crate) mod text;
mod tickets;
pub mod trail;
pub(crate) mod triggers;
mod unkept;
pub(crate) mod values;
mod write;

#[cfg(feature = "contract")]
pub mod contract;

pub use event::SpaceStore;
pub use outbox::{OutboxAuthor, OutboxCommit, OutboxPosition, Reader};
pub use space::{OpenError, Space};
pub use tickets::Ticket;
