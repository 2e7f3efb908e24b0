//! Pages of a snapshot: key ranges, each read in one event at whatever the head then is.
//! The space keeps nothing of a snapshot: a token says where it stands. What a device makes of the pages is the device's.
//! Called by the session.

use super::session::mentioned;
use super::store::{Scan, ServerStore};
use crate::change::RowId;
use crate::clock::Stamp;
use crate::codec::Codec;
use crate::commit::{Commit, Effect, Outcome};
use crate::conflict::{ConflictId, QueueChange};
use crate::ids::{AuthorId, Cursor, DeviceSeq, Millis, Seq, View};
use crate::limits::{CLOCK_AHEAD_MS, PAGE_BYTES, SNAPSHOT_FROM_COMMITS, SNAPSHOT_PAGE_ROWS, SNAPSHOT_TOKEN_MS};
use crate::message::{Page, Token};
use alloc::vec::Vec;

/// Whether a snapshot is the shorter way from a cursor to the head, or the only one.
pub(super) fn is_due<S: ServerStore>(cursor: &Cursor, store: &mut S) -> Result<bool, S::Error> {
    let behind = store.head()?.seq.0.saturating_sub(cursor.seq.0);
    Ok(cursor.seq < store.floor()?.seq || behind > SNAPSHOT_FROM_COMMITS)
}

/// The page that comes after a token; the first one where there is none, or where it is of no use any more.
pub(super) fn page<S: ServerStore, C: Codec>(
    token: Option<Token>,
    max_bytes: u32,
    now: Millis,
    store: &mut S,
    codec: &C,
) -> Result<Page, S::Error> {
    let (token, first) = match token {
        Some(token) if is_usable(&token, now, store)? => (token, false),
        _ => (begin(now, store)?, true),
    };
    let (token, outcomes, last) = read(token, max_bytes as usize, store)?;
    let queue = if last { open_conflicts(store)? } else { Vec::new() };
    let commit = Commit {
        author: AuthorId(0),
        device_seq: DeviceSeq(0),
        schema: token.schema,
        stamp: newest(now, store)?,
        outcomes,
        authors: mentioned(&[], &queue, store)?,
        conflicts: Vec::new(),
        queue,
    };
    let bytes = codec.seal_commit(&commit, &store.catalogue());
    Ok(Page { token, head: store.head()?.seq, first, last, bytes })
}

/// No row of the page has a later stamp. Those of a commit were at most so far ahead when it was decided; where that is long ago, what is
/// said here takes a device's clock no further than the time.
fn newest<S: ServerStore>(now: Millis, store: &mut S) -> Result<Stamp, S::Error> {
    let before = Seq(store.head()?.seq.0.saturating_sub(1));
    let decided_at = store.commits(before, 1, 1)?.first().map_or(0, |commit| commit.decided_at.0);
    Ok(Stamp::at(Millis(now.0.max(decided_at + CLOCK_AHEAD_MS))))
}

/// Everything that waits for a person goes with the last page.
fn open_conflicts<S: ServerStore>(store: &mut S) -> Result<Vec<QueueChange>, S::Error> {
    let mut opened = Vec::new();
    let mut after = ConflictId::default();
    loop {
        let entries = store.open_conflicts_after(after, OPEN_CONFLICTS)?;
        let Some(last) = entries.last() else { return Ok(opened) };
        after = last.open.id;
        opened.extend(entries.into_iter().map(|entry| QueueChange::Opened(entry.open)));
    }
}

/// Conflicts read at once.
const OPEN_CONFLICTS: usize = 1_000;

/// A token is good for a while, during which the commits above its beginning are kept.
fn is_usable<S: ServerStore>(token: &Token, now: Millis, store: &mut S) -> Result<bool, S::Error> {
    let young = now.0.saturating_sub(token.begun.0) <= SNAPSHOT_TOKEN_MS;
    let same = token.view == View::default() && token.schema == store.catalogue().version;
    let known = store.chain_at(token.begun_at)?.is_some_and(|chain| chain.truncated() == token.chain);
    Ok(young && same && known && token.begun_at >= store.floor()?.seq)
}

fn begin<S: ServerStore>(now: Millis, store: &mut S) -> Result<Token, S::Error> {
    let head = store.head()?;
    let (chain, schema) = (head.chain.truncated(), store.catalogue().version);
    Ok(Token { begun_at: head.seq, chain, schema, begun: now, ..Token::default() })
}

/// Reads on from a token until the page is full or the last table ends.
fn read<S: ServerStore>(
    mut token: Token,
    max_bytes: usize,
    store: &mut S,
) -> Result<(Token, Vec<Outcome>, bool), S::Error> {
    let catalogue = store.catalogue();
    let mut outcomes = Vec::new();
    let mut bytes_left = max_bytes.clamp(1, PAGE_BYTES);
    while catalogue.table(token.table).is_some() {
        let rows_left = SNAPSHOT_PAGE_ROWS - outcomes.len();
        let Scan { rows, more } = store.scan(token.table, token.after.as_ref(), rows_left, bytes_left)?;
        if let Some((key, _)) = rows.last() {
            token.after = Some(key.clone());
        }
        for (key, values) in rows {
            let size: usize = key.0.iter().chain(&values).map(|value| value.size()).sum();
            bytes_left = bytes_left.saturating_sub(size);
            outcomes.push(Outcome { row: RowId { table: token.table, key }, effect: Effect::Put(values) });
        }
        if !more {
            token.table.0 += 1;
            token.after = None;
        }
        if bytes_left == 0 || outcomes.len() >= SNAPSHOT_PAGE_ROWS {
            break;
        }
    }
    let last = catalogue.table(token.table).is_none();
    Ok((token, outcomes, last))
}
