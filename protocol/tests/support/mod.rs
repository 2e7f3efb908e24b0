//! Catalogues, changesets, commits and messages made from a seed: every column has a habit, so that all encodings come up.
//! It knows the words of the engine and the canonical order, and nothing of the bytes.
//! Used by the tests of this folder.
#![allow(dead_code, reason = "no test uses all of it")]

use ebbtide_core::catalogue::{Catalogue, Column, Table};
use ebbtide_core::change::{Base, Change, Changeset, Field, Mutation, RowId, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Commit, Effect, Outcome};
use ebbtide_core::conflict::*;
use ebbtide_core::ids::{AuthorId, ColumnId, DeviceSeq, Incarnation, Millis, Opening, SchemaVersion, Seq, TableId};
use ebbtide_core::value::{Key, Value};

pub mod facilities;
pub mod messages;
pub mod sections;
pub mod vectors;

/// A generator of test data (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Any number, often a small one.
    pub fn number(&mut self) -> u64 {
        let bits = self.below(64);
        self.next() >> bits
    }

    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }

    pub fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.next() as u8).collect()
    }

    pub fn text(&mut self) -> String {
        const LETTERS: [char; 12] = ['a', 'b', 'e', 'n', ' ', 'é', 'ß', '\0', '漢', '🦀', '0', '-'];
        (0..self.below(14)).map(|_| self.pick(&LETTERS)).collect()
    }

    /// A UUID of any time.
    pub fn uuid(&mut self, version: u64) -> String {
        let millis = self.next() >> 16;
        self.uuid_at(millis, version)
    }

    /// A UUID as a device makes it: a time and 74 random bits.
    pub fn uuid_at(&mut self, millis: u64, version: u64) -> String {
        let (high, low) = (version << 12 | self.below(1 << 12), 0x8000 | self.below(1 << 14));
        let node = self.below(1 << 48);
        format!("{:08x}-{:04x}-{high:04x}-{low:04x}-{node:012x}", millis >> 16, millis & 0xffff)
    }
}

pub const HABITS: u64 = 16;

/// The values that a column with some habit holds.
pub fn value(random: &mut Random, habit: u64) -> Value {
    match habit % HABITS {
        0 => Value::Null,
        1 => Value::Integer(random.below(6) as i64),
        2 => Value::Integer(random.next() as i64),
        3 => Value::Integer(random.number() as i64),
        4 => Value::Real(random.below(100_000) as f64 / 100.0 - 300.0),
        5 => Value::Real(f64::from_bits(random.next())),
        6 => Value::Text(random.pick(&["open", "done", "in progress", ""]).into()),
        7 => Value::Text(random.uuid(7)),
        8 => Value::Text(random.uuid(4)),
        9 => Value::Text(random.text()),
        10 => Value::Blob(random.bytes(20)),
        11 => random.pick(&[Value::Null, Value::Text("known".into()), Value::Text("other".into())]),
        12 => random.pick(&[Value::Null, Value::Integer(0), Value::Integer(1)]),
        13 => odd(random),
        14 => Value::Text("always the same, and longer than a short text could be: ".repeat(4)),
        _ => {
            let habit = random.below(HABITS - 1);
            value(random, habit)
        }
    }
}

/// Values that a careless codec loses.
pub fn odd(random: &mut Random) -> Value {
    random.pick(&[
        Value::Null,
        Value::Integer(0),
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::Real(0.0),
        Value::Real(-0.0),
        Value::Real(f64::MIN_POSITIVE / 4.0),
        Value::Real(5e-324),
        Value::Real(f64::MAX),
        Value::Real(f64::INFINITY),
        Value::Real(f64::NEG_INFINITY),
        Value::Real(0.1 + 0.2),
        Value::Text(String::new()),
        Value::Text("\0a\0".into()),
        Value::Text("0193D1E4-7D1C-7A33-8F1E-2B6F0C9D4E55".into()),
        Value::Text("long ".repeat(400)),
        Value::Blob(Vec::new()),
        Value::Blob(vec![0; 70]),
    ])
}

