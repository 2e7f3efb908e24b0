//! How long a space keeps its history: until every live device has it, or until it is old.
//! It goes in bounded batches, so that an alarm can do some and come back. Rows of the app are never touched.
//! Called by the adapter's alarm; the session notes devices' cursors, now and then and when they leave.

use super::store::{Author, Head, ServerStore};
use crate::catalogue::Catalogue;
use crate::change::RowId;
use crate::codec::Codec;
use crate::commit::{Effect, SealedCommit};
use crate::ids::{Millis, Seq};
use crate::limits::{
    CURSOR_EVERY_COMMITS, CURSOR_EVERY_MS, PRUNE_BYTES, PRUNE_COMMITS, RETENTION_MS, SNAPSHOT_TOKEN_MS,
};
use alloc::vec::Vec;

/// What a batch left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// Nothing can be pruned now.
    Done,
    /// There is more to prune at once.
    More,
}

/// Prunes one batch of commits. `delivered` is up to where the change history elsewhere has them, if it is kept at all.
pub fn prune<S: ServerStore, C: Codec>(
    delivered: Option<Seq>,
    now: Millis,
    store: &mut S,
    codec: &C,
) -> Result<Pruned, S::Error> {
    let floor = store.floor()?.seq;
    let head = store.head()?.seq;
    let live = store.slowest_cursor(before(now, RETENTION_MS))?.unwrap_or(head);
    let goes = |commit: &SealedCommit| {
        let unwanted = commit.seq <= live || commit.decided_at < before(now, RETENTION_MS);
        // The newest one stays, and what a snapshot on its way to some device may still ask for.
        let free = commit.seq < head && commit.decided_at < before(now, SNAPSHOT_TOKEN_MS);
        unwanted && free && delivered.is_none_or(|delivered| commit.seq <= delivered)
    };
    let batch = store.commits(floor, PRUNE_BYTES, PRUNE_COMMITS)?;
    let count = batch.len();
    let going: Vec<SealedCommit> = batch.into_iter().take_while(goes).collect();
    let Some(last) = going.last().map(|commit| commit.seq) else { return Ok(Pruned::Done) };
    let chain = store.chain_at(last)?.unwrap_or_default();
    let tombstones = tombstones(&going, last, store, codec)?;
    store.prune(Head { seq: last, chain }, &tombstones)?;
    // The newest commit never goes: where all of a batch went, it ended at a bound.
    Ok(if going.len() == count { Pruned::More } else { Pruned::Done })
}

fn before(now: Millis, ms: u64) -> Millis {
    Millis(now.0.saturating_sub(ms))
}

/// Rows that these commits deleted and nobody brought back since: below the floor nobody needs to know them.
fn tombstones<S: ServerStore, C: Codec>(
    going: &[SealedCommit],
    floor: Seq,
    store: &mut S,
    codec: &C,
) -> Result<Vec<RowId>, S::Error> {
    let now = store.catalogue();
    let mut rows = Vec::new();
    for commit in going {
        let Ok(version) = codec.schema_of(&commit.bytes) else { continue };
        let Some(then) = store.catalogue_of(version)? else { continue };
        let Ok(opened) = codec.open_commit(&commit.bytes, &then) else { continue };
        let deleted = opened.outcomes.into_iter().filter(|outcome| outcome.effect == Effect::Delete);
        rows.extend(deleted.filter_map(|outcome| translated(outcome.row, &then, &now)));
    }
    rows.sort();
    rows.dedup();
    let states = store.load(&rows)?;
    let stale = rows.into_iter().zip(states).filter(|(_, state)| {
        let deleted = state.marks.as_ref().and_then(|marks| marks.deleted);
        state.values.is_none() && deleted.is_some_and(|mark| mark.seq <= floor)
    });
    Ok(stale.map(|(row, _)| row).collect())
}

/// The same row under the present schema; `None` where its table is gone or has another key.
fn translated(row: RowId, then: &Catalogue, now: &Catalogue) -> Option<RowId> {
    let old = then.table(row.table)?;
    let table = now.table_of(old.identity())?;
    (now.table(table)?.key.len() == old.key.len()).then_some(RowId { table, key: row.key })
}

/// Notes where a device is, now and then: a cursor that is too low only keeps history longer.
pub(super) fn note_cursor<S: ServerStore>(
    cursor: Seq,
    author: &mut Author,
    now: Millis,
    store: &mut S,
) -> Result<(), S::Error> {
    let moved = cursor.0.abs_diff(author.cursor.0);
    let silent_ms = now.0.saturating_sub(author.seen_at.0);
    match moved < CURSOR_EVERY_COMMITS && silent_ms < CURSOR_EVERY_MS {
        true => Ok(()),
        false => write_cursor(cursor, author, now, store),
    }
}

/// Writes down where a device is that leaves. Another connection of it may have come further, and been noted, meanwhile.
pub(super) fn keep_cursor<S: ServerStore>(
    cursor: Seq,
    author: &mut Author,
    now: Millis,
    store: &mut S,
) -> Result<(), S::Error> {
    if cursor <= author.cursor { Ok(()) } else { write_cursor(cursor, author, now, store) }
}

/// A device may say anything; it has nothing that is not there.
fn write_cursor<S: ServerStore>(cursor: Seq, author: &mut Author, now: Millis, store: &mut S) -> Result<(), S::Error> {
    author.cursor = cursor.min(store.head()?.seq);
    author.seen_at = now;
    store.save_author(author)
}
