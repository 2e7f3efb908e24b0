//! What the page is told of the sync, as JSON in the shapes of the package's public types.
//! It knows names of fields; when something is told is the driver's business. Values of rows never travel this way.

use super::driver::Traffic;
use crate::conflicts::id_text;
use crate::error::ClientError;
use ebbtide_core::client::progress::Progress;
use ebbtide_core::client::store::RejectedTransaction;
use ebbtide_core::client::{Cause, Status, SyncReport};
use ebbtide_core::conflict::{ClosedConflict, Closing, ConflictId};
use ebbtide_core::ids::Seq;
use ebbtide_store::json::{ObjectWriter, list, quoted};

/// `SyncStatus`.
pub fn status(status: &Status) -> String {
    let mut object = ObjectWriter::default();
    object.text("state", status.state.name()).flag("online", status.online).number("pending", status.pending);
    object.number("failed", status.failed).number("blocked", status.blocked).number("conflicts", status.conflicts);
    object.whole("cursor", status.cursor.0);
    if let Some(reason) = &status.reason {
        object.text("reason", reason);
    }
    for (name, at) in [("lastSyncAt", status.last_sync_at), ("nextRetryAt", status.next_retry_at)] {
        if let Some(at) = at {
            object.whole(name, at.0);
        }
    }
    if let Some(Progress { phase, done, total }) = status.progress {
        let mut progress = ObjectWriter::default();
        progress.text("phase", phase.name()).whole("done", done).whole("total", total);
        object.raw("progress", &progress.finish());
    }
    object.finish()
}

/// `SyncReport`.
pub fn report(report: &SyncReport, traffic: Traffic) -> String {
    let mut object = ObjectWriter::default();
    object.number("sent", report.sent).number("received", report.received);
    object.whole("bytesUp", traffic.up).whole("bytesDown", traffic.down).number("conflicts", report.conflicts);
    object.number("conflictsResolved", report.conflicts_resolved).number("errors", report.errors);
    object.number("retries", report.retries).whole("durationMs", report.duration_ms).finish()
}

/// The detail of an `applied` event.
pub fn applied(seq: Seq) -> String {
    ObjectWriter::default().whole("seq", seq.0).finish()
}

/// Which transaction was refused; what it wanted is asked for by its id.
pub fn rejected(transaction: &RejectedTransaction) -> String {
    ObjectWriter::default().text("id", &transaction.stamp.0.to_string()).finish()
}

/// The detail of a `conflict` event.
pub fn conflicts(decided: u32, opened: &[ConflictId]) -> String {
    let open: Vec<String> = opened.iter().copied().map(|id| quoted(&id_text(id))).collect();
    let mut object = ObjectWriter::default();
    object.number("count", decided + opened.len() as u32).raw("open", &list(&open)).finish()
}

/// The detail of a `resolved` event.
pub fn resolved(closed: &[ClosedConflict]) -> String {
    let how = |closing: &Closing| if *closing == Closing::Moot { "moot" } else { "resolved" };
    let conflict = |closed: &ClosedConflict| {
        ObjectWriter::default().text("id", &id_text(closed.id)).text("how", how(&closed.closing)).finish()
    };
    ObjectWriter::default().raw("conflicts", &list(&closed.iter().map(conflict).collect::<Vec<_>>())).finish()
}

/// Why the database began a new life.
pub fn recovered(code: &str) -> String {
    ObjectWriter::default().text("code", code).finish()
}

/// Why a `sync.now()` could not be fulfilled.
pub fn failure(cause: &Cause) -> String {
    ObjectWriter::default().text("code", &cause.code).flag("retryable", cause.retryable).finish()
}

/// A step that failed in the local database or on what the peer sent, and when it is tried again.
pub fn fault(error: &ClientError, retry_at: f64) -> String {
    let mut object = ObjectWriter::default();
    object.text("code", error.code).text("message", &error.message).flag("retryable", true);
    object.whole("nextRetryAt", retry_at as u64).finish()
}

/// Headers as an object.
pub fn headers(headers: &[(&'static str, String)]) -> String {
    let mut object = ObjectWriter::default();
    for (name, value) in headers {
        object.text(name, value);
    }
    object.finish()
}
