//! The space's side: the real server session over the real store on narrowed SQLite, one event per message, as in the Worker.
//! Sessions live only as the bytes of their state, so every message meets a rebuilt one; networks and devices are not known here.
//! Driven by the simulator and the conversations.

use crate::counted::{Count, Counted};
use crate::disk::Image;
use crate::disk::{Aftermath, Disk, connect};
use crate::rows::{Rows, dump};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::commit::{Reason, Receipt, SealedCommit};
use ebbtide_core::ids::{AuthorId, ChainHash, DeviceSeq, Hash, Incarnation, Millis, SchemaHash, Seq};
use ebbtide_core::limits;
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::server::retention::{self, Pruned};
use ebbtide_core::server::rules::{AppRules, NoRules};
use ebbtide_core::server::store::ServerStore;
use ebbtide_core::server::{Identity, ServerOutput, ServerSession, SessionState};
use ebbtide_protocol::{WireCodec, decode_client, encode_server};
use ebbtide_store::server::{Space, SpaceStore};
use ebbtide_store::sql::SqlError;
use ebbtide_store::sqlite::SqliteSql;
use rusqlite::Connection;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// A connection to the space, as the network numbers them.
pub type ConnectionId = u64;

type Handle = Counted<SqliteSql<Rc<Connection>>>;

/// Of how many schemas an empty space is kept.
const EMPTY_SPACES: usize = 32;

thread_local! {
    /// The files of empty spaces: creating one is the dearest step of a seed, and a seed needs several.
    static EMPTY: RefCell<HashMap<SchemaHash, Image>> = RefCell::default();
}

/// Why a message was not handled.
#[derive(Debug)]
pub enum HostError {
    /// SQLite failed: a bug, since nothing else may make it.
    Sql(SqlError),
    /// A crash that the caller asked for; the event was rolled back.
    Crashed,
    /// Bytes that the protocol does not know.
    Undecodable(String),
    /// A connection that the space does not have.
    Unknown,
}

impl From<SqlError> for HostError {
    fn from(error: SqlError) -> Self {
        HostError::Sql(error)
    }
}

/// A decision that the space took, with everything that led to it.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Whose changeset.
    pub incarnation: Incarnation,
    /// Its author's short name.
    pub author: AuthorId,
    /// Which.
    pub device_seq: DeviceSeq,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
    /// When.
    pub now: Millis,
    /// The verdict.
    pub receipt: Receipt,
    /// The commit, if something became visible.
    pub commit: Option<SealedCommit>,
    /// What devices are told of the chain of commits afterwards.
    pub chain: ChainHash,
}

impl Decision {
    /// Whether the number was given up: nothing was decided under it.
    pub fn is_void(&self) -> bool {
        self.receipt.rejected.first().is_some_and(|rejection| rejection.reason == Reason::Void)
    }
}

/// What one message led to.
#[derive(Debug, Default)]
pub struct Answer {
    /// For the connection that spoke.
    pub replies: Vec<ServerMessage>,
    /// For the others.
    pub pushes: Vec<(ConnectionId, Vec<ServerMessage>)>,
    /// In the order in which they were taken.
    pub decisions: Vec<Decision>,
}

/// A space and its connections. What an event wrote is safe, and may be spoken of, after `flush`.
pub struct SpaceHost {
    disk: Disk,
    sql: Handle,
    space: Rc<Space>,
    attachments: BTreeMap<ConnectionId, Vec<u8>>,
    rules: Rc<dyn AppRules>,
}

impl SpaceHost {
    /// Gives the space functions of the app, also whenever it is opened anew.
    pub fn set_rules(&mut self, rules: Rc<dyn AppRules>) {
        self.space.set_rules(rules.clone());
        self.rules = rules;
    }

