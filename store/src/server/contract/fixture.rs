//! A small clinic for the contract: tables of every kind, and short ways to write and read their rows.

use crate::catalogue;
use crate::migrate::{self, Side};
use crate::schema::Schema;
use crate::server::{Space, SpaceStore};
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{Field, RowId};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Effect, Outcome};
use ebbtide_core::ids::{AuthorId, ColumnId, DeviceSeq, Seq, TableId};
use ebbtide_core::server::store::{Mark, RowMarks, RowState, RowWrite, ServerStore, Violation};
use ebbtide_core::value::{Key, Value};
use std::rc::Rc;

const SCHEMA: &str = r#"{ "migrations": [
    "CREATE TABLE household (id TEXT PRIMARY KEY NOT NULL, name TEXT, code TEXT NOT NULL UNIQUE DEFAULT '') STRICT;
     CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, household TEXT REFERENCES household(id) ON DELETE CASCADE,
         doses INTEGER NOT NULL DEFAULT 0 CHECK (doses >= 0), notes TEXT) STRICT;
     CREATE TABLE staff (id TEXT PRIMARY KEY NOT NULL, boss TEXT REFERENCES staff(id) ON DELETE RESTRICT,
         desk INTEGER UNIQUE) STRICT;
     CREATE TABLE shelf (room TEXT NOT NULL, number INTEGER NOT NULL, label BLOB NOT NULL, a TEXT, b INTEGER,
         PRIMARY KEY (room, number, label), UNIQUE (a, b)) WITHOUT ROWID;
     CREATE TABLE typed (id TEXT PRIMARY KEY NOT NULL, i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT;
     CREATE TABLE loose (id PRIMARY KEY NOT NULL, n NUMERIC, i INT, r DOUBLE, t VARCHAR(9), u) WITHOUT ROWID;
     CREATE TABLE counted (id INTEGER PRIMARY KEY, label TEXT) STRICT;
     CREATE TABLE ward (id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE) STRICT;
     CREATE TABLE bed (code TEXT NOT NULL REFERENCES ward(code) ON UPDATE CASCADE ON DELETE CASCADE, number INTEGER NOT NULL,
         PRIMARY KEY (code, number)) STRICT;
     CREATE TABLE guest (id TEXT PRIMARY KEY NOT NULL, code TEXT REFERENCES ward(code) ON UPDATE SET NULL ON DELETE SET NULL)
         STRICT;
     CREATE TABLE mail (id TEXT PRIMARY KEY NOT NULL, address TEXT NOT NULL CHECK (address LIKE '%@%'), note TEXT,
         host TEXT AS (substr(address, 2))) STRICT;
     CREATE UNIQUE INDEX mail_address ON mail (lower(address));
     CREATE UNIQUE INDEX mail_note ON mail (host, note);
     CREATE TABLE bare (id TEXT PRIMARY KEY NOT NULL) STRICT"],
  "tables": { "household": {}, "visit": {}, "staff": {}, "shelf": {}, "typed": {}, "loose": {},
              "counted": { "key": "natural" }, "bare": {}, "mail": {}, "ward": {}, "bed": {}, "guest": {} } }"#;

/// An opened space and its database.
pub(super) struct Fixture<S> {
    pub(super) sql: S,
    pub(super) space: Rc<Space>,
}

/// A text value.
pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A mark of a commit.
pub(super) fn mark(seq: u64) -> Mark {
    let device_seq = DeviceSeq(seq);
    Mark { seq: Seq(seq), stamp: Stamp(seq << 20), author: AuthorId(1), device_seq, as_sent: true }
}

/// The schema of the clinic.
fn schema() -> Schema {
    serde_json::from_str(&SCHEMA.replace('\n', " ")).expect("the fixture's schema is JSON")
}

/// Opens the fixture's database.
pub(super) fn open<S: Sql + Clone>(sql: &mut S) -> Rc<Space> {
    open_with(sql, &schema())
}

