//! Cases: outcomes written into the visible database.
//! What stays quiet meanwhile, and what is checked before the step ends.
//! Rules ST-20 to ST-23.

use super::words::{NOW, Speak, open, row, step, text, try_open};
use crate::local::DbErrorCode;
use crate::sql::{SqlError, SqlErrorKind};
use ebbtide_core::change::Field;
use ebbtide_core::client::store::ClientStore;
use ebbtide_core::commit::{Effect, Outcome};
use ebbtide_core::ids::ColumnId;
use ebbtide_core::value::Value;
use rusqlite::Connection;

const NOTE: &str = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT, rank INTEGER UNIQUE)";

pub(super) const TREE: &str = "CREATE TABLE parent (id TEXT PRIMARY KEY NOT NULL, n);
    CREATE TABLE child (id TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES parent ON DELETE CASCADE);
    CREATE TABLE draft (parent TEXT REFERENCES parent ON DELETE CASCADE, x);
    CREATE TABLE mark (parent TEXT REFERENCES parent (id) ON DELETE SET NULL, x);";

fn put(key: &str, title: &str, rank: i64) -> Outcome {
    Outcome { row: row(0, key), effect: Effect::Put(vec![text(title), Value::Integer(rank)]) }
}

fn set(key: &str, column: u16, value: Value) -> Outcome {
    Outcome { row: row(0, key), effect: Effect::Set(vec![Field { column: ColumnId(column), value }]) }
}

pub(super) fn delete(table: u16, key: &str) -> Outcome {
    Outcome { row: row(table, key), effect: Effect::Delete }
}

pub(super) fn child(key: &str, parent: &str) -> Outcome {
    Outcome { row: row(0, key), effect: Effect::Put(vec![text(parent)]) }
}

pub(super) fn parent(key: &str) -> Outcome {
    Outcome { row: row(1, key), effect: Effect::Put(vec![Value::Null]) }
}

pub fn st20_applying_writes_rows_and_logs_nothing(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    step(&mut db, |store| store.write(&[put("a", "t", 1), put("b", "t", 2), put("c", "t", 3)]));
    step(&mut db, |store| {
        store.write(&[
            put("a", "u", 5),
            set("b", 1, Value::Null),
            delete(0, "c"),
            delete(0, "x"),
            set("y", 1, text("z")),
        ])
    });
    assert_eq!(db.rows("SELECT * FROM note ORDER BY id"), ["a|u|5", "b|-|2"]);
    assert!(db.log().is_empty());
    assert!(db.take_touched().contains(&"note".to_owned()));
    let found = step(&mut db, |store| Ok((store.row(&row(0, "a"))?, store.row(&row(0, "x"))?)));
    assert_eq!(found, (Some(vec![text("u"), Value::Integer(5)]), None));
    db.run("UPDATE note SET title = 'mine' WHERE id = 'a'");
    assert_eq!(db.log().len(), 1, "capture is on again");
}

pub fn st21_a_swap_of_unique_values_works_and_a_taken_one_is_an_error(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    step(&mut db, |store| store.write(&[put("a", "t", 1), put("b", "t", 2), put("c", "t", 3)]));
    step(&mut db, |store| {
        store.write(&[set("a", 2, Value::Integer(2)), set("b", 2, Value::Integer(3)), put("c", "n", 1)])
    });
    assert_eq!(db.rows("SELECT * FROM note ORDER BY id"), ["a|t|2", "b|t|3", "c|n|1"]);
    let failed = db.sync_step(NOW, |store| store.write(&[put("d", "t", 9), put("e", "t", 1)])).unwrap().unwrap_err();
    assert_eq!(failed.kind.code(), "constraint_unique");
    assert_eq!(db.rows("SELECT count(*) FROM note"), ["3"], "taken back as a whole");
    assert!(!step(&mut db, |store| store.try_write(&[put("d", "t", 9), put("e", "t", 1)])));
    assert!(step(&mut db, |store| store.try_write(&[put("d", "t", 9)])));
    assert_eq!(db.rows("SELECT count(*) FROM note"), ["4"]);
}

