//! The device's half of a sync: seals local transactions, sends them, applies what the space decided.
//! It knows no socket, no timer and no SQL: inputs and the time come in, outputs go out, the rest is in the store.
//! `wasm-client` drives it in the browser, the simulator in virtual time.

mod absorb;
mod ahead;
mod apply;
mod backoff;
pub mod batches;
pub mod belonging;
mod coalesce;
mod inbox;
mod left_out;
mod lineage;
mod link;
mod outbox;
mod overlay;
mod pace;
mod patience;
pub mod plan;
pub mod progress;
mod rebuild;
mod recover;
pub mod revive;
mod seal;
pub mod session;
mod snapshot;
pub mod start;
pub mod status;
pub mod store;
mod upload;
mod versions;
mod void;

pub use belonging::SpaceName;
pub use overlay::take_back;
pub use plan::{Plan, RowCounts};
pub use session::{Cause, ClientSession, Input, Output, Outputs, SessionOptions, TwoPhase};
pub use start::Start;
pub use status::{State, Status, SyncReport};
