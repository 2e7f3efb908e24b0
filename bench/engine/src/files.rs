//! Databases in files, for the native measures.
//! It knows the pragmas and the table. `commit` and `apply` open theirs here.

use ebbtide_bench_engine::rows;
use rusqlite::Connection;

/// A database file with a journal as in the browser, and room for its pages in memory.
pub fn database(folder: &tempfile::TempDir, name: &str) -> Connection {
    let connection = Connection::open(folder.path().join(name)).expect("a file can be opened");
    let pragmas =
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536";
    connection.execute_batch(pragmas).expect("pragmas can be set");
    connection
}

/// The table without the engine, for the plain way.
pub fn plain_table(folder: &tempfile::TempDir, name: &str) -> Connection {
    let connection = database(folder, name);
    connection.execute_batch(&rows::create()).expect("the table can be made");
    connection
}
