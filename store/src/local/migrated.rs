//! What a migration's DML did to rows here, against what the space has of them: the space runs the same migration by itself, so here it
//! is a preview that gives way to the space's result, except for rows that only this device has.
//! It also moves cells of newer versions to the place that the migration made. Called when a database opens, in the migrations' transaction.

use super::access::SharedAccess;
use super::device;
use super::error::DbError;
use super::joined::{has_local, parents_first, transactions};
use super::log::{self, Head, Made, Select, damaged};
use super::misfits;
use super::on_their_way;
use super::open::failed;
use super::triggers::TriggerPlan;
use crate::client::{Statements, read_row, unknown};
use crate::compare::Moved;
use crate::sqlite::value::Bound;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{Base, Field, LoggedChange, LoggedField, LoggedMutation, RowId};
use ebbtide_core::client::store::{DeviceState, Rebuild};
use ebbtide_core::client::take_back;
use ebbtide_core::commit::{Effect, Outcome};
use ebbtide_core::ids::{DeviceSeq, LogId, Millis, Opening, TableId};
use ebbtide_core::value::{Key, Value};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeSet, HashMap};

type Pending = HashMap<RowId, Vec<(LogId, LoggedChange)>>;

/// A table, a row's packed key, and cells by column.
type KeptRow = (String, Vec<u8>, Vec<(String, Value)>);

/// A row that was out while the migrations ran: its table, by what stays the same of its names, and its packed key.
pub(super) type TakenOut = (String, Vec<u8>);

/// What a migration left to be settled.
pub(super) struct Migrated<'a> {
    /// The synced tables before; none if the database is new.
    pub before: Option<&'a Catalogue>,
    /// The synced tables now.
    pub after: &'a Catalogue,
    /// Rows that its DML changed.
    pub moved: Vec<Moved>,
    /// Rows that the space made and that were out meanwhile: they come back as they were.
    pub out: BTreeSet<RowId>,
    /// Tables that held rows of this device before they were synced.
    pub joined: BTreeSet<TableId>,
    /// One of them was kept in step here before: the space may know its rows.
    pub again: bool,
    /// The time.
    pub now: Millis,
    /// What transactions of this opening are tagged with.
    pub opening: Opening,
}

