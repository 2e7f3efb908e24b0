//! The client store: applying outcomes, and the session's records.
//! Native SQLite through a sync step; the session itself is played by the tests.
//! Rules ST-20 to ST-29.

mod common;

use common::{NOW, Speak, open, try_open};
use ebbtide_core::change::{Field, RowId, Sealed};
use ebbtide_core::client::store::{ClientStore, Progress, RejectedTransaction, ServerRow, Waiting};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Effect, Outcome, Reason, Receipt};
use ebbtide_core::ids::{ChainHash, ColumnId, Cursor, DeviceSeq, Hash, Incarnation, LogId, Seq, TableId, View};
use ebbtide_core::message::Part;
use ebbtide_core::value::{Key, Value};
use ebbtide_store::local::{DbErrorCode, LocalDatabase, SyncStep};
use ebbtide_store::sql::SqlError;
use std::time::Instant;

const NOTE: &str = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT, rank INTEGER UNIQUE)";

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn row(table: u16, key: &str) -> RowId {
    RowId { table: TableId(table), key: Key(vec![text(key)]) }
}

fn put(key: &str, title: &str, rank: i64) -> Outcome {
    Outcome { row: row(0, key), effect: Effect::Put(vec![text(title), Value::Integer(rank)]) }
}

fn set(key: &str, column: u16, value: Value) -> Outcome {
    Outcome { row: row(0, key), effect: Effect::Set(vec![Field { column: ColumnId(column), value }]) }
}

fn delete(table: u16, key: &str) -> Outcome {
    Outcome { row: row(table, key), effect: Effect::Delete }
}

fn step<T>(db: &mut LocalDatabase, body: impl FnOnce(&mut SyncStep<'_>) -> Result<T, SqlError>) -> T {
    db.sync_step(NOW, body).unwrap().unwrap()
}

fn receipt(device_seq: u64) -> Receipt {
    Receipt {
        device_seq: DeviceSeq(device_seq), seq: Some(Seq(3)), decided_at: Seq(3), clock_shift_ms: 0, as_sent: true,
        rejected: vec![], conflicts: 0,
    }
}

fn sealed(device_seq: u64) -> Sealed {
    Sealed { device_seq: DeviceSeq(device_seq), bytes: vec![device_seq as u8; 10], hash: Hash([9; 32]) }
}

#[test]
fn st20_applying_writes_rows_and_logs_nothing() {
    let mut db = open(&[NOTE], &["note"]);
    step(&mut db, |store| store.write(&[put("a", "t", 1), put("b", "t", 2), put("c", "t", 3)]));
    step(&mut db, |store| store.write(&[put("a", "u", 5), set("b", 1, Value::Null), delete(0, "c"), delete(0, "x"), set("y", 1, text("z"))]));
    assert_eq!(db.rows("SELECT * FROM note ORDER BY id"), ["a|u|5", "b|-|2"]);
    assert!(db.log().is_empty());
    assert!(db.take_touched().contains(&"note".to_owned()));
    let found = step(&mut db, |store| Ok((store.row(&row(0, "a"))?, store.row(&row(0, "x"))?)));
    assert_eq!(found, (Some(vec![text("u"), Value::Integer(5)]), None));
    db.run("UPDATE note SET title = 'mine' WHERE id = 'a'");
    assert_eq!(db.log().len(), 1, "capture is on again");
}

#[test]
fn st21_a_swap_of_unique_values_works_and_a_taken_one_is_an_error() {
    let mut db = open(&[NOTE], &["note"]);
    step(&mut db, |store| store.write(&[put("a", "t", 1), put("b", "t", 2), put("c", "t", 3)]));
    step(&mut db, |store| store.write(&[set("a", 2, Value::Integer(2)), set("b", 2, Value::Integer(3)), put("c", "n", 1)]));
    assert_eq!(db.rows("SELECT * FROM note ORDER BY id"), ["a|t|2", "b|t|3", "c|n|1"]);
    let failed = db.sync_step(NOW, |store| store.write(&[put("d", "t", 9), put("e", "t", 1)])).unwrap().unwrap_err();
    assert_eq!(failed.kind.code(), "constraint_unique");
    assert_eq!(db.rows("SELECT count(*) FROM note"), ["3"], "taken back as a whole");
    assert!(!step(&mut db, |store| store.try_write(&[put("d", "t", 9), put("e", "t", 1)])));
    assert!(step(&mut db, |store| store.try_write(&[put("d", "t", 9)])));
    assert_eq!(db.rows("SELECT count(*) FROM note"), ["4"]);
}

#[test]
fn st22_triggers_on_apply_run_only_if_they_write_local_tables() {
    let migration = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT, rank INTEGER DEFAULT 0);
        CREATE VIRTUAL TABLE found USING fts5 (title);
        CREATE TABLE journal (what);
        CREATE TRIGGER note_stamp AFTER UPDATE OF title ON note BEGIN UPDATE note SET rank = rank + 1 WHERE id = new.id; END;
        CREATE TRIGGER note_found AFTER INSERT ON note BEGIN INSERT INTO found (rowid, title) VALUES (new.rowid, new.title); END;
        CREATE TRIGGER \"note gone\" AFTER DELETE ON note BEGIN DELETE FROM found WHERE rowid = old.rowid; END;
        CREATE TRIGGER note_check BEFORE INSERT ON note WHEN new.title = 'never' BEGIN SELECT RAISE(ABORT, 'no'); END;
        CREATE TRIGGER nested AFTER INSERT ON journal BEGIN SELECT 1; END;";
    let mut db = open(&[migration], &["note"]);
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
    db.sync_step(NOW, |store| store.write(&[put("f", "lime", 1)]).and(Err::<(), _>("no".to_owned()).map_err(|_| ()).map_err(|()| SqlError {
        kind: ebbtide_store::sql::SqlErrorKind::Other, message: String::new(), sql: String::new(),
    }))).unwrap().unwrap_err();
    db.run("UPDATE note SET title = 'fog' WHERE id = 'a'");
    assert_eq!(db.rows("SELECT rank FROM note WHERE id = 'a'"), ["9"]);
}