pub fn catalogue(random: &mut Random) -> Catalogue {
    let tables = (0..1 + random.below(4)).map(|n| table(random, n)).collect();
    Catalogue { version: SchemaVersion(random.below(200)), tables, ..Catalogue::default() }
}

fn table(random: &mut Random, number: u64) -> Table {
    let columns: Vec<Column> =
        (0..2 + random.below(6)).map(|n| Column { name: format!("c{n}"), ..Column::default() }).collect();
    let parts = 1 + random.below(columns.len() as u64 - 1).min(2);
    let first = random.below(columns.len() as u64 - parts + 1);
    let mut key: Vec<ColumnId> = (first..first + parts).map(|n| ColumnId(n as u16)).collect();
    if random.below(2) == 0 {
        key.reverse();
    }
    Table { name: format!("t{number}"), columns, key, ..Table::default() }
}

/// Habits of the cells of one document: the same column tends to hold the same kind of value.
struct Maker<'a> {
    random: &'a mut Random,
    catalogue: &'a Catalogue,
    habits: u64,
}

impl Maker<'_> {
    fn cell(&mut self, table: usize, column: ColumnId) -> Value {
        let habit = Random(self.habits ^ (table as u64) << 8 ^ u64::from(column.0)).next();
        value(self.random, habit)
    }

    fn table(&mut self) -> usize {
        self.random.below(self.catalogue.tables.len() as u64) as usize
    }

    fn row(&mut self, table: usize) -> RowId {
        let key = self.catalogue.tables[table].key.clone();
        let key = key.into_iter().map(|column| self.cell(table, column)).collect();
        RowId { table: TableId(table as u16), key: Key(key) }
    }

    fn all(&mut self, table: usize) -> Vec<Value> {
        let columns: Vec<ColumnId> = self.catalogue.tables[table].fields().map(|(id, _)| id).collect();
        columns.into_iter().map(|column| self.cell(table, column)).collect()
    }

    /// Some fields, ascending; one column set is much more frequent than others, and now and then there is none.
    fn some(&mut self, table: usize) -> Vec<Field> {
        let columns: Vec<ColumnId> = self.catalogue.tables[table].fields().map(|(id, _)| id).collect();
        let any = self.random.next();
        let mask = self.random.pick(&[1, 1, 1, any | 1, any]);
        let chosen = columns.into_iter().enumerate().filter(|(n, _)| mask >> n & 1 == 1).map(|(_, id)| id);
        chosen.collect::<Vec<_>>().into_iter().map(|column| Field { column, value: self.cell(table, column) }).collect()
    }

    fn base(&mut self) -> Base {
        match self.random.below(8) {
            0 => Base { seq: Seq(self.random.number()), device_seq: DeviceSeq(self.random.number()) },
            _ => Base { seq: Seq(self.habits >> 40), device_seq: DeviceSeq(self.habits >> 50) },
        }
    }

    fn change(&mut self) -> Change {
        let table = self.table();
        let mutation = match self.random.below(5) {
            0 => Mutation::Delete,
            1 | 2 => Mutation::Insert(self.all(table)),
            _ => Mutation::Update(self.some(table)),
        };
        Change { row: self.row(table), mutation, base: self.base() }
    }

    fn outcome(&mut self) -> Outcome {
        let Change { row, mutation, .. } = self.change();
        let effect = match mutation {
            Mutation::Insert(values) => Effect::Put(values),
            Mutation::Update(fields) => Effect::Set(fields),
            Mutation::Delete => Effect::Delete,
        };
        Outcome { row, effect }
    }

    fn conflict(&mut self) -> Conflict {
        let table = self.table();
        let columns = self.catalogue.tables[table].columns.len() as u64;
        let column = (self.random.below(4) > 0).then(|| ColumnId(self.random.below(columns) as u16));
        let kept = self.random.pick(&[Side::Incumbent, Side::Challenger]);
        let (incumbent, challenger) = (self.claim(), self.claim());
        Conflict { row: self.row(table), column, kept, incumbent, challenger }
    }

    fn claim(&mut self) -> Claim {
        let claimed = match self.random.below(4) {
            0 => Claimed::Deleted,
            1 => {
                let fields =
                    (0..self.random.below(3)).map(|at| Field { column: ColumnId(at as u16), value: odd(self.random) });
                Claimed::Row(fields.collect())
            }
            _ => Claimed::Value(odd(self.random)),
        };
        let (author, device_seq) = (AuthorId(self.random.number() as u32), DeviceSeq(self.random.number()));
        Claim { claimed, author, device_seq, stamp: Stamp(self.random.number()) }
    }

    /// None mostly, otherwise one or two.
    fn few<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.random.below(5).saturating_sub(2);
        (0..count).map(|_| make(self)).collect()
    }

    fn conflict_id(&mut self) -> ConflictId {
        ConflictId { seq: Seq(self.random.number()), index: self.random.number() as u32 }
    }

    fn resolution(&mut self) -> Resolution {
        let side = (self.random.below(2) > 0).then(|| self.random.below(9) as u32);
        Resolution { conflict: self.conflict_id(), seen: Seq(self.random.number()), side }
    }

    fn seen(&mut self) -> SeenValue {
        let table = self.table();
        let fields: Vec<ColumnId> = self.catalogue.tables[table].fields().map(|(column, _)| column).collect();
        let column = fields.first().copied();
        match column {
            Some(column) => SeenValue { row: self.row(table), column, value: odd(self.random) },
            None => self.seen(),
        }
    }

    /// Rising, below the stamp of the one that stands for them.
    fn absorbed(&mut self, stamp: u64) -> Vec<Stamp> {
        let few = if self.random.below(4) == 0 { self.random.below(5) } else { 0 };
        let stamps: std::collections::BTreeSet<u64> = (0..few).map(|_| self.random.number() % stamp.max(1)).collect();
        stamps.into_iter().filter(|earlier| *earlier < stamp).map(Stamp).collect()
    }

    fn state(&mut self) -> QueueState {
        let (changed, before) = (Seq(self.random.number()), Seq(self.random.number()));
        QueueState { changed, by: AuthorId(self.random.number() as u32), before }
    }

    fn queue_change(&mut self) -> QueueChange {
        let id = self.conflict_id();
        let by = AuthorId(self.random.number() as u32);
        match self.random.below(4) {
            0 => QueueChange::Closed(ClosedConflict { id, closing: Closing::Moot, by }),
            1 => QueueChange::Closed(ClosedConflict { id, closing: Closing::Resolved(self.claim().claimed), by }),
            2 => QueueChange::Sides { id, sides: self.few(Self::claim), state: self.state() },
            _ => {
                let Conflict { row, column, .. } = self.conflict();
                let base =
                    (self.random.below(2) > 0).then(|| self.claim().claimed).filter(|base| *base != Claimed::Deleted);
                let opened_at = Millis(self.random.number());
                let (sides, state) = (self.few(Self::claim), self.state());
                QueueChange::Opened(OpenConflict { id, row, column, base, sides, opened_at, state })
            }
        }
    }

    fn author(&mut self) -> AuthorName {
        let incarnation = Incarnation([self.random.number() as u8; 16]);
        let id = AuthorId(self.random.number() as u32);
        AuthorName { id, incarnation, user: format!("user {}", self.random.below(9)) }
    }
}

