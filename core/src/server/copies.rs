//! Two databases that speak as one device: a clone, or a device and what a backup made of it. What the space must not tell
//! one of them because the other was told, and when a conversation has to begin anew. The hello's own checks are in `answer`.
//! Called by the session for every answer and every push.

use super::answer::refusal;
use super::session::{Greeted, ServerOutput, ServerSession};
use super::store::{Author, ServerStore};
use crate::error::RefusalCode;
use crate::message::ServerMessage;
use alloc::vec::Vec;

const CONFIRMED_ELSEWHERE: &str = "another copy of this device has confirmed this verdict";

impl ServerSession {
    /// An answer as it may go out. After a refusal for other bytes a hello comes first: what such a device sends builds on them.
    pub(super) fn without_copies(&mut self, mut outputs: Vec<ServerOutput>, author: &Author) -> Vec<ServerOutput> {
        let Some(greeted) = self.state.greeted else { return outputs };
        for output in &mut outputs {
            let ServerOutput::Reply(message) = output else { continue };
            withhold(message, &greeted, author);
            if tells_of_other_bytes(message) {
                self.state.greeted = None;
            }
        }
        outputs
    }

    /// The same for a page of history, asked for or pushed.
    pub(super) fn told_without_copies<S: ServerStore>(
        &self,
        mut messages: Vec<ServerMessage>,
        store: &mut S,
    ) -> Result<Vec<ServerMessage>, S::Error> {
        let has_verdicts = messages.iter().any(|message| matches!(message, ServerMessage::Receipt(_)));
        let Some(greeted) = self.state.greeted.filter(|_| has_verdicts) else { return Ok(messages) };
        if let Some(author) = store.author(greeted.incarnation)? {
            messages.iter_mut().for_each(|message| withhold(message, &greeted, &author));
        }
        Ok(messages)
    }
}

/// A verdict that somebody else confirmed has lost its details, and is not told as if it were whole.
fn withhold(message: &mut ServerMessage, greeted: &Greeted, author: &Author) {
    let ServerMessage::Receipt(receipt) = message else { return };
    let number = receipt.device_seq;
    if number > greeted.applied_receipt && number <= author.applied_receipt {
        let refusal = refusal(RefusalCode::UnknownNumbers, Some(number), CONFIRMED_ELSEWHERE);
        *message = ServerMessage::Refused(refusal);
    }
}

fn tells_of_other_bytes(message: &ServerMessage) -> bool {
    matches!(message, ServerMessage::Refused(refusal) if refusal.code == RefusalCode::HashMismatch)
}
