//! What one event may still answer: an object holds all answers to a message, and what is pushed after it, in memory at once.
//! What is left unanswered is asked for again, at once or on the next connection, and what was decided before stands.
//! It begins anew with every event, since a session is rebuilt for each.

use super::session::{ServerOutput, ServerSession, refuse, replies};
use super::store::ServerStore;
use crate::codec::Codec;
use crate::commit::{Receipt, Rejection};
use crate::error::RefusalCode;
use crate::ids::{Cursor, Millis};
use crate::limits::{ANSWER_BYTES, REJECTION_DETAIL_BYTES, UNASKED_BYTES};
use crate::message::{ClientMessage, Prediction, Range, ServerMessage};
use alloc::{vec, vec::Vec};

/// What a message, a rejection or an item is counted as, in bytes, besides its contents.
const FRAME_BYTES: usize = 16;

/// What one event has answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    answered: usize,
    unasked: usize,
}

impl Room {
    /// Whether nothing more may be asked in this event.
    pub(super) fn is_full(&self) -> bool {
        self.answered >= ANSWER_BYTES
    }

    /// Bytes of history that may still go out without having been asked for.
    pub(super) fn unasked_bytes(&self) -> usize {
        if self.is_full() { 0 } else { UNASKED_BYTES.saturating_sub(self.unasked) }
    }

    /// This went out without having been asked for.
    pub(super) fn take_unasked(&mut self, messages: &[ServerMessage]) {
        self.unasked += messages.iter().map(size).sum::<usize>();
    }

    /// From here on history goes out only where it is asked for.
    pub(super) fn close_unasked(&mut self) {
        self.unasked = UNASKED_BYTES;
    }

    /// This goes out.
    pub(super) fn take(&mut self, outputs: &[ServerOutput]) {
        let sizes = outputs.iter().map(|output| match output {
            ServerOutput::Reply(message) => size(message),
            ServerOutput::Committed { .. } => 0,
        });
        self.answered += sizes.sum::<usize>();
    }
}

impl ServerSession {
    /// A message for whose answer there is no room. A device that is refused comes again on another connection.
    pub(super) fn handle_later<S: ServerStore, C: Codec>(
        &mut self,
        message: ClientMessage,
        now: Millis,
        store: &mut S,
        codec: &C,
    ) -> Result<Vec<ServerOutput>, S::Error> {
        match message {
            // The answer to the one is no longer than the question, and without room there is none to the other but a `Head`.
            ClientMessage::Recall(_) | ClientMessage::Applied { .. } => self.handle_now(message, now, store, codec),
            ClientMessage::Pull { cursor, .. } if self.state.greeted.is_some() => {
                Ok(replies(nothing_yet(&cursor, store)?))
            }
            ClientMessage::Hello(_) => {
                self.state.greeted = None;
                Ok(later())
            }
            _ => Ok(later()),
        }
    }
}

/// So that the device pulls again at once.
pub(super) fn nothing_yet<S: ServerStore>(cursor: &Cursor, store: &mut S) -> Result<Vec<ServerMessage>, S::Error> {
    let Cursor { seq, chain, .. } = *cursor;
    let nothing = Range { from: seq, upto: seq, chain, items: Vec::new() };
    Ok(vec![ServerMessage::Range(nothing), ServerMessage::Head { seq: store.head()?.seq }])
}

fn later() -> Vec<ServerOutput> {
    refuse(RefusalCode::Internal, None, "more was asked for than one answer may hold")
}

/// About as many bytes as it has in memory, and no fewer than on the wire but for small numbers.
fn size(message: &ServerMessage) -> usize {
    let contents = match message {
        ServerMessage::Receipt(receipt) => receipt_size(receipt),
        ServerMessage::Range(range) => range_size(range),
        ServerMessage::Part(part) => part.bytes.len(),
        ServerMessage::Page(page) => page.bytes.len(),
        ServerMessage::Refused(refusal) => refusal.detail.len(),
        ServerMessage::Predicted(predictions) => predictions.iter().map(prediction_size).sum(),
        ServerMessage::Recalled(recalled) => FRAME_BYTES * (recalled.accepted.len() + recalled.rejected.len()),
        ServerMessage::Catalogue(catalogue) => {
            catalogue.tables.iter().map(|table| FRAME_BYTES * table.columns.len()).sum()
        }
        ServerMessage::Welcome(_)
        | ServerMessage::Staged { .. }
        | ServerMessage::Prepared { .. }
        | ServerMessage::Expected { .. }
        | ServerMessage::Head { .. } => 0,
    };
    FRAME_BYTES + contents
}

/// A receipt's verdicts with their details.
pub(super) fn receipt_size(receipt: &Receipt) -> usize {
    receipt.rejected.iter().map(|Rejection { detail, .. }| FRAME_BYTES + detail.len()).sum()
}

/// What is said of refused transactions, as far as it may be kept and told; of the others the reasons alone.
pub(super) fn within_bounds(mut rejected: Vec<Rejection>) -> Vec<Rejection> {
    let mut left = REJECTION_DETAIL_BYTES;
    for Rejection { detail, .. } in &mut rejected {
        left = left.checked_sub(detail.len()).unwrap_or_else(|| {
            detail.clear();
            0
        });
    }
    rejected
}

fn range_size(range: &Range) -> usize {
    range.items.iter().map(|item| FRAME_BYTES + item.body.encoded().map_or(0, <[u8]>::len)).sum()
}

fn prediction_size(prediction: &Prediction) -> usize {
    FRAME_BYTES + receipt_size(&prediction.receipt) + prediction.conflicts.len()
}
