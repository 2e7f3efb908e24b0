//! A space decides changesets of a thousand changes: opened, merged, written with marks, log and receipt, over SQLite.
//! The real session on the real store behind the adapter that imitates a Durable Object, one event per message, as in the Worker.
//! The plain way writes the same values to the same table by prepared statements, one transaction per thousand.

use crate::files;
use crate::round::{Round, timed};
use ebbtide_bench_engine::random::Random;
use ebbtide_bench_engine::rows::{self, NOW_MS};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{Base, Change, Changeset, Field, Mutation, RowId, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::ids::{Cursor, DeviceSeq, Incarnation, Millis, Opening, Seq};
use ebbtide_core::message::{ClientMessage, Hello, ServerMessage, Submit};
use ebbtide_core::server::{Identity, ServerOutput, ServerSession};
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_store::server::{Space, SpaceStore};
use ebbtide_store::sql::SqlError;
use ebbtide_store::sqlite::SqliteSql;
use rusqlite::Connection;
use std::rc::Rc;

/// Rows of the space while updates are measured.
const ROWS: usize = 20_000;

/// Changes of a changeset.
const CHANGES: usize = 1_000;

/// Changesets of a round.
const CHANGESETS: usize = 20;

type Values = Vec<(RowId, Vec<Value>)>;

/// Every changeset changes one field each of a thousand known rows, in one transaction.
pub fn updates() -> Round {
    updates_of(CHANGES)
}

/// The same as a device sends that was offline: a thousand transactions of one change.
pub fn lone_updates() -> Round {
    updates_of(1)
}

/// Every changeset brings a thousand new rows.
pub fn inserts() -> Round {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = rows::fresh(&mut Random::new(5), CHANGES * CHANGESETS);
    let plain_table = files::plain_table(&folder, "plain.db");
    let (plain, ()) = timed(|| rows.chunks(CHANGES).for_each(|rows| rows::plain_inserts(&plain_table, rows)));
    let mut host = Host::open(&folder);
    let sealed: Vec<_> = rows.chunks(CHANGES).map(|rows| host.seal(insert_changes(rows), CHANGES)).collect();
    let (engine, ()) = timed(|| sealed.into_iter().for_each(|submit| host.submit(submit)));
    host.require_rows(rows.len());
    Round { items: rows.len(), engine, plain }
}

fn updates_of(at_once: usize) -> Round {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random::new(23);
    let rows = rows::fresh(&mut random, ROWS);
    let updates: Vec<Vec<(RowId, Field)>> = (0..CHANGESETS).map(|_| some(&mut random, &rows)).collect();
    let plain_table = files::plain_table(&folder, "plain.db");
    rows::plain_inserts(&plain_table, &rows);
    let (plain, ()) = timed(|| updates.iter().for_each(|updates| rows::plain_updates(&plain_table, updates)));
    let mut host = Host::open(&folder);
    for rows in rows.chunks(CHANGES) {
        let submit = host.seal(insert_changes(rows), CHANGES);
        host.submit(submit);
    }
    let sealed: Vec<_> = updates.iter().map(|updates| host.seal(update_changes(updates), at_once)).collect();
    let (engine, ()) = timed(|| sealed.into_iter().for_each(|submit| host.submit(submit)));
    host.require_rows(ROWS);
    Round { items: CHANGES * CHANGESETS, engine, plain }
}

/// A thousand neighbouring rows, as a team works through its list, a field each.
fn some(random: &mut Random, rows: &Values) -> Vec<(RowId, Field)> {
    let from = random.below(rows.len() - CHANGES);
    rows[from..from + CHANGES].iter().map(|(row, _)| (row.clone(), rows::field(random))).collect()
}

fn insert_changes(rows: &[(RowId, Vec<Value>)]) -> Vec<(RowId, Mutation)> {
    rows.iter().map(|(row, values)| (row.clone(), Mutation::Insert(values.clone()))).collect()
}

fn update_changes(updates: &[(RowId, Field)]) -> Vec<(RowId, Mutation)> {
    updates.iter().map(|(row, field)| (row.clone(), Mutation::Update(vec![field.clone()]))).collect()
}

/// A space with one device in conversation.
struct Host {
    sql: SqliteSql<Rc<Connection>>,
    space: Rc<Space>,
    session: ServerSession,
    catalogue: Rc<Catalogue>,
    next: DeviceSeq,
    stamp: Stamp,
}

impl Host {
    fn open(folder: &tempfile::TempDir) -> Self {
        let connection = Rc::new(files::database(folder, "space.db"));
        connection.set_prepared_statement_cache_capacity(256);
        let mut sql = SqliteSql::narrow(connection).expect("an adapter");
        let space =
            Space::open(&mut sql, &rows::schema(), Millis(NOW_MS), &WireCodec).expect("the schema fits a space");
        let identity = Identity { user: "u".into(), may_write: true, expires_at: Millis(u64::MAX) };
        let session = ServerSession::new(identity);
        let catalogue = space.catalogue();
        let mut host =
            Self { sql, space, session, catalogue, next: DeviceSeq(1), stamp: Stamp::at(Millis(NOW_MS - 60_000)) };
        host.say(ClientMessage::Hello(Hello {
            min_version: 1,
            max_version: 1,
            incarnation: Incarnation([7; 16]),
            next_device_seq: DeviceSeq(1),
            schema: host.catalogue.version,
            schema_hash: host.catalogue.hash,
            cursor: Cursor::default(),
            ..Hello::default()
        }));
        host
    }

    fn seal(&mut self, changes: Vec<(RowId, Mutation)>, at_once: usize) -> Submit {
        let device_seq = self.next;
        self.next = device_seq.next();
        let base = Base { seq: Seq(device_seq.0 - 1), device_seq: DeviceSeq(device_seq.0 - 1) };
        let change =
            |(row, mutation): &(RowId, Mutation)| Change { row: row.clone(), mutation: mutation.clone(), base };
        let transactions = changes.chunks(at_once).map(|changes| {
            self.stamp = Stamp(self.stamp.0 + 1);
            Transaction { stamp: self.stamp, changes: changes.iter().map(change).collect(), ..Transaction::default() }
        });
        let transactions = transactions.collect();
        let changeset = Changeset {
            device_seq,
            schema: self.catalogue.version,
            origin: None,
            opening: Opening::default(),
            transactions,
        };
        let bytes = WireCodec.seal(&changeset, &self.catalogue).bytes;
        Submit { device_seq, applied_receipt: DeviceSeq(device_seq.0 - 1), bytes }
    }

    fn submit(&mut self, submit: Submit) {
        let outputs = self.say(ClientMessage::Submit(submit));
        let receipt = outputs.iter().find_map(|output| match output {
            ServerOutput::Reply(ServerMessage::Receipt(receipt)) => Some(receipt),
            _ => None,
        });
        let receipt = receipt.expect("a submit is answered with a receipt");
        assert!(receipt.as_sent && receipt.rejected.is_empty(), "everything is taken as sent");
    }

    fn say(&mut self, message: ClientMessage) -> Vec<ServerOutput> {
        let Self { sql, space, session, .. } = self;
        let handled = SpaceStore::event(sql, space, |store| {
            session.handle(message, Millis(NOW_MS), store, &WireCodec).map_err(|error: SqlError| error)
        });
        handled.expect("SQLite does not fail")
    }

    fn require_rows(&self, expected: usize) {
        let count: i64 =
            self.sql.connection().query_row("SELECT count(*) FROM visit", [], |row| row.get(0)).expect("a count");
        assert_eq!(count as usize, expected, "rows of the space");
    }
}
