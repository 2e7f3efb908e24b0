//! A commit that is larger than a page goes alone and in parts: those that the device does not have, as far as one answer may be long.
//! On a line that is slow, or breaks again and again, each answer brings it further. Called by `answer`.

use super::room;
use super::session::ServerSession;
use super::store::ServerStore;
use crate::commit::SealedCommit;
use crate::ids::Cursor;
use crate::limits::PART_BYTES;
use crate::message::{HeldParts, Part, ServerMessage};
use alloc::vec::Vec;

/// How much of a commit is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) max_bytes: usize,
    pub(super) held: Option<HeldParts>,
}

impl ServerSession {
    /// Where parts are missing behind these, the device is told that there is nothing else yet, and asks again.
    pub(super) fn parts<S: ServerStore>(
        &mut self,
        after: &Cursor,
        commit: SealedCommit,
        Wanted { max_bytes, held }: Wanted,
        store: &mut S,
    ) -> Result<Vec<ServerMessage>, S::Error> {
        let chain = store.chain_at(commit.seq)?.unwrap_or_default().truncated();
        let own = self.is_own(&commit).then_some(commit.device_seq);
        let count = commit.bytes.len().div_ceil(PART_BYTES) as u32;
        let held = held.filter(|held| (held.seq, held.chain, held.count) == (commit.seq, chain, count));
        let first = held.map_or(0, |held| held.next.min(count - 1)) as usize;
        let most = (max_bytes / PART_BYTES).max(1);
        let part = |(index, bytes): (usize, &[u8])| {
            let (index, bytes) = (index as u32, bytes.to_vec());
            ServerMessage::Part(Part { from: after.seq, seq: commit.seq, chain, own, index, count, bytes })
        };
        let pieces = commit.bytes.chunks(PART_BYTES).enumerate().skip(first).take(most);
        let mut messages: Vec<ServerMessage> = pieces.map(part).collect();
        if first + most < count as usize {
            self.state.live = false;
            messages.extend(room::nothing_yet(after, store)?);
            return Ok(messages);
        }
        let head = store.head()?.seq;
        self.sent(commit.seq, head, messages.len() * PART_BYTES);
        if !self.state.live {
            messages.push(ServerMessage::Head { seq: head });
        }
        Ok(messages)
    }
}