fn origin(random: &mut Random) -> Option<Incarnation> {
    (random.below(8) == 0).then(|| Incarnation(std::array::from_fn(|_| random.next() as u8)))
}

pub fn changeset(random: &mut Random, catalogue: &Catalogue, transactions: usize, changes: usize) -> Changeset {
    let habits = random.next();
    let mut stamp = random.number() >> 16;
    let mut maker = Maker { random, catalogue, habits };
    let transactions = (0..transactions).map(|_| {
        stamp += 1 + (maker.random.number() >> 20);
        let count = if changes == 0 { 0 } else { maker.random.below(changes as u64 + 1) };
        let changes = (0..count).map(|_| maker.change()).collect();
        let resolutions = maker.few(Maker::resolution);
        let (seen, absorbed) = (maker.few(Maker::seen), maker.absorbed(stamp));
        Transaction { stamp: Stamp(stamp), changes, resolutions, seen, absorbed }
    });
    let transactions = transactions.collect();
    Changeset {
        device_seq: DeviceSeq(random.number()),
        schema: catalogue.version,
        origin: origin(random),
        opening: Opening(random.pick(&[0, 0, 1, u32::MAX])),
        transactions,
    }
}

pub fn commit(random: &mut Random, catalogue: &Catalogue, outcomes: usize, conflicts: usize) -> Commit {
    let habits = random.next();
    let mut maker = Maker { random, catalogue, habits };
    let outcomes = (0..outcomes).map(|_| maker.outcome()).collect();
    let conflicts = (0..conflicts).map(|_| maker.conflict()).collect();
    let (queue, authors) = (maker.few(Maker::queue_change), maker.few(Maker::author));
    Commit {
        author: AuthorId(random.number() as u32),
        device_seq: DeviceSeq(random.number()),
        schema: catalogue.version,
        stamp: Stamp(random.number()),
        outcomes,
        conflicts,
        queue,
        authors,
    }
}