    /// An empty space. One of a schema that this thread has opened before begins with a copy of that one's files.
    pub fn open(schema: &ebbtide_store::schema::Schema) -> Self {
        let (disk, hash) = (Disk::flushed_by_hand(), schema.hash());
        let known = EMPTY.with_borrow(|known| known.get(&hash).cloned());
        known.iter().for_each(|image| disk.restore(image));
        let mut sql = on(&disk);
        if known.is_some() {
            let space =
                Space::load(&mut sql, schema, Millis(0), &WireCodec).expect("what was open can be opened again");
            return Self { disk, sql, space, attachments: BTreeMap::new(), rules: Rc::new(NoRules) };
        }
        let space = Space::open(&mut sql, schema, Millis(0), &WireCodec).expect("the schema fits a space");
        disk.flush();
        EMPTY.with_borrow_mut(|known| {
            // Later releases differ from seed to seed.
            if known.len() == EMPTY_SPACES {
                known.clear();
            }
            known.insert(hash, disk.image());
        });
        Self { disk, sql, space, attachments: BTreeMap::new(), rules: Rc::new(NoRules) }
    }

    /// The next event dies at its n-th statement, or does not. Starts the count.
    pub fn die_at_statement(&mut self, statement: Option<u64>) {
        self.sql.count.restart(statement);
    }

    /// Statements since `die_at_statement`.
    pub fn statements(&self) -> u64 {
        self.sql.count.statements()
    }

    /// What the events so far wrote is safe: their outputs may go out.
    pub fn flush(&mut self) {
        self.disk.flush();
    }

    /// The object is evicted: everything in memory goes, the connections' attachments stay.
    pub fn evict(&mut self, schema: &ebbtide_store::schema::Schema) {
        let loaded = Space::load(&mut self.sql, schema, Millis(0), &WireCodec);
        self.space = loaded.expect("what was open can be opened again");
        self.space.set_rules(self.rules.clone());
    }

    /// A new version of the app is deployed: the object starts anew, and its connections go.
    pub fn deploy(
        &mut self,
        schema: &ebbtide_store::schema::Schema,
        now: Millis,
    ) -> Result<(), ebbtide_store::server::OpenError> {
        self.attachments.clear();
        self.space = Space::open(&mut self.sql, schema, now, &WireCodec)?;
        self.space.set_rules(self.rules.clone());
        self.disk.flush();
        Ok(())
    }

    /// The object's machine dies: its connections go, and so do the events that were not flushed.
    pub fn crash(&mut self, schema: &ebbtide_store::schema::Schema) {
        self.attachments.clear();
        self.disk.cut_power();
        let nothing = Connection::open_in_memory().expect("SQLite opens in memory");
        self.sql.inner = SqliteSql::narrow(Rc::new(nothing)).expect("an adapter");
        self.disk.restart(Aftermath::Lost);
        self.sql = on(&self.disk);
        self.evict(schema);
    }

    /// A copy of the space's disk, as the platform keeps for a restore; `restore` puts it back.
    pub fn backup(&self) -> Image {
        self.disk.flush();
        self.disk.image()
    }

    /// The space is set back to an earlier point, perhaps before the last releases, which it takes again; its connections go.
    pub fn restore(&mut self, backup: &Image, schema: &ebbtide_store::schema::Schema, now: Millis) {
        let nothing = Connection::open_in_memory().expect("SQLite opens in memory");
        self.sql.inner = SqliteSql::narrow(Rc::new(nothing)).expect("an adapter");
        self.disk.restore(backup);
        self.sql = on(&self.disk);
        self.deploy(schema, now).expect("what was taken once can be taken again");
    }

    /// Prunes history as the alarm does, until nothing more can go.
    pub fn prune(&mut self, now: Millis) {
        self.prune_delivered(None, now);
    }

    /// The same where the history is kept elsewhere too, up to some commit as yet.
    pub fn prune_delivered(&mut self, delivered: Option<Seq>, now: Millis) {
        while self.prune_batch(delivered, now) == Pruned::More {}
        self.disk.flush();
    }

    /// What one alarm prunes.
    pub fn prune_batch(&mut self, delivered: Option<Seq>, now: Millis) -> Pruned {
        self.read(|store| retention::prune(delivered, now, store, &WireCodec))
    }

