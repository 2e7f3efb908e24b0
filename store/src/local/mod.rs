//! The local database of a device: the one connection, what an app may do on it, and its transactions.
//! It captures into the log and knows when to flush it; what is sent, merged or applied is the client session's business.
//! Used by `wasm-client` on OPFS and natively by tests, the simulator and benchmarks.

mod access;
mod class;
mod conflicts;
#[cfg(feature = "contract")]
pub mod contract;
mod device;
mod error;
mod execute;
mod export;
mod ids;
mod joined;
mod kept;
pub(crate) mod log;
mod migrated;
mod misfits;
mod on_their_way;
mod open;
mod pragmas;
mod quiet;
mod recorded;
mod references;
mod resolve;
mod retry;
mod revived;
mod rowlog;
mod savepoints;
mod sync;
mod tables;
mod transaction;
mod translate;
mod triggers;
mod unsaid;
mod view;
mod watch;

pub use conflicts::{ConflictRecord, OpenRecord, SideRecord, Wanted};
pub use error::{DbError, DbErrorCode};
pub use execute::{Executed, NoRows, RowSink, RowSource};
pub use recorded::{ChangeKind, NamedChange, RejectedRecord};
pub use resolve::Choice;
pub use retry::Edit;
pub use rowlog::{ChangeState, RowEntry};
pub use sync::SyncStep;

use crate::capture::Capture;
use crate::client::{Statements, Waitlist};
use access::SharedAccess;
use class::Classes;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::client::store::DeviceState;
use ebbtide_core::clock::Clock;
use ebbtide_core::conflict::Resolution;
use ebbtide_core::ids::Opening;
use ebbtide_core::sorted::{SortedMap, SortedSet};
use ids::IdClock;
use quiet::Quiet;
use references::References;
use rusqlite::Connection;
use std::rc::Rc;
use transaction::OpenTransaction;
use triggers::TriggerPlan;

/// See the file's header.
pub struct LocalDatabase {
    pub(crate) connection: Connection,
    pub(crate) catalogue: Rc<Catalogue>,
    pub(crate) device: DeviceState,
    pub(crate) clock: Clock,
    /// Fresh random bytes of this opening.
    pub(crate) seed: [u8; 16],
    /// What transactions of this opening are tagged with.
    opening: Opening,
    /// What waits in the log, by row; built when the client store first asks.
    pub(crate) waitlist: Waitlist,
    pub(crate) references: References,
    pub(crate) statements: Statements,
    capture: Capture,
    access: SharedAccess,
    ids: IdClock,
    classes: Classes,
    open: Option<OpenTransaction>,
    /// It is kept in step with nothing.
    apart: bool,
    /// The open conflicts that the open transaction resolves.
    resolving: Vec<Resolution>,
    /// Worked out again after the app has changed its local tables.
    triggers: Option<Rc<TriggerPlan>>,
    quiet: Quiet,
    /// Virtual tables by the ordinary ones in which they keep their content.
    shadows: SortedMap<String, String>,
    touched: SortedSet<String>,
}
