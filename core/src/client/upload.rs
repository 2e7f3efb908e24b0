//! Brings sealed changesets to the space, each by the path that fits it: one message, or chunks, prepare and commit.
//! It knows what was sent on this connection; what must survive a restart is the changeset's progress in the store.
//! The session pumps it after every input while it is connected, and forgets it with the connection.

use super::progress::{Meter, Progress as SendProgress};
use super::session::TwoPhase;
use super::store::{ClientStore, Progress, SealedEntry};
use crate::ids::{DeviceSeq, SchemaVersion};
use crate::limits::{CHUNK_BYTES, CHUNKS_IN_FLIGHT, SINGLE_MESSAGE_BYTES};
use crate::message::{Chunk, ClientMessage, Submit, Then};
use crate::sorted::SortedMap;
use alloc::{vec, vec::Vec};

/// What was asked of the space on this connection, per undecided number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flight {
    /// The whole, to be decided.
    Submitted,
    /// Which chunk is missing first.
    Asked,
    /// Chunks before `next` were sent, those before `acknowledged` arrived; so many answers to chunks are outstanding.
    Sending { next: u32, acknowledged: u32, unanswered: u32 },
    /// The vote.
    Preparing,
    /// The vote is there; the decision waits for earlier numbers.
    Prepared,
    /// The decision.
    Committing,
    /// It is given up.
    Voiding,
    /// The space will not take it; earlier numbers are decided before it is given up.
    Refused,
}

/// How changesets may travel at the moment.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Which path they take.
    pub two_phase: TwoPhase,
    /// Decisions may be asked for up to this number; beyond it changesets are only staged and prepared.
    pub may_commit: DeviceSeq,
    /// Receipts up to this number are applied.
    pub applied_receipt: DeviceSeq,
    /// The newest schema version that the space can read.
    pub readable: SchemaVersion,
}

/// The uploads of one connection.
#[derive(Debug, Default)]
pub struct Uploads {
    flights: SortedMap<DeviceSeq, Flight>,
    meter: Meter,
}

impl Uploads {
    /// Whether the space owes an answer.
    pub fn awaits_answer(&self) -> bool {
        self.flights.values().any(|flight| !matches!(flight, Flight::Prepared | Flight::Refused))
    }

    /// Whether the space has voted for each of these and is not asked for a decision.
    pub fn all_prepared(&self, entries: &[SealedEntry]) -> bool {
        entries.iter().all(|entry| self.flights.get(&entry.device_seq) == Some(&Flight::Prepared))
    }

    /// Forgets what was sent: the connection is gone, or the space expects another number.
    pub fn reset(&mut self) {
        self.flights.clear();
        self.meter = Meter::default();
    }

    /// The space decided a number.
    pub fn decided(&mut self, device_seq: DeviceSeq) {
        self.flights.remove(&device_seq);
        self.meter.decided(device_seq);
    }

    /// Whether a decision is on its way, which brings the history up to it.
    pub fn awaits_decision(&self) -> bool {
        self.flights.values().any(|flight| matches!(flight, Flight::Submitted | Flight::Committing))
    }

    /// How far what is on its way has come.
    pub fn progress(&self) -> Option<SendProgress> {
        self.meter.progress()
    }

    /// The space will never take a number.
    pub fn refused(&mut self, device_seq: DeviceSeq) {
        self.flights.insert(device_seq, Flight::Refused);
    }

    /// Whether the space will never take a number, or is asked to give it up.
    pub fn is_refused(&self, device_seq: DeviceSeq) -> bool {
        matches!(self.flights.get(&device_seq), Some(Flight::Refused | Flight::Voiding))
    }

    /// Gives a number up, unless that was asked for already.
    pub fn void(&mut self, device_seq: DeviceSeq) -> Vec<ClientMessage> {
        match self.flights.insert(device_seq, Flight::Voiding) {
            Some(Flight::Voiding) => Vec::new(),
            _ => vec![ClientMessage::Void { device_seq }],
        }
    }

