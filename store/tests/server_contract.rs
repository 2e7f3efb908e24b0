//! Runs the server store's contract natively: on plain SQLite, and narrowed to what a Durable Object allows.
//! The cases are in `store/src/server/contract`; the Worker runs the same ones in a real Durable Object.

use ebbtide_store::server::contract;
use ebbtide_store::sqlite::SqliteSql;
use rusqlite::Connection;
use std::rc::Rc;

fn all(open: impl Fn(Rc<Connection>) -> SqliteSql<Rc<Connection>>) {
    let mut failed = Vec::new();
    for name in contract::NAMES {
        let connection = Rc::new(Connection::open_in_memory().expect("opens"));
        connection.execute_batch("PRAGMA foreign_keys=ON").expect("pragma");
        let sql = open(connection);
        let case = std::panic::AssertUnwindSafe(|| contract::run(name, sql));
        if std::panic::catch_unwind(case).is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

#[test]
fn st44_the_contract_holds_on_plain_sqlite() {
    all(SqliteSql::plain);
}

#[test]
fn st44_the_contract_holds_within_the_limits_of_a_durable_object() {
    all(|connection| SqliteSql::narrow(connection).expect("narrows"));
}
