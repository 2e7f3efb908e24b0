//! What the page is told of the sync, as JSON in the shapes of the package's public types.
//! It knows names of fields; when something is told is the driver's business. Values of rows never travel this way.

use super::driver::Traffic;
use crate::conflicts::id_text;
use crate::error::ClientError;
use ebbtide_core::client::store::RejectedTransaction;
use ebbtide_core::client::{Cause, Status, SyncReport};
use ebbtide_core::conflict::{ClosedConflict, Closing, ConflictId};
use ebbtide_core::ids::Seq;
use serde_json::{Map, Value, json};

/// `SyncStatus`.
pub fn status(status: &Status) -> String {
    let mut object = json!({
        "state": status.state.name(),
        "online": status.online,
        "pending": status.pending,
        "failed": status.failed,
        "blocked": status.blocked,
        "conflicts": status.conflicts,
        "cursor": status.cursor.0,
    });
    let optional = [
        ("reason", status.reason.clone().map(Value::from)),
        ("lastSyncAt", status.last_sync_at.map(|at| Value::from(at.0))),
        ("nextRetryAt", status.next_retry_at.map(|at| Value::from(at.0))),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            object[name] = value;
        }
    }
    object.to_string()
}

/// `SyncReport`.
pub fn report(report: &SyncReport, traffic: Traffic) -> String {
    json!({
        "sent": report.sent,
        "received": report.received,
        "bytesUp": traffic.up,
        "bytesDown": traffic.down,
        "conflicts": report.conflicts,
        "conflictsResolved": report.conflicts_resolved,
        "errors": report.errors,
        "retries": report.retries,
        "durationMs": report.duration_ms,
    })
    .to_string()
}

/// The detail of an `applied` event.
pub fn applied(seq: Seq) -> String {
    json!({ "seq": seq.0 }).to_string()
}

/// Which transaction was refused; what it wanted is asked for by its id.
pub fn rejected(transaction: &RejectedTransaction) -> String {
    json!({ "id": transaction.stamp.0.to_string() }).to_string()
}

/// The detail of a `conflict` event.
pub fn conflicts(decided: u32, opened: &[ConflictId]) -> String {
    let open: Vec<String> = opened.iter().copied().map(id_text).collect();
    json!({ "count": decided + opened.len() as u32, "open": open }).to_string()
}

/// The detail of a `resolved` event.
pub fn resolved(closed: &[ClosedConflict]) -> String {
    let how = |closing: &Closing| if *closing == Closing::Moot { "moot" } else { "resolved" };
    let conflict = |closed: &ClosedConflict| json!({ "id": id_text(closed.id), "how": how(&closed.closing) });
    json!({ "conflicts": closed.iter().map(conflict).collect::<Vec<_>>() }).to_string()
}

/// Why the database began a new life.
pub fn recovered(code: &str) -> String {
    json!({ "code": code }).to_string()
}

/// Why a `sync.now()` could not be fulfilled.
pub fn failure(cause: &Cause) -> String {
    json!({ "code": cause.code, "retryable": cause.retryable }).to_string()
}

/// A step that failed in the local database or on what the peer sent, and when it is tried again.
pub fn fault(error: &ClientError, retry_at: f64) -> String {
    json!({ "code": error.code, "message": error.message, "retryable": true, "nextRetryAt": retry_at }).to_string()
}

/// Headers as an object.
pub fn headers(headers: &[(&'static str, String)]) -> String {
    let object: Map<_, _> = headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    Value::Object(object).to_string()
}
