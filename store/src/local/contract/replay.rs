//! Case: whatever an app does, replaying the log over the tables as they were gives the tables as they are.
//! Random statements of every kind that capture must follow, from a fixed seed; each change must fit what it meets.
//! Rule ST-10.

use super::words::{NOW, Speak, open, step};
use crate::local::LocalDatabase;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{LoggedMutation, RowId};
use ebbtide_core::client::store::ClientStore;
use ebbtide_core::ids::TableId;
use ebbtide_core::value::Value;
use rusqlite::Connection;
use std::collections::BTreeMap;

const TABLES: &str = "
CREATE TABLE p (k TEXT PRIMARY KEY NOT NULL, u INTEGER UNIQUE, r REAL, t TEXT NOT NULL DEFAULT '', touched INTEGER DEFAULT 0);
CREATE TABLE q (a INTEGER NOT NULL, b TEXT NOT NULL, p TEXT REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE,
  g AS (a + 1), v CHECK (v <> 13), PRIMARY KEY (b, a)) WITHOUT ROWID;
CREATE TABLE n (id INTEGER PRIMARY KEY, p TEXT REFERENCES p ON DELETE SET NULL ON UPDATE CASCADE, x ANY);
CREATE TRIGGER p_touch AFTER UPDATE OF t ON p BEGIN UPDATE p SET touched = touched + 1 WHERE k = new.k; END;
CREATE TRIGGER q_copy AFTER INSERT ON q WHEN new.a > 2 BEGIN INSERT OR REPLACE INTO n VALUES (new.a, new.p, new.b); END;
CREATE TRIGGER n_limit BEFORE INSERT ON n WHEN new.id = 5 BEGIN SELECT RAISE(FAIL, 'five'); END;
CREATE TRIGGER n_skip BEFORE UPDATE ON n WHEN new.id = 4 BEGIN SELECT RAISE(IGNORE); END;";

const STATEMENTS: [&str; 16] = [
    "INSERT{or} INTO p (k, u, r, t) VALUES ('{a}', {b}, {a}, 't{b}'), ('{b}', {c}, {b}.5, '')",
    "INSERT INTO p (k, u) VALUES ('{a}', {b}) ON CONFLICT (k) DO UPDATE SET u = excluded.u, t = t || '.'",
    "INSERT{or} INTO p (k, u) VALUES ('{a}', {b}) ON CONFLICT (u) DO UPDATE SET k = '{c}'",
    "UPDATE{or} p SET u = u + {a} - 2, r = u WHERE k >= '{b}'",
    "UPDATE{or} p SET k = '{a}' WHERE k = '{b}'",
    "UPDATE p SET t = t, r = r",
    "UPDATE p SET t = t || '{a}' WHERE u < {b}",
    "DELETE FROM p WHERE k = '{a}'",
    "INSERT{or} INTO q (a, b, p, v) VALUES ({a}, 'x', '{b}', {c}), ({c}, 'y', NULL, {d})",
    "UPDATE{or} q SET a = {a}, v = {d} WHERE b = 'x'",
    "UPDATE{or} q SET p = '{a}', v = v + 1",
    "DELETE FROM q WHERE a > {b}",
    "INSERT{or} INTO n (id, p, x) VALUES ({a}, '{b}', {c}), ({c}, '{a}', x'0{a}')",
    "UPDATE{or} n SET id = {a} WHERE id = {b}",
    "DELETE FROM n",
    "REPLACE INTO p (k, u) SELECT k, {a} FROM p WHERE k <= '{b}'",
];

const CONFLICT: [&str; 6] = ["", " OR REPLACE", " OR IGNORE", " OR FAIL", " OR ABORT", " OR ROLLBACK"];

/// A small generator, so that every back end sees the same history.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn statement(&mut self) -> String {
        let mut sql = STATEMENTS[self.roll(STATEMENTS.len())].to_owned();
        let or = CONFLICT[self.roll(CONFLICT.len())];
        sql = sql.replace("{or}", or);
        for slot in ["{a}", "{b}", "{c}"] {
            sql = sql.replace(slot, &self.roll(7).to_string());
        }
        sql.replace("{d}", &(self.roll(4) + 11).to_string())
    }
}

type State = BTreeMap<RowId, Vec<Value>>;

pub fn st10_replaying_the_log_gives_the_database(connection: Connection) {
    let mut db = open(connection, &[TABLES], &["p", "q", "n"]);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..10 {
        (0..40).for_each(|_| transaction(&mut db, &mut dice));
        compare(&mut db);
    }
    let log = step(&mut db, |store| store.unsealed(usize::MAX, usize::MAX));
    assert!(log.len() > 100, "{} transactions", log.len());
}

/// Some statements of which some fail, in a transaction that may be rolled back, or one by itself.
fn transaction(db: &mut LocalDatabase, dice: &mut Dice) {
    let statements = dice.roll(6);
    if statements == 0 {
        return drop(db.execute(&dice.statement(), &[], NOW));
    }
    db.begin().unwrap();
    for _ in 0..statements {
        let sql = match dice.roll(8) {
            0 => "SAVEPOINT s".to_owned(),
            1 => "ROLLBACK TO s".to_owned(),
            2 => "RELEASE s".to_owned(),
            _ => dice.statement(),
        };
        drop(db.execute(&sql, &[], NOW));
    }
    if dice.roll(6) == 0 { db.rollback().unwrap() } else { drop(db.commit(NOW)) }
}

fn compare(db: &mut LocalDatabase) {
    let mut state = State::new();
    let catalogue = step(db, |store| Ok(store.catalogue()));
    let log = step(db, |store| store.unsealed(usize::MAX, usize::MAX));
    for change in log.into_iter().flat_map(|transaction| transaction.changes) {
        replay(&mut state, change.row, change.mutation, &catalogue);
    }
    for (at, table) in catalogue.tables.iter().enumerate() {
        let replayed = state.keys().filter(|row| row.table == TableId(at as u16)).count();
        assert_eq!(db.rows(&format!("SELECT count(*) FROM {}", table.name)), [replayed.to_string()]);
    }
    for (row, values) in state {
        assert_eq!(step(db, |store| store.row(&row)).as_ref(), Some(&values), "{row:?}");
    }
}

fn replay(state: &mut State, row: RowId, mutation: LoggedMutation, catalogue: &Catalogue) {
    match mutation {
        LoggedMutation::Insert(values) => {
            assert_eq!(state.insert(row.clone(), values), None, "{row:?} was there already");
        }
        LoggedMutation::Delete(values) => assert_eq!(state.remove(&row), Some(values), "{row:?}"),
        LoggedMutation::Update(fields) => {
            let values = state.get_mut(&row).unwrap_or_else(|| panic!("{row:?} is updated, but not there"));
            for field in fields {
                let at = catalogue.tables[usize::from(row.table.0)].field_position(field.column).unwrap();
                assert_eq!(std::mem::replace(&mut values[at], field.new), field.old, "{row:?}");
            }
        }
    }
}
