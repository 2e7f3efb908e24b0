//! Commits and sealed changesets of other schema versions, read as if they were of this one.
//! It knows which catalogue is missing and what a space's version means for what a local migration did; how rows map is not its business.
//! Called by `apply`, `seal` and the session.

use super::overlay::Underlay;
use super::store::{ClientStore, DeviceState, ServerRow, StagedPart};
use crate::catalogue::Catalogue;
use crate::change::{Changeset, LoggedMutation, RowId};
use crate::codec::Codec;
use crate::commit::Commit;
use crate::conflict::QueueChange;
use crate::error::{Fault, Malformed};
use crate::ids::{DeviceSeq, SchemaVersion, TableId};
use crate::message::RangeItem;
use crate::sorted::SortedSet;
use crate::version_map::{Unknown, UnknownCells, VersionMap};
use alloc::{rc::Rc, vec::Vec};

/// The first schema version among these commits whose catalogue is not here. Nothing of a range is applied before it is.
pub fn first_unknown<S: ClientStore, C: Codec>(
    items: &[&RangeItem],
    store: &mut S,
    codec: &C,
) -> Result<Option<SchemaVersion>, Fault<S::Error>> {
    let mut known = store.catalogue().version;
    for item in items {
        let Some(bytes) = item.body.encoded() else { continue };
        let version = codec.schema_of(bytes).map_err(Fault::Peer)?;
        if version != known && find(version, store)?.is_none() {
            return Ok(Some(version));
        }
        known = version;
    }
    Ok(None)
}

fn find<S: ClientStore>(version: SchemaVersion, store: &mut S) -> Result<Option<Rc<Catalogue>>, S::Error> {
    let own = store.catalogue();
    if own.version == version { Ok(Some(own)) } else { store.catalogue_of(version) }
}

/// Whether commits of this version can be read here.
pub fn knows<S: ClientStore>(version: SchemaVersion, store: &mut S) -> Result<bool, S::Error> {
    Ok(find(version, store)?.is_some())
}

/// Whether rows of a version may have cells for which another has no place yet.
fn is_newer(version: SchemaVersion, own: SchemaVersion) -> bool {
    version != own && !own.is_later_than(version)
}

fn catalogue<S: ClientStore>(version: SchemaVersion, store: &mut S) -> Result<Rc<Catalogue>, Fault<S::Error>> {
    find(version, store)?.ok_or(Fault::Peer(Malformed { what: "a schema version that nobody told of" }))
}

/// Unpacks a commit. Cells for which this version has no place are kept aside.
pub fn open_commit<S: ClientStore, C: Codec>(
    bytes: &[u8],
    store: &mut S,
    codec: &C,
) -> Result<Commit, Fault<S::Error>> {
    let Read { commit, unknown, unsaid } = look_into(bytes, store, codec)?;
    if let Some(unknown) = unknown {
        store.keep_unknown(&unknown)?;
    }
    if !unsaid.is_empty() {
        store.let_follow(&unsaid)?;
    }
    Ok(commit)
}

/// Keeps aside what of staged commits this version has no place for, instead of everything that was kept before.
pub fn keep_of_staged<S: ClientStore, C: Codec>(store: &mut S, codec: &C) -> Result<(), Fault<S::Error>> {
    let own = store.catalogue().version;
    let mut after = 0;
    while let Some((id, part)) = store.staged_after(after)? {
        after = id;
        let (StagedPart::Page(bytes) | StagedPart::LastPage(bytes) | StagedPart::Commit(_, bytes)) = part;
        if is_newer(codec.schema_of(&bytes).map_err(Fault::Peer)?, own) {
            open_commit(&bytes, store, codec)?;
        }
    }
    Ok(())
}

/// An own changeset became what was sent: what a newer version had in rows that it deletes or makes anew is gone there as well.
pub fn forget_own<S: ClientStore>(number: DeviceSeq, device: &DeviceState, store: &mut S) -> Result<(), S::Error> {
    let own = store.catalogue();
    if !is_newer(device.space_schema, own.version) {
        return Ok(());
    }
    let mut gone = Vec::new();
    for change in store.sealed_log(Some(number))?.into_iter().flat_map(|transaction| transaction.changes) {
        if let (Some(table), false) =
            (own.table(change.row.table), matches!(change.mutation, LoggedMutation::Update(_)))
        {
            gone.push(Unknown { table: table.identity().into(), key: change.row.key, cells: UnknownCells::Delete });
        }
    }
    store.keep_unknown(&gone)
}

/// A commit as this version reads it.
pub struct Read {
    pub commit: Commit,
    /// The cells for which this version has no place, if it is the older one.
    pub unknown: Option<Vec<Unknown>>,
    /// Tables with foreign keys that its version does not have: what it deletes it takes from them without a word.
    pub unsaid: Vec<TableId>,
}

