//! What is captured of an app's statements, and what is not.
//! Native SQLite through the local database; the log is read by its view.
//! Rules ST-10 to ST-19.

mod common;

use common::{NOW, Speak, open};
use ebbtide_core::value::Value;
use ebbtide_store::local::DbErrorCode;

const NOTE: &str = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT, body TEXT, rank INTEGER UNIQUE)";
const TREE: &str = "CREATE TABLE parent (id TEXT PRIMARY KEY NOT NULL, n);
    CREATE TABLE child (id TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE)";

#[test]
fn st10_insert_update_and_delete_are_logged_with_their_deltas() {
    let mut db = open(&[NOTE], &["note"]);
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

#[test]
fn st10_falsy_values_are_values() {
    let mut db = open(&[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('', '', NULL, 0)");
    db.run("UPDATE note SET title = NULL, body = '', rank = NULL WHERE id = ''");
    assert_eq!(db.log()[1], r#"note|[""]|update|{"body":null,"rank":0,"title":""}|{"body":"","rank":null,"title":null}"#);
}

#[test]
fn st11_replace_logs_the_evicted_row() {
    let mut db = open(&[NOTE], &["note"]);
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

#[test]
fn st11_upsert_logs_what_it_changed() {
    let mut db = open(&[NOTE], &["note"]);
    let upsert = "INSERT INTO note VALUES ('a', 't', 'b', 1) ON CONFLICT (id) DO UPDATE SET title = title || '!'";
    db.run(upsert);
    db.run(upsert);
    assert_eq!(db.log()[1], r#"note|["a"]|update|{"title":"t"}|{"title":"t!"}"#);
    db.run("INSERT INTO note VALUES ('a', 't', 'b', 1) ON CONFLICT DO NOTHING");
    db.run("INSERT OR IGNORE INTO note VALUES ('z', 't', 'b', 1)");
    assert!(db.log().is_empty());
}

#[test]
fn st11_delete_without_where_logs_every_row() {
    let mut db = open(&[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 't', 'b', 1), ('b', 't', 'b', 2)");
    db.log();
    assert_eq!(db.run("DELETE FROM note").changes, 2);
    assert_eq!(db.log().len(), 2);
}

#[test]
fn st12_cascades_are_logged() {
    let mut db = open(&[TREE], &["parent", "child"]);
    db.run("INSERT INTO parent VALUES ('p', 1)");
    db.run("INSERT INTO child VALUES ('a', 'p'), ('b', 'p')");
    db.log();
    db.run("UPDATE parent SET id = 'q'");
    let log = db.log();
    assert_eq!(log.iter().filter(|change| change.contains(r#"update|{"parent":"p"}|{"parent":"q"}"#)).count(), 2, "{log:?}");
    assert!(log.iter().any(|change| change.starts_with(r#"parent|["p"]|delete"#)));
    assert!(log.iter().any(|change| change.starts_with(r#"parent|["q"]|insert"#)));
    db.run("DELETE FROM parent");
    assert_eq!(db.log().iter().filter(|change| change.contains("|delete|")).count(), 3);
}

#[test]
fn st12_a_key_change_is_a_delete_and_an_insert() {
    for rowid in ["", " WITHOUT ROWID"] {
        let table = format!("CREATE TABLE t (a TEXT NOT NULL, v, b INTEGER NOT NULL, PRIMARY KEY (b, a)){rowid}");
        let mut db = open(&[&table], &["t"]);
        db.run("INSERT INTO t VALUES ('x', 'v', 1)");
        db.run("UPDATE t SET a = 'y'");
        db.run("UPDATE t SET v = 'w'");
        let log = db.log();
        assert_eq!(log[0], r#"t|[1,"x"]|insert|null|{"v":"v"}"#);
        assert_eq!(log[1], r#"t|[1,"x"]|delete|{"v":"v"}|null"#);
        assert_eq!(log[2], r#"t|[1,"y"]|insert|null|{"v":"v"}"#);
        assert_eq!(log[3], r#"t|[1,"y"]|update|{"v":"v"}|{"v":"w"}"#);
    }
}

#[test]
fn st12_a_natural_rowid_key_is_logged() {
    let mut db = open(&["CREATE TABLE t (v, id INTEGER PRIMARY KEY)"], &["t"]);
    db.run("INSERT INTO t (v) VALUES ('x')");
    db.run("UPDATE t SET id = 9");
    assert_eq!(db.log(), [
        r#"t|[1]|insert|null|{"v":"x"}"#,
        r#"t|[1]|delete|{"v":"x"}|null"#,
        r#"t|[9]|insert|null|{"v":"x"}"#,
    ]);
}

#[test]
fn st13_generated_columns_are_left_out_and_reals_stay_reals() {
    let table = "CREATE TABLE t (g AS (a || '!'), a TEXT, s AS (r * 2) STORED, r REAL, id TEXT PRIMARY KEY NOT NULL, n NUMERIC)";
    let mut db = open(&[table], &["t"]);
    db.run("INSERT INTO t (a, r, id, n) VALUES ('x', 5, 'k', 5.0)");
    db.run("UPDATE t SET r = 6, a = 'y'");
    db.run("UPDATE t SET r = 6.0");
    db.run("DELETE FROM t");
    assert_eq!(db.log(), [
        r#"t|["k"]|insert|null|{"a":"x","n":5,"r":5.0}"#,
        r#"t|["k"]|update|{"a":"x","r":5.0}|{"a":"y","r":6.0}"#,
        r#"t|["k"]|delete|{"a":"y","n":5,"r":6.0}|null"#,
    ]);
}

#[test]
fn st13_a_column_added_later_has_its_default() {
    let first = "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL)";
    let mut db = open(&[first], &["t"]);
    db.run("INSERT INTO t VALUES ('a')");
    let connection = db.into_connection().unwrap();
    let mut db = common::try_open(connection, &[first, "ALTER TABLE t ADD COLUMN n INTEGER NOT NULL DEFAULT 4"], &["t"]).unwrap();
    db.log();
    db.run("UPDATE t SET n = 5");
    assert_eq!(db.log(), [r#"t|["a"]|update|{"n":4}|{"n":5}"#]);
}

#[test]
fn st14_triggers_behave_as_in_plain_sqlite_and_their_writes_are_logged() {
    let trigger = "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v, updated_at INTEGER DEFAULT 0);
        CREATE TRIGGER stamp AFTER UPDATE ON t BEGIN UPDATE t SET updated_at = updated_at + 1 WHERE id = new.id; END";
    let mut db = open(&[trigger], &["t"]);
    db.run("INSERT INTO t (id, v) VALUES ('a', 1)");
    db.log();
    assert_eq!(db.run("UPDATE t SET v = 2").changes, 1);
    assert_eq!(db.log(), [
        r#"t|["a"]|update|{"v":1}|{"v":2}"#,
        r#"t|["a"]|update|{"updated_at":0}|{"updated_at":1}"#,
    ]);
}

#[test]
fn st15_a_failing_statement_leaves_no_trace_in_the_log() {
    let mut db = open(&[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 't', 'b', 1)");
    db.log();
    assert_eq!(db.fails("INSERT INTO note VALUES ('b', 't', 'b', 2), ('c', 't', 'b', 1)"), "constraint_unique");
    assert!(db.log().is_empty());
    db.begin().unwrap();
    db.run("INSERT INTO note VALUES ('d', 't', 'b', 4)");
    assert_eq!(db.fails("INSERT INTO note VALUES ('e', 't', 'b', 5), ('f', 't', 'b', 1)"), "constraint_unique");
    db.run("INSERT INTO note VALUES ('g', 't', 'b', 6)");
    db.commit(NOW).unwrap();
    let log = db.log();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log[0].contains(r#"["d"]"#) && log[1].contains(r#"["g"]"#));
}

#[test]
fn st15_or_fail_keeps_and_logs_what_it_did() {
    let mut db = open(&[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 't', 'b', 1)");
    db.log();
    assert_eq!(db.fails("INSERT OR FAIL INTO note VALUES ('b', 't', 'b', 2), ('c', 't', 'b', 1)"), "constraint_unique");
    assert_eq!(db.rows("SELECT id FROM note ORDER BY 1"), ["a", "b"]);
    assert_eq!(db.log().len(), 1);
    // The word alone does not make it so.
    assert_eq!(db.fails("INSERT INTO note VALUES ('FAIL', 't', 'b', 3), ('c', 't', 'b', 1)"), "constraint_unique");
    assert!(db.log().is_empty());
    db.begin().unwrap();
    assert_eq!(db.fails("UPDATE OR FAIL note SET title = 'x', rank = 7"), "constraint_unique");
    db.commit(NOW).unwrap();
    let log = db.log();
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(db.rows("SELECT count(*) FROM note WHERE rank = 7"), ["1"]);
}

#[test]
fn st15_or_rollback_ends_the_transaction() {
    let mut db = open(&[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 't', 'b', 1)");
    db.log();
    db.begin().unwrap();
    db.run("INSERT INTO note VALUES ('b', 't', 'b', 2)");
    assert_eq!(db.fails("INSERT OR ROLLBACK INTO note VALUES ('c', 't', 'b', 1)"), "constraint_unique");
    assert_eq!(db.fails("INSERT INTO note VALUES ('d', 't', 'b', 4)"), "transaction_ended");
    assert_eq!(db.commit(NOW).unwrap_err().code, DbErrorCode::TransactionEnded);
    assert_eq!(db.rows("SELECT id FROM note"), ["a"]);
    assert!(db.log().is_empty());
    assert_eq!(db.fails("INSERT OR ROLLBACK INTO note VALUES ('c', 't', 'b', 1)"), "constraint_unique");
    db.run("INSERT INTO note VALUES ('e', 't', 'b', 5)");
    assert_eq!(db.log().len(), 1);
}

#[test]
fn st16_savepoints_take_their_part_of_the_log_along() {
    let mut db = open(&[NOTE], &["note"]);
    db.begin().unwrap();
    db.run("INSERT INTO note VALUES ('a', 't', 'b', 1)");
    db.run("SAVEPOINT one");
    db.run("INSERT INTO note VALUES ('b', 't', 'b', 2)");
    db.run("SAVEPOINT \"Two\"");
    db.run("INSERT INTO note VALUES ('c', 't', 'b', 3)");
    db.run("ROLLBACK TO two");
    db.run("INSERT INTO note VALUES ('d', 't', 'b', 4)");
    db.run("RELEASE two");
    db.run("SAVEPOINT one");
    db.run("INSERT INTO note VALUES ('e', 't', 'b', 5)");
    db.run("ROLLBACK TRANSACTION TO SAVEPOINT one");
    db.run("RELEASE one");
    db.commit(NOW).unwrap();
    let keys: Vec<String> = db.log().iter().map(|change| change[6..7].into()).collect();
    assert_eq!(db.rows("SELECT id FROM note ORDER BY id"), ["a", "b", "d"]);
    assert_eq!(keys.len(), 3, "{keys:?}");
}

#[test]
fn st16_a_rolled_back_transaction_logs_nothing() {
    let mut db = open(&[NOTE], &["note"]);
    db.begin().unwrap();
    db.run("INSERT INTO note VALUES ('a', 't', 'b', 1)");
    db.rollback().unwrap();
    assert!(db.log().is_empty());
    assert!(db.take_touched().iter().all(|table| table != "note"));
}

#[test]
fn st17_execute_many_is_all_or_nothing() {
    let mut db = open(&[NOTE], &["note"]);
    let row = |id: &str, rank: i64| vec![Value::Text(id.into()), Value::Integer(rank)];
    let insert = "INSERT INTO note (id, rank) VALUES (?, ?)";
    let done = db.execute_many(insert, &mut vec![row("a", 1), row("b", 2)].into_iter(), NOW).unwrap();
    assert_eq!(done.changes, 2);
    assert_eq!(db.rows("SELECT count(DISTINCT \"transaction\") FROM ebb_log"), ["1"]);
    db.log();
    db.execute_many(insert, &mut vec![row("c", 3), row("d", 1)].into_iter(), NOW).unwrap_err();
    db.begin().unwrap();
    db.run("INSERT INTO note (id) VALUES ('e')");
    db.execute_many("INSERT OR FAIL INTO note (id, rank) VALUES (?, ?)", &mut vec![row("c", 3), row("d", 1)].into_iter(), NOW).unwrap_err();
    db.commit(NOW).unwrap();
    assert_eq!(db.rows("SELECT id FROM note ORDER BY 1"), ["a", "b", "e"]);
    assert_eq!(db.log().len(), 1);
}

#[test]
fn st18_a_transaction_over_the_bound_is_refused_at_commit() {
    let mut db = open(&[NOTE], &["note"]);
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO note (id) SELECT 'x' || i FROM n";
    let error = db.execute(many, &[Value::Integer(100_001)], NOW).unwrap_err();
    assert_eq!(error.code, DbErrorCode::TransactionTooLarge);
    assert_eq!(db.rows("SELECT count(*) FROM note"), ["0"]);
    assert_eq!(db.execute(many, &[Value::Integer(100_000)], NOW).unwrap().changes, 100_000);
    assert_eq!(db.rows("SELECT count(*) FROM ebb_log"), ["100000"]);
    assert_eq!(db.rows("SELECT count(*) > 0, max(length(changes)) < 1200000 FROM _ebb_log_part"), ["1|1"]);
    db.begin().unwrap();
    db.run("SAVEPOINT s");
    db.run("INSERT INTO note SELECT id || 'y', 1, zeroblob(400), NULL FROM note");
    db.run("ROLLBACK TO s");
    db.run("UPDATE note SET title = 'small' WHERE id = 'x1'");
    db.commit(NOW).unwrap();
}

#[test]
fn st19_text_that_is_not_utf8_is_refused_in_synced_tables() {
    let mut db = open(&[NOTE, "CREATE TABLE local (x)"], &["note"]);
    let error = db.execute("INSERT INTO note (id, title) VALUES ('a', CAST(x'ff' AS TEXT))", &[], NOW).unwrap_err();
    assert_eq!(error.code, DbErrorCode::InvalidText);
    assert!(error.message.contains("note.title"));
    assert_eq!(db.rows("SELECT count(*) FROM note"), ["0"]);
    db.run("INSERT INTO local VALUES (CAST(x'ff' AS TEXT))");
}
