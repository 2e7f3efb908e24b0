//! Cases: what is taken back leaves the log too.
//! Failed statements, savepoints, rollbacks, bounds.
//! Rules ST-15 to ST-19.

use super::words::{NOW, Speak, open};
use crate::local::DbErrorCode;
use ebbtide_core::value::Value;
use rusqlite::Connection;

const NOTE: &str = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT, body TEXT, rank INTEGER UNIQUE)";

pub fn st15_a_failing_statement_leaves_no_trace_in_the_log(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
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

pub fn st15_or_fail_keeps_and_logs_what_it_did(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
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

pub fn st15_what_a_failing_or_ignore_keeps_is_logged(connection: Connection) {
    let strict = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT, rank INTEGER) STRICT";
    let mut db = open(connection, &[strict], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 't', 1), ('b', 't', 9223372036854775807)");
    db.log();
    // The sum is a real, which SQLite does not ignore; nor does it take the first row back.
    assert_eq!(db.fails("UPDATE OR IGNORE note SET title = 'new', rank = rank + 1"), "constraint");
    assert_eq!(db.rows("SELECT title FROM note ORDER BY id"), ["new", "t"]);
    assert_eq!(db.log().len(), 1);
}

pub fn st15_or_rollback_ends_the_transaction(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
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

pub fn st16_savepoints_take_their_part_of_the_log_along(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
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

pub fn st16_a_rolled_back_transaction_logs_nothing(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    db.begin().unwrap();
    db.run("INSERT INTO note VALUES ('a', 't', 'b', 1)");
    db.rollback().unwrap();
    assert!(db.log().is_empty());
    assert!(db.take_touched().iter().all(|table| table != "note"));
}

pub fn st17_execute_many_is_all_or_nothing(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    let row = |id: &str, rank: i64| vec![Value::Text(id.into()), Value::Integer(rank)];
    let insert = "INSERT INTO note (id, rank) VALUES (?, ?)";
    let done = db.execute_many(insert, &mut vec![row("a", 1), row("b", 2)].into_iter(), NOW).unwrap();
    assert_eq!(done.changes, 2);
    assert_eq!(db.rows("SELECT count(DISTINCT \"transaction\") FROM ebb_log"), ["1"]);
    db.log();
    db.execute_many(insert, &mut vec![row("c", 3), row("d", 1)].into_iter(), NOW).unwrap_err();
    db.begin().unwrap();
    db.run("INSERT INTO note (id) VALUES ('e')");
    db.execute_many(
        "INSERT OR FAIL INTO note (id, rank) VALUES (?, ?)",
        &mut vec![row("c", 3), row("d", 1)].into_iter(),
        NOW,
    )
    .unwrap_err();
    db.commit(NOW).unwrap();
    assert_eq!(db.rows("SELECT id FROM note ORDER BY 1"), ["a", "b", "e"]);
    assert_eq!(db.log().len(), 1);
}

pub fn st18_a_transaction_over_the_bound_is_refused_at_commit(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
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

pub fn st18_a_row_that_no_space_keeps_is_refused_at_commit(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    let refused = [
        "INSERT INTO note (id, title) VALUES ('a', hex(zeroblob(1000001)))",
        "INSERT INTO note (id, title) VALUES (hex(zeroblob(500001)), hex(zeroblob(500001)))",
    ];
    for sql in refused {
        let error = db.execute(sql, &[], NOW).unwrap_err();
        assert_eq!(error.code, DbErrorCode::TransactionTooLarge, "{sql}");
        assert!(error.message.starts_with("note: "), "{}", error.message);
    }
    db.run("INSERT INTO note (id, title) VALUES ('a', hex(zeroblob(900000)))");
    let id = "UPDATE note SET id = hex(zeroblob(200000))";
    assert_eq!(db.execute(id, &[], NOW).unwrap_err().code, DbErrorCode::TransactionTooLarge);
    db.run("UPDATE note SET id = 'b'");
    db.run("UPDATE note SET title = 'small'");
    assert_eq!(db.rows("SELECT id, title FROM note"), ["b|small"]);
}

pub fn st19_text_that_is_not_utf8_is_refused_in_synced_tables(connection: Connection) {
    let mut db = open(connection, &[NOTE, "CREATE TABLE local (x)"], &["note"]);
    let error = db.execute("INSERT INTO note (id, title) VALUES ('a', CAST(x'ff' AS TEXT))", &[], NOW).unwrap_err();
    assert_eq!(error.code, DbErrorCode::InvalidText);
    assert!(error.message.contains("note.title"));
    assert_eq!(db.rows("SELECT count(*) FROM note"), ["0"]);
    db.run("INSERT INTO local VALUES (CAST(x'ff' AS TEXT))");
}

pub fn st66_a_key_that_equals_another_is_refused(connection: Connection) {
    connection
        .execute_batch("CREATE TABLE thing (id PRIMARY KEY NOT NULL, n REAL); INSERT INTO thing VALUES (7.0, 1)")
        .expect("SQL");
    let mut db = open(connection, &["CREATE TABLE IF NOT EXISTS thing (id PRIMARY KEY NOT NULL, n REAL)"], &["thing"]);
    db.run("INSERT INTO thing VALUES (1, 1.0), (0, -0.0), ('1', 1), (0.5, 1), (9223372036854775808.0, 1), (x'31', 1)");
    let refused = [
        "INSERT OR REPLACE INTO thing VALUES (1.0, 2)",
        "INSERT INTO thing VALUES (-0.0, 2) ON CONFLICT (id) DO UPDATE SET id = excluded.id",
        "UPDATE thing SET id = 2.0 WHERE id = '1'",
        "INSERT INTO thing VALUES (-9223372036854775808.0, 2)",
    ];
    for sql in refused {
        let error = db.execute(sql, &[], NOW).unwrap_err();
        assert_eq!(error.code, DbErrorCode::InvalidKey, "{sql}");
        assert!(error.message.contains("thing.id"), "{}", error.message);
    }
    db.run("UPDATE thing SET n = 3 WHERE id = 7");
    db.run("DELETE FROM thing WHERE id = 7");
    assert_eq!(db.rows("SELECT count(*) FROM thing"), ["6"]);
}
