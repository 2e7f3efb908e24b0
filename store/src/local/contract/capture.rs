//! Cases: what is captured of an app's statements.
//! The log is read by its view; how it is packed is not looked at.
//! Rules ST-10 to ST-14.

use super::words::{Speak, open, reopen};
use rusqlite::Connection;

const NOTE: &str = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT, body TEXT, rank INTEGER UNIQUE)";

const TREE: &str = "CREATE TABLE parent (id TEXT PRIMARY KEY NOT NULL, n);
    CREATE TABLE child (id TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE)";

pub fn st10_insert_update_and_delete_are_logged_with_their_deltas(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 't', 'b', 1)");
    db.run("UPDATE note SET title = 'u', body = body WHERE id = 'a'");
    db.run("UPDATE note SET title = title");
    db.run("DELETE FROM note");
    assert_eq!(
        db.log(),
        [
            r#"note|["a"]|insert|-|{"body":"b","rank":1,"title":"t"}"#.replace("|-|", "|null|"),
            r#"note|["a"]|update|{"title":"t"}|{"title":"u"}"#.into(),
            r#"note|["a"]|delete|{"body":"b","rank":1,"title":"u"}|null"#.into(),
        ]
    );
}

pub fn st10_falsy_values_are_values(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('', '', NULL, 0)");
    db.run("UPDATE note SET title = NULL, body = '', rank = NULL WHERE id = ''");
    assert_eq!(
        db.log()[1],
        r#"note|[""]|update|{"body":null,"rank":0,"title":""}|{"body":"","rank":null,"title":null}"#
    );
}

