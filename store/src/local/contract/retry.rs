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

pub fn st176_what_triggers_did_to_synced_rows_is_not_done_twice_and_what_they_check_is_checked(connection: Connection) {
    let ward = "CREATE TABLE ward (id TEXT PRIMARY KEY NOT NULL, doses INTEGER NOT NULL DEFAULT 0); CREATE TABLE seen (entry TEXT);
        CREATE TABLE entry (id TEXT PRIMARY KEY NOT NULL, ward TEXT NOT NULL, n INTEGER NOT NULL);
        CREATE TRIGGER given AFTER INSERT ON entry BEGIN UPDATE ward SET doses = doses + NEW.n WHERE id = NEW.ward; END;
        CREATE TRIGGER noted AFTER INSERT ON entry BEGIN INSERT INTO seen VALUES (NEW.id); END;
        CREATE TRIGGER checked BEFORE INSERT ON entry WHEN NEW.n > 9 BEGIN SELECT RAISE(ABORT, 'too many'); END";
    let tables = r#"{"ward":{"merge":{"doses":"sum"}},"entry":{}}"#;
    let schema = serde_json::json!({ "migrations": [ward], "tables": serde_json::from_str::<serde_json::Value>(tables).unwrap() });
    let mut db = LocalDatabase::open(connection, &serde_json::from_value(schema).unwrap(), NOW, [7; 16]).unwrap();
    db.run("INSERT INTO ward VALUES ('w', 10)");
    let back = ["DELETE FROM entry", "DELETE FROM seen", "UPDATE ward SET doses = 100"];
    let stamp = refused(&mut db, &["INSERT INTO entry VALUES ('e', 'w', 5)"], &back);
    let too_many = db.retry_rejected(stamp, &[edit("entry", &[text("e")], &[("n", Value::Integer(10))])], NOW);
    assert_eq!(too_many.unwrap_err().code, DbErrorCode::Constraint);
    db.retry_rejected(stamp, &[], NOW).unwrap();
    assert_eq!(db.rows("SELECT doses FROM ward"), ["105"]);
    assert_eq!(db.rows("SELECT entry FROM seen"), ["e"], "what is local is done again");
    db.run("INSERT INTO entry VALUES ('f', 'w', 1)");
    assert_eq!(db.rows("SELECT doses FROM ward"), ["106"], "and triggers are as before");
}

pub fn st177_a_row_that_is_gone_is_not_taken_for_the_one_that_has_its_new_key(connection: Connection) {
    let mut db = open(connection, &[CLINIC], &["clinic", "bed", "shift"]);
    db.run("INSERT INTO clinic VALUES ('c', 'north')");
    db.run("INSERT INTO bed VALUES ('b', 'c', 'window')");
    let others = ["DELETE FROM clinic", "INSERT INTO clinic VALUES ('d', 'of others')"];
    let stamp = refused(&mut db, &["UPDATE clinic SET id = 'd', name = 'mine' WHERE id = 'c'"], &others);
    let before = db.rows("SELECT * FROM clinic");
    assert_eq!(db.retry_rejected(stamp, &[], NOW).unwrap_err().code, DbErrorCode::ConstraintUnique);
    assert_eq!(db.rows("SELECT * FROM clinic"), before);
    db.run("INSERT INTO clinic VALUES ('x', NULL)");
    db.run("INSERT INTO bed VALUES ('b', 'x', 'window')");
    db.retry_rejected(stamp, &[edit("clinic", &[text("d")], &[("id", text("e"))])], NOW).unwrap();
    assert_eq!(
        db.rows("SELECT id, name FROM clinic WHERE id <> 'x'"),
        ["d|of others", "e|mine"],
        "it comes back under its new key"
    );
    assert_eq!(db.rows("SELECT id, clinic FROM bed"), ["b|e"]);
}

