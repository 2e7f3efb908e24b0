//! The log of local transactions: writing one at COMMIT, reading waiting ones back.
//! It knows how transactions are packed into rows, not what becomes of them.
//! Used by the local database and by the client store.

use super::error::{DbError, DbErrorCode};
use crate::capture::{Fault, Taken};
use crate::sql::SqlError;
use crate::sqlite::sql_error;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{Base, LoggedChange, LoggedTransaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::conflict::{ConflictId, Resolution};
use ebbtide_core::ids::{ColumnId, DeviceSeq, Incarnation, LogId, Opening, SchemaVersion, Seq};
use ebbtide_core::limits::{ROW_BYTES, TRANSACTION_BYTES, TRANSACTION_ROWS};
use rusqlite::{Connection, Row, params};

const INSERT: &str = "INSERT INTO _ebb_log (stamp, opening, seq, device_seq, schema, changes, local, ahead)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
const INSERT_RESOLUTION: &str = "INSERT INTO _ebb_resolution (log, seq, idx, seen, side) VALUES (?, ?, ?, ?, ?)";
const RESOLUTIONS: &str = "SELECT seq, idx, seen, side FROM _ebb_resolution WHERE log = ? ORDER BY seq, idx";
const INSERT_PART: &str = "INSERT INTO _ebb_log_part (log, part, changes) VALUES (?, ?, ?)";

/// What a transaction has to do with the space when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// The database and its table are kept in step.
    InStep,
    /// They are not yet: the app says later what becomes of it.
    Apart,
    /// A migration made it, ahead of the space, of rows that are on their way there.
    Ahead,
}

/// What a transaction is noted with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub opening: Opening,
    pub stamp: Stamp,
    pub base: Base,
    pub schema: SchemaVersion,
    pub made: Made,
}

/// Writes one transaction; belongs to that transaction.
pub(crate) fn append(connection: &Connection, taken: &Taken, head: Head) -> rusqlite::Result<LogId> {
    let Head { opening, stamp, base, schema, made } = head;
    let ends = taken.parts.iter().copied().chain([taken.bytes.len()]);
    let mut start = 0;
    let mut id = 0;
    for (part, end) in ends.enumerate() {
        let changes = &taken.bytes[start..end];
        if part == 0 {
            let (stamp, seq, device_seq) = (stamp.0 as i64, base.seq.0 as i64, base.device_seq.0 as i64);
            let (local, ahead) = (made == Made::Apart, made == Made::Ahead);
            let row = params![stamp, opening.0, seq, device_seq, schema.0 as i64, changes, local, ahead];
            connection.prepare_cached(INSERT)?.execute(row)?;
            id = connection.last_insert_rowid();
        } else {
            connection.prepare_cached(INSERT_PART)?.execute(params![id, part as i64, changes])?;
        }
        start = end;
    }
    Ok(LogId(id))
}

/// Notes the open conflicts that a logged transaction resolves; belongs to that transaction.
pub(crate) fn append_resolutions(
    connection: &Connection,
    id: LogId,
    resolutions: &[Resolution],
) -> rusqlite::Result<()> {
    for Resolution { conflict, seen, side } in resolutions {
        let row = params![id.0, conflict.seq.0 as i64, conflict.index, seen.0 as i64, side];
        connection.prepare_cached(INSERT_RESOLUTION)?.execute(row)?;
    }
    Ok(())
}

/// Which transactions to read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Select {
    /// Not yet sealed.
    Unsealed,
    /// Not yet sealed, and made after more than this commit was seen.
    UnsealedSince(Seq),
    /// Sealed, all of them.
    Sealed,
    /// Sealed under this number.
    Changeset(DeviceSeq),
    /// With a greater id.
    After(LogId),
    /// Made by a migration ahead of the space.
    Ahead,
}

/// Reads transactions in log order until `enough` says so; it is asked after each, with its encoded size.
pub(crate) fn read(
    connection: &Connection,
    select: Select,
    mut enough: impl FnMut(usize) -> bool,
) -> Result<Vec<LoggedTransaction>, SqlError> {
    let (condition, number) = match select {
        Select::Unsealed => ("id > max(?1, ifnull((SELECT max(log_upto) FROM _ebb_changeset), 0))", 0),
        // By the index, as there is seldom any.
        Select::UnsealedSince(seq) => (
            "id IN (SELECT id FROM _ebb_log WHERE seq > ?1)
             AND id > ifnull((SELECT max(log_upto) FROM _ebb_changeset), 0)",
            seq.0 as i64,
        ),
        Select::Sealed => ("id > ?1 AND id <= (SELECT max(log_upto) FROM _ebb_changeset)", 0),
        Select::Changeset(device_seq) => (
            "id BETWEEN (SELECT log_from FROM _ebb_changeset WHERE device_seq = ?1)
             AND (SELECT log_upto FROM _ebb_changeset WHERE device_seq = ?1)",
            device_seq.0 as i64,
        ),
        Select::After(id) => ("id > ?1", id.0),
        Select::Ahead => ("ahead AND id > ?1", 0),
    };
    let sql = format!(
        "SELECT id, stamp, seq, device_seq, schema, changes, origin, opening, EXISTS (SELECT 1 FROM _ebb_log_part WHERE log = id),
         EXISTS (SELECT 1 FROM _ebb_resolution WHERE log = id), absorbed, apart, ahead, lowered FROM _ebb_log WHERE {condition} ORDER BY id"
    );
    let mut all = Vec::new();
    let mut attempt = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query([number])?;
        while let Some(row) = rows.next()? {
            let (transaction, size) = transaction(connection, row)?;
            all.push(transaction);
            if enough(size) {
                break;
            }
        }
        Ok(())
    };
    attempt().map_err(|error| sql_error(&error, &sql)).map(|()| all)
}

