//! A migration as a point in the space's history: run once, and what its DML did to rows is a commit like any other. So is what a
//! table brings along that joins without one.
//! Marks and the numbers of tables move along with what they belong to. It knows nothing of devices.
//! Called by `Space` for each migration, in an event of its own.

use super::event::SpaceStore;
use super::places::put_marks;
use super::space::{Space, create_tables, present};
use super::triggers;
use super::values::{blob, number, stored};
use super::{OpenError, fail, formers, marks, unkept};
use crate::catalogue::{self, writable};
use crate::compare::{self, Moved};
use crate::migrate::{self, Side};
use crate::schema::Schema;
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{Field, RowId};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::{Commit, Effect, Outcome, SealedCommit};
use ebbtide_core::conflict::QueueChange;
use ebbtide_core::ids::{AuthorId, DeviceSeq, Millis, TableId};
use ebbtide_core::merge::record::CellRecord;
use ebbtide_core::server::store::{Mark, NewCommit, RowMarks, Tombstone};
use ebbtide_core::value::Value;
use ebbtide_core::version_map::{Source, TableMap, VersionMap};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Rows of marks that are moved at once, to bound memory.
const MARKS_AT_ONCE: u64 = 1_000;

/// Runs one migration within a transaction in which foreign keys are off.
pub(super) fn run<S: Sql + Clone>(
    sql: &mut S,
    schema: &Schema,
    index: usize,
    now: Millis,
    codec: &dyn Codec,
) -> Result<(), OpenError> {
    create_tables(sql)?;
    let old = present(sql)?.unwrap_or_default();
    let share = Side::Server.share(&schema.migrations[index]);
    let compares = share.is_some_and(compare::may_change_rows);
    if compares {
        compare::copy(sql, &old)?;
    }
    triggers::originate(sql, true)?;
    migrate::apply(sql, schema, index, Side::Server)?;
    triggers::originate(sql, false)?;
    if !sql.query("PRAGMA foreign_key_check", &[])?.is_empty() {
        return Err(OpenError::Migration { index, message: "it leaves references that point nowhere".into() });
    }
    let new = catalogue::read_at(sql, schema, index + 1)?;
    unkept::note(sql, &schema.as_of(index + 1), &new)?;
    carry_records(sql, &old, &new)?;
    let moved = if compares { compare::moved(sql, &old, &new)? } else { compare::arrived(sql, &old, &new)? };
    if compares {
        compare::forget(sql, &old)?;
    }
    let space = Space::of(sql, new)?;
    // What a migration leaves unfinished a later one may finish.
    if index + 1 == schema.migrations.len() {
        writable::check(sql, &space.catalogue())?;
    }
    let number = DeviceSeq(u64::from(space.catalogue().version.migrations()));
    let mut store = SpaceStore::unchecked(sql, &space);
    let gone: Vec<RowId> = moved.iter().filter(|row| row.after.is_none()).map(|moved| moved.row.clone()).collect();
    let closed = store.close_moot(&gone)?;
    Ok(commit(&mut store, moved, closed, number, now, codec)?)
}

/// Opens a database that has all migrations. Tables may be others without one: rows of a table that joins, of which the space knows
/// nothing, are news to everybody. What it knows of one that leaves is good until a migration comes.
pub(super) fn adopt<S: Sql + Clone>(
    sql: &mut S,
    schema: &Schema,
    now: Millis,
    codec: &dyn Codec,
) -> Result<Rc<Space>, OpenError> {
    create_tables(sql)?;
    let old = present(sql)?;
    let catalogue = catalogue::read(sql, schema)?;
    unkept::note(sql, schema, &catalogue)?;
    let space = Space::of(sql, catalogue)?;
    let new = space.catalogue();
    let Some(old) = old.filter(|old| old.version != new.version) else { return Ok(space) };
    let mut moved = Vec::new();
    for arrived in compare::arrived(sql, &old, &new)? {
        let table = new.table(arrived.row.table).ok_or_else(|| fail::misuse("no such table"))?;
        let known = SpaceStore::unchecked(sql, &space).marks_of(&arrived.row, table)?;
        if known.is_none_or(|marks| marks.deleted.is_some()) {
            moved.push(arrived);
        }
    }
    // No version tells who has seen them.
    commit(&mut SpaceStore::unchecked(sql, &space), moved, Vec::new(), DeviceSeq(0), now, codec)?;
    Ok(space)
}