    /// What to send now. Decisions are asked for in order; chunks may go ahead.
    pub fn pump<S: ClientStore>(&mut self, order: Order, store: &mut S) -> Result<Vec<ClientMessage>, S::Error> {
        let Order { two_phase, may_commit, applied_receipt, readable } = order;
        let mut messages = Vec::new();
        let mut in_order = true;
        let sealed = store.sealed()?;
        let mut room = self.room(&sealed);
        for entry in sealed {
            if entry.receipt.is_some() {
                continue;
            }
            if entry.schema.is_later_than(readable) {
                break;
            }
            let may_commit = entry.device_seq <= may_commit;
            let small = two_phase == TwoPhase::Auto && entry.total_bytes <= SINGLE_MESSAGE_BYTES;
            let single = small && may_commit;
            let flight = self.flights.get(&entry.device_seq).copied();
            let next = match (flight, single) {
                (None, true) if in_order && entry.total_bytes <= room => {
                    room -= entry.total_bytes;
                    Some(submit(&entry, applied_receipt, store, &mut messages)?)
                }
                (None, true) => None,
                (None, false) => Some(start(&entry, &mut messages)),
                (Some(Flight::Prepared), _) if in_order && may_commit => {
                    Some(commit(&entry, applied_receipt, &mut messages))
                }
                (flight, _) => flight,
            };
            let next = match next {
                Some(Flight::Sending { next, acknowledged, unanswered }) => {
                    let upto = send_chunks(&entry, next, acknowledged, &mut room, store, &mut messages)?;
                    let sent =
                        |upto: u32| Flight::Sending { next: upto, acknowledged, unanswered: unanswered + upto - next };
                    Some(upto.map_or(Flight::Preparing, sent))
                }
                other => other,
            };
            in_order &= matches!(next, Some(Flight::Submitted | Flight::Committing));
            if let Some(flight) = next {
                self.meter.note(entry.device_seq, arrived_bytes(flight), entry.total_bytes as u64);
                self.flights.insert(entry.device_seq, flight);
            }
        }
        Ok(messages)
    }

    /// How many bytes may still go ahead of their acknowledgement, whichever changesets they are of.
    fn room(&self, sealed: &[SealedEntry]) -> usize {
        let under_way = |entry: &SealedEntry| match self.flights.get(&entry.device_seq) {
            Some(Flight::Submitted) => entry.total_bytes,
            Some(Flight::Sending { unanswered, .. }) => *unanswered as usize * CHUNK_BYTES,
            _ => 0,
        };
        (CHUNKS_IN_FLIGHT * CHUNK_BYTES).saturating_sub(sealed.iter().map(under_way).sum())
    }

    /// The space has the chunks before `next_chunk`. Answers whether those are more than it was known to have.
    pub fn staged<S: ClientStore>(
        &mut self,
        device_seq: DeviceSeq,
        next_chunk: u32,
        store: &mut S,
    ) -> Result<bool, S::Error> {
        let Some(entry) = undecided(device_seq, store)? else { return Ok(false) };
        let count = chunk_count(&entry);
        let next_chunk = next_chunk.min(count);
        let (acknowledged, sent, unanswered) = match self.flights.get(&device_seq) {
            Some(Flight::Sending { next, acknowledged, unanswered }) => {
                (next_chunk.max(*acknowledged), next_chunk.max(*next), unanswered.saturating_sub(1))
            }
            _ => (next_chunk, next_chunk, 0),
        };
        // Each chunk has one answer, in order. Only when all are here it is known that one of them is missing, and not told of twice.
        let next = if unanswered == 0 { acknowledged } else { sent };
        let flight = Flight::Sending { next, acknowledged, unanswered };
        let progress =
            if acknowledged == count { Progress::Staged } else { Progress::Staging { next_chunk: acknowledged } };
        self.flights.insert(device_seq, flight);
        store.set_progress(device_seq, progress)?;
        Ok(chunks_staged(progress) > chunks_staged(entry.progress))
    }

    /// The space voted for a changeset.
    pub fn prepared<S: ClientStore>(&mut self, device_seq: DeviceSeq, store: &mut S) -> Result<(), S::Error> {
        if undecided(device_seq, store)?.is_none() {
            return Ok(());
        }
        self.flights.insert(device_seq, Flight::Prepared);
        store.set_progress(device_seq, Progress::Prepared)
    }
}