impl Migrated<'_> {
    /// Sorts what changed into what is captured, what gives way later, and what gives way now; then moves the cells of newer versions.
    pub(super) fn settle(self, connection: &Connection, access: &SharedAccess) -> Result<(), DbError> {
        let found = device::read(connection).map_err(|e| failed(&e))?;
        let (mut device, mut clock) = found.unwrap_or_default();
        let mut cells = self.cells(connection).map_err(|e| failed(&e))?;
        let again = self.again && !device.is_new();
        if self.moved.is_empty() && cells.is_empty() && !again {
            return Ok(());
        }
        let pending = pending(connection)?;
        let is_ahead = !device.is_new() && self.after.version.is_later_than(device.space_schema);
        // The space may decide these before it runs the same migration, which then meets them there.
        let may_be_met = if is_ahead { on_their_way::rows(connection)? } else { BTreeSet::new() };
        let (mut joined, mut captured, mut ahead, mut back) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for moved in &self.moved {
            match self.fate(moved, &device, &pending, connection).map_err(|e| failed(&e))? {
                Fate::Captured if may_be_met.contains(&moved.row) => ahead.extend(self.change(moved)),
                Fate::Joined => joined.extend(self.change(moved)),
                Fate::Captured => captured.extend(self.change(moved)),
                Fate::Preview(server) => keep(connection, &moved.row, server.as_deref()).map_err(|e| failed(&e))?,
                Fate::GivesWay => back.push(outcome(&moved.row, moved.before.clone())),
                Fate::Settled => {}
            }
        }
        if again || self.meets(&joined, &cells) {
            // The space's rows may not fit beside this device's: a snapshot lays them under what waits.
            cells.retain(|outcome| !self.joined.contains(&outcome.row.table));
            device.rebuild.get_or_insert(Rebuild::Behind);
            device::write(connection, &device, clock).map_err(|e| failed(&e))?;
        }
        let plan = TriggerPlan::of(connection, access, self.after)?;
        plan.silence(connection).map_err(|e| failed(&e))?;
        let statements = Statements::of(self.after);
        back.iter().try_for_each(|outcome| write(connection, &statements, outcome)).map_err(|e| failed(&e))?;
        let place = |cells: &Outcome| self.place(cells, &pending, &statements, connection);
        cells.iter().try_for_each(place).map_err(|e| failed(&e))?;
        if misfits::take_back(&cells, self.after, &statements, connection).map_err(|e| failed(&e))? {
            device.rebuild.get_or_insert(Rebuild::Behind);
            device::write(connection, &device, clock).map_err(|e| failed(&e))?;
        }
        plan.restore(connection).map_err(|e| failed(&e))?;
        let base = Base { seq: device.cursor.seq, device_seq: DeviceSeq(device.next_device_seq.0.saturating_sub(1)) };
        let apart = device.is_new() && has_local(connection).map_err(|e| failed(&e))?;
        let made = if apart { Made::Apart } else { Made::InStep };
        parents_first(&mut joined, self.after);
        // What was local had seen nothing of the space's.
        let apart = (joined, Base::default(), Made::Apart);
        for (changes, base, made) in [apart, (captured, base, made), (ahead, base, Made::Ahead)] {
            for taken in transactions(&changes).map_err(|e| failed(&e))? {
                let (opening, stamp) = (self.opening, clock.tick(self.now));
                let head = Head { opening, stamp, base, schema: self.after.version, made };
                log::append(connection, &taken, head).map_err(|e| failed(&e))?;
            }
        }
        Ok(())
    }

    /// Whether a table that joins has rows of this device and rows of the space.
    fn meets(&self, joined: &[LoggedChange], cells: &[Outcome]) -> bool {
        let of = |table: TableId| joined.iter().any(|change| change.row.table == table);
        cells.iter().any(|outcome| self.joined.contains(&outcome.row.table) && of(outcome.row.table))
    }

    fn fate(
        &self,
        moved: &Moved,
        device: &DeviceState,
        pending: &Pending,
        connection: &Connection,
    ) -> rusqlite::Result<Fate> {
        if self.joined.contains(&moved.row.table) {
            return Ok(Fate::Joined);
        }
        if self.out.contains(&moved.row) {
            return Ok(Fate::GivesWay);
        }
        if device.is_new() && self.before.is_some() {
            return Ok(Fate::Captured);
        }
        let Some(table) = self.after.table(moved.row.table) else { return Ok(Fate::Settled) };
        let waiting = pending.get(&moved.row).map(Vec::as_slice).unwrap_or_default();
        let kept = kept(connection, &moved.row)?;
        let is_kept = kept.is_some();
        let server = kept.unwrap_or_else(|| take_back(moved.before.clone(), waiting, table));
        Ok(match server {
            None if moved.before.is_some() => Fate::Captured,
            _ if !self.after.version.is_later_than(device.space_schema) => Fate::GivesWay,
            _ if is_kept => Fate::Settled,
            server => Fate::Preview(server),
        })
    }

    fn change(&self, moved: &Moved) -> Option<LoggedChange> {
        let table = self.after.table(moved.row.table)?;
        let mutation = match (&moved.before, &moved.after) {
            (None, None) => return None,
            (None, Some(after)) => LoggedMutation::Insert(after.clone()),
            (Some(before), None) => LoggedMutation::Delete(before.clone()),
            (Some(before), Some(after)) => LoggedMutation::Update(differences(table, before, after)),
        };
        Some(LoggedChange { row: moved.row.clone(), mutation })
    }

    /// Gives cells of newer versions their place: in the space's row, and on the screen unless what waits made or deleted the row.
    fn place(
        &self,
        cells: &Outcome,
        pending: &Pending,
        statements: &Statements,
        connection: &Connection,
    ) -> rusqlite::Result<()> {
        let changes = pending.get(&cells.row).map(Vec::as_slice).unwrap_or_default();
        let updates = |(_, change): &(LogId, LoggedChange)| matches!(change.mutation, LoggedMutation::Update(_));
        let shows = changes.iter().all(updates);
        if let (Effect::Set(fields), Some(table)) = (&cells.effect, self.after.table(cells.row.table)) {
            let server = match kept(connection, &cells.row)? {
                // What waits remembers the space's row only as it was for the version before.
                None if !shows => {
                    let here = read_row(connection, statements.table(cells.row.table), &cells.row)?;
                    take_back(here, changes, table)
                }
                kept => kept.flatten(),
            };
            if let Some(mut server) = server {
                for field in fields {
                    if let Some(slot) = table.field_position(field.column).and_then(|at| server.get_mut(at)) {
                        *slot = field.value.clone();
                    }
                }
                let_go(connection, &cells.row)?;
                keep(connection, &cells.row, Some(&server))?;
            }
        }
        if shows { write(connection, statements, cells) } else { Ok(()) }
    }

    /// Cells of newer versions that have a place now, as outcomes; they are no longer kept aside.
    fn cells(&self, connection: &Connection) -> rusqlite::Result<Vec<Outcome>> {
        let mut statement = connection.prepare("SELECT tbl, key, col, value FROM _ebb_unknown ORDER BY tbl, key")?;
        let mut rows = statement.query([])?;
        let mut found: Vec<KeptRow> = Vec::new();
        while let Some(row) = rows.next()? {
            let (table, key): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
            let cell = (row.get(2)?, postcard::from_bytes(row.get_ref(3)?.as_blob()?).map_err(damaged)?);
            match found.last_mut() {
                Some((last, same, cells)) if *last == table && *same == key => cells.push(cell),
                _ => found.push((table, key, vec![cell])),
            }
        }
        let mut outcomes = Vec::new();
        for (name, packed, cells) in found {
            let Some((id, table)) = self.after.table_of(&name).and_then(|id| Some((id, self.after.table(id)?))) else {
                continue;
            };
            let key: Key = postcard::from_bytes(&packed).map_err(damaged)?;
            let row = RowId { table: id, key };
            let fields = placed(table, &cells);
            let was_known = self.before.is_some_and(|before| before.table_of(&name).is_some());
            let effect = match was_known {
                true => Effect::Set(fields),
                false => Effect::Put(filled(table, fields)),
            };
            forget_cells(connection, &name, &packed, &cells, table)?;
            if !matches!(&effect, Effect::Set(fields) if fields.is_empty()) {
                outcomes.push(Outcome { row, effect });
            }
        }
        Ok(outcomes)
    }
}