pub fn st22_triggers_on_apply_run_only_if_they_write_local_tables(connection: Connection) {
    let migration = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT, rank INTEGER DEFAULT 0);
        CREATE VIRTUAL TABLE found USING fts5 (title);
        CREATE TABLE journal (what);
        CREATE TRIGGER note_stamp AFTER UPDATE OF title ON note BEGIN UPDATE note SET rank = rank + 1 WHERE id = new.id; END;
        CREATE TRIGGER note_found AFTER INSERT ON note BEGIN INSERT INTO found (rowid, title) VALUES (new.rowid, new.title); END;
        CREATE TRIGGER \"note gone\" AFTER DELETE ON note BEGIN DELETE FROM found WHERE rowid = old.rowid; END;
        CREATE TRIGGER note_check BEFORE INSERT ON note WHEN new.title = 'never' BEGIN SELECT RAISE(ABORT, 'no'); END;
        CREATE TRIGGER nested AFTER INSERT ON journal BEGIN SELECT 1; END;";
    let mut db = open(connection, &[migration], &["note"]);
    step(&mut db, |store| store.write(&[put("a", "apple", 5), put("b", "pear", 6), put("c", "never", 0)]));
    step(&mut db, |store| store.write(&[put("a", "plum", 7), delete(0, "b")]));
    assert_eq!(db.rows("SELECT id, title, rank FROM note ORDER BY 1"), ["a|plum|7", "c|never|0"]);
    assert_eq!(db.rows("SELECT title FROM found ORDER BY 1"), ["apple", "never"]);
    assert!(db.take_touched().contains(&"found".to_owned()));
    // And at home all of them run once.
    db.run("UPDATE note SET title = 'fig' WHERE id = 'a'");
    db.run("INSERT INTO note VALUES ('d', 'kiwi', 1)");
    assert_eq!(db.fails("INSERT INTO note VALUES ('e', 'never', 1)"), "constraint");
    assert_eq!(db.rows("SELECT rank FROM note WHERE id = 'a'"), ["8"]);
    assert_eq!(db.rows("SELECT count(*) FROM found WHERE found MATCH 'kiwi'"), ["1"]);
    assert_eq!(db.rows("SELECT count(*) FROM sqlite_temp_schema WHERE type = 'trigger'"), ["0"]);
    // A step that is taken back leaves them as they were.
    let refused = SqlError { kind: SqlErrorKind::Other, message: String::new(), sql: String::new() };
    let taken_back = db.sync_step(NOW, |store| store.write(&[put("f", "lime", 1)]).and(Err::<(), _>(refused)));
    taken_back.unwrap().unwrap_err();
    db.run("UPDATE note SET title = 'fog' WHERE id = 'a'");
    assert_eq!(db.rows("SELECT rank FROM note WHERE id = 'a'"), ["9"]);
}

pub fn st22_a_trigger_that_writes_both_kinds_is_refused(connection: Connection) {
    let migration = format!(
        "{NOTE}; CREATE TABLE l (x); CREATE TRIGGER both AFTER INSERT ON note
        BEGIN INSERT INTO l VALUES (1); UPDATE note SET title = 'x'; END"
    );
    let error = try_open(connection, &[&migration], &["note"]).err().unwrap();
    assert_eq!(error.code.code(), "schema_invalid");
    assert!(error.message.contains("both"), "{error}");
}

pub fn st23_references_are_checked_at_the_end_of_a_step_and_no_cascade_acts(connection: Connection) {
    let mut db = open(connection, &[TREE], &["parent", "child"]);
    assert_eq!(
        db.rows("SELECT name FROM sqlite_schema WHERE name LIKE '\\_ebb\\_fk%' ESCAPE '\\'"),
        ["_ebb_fk_child_0"]
    );
    step(&mut db, |store| store.write(&[child("c", "p")]).and_then(|()| store.write(&[parent("p"), parent("q")])));
    for dangling in [delete(1, "p"), child("d", "x")] {
        let error = db.sync_step(NOW, |store| store.write(std::slice::from_ref(&dangling))).unwrap_err();
        assert_eq!(error.code, DbErrorCode::ConstraintForeignKey, "{error}");
        assert!(!step(&mut db, |store| store.try_write(std::slice::from_ref(&dangling))));
    }
    assert_eq!(db.rows("SELECT count(*) FROM child JOIN parent ON parent.id = child.parent"), ["1"]);
    step(&mut db, |store| store.write(&[delete(1, "p"), child("c", "q")]));
    assert_eq!(db.rows("SELECT parent FROM child"), ["q"]);
    assert_eq!(db.fails("INSERT INTO child VALUES ('z', 'x')"), "constraint_foreign_key");
}

pub fn st23_local_tables_follow_synced_rows_that_are_gone(connection: Connection) {
    let mut db = open(connection, &[TREE], &["parent", "child"]);
    step(&mut db, |store| store.write(&[parent("p"), parent("q")]));
    db.run("INSERT INTO draft VALUES ('p', 1), ('q', 2)");
    db.run("INSERT INTO mark VALUES ('p', 1), ('q', 2)");
    step(&mut db, |store| store.write(&[delete(1, "p"), delete(1, "q")]).and_then(|()| store.write(&[parent("q")])));
    assert_eq!(db.rows("SELECT parent FROM draft"), ["q"]);
    assert_eq!(db.rows("SELECT parent FROM mark ORDER BY x"), ["-", "q"]);
}
