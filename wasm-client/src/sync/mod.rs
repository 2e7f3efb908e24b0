//! The link to the space: runs the client session against the database and carries out what it asks for.
//! Files: `driver` feeds the session and executes outputs; `link` makes connections; `socket` and `http` are the two
//! transports; `request` is one POST; `report` is what the page is told; `host` is what the worker script offers.

mod driver;
mod host;
mod http;
mod link;
mod plan;
mod report;
mod request;
mod socket;
mod timer;

pub use driver::{SharedDatabase, Sync, Wishes};
pub use host::Host;
