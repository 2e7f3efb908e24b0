//! What an app may do on its local database, and the typed errors where it may not.
//! Native SQLite, in memory and on disk.
//! Rules ST-30 to ST-39.

mod common;

use common::{NOW, Rows, Speak, open, schema, try_open};
use ebbtide_core::ids::Millis;
use ebbtide_core::value::Value;
use ebbtide_store::local::{DbErrorCode, LocalDatabase, RowSink};
use rusqlite::{Connection, MAIN_DB};
use std::ops::ControlFlow;

const NOTE: &str =
    "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()), title TEXT NOT NULL CHECK (title <> 'bad'))";
const LOCAL: &str = "CREATE TABLE draft (x INTEGER)";

#[test]
fn st30_raw_transactions_are_refused() {
    let mut db = open(&[NOTE], &["note"]);
    for sql in [
        "BEGIN",
        " /* x */ begin immediate",
        "COMMIT",
        "END",
        "ROLLBACK",
        "SAVEPOINT a",
        "RELEASE a",
        "ROLLBACK TO a",
        "EXPLAIN COMMIT; COMMIT",
    ] {
        assert_eq!(db.fails(sql), "raw_transaction", "{sql}");
    }
    db.begin().unwrap();
    assert_eq!(db.fails("COMMIT"), "raw_transaction");
    assert_eq!(db.fails("SAVEPOINT _ebb_many"), "forbidden_statement");
    db.run("SAVEPOINT a");
    db.commit(NOW).unwrap();
    assert_eq!(db.commit(NOW).unwrap_err().code, DbErrorCode::TransactionState);
    assert_eq!(db.rollback().unwrap_err().code, DbErrorCode::TransactionState);
}

#[test]
fn st94_a_schema_whose_tables_cannot_be_written_is_refused_and_the_version_before_goes_on() {
    let cases = [
        (
            "CREATE TABLE note2 (id TEXT PRIMARY KEY NOT NULL DEFAULT (fresh_id()), title TEXT)",
            "tables.note2",
            "fresh_id",
        ),
        (
            "CREATE TRIGGER r AFTER UPDATE ON note BEGIN UPDATE note SET title = slug(NEW.title); END",
            "tables.note",
            "slug",
        ),
        ("CREATE TRIGGER r AFTER DELETE ON note BEGIN INSERT INTO nowhere VALUES (1); END", "tables.note", "nowhere"),
    ];
    for (number, (migration, place, word)) in cases.into_iter().enumerate() {
        let file = tempfile();
        let at = || Connection::open(&file).unwrap();
        try_open(at(), &[NOTE], &["note"]).unwrap().run("INSERT INTO note (id, title) VALUES ('a', 'kept')");
        let tables: &[&str] = if number == 0 { &["note", "note2"] } else { &["note"] };
        let error = try_open(at(), &[NOTE, migration], tables).map(drop).unwrap_err();
        assert_eq!(error.code.code(), "schema_invalid", "{error}");
        assert!(error.message.starts_with(place) && error.message.contains(word), "{error}");
        let mended = [NOTE, migration, "DROP TRIGGER IF EXISTS r; DROP TABLE IF EXISTS note2"];
        try_open(at(), &[NOTE], &["note"]).unwrap().run("INSERT INTO note (id, title) VALUES ('b', 'goes on')");
        let mut db = try_open(at(), &mended, &["note"]).unwrap();
        assert_eq!(db.rows("SELECT title FROM note ORDER BY id"), ["kept", "goes on"]);
        drop(db);
        std::fs::remove_file(&file).unwrap();
    }
    let checked = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, a CHECK (fine(a)))";
    let error = try_open(Connection::open_in_memory().unwrap(), &[checked], &["note"]).map(drop).unwrap_err();
    assert_eq!(error.code.code(), "migration_failed", "SQLite looks at CHECK and generated columns by itself");
}

