//! Chunks on their way in, and the vote on the whole: everything about a changeset that does not depend on other devices.
//! Staged data is invisible; nothing here merges. Called by the session before it decides.

use super::answer::refusal;
use super::decide::{Asked, Verdict};
use super::folded;
use super::former;
use super::session::{ServerOutput, refuse, replies};
use super::store::{Author, ServerStore, Staging};
use crate::catalogue::Catalogue;
use crate::change::{Changeset, Mutation, Transaction};
use crate::codec::Codec;
use crate::conflict::Conflict;
use crate::error::{Refusal, RefusalCode};
use crate::ids::{AuthorId, DeviceSeq, Hash, Millis, SchemaVersion};
use crate::limits;
use crate::message::{Chunk, ServerMessage};
use crate::version_map::VersionMap;
use alloc::{collections::BTreeSet, vec, vec::Vec};

/// What became of a chunk.
pub(super) enum Stored {
    /// Not stored; this is the answer.
    Answered(Vec<ServerOutput>),
    /// Stored, and the whole is there.
    Complete,
    /// Stored, and more must come.
    Incomplete,
}

/// The answer to a number that is decided, or to other bytes under a number: the same on every path.
pub(super) fn known<S: ServerStore>(
    author: &Author,
    device_seq: DeviceSeq,
    hash: Hash,
    store: &mut S,
) -> Result<Option<Vec<ServerOutput>>, S::Error> {
    if let Some(decided) = store.decided(author.id, device_seq)? {
        let same = decided.hash == hash;
        let receipt = || replies(vec![ServerMessage::Receipt(decided.receipt)]);
        return Ok(Some(if same { receipt() } else { other_bytes(device_seq) }));
    }
    let staged = store.staging(author.id, device_seq)?;
    Ok(staged.filter(|staging| staging.hash != hash).map(|_| other_bytes(device_seq)))
}

fn other_bytes(device_seq: DeviceSeq) -> Vec<ServerOutput> {
    refuse(RefusalCode::HashMismatch, Some(device_seq), "other bytes are known under this number")
}

/// Stores a chunk that fits its announcement.
pub(super) fn store_chunk<S: ServerStore>(
    chunk: &Chunk,
    author: &Author,
    now: Millis,
    store: &mut S,
) -> Result<Stored, S::Error> {
    if let Some(outputs) = known(author, chunk.device_seq, chunk.hash, store)? {
        return Ok(Stored::Answered(outputs));
    }
    let staged = store.staging(author.id, chunk.device_seq)?;
    if let Err((code, detail)) = check_chunk(chunk, author, staged.as_ref()) {
        return Ok(Stored::Answered(refuse(code, Some(chunk.device_seq), detail)));
    }
    if staged.is_none() && !has_room(chunk, author, store)? {
        let detail = "more than a device may stage ahead of the number that is due";
        return Ok(Stored::Answered(refuse(RefusalCode::TooLarge, Some(chunk.device_seq), detail)));
    }
    store.put_chunk(author.id, chunk, now)?;
    let staging = store.staging(author.id, chunk.device_seq)?;
    let complete = staging.is_some_and(|staging| staging.next_chunk == staging.count);
    Ok(if complete { Stored::Complete } else { Stored::Incomplete })
}

/// Whether a changeset may begin to be staged: its announced length counts from its first chunk on.
fn has_room<S: ServerStore>(chunk: &Chunk, author: &Author, store: &mut S) -> Result<bool, S::Error> {
    let staged = if chunk.device_seq == author.expected { 0 } else { store.bytes_staged(author.id)? };
    Ok(staged + u64::from(chunk.total_bytes) <= limits::STAGED_BYTES)
}

