//! A device that is sent commits of others: the real session on the real local database, a transaction per message.
//! It measures nothing and opens no file: the connection is brought along, from a disk or from OPFS.
//! Used by `apply` natively and by the bench of the same name in the browser.

use crate::rows::{self, NOW_MS};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::client::store::ClientStore;
use ebbtide_core::client::{ClientSession, Input, SessionOptions, SpaceName};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::{Commit, Outcome};
use ebbtide_core::ids::{AuthorId, ChainHash, DeviceSeq, Millis, Seq};
use ebbtide_core::message::{ItemBody, Range, RangeItem, ServerMessage, Welcome};
use ebbtide_protocol::WireCodec;
use ebbtide_store::local::{LocalDatabase, RowSink};
use ebbtide_store::sql::SqlError;
use rusqlite::Connection;
use std::ops::ControlFlow;
use std::rc::Rc;

/// Rows of one commit: what a page of a pull holds of them.
pub const ROWS_OF_A_COMMIT: usize = 5_000;

/// A device that has been welcomed.
pub struct Device {
    database: LocalDatabase,
    session: ClientSession,
    head: Seq,
}

impl Device {
    /// On a fresh database whose pragmas are set.
    pub fn open(connection: Connection) -> Self {
        let database =
            LocalDatabase::open(connection, &rows::schema(), Millis(NOW_MS), [3; 16]).expect("the schema fits");
        let session = ClientSession::new(SpaceName::default(), SessionOptions::default(), 1);
        let mut device = Self { database, session, head: Seq(0) };
        device.handle(Input::Start);
        device.handle(Input::Connected);
        let schema = device.catalogue().version;
        let (author, expected) = (AuthorId(9), DeviceSeq(1));
        let welcome = Welcome { version: 1, author, expected, schema, now: Millis(NOW_MS), ..Welcome::default() };
        device.handle(Input::Received(vec![ServerMessage::Welcome(welcome)]));
        device
    }

    fn catalogue(&mut self) -> Rc<Catalogue> {
        let step = self.database.sync_step(Millis(NOW_MS), |store| Ok::<_, SqlError>(store.catalogue()));
        step.expect("a step").expect("a catalogue")
    }

    /// The outcomes as commits of another device, one to a message.
    pub fn ranges(&mut self, outcomes: Vec<Outcome>) -> Vec<ServerMessage> {
        let catalogue = self.catalogue();
        let range = |outcomes: &[Outcome]| {
            let from = self.head;
            self.head = from.next();
            let commit = Commit {
                author: AuthorId(1),
                device_seq: DeviceSeq(self.head.0),
                schema: catalogue.version,
                stamp: Stamp::at(Millis(NOW_MS)),
                outcomes: outcomes.to_vec(),
                conflicts: Vec::new(),
                queue: Vec::new(),
                authors: Vec::new(),
            };
            let body = ItemBody::Foreign(WireCodec.seal_commit(&commit, &catalogue));
            let items = vec![RangeItem { seq: self.head, body }];
            ServerMessage::Range(Range { from, upto: self.head, chain: ChainHash::default(), items })
        };
        outcomes.chunks(ROWS_OF_A_COMMIT).map(range).collect()
    }

    /// Applies one message's commit, in a transaction.
    pub fn apply(&mut self, range: ServerMessage) {
        self.handle(Input::Received(vec![range]));
    }

    /// Gives the database back, to be closed.
    pub fn close(self) -> Connection {
        self.database.into_connection().expect("no transaction is open")
    }

    fn handle(&mut self, input: Input) {
        let Self { database, session, .. } = self;
        let step = database.sync_step(Millis(NOW_MS), |store| session.handle(input, Millis(NOW_MS), store, &WireCodec));
        let _outputs = step.expect("the database does not fail").expect("the session does not fail");
    }

    /// Makes sure that what was measured was done.
    pub fn require_rows(&mut self, expected: usize) {
        let mut count = Count(0);
        self.database.query("SELECT count(*) FROM visit", &[], Millis(NOW_MS), &mut count).expect("a query");
        assert_eq!(count.0 as usize, expected, "rows of the device");
    }
}

struct Count(i64);

impl RowSink for Count {
    fn columns(&mut self, _names: &[&str]) {}

    fn row(&mut self, row: &rusqlite::Row<'_>) -> ControlFlow<()> {
        self.0 = row.get(0).expect("a count");
        ControlFlow::Continue(())
    }
}
