//! Conflicts for a person, with names instead of positions: those that wait, and those that a rule has decided.
//! Reading changes nothing. What a waiting local transaction resolves is not listed as open: it is decided as far as this device goes.
//! The verbs behind `conflicts.list` and `conflicts.decided`.

use super::LocalDatabase;
use super::error::DbError;
use super::recorded::unpacked;
use crate::client::queue;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::conflict::{Claim, Claimed, Conflict, ConflictId, OpenConflict, Side};
use ebbtide_core::ids::{AuthorId, ColumnId, Incarnation, Millis, Seq};
use ebbtide_core::value::Value;
use rusqlite::Row;
use std::collections::BTreeMap;

const OPEN: &str =
    "SELECT q.conflict, c.catalogue FROM _ebb_queue AS q JOIN _ebb_catalogue AS c ON c.version = q.schema
    WHERE NOT EXISTS (SELECT 1 FROM _ebb_resolution AS r
      WHERE r.seq = q.seq AND r.idx = q.idx AND r.log NOT IN (SELECT log FROM _ebb_blocked))
    ORDER BY q.seq, q.idx";
const DECIDED: &str = "SELECT k.id, k.seq, k.conflict, c.catalogue, k.era
    FROM _ebb_conflict AS k JOIN _ebb_catalogue AS c ON c.version = k.schema ORDER BY k.id";
const AUTHORS: &str = "SELECT era, id, device, user FROM _ebb_author";

/// The space's present history.
const PRESENT: i64 = 0;

/// What a side wants, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// This value of the field.
    Value(Value),
    /// That the row is gone.
    Deleted,
    /// That the row is there with these fields.
    Row(Vec<(String, Value)>),
}

/// A side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideRecord {
    /// What it wants.
    pub wanted: Wanted,
    /// The user; empty where the space never said, as for a value that nobody had written.
    pub author: String,
    /// The device; `None` likewise.
    pub device: Option<Incarnation>,
    /// When its transaction was made, by the clock of its device.
    pub at: Millis,
    /// Whether it is this device's.
    pub mine: bool,
}

/// A conflict that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRecord {
    /// Its name.
    pub id: ConflictId,
    /// The table.
    pub table: String,
    /// The row's key.
    pub key: Vec<Value>,
    /// The field; `None` where a whole row is concerned.
    pub column: Option<String>,
    /// What the first challenger had seen, where it is known.
    pub base: Option<Wanted>,
    /// The incumbent, then the challengers.
    pub sides: Vec<SideRecord>,
    /// When the space opened it.
    pub opened_at: Millis,
}

/// A conflict that a rule decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictRecord {
    /// Its number on this device.
    pub id: i64,
    /// The commit.
    pub seq: Seq,
    /// The table.
    pub table: String,
    /// The row's key.
    pub key: Vec<Value>,
    /// The field; `None` where a whole row was concerned.
    pub column: Option<String>,
    /// Which side the rule kept.
    pub kept: Side,
    /// What stood there.
    pub incumbent: SideRecord,
    /// What came.
    pub challenger: SideRecord,
}

impl LocalDatabase {
    /// The conflicts that wait for a person, oldest first.
    pub fn open_conflicts(&mut self) -> Result<Vec<OpenRecord>, DbError> {
        let people = self.people()?;
        let catalogue = &self.catalogue;
        let found = self.listed(OPEN, |row| queue::open(row, catalogue))?;
        Ok(found.into_iter().flatten().filter_map(|open| people.open(open, catalogue)).collect())
    }

    /// The conflicts that rules decided, oldest first.
    pub fn decided_conflicts(&mut self) -> Result<Vec<ConflictRecord>, DbError> {
        let people = self.people()?;
        self.listed(DECIDED, |row| people.decided(row))
    }

    fn people(&self) -> Result<People, DbError> {
        let read = |row: &Row<'_>| Ok(((row.get(0)?, AuthorId(row.get(1)?)), (Incarnation(row.get(2)?), row.get(3)?)));
        let known = self.listed(AUTHORS, read)?.into_iter().collect();
        Ok(People { known, me: self.device.author })
    }
}

/// Who stands behind short names.
struct People {
    /// By the history in which they have these names.
    known: BTreeMap<(i64, AuthorId), (Incarnation, String)>,
    me: Option<AuthorId>,
}

impl People {
    fn open(&self, open: OpenConflict, catalogue: &Catalogue) -> Option<OpenRecord> {
        let table = catalogue.table(open.row.table)?;
        Some(OpenRecord {
            id: open.id,
            table: table.name.clone(),
            key: open.row.key.0,
            column: open.column.map(|column| name(table, column)),
            base: open.base.as_ref().map(|base| wanted(base, table)),
            sides: open.sides.iter().map(|side| self.side(PRESENT, side, table)).collect(),
            opened_at: open.opened_at,
        })
    }

    fn decided(&self, row: &Row<'_>) -> rusqlite::Result<ConflictRecord> {
        let conflict: Conflict = unpacked(row, 2)?;
        let catalogue: Catalogue = unpacked(row, 3)?;
        let era = row.get(4)?;
        let gone = Table::default();
        let table = catalogue.table(conflict.row.table).unwrap_or(&gone);
        Ok(ConflictRecord {
            id: row.get(0)?,
            seq: Seq(row.get::<_, i64>(1)? as u64),
            table: table.name.clone(),
            key: conflict.row.key.0,
            column: conflict.column.map(|column| name(table, column)),
            kept: conflict.kept,
            incumbent: self.side(era, &conflict.incumbent, table),
            challenger: self.side(era, &conflict.challenger, table),
        })
    }

    fn side(&self, era: i64, claim: &Claim, table: &Table) -> SideRecord {
        let (device, author) = self.known.get(&(era, claim.author)).cloned().unzip();
        let mine = era == PRESENT && self.me == Some(claim.author);
        SideRecord {
            wanted: wanted(&claim.claimed, table),
            author: author.unwrap_or_default(),
            device,
            at: claim.stamp.millis(),
            mine,
        }
    }
}

fn wanted(claimed: &Claimed, table: &Table) -> Wanted {
    match claimed {
        Claimed::Value(value) => Wanted::Value(value.clone()),
        Claimed::Deleted => Wanted::Deleted,
        Claimed::Row(fields) => {
            Wanted::Row(fields.iter().map(|field| (name(table, field.column), field.value.clone())).collect())
        }
    }
}

fn name(table: &Table, column: ColumnId) -> String {
    table.columns.get(usize::from(column.0)).map(|column| column.name.clone()).unwrap_or_default()
}
