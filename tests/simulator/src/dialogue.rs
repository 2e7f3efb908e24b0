//! A scripted conversation between some devices and a space: messages move only when the script says so.
//! It has no network and no chance; every message passes through the protocol's bytes and is kept in a transcript.
//! Used by the conversations.

use crate::device::{Device, DeviceError, Durable};
use crate::disk::{Aftermath, Disk, Image};
use crate::host::{Answer, ConnectionId, HostError, SpaceHost};
use crate::random::nth;
use crate::rows::Rows;
use crate::transcript;
use ebbtide_core::client::{Cause, Input, Output, SessionOptions, SpaceName, Start, State, TwoPhase};
use ebbtide_core::ids::{Millis, Seq};
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_protocol::{decode_client, decode_server, encode_client, encode_server};
use ebbtide_store::local::DbError;
use ebbtide_store::schema::Schema;
use std::collections::VecDeque;

mod checks;
mod places;

/// When every script begins.
pub const START: Millis = Millis(1_700_000_000_000);

/// More messages than any script exchanges: beyond it the two sides talk in circles.
const MOST_MESSAGES: usize = 10_000;

struct Party {
    device: Option<Device>,
    disk: Disk,
    name: &'static str,
    user: String,
    may_write: bool,
    skew_ms: i64,
    seed: [u8; 16],
    openings: u64,
    connection: Option<ConnectionId>,
    /// The session asked for a connection and has not been given one.
    asking: bool,
    outbox: VecDeque<Vec<u8>>,
    inbox: VecDeque<Vec<u8>>,
    outputs: Vec<Output>,
}

/// See the file's header.
pub struct Dialogue {
    /// The space where the script plays.
    pub space: SpaceHost,
    name: SpaceName,
    others: Vec<(SpaceName, SpaceHost)>,
    /// The time, without anybody's skew.
    pub now: Millis,
    schema: Schema,
    options: SessionOptions,
    parties: Vec<Party>,
    connections: ConnectionId,
    transcript: Vec<String>,
    messages: usize,
}

impl Dialogue {
    /// A space and devices `A`, `B`, … of one user, all new and not connected.
    pub fn new(devices: usize, two_phase: TwoPhase) -> Self {
        Self::with_options(devices, SessionOptions { two_phase, ..SessionOptions::default() })
    }

    /// The same with other choices of the app.
    pub fn with_options(devices: usize, options: SessionOptions) -> Self {
        Self::with(devices, options, crate::schema::schema())
    }

    /// The same under another schema.
    pub fn with_schema(devices: usize, two_phase: TwoPhase, schema: Schema) -> Self {
        Self::with(devices, SessionOptions { two_phase, ..SessionOptions::default() }, schema)
    }

    fn with(devices: usize, options: SessionOptions, schema: Schema) -> Self {
        let mut dialogue = Self {
            space: SpaceHost::open(&schema),
            name: SpaceName("clinic-7".into()),
            others: Vec::new(),
            now: START,
            schema,
            options,
            parties: Vec::new(),
            connections: 0,
            transcript: Vec::new(),
            messages: 0,
        };
        for index in 0..devices {
            dialogue.add(["A", "B", "C", "D"][index], "ada");
        }
        dialogue
    }

    /// One more device. Answers its index.
    pub fn add(&mut self, name: &'static str, user: &str) -> usize {
        let index = self.parties.len();
        let seed = [index as u8 + 1; 16];
        let party = Party {
            device: None,
            disk: Disk::new(),
            name,
            user: user.into(),
            may_write: true,
            skew_ms: 0,
            seed,
            openings: 0,
            connection: None,
            asking: false,
            outbox: VecDeque::new(),
            inbox: VecDeque::new(),
            outputs: Vec::new(),
        };
        self.parties.push(party);
        self.open(index, &self.schema.clone());
        index
    }

    fn open(&mut self, party: usize, schema: &Schema) {
        let (now, home, options) = (self.time_of(party), self.name.clone(), self.options);
        let seed = nth(self.parties[party].seed, self.parties[party].openings);
        self.parties[party].openings += 1;
        let device = Device::open(&self.parties[party].disk, schema, home, options, now, seed);
        self.parties[party].device = Some(device.expect("the database opens"));
    }

    /// From its next start on, every device asks its app before anything is committed.
    pub fn confirm(&mut self, confirm: bool) {
        self.options.confirm = confirm;
    }