fn check_chunk(chunk: &Chunk, author: &Author, staged: Option<&Staging>) -> Result<(), (RefusalCode, &'static str)> {
    let total = chunk.total_bytes as usize;
    if total > limits::CHANGESET_BYTES {
        return Err((RefusalCode::TooLarge, "larger than a changeset may be"));
    }
    let ahead = chunk.device_seq.0.saturating_sub(author.expected.0);
    if ahead > limits::SEALED_AHEAD as u64 || chunk.device_seq < author.expected {
        return Err((RefusalCode::TooLarge, "too far from the number that is due"));
    }
    let count = total.div_ceil(limits::CHUNK_BYTES);
    let from = chunk.index as usize * limits::CHUNK_BYTES;
    let length = limits::CHUNK_BYTES.min(total.saturating_sub(from));
    if chunk.count as usize != count || chunk.index >= chunk.count || chunk.bytes.len() != length {
        return Err((RefusalCode::Malformed, "a chunk that does not fit its changeset"));
    }
    if staged.is_some_and(|staging| staging.total_bytes != chunk.total_bytes) {
        return Err((RefusalCode::Malformed, "a chunk of another length than the first"));
    }
    Ok(())
}

/// Which chunk is missing first.
pub(super) fn resume<S: ServerStore>(
    author: &Author,
    device_seq: DeviceSeq,
    hash: Hash,
    store: &mut S,
) -> Result<Vec<ServerOutput>, S::Error> {
    if let Some(outputs) = known(author, device_seq, hash, store)? {
        return Ok(outputs);
    }
    let next_chunk = store.staging(author.id, device_seq)?.map_or(0, |staging| staging.next_chunk);
    Ok(replies(vec![ServerMessage::Staged { device_seq, next_chunk }]))
}

/// The vote: the whole is there, is what was announced, and can be decoded under the space's schema.
pub(super) fn prepare<S: ServerStore, C: Codec>(
    author: &Author,
    device_seq: DeviceSeq,
    hash: Hash,
    store: &mut S,
    codec: &C,
) -> Result<Vec<ServerOutput>, S::Error> {
    if let Some(outputs) = known(author, device_seq, hash, store)? {
        return Ok(outputs);
    }
    let staging = store.staging(author.id, device_seq)?;
    let Some(staging) = staging.filter(|staging| staging.next_chunk == staging.count) else {
        return resume(author, device_seq, hash, store);
    };
    if !staging.prepared {
        let bytes = store.staged_bytes(author.id, device_seq)?;
        if let Err(refusal) = vote(&bytes, device_seq, hash, store, codec)? {
            store.drop_stage(author.id, device_seq)?;
            return Ok(replies(vec![ServerMessage::Refused(refusal)]));
        }
        store.set_prepared(author.id, device_seq)?;
    }
    Ok(replies(vec![ServerMessage::Prepared { device_seq }]))
}

fn vote<S: ServerStore, C: Codec>(
    bytes: &[u8],
    device_seq: DeviceSeq,
    hash: Hash,
    store: &mut S,
    codec: &C,
) -> Result<Result<(), Refusal>, S::Error> {
    if codec.hash(bytes) != hash {
        let detail = "the chunks do not add up to what was announced";
        return Ok(Err(refusal(RefusalCode::Malformed, Some(device_seq), detail)));
    }
    Ok(open(bytes, device_seq, store, codec)?.map(|_| ()))
}

/// A changeset as the space's present schema sees it.
pub(super) struct Opened {
    pub(super) changeset: Changeset,
    /// The schema version of the bytes.
    pub(super) sealed_under: SchemaVersion,
    /// What was written to columns that the present schema does not have.
    pub(super) ignored: Vec<Conflict>,
    /// Places of transactions that write to a table which is there and not kept in step at present.
    pub(super) unkept: BTreeSet<u32>,
}

impl Opened {
    /// What is to be decided of it.
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked { changeset: &self.changeset, sealed_under: self.sealed_under, unkept: &self.unkept }
    }
}