/// Appends what became of rows and of conflicts, if anything did, as a commit of the space itself.
fn commit<S: Sql + Clone>(
    store: &mut SpaceStore<S>,
    moved: Vec<Moved>,
    queue: Vec<QueueChange>,
    number: DeviceSeq,
    now: Millis,
    codec: &dyn Codec,
) -> Result<(), SqlError> {
    if moved.is_empty() && queue.is_empty() {
        return Ok(());
    }
    let catalogue = store.space.catalogue();
    let head = store.log_head()?;
    let seq = head.seq.next();
    let author = AuthorId::MIGRATION;
    let mark = Mark { seq, stamp: Stamp(0), author, device_seq: number, as_sent: true };
    let mut outcomes = Vec::with_capacity(moved.len());
    for moved in moved {
        let table = catalogue.table(moved.row.table).ok_or_else(|| fail::misuse("no such table"))?;
        store.mark_moved(&moved, table, mark)?;
        outcomes.extend(outcome(moved, table));
    }
    let (schema, stamp, conflicts) = (catalogue.version, Stamp(0), Vec::new());
    let authors = Vec::new();
    let commit = Commit { author, device_seq: number, schema, stamp, outcomes, conflicts, queue, authors };
    let bytes = codec.seal_commit(&commit, &catalogue);
    let chain = codec.chain(head.chain, seq, &bytes);
    let sealed = SealedCommit { seq, author, device_seq: number, as_sent: false, decided_at: now, bytes };
    store.log_append(&NewCommit { sealed, chain })
}

fn outcome(moved: Moved, table: &Table) -> Option<Outcome> {
    let effect = match (moved.before, moved.after) {
        (None, None) => return None,
        (_, None) => Effect::Delete,
        (None, Some(after)) => Effect::Put(after),
        (Some(before), Some(after)) => {
            let fields = table.fields().zip(before).zip(after).filter(|((_, before), after)| before != after);
            Effect::Set(fields.map(|(((column, _), _), value)| Field { column, value }).collect())
        }
    };
    Some(Outcome { row: moved.row, effect })
}

impl<S: Sql + Clone> SpaceStore<S> {
    fn marks_of(&mut self, row: &RowId, table: &Table) -> Result<Option<RowMarks>, SqlError> {
        let place = self.place(row)?;
        let found = self.sql.query("SELECT marks FROM _ebb_row WHERE tbl=? AND key=?", &place)?;
        let Some(cells) = found.into_iter().next() else { return Ok(None) };
        Ok(Some(marks::unpack(&blob(cells.into_iter().next())?, table.fields().count())?))
    }

    fn mark_moved(&mut self, moved: &Moved, table: &Table, mark: Mark) -> Result<(), SqlError> {
        let known = self.marks_of(&moved.row, table)?;
        let catalogue = self.space.catalogue();
        let mut marks = marks_after(known, moved, table, mark);
        if let (Some(image), None, true) = (&moved.before, &moved.after, catalogue.keeps_tombstones()) {
            let (schema, image) = (catalogue.version, image.clone());
            marks.tombstone = Some(Tombstone { schema, image: Some(image), cascade: Vec::new(), moved: None });
        }
        let [_, key] = self.place(&moved.row)?;
        let number = self.space.shape(moved.row.table)?.number;
        put_marks(&mut self.sql, number, vec![[key, Value::Blob(marks::pack(&marks))]])
    }
}

fn marks_after(known: Option<RowMarks>, moved: &Moved, table: &Table, mark: Mark) -> RowMarks {
    let fields = vec![None; table.fields().count()];
    let fresh = RowMarks { fields, ..RowMarks::default() };
    let mut marks = known.unwrap_or(fresh);
    match (&moved.before, &moved.after) {
        (_, None) => {
            marks.deleted = Some(mark);
            marks.records.clear();
        }
        (Some(before), Some(after)) => {
            let cells = marks.fields.iter_mut().zip(before.iter().zip(after)).enumerate();
            for (position, (slot, _)) in cells.filter(|(_, (_, (old, new)))| old != new) {
                *slot = Some(mark);
                marks.records.remove(&(position as u16));
            }
        }
        (None, Some(after)) => {
            if marks.deleted.take().is_some() {
                marks.created = mark;
                marks.tombstone = None;
            }
            let silent =
                |(column, value): (&ebbtide_core::catalogue::Column, &Value)| column.default.as_ref() == Some(value);
            marks.born = Some(mark);
            let columns = table.fields().map(|(_, column)| column).zip(after);
            marks.fields = columns.map(|pair| (!silent(pair)).then_some(mark)).collect();
        }
    }
    marks
}

