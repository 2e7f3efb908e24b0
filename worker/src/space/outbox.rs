//! The next step of the outbox: which commits it covers, and what D1 is told.
//! It does not deliver. The TypeScript alarm runs the batch and acknowledges it, however often it takes.

use super::opening::SpaceObject;
use crate::failure::Failure;
use crate::limits;
use crate::messages::device_text;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::Commit;
use ebbtide_core::ids::{Millis, Seq};
use ebbtide_core::server::retention::{self, Pruned};
use ebbtide_protocol::{WireCodec, peek_commit};
use ebbtide_store::server::history::{self, Entry, Origin, Place, Rewind, Statement};
use ebbtide_store::server::{OutboxCommit, OutboxPosition, Reader, SpaceStore};
use ebbtide_store::sql::{Sql, SqlError};

/// A step: one batch for D1.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Up to where everything is delivered after it.
    pub upto: OutboxPosition,
    /// The batch, to be run in one transaction.
    pub statements: Vec<Statement>,
    /// Asks where D1 is, should it not be where the batch begins.
    pub find_place: Statement,
}

/// What D1 has that is of another history than the space's.
#[derive(Debug, Clone, PartialEq)]
pub struct Elsewhere {
    /// Commits after this one are written anew.
    pub from: Seq,
    /// How to be rid of what D1 has there.
    pub rewind: Rewind,
}

impl<S: Sql + Clone> SpaceObject<S> {
    /// The next step, or nothing if everything is delivered.
    pub fn next_step(&mut self, now: Millis) -> Result<Option<Step>, Failure> {
        let name = self.name()?.to_owned();
        self.event(|store| {
            let from = store.outbox_position(Reader::History)?;
            let (upto, entries) = collect(from, store)?;
            if upto == from {
                return Ok(None);
            }
            let statements = history::batch(&name, &store.place_of(from)?, &store.place_of(upto)?, &entries, now);
            Ok(Some(Step { upto, statements, find_place: history::find_place(&name) }))
        })
    }

    /// D1 was found elsewhere than where it was left. The next step begins there, where that is in the space's history.
    /// Where it is not, one of the two was set back, and the answer has to be carried out first.
    pub fn resume_history(&mut self, found: &Place) -> Result<Option<Elsewhere>, Failure> {
        let name = self.name()?.to_owned();
        self.event(|store| {
            let resumed = store.resume_history(found)?;
            Ok(resumed.map(|to| Elsewhere { from: to.position.seq, rewind: history::rewind(&name, found, &to) }))
        })
    }

    /// A reader has everything up to here.
    pub fn acknowledge(&mut self, reader: Reader, seq: Seq, part: u64) -> Result<(), Failure> {
        self.event(|store| Ok(store.acknowledge(reader, OutboxPosition { seq, part })?))
    }

    /// Whether there is something to deliver to one of the readers.
    pub fn has_undelivered(&mut self, readers: &[Reader]) -> Result<bool, Failure> {
        self.event(|store| {
            let Some(position) = slowest(readers, store)? else { return Ok(false) };
            Ok(store.next_undelivered(position)?.is_some())
        })
    }

    /// Drops uploads that were abandoned and a batch of history that nobody needs; answers whether there is more of it.
    /// Only what has arrived at all these readers is dropped.
    pub fn prune(&mut self, readers: &[Reader], now: Millis) -> Result<bool, Failure> {
        let before = Millis(now.0.saturating_sub(ebbtide_core::limits::STAGE_TTL_MS));
        self.event(|store| {
            store.expire_stages(before)?;
            let delivered = slowest(readers, store)?.map(|position| position.seq);
            Ok(retention::prune(delivered, now, store, &WireCodec)? == Pruned::More)
        })
    }

    /// Whether there are uploads that are dropped some day, should nobody go on with them.
    pub fn has_staged(&mut self) -> Result<bool, Failure> {
        self.event(|store| Ok(store.has_stages()?))
    }
}

fn slowest<S: Sql + Clone>(readers: &[Reader], store: &mut SpaceStore<S>) -> Result<Option<OutboxPosition>, SqlError> {
    let positions: Result<Vec<_>, _> = readers.iter().map(|reader| store.outbox_position(*reader)).collect();
    Ok(positions?.into_iter().min())
}

/// Whole commits as long as they fit; of one that does not fit alone, as many outcomes as do.
fn collect<S: Sql + Clone>(
    from: OutboxPosition,
    store: &mut SpaceStore<S>,
) -> Result<(OutboxPosition, Vec<Entry>), Failure> {
    let (mut at, mut entries, mut bytes) = (from, Vec::new(), 0);
    for _ in 0..limits::STEP_COMMITS {
        let Some(next) = store.next_undelivered(at)? else { break };
        let (catalogue, commit) = open(&next, store)?;
        let device = device_text(next.author.incarnation);
        let origin = Origin { user: &next.author.user, device: &device, stamp: commit.stamp };
        let mut delivered = (at.part as usize).min(commit.outcomes.len());
        let mut operation = history::operations(&commit.outcomes[..delivered]);
        for outcome in &commit.outcomes[delivered..] {
            if bytes > limits::STEP_BYTES {
                break;
            }
            let more = history::entries(&next.sealed, &origin, &catalogue, outcome, operation);
            operation += more.len();
            bytes += more.iter().map(Entry::size).sum::<usize>();
            entries.extend(more);
            delivered += 1;
        }
        if delivered < commit.outcomes.len() {
            at.part = delivered as u64;
            break;
        }
        at = OutboxPosition { seq: next.sealed.seq, part: 0 };
    }
    Ok((at, entries))
}

/// A commit is read with the catalogue of its own schema version.
pub(super) fn open<S: Sql + Clone>(
    next: &OutboxCommit,
    store: &mut SpaceStore<S>,
) -> Result<(Catalogue, Commit), Failure> {
    let damaged = |what: &str| Failure::internal(format!("commit {}: {what}", next.sealed.seq.0));
    let peeked = peek_commit(&next.sealed.bytes).map_err(|malformed| damaged(malformed.what))?;
    let catalogue =
        store.catalogue_at(peeked.schema)?.ok_or_else(|| damaged("made under an unknown schema version"))?;
    let commit = WireCodec.open_commit(&next.sealed.bytes, &catalogue).map_err(|malformed| damaged(malformed.what))?;
    Ok((catalogue, commit))
}