fn transaction(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<(LoggedTransaction, usize)> {
    let id: i64 = row.get(0)?;
    let first = row.get_ref(5)?.as_blob()?;
    let mut changes = decode(first)?;
    let mut size = first.len();
    if row.get(8)? {
        let mut statement =
            connection.prepare_cached("SELECT changes FROM _ebb_log_part WHERE log = ? ORDER BY part")?;
        let mut parts = statement.query([id])?;
        while let Some(part) = parts.next()? {
            let bytes = part.get_ref(0)?.as_blob()?;
            changes.append(&mut decode(bytes)?);
            size += bytes.len();
        }
    }
    let transaction = LoggedTransaction {
        id: LogId(id),
        stamp: Stamp(row.get::<_, i64>(1)? as u64),
        base: Base { seq: Seq(row.get::<_, i64>(2)? as u64), device_seq: DeviceSeq(row.get::<_, i64>(3)? as u64) },
        schema: SchemaVersion(row.get::<_, i64>(4)? as u64),
        origin: row.get::<_, Option<[u8; 16]>>(6)?.map(Incarnation),
        opening: Opening(row.get(7)?),
        changes,
        resolutions: if row.get(9)? { resolutions(connection, id)? } else { Vec::new() },
        absorbed: match row.get_ref(10)?.as_blob_or_null()? {
            Some(bytes) => postcard::from_bytes(bytes).map_err(damaged)?,
            None => Vec::new(),
        },
        apart: row.get(11)?,
        ahead: row.get(12)?,
        lowered: row.get::<_, Option<i64>>(13)?.map(|seq| Seq(seq as u64)),
    };
    Ok((transaction, size))
}

fn resolutions(connection: &Connection, log: i64) -> rusqlite::Result<Vec<Resolution>> {
    let read = |row: &Row<'_>| {
        let (seq, seen) = (Seq(row.get::<_, i64>(0)? as u64), Seq(row.get::<_, i64>(2)? as u64));
        Ok(Resolution { conflict: ConflictId { seq, index: row.get(1)? }, seen, side: row.get(3)? })
    };
    connection.prepare_cached(RESOLUTIONS)?.query_map([log], read)?.collect()
}

/// Decodes changes that stand one after the other.
pub(crate) fn decode(mut bytes: &[u8]) -> rusqlite::Result<Vec<LoggedChange>> {
    let mut changes = Vec::new();
    while !bytes.is_empty() {
        let (change, rest) = postcard::take_from_bytes(bytes).map_err(damaged)?;
        changes.push(change);
        bytes = rest;
    }
    Ok(changes)
}

/// A record of ours that cannot be read: the file is damaged.
pub(crate) fn damaged(error: postcard::Error) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(format!("a record of Ebbtide cannot be read: {error}")))
}

/// Why a transaction cannot be logged, for the app.
pub(super) fn refusal(fault: &Fault, catalogue: &Catalogue) -> DbError {
    match fault {
        Fault::TooLarge => DbError::new(
            DbErrorCode::TransactionTooLarge,
            format!(
                "a transaction may write {TRANSACTION_ROWS} rows and {} MiB of synced tables; split it",
                TRANSACTION_BYTES / (1024 * 1024)
            ),
        ),
        Fault::RowTooLarge(table) => DbError::new(
            DbErrorCode::TransactionTooLarge,
            format!(
                "{table}: a row would have more than {ROW_BYTES} bytes, which no space keeps; keep large files elsewhere"
            ),
        ),
        Fault::NotText(table, column) => DbError::new(
            DbErrorCode::InvalidText,
            format!("{} would hold text that is not UTF-8; store it as a BLOB", place(catalogue, table, *column)),
        ),
        Fault::AmbiguousKey(table, column) => DbError::new(
            DbErrorCode::InvalidKey,
            format!(
                "{} would hold a real number that equals an integer, which are one key to SQLite; store the integer, or give the column a type",
                place(catalogue, table, *column)
            ),
        ),
        Fault::Unreadable(message) => DbError::new(DbErrorCode::StorageError, message.clone()),
    }
}

fn place(catalogue: &Catalogue, table: &str, column: ColumnId) -> String {
    let found = catalogue.table_id(table).and_then(|id| catalogue.table(id));
    let name = found.and_then(|table| table.columns.get(usize::from(column.0)));
    format!("{table}.{}", name.map_or("?", |column| column.name.as_str()))
}