/// Takes rows out that the space made under a newer version, so that this device's run of the same migration can make them too.
/// What it makes of them gives way to what they were.
pub(super) fn take_out(
    connection: &Connection,
    access: &SharedAccess,
    before: &Catalogue,
) -> Result<Vec<TakenOut>, DbError> {
    let read = || -> rusqlite::Result<Vec<TakenOut>> {
        let mut statement = connection.prepare("SELECT tbl, key FROM _ebb_unknown WHERE col = ''")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let plan = TriggerPlan::of(connection, access, before)?;
    let statements = Statements::of(before);
    let run = || -> rusqlite::Result<Vec<TakenOut>> {
        plan.silence(connection)?;
        let mut out = read()?;
        out.retain(|(name, _)| before.table_of(name).is_some());
        for row in rows(&out, before).map_err(damaged)? {
            write(connection, &statements, &outcome(&row, None))?;
        }
        plan.restore(connection)?;
        Ok(out)
    };
    run().map_err(|e| failed(&e))
}

/// Those rows in the terms of a version, as far as it has their tables.
pub(super) fn rows(out: &[TakenOut], catalogue: &Catalogue) -> postcard::Result<BTreeSet<RowId>> {
    let known = out.iter().filter_map(|(name, key)| Some((catalogue.table_of(name)?, key)));
    known.map(|(table, key)| Ok(RowId { table, key: postcard::from_bytes(key)? })).collect()
}

/// What becomes of a change that a migration made.
enum Fate {
    /// It was this device's before its table was kept in step: the app says whether it travels.
    Joined,
    /// Only this device has the row: the change is the user's data and travels.
    Captured,
    /// It shows until the space is as far; this is the space's row until then.
    Preview(Option<Vec<Value>>),
    /// The space is as far already, and did not do this.
    GivesWay,
    /// It shows until the space is as far; the space's row is known already.
    Settled,
}

fn pending(connection: &Connection) -> Result<Pending, DbError> {
    let blocked = || -> rusqlite::Result<BTreeSet<i64>> {
        connection.prepare("SELECT log FROM _ebb_blocked")?.query_map([], |row| row.get(0))?.collect()
    };
    let blocked = blocked().map_err(|e| failed(&e))?;
    let mut pending = Pending::new();
    for transaction in log::read(connection, Select::After(LogId(0)), |_| false)? {
        if !blocked.contains(&transaction.id.0) {
            for change in transaction.changes {
                pending.entry(change.row.clone()).or_default().push((transaction.id, change));
            }
        }
    }
    Ok(pending)
}

fn differences(table: &Table, before: &[Value], after: &[Value]) -> Vec<LoggedField> {
    let changed = table.fields().zip(before).zip(after).filter(|((_, old), new)| old != new);
    changed.map(|(((column, _), old), new)| LoggedField { column, old: old.clone(), new: new.clone() }).collect()
}

/// The space's row beneath what hides it, if something does; nothing inside where the space has none.
fn kept(connection: &Connection, row: &RowId) -> rusqlite::Result<Option<Option<Vec<Value>>>> {
    let key = postcard::to_allocvec(&row.key).map_err(damaged)?;
    let sql = "SELECT fields FROM _ebb_server_row WHERE tbl = ? AND key = ?";
    let unpacked = |row: &rusqlite::Row<'_>| {
        let fields: Option<Vec<u8>> = row.get(0)?;
        fields.map(|bytes| postcard::from_bytes(&bytes).map_err(damaged)).transpose()
    };
    connection.prepare_cached(sql)?.query_row(params![row.table.0, key], unpacked).optional()
}