    /// The device's app has not turned sync on, or has; until its next start.
    pub fn keep_in_step(&mut self, party: usize, in_step: bool) {
        self.device(party).database().keep_in_step(in_step);
    }

    /// What becomes of what was local, from every device's next start on.
    pub fn start_with(&mut self, start: Start) {
        self.options.start = start;
    }

    /// What the device's clock shows.
    pub fn time_of(&self, party: usize) -> Millis {
        Millis(self.now.0.saturating_add_signed(self.parties[party].skew_ms))
    }

    /// Lets time pass.
    pub fn pass_ms(&mut self, ms: u64) {
        self.now = Millis(self.now.0 + ms);
    }

    /// Sets a device's clock apart from the space's.
    pub fn skew_ms(&mut self, party: usize, skew_ms: i64) {
        self.parties[party].skew_ms = skew_ms;
    }

    /// Whether the device's token allows writing; from its next connection on.
    pub fn may_write(&mut self, party: usize, may_write: bool) {
        self.parties[party].may_write = may_write;
    }

    /// Whose token the device has; from its next connection on.
    pub fn user(&mut self, party: usize, user: &str) {
        self.parties[party].user = user.into();
    }

    /// The device.
    pub fn device(&mut self, party: usize) -> &mut Device {
        self.parties[party].device.as_mut().expect("a device that is on")
    }

