//! What an application may know of the sync, as facts; words and events are the façade's.
//! The session keeps it current; it decides nothing.

use super::progress::Progress;
use crate::ids::{Millis, Seq};
use alloc::string::String;

/// Where the sync stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// The device has no network, or the space cannot be reached; it is tried again.
    #[default]
    Offline,
    /// A connection is being made.
    Connecting,
    /// Something is going up or coming down.
    Syncing,
    /// Everything known is exchanged.
    Idle,
    /// The app paused it.
    Paused,
    /// It does not go on by itself; `reason` says why.
    Error,
}

impl State {
    /// The name that applications see.
    pub fn name(self) -> &'static str {
        match self {
            State::Offline => "offline",
            State::Connecting => "connecting",
            State::Syncing => "syncing",
            State::Idle => "idle",
            State::Paused => "paused",
            State::Error => "error",
        }
    }
}

/// The facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Where it stands.
    pub state: State,
    /// Whether the browser says that there is a network.
    pub online: bool,
    /// Own transactions that are not yet applied as decided.
    pub pending: u32,
    /// Of these, out of the view because they collide with what the space decided.
    pub blocked: u32,
    /// Own transactions listed as rejected.
    pub failed: u32,
    /// Conflicts that wait for a person.
    pub conflicts: u32,
    /// Up to which commit everything is applied.
    pub cursor: Seq,
    /// The newest commit that the server told of.
    pub head: Seq,
    /// When everything known was last exchanged.
    pub last_sync_at: Option<Millis>,
    /// When the next attempt is made, while there is no connection.
    pub next_retry_at: Option<Millis>,
    /// How far a long exchange has come, while one goes on.
    pub progress: Option<Progress>,
    /// The code of what is wrong, while something is.
    pub reason: Option<String>,
}

/// What happened between a request to be up to date and its fulfilment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Own transactions that were decided.
    pub sent: u32,
    /// Commits of other devices that were applied.
    pub received: u32,
    /// Values that met unseen: decided by a rule, or opened for a person.
    pub conflicts: u32,
    /// Conflicts that were decided, by a rule or by a person, those of before included.
    pub conflicts_resolved: u32,
    /// Own transactions that were refused.
    pub errors: u32,
    /// Connections that failed.
    pub retries: u32,
    /// How long it took.
    pub duration_ms: u64,
}
