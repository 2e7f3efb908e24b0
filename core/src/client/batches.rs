//! What goes into one message of the transport: a line that breaks, or a peer that is silent, costs no more than one of them.
//! It knows sizes, not what is said. The session calls it for what it sends, a transport that gathers messages once more.

use crate::limits::{BATCH_MESSAGES, CHUNK_BYTES};
use crate::message::ClientMessage;
use alloc::vec::Vec;

/// The messages in order, in batches that are each as large as a chunk at most, but for what is larger by itself.
pub fn batches(messages: Vec<ClientMessage>) -> impl Iterator<Item = Vec<ClientMessage>> {
    let mut rest = messages.into_iter().peekable();
    core::iter::from_fn(move || {
        let mut batch = alloc::vec![rest.next()?];
        let mut bytes = size(&batch[0]);
        while let Some(next) = rest.next_if(|next| batch.len() < BATCH_MESSAGES && bytes + size(next) <= CHUNK_BYTES) {
            bytes += size(&next);
            batch.push(next);
        }
        Some(batch)
    })
}

fn size(message: &ClientMessage) -> usize {
    match message {
        ClientMessage::Submit(submit) => submit.bytes.len(),
        ClientMessage::Stage(chunk) => chunk.bytes.len(),
        ClientMessage::Recall(recall) => recall.stamps.len() * size_of::<u64>(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stamp;
    use crate::ids::{DeviceSeq, Hash};
    use crate::message::{Recall, Submit};

    fn submit(bytes: usize) -> ClientMessage {
        let (device_seq, applied_receipt) = (DeviceSeq(1), DeviceSeq(0));
        ClientMessage::Submit(Submit { device_seq, applied_receipt, bytes: alloc::vec![0; bytes] })
    }

    fn small() -> ClientMessage {
        ClientMessage::Prepare { device_seq: DeviceSeq(1), hash: Hash::default() }
    }

    fn lengths(messages: Vec<ClientMessage>) -> Vec<usize> {
        batches(messages).map(|batch| batch.len()).collect()
    }

    #[test]
    fn cs214_messages_are_batched_in_order_up_to_a_chunk() {
        let half = CHUNK_BYTES / 2;
        let messages = alloc::vec![small(), submit(half), submit(half), small(), submit(1), submit(3 * half), small()];
        let flat: Vec<ClientMessage> = batches(messages.clone()).flatten().collect();
        assert_eq!(flat, messages);
        assert_eq!(lengths(messages), [4, 1, 1, 1]);
        assert!(lengths(Vec::new()).is_empty());
    }

    #[test]
    fn cs214_a_batch_has_no_more_messages_than_a_peer_takes_at_once() {
        assert_eq!(lengths(alloc::vec![small(); BATCH_MESSAGES + 2]), [BATCH_MESSAGES, 2]);
    }

    #[test]
    fn cs214_questions_about_earlier_lives_count_by_their_stamps() {
        let recall = |bytes: usize| {
            let stamps = alloc::vec![Stamp(1 << 16); bytes / size_of::<Stamp>()];
            ClientMessage::Recall(Recall { stamps, ..Recall::default() })
        };
        let half = CHUNK_BYTES / 2;
        assert_eq!(lengths(alloc::vec![recall(half), recall(half), recall(8), small()]), [2, 2]);
    }
}
