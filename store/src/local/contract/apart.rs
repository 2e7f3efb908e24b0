//! Cases: what a database writes while it is kept in step with nothing, and rows of a table that joins.
//! What becomes of them is the session's business, which is played here.
//! Rule ST-73.

use super::words::{Speak, open, reopen, row, step, text};
use ebbtide_core::client::store::{ClientStore, Rebuild, Waiting};
use ebbtide_core::ids::{AuthorId, DeviceSeq, LogId, Seq};
use ebbtide_core::value::{Key, Value};
use ebbtide_core::version_map::{Unknown, UnknownCells};
use rusqlite::Connection;

const NOTE: &str = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT)";
const OTHERS: &str =
    "CREATE TABLE aaa (id TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES zzz(id) ON DELETE SET NULL, n INTEGER);
    CREATE TABLE zzz (id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE)";

pub fn st73_what_is_written_apart_is_told_from_the_rest(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 'always to be in step')");
    assert_eq!(step(&mut db, |store| store.local_log()), []);
    db.keep_in_step(false);
    db.run("INSERT INTO note VALUES ('b', 'apart')");
    let mut db = reopen(db, &[NOTE], &["note"]);
    // It may have been written on top of.
    db.run("UPDATE note SET title = 'on top' WHERE id = 'b'");
    let waiting = Waiting { pending: 3, unsealed: 3, local: 2, ..Waiting::default() };
    assert_eq!(step(&mut db, |store| store.waiting()), waiting);
    assert_eq!(step(&mut db, |store| store.local_log()), [LogId(2), LogId(3)]);
    step(&mut db, |store| store.drop_transactions(&[LogId(2)]));
    assert_eq!(step(&mut db, |store| store.local_log()), [LogId(3)]);
    step(&mut db, |store| store.adopt_local());
    db.run("INSERT INTO note VALUES ('c', 'after the choice')");
    assert_eq!(step(&mut db, |store| store.waiting()), Waiting { pending: 3, unsealed: 3, ..Waiting::default() });
    // Whom a space has welcomed is only away.
    step(&mut db, |store| {
        let device = store.device()?;
        store.set_device(&ebbtide_core::client::store::DeviceState { author: Some(AuthorId(3)), ..device })
    });
    db.keep_in_step(false);
    db.run("INSERT INTO note VALUES ('d', 'for a while')");
    assert_eq!(step(&mut db, |store| store.waiting()).local, 0);
}

pub fn st73_a_table_that_joins_brings_its_rows_along(connection: Connection) {
    let mut db = open(connection, &[NOTE, OTHERS], &["note"]);
    step(&mut db, |store| {
        let mut device = store.device()?;
        (device.author, device.cursor.seq, device.next_device_seq) = (Some(AuthorId(3)), Seq(9), DeviceSeq(4));
        store.set_device(&device)
    });
    db.run("INSERT INTO note VALUES ('n', 't')");
    db.run("INSERT INTO zzz VALUES ('z', NULL)");
    db.run("INSERT INTO aaa VALUES ('a', 'z', 0)");
    let mut db = reopen(db, &[NOTE, OTHERS], &["note", "aaa", "zzz"]);
    assert_eq!(step(&mut db, |store| store.local_log()), [LogId(2)]);
    let log = step(&mut db, |store| store.unsealed(usize::MAX, usize::MAX));
    let rows: Vec<_> = log[1].changes.iter().map(|change| change.row.clone()).collect();
    assert_eq!(rows, [row(2, "z"), row(0, "a")], "parents before children");
    assert_eq!((log[1].base.seq, log[1].base.device_seq), (Seq(0), DeviceSeq(0)), "they have seen nothing");
    assert_eq!((log[0].base.seq, log[0].base.device_seq), (Seq(9), DeviceSeq(3)));
    db.run("UPDATE aaa SET n = 1");
    assert_eq!(step(&mut db, |store| store.local_log()), [LogId(2)], "what is written afterwards is in step");
    let mut db = reopen(db, &[NOTE, OTHERS], &["note", "aaa", "zzz"]);
    assert_eq!(step(&mut db, |store| store.waiting()).local, 1, "and it joins once");
}

pub fn st73_joined_rows_do_not_hide_what_the_space_told_of(connection: Connection) {
    let mut db = open(connection, &[NOTE, OTHERS], &["note"]);
    db.run("INSERT INTO zzz VALUES ('mine', 'x')");
    let cells = vec![("id".into(), text("theirs")), ("code".into(), text("x"))];
    let theirs = Unknown { table: "zzz".into(), key: Key(vec![text("theirs")]), cells: UnknownCells::Put(cells) };
    step(&mut db, |store| {
        let mut device = store.device()?;
        (device.author, device.cursor.seq) = (Some(AuthorId(3)), Seq(9));
        store.set_device(&device)?;
        store.keep_unknown(&[theirs])
    });
    let mut db = reopen(db, &[NOTE, OTHERS], &["note", "zzz"]);
    assert_eq!(db.rows("SELECT id, code FROM zzz"), ["mine|x"]);
    assert_eq!(step(&mut db, |store| store.device()).rebuild, Some(Rebuild::Behind), "a snapshot sorts them out");
    assert_eq!(step(&mut db, |store| store.row(&row(1, "mine"))), Some(vec![Value::Text("x".into())]));
}