#[test]
fn st31_statements_that_would_break_us_are_forbidden() {
    let mut db = open(&[NOTE, LOCAL], &["note"]);
    for sql in [
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "VACUUM",
        "-- x\nVACUUM INTO 'y'",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA foreign_keys(0)",
        "PRAGMA main.synchronous = OFF",
        "PRAGMA recursive_triggers = ON",
        "PRAGMA writable_schema = ON",
        "PRAGMA locking_mode = NORMAL",
        "PRAGMA wal_checkpoint",
        "PRAGMA unheard_of",
        "INSERT INTO _ebb_log DEFAULT VALUES",
        "UPDATE _ebb_device SET seq = 5",
        "DELETE FROM \"_EBB_LOG\"",
        "DROP TABLE _ebb_log",
        "CREATE TABLE _ebb_mine (x)",
        "CREATE TRIGGER t AFTER INSERT ON _ebb_log BEGIN SELECT 1; END",
        "ALTER TABLE note ADD COLUMN y",
        "DROP TABLE note",
        "CREATE INDEX i ON note (title)",
        "CREATE TRIGGER t AFTER INSERT ON note BEGIN SELECT 1; END",
        "CREATE TEMP TRIGGER t AFTER INSERT ON note BEGIN SELECT 1; END",
        "CREATE TEMP TABLE note (x)",
        "CREATE TEMP VIEW NOTE AS SELECT 1",
        "SELECT load_extension('x')",
    ] {
        assert_eq!(db.fails(sql), "forbidden_statement", "{sql}");
    }
    assert_eq!(db.fails("INSERT INTO sqlite_schema (name) VALUES ('x')"), "sql_error");
    for sql in [
        "PRAGMA user_version = 3",
        "PRAGMA table_info(note)",
        "PRAGMA journal_mode",
        "PRAGMA foreign_key_check",
        "CREATE TABLE mine (x)",
        "CREATE INDEX j ON mine (x)",
        "ALTER TABLE mine ADD COLUMN y",
        "DROP TABLE mine",
        "ANALYZE",
        "PRAGMA optimize",
        "CREATE VIEW titles AS SELECT title FROM note",
        "SELECT * FROM pragma_table_xinfo('note')",
        "EXPLAIN QUERY PLAN SELECT * FROM note",
        "PRAGMA integrity_check",
    ] {
        db.run(sql);
    }
    db.run("INSERT INTO note (title) VALUES ('still here')");
    assert_eq!(db.log().len(), 1);
}

#[test]
fn st32_errors_are_typed_name_the_statement_and_leave_the_database_usable() {
    let mut db = open(&[NOTE, LOCAL], &["note"]);
    for (sql, code) in [
        ("SELEKT 1", "sql_error"),
        ("SELECT * FROM nowhere", "sql_error"),
        ("", "sql_error"),
        ("-- nothing", "sql_error"),
        ("INSERT INTO note (title) VALUES (NULL)", "constraint_not_null"),
        ("INSERT INTO note (title) VALUES ('bad')", "constraint_check"),
        ("INSERT INTO note VALUES ('a', 'x'), ('a', 'y')", "constraint_unique"),
        ("SELECT 1; SELECT 2", "multiple_statements"),
        ("INSERT INTO note (title) VALUES (?)", "bad_parameter"),
        ("SELECT abs(-9223372036854775808)", "sql_error"),
    ] {
        let error = db.execute(sql, &[], NOW).expect_err(sql);
        assert_eq!((error.code.code(), error.sql.as_deref()), (code, Some(sql)), "{error}");
        assert!(!error.code.retryable());
    }
    assert_eq!(db.run("INSERT INTO note (title) VALUES ('x');").changes, 1);
    assert_eq!(db.rows("SELECT count(*) FROM note"), ["1"]);
}