    /// Up to where the history is pruned.
    pub fn floor(&mut self) -> Seq {
        self.read(|store| store.floor()).seq
    }

    /// A new connection of a user.
    pub fn connect(&mut self, connection: ConnectionId, user: &str, may_write: bool) {
        let identity = Identity { user: user.into(), may_write, expires_at: Millis(u64::MAX) };
        self.attach(connection, &ServerSession::new(identity));
    }

    /// A connection is gone.
    pub fn disconnect(&mut self, connection: ConnectionId, now: Millis) {
        let Ok(session) = self.session(connection) else { return };
        self.attachments.remove(&connection);
        self.read(|store| session.ended(now, store));
    }

    /// Where the space has noted a device to be.
    pub fn noted_cursor(&mut self, incarnation: Incarnation) -> Option<Seq> {
        self.read(|store| store.author(incarnation)).map(|author| author.cursor)
    }

    /// Whether the space still has a connection.
    pub fn is_connected(&self, connection: ConnectionId) -> bool {
        self.attachments.contains_key(&connection)
    }

    fn attach(&mut self, connection: ConnectionId, session: &ServerSession) {
        let bytes = postcard::to_allocvec(session.state()).expect("a state that can be packed");
        self.attachments.insert(connection, bytes);
    }

    fn session(&self, connection: ConnectionId) -> Result<ServerSession, HostError> {
        let bytes = self.attachments.get(&connection).ok_or(HostError::Unknown)?;
        let state: SessionState = postcard::from_bytes(bytes).expect("a state that was packed");
        Ok(ServerSession::resume(state))
    }

    /// Handles one message of a connection in one event. With `crash_after`, the event dies after so many frames.
    pub fn receive(
        &mut self,
        connection: ConnectionId,
        bytes: &[u8],
        now: Millis,
        crash_after: Option<usize>,
    ) -> Result<Answer, HostError> {
        let messages = decode_client(bytes).map_err(|error| HostError::Undecodable(format!("{error:?}")))?;
        let mut session = self.session(connection)?;
        let (outputs, decisions) = SpaceStore::event(&self.sql, &self.space, |store| {
            let (mut outputs, mut decisions) = (Vec::new(), Vec::new());
            for (index, message) in messages.into_iter().enumerate() {
                if crash_after == Some(index) {
                    return Err(HostError::Crashed);
                }
                let (more, decision) = handle(&mut session, message, now, store)?;
                outputs.extend(more);
                decisions.extend(decision);
            }
            if crash_after.is_some() { Err(HostError::Crashed) } else { Ok((outputs, decisions)) }
        })?;
        self.attach(connection, &session);
        let mut answer = Answer { decisions, ..Answer::default() };
        let mut committed = false;
        for output in outputs {
            match output {
                ServerOutput::Reply(message) => answer.replies.push(message),
                ServerOutput::Committed { .. } => committed = true,
            }
        }
        if committed {
            answer.pushes = self.offers(connection)?;
        }
        Ok(answer)
    }

    fn offers(&mut self, except: ConnectionId) -> Result<Vec<(ConnectionId, Vec<ServerMessage>)>, HostError> {
        let others: Vec<ConnectionId> = self.attachments.keys().copied().filter(|other| *other != except).collect();
        let mut pushes = Vec::new();
        for other in others {
            let mut session = self.session(other)?;
            let messages = SpaceStore::event(&self.sql, &self.space, |store| session.offer(store))?;
            self.attach(other, &session);
            if !messages.is_empty() {
                pushes.push((other, messages));
            }
        }
        Ok(pushes)
    }

    /// The bytes of messages on their way to a device.
    pub fn encode(messages: &[ServerMessage]) -> Vec<u8> {
        encode_server(messages)
    }

    /// The synced tables.
    pub fn catalogue(&self) -> Rc<Catalogue> {
        self.space.catalogue()
    }