/// Where a change belongs: deletes stand first, then shapes in the order of first mention; within these what is no insert goes by key.
type Place = (u8, usize, Option<Key>);

#[derive(Default)]
struct Shapes(Vec<(TableId, u8, Vec<ColumnId>)>);

impl Shapes {
    fn place(&mut self, row: &RowId, kind: u8, fields: &[Field]) -> Place {
        let shape = (row.table, kind, fields.iter().map(|field| field.column).collect());
        let known = self.0.iter().position(|other| *other == shape);
        let number = known.unwrap_or_else(|| {
            self.0.push(shape);
            self.0.len() - 1
        });
        (u8::from(kind != 2), number, matches!(kind, 1 | 2).then(|| row.key.clone()))
    }
}

fn sort_by_place<T>(items: &mut Vec<T>, mut place: impl FnMut(&T) -> Place) {
    let mut placed: Vec<(Place, T)> = items.drain(..).map(|item| (place(&item), item)).collect();
    placed.sort_by(|(a, _), (b, _)| a.cmp(b));
    items.extend(placed.into_iter().map(|(_, item)| item));
}

/// The order in which a changeset comes back: within a transaction deletes first, then by the first mention of a shape, then by key.
pub fn canonical(mut changeset: Changeset) -> Changeset {
    let mut shapes = Shapes::default();
    for transaction in &mut changeset.transactions {
        sort_by_place(&mut transaction.changes, |change| match &change.mutation {
            Mutation::Insert(_) => shapes.place(&change.row, 0, &[]),
            Mutation::Update(fields) => shapes.place(&change.row, 1, fields),
            Mutation::Delete => shapes.place(&change.row, 2, &[]),
        });
    }
    changeset
}

/// The order in which a commit comes back: as a changeset of one transaction; conflicts by table and column.
pub fn canonical_commit(mut commit: Commit) -> Commit {
    let (mut shapes, mut columns) = (Shapes::default(), Shapes::default());
    sort_by_place(&mut commit.outcomes, |outcome| match &outcome.effect {
        Effect::Put(_) => shapes.place(&outcome.row, 0, &[]),
        Effect::Set(fields) => shapes.place(&outcome.row, 1, fields),
        Effect::Delete => shapes.place(&outcome.row, 2, &[]),
    });
    sort_by_place(&mut commit.conflicts, |conflict| {
        let column = conflict.column.map(|column| Field { column, value: Value::Null });
        columns.place(&conflict.row, 3, column.as_slice())
    });
    commit
}