#[test]
fn st32_a_full_disk_is_an_error_that_keeps_what_was_committed() {
    let connection = Connection::open_in_memory().unwrap();
    let mut db = try_open(connection, &[NOTE], &["note"]).unwrap();
    db.run("INSERT INTO note VALUES ('kept', 'x')");
    let connection = db.into_connection().unwrap();
    // The engine's authorizer belongs to the database that installed it; a new one is installed by opening.
    let pages: i64 = connection.query_row("SELECT page_count FROM pragma_page_count()", [], |row| row.get(0)).unwrap();
    let limit = format!("PRAGMA max_page_count = {}", pages + 20);
    connection.query_row(&limit, [], |_| Ok(())).unwrap();
    let mut db = try_open(connection, &[NOTE], &["note"]).unwrap();
    let fill = "INSERT INTO note (title) SELECT hex(zeroblob(200000))";
    let error = db.execute(fill, &[], NOW).unwrap_err();
    assert_eq!((error.code, error.code.retryable()), (DbErrorCode::DiskFull, true));
    db.begin().unwrap();
    db.run("INSERT INTO note (title) VALUES ('small')");
    assert_eq!(db.fails(fill), "disk_full");
    let ended = db.commit(NOW);
    assert!(ended.is_ok() || ended.unwrap_err().code == DbErrorCode::TransactionEnded);
    db.run("INSERT INTO note (title) VALUES ('after')");
    let rows = db.rows("SELECT count(*) FROM note");
    assert_eq!(db.log().len().to_string(), rows[0], "the log is what the table is");
    assert_eq!(db.rows("PRAGMA integrity_check"), ["ok"]);
}

#[test]
fn st33_any_statement_goes_through_query_and_is_captured() {
    let link = "CREATE TABLE link (note TEXT PRIMARY KEY NOT NULL REFERENCES note)";
    let mut db = open(&[NOTE, link], &["note", "link"]);
    let mut rows = Rows::default();
    let done = db
        .query(
            "INSERT INTO note (title) VALUES (?), (?) RETURNING title",
            &[Value::Text("a".into()), Value::Text("b".into())],
            NOW,
            &mut rows,
        )
        .unwrap();
    assert_eq!((done.changes, rows.0.len()), (2, 2));
    // Whoever wants one row only does not change what the statement does, nor hide that it fails.
    let mut first = First(0);
    db.query("INSERT INTO note (title) VALUES ('c'), ('d') RETURNING title", &[], NOW, &mut first).unwrap();
    assert_eq!((first.0, db.log().len()), (1, 4));
    let child = "INSERT INTO link VALUES ('x'), ('y') RETURNING note";
    let failed = db.query(child, &[], NOW, &mut First(0)).unwrap_err();
    assert_eq!((failed.code, db.log().len()), (DbErrorCode::ConstraintForeignKey, 0));
    assert_eq!(db.run("CREATE TABLE IF NOT EXISTS other (x)").changes, 0);
    assert_eq!(db.run("SELECT 1").changes, 0);
    assert_eq!(db.rows("WITH x AS (SELECT 1 AS n) SELECT n FROM x"), ["1"]);
    assert!(db.log().is_empty());
}

#[test]
fn st34_watch_learns_what_is_read_and_what_was_written() {
    let fts = "CREATE VIRTUAL TABLE found USING fts5 (title); CREATE VIEW both AS SELECT note.title FROM note, draft";
    let mut db = open(&[NOTE, LOCAL, fts], &["note"]);
    db.take_touched();
    assert_eq!(db.reads("SELECT * FROM both").unwrap(), ["both", "draft", "note"]);
    assert_eq!(db.reads("SELECT count(*) FROM note").unwrap(), ["note"]);
    assert_eq!(db.reads("SELECT * FROM found WHERE found MATCH 'x'").unwrap(), ["found"]);
    db.run("INSERT INTO draft VALUES (1)");
    assert_eq!(db.take_touched(), ["draft"]);
    db.begin().unwrap();
    db.run("INSERT INTO found VALUES ('x')");
    assert!(db.take_touched().is_empty(), "not before COMMIT");
    db.commit(NOW).unwrap();
    assert!(db.take_touched().contains(&"found".into()));
    db.run("DELETE FROM note WHERE 0");
    assert!(db.take_touched().is_empty());
    db.run("CREATE TABLE late (x)");
    db.run("INSERT INTO late VALUES (1)");
    assert!(db.take_touched().contains(&"late".into()));
}