/// Runs migrations that change no rows, and so make no commit, and opens the database.
pub(super) fn open_with<S: Sql + Clone>(sql: &mut S, schema: &Schema) -> Rc<Space> {
    for index in migrate::pending(sql, schema).expect("no other schema was here") {
        migrate::apply(sql, schema, index, Side::Server).expect("the migration runs");
    }
    let catalogue = catalogue::read(sql, schema).expect("the schema fits its database");
    Space::of(sql, catalogue).expect("opens")
}

impl<S: Sql + Clone> Fixture<S> {
    /// Migrates and opens an empty database.
    pub(super) fn new(mut sql: S) -> Self {
        let space = open(&mut sql);
        Fixture { sql, space }
    }

    /// An event that must succeed.
    pub(super) fn event<T>(&self, body: impl FnOnce(&mut SpaceStore<S>) -> Result<T, SqlError>) -> T {
        self.try_event(body).expect("the event succeeds")
    }

    /// An event that may be taken back.
    pub(super) fn try_event<T>(
        &self,
        body: impl FnOnce(&mut SpaceStore<S>) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        SpaceStore::event(&self.sql, &self.space, body)
    }

    pub(super) fn catalogue(&self) -> Rc<Catalogue> {
        self.space.catalogue()
    }

    pub(super) fn table(&self, name: &str) -> TableId {
        self.catalogue().table_id(name).expect("a table of the fixture")
    }

    pub(super) fn column(&self, table: &str, name: &str) -> ColumnId {
        let catalogue = self.catalogue();
        let columns = &catalogue.table(self.table(table)).expect("a table").columns;
        ColumnId(columns.iter().position(|column| column.name == name).expect("a column") as u16)
    }

    pub(super) fn row(&self, table: &str, key: impl IntoKey) -> RowId {
        RowId { table: self.table(table), key: key.into_key() }
    }

    pub(super) fn put(&self, table: &str, key: impl IntoKey, values: Vec<Value>) -> RowWrite {
        self.effect(self.row(table, key), Effect::Put(values))
    }

    pub(super) fn set(&self, table: &str, key: impl IntoKey, fields: &[(&str, Value)]) -> RowWrite {
        let field = |(name, value): &(&str, Value)| Field { column: self.column(table, name), value: value.clone() };
        self.effect(self.row(table, key), Effect::Set(fields.iter().map(field).collect()))
    }

    pub(super) fn delete(&self, table: &str, key: impl IntoKey) -> RowWrite {
        self.effect(self.row(table, key), Effect::Delete)
    }

    fn effect(&self, row: RowId, effect: Effect) -> RowWrite {
        let width = self.catalogue().table(row.table).expect("a table").fields().count();
        let deleted = matches!(effect, Effect::Delete).then(|| mark(2));
        let marks = RowMarks { created: mark(1), fields: vec![Some(mark(1)); width], deleted, ..RowMarks::default() };
        RowWrite { outcome: Outcome { row, effect }, marks }
    }

    /// Writes rows in an event of their own.
    pub(super) fn write(&self, rows: &[RowWrite]) {
        self.event(|store| store.write(rows)).expect("no constraint is met");
    }

    /// Writes rows that meet a constraint, and takes everything back.
    pub(super) fn refused(&self, rows: &[RowWrite]) -> Violation {
        let refused = self.event(|store| store.savepoint(|store| Err::<(), _>(store.write(rows))));
        refused.expect_err("the body answers with an error").expect("storage works").expect_err("a constraint is met")
    }

    pub(super) fn load(&self, rows: &[RowId]) -> Vec<RowState> {
        self.event(|store| store.load(rows))
    }

    /// The values of a row that must be there.
    pub(super) fn values(&self, row: RowId) -> Vec<Value> {
        self.load(&[row]).remove(0).values.expect("the row is there")
    }

    pub(super) fn exists(&self, row: RowId) -> bool {
        self.load(&[row]).remove(0).values.is_some()
    }
}

/// What the fixture takes for a key: one text, or all parts.
pub(super) trait IntoKey {
    fn into_key(self) -> Key;
}

impl IntoKey for &str {
    fn into_key(self) -> Key {
        Key(vec![text(self)])
    }
}

impl IntoKey for Vec<Value> {
    fn into_key(self) -> Key {
        Key(self)
    }
}
