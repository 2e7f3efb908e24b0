//! Runs the local database's contract natively: in memory, and on disk as a browser has it.
//! The cases are in `store/src/local/contract`; the wasm client runs the same ones on OPFS.

use ebbtide_store::local::contract;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn all(open: impl Fn(&str) -> Connection) {
    let mut failed = Vec::new();
    for name in contract::NAMES {
        let connection = open(name);
        if catch_unwind(AssertUnwindSafe(|| contract::run(name, connection))).is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

#[test]
fn st09_the_contract_holds_in_memory() {
    all(|_| Connection::open_in_memory().expect("opens"));
}

#[test]
fn st09_the_contract_holds_on_disk_in_wal_mode() {
    let folder = std::env::temp_dir().join(format!("ebbtide-contract-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    all(|name| {
        let connection = Connection::open(folder.join(name)).expect("opens");
        let pragmas = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL";
        connection.execute_batch(pragmas).expect("pragmas");
        connection
    });
    std::fs::remove_dir_all(folder).expect("removed");
}