pub fn st11_replace_logs_the_evicted_row(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 't', 'b', 1), ('b', 't', 'b', 2)");
    db.log();
    db.run("REPLACE INTO note VALUES ('c', 'n', NULL, 1)");
    let log = db.log();
    assert!(log[0].starts_with(r#"note|["a"]|delete"#) && log[1].starts_with(r#"note|["c"]|insert"#), "{log:?}");
    db.run("REPLACE INTO note VALUES ('b', 'n', NULL, 1)");
    let log = db.log();
    assert_eq!(log.iter().filter(|change| change.contains("|delete|")).count(), 2, "{log:?}");
    assert!(log[2].starts_with(r#"note|["b"]|insert"#), "{log:?}");
}

pub fn st11_upsert_logs_what_it_changed(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    let upsert = "INSERT INTO note VALUES ('a', 't', 'b', 1) ON CONFLICT (id) DO UPDATE SET title = title || '!'";
    db.run(upsert);
    db.run(upsert);
    assert_eq!(db.log()[1], r#"note|["a"]|update|{"title":"t"}|{"title":"t!"}"#);
    db.run("INSERT INTO note VALUES ('a', 't', 'b', 1) ON CONFLICT DO NOTHING");
    db.run("INSERT OR IGNORE INTO note VALUES ('z', 't', 'b', 1)");
    assert!(db.log().is_empty());
}

pub fn st11_delete_without_where_logs_every_row(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 't', 'b', 1), ('b', 't', 'b', 2)");
    db.log();
    assert_eq!(db.run("DELETE FROM note").changes, 2);
    assert_eq!(db.log().len(), 2);
}

pub fn st12_cascades_are_logged(connection: Connection) {
    let mut db = open(connection, &[TREE], &["parent", "child"]);
    db.run("INSERT INTO parent VALUES ('p', 1)");
    db.run("INSERT INTO child VALUES ('a', 'p'), ('b', 'p')");
    db.log();
    db.run("UPDATE parent SET id = 'q'");
    let log = db.log();
    assert_eq!(
        log.iter().filter(|change| change.contains(r#"update|{"parent":"p"}|{"parent":"q"}"#)).count(),
        2,
        "{log:?}"
    );
    assert!(log.iter().any(|change| change.starts_with(r#"parent|["p"]|delete"#)));
    assert!(log.iter().any(|change| change.starts_with(r#"parent|["q"]|insert"#)));
    db.run("DELETE FROM parent");
    assert_eq!(db.log().iter().filter(|change| change.contains("|delete|")).count(), 3);
}

pub fn st12_a_key_change_is_a_delete_and_an_insert(connection: Connection) {
    let columns = "(a TEXT NOT NULL, v, b INTEGER NOT NULL, PRIMARY KEY (b, a))";
    let tables = format!("CREATE TABLE t {columns}; CREATE TABLE u {columns} WITHOUT ROWID");
    let mut db = open(connection, &[&tables], &["t", "u"]);
    for table in ["t", "u"] {
        db.run(&format!("INSERT INTO {table} VALUES ('x', 'v', 1)"));
        db.run(&format!("UPDATE {table} SET a = 'y'"));
        db.run(&format!("UPDATE {table} SET v = 'w'"));
        let expected = [
            r#"|[1,"x"]|insert|null|{"v":"v"}"#,
            r#"|[1,"x"]|delete|{"v":"v"}|null"#,
            r#"|[1,"y"]|insert|null|{"v":"v"}"#,
            r#"|[1,"y"]|update|{"v":"v"}|{"v":"w"}"#,
        ];
        assert_eq!(db.log(), expected.map(|change| format!("{table}{change}")));
    }
}

pub fn st12_a_natural_rowid_key_is_logged(connection: Connection) {
    let mut db = open(connection, &["CREATE TABLE t (v, id INTEGER PRIMARY KEY)"], &["t"]);
    db.run("INSERT INTO t (v) VALUES ('x')");
    db.run("UPDATE t SET id = 9");
    assert_eq!(
        db.log(),
        [r#"t|[1]|insert|null|{"v":"x"}"#, r#"t|[1]|delete|{"v":"x"}|null"#, r#"t|[9]|insert|null|{"v":"x"}"#,]
    );
}

pub fn st13_generated_columns_are_left_out_and_reals_stay_reals(connection: Connection) {
    let table = "CREATE TABLE t (g AS (a || '!'), a TEXT, s AS (r * 2) STORED, r REAL, id TEXT PRIMARY KEY NOT NULL, n NUMERIC)";
    let mut db = open(connection, &[table], &["t"]);
    db.run("INSERT INTO t (a, r, id, n) VALUES ('x', 5, 'k', 5.0)");
    db.run("UPDATE t SET r = 6, a = 'y'");
    db.run("UPDATE t SET r = 6.0");
    db.run("DELETE FROM t");
    assert_eq!(
        db.log(),
        [
            r#"t|["k"]|insert|null|{"a":"x","n":5,"r":5.0}"#,
            r#"t|["k"]|update|{"a":"x","r":5.0}|{"a":"y","r":6.0}"#,
            r#"t|["k"]|delete|{"a":"y","n":5,"r":6.0}|null"#,
        ]
    );
}

pub fn st13_a_column_added_later_has_its_default(connection: Connection) {
    let first = "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL)";
    let mut db = open(connection, &[first], &["t"]);
    db.run("INSERT INTO t VALUES ('a')");
    let mut db = reopen(db, &[first, "ALTER TABLE t ADD COLUMN n INTEGER NOT NULL DEFAULT 4"], &["t"]);
    db.log();
    db.run("UPDATE t SET n = 5");
    assert_eq!(db.log(), [r#"t|["a"]|update|{"n":4}|{"n":5}"#]);
}

pub fn st14_triggers_behave_as_in_plain_sqlite_and_their_writes_are_logged(connection: Connection) {
    let trigger = "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v, updated_at INTEGER DEFAULT 0);
        CREATE TRIGGER stamp AFTER UPDATE ON t BEGIN UPDATE t SET updated_at = updated_at + 1 WHERE id = new.id; END";
    let mut db = open(connection, &[trigger], &["t"]);
    db.run("INSERT INTO t (id, v) VALUES ('a', 1)");
    db.log();
    assert_eq!(db.run("UPDATE t SET v = 2").changes, 1);
    assert_eq!(db.log(), [r#"t|["a"]|update|{"v":1}|{"v":2}"#, r#"t|["a"]|update|{"updated_at":0}|{"updated_at":1}"#,]);
}
