//! What committing staged changesets would come to: decided for real, in a savepoint that is always taken back.
//! It stores nothing and promises nothing: another commit may come first, and the decision then merges against that.
//! Called by the session when a device plans a sync or has its user confirm one.

use super::decide::Verdict;
use super::resend::{self, Sender};
use super::room;
use super::staging::{self, Opened};
use super::store::{Author, ServerStore};
use crate::codec::Codec;
use crate::commit::{Commit, Receipt};
use crate::conflict::{Conflict, QueueChange};
use crate::ids::{DeviceSeq, Fingerprint, Millis, Seq};
use crate::limits;
use crate::message::{Prediction, ServerMessage};
use crate::value::Value;
use alloc::{vec, vec::Vec};
use core::convert::Infallible;

/// Predicts the staged numbers from the one that is due up to `upto`, each on top of those before it.
///
/// Where one of them is not wholly there the answer says so instead, as it does to a prepare; one that is decided is answered
/// with its receipt. Beyond the bounds the answer covers fewer numbers than were asked for.
pub(super) fn predict<S: ServerStore, C: Codec>(
    author: &Author,
    upto: DeviceSeq,
    may_write: bool,
    now: Millis,
    store: &mut S,
    codec: &C,
) -> Result<Vec<ServerMessage>, S::Error> {
    if upto < author.expected
        && let Some(decided) = store.decided(author.id, upto)?
    {
        return Ok(vec![ServerMessage::Receipt(decided.receipt)]);
    }
    let taken_back = store.savepoint(|store| -> Result<Infallible, Stop<S::Error>> {
        let mut trial = Trial { author, may_write, now, head: store.head()?.seq, room: Room::default() };
        Err(Stop::Done(trial.run(upto, store, codec)?))
    })?;
    match taken_back {
        Err(Stop::Done(messages)) => Ok(messages),
        Err(Stop::Storage(error)) => Err(error),
        Ok(never) => match never {},
    }
}

enum Stop<E> {
    Done(Vec<ServerMessage>),
    Storage(E),
}

impl<E> From<E> for Stop<E> {
    fn from(error: E) -> Self {
        Stop::Storage(error)
    }
}

/// What one answer may still hold.
struct Room {
    changeset_bytes: usize,
    conflicts: usize,
    lost_bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            changeset_bytes: limits::CHANGESET_BYTES,
            conflicts: limits::PREDICTED_CONFLICTS,
            lost_bytes: limits::PREDICTED_BYTES,
        }
    }
}

impl Room {
    /// The first conflicts, as many as still fit.
    fn take(&mut self, conflicts: Vec<Conflict>) -> Vec<Conflict> {
        let fits = |conflict: &Conflict| {
            let key: usize = conflict.row.key.0.iter().map(Value::size).sum();
            let bytes = key + conflict.incumbent.claimed.size() + conflict.challenger.claimed.size();
            let room = self.conflicts > 0 && bytes <= self.lost_bytes;
            if room {
                self.conflicts -= 1;
                self.lost_bytes -= bytes;
            }
            room
        };
        conflicts.into_iter().take_while(fits).collect()
    }
}

/// The decisions of one prediction, one after the other.
struct Trial<'a> {
    author: &'a Author,
    may_write: bool,
    now: Millis,
    head: Seq,
    room: Room,
}

impl Trial<'_> {
    fn run<S: ServerStore, C: Codec>(
        &mut self,
        upto: DeviceSeq,
        store: &mut S,
        codec: &C,
    ) -> Result<Vec<ServerMessage>, S::Error> {
        let mut predictions = Vec::new();
        for number in (self.author.expected.0..=upto.0).take(limits::SEALED_AHEAD).map(DeviceSeq) {
            let staging = store.staging(self.author.id, number)?;
            let Some(staging) = staging.filter(|staging| staging.prepared) else {
                let next_chunk = store.staging(self.author.id, number)?.map_or(0, |staging| staging.next_chunk);
                return Ok(vec![ServerMessage::Staged { device_seq: number, next_chunk }]);
            };
            let (bytes, fingerprint) = (staging.total_bytes as usize, staging.hash.fingerprint());
            if bytes > self.room.changeset_bytes && !predictions.is_empty() {
                break;
            }
            self.room.changeset_bytes = self.room.changeset_bytes.saturating_sub(bytes);
            let bytes = store.staged_bytes(self.author.id, number)?;
            let opened = match staging::open(&bytes, number, store, codec)? {
                Ok(opened) => opened,
                Err(refusal) => return Ok(vec![ServerMessage::Refused(refusal)]),
            };
            predictions.push(self.one(opened, fingerprint, store, codec)?);
        }
        Ok(vec![ServerMessage::Predicted(predictions)])
    }

    fn one<S: ServerStore, C: Codec>(
        &mut self,
        opened: Opened,
        fingerprint: Fingerprint,
        store: &mut S,
        codec: &C,
    ) -> Result<Prediction, S::Error> {
        let sender = Sender { author: self.author, may_write: self.may_write };
        let mut verdict = resend::decide(opened.asked(), sender, self.head.next(), self.now, store)?;
        let Opened { changeset, ignored, .. } = opened;
        staging::record_ignored(ignored, &changeset, self.author.id, &mut verdict);
        let met = !verdict.conflicts.is_empty() || !verdict.queue.is_empty();
        let visible = !verdict.outcomes.is_empty() || met;
        let seq = visible.then(|| self.head.next());
        self.head = seq.unwrap_or(self.head);
        let conflicts = verdict.conflicts.len() as u32;
        let opened = verdict.queue.iter().filter(|change| matches!(change, QueueChange::Opened(_))).count() as u32;
        let rejected = room::within_bounds(core::mem::take(&mut verdict.rejected));
        let Verdict { stamp, clock_shift_ms, as_sent, .. } = verdict;
        let shown = Commit {
            author: self.author.id,
            device_seq: changeset.device_seq,
            schema: changeset.schema,
            stamp,
            outcomes: Vec::new(),
            conflicts: self.room.take(verdict.conflicts),
            queue: Vec::new(),
            authors: Vec::new(),
        };
        let (device_seq, decided_at) = (changeset.device_seq, self.head);
        let receipt =
            Receipt { device_seq, fingerprint, seq, decided_at, clock_shift_ms, as_sent, rejected, conflicts };
        Ok(Prediction { receipt, opened, conflicts: codec.seal_commit(&shown, &store.catalogue()) })
    }
}
