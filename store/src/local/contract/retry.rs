//! Cases: refused transactions that are committed again, edited or not, on rows that have changed since.
//! The session is played.
//! Rules ST-64, ST-176 and ST-177.

use super::words::{NOW, Speak, open, row, step, text};
use crate::local::{DbErrorCode, Edit, LocalDatabase};
use crate::schema::Schema;
use ebbtide_core::catalogue::Strategy;
use ebbtide_core::change::{LoggedChange, LoggedField, LoggedMutation};
use ebbtide_core::client::store::{ClientStore, RejectedTransaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::Reason;
use ebbtide_core::ids::{ColumnId, DeviceSeq};
use ebbtide_core::merge::local;
use ebbtide_core::merge::text::Ground;
use ebbtide_core::value::Value;
use rusqlite::Connection;

const NOTE: &str = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT, rank INTEGER CHECK (rank > 0))";
const CLINIC: &str = "CREATE TABLE clinic (id TEXT PRIMARY KEY NOT NULL, name TEXT);
    CREATE TABLE bed (id TEXT PRIMARY KEY NOT NULL, clinic TEXT REFERENCES clinic ON DELETE CASCADE ON UPDATE CASCADE, label TEXT);
    CREATE TABLE shift (clinic TEXT NOT NULL REFERENCES clinic ON DELETE CASCADE ON UPDATE CASCADE, day INTEGER NOT NULL, who TEXT,
        PRIMARY KEY (clinic, day)) WITHOUT ROWID";

fn edit(table: &str, key: &[Value], values: &[(&str, Value)]) -> Edit {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Edit { table: table.into(), key: key.to_vec(), values }
}

fn refuse(db: &mut LocalDatabase, changes: Vec<LoggedChange>) -> Stamp {
    let (stamp, device_seq, reason) = (Stamp(7), DeviceSeq(1), Reason::Unique);
    let refused =
        RejectedTransaction { stamp, device_seq, reason, detail: String::new(), changes, resolutions: vec![] };
    step(db, |store| store.put_rejected(&refused));
    stamp
}

/// What these statements did in one transaction, which counts as refused; the others take it back and go on.
fn refused(db: &mut LocalDatabase, statements: &[&str], afterwards: &[&str]) -> Stamp {
    db.begin().unwrap();
    for sql in statements {
        db.run(sql);
    }
    db.commit(NOW).unwrap();
    let log = step(db, |store| store.unsealed(usize::MAX, usize::MAX));
    for sql in afterwards {
        db.run(sql);
    }
    refuse(db, log.last().unwrap().changes.clone())
}

pub fn st64_a_refused_transaction_is_committed_again_with_edits(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 'one', 1)");
    let field = |new: Value| LoggedField { column: ColumnId(2), old: Value::Null, new };
    let changes = vec![
        LoggedChange { row: row(0, "a"), mutation: LoggedMutation::Update(vec![field(Value::Integer(9))]) },
        LoggedChange { row: row(0, "b"), mutation: LoggedMutation::Insert(vec![text("two"), Value::Null]) },
    ];
    let stamp = refuse(&mut db, changes);
    let edit = |key: &str, values: &[(&str, Value)]| edit("note", &[text(key)], values);
    let code = |error: Result<(), crate::local::DbError>| error.unwrap_err().code;
    let elsewhere = [edit("c", &[("rank", Value::Integer(1))])];
    assert_eq!(code(db.retry_rejected(stamp, &elsewhere, NOW)), DbErrorCode::BadParameter);
    assert_eq!(code(db.retry_rejected(stamp, &[edit("a", &[("id", text("z"))])], NOW)), DbErrorCode::BadParameter);
    assert_eq!(
        code(db.retry_rejected(stamp, &[edit("a", &[("rank", Value::Integer(-1))])], NOW)),
        DbErrorCode::ConstraintCheck
    );
    assert_eq!(db.rejected().unwrap().len(), 1, "nothing was kept of what failed");
    let edits = [edit("a", &[("title", text(""))]), edit("b", &[("id", text("c")), ("rank", Value::Integer(3))])];
    db.retry_rejected(stamp, &edits, NOW).unwrap();
    assert!(db.rejected().unwrap().is_empty());
    assert_eq!(db.log().len(), 3, "one insert, and the two changes again");
    let values = |db: &mut LocalDatabase, key: &str| step(db, |store| store.row(&row(0, key)));
    assert_eq!(values(&mut db, "a"), Some(vec![text(""), Value::Integer(9)]));
    assert_eq!(values(&mut db, "c"), Some(vec![text("two"), Value::Integer(3)]));
}

