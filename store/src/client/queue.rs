//! The queue of open conflicts as the space has it, and the people who are mentioned in it.
//! What a device has resolved and not yet sent is kept with the log; the two meet where the queue is listed.
//! Called by the client store only.

use super::{execute, packed};
use crate::local::log::damaged;
use crate::sql::SqlError;
use crate::sqlite::sql_error;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::conflict::{AuthorName, ConflictId, OpenConflict, QueueChange};
use rusqlite::{Connection, OptionalExtension, params};

const PUT: &str = "INSERT OR REPLACE INTO _ebb_queue (seq, idx, schema, conflict) VALUES (?, ?, ?, ?)";
const ONE: &str = "SELECT q.conflict, c.catalogue FROM _ebb_queue AS q JOIN _ebb_catalogue AS c ON c.version = q.schema
    WHERE q.seq = ? AND q.idx = ?";
const DROP: &str = "DELETE FROM _ebb_queue WHERE seq = ? AND idx = ?";
const PUT_AUTHOR: &str = "INSERT OR REPLACE INTO _ebb_author (id, device, user) VALUES (?, ?, ?)";

/// Takes over one change of the queue.
pub(super) fn change(connection: &Connection, change: &QueueChange, catalogue: &Catalogue) -> Result<(), SqlError> {
    match change {
        QueueChange::Opened(open) => put(connection, open, catalogue),
        QueueChange::Sides { id, sides, state } => match find(connection, *id, catalogue)? {
            Some(open) => put(connection, &OpenConflict { sides: sides.clone(), state: *state, ..open }, catalogue),
            None => Ok(()),
        },
        QueueChange::Closed(closed) => {
            execute(connection, DROP, params![closed.id.seq.0 as i64, closed.id.index]).map(|_| ())
        }
    }
}

/// Replaces the whole queue.
pub(super) fn replace(connection: &Connection, open: &[OpenConflict], catalogue: &Catalogue) -> Result<(), SqlError> {
    execute(connection, "DELETE FROM _ebb_queue", [])?;
    open.iter().try_for_each(|open| put(connection, open, catalogue))
}

pub(super) fn put_author(connection: &Connection, author: &AuthorName) -> Result<(), SqlError> {
    execute(connection, PUT_AUTHOR, params![author.id.0, &author.incarnation.0[..], author.user]).map(|_| ())
}

/// In two steps, since names may not meet on the way.
const BEGIN_ERA: [&str; 3] = [
    "UPDATE _ebb_author SET era = -1 - era",
    "UPDATE _ebb_author SET era = -era",
    "UPDATE _ebb_conflict SET era = era + 1",
];

/// The space gives its short names anew; records keep the ones that they were written with.
pub(super) fn begin_era(connection: &Connection) -> Result<(), SqlError> {
    BEGIN_ERA.iter().try_for_each(|sql| execute(connection, sql, []).map(drop))
}

/// An open conflict in the words of the present schema.
pub(crate) fn find(
    connection: &Connection,
    id: ConflictId,
    catalogue: &Catalogue,
) -> Result<Option<OpenConflict>, SqlError> {
    let read = || {
        let mut statement = connection.prepare_cached(ONE)?;
        statement.query_row(params![id.seq.0 as i64, id.index], |row| open(row, catalogue)).optional()
    };
    read().map(Option::flatten).map_err(|error| sql_error(&error, ONE))
}

/// Reads a conflict and the catalogue of its version; `None` if the present schema has its table or column no more.
pub(crate) fn open(row: &rusqlite::Row<'_>, present: &Catalogue) -> rusqlite::Result<Option<OpenConflict>> {
    let open: OpenConflict = postcard::from_bytes(row.get_ref(0)?.as_blob()?).map_err(damaged)?;
    let former: Catalogue = postcard::from_bytes(row.get_ref(1)?.as_blob()?).map_err(damaged)?;
    Ok(if former.version == present.version { Some(open) } else { open.translated(&former, present) })
}

fn put(connection: &Connection, open: &OpenConflict, catalogue: &Catalogue) -> Result<(), SqlError> {
    let bytes = packed(open, PUT)?;
    let row = params![open.id.seq.0 as i64, open.id.index, catalogue.version.0 as i64, bytes];
    execute(connection, PUT, row).map(|_| ())
}