/// Unpacks a changeset and checks it against schema and limits: what must hold before anything is decided.
/// One that was sealed under an earlier schema is read by that, and carried over.
pub(super) fn open<S: ServerStore, C: Codec>(
    bytes: &[u8],
    device_seq: DeviceSeq,
    store: &mut S,
    codec: &C,
) -> Result<Result<Opened, Refusal>, S::Error> {
    let current = store.catalogue();
    let sealed_under = match codec.schema_of(bytes) {
        Ok(version) => version,
        Err(malformed) => return Ok(Err(refusal(RefusalCode::Malformed, Some(device_seq), malformed.what))),
    };
    let theirs = match sealed_under == current.version {
        true => Some(current.clone()),
        false => store.catalogue_of(sealed_under)?,
    };
    let Some(theirs) = theirs else { return Ok(Err(unknown_version(sealed_under, device_seq, &current))) };
    if theirs.version == current.version {
        let unpacked = unpack(bytes, device_seq, &theirs, codec);
        let (ignored, unkept) = (Vec::new(), BTreeSet::new());
        return Ok(unpacked.map(|changeset| Opened { changeset, sealed_under, ignored, unkept }));
    }
    let tables = former::unkept(&theirs, &current, store)?;
    Ok(unpack(bytes, device_seq, &theirs, codec).map(|changeset| {
        let unkept = |(transaction, _): &(&Transaction, u32)| former::writes_to(&tables, &transaction.changes);
        let unkept = changeset.transactions.iter().zip(0..).filter(unkept).map(|(_, place)| place).collect();
        let (changeset, ignored) = VersionMap::new(&theirs, &current).changeset(changeset);
        Opened { changeset, sealed_under, ignored, unkept }
    }))
}

/// Nobody misses values of columns that are gone, but they are not lost silently.
pub(super) fn record_ignored(ignored: Vec<Conflict>, changeset: &Changeset, author: AuthorId, verdict: &mut Verdict) {
    if ignored.is_empty() || verdict.rejected.len() == changeset.transactions.len() {
        return;
    }
    verdict.as_sent = false;
    verdict.conflicts.extend(ignored.into_iter().map(|mut conflict| {
        (conflict.challenger.author, conflict.challenger.device_seq) = (author, changeset.device_seq);
        conflict
    }));
}

fn unknown_version(version: SchemaVersion, device_seq: DeviceSeq, current: &Catalogue) -> Refusal {
    let (code, detail) = match version.is_later_than(current.version) {
        true => (RefusalCode::WaitingForServer, "made under a schema version that the space does not have yet"),
        false => (RefusalCode::SchemaMismatch, "made under a schema version that the space never had"),
    };
    refusal(code, Some(device_seq), detail)
}

fn unpack<C: Codec>(
    bytes: &[u8],
    device_seq: DeviceSeq,
    catalogue: &Catalogue,
    codec: &C,
) -> Result<Changeset, Refusal> {
    let malformed = |what: &str| refusal(RefusalCode::Malformed, Some(device_seq), what);
    let changeset = codec.open(bytes, device_seq, catalogue).map_err(|malformation| malformed(malformation.what))?;
    let rows: usize = changeset.transactions.iter().map(|transaction| transaction.changes.len()).sum();
    if rows > limits::CHANGESET_ROWS {
        return Err(refusal(RefusalCode::TooLarge, Some(device_seq), "more rows than a changeset may have"));
    }
    if !folded::is_bounded(&changeset) {
        return Err(refusal(
            RefusalCode::TooLarge,
            Some(device_seq),
            "stands for more transactions than a changeset may",
        ));
    }
    if !fits(&changeset, catalogue) {
        return Err(malformed("a change that does not fit its table"));
    }
    Ok(changeset)
}

fn fits(changeset: &Changeset, catalogue: &Catalogue) -> bool {
    let mut changes = changeset.transactions.iter().flat_map(|transaction| &transaction.changes);
    changes.all(|change| {
        catalogue.table(change.row.table).is_some_and(|table| {
            let values = match &change.mutation {
                Mutation::Insert(values) => values.len() == table.fields().count(),
                Mutation::Update(fields) => fields.iter().all(|field| table.field_position(field.column).is_some()),
                Mutation::Delete => true,
            };
            values && change.row.key.0.len() == table.key.len()
        })
    })
}