    /// Everything in the synced tables.
    pub fn rows(&self) -> Rows {
        dump(self.sql.inner.connection(), &self.space.catalogue()).expect("the space's tables can be read")
    }

    /// The newest commit and the chain hash there.
    pub fn head(&mut self) -> (Seq, Hash) {
        let head = self.read(|store| store.head());
        (head.seq, head.chain)
    }

    /// The stored verdict on a changeset.
    pub fn receipt(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Option<Receipt> {
        self.read(|store| store.decided(author, device_seq)).map(|decided| decided.receipt)
    }

    /// All commits.
    pub fn commits(&mut self) -> Vec<SealedCommit> {
        self.read(|store| store.commits(Seq(0), usize::MAX >> 1, limits::PAGE_COMMITS * 1_000))
    }

    /// The connection behind the port, for what only a test may do.
    pub fn connection(&self) -> &Connection {
        self.sql.inner.connection()
    }

    /// SQLite's own checks of file and references.
    pub fn integrity(&self) -> Vec<String> {
        integrity(self.sql.inner.connection())
    }

    fn read<T>(&mut self, body: impl FnOnce(&mut SpaceStore<Handle>) -> Result<T, SqlError>) -> T {
        SpaceStore::event(&self.sql, &self.space, body).expect("the space's own tables can be read")
    }
}

/// What `integrity_check` and `foreign_key_check` find.
pub fn integrity(connection: &Connection) -> Vec<String> {
    let mut found = Vec::new();
    for pragma in ["PRAGMA integrity_check", "PRAGMA foreign_key_check"] {
        let mut statement = connection.prepare(pragma).expect("a pragma");
        let mut rows = statement.query([]).expect("a pragma");
        while let Some(row) = rows.next().expect("a pragma's row") {
            let first: String = row.get(0).expect("a pragma's text");
            if first != "ok" {
                found.push(format!("{pragma}: {first}"));
            }
        }
    }
    found
}

/// A connection whose transactions reach the disk whole, and stay there when it is flushed: an object's storage.
fn on(disk: &Disk) -> Handle {
    let connection = connect(disk, "space.db").expect("a disk without faults");
    let pragmas = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;";
    connection.execute_batch(pragmas).expect("pragmas can be set");
    connection.set_prepared_statement_cache_capacity(256);
    let inner = SqliteSql::narrow(Rc::new(connection)).expect("an adapter");
    Counted { inner, count: Count::default() }
}

type Handled = (Vec<ServerOutput>, Option<Decision>);

fn handle(
    session: &mut ServerSession,
    message: ClientMessage,
    now: Millis,
    store: &mut SpaceStore<Handle>,
) -> Result<Handled, SqlError> {
    let Some(greeted) = session.state().greeted else {
        return Ok((session.handle(message, now, store, &WireCodec)?, None));
    };
    let due = |store: &mut SpaceStore<Handle>| Ok(store.author(greeted.incarnation)?.map(|author| author.expected));
    let (before, head): (Option<DeviceSeq>, Seq) = (due(store)?, store.head()?.seq);
    let bytes = match &message {
        ClientMessage::Submit(submit) => submit.bytes.clone(),
        ClientMessage::Commit { device_seq, .. } if store.staging(greeted.author, *device_seq)?.is_some() => {
            store.staged_bytes(greeted.author, *device_seq).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let outputs = session.handle(message, now, store, &WireCodec)?;
    let Some(device_seq) = before.filter(|_| due(store).is_ok_and(|after| after != before)) else {
        return Ok((outputs, None));
    };
    let decided = store.decided(greeted.author, device_seq)?;
    let receipt = decided.map(|decided| decided.receipt).expect("a decided number has its receipt");
    let commit = store.commits(head, 1, 1)?.into_iter().next();
    let (incarnation, author, chain) = (greeted.incarnation, greeted.author, store.head()?.chain.truncated());
    Ok((outputs, Some(Decision { incarnation, author, device_seq, bytes, now, receipt, commit, chain })))
}