#[test]
fn st35_migrations_run_once_and_a_failing_one_leaves_the_version_before() {
    let file = tempfile();
    let at = || Connection::open(&file).unwrap();
    let mut db = try_open(at(), &[NOTE], &["note"]).unwrap();
    db.run("INSERT INTO note (id, title) VALUES ('a', 'kept')");
    drop(db);
    let cases: [(&[&str], &str, &str); 5] = [
        (&[NOTE, "CREATE TABLE a (x); CREATE TABEL b (y)"], "migration_failed", "TABEL"),
        (&[NOTE, "CREATE TABLE a (x); COMMIT"], "migration_failed", "transaction"),
        (&[NOTE, "DELETE FROM _ebb_log"], "migration_failed", "belongs to Ebbtide"),
        (
            &[NOTE, "CREATE TABLE k (n TEXT REFERENCES note); INSERT INTO k VALUES ('nowhere')"],
            "migration_failed",
            "points nowhere",
        ),
        (&["CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL)"], "schema_changed", "migrations[0]"),
    ];
    for (migrations, code, word) in cases {
        let error = try_open(at(), migrations, &["note"]).err().expect(word);
        assert_eq!(error.code.code(), code, "{error}");
        assert!(error.message.contains(word), "{error}");
    }
    // A schema that does not fit takes its migrations back, so that they can be corrected.
    let bad = "CREATE TABLE extra (x)";
    assert_eq!(try_open(at(), &[NOTE, bad], &["note", "extra"]).err().unwrap().code.code(), "schema_invalid");
    let mut db =
        try_open(at(), &[NOTE, "CREATE TABLE extra (x TEXT PRIMARY KEY NOT NULL)"], &["note", "extra"]).unwrap();
    assert_eq!(db.rows("SELECT title FROM note"), ["kept"]);
    assert_eq!(db.log().len(), 1, "migrations are not captured, and what waits is kept");
    drop(db);
    assert_eq!(try_open(at(), &[NOTE], &["note"]).err().unwrap().code.code(), "schema_newer");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn st35_local_references_to_synced_tables_must_let_go() {
    let bad = format!("{NOTE}; CREATE TABLE pin (note TEXT REFERENCES note)");
    let error = try_open(Connection::open_in_memory().unwrap(), &[&bad], &["note"]).err().unwrap();
    assert_eq!(error.code.code(), "schema_invalid");
    assert!(error.message.contains("pin.note"), "{error}");
}

#[test]
fn st36_an_export_is_a_whole_database_without_the_device() {
    let file = tempfile();
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL").unwrap();
    let mut db = try_open(connection, &[NOTE, LOCAL], &["note"]).unwrap();
    db.run("INSERT INTO note VALUES ('a', 'x')");
    db.begin().unwrap();
    assert_eq!(db.export().unwrap_err().code, DbErrorCode::TransactionState);
    db.rollback().unwrap();
    let bytes = db.export().unwrap();
    let mut copy = Connection::open_in_memory().unwrap();
    copy.deserialize_read_exact(MAIN_DB, &bytes[..], bytes.len(), false).unwrap();
    let count = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(count("PRAGMA integrity_check"), "ok");
    assert_eq!(
        count("SELECT group_concat(name) FROM sqlite_schema WHERE name LIKE '\\_ebb%' ESCAPE '\\'"),
        "_ebb_migration"
    );
    assert_eq!(count("SELECT title FROM note"), "x");
    // And it opens again, as another device.
    let mut again = LocalDatabase::open(copy, &schema(&[NOTE, LOCAL], &["note"]), NOW, [8; 16]).unwrap();
    assert_eq!(again.rows("SELECT title FROM note"), ["x"]);
    drop(db);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn st37_ids_follow_the_time_of_the_call() {
    let mut db = open(&[NOTE], &["note"]);
    for now in [5_000, 5_000, 4_000, 6_000] {
        db.execute("INSERT INTO note (title) VALUES ('x')", &[], Millis(1_700_000_000_000 + now)).unwrap();
    }
    let ids = db.rows("SELECT id FROM note ORDER BY rowid");
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    assert_eq!(db.rows("SELECT count(DISTINCT uuidv7()) FROM note"), ["4"]);
}

#[test]
fn st38_deferred_foreign_keys_fail_the_commit_and_nothing_is_kept() {
    let tree = "CREATE TABLE p (id TEXT PRIMARY KEY NOT NULL);
        CREATE TABLE c (id TEXT PRIMARY KEY NOT NULL, p TEXT REFERENCES p DEFERRABLE INITIALLY DEFERRED)";
    let mut db = open(&[tree], &["p", "c"]);
    assert_eq!(db.fails("INSERT INTO c VALUES ('c', 'p')"), "constraint_foreign_key");
    db.begin().unwrap();
    db.run("INSERT INTO c VALUES ('c', 'p')");
    assert_eq!(db.commit(NOW).unwrap_err().code, DbErrorCode::ConstraintForeignKey);
    db.begin().unwrap();
    db.run("INSERT INTO c VALUES ('c', 'p')");
    db.run("INSERT INTO p VALUES ('p')");
    db.commit(NOW).unwrap();
    assert_eq!(db.rows("SELECT count(*) FROM c"), ["1"]);
    assert_eq!(db.log().len(), 2);
}

#[test]
fn st39_a_statement_of_ours_is_not_the_apps_to_run() {
    let mut db = open(&[NOTE], &["note"]);
    db.run("INSERT INTO note (title) VALUES ('x')");
    // Cached by now, on our behalf.
    assert_eq!(
        db.fails("INSERT INTO _ebb_log (stamp, seq, device_seq, schema, changes) VALUES (?, ?, ?, ?, ?)"),
        "forbidden_statement"
    );
    assert_eq!(db.fails("COMMIT"), "raw_transaction");
    db.begin().unwrap();
    assert!(db.sync_step(NOW, |_| Ok::<_, ()>(())).is_err(), "no step within the app's transaction");
    assert_eq!(db.begin().unwrap_err().code, DbErrorCode::TransactionState);
    db.rollback().unwrap();
}

/// Wants one row.
struct First(usize);

impl RowSink for First {
    fn columns(&mut self, _: &[&str]) {}

    fn row(&mut self, _: &rusqlite::Row<'_>) -> ControlFlow<()> {
        self.0 += 1;
        ControlFlow::Break(())
    }
}

fn tempfile() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("ebbtide-{}-{}.db", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(name)
}

#[test]
fn st92_a_step_may_go_without_the_disk_and_the_next_that_must_write_reaches_it() {
    let folder = std::env::temp_dir().join(format!("ebbtide-st92-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let connection = Connection::open(folder.join("db")).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").unwrap();
    let mut db = try_open(connection, &[NOTE], &["note"]).unwrap();
    let wal_bytes = || std::fs::metadata(folder.join("db-wal")).unwrap().len();
    db.wait_for_disk(false).unwrap();
    assert_eq!(db.rows("PRAGMA synchronous"), ["1"]);
    db.wait_for_disk(true).unwrap();
    assert_eq!(db.rows("PRAGMA synchronous"), ["2"]);
    let before = wal_bytes();
    db.sync_step(NOW, |_| Ok::<(), ()>(())).unwrap().unwrap();
    assert_eq!(wal_bytes(), before, "a step without a change writes nothing");
    let written = db.sync_step(NOW, |store| {
        store.must_write();
        Ok::<(), ()>(())
    });
    written.unwrap().unwrap();
    assert!(wal_bytes() > before);
    drop(db);
    std::fs::remove_dir_all(folder).unwrap();
}