/// Unpacks a commit and changes nothing.
pub fn look_into<S: ClientStore, C: Codec>(bytes: &[u8], store: &mut S, codec: &C) -> Result<Read, Fault<S::Error>> {
    let version = codec.schema_of(bytes).map_err(Fault::Peer)?;
    let theirs = catalogue(version, store)?;
    let mut commit = codec.open_commit(bytes, &theirs).map_err(Fault::Peer)?;
    let own = store.catalogue();
    if version == own.version {
        return Ok(Read { commit, unknown: None, unsaid: Vec::new() });
    }
    let map = VersionMap::new(&theirs, &own);
    let unknown = || commit.outcomes.iter().filter_map(|outcome| map.unknown(outcome, &theirs)).collect();
    let unknown = is_newer(version, own.version).then(unknown);
    commit.outcomes = commit.outcomes.into_iter().filter_map(|outcome| map.outcome(outcome)).collect();
    commit.conflicts = commit.conflicts.into_iter().filter_map(|conflict| map.conflict(conflict)).collect();
    commit.queue = queue(commit.queue, &map, store)?;
    Ok(Read { commit, unknown, unsaid: unsaid(&own, &theirs) })
}

fn unsaid(own: &Catalogue, theirs: &Catalogue) -> Vec<TableId> {
    let refers = |id: &TableId| own.table(*id).is_some_and(|table| !table.references.is_empty());
    lacking(own, theirs).filter(refers).collect()
}

/// The tables of this version that another one does not have.
pub fn left_out<S: ClientStore>(version: SchemaVersion, store: &mut S) -> Result<SortedSet<TableId>, Fault<S::Error>> {
    let theirs = catalogue(version, store)?;
    Ok(lacking(&store.catalogue(), &theirs).collect())
}

fn lacking(own: &Catalogue, theirs: &Catalogue) -> impl Iterator<Item = TableId> {
    let tables = own.tables.iter().zip((0..).map(TableId));
    tables.filter(|(table, _)| theirs.table_of(table.identity()).is_none()).map(|(_, id)| id)
}

/// Sides are of a conflict that is here, or that the same commit opens.
fn queue<S: ClientStore>(
    theirs: Vec<QueueChange>,
    map: &VersionMap,
    store: &mut S,
) -> Result<Vec<QueueChange>, S::Error> {
    let mut own: Vec<QueueChange> = Vec::with_capacity(theirs.len());
    for change in theirs {
        let opened = own.iter().find_map(|earlier| match earlier {
            QueueChange::Opened(open) if open.id == change.id() => Some(open.row.table),
            _ => None,
        });
        let concerned = match (&change, opened) {
            (QueueChange::Sides { id, .. }, None) => store.open_conflict(*id)?.map(|open| open.row.table),
            _ => opened,
        };
        own.extend(map.queued(change, concerned));
    }
    Ok(own)
}

/// Unpacks a changeset that waits here, perhaps since before a migration.
pub fn open_sealed<S: ClientStore, C: Codec>(
    number: DeviceSeq,
    store: &mut S,
    codec: &C,
) -> Result<Changeset, Fault<S::Error>> {
    let bytes = store.sealed_bytes(number)?;
    let (changeset, theirs) = open_own(&bytes, number, store, codec)?;
    let own = store.catalogue();
    if theirs.version == own.version {
        return Ok(changeset);
    }
    Ok(VersionMap::new(&theirs, &own).changeset(changeset).0)
}

/// Unpacks an own changeset as it was sealed, with the catalogue that was this device's then.
pub fn open_own<S: ClientStore, C: Codec>(
    bytes: &[u8],
    number: DeviceSeq,
    store: &mut S,
    codec: &C,
) -> Result<(Changeset, Rc<Catalogue>), Fault<S::Error>> {
    let then = catalogue(codec.schema_of(bytes).map_err(Fault::Peer)?, store)?;
    Ok((codec.open(bytes, number, &then).map_err(Fault::Peer)?, then))
}

/// The space's rows at the cursor are of this schema version. Once that is no older than this device's, what migrations did here
/// ahead of the space gives way to what they did there.
pub fn space_is_at<S: ClientStore>(
    version: SchemaVersion,
    device: &mut DeviceState,
    store: &mut S,
) -> Result<(), S::Error> {
    if !is_newer(version, device.space_schema) {
        return Ok(());
    }
    let own = store.catalogue().version;
    let was_ahead = own.is_later_than(device.space_schema);
    device.space_schema = version;
    store.set_device(device)?;
    if was_ahead && !own.is_later_than(version) { give_way(store) } else { Ok(()) }
}

fn give_way<S: ClientStore>(store: &mut S) -> Result<(), S::Error> {
    let kept = store.kept_rows()?;
    if kept.is_empty() {
        return Ok(());
    }
    Underlay::lift(&kept, store)?.settle(store)
}

/// Whether something else than a pending change hides the server's version of a row: a migration ahead of the space.
pub fn is_hidden<S: ClientStore>(row: &RowId, store: &mut S) -> Result<bool, S::Error> {
    Ok(matches!(store.server_row(row)?, ServerRow::Kept(_)))
}
