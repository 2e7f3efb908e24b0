//! What can go wrong, grouped by whose fault it is.
//! Text is rendered at the outermost boundary; here are codes and the facts behind them.

use crate::ids::DeviceSeq;
use alloc::string::String;

/// Foreign bytes that do not say what they claim to say. The peer's fault; sending them again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What was being read, and what was wrong with it.
    pub what: &'static str,
}

/// Why the server did not do what a message asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind.
    pub code: RefusalCode,
    /// The changeset concerned, if one is.
    pub device_seq: Option<DeviceSeq>,
    /// For a person: what and where.
    pub detail: String,
}

/// Kinds of refusal. Codes are appended, never renumbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    /// No protocol version in common. The older side must be updated.
    UnsupportedVersion,
    /// A message that could not be decoded, or came before the hello. The peer's fault.
    Malformed,
    /// Larger than a published limit. The peer's fault.
    TooLarge,
    /// Other bytes under a decided or staged number. A restored backup or a clone.
    HashMismatch,
    /// The incarnation was retired by a later one.
    Retired,
    /// The incarnation belongs to another user.
    ForeignDevice,
    /// The cursor, or the last own decision, is not of this history: the space was set back to an earlier point.
    UnknownHistory,
    /// Both sides have as many migrations, and they are not the same: somebody changed one that was applied.
    SchemaMismatch,
    /// The token does not allow this.
    Forbidden,
    /// The server failed and rolled back; try again later.
    Internal,
    /// The device has migrations that the space does not have yet; it waits for the deployment.
    WaitingForServer,
    /// The space has migrations that the device does not have; the app must be loaded anew.
    ReloadNeeded,
    /// The space knows numbers, or other bytes under a number, that this database never sealed: a restored backup or a clone.
    UnknownNumbers,
    /// The history above the cursor is no longer there; the device needs a snapshot.
    SnapshotNeeded,
    /// Something in a changeset whose transactions absorbed others would be refused: nothing of it is decided, and the device sends
    /// each of them by itself.
    NotAsOne,
}

impl RefusalCode {
    /// The stable code that applications see.
    pub fn code(self) -> &'static str {
        match self {
            RefusalCode::UnsupportedVersion => "unsupported_version",
            RefusalCode::Malformed => "malformed_message",
            RefusalCode::TooLarge => "too_large",
            RefusalCode::HashMismatch => "hash_mismatch",
            RefusalCode::Retired => "device_retired",
            RefusalCode::ForeignDevice => "foreign_device",
            RefusalCode::UnknownHistory => "unknown_history",
            RefusalCode::SchemaMismatch => "schema_mismatch",
            RefusalCode::Forbidden => "forbidden",
            RefusalCode::Internal => "server_error",
            RefusalCode::WaitingForServer => "waiting_for_server",
            RefusalCode::ReloadNeeded => "reload_needed",
            RefusalCode::UnknownNumbers => "unknown_numbers",
            RefusalCode::SnapshotNeeded => "snapshot_needed",
            RefusalCode::NotAsOne => "not_as_one",
        }
    }

    /// Whether the same message may succeed later without anybody doing anything on this device: a space may get the schema that it lacks.
    pub fn retryable(self) -> bool {
        use RefusalCode::{Internal, SchemaMismatch, SnapshotNeeded, WaitingForServer};
        matches!(self, Internal | SchemaMismatch | WaitingForServer | SnapshotNeeded)
    }
}

/// Why a client session could not go on. Storage errors are the store's own type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault<E> {
    /// The local database or the object's storage failed; nothing of the step was kept.
    Store(E),
    /// The peer sent something impossible; the connection is dropped, nothing of the step was kept.
    Peer(Malformed),
}

impl<E> From<E> for Fault<E> {
    fn from(error: E) -> Self {
        Fault::Store(error)
    }
}