fn let_go(connection: &Connection, row: &RowId) -> rusqlite::Result<()> {
    let key = postcard::to_allocvec(&row.key).map_err(damaged)?;
    let sql = "DELETE FROM _ebb_server_row WHERE tbl = ? AND key = ?";
    connection.prepare_cached(sql)?.execute(params![row.table.0, key])?;
    Ok(())
}

fn keep(connection: &Connection, row: &RowId, server: Option<&[Value]>) -> rusqlite::Result<()> {
    let key = postcard::to_allocvec(&row.key).map_err(damaged)?;
    let fields = server.map(postcard::to_allocvec).transpose().map_err(damaged)?;
    let sql = "INSERT INTO _ebb_server_row (tbl, key, fields) VALUES (?, ?, ?)";
    connection.prepare_cached(sql)?.execute(params![row.table.0, key, fields])?;
    Ok(())
}

fn outcome(row: &RowId, values: Option<Vec<Value>>) -> Outcome {
    Outcome { row: row.clone(), effect: values.map_or(Effect::Delete, Effect::Put) }
}

pub(super) fn write(connection: &Connection, statements: &Statements, outcome: &Outcome) -> rusqlite::Result<()> {
    let table = statements.table(outcome.row.table);
    let key = &outcome.row.key.0;
    let (sql, values): (String, Vec<&Value>) = match &outcome.effect {
        Effect::Put(values) => (table.put.clone(), key.iter().chain(values).collect()),
        Effect::Set(fields) => (
            table.set(fields.iter().map(|field| field.column)),
            fields.iter().map(|field| &field.value).chain(key).collect(),
        ),
        Effect::Delete => (table.delete.clone(), key.iter().collect()),
    };
    connection.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(values.into_iter().map(Bound)))?;
    Ok(())
}

/// The cells that have a place, ascending by column.
fn placed(table: &Table, cells: &[(String, Value)]) -> Vec<Field> {
    let field = |(name, value): &(String, Value)| {
        let column = table.column_of(name).filter(|column| !table.is_key(*column))?;
        Some(Field { column, value: value.clone() })
    };
    let mut fields: Vec<Field> = cells.iter().filter_map(field).collect();
    fields.sort_by_key(|field| field.column);
    fields
}

fn filled(table: &Table, fields: Vec<Field>) -> Vec<Value> {
    let mut values: Vec<Value> = table.fields().map(|(_, column)| column.filler()).collect();
    for field in fields {
        if let Some(slot) = table.field_position(field.column).and_then(|at| values.get_mut(at)) {
            *slot = field.value;
        }
    }
    values
}

/// What this version still has no place for stays.
fn forget_cells(
    connection: &Connection,
    name: &str,
    key: &[u8],
    cells: &[(String, Value)],
    table: &Table,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM _ebb_unknown WHERE tbl = ? AND key = ? AND col = ?")?;
    let known = |column: &str| column == unknown::ROW || table.column_of(column).is_some();
    for (column, _) in cells.iter().filter(|(column, _)| known(column)) {
        statement.execute(params![name, key, column])?;
    }
    Ok(())
}