/// The store's records by table and field: numbers follow renamed tables, marks follow moved fields, what is gone goes. So does what
/// was known of a table that is not kept in step at present: nobody says what becomes of its fields.
fn carry_records<S: Sql>(sql: &mut S, old: &Catalogue, new: &Catalogue) -> Result<(), SqlError> {
    sql.execute(formers::FORGET, &[])?;
    let map = VersionMap::new(old, new);
    let mut renamed = Vec::new();
    for row in sql.query("SELECT id,name FROM _ebb_table", &[])? {
        let mut cells = row.into_iter();
        let (number, name) = (number(cells.next())?, cells.next());
        let named = |table: &Table| Some(Value::Text(table.name.to_ascii_lowercase()));
        let known = old.tables.iter().enumerate().find(|(_, table)| named(table) == name);
        let carried = known.and_then(|(at, table)| Some((table, map.table(TableId(at as u16))?)));
        let Some((table, to)) = carried else {
            sql.execute("DELETE FROM _ebb_row WHERE tbl=?", &[stored(number)?])?;
            sql.execute("DELETE FROM _ebb_table WHERE id=?", &[stored(number)?])?;
            continue;
        };
        if !to.keeps_positions() {
            carry_marks(sql, number, table, to)?;
        }
        let target = new.table(to.id).map(|table| table.name.to_ascii_lowercase()).unwrap_or_default();
        renamed.extend((Some(Value::Text(target.clone())) != name).then_some((number, target)));
    }
    // Names may change hands, and each is there once.
    for (number, _) in &renamed {
        sql.execute("UPDATE _ebb_table SET name='_ebb '||id WHERE id=?", &[stored(*number)?])?;
    }
    for (number, name) in renamed {
        sql.execute("UPDATE _ebb_table SET name=? WHERE id=?", &[Value::Text(name), stored(number)?])?;
    }
    Ok(())
}

fn carry_marks<S: Sql>(sql: &mut S, number: u64, old: &Table, map: &TableMap) -> Result<(), SqlError> {
    let width = old.fields().count();
    let table = stored(number)?;
    let mut after: Option<Value> = None;
    loop {
        let (condition, mut params) = ("tbl=?", vec![table.clone()]);
        let more = after.as_ref().map_or("", |_| " AND key>?");
        params.extend(after.clone());
        let page = format!("SELECT key,marks FROM _ebb_row WHERE {condition}{more} ORDER BY key LIMIT {MARKS_AT_ONCE}");
        let rows = sql.query(&page, &params)?;
        let Some(last) = rows.last().and_then(|row| row.first()) else { return Ok(()) };
        after = Some(last.clone());
        let mut moved = Vec::with_capacity(rows.len());
        for row in rows {
            let mut cells = row.into_iter();
            let key = cells.next().unwrap_or_default();
            let mut record = marks::unpack(&blob(cells.next())?, width)?;
            let field = |source: &Source| match source {
                Source::Field(from, _) => record.fields.get(*from).copied().flatten(),
                Source::Constant(_) => None,
            };
            record.fields = map.sources().iter().map(field).collect();
            record.records = carried(record.records, map);
            moved.push([key, Value::Blob(marks::pack(&record))]);
        }
        put_marks(sql, number, moved)?;
    }
}

/// What cells remember of their own merging moves with their fields.
fn carried(mut old: BTreeMap<u16, CellRecord>, map: &TableMap) -> BTreeMap<u16, CellRecord> {
    let mut carried = BTreeMap::new();
    for (at, source) in map.sources().iter().enumerate() {
        let record = match source {
            Source::Field(from, _) => old.remove(&(*from as u16)),
            Source::Constant(_) => None,
        };
        carried.extend(record.map(|record| (at as u16, record)));
    }
    carried
}