fn undecided<S: ClientStore>(device_seq: DeviceSeq, store: &mut S) -> Result<Option<SealedEntry>, S::Error> {
    let mut sealed = store.sealed()?.into_iter();
    Ok(sealed.find(|entry| entry.device_seq == device_seq && entry.receipt.is_none()))
}

/// How many chunks a changeset's progress says that the space has.
fn chunks_staged(progress: Progress) -> u32 {
    match progress {
        Progress::Sealed => 0,
        Progress::Staging { next_chunk } => next_chunk,
        Progress::Staged | Progress::Prepared | Progress::Committed => u32::MAX,
    }
}

/// `None` where it is as many as before: what the last chunks ask for is not answered yet.
fn arrived_bytes(flight: Flight) -> Option<u64> {
    match flight {
        Flight::Submitted | Flight::Asked | Flight::Voiding | Flight::Refused => Some(0),
        Flight::Sending { acknowledged, .. } => Some(u64::from(acknowledged) * CHUNK_BYTES as u64),
        Flight::Preparing => None,
        Flight::Prepared | Flight::Committing => Some(u64::MAX),
    }
}

fn chunk_count(entry: &SealedEntry) -> u32 {
    entry.total_bytes.div_ceil(CHUNK_BYTES) as u32
}

fn submit<S: ClientStore>(
    entry: &SealedEntry,
    applied_receipt: DeviceSeq,
    store: &mut S,
    messages: &mut Vec<ClientMessage>,
) -> Result<Flight, S::Error> {
    let bytes = store.sealed_bytes(entry.device_seq)?;
    messages.push(ClientMessage::Submit(Submit { device_seq: entry.device_seq, applied_receipt, bytes }));
    Ok(Flight::Submitted)
}

/// A changeset that some connection began to send is asked about; a fresh one is sent.
fn start(entry: &SealedEntry, messages: &mut Vec<ClientMessage>) -> Flight {
    if entry.progress == Progress::Sealed {
        return Flight::Sending { next: 0, acknowledged: 0, unanswered: 0 };
    }
    messages.push(ClientMessage::Resume { device_seq: entry.device_seq, hash: entry.hash });
    Flight::Asked
}

fn commit(entry: &SealedEntry, applied_receipt: DeviceSeq, messages: &mut Vec<ClientMessage>) -> Flight {
    let (device_seq, hash) = (entry.device_seq, entry.hash);
    messages.push(ClientMessage::Commit { device_seq, hash, applied_receipt });
    Flight::Committing
}

/// Sends chunks from `next` on as there is room for them; answers up to which. `None` where all have arrived and the vote is asked for.
fn send_chunks<S: ClientStore>(
    entry: &SealedEntry,
    next: u32,
    acknowledged: u32,
    room: &mut usize,
    store: &mut S,
    messages: &mut Vec<ClientMessage>,
) -> Result<Option<u32>, S::Error> {
    let count = chunk_count(entry);
    if acknowledged == count {
        messages.push(ClientMessage::Prepare { device_seq: entry.device_seq, hash: entry.hash });
        return Ok(None);
    }
    let window = count.min(next + (*room / CHUNK_BYTES) as u32);
    *room -= (window - next) as usize * CHUNK_BYTES;
    if next < window {
        let bytes = store.sealed_bytes(entry.device_seq)?;
        for (index, chunk) in bytes.chunks(CHUNK_BYTES).enumerate().take(window as usize).skip(next as usize) {
            messages.push(ClientMessage::Stage(chunk_message(entry, index as u32, count, chunk)));
        }
    }
    Ok(Some(window))
}

/// The last chunk asks for the vote, which saves a round trip.
fn chunk_message(entry: &SealedEntry, index: u32, count: u32, bytes: &[u8]) -> Chunk {
    Chunk {
        device_seq: entry.device_seq,
        hash: entry.hash,
        total_bytes: entry.total_bytes as u32,
        index,
        count,
        then: if index + 1 == count { Then::Prepare } else { Then::Wait },
        bytes: bytes.to_vec(),
    }
}