pub fn st176_what_adds_up_or_merges_is_done_again_and_not_written_again(connection: Connection) {
    let ward = "CREATE TABLE ward (id TEXT PRIMARY KEY NOT NULL, doses INTEGER NOT NULL DEFAULT 0, tags TEXT, notes TEXT, name TEXT)";
    let fields = r#"{"doses":"sum","tags":"set","notes":"text"}"#;
    let schema = format!(r#"{{"migrations":["{ward}"],"tables":{{"ward":{{"key":"natural","merge":{fields}}}}}}}"#);
    let schema: Schema = serde_json::from_str(&schema).unwrap();
    let mut db = LocalDatabase::open(connection, &schema, NOW, [7; 16]).unwrap();
    db.run("INSERT INTO ward VALUES ('w', 10, '[\"a\"]', 'one two', 'first')");
    let wrote = "UPDATE ward SET doses = doses + 5, tags = '[\"a\",\"b\"]', notes = 'one two three', name = 'second'";
    let since = "UPDATE ward SET doses = 100, tags = '[\"c\"]', notes = 'zero one two', name = 'third'";
    let ward = |db: &mut LocalDatabase| step(db, |store| store.row(&row(0, "w"))).unwrap();
    let merged = [Value::Integer(105), text("[\"c\",\"b\"]"), text("zero one two three"), text("second")];

    let stamp = refused(&mut db, &[wrote], &[since]);
    db.retry_rejected(stamp, &[], NOW).unwrap();
    assert_eq!(ward(&mut db), merged);

    db.run("UPDATE ward SET doses = 10, tags = '[\"a\"]', notes = 'one two', name = 'first'");
    let stamp = refused(&mut db, &[wrote], &[since]);
    let values = [("doses", Value::Integer(7)), ("notes", text("other"))];
    db.retry_rejected(stamp, &[edit("ward", &[text("w")], &values)], NOW).unwrap();
    assert_eq!(
        ward(&mut db),
        [Value::Integer(7), merged[1].clone(), text("other"), text("second")],
        "what was edited is written as given"
    );
}

pub fn st176_what_is_known_only_as_it_travelled_is_listed_and_done_as_a_text(connection: Connection) {
    let page = "CREATE TABLE page (id TEXT PRIMARY KEY NOT NULL, body TEXT)";
    let schema =
        format!(r#"{{"migrations":["{page}"],"tables":{{"page":{{"key":"natural","merge":{{"body":"text"}}}}}}}}"#);
    let mut db = LocalDatabase::open(connection, &serde_json::from_str(&schema).unwrap(), NOW, [7; 16]).unwrap();
    db.run("INSERT INTO page VALUES ('p', 'there ')");
    let sent = local::sent(Strategy::Text, &text(""), &text("words"), Ground::Firm);
    let (old, new) = local::logged(Strategy::Text, sent);
    assert!(matches!(new, Value::Blob(_)), "as it travelled");
    let field = LoggedField { column: ColumnId(1), old, new };
    let stamp = refuse(&mut db, vec![LoggedChange { row: row(0, "p"), mutation: LoggedMutation::Update(vec![field]) }]);
    assert_eq!(db.rejected().unwrap()[0].changes[0].fields, [("body".to_owned(), text("words"))]);
    db.retry_rejected(stamp, &[], NOW).unwrap();
    let body = step(&mut db, |store| store.row(&row(0, "p"))).unwrap();
    assert_eq!(body, [text("there \nwords")]);
}

pub fn st177_a_changed_key_is_changed_again_and_nothing_falls_with_it(connection: Connection) {
    let mut db = open(connection, &[CLINIC], &["clinic", "bed", "shift"]);
    db.run("INSERT INTO clinic VALUES ('c', 'north')");
    db.run("INSERT INTO bed VALUES ('b', 'c', 'window')");
    db.run("INSERT INTO shift VALUES ('c', 1, 'ada')");
    let back = [
        "UPDATE clinic SET id = 'c' WHERE id = 'd'",
        "INSERT INTO bed VALUES ('new', 'c', 'door')",
        "INSERT INTO clinic VALUES ('d', 'of others')",
    ];
    let since = ["INSERT INTO shift VALUES ('c', 2, 'bob')", "UPDATE clinic SET name = 'far north' WHERE id = 'c'"];
    let stamp = refused(&mut db, &["UPDATE clinic SET id = 'd' WHERE id = 'c'"], &[&back[..], &since[..]].concat());
    let taken = db.retry_rejected(stamp, &[], NOW).unwrap_err();
    assert_eq!(taken.code, DbErrorCode::ConstraintUnique, "it is still taken");
    db.retry_rejected(stamp, &[edit("clinic", &[text("d")], &[("id", text("e"))])], NOW).unwrap();
    assert_eq!(db.rows("SELECT id, name FROM clinic ORDER BY id"), ["d|of others", "e|far north"]);
    assert_eq!(db.rows("SELECT id, clinic FROM bed ORDER BY id"), ["b|e", "new|e"]);
    assert_eq!(db.rows("SELECT clinic, day FROM shift ORDER BY day"), ["e|1", "e|2"]);
}

pub fn st177_what_refers_to_an_edited_row_follows(connection: Connection) {
    let mut db = open(connection, &[CLINIC], &["clinic", "bed", "shift"]);
    let wrote = [
        "INSERT INTO clinic VALUES ('c', 'mine')",
        "INSERT INTO bed VALUES ('b', 'c', 'window')",
        "INSERT INTO bed VALUES ('d', 'c', 'door')",
        "INSERT INTO shift VALUES ('c', 1, 'ada')",
    ];
    let stamp = refused(&mut db, &wrote, &["DELETE FROM clinic", "INSERT INTO clinic VALUES ('c', 'of others')"]);
    let edits =
        [edit("clinic", &[text("c")], &[("id", text("e"))]), edit("bed", &[text("d")], &[("clinic", text("c"))])];
    db.retry_rejected(stamp, &edits, NOW).unwrap();
    assert_eq!(db.rows("SELECT id, name FROM clinic ORDER BY id"), ["c|of others", "e|mine"]);
    assert_eq!(db.rows("SELECT id, clinic FROM bed ORDER BY id"), ["b|e", "d|c"], "unless it was edited itself");
    assert_eq!(db.rows("SELECT clinic, day FROM shift"), ["e|1"]);
}

pub fn st177_a_refused_transaction_is_committed_again_under_names_that_changed_since(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 'one', 1)");
    let stamp =
        refused(&mut db, &["UPDATE note SET title = 'two', rank = 2"], &["UPDATE note SET title = 'one', rank = 1"]);
    let renamed = "ALTER TABLE note RENAME TO memo; ALTER TABLE memo RENAME COLUMN title TO heading";
    let schema = format!(
        r#"{{"migrations":["{NOTE}",{{"sql":"{renamed}","renames":{{"note":"memo","memo.title":"heading"}}}}],"tables":{{"memo":{{"key":"natural"}}}}}}"#
    );
    let mut db =
        LocalDatabase::open(db.into_connection().unwrap(), &serde_json::from_str(&schema).unwrap(), NOW, [8; 16])
            .unwrap();
    db.retry_rejected(stamp, &[edit("note", &[text("a")], &[("title", text("three"))])], NOW).unwrap();
    assert_eq!(db.rows("SELECT id, heading, rank FROM memo"), ["a|three|2"]);
}