#[test]
fn st22_a_trigger_that_writes_both_kinds_is_refused() {
    let migration = format!("{NOTE}; CREATE TABLE l (x); CREATE TRIGGER both AFTER INSERT ON note
        BEGIN INSERT INTO l VALUES (1); UPDATE note SET title = 'x'; END");
    let error = try_open(rusqlite::Connection::open_in_memory().unwrap(), &[&migration], &["note"]).err().unwrap();
    assert_eq!(error.code.code(), "schema_invalid");
    assert!(error.message.contains("both"), "{error}");
}

const TREE: &str = "CREATE TABLE parent (id TEXT PRIMARY KEY NOT NULL, n);
    CREATE TABLE child (id TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES parent ON DELETE CASCADE);
    CREATE TABLE draft (parent TEXT REFERENCES parent ON DELETE CASCADE, x);
    CREATE TABLE mark (parent TEXT REFERENCES parent (id) ON DELETE SET NULL, x);";

fn child(key: &str, parent: &str) -> Outcome {
    Outcome { row: row(0, key), effect: Effect::Put(vec![text(parent)]) }
}

fn parent(key: &str) -> Outcome {
    Outcome { row: row(1, key), effect: Effect::Put(vec![Value::Null]) }
}

#[test]
fn st23_references_are_checked_at_the_end_of_a_step_and_no_cascade_acts() {
    let mut db = open(&[TREE], &["parent", "child"]);
    assert_eq!(db.rows("SELECT name FROM sqlite_schema WHERE name LIKE '\\_ebb\\_fk%' ESCAPE '\\'"), ["_ebb_fk_child_0"]);
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

#[test]
fn st23_local_tables_follow_synced_rows_that_are_gone() {
    let mut db = open(&[TREE], &["parent", "child"]);
    step(&mut db, |store| store.write(&[parent("p"), parent("q")]));
    db.run("INSERT INTO draft VALUES ('p', 1), ('q', 2)");
    db.run("INSERT INTO mark VALUES ('p', 1), ('q', 2)");
    step(&mut db, |store| store.write(&[delete(1, "p"), delete(1, "q")]).and_then(|()| store.write(&[parent("q")])));
    assert_eq!(db.rows("SELECT parent FROM draft"), ["q"]);
    assert_eq!(db.rows("SELECT parent FROM mark ORDER BY x"), ["-", "q"]);
}

#[test]
fn st24_the_log_is_sealed_in_order_and_dropped_with_its_changeset() {
    let mut db = open(&[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 't', 1)");
    db.run("UPDATE note SET title = 'u'");
    db.run("INSERT INTO note VALUES ('b', 't', 2)");
    let open_log = step(&mut db, |store| store.unsealed(usize::MAX, 2));
    assert_eq!(open_log.len(), 2);
    assert!(open_log[0].stamp < open_log[1].stamp);
    step(&mut db, |store| store.put_sealed(&sealed(1), 2, open_log[1].id));
    assert_eq!(step(&mut db, |store| store.unsealed(1, 9)).len(), 1);
    assert_eq!(step(&mut db, |store| store.waiting()), Waiting { pending: 3, unsealed: 1, blocked: 0, rejected: 0 });
    assert_eq!(step(&mut db, |store| store.sealed_log(Some(DeviceSeq(1)))), open_log);
    assert_eq!(step(&mut db, |store| store.sealed_log(None)), open_log);
    let pending = step(&mut db, |store| store.pending_changes(&[row(0, "b"), row(0, "a"), row(0, "x")]));
    assert_eq!(pending.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 0]);
    db.run("UPDATE note SET title = 'v' WHERE id = 'a'");
    step(&mut db, |store| store.set_blocked(&[LogId(3)]));
    let pending = step(&mut db, |store| store.pending_changes(&[row(0, "b"), row(0, "a")]));
    assert_eq!(pending.iter().map(Vec::len).collect::<Vec<_>>(), [0, 3]);
    step(&mut db, |store| store.drop_sealed(DeviceSeq(1)));
    let pending = step(&mut db, |store| store.pending_changes(&[row(0, "b"), row(0, "a")]));
    assert_eq!(pending.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(step(&mut db, |store| store.blocked()), [LogId(3)]);
    step(&mut db, |store| store.put_sealed(&sealed(2), 2, LogId(4)));
    step(&mut db, |store| store.drop_sealed(DeviceSeq(2)));
    assert_eq!(step(&mut db, |store| store.waiting()), Waiting::default());
    db.run("UPDATE note SET title = 'w' WHERE id = 'a'");
    let pending = step(&mut db, |store| store.pending_changes(&[row(0, "a")]));
    assert_eq!(pending[0].len(), 1, "ids may be given out again");
    assert_eq!(step(&mut db, |store| store.unsealed(usize::MAX, 9)).len(), 1);
}

#[test]
fn st25_changesets_keep_their_progress_and_their_receipt() {
    let mut db = open(&[NOTE], &["note"]);
    for number in 1..=2 {
        db.run("INSERT INTO note (id) VALUES (uuidv7())");
        step(&mut db, |store| store.put_sealed(&sealed(number), 1, LogId(number as i64)));
    }
    step(&mut db, |store| store.set_progress(DeviceSeq(2), Progress::Staging { next_chunk: 7 }));
    step(&mut db, |store| store.put_receipt(&receipt(1)));
    let entries = step(&mut db, |store| store.sealed());
    assert_eq!(entries.iter().map(|entry| entry.progress).collect::<Vec<_>>(), [Progress::Committed, Progress::Staging { next_chunk: 7 }]);
    assert_eq!((entries[0].receipt.clone(), entries[0].total_bytes), (Some(receipt(1)), 10));
    assert_eq!(step(&mut db, |store| store.sealed_bytes(DeviceSeq(2))), [2; 10]);
}

#[test]
fn st26_the_devices_record_and_clock_survive_reopening_and_a_failed_step_changes_neither() {
    let mut db = open(&[NOTE], &["note"]);
    let mut state = step(&mut db, |store| store.device());
    assert_eq!((state.incarnation, state.next_device_seq), (Incarnation([7; 16]), DeviceSeq(1)));
    state.cursor = Cursor { seq: Seq(9), chain: ChainHash([1; 8]), view: View([2; 8]) };
    state.next_device_seq = DeviceSeq(4);
    state.last_decided = Some((DeviceSeq(3), Hash([3; 32])));
    state.previous = Some(Incarnation([4; 16]));
    let seen = Stamp(u64::MAX >> 2);
    step(&mut db, |store| store.set_device(&state).and_then(|()| store.observe(seen)));
    let failed: Result<(), _> = db.sync_step(NOW, |store| {
        store.set_device(&Default::default()).unwrap();
        Err(())
    }).unwrap();
    assert!(failed.is_err());
    let mut db = try_open(db.into_connection().unwrap(), &[NOTE], &["note"]).unwrap();
    assert_eq!(step(&mut db, |store| store.device()), state);
    db.run("INSERT INTO note (id) VALUES ('a')");
    let logged = step(&mut db, |store| store.unsealed(usize::MAX, 1));
    assert!(logged[0].stamp > seen);
    assert_eq!((logged[0].base.seq, logged[0].base.device_seq), (Seq(9), DeviceSeq(3)));
}

#[test]
fn st27_records_are_kept() {
    let mut db = open(&[NOTE], &["note"]);
    let kept = ServerRow::Kept(Some(vec![text("s"), Value::Null]));
    step(&mut db, |store| {
        assert!(!store.keeps_server_rows()?);
        store.set_server_row(&row(0, "a"), kept.clone())?;
        store.set_server_row(&row(0, "b"), ServerRow::Kept(None))?;
        store.put_rejected(&RejectedTransaction {
            stamp: Stamp(1), device_seq: DeviceSeq(1), reason: Reason::Unique, detail: "note.rank".into(), changes: vec![],
        })
    });
    step(&mut db, |store| {
        assert!(store.keeps_server_rows()?);
        assert_eq!(store.server_row(&row(0, "a"))?, kept);
        assert_eq!(store.server_row(&row(0, "b"))?, ServerRow::Kept(None));
        store.set_server_row(&row(0, "b"), ServerRow::Derived)?;
        assert_eq!(store.server_row(&row(0, "b"))?, ServerRow::Derived);
        assert_eq!(store.waiting()?.rejected, 1);
        Ok(())
    });
}

#[test]
fn st28_pieces_of_a_commit_are_kept_until_the_last() {
    let part = |seq: u64, index: u32, count: u32| Part {
        from: Seq(seq - 1), seq: Seq(seq), chain: ChainHash::default(), own: None, index, count, bytes: vec![index as u8; 2],
    };
    let mut db = open(&[NOTE], &["note"]);
    step(&mut db, |store| {
        store.put_part(&part(5, 1, 2))?;
        assert_eq!(store.take_parts(Seq(5), 2)?, None);
        store.put_part(&part(6, 1, 2))?;
        store.put_part(&part(6, 0, 2))?;
        assert_eq!(store.take_parts(Seq(5), 2)?, None);
        assert_eq!(store.take_parts(Seq(6), 2)?, Some(vec![0, 0, 1, 1]));
        assert_eq!(store.take_parts(Seq(6), 2)?, None);
        Ok(())
    });
}

#[test]
fn st29_applying_many_rows_is_fast() {
    let mut db = open(&["CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, a TEXT, b TEXT, c INTEGER, d REAL, e TEXT)"], &["note"]);
    let outcomes: Vec<Outcome> = (0..50_000).map(|n| Outcome {
        row: row(0, &format!("0190f1d2-0000-7000-8000-{n:012}")),
        effect: Effect::Put(vec![text("household"), text("some words"), Value::Integer(n), Value::Real(0.5), Value::Null]),
    }).collect();
    let start = Instant::now();
    step(&mut db, |store| store.write(&outcomes));
    let rate = 50_000.0 / start.elapsed().as_secs_f64();
    println!("{rate:.0} rows/s");
    assert_eq!(db.rows("SELECT count(*) FROM note"), ["50000"]);
    assert!(rate > 20_000.0, "a machine under load may be slow, but not by this much: {rate:.0} rows/s");
}
