//! The device's own record: incarnation, cursor, numbers, clock.
//! It reads and writes one row; what the numbers mean is the client session's business.
//! Used when the database opens and by the client store.

use super::log::damaged;
use ebbtide_core::client::SpaceName;
use ebbtide_core::client::store::DeviceState;
use ebbtide_core::clock::{Clock, Stamp};
use ebbtide_core::ids::{AuthorId, ChainHash, Cursor, DeviceSeq, Hash, Incarnation, Millis, SchemaVersion, Seq, View};
use rusqlite::{Connection, OptionalExtension, Row, params};

const SELECT: &str = "SELECT incarnation, previous, author, seq, chain, view, next_device_seq, decided_device_seq,
    decided_hash, applied_receipt, recovering, trail, rebuild,
    max(clock, ifnull((SELECT stamp FROM _ebb_log ORDER BY id DESC LIMIT 1), 0)), space_schema,
    heard_at, told_at, space, left_out FROM _ebb_device WHERE id = 1";

const REPLACE: &str = "INSERT OR REPLACE INTO _ebb_device (id, incarnation, previous, author, seq, chain, view,
    next_device_seq, decided_device_seq, decided_hash, applied_receipt, recovering, trail, rebuild, clock, space_schema,
    heard_at, told_at, space, left_out) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Reads the record; mints one with this incarnation if there is none.
pub(super) fn load(connection: &Connection, seed: [u8; 16]) -> rusqlite::Result<(DeviceState, Clock)> {
    if let Some(found) = read(connection)? {
        return Ok(found);
    }
    let minted =
        DeviceState { incarnation: Incarnation(seed), next_device_seq: DeviceSeq(1), ..DeviceState::default() };
    write(connection, &minted, Clock::default())?;
    Ok((minted, Clock::default()))
}

/// Reads the record; the clock is the newest reading on disk.
pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Option<(DeviceState, Clock)>> {
    connection.prepare_cached(SELECT)?.query_row([], state).optional()
}

fn state(row: &Row<'_>) -> rusqlite::Result<(DeviceState, Clock)> {
    let number = |at: usize| row.get::<_, i64>(at).map(|number| number as u64);
    let decided: Option<i64> = row.get(7)?;
    let hash: Option<[u8; 32]> = row.get(8)?;
    let state = DeviceState {
        incarnation: Incarnation(row.get(0)?),
        previous: row.get::<_, Option<[u8; 16]>>(1)?.map(Incarnation),
        author: row.get::<_, Option<u32>>(2)?.map(AuthorId),
        cursor: Cursor { seq: Seq(number(3)?), chain: ChainHash(row.get(4)?), view: View(row.get(5)?) },
        next_device_seq: DeviceSeq(number(6)?),
        last_decided: decided.zip(hash).map(|(number, hash)| (DeviceSeq(number as u64), Hash(hash))),
        applied_receipt: DeviceSeq(number(9)?),
        recovering: row.get(10)?,
        trail: postcard::from_bytes(row.get_ref(11)?.as_blob()?).map_err(damaged)?,
        rebuild: match row.get_ref(12)?.as_blob_or_null()? {
            Some(bytes) => Some(postcard::from_bytes(bytes).map_err(damaged)?),
            None => None,
        },
        space_schema: SchemaVersion(row.get::<_, i64>(14)? as u64),
        heard_at: Millis(number(15)?),
        told_at: Millis(number(16)?),
        space: row.get::<_, Option<String>>(17)?.map(SpaceName),
        left_out: row.get::<_, Option<i64>>(18)?.map(|version| SchemaVersion(version as u64)),
    };
    Ok((state, Clock::resume(Stamp(number(13)?))))
}

/// Writes the record.
pub(crate) fn write(connection: &Connection, state: &DeviceState, clock: Clock) -> rusqlite::Result<()> {
    connection.prepare_cached(REPLACE)?.execute(params![
        &state.incarnation.0[..],
        state.previous.as_ref().map(|previous| &previous.0[..]),
        state.author.map(|author| author.0),
        state.cursor.seq.0 as i64,
        &state.cursor.chain.0[..],
        &state.cursor.view.0[..],
        state.next_device_seq.0 as i64,
        state.last_decided.map(|(number, _)| number.0 as i64),
        state.last_decided.as_ref().map(|(_, hash)| &hash.0[..]),
        state.applied_receipt.0 as i64,
        state.recovering,
        postcard::to_allocvec(&state.trail).map_err(damaged)?,
        state.rebuild.map(|rebuild| postcard::to_allocvec(&rebuild).map_err(damaged)).transpose()?,
        clock.last().0 as i64,
        state.space_schema.0 as i64,
        state.heard_at.0 as i64,
        state.told_at.0 as i64,
        state.space.as_ref().map(|space| &space.0),
        state.left_out.map(|version| version.0 as i64),
    ])?;
    Ok(())
}