pub fn st177_a_key_that_changes_beside_fields_takes_along_what_came_since(connection: Connection) {
    let checked = "CREATE TABLE clinic (id TEXT PRIMARY KEY NOT NULL, code TEXT CHECK (code = id || '-x'), name TEXT, note TEXT);
        CREATE TABLE bed (id TEXT PRIMARY KEY NOT NULL, clinic TEXT REFERENCES clinic ON DELETE CASCADE ON UPDATE CASCADE)";
    let mut db = open(connection, &[checked], &["clinic", "bed"]);
    db.run("INSERT INTO clinic VALUES ('c', 'c-x', 'north', NULL)");
    let back = [
        "UPDATE clinic SET id = 'c', code = 'c-x', name = 'north'",
        "INSERT INTO bed VALUES ('late', 'c')",
        "UPDATE clinic SET note = 'of others'",
    ];
    let stamp = refused(&mut db, &["UPDATE clinic SET id = 'd', code = 'd-x', name = 'south'"], &back);
    db.retry_rejected(stamp, &[], NOW).unwrap();
    assert_eq!(db.rows("SELECT * FROM clinic"), ["d|d-x|south|of others"]);
    assert_eq!(db.rows("SELECT * FROM bed"), ["late|d"]);
}

pub fn st177_keys_that_change_more_than_once_follow_an_edit_and_nothing_follows_null(connection: Connection) {
    let locker = "CREATE TABLE locker (id TEXT PRIMARY KEY NOT NULL, badge TEXT REFERENCES person(badge))";
    let person = "CREATE TABLE person (id TEXT PRIMARY KEY NOT NULL, badge TEXT UNIQUE)";
    let mut db = open(connection, &[CLINIC, person, locker], &["clinic", "bed", "shift", "person", "locker"]);
    let wrote = [
        "INSERT INTO clinic VALUES ('c', 'mine')",
        "INSERT INTO bed VALUES ('b', 'c', 'window')",
        "INSERT INTO shift VALUES ('c', 1, 'ada')",
        "UPDATE shift SET day = 2",
        "UPDATE clinic SET id = 'd' WHERE id = 'c'",
        "INSERT INTO person VALUES ('p', NULL)",
        "INSERT INTO locker VALUES ('l', NULL)",
    ];
    let back = [
        "DELETE FROM clinic",
        "DELETE FROM locker",
        "DELETE FROM person",
        "INSERT INTO clinic VALUES ('c', 'of others')",
    ];
    let stamp = refused(&mut db, &wrote, &back);
    let edits =
        [edit("clinic", &[text("c")], &[("id", text("x"))]), edit("person", &[text("p")], &[("badge", text("B1"))])];
    db.retry_rejected(stamp, &edits, NOW).unwrap();
    assert_eq!(db.rows("SELECT id, name FROM clinic ORDER BY id"), ["c|of others", "d|mine"]);
    assert_eq!(db.rows("SELECT id, clinic FROM bed"), ["b|d"]);
    assert_eq!(db.rows("SELECT clinic, day FROM shift"), ["d|2"]);
    assert_eq!(db.rows("SELECT badge FROM person"), ["B1"]);
    assert_eq!(db.rows("SELECT badge IS NULL FROM locker"), ["1"]);
}

pub fn st177_a_list_that_was_written_anew_is_written_anew_again(connection: Connection) {
    let item = "CREATE TABLE item (list TEXT NOT NULL, pos INTEGER NOT NULL, what TEXT, PRIMARY KEY (list, pos));
        CREATE TABLE tag (note TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (note, tag)) WITHOUT ROWID";
    let mut db = open(connection, &[item], &["item", "tag"]);
    db.run("INSERT INTO item VALUES ('p', 1, 'A'), ('p', 2, 'B')");
    db.run("INSERT INTO tag VALUES ('n1', 't1')");
    let wrote = [
        "DELETE FROM item",
        "INSERT INTO item VALUES ('p', 1, 'X'), ('p', 2, 'A'), ('p', 3, 'B')",
        "DELETE FROM tag",
        "INSERT INTO tag VALUES ('n2', 't2')",
    ];
    let back = ["DELETE FROM item", "INSERT INTO item VALUES ('p', 1, 'A'), ('p', 2, 'B')", "DELETE FROM tag"];
    let stamp = refused(&mut db, &wrote, &back);
    db.retry_rejected(stamp, &[], NOW).unwrap();
    assert_eq!(db.rows("SELECT pos, what FROM item ORDER BY pos"), ["1|X", "2|A", "3|B"]);
    assert_eq!(db.rows("SELECT * FROM tag"), ["n2|t2"]);
}