    /// One statement as a transaction of its own; it takes a millisecond.
    pub fn exec(&mut self, party: usize, sql: &str, params: &[Value]) {
        self.try_exec(party, sql, params).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The same, for statements that may fail.
    pub fn try_exec(&mut self, party: usize, sql: &str, params: &[Value]) -> Result<(), DbError> {
        self.pass_ms(1);
        let now = self.time_of(party);
        self.device(party).database().execute(sql, params, now)?;
        self.input(party, Input::LocalCommit);
        Ok(())
    }

    /// Several statements as one transaction; it takes a millisecond.
    pub fn transaction(&mut self, party: usize, statements: &[&str]) {
        self.pass_ms(1);
        let now = self.time_of(party);
        let database = self.device(party).database();
        database.begin().expect("no transaction is open");
        for sql in statements {
            database.execute(sql, &[], now).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        database.commit(now).expect("the transaction commits");
        self.input(party, Input::LocalCommit);
    }

    /// The rows of a query.
    pub fn query(&mut self, party: usize, sql: &str) -> Vec<Vec<Value>> {
        let now = self.time_of(party);
        self.device(party).query(sql, &[], now).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Gives a device's session an input and queues what it wants sent.
    pub fn input(&mut self, party: usize, input: Input) {
        let now = self.time_of(party);
        match self.device(party).handle(input, now) {
            Ok(outputs) => self.carry_out(party, outputs),
            Err(error) => panic!("the session does not go on: {error:?}\n{}", self.transcript()),
        }
    }

    fn carry_out(&mut self, party: usize, outputs: Vec<Output>) {
        for output in outputs {
            match &output {
                Output::Send(messages) => {
                    self.note(party, &format!("{} → space", self.parties[party].name), messages, transcript::client);
                    let bytes = encode_client(messages);
                    if self.parties[party].connection.is_some() {
                        self.parties[party].outbox.push_back(bytes);
                    }
                }
                Output::Connect => self.parties[party].asking = true,
                Output::Disconnect => self.forget_connection(party),
                _ => {}
            }
            self.parties[party].outputs.push(output);
        }
    }

    fn note<M>(&mut self, party: usize, who: &str, messages: &[M], render: fn(&M, &transcript::Book) -> String) {
        let book = transcript::Book::new(self.space.catalogue(), party);
        for message in messages {
            let line = format!("{who}: {}", render(message, &book));
            self.transcript.push(line);
        }
    }

    /// Adds a remark to the transcript.
    pub fn remark(&mut self, remark: &str) {
        self.transcript.push(format!("-- {remark}"));
    }

    /// Everything said so far.
    pub fn transcript(&self) -> String {
        self.transcript.join("\n") + "\n"
    }

    /// Makes the connection that a device's session asks for, starting it if it was not; the hello is queued.
    pub fn connect(&mut self, party: usize) {
        if self.parties[party].connection.is_some() {
            return;
        }
        self.parties[party].outputs.clear();
        self.input(party, Input::SyncNow);
        assert!(std::mem::take(&mut self.parties[party].asking), "the session wants a connection");
        self.open_connection(party);
    }

    fn open_connection(&mut self, party: usize) {
        self.connections += 1;
        let (connection, user) = (self.connections, self.parties[party].user.clone());
        self.space.connect(connection, &user, self.parties[party].may_write);
        self.parties[party].connection = Some(connection);
        self.input(party, Input::Connected);
    }

    /// Makes the connection that a session asks for by itself, such as after it gave one up to begin a new life.
    pub fn reconnect(&mut self, party: usize) -> bool {
        let asks = self.parties[party].connection.is_none() && std::mem::take(&mut self.parties[party].asking);
        if asks {
            self.open_connection(party);
        }
        asks
    }

    /// The connection breaks; what was under way is lost.
    pub fn cut(&mut self, party: usize) {
        self.forget_connection(party);
        self.input(party, Input::Disconnected(Cause { code: "network_error".into(), retryable: true }));
    }

    fn cut_all(&mut self) {
        let connected = |party: &usize| self.parties[*party].connection.is_some();
        (0..self.parties.len()).filter(connected).collect::<Vec<_>>().into_iter().for_each(|party| self.cut(party));
    }

    fn forget_connection(&mut self, party: usize) {
        if let Some(connection) = self.parties[party].connection.take() {
            self.space.disconnect(connection, self.now);
        }
        self.parties[party].asking = false;
        self.parties[party].outbox.clear();
        self.parties[party].inbox.clear();
    }

    /// Delivers the oldest message of a device to the space; false if there is none.
    pub fn up(&mut self, party: usize) -> bool {
        let Some(bytes) = self.parties[party].outbox.pop_front() else { return false };
        let connection = self.parties[party].connection.expect("queued on a connection");
        let answer = self.say(connection, &bytes);
        self.route(party, answer);
        true
    }

    fn say(&mut self, connection: ConnectionId, bytes: &[u8]) -> Answer {
        self.messages += 1;
        assert!(self.messages < MOST_MESSAGES, "the two sides talk in circles:\n{}", self.transcript());
        let answer = self.space.receive(connection, bytes, self.now, None).expect("the space goes on");
        self.space.flush();
        answer
    }

    fn route(&mut self, party: usize, answer: Answer) {
        self.queue(party, &answer.replies);
        for (connection, messages) in answer.pushes {
            let other = self.parties.iter().position(|party| party.connection == Some(connection));
            if let Some(other) = other {
                self.queue(other, &messages);
            }
        }
    }

    fn queue(&mut self, party: usize, messages: &[ServerMessage]) {
        if messages.is_empty() {
            return;
        }
        self.note(party, &format!("space → {}", self.parties[party].name), messages, transcript::server);
        self.parties[party].inbox.push_back(encode_server(messages));
    }

    /// Delivers the oldest message of the space to a device; false if there is none.
    pub fn down(&mut self, party: usize) -> bool {
        let Some(bytes) = self.parties[party].inbox.pop_front() else { return false };
        let messages = decode_server(&bytes).expect("the space's own bytes");
        self.input(party, Input::Received(messages));
        true
    }

    /// Loses the oldest message of a device to the space.
    pub fn lose_up(&mut self, party: usize) {
        self.parties[party].outbox.pop_front().expect("a message");
    }

    /// Loses the oldest message of the space to a device.
    pub fn lose(&mut self, party: usize) {
        self.parties[party].inbox.pop_front().expect("a message");
    }

    /// What waits for a device, without delivering it.
    pub fn waiting_for(&self, party: usize) -> Vec<ServerMessage> {
        let inbox = self.parties[party].inbox.iter();
        inbox.flat_map(|bytes| decode_server(bytes).expect("the space's own bytes")).collect()
    }

    /// What a device wants sent, without delivering it.
    pub fn sent_by(&self, party: usize) -> Vec<ClientMessage> {
        let outbox = self.parties[party].outbox.iter();
        outbox.flat_map(|bytes| decode_client(bytes).expect("the device's own bytes")).collect()
    }

    /// Delivers everything there is until nobody has anything to say.
    pub fn settle(&mut self) {
        loop {
            let mut moved = false;
            for party in 0..self.parties.len() {
                moved |= self.up(party) || self.down(party) || self.reconnect(party);
            }
            if !moved {
                return;
            }
        }
    }

    /// Connects a device, lets everything settle, and requires that it is up to date.
    pub fn sync(&mut self, party: usize) {
        self.connect(party);
        self.settle();
        let status = self.device(party).session().status().clone();
        assert_eq!(status.state, State::Idle, "{status:?}\n{}", self.transcript());
    }

    /// Syncs and goes offline again.
    pub fn visit(&mut self, party: usize) {
        self.sync(party);
        self.cut(party);
    }

    /// The device dies and is opened again; its session is not started.
    pub fn restart(&mut self, party: usize) {
        self.restart_with(party, &self.schema.clone());
    }

    /// The same under another version of the app.
    pub fn restart_with(&mut self, party: usize, schema: &Schema) {
        self.die(party, Aftermath::Lost);
        self.open(party, schema);
    }

    /// The device dies; it stays off until `restart`, and nothing is said to its session.
    fn die(&mut self, party: usize, aftermath: Aftermath) {
        self.forget_connection(party);
        self.parties[party].device.take().expect("a device that is on").crash(aftermath);
        self.parties[party].outputs.clear();
    }

    /// Copies a device's disk, as a backup would; `restore` puts it back.
    pub fn backup(&mut self, party: usize) -> Image {
        self.restart(party);
        self.parties[party].disk.image()
    }

    /// Sets the space back to an earlier copy of its disk: all connections break.
    pub fn restore_space(&mut self, backup: &Image) {
        let schema = self.schema.clone();
        self.space.restore(backup, &schema, self.now);
        self.cut_all();
    }

    /// Puts an earlier copy of a device's disk back.
    pub fn restore(&mut self, party: usize, backup: &Image) {
        self.die(party, Aftermath::Lost);
        self.parties[party].disk.restore(backup);
        self.open(party, &self.schema.clone());
    }

    /// Sends messages to the space over a connection of their own, as the service worker does, and answers the replies.
    pub fn mail(&mut self, party: usize, messages: &[ClientMessage]) -> Vec<ServerMessage> {
        self.connections += 1;
        let (connection, user) = (self.connections, self.parties[party].user.clone());
        self.space.connect(connection, &user, self.parties[party].may_write);
        let answer = self.say(connection, &encode_client(messages));
        self.space.disconnect(connection, self.now);
        let replies = answer.replies.clone();
        self.route(party, Answer { replies: Vec::new(), ..answer });
        decode_server(&encode_server(&replies)).expect("the space's own bytes")
    }

    /// Sends raw bytes over a device's connection.
    pub fn raw(&mut self, party: usize, bytes: &[u8]) -> Result<Vec<ServerMessage>, HostError> {
        let connection = self.parties[party].connection.expect("a connection");
        let answer = self.space.receive(connection, bytes, self.now, None);
        self.space.flush();
        answer.map(|answer| answer.replies)
    }

    /// The device's next message reaches the space, whose event dies before it ends.
    pub fn up_into_a_crash(&mut self, party: usize, after_frames: usize) {
        let bytes = self.parties[party].outbox.pop_front().expect("a message");
        let connection = self.parties[party].connection.expect("a connection");
        let crashed = self.space.receive(connection, &bytes, self.now, Some(after_frames));
        assert!(matches!(crashed, Err(HostError::Crashed)), "{crashed:?}");
        let schema = self.schema.clone();
        self.space.crash(&schema);
        self.cut_all();
    }

    /// A new version of the app is deployed to the space; all connections break. Devices go on with the version that they have.
    pub fn deploy(&mut self, schema: &Schema) {
        self.space.deploy(schema, self.now).expect("the migrations run");
        self.schema = schema.clone();
        for party in 0..self.parties.len() {
            if self.parties[party].connection.is_some() {
                self.cut(party);
            }
        }
    }

    /// The object is evicted between two messages.
    pub fn evict(&mut self) {
        let schema = self.schema.clone();
        self.space.evict(&schema);
    }

    /// What a device's session put out since it was last connected, and forgets it.
    pub fn outputs(&mut self, party: usize) -> Vec<Output> {
        std::mem::take(&mut self.parties[party].outputs)
    }

    /// Whether a device's session put something out since it was last connected.
    pub fn took(&self, party: usize, wanted: impl Fn(&Output) -> bool) -> bool {
        self.parties[party].outputs.iter().any(wanted)
    }

    /// Everything durable of a device.
    pub fn durable(&mut self, party: usize) -> Durable {
        let now = self.time_of(party);
        self.device(party).durable(now).expect("the database can be read")
    }
}
