//! Plays one scenario: devices and a space whose messages are delivered at once, in verbs that can be interrupted and taken up again.
//! A device that dies in a step comes back, must be as before or after it, and goes on; so does the space. It has no chance and no network.
//! Used by `crash`.

use super::scenarios::Scenario;
use super::{BEFORE_OUTPUTS, Point};
use crate::device::{Device, Durable};
use crate::disk::{Aftermath, Disk};
use crate::host::{ConnectionId, HostError, SpaceHost};
use crate::rows::Rows;
use ebbtide_core::client::{Cause, Input, Output, Outputs, SessionOptions, SpaceName, State, TwoPhase};
use ebbtide_core::ids::Millis;
use ebbtide_core::value::Value;
use ebbtide_protocol::{decode_server, encode_client, encode_server};
use ebbtide_store::local::DbError;
use ebbtide_store::schema::Schema;
use std::collections::VecDeque;

/// When every script begins.
const START: u64 = 1_700_000_000_000;

/// Attempts to bring a device up to date: one crash and what follows from it need two.
const MOST_ATTEMPTS: usize = 6;

/// Messages of one attempt: beyond it the two sides talk in circles.
const MOST_MESSAGES: usize = 2_000;

/// What a play is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Count the points at which something could die.
    Count,
    /// Let it die at one of them.
    Crash(Point),
}

/// How a play ended.
#[derive(Debug)]
pub(super) struct End {
    /// The space's rows, which all devices show.
    pub(super) rows: Rows,
    /// Writes and flushes of every step of a device.
    pub(super) operations: Vec<usize>,
    /// Statements of every event of the space.
    pub(super) statements: Vec<u64>,
    pub(super) crashed: bool,
}

struct Party {
    device: Option<Device>,
    disk: Disk,
    seed: [u8; 16],
    skew_ms: i64,
    connection: Option<ConnectionId>,
    asking: bool,
    outbox: VecDeque<Vec<u8>>,
    inbox: VecDeque<Vec<u8>>,
}

/// See the file's header.
pub struct Stage {
    plan: Plan,
    schema: Schema,
    options: SessionOptions,
    space: SpaceHost,
    parties: Vec<Party>,
    now: u64,
    connections: ConnectionId,
    operations: Vec<usize>,
    statements: Vec<u64>,
    crashed: bool,
    /// Whether the space is evicted before each of its events.
    evicting: bool,
}

impl Stage {
    pub(super) fn play(scenario: &Scenario, two_phase: TwoPhase, plan: Plan) -> End {
        let schema = crate::schema::schema();
        let mut stage = Self {
            plan,
            space: SpaceHost::open(&schema),
            schema,
            options: SessionOptions { two_phase, ..SessionOptions::default() },
            parties: Vec::new(),
            now: START,
            connections: 0,
            operations: Vec::new(),
            statements: Vec::new(),
            crashed: false,
            evicting: false,
        };
        for number in 0..scenario.devices {
            stage.join(number as u8);
        }
        (scenario.script)(&mut stage);
        stage.end()
    }

    fn join(&mut self, number: u8) {
        self.parties.push(Party {
            device: None,
            disk: Disk::new(),
            seed: [number + 1; 16],
            skew_ms: 0,
            connection: None,
            asking: false,
            outbox: VecDeque::new(),
            inbox: VecDeque::new(),
        });
        self.switch_on(self.parties.len() - 1);
    }

    /// Everybody is brought up to date; all must show the same, in sound files.
    fn end(mut self) -> End {
        for _ in 0..2 {
            (0..self.parties.len()).for_each(|party| self.sync(party));
        }
        let rows = self.space.rows();
        assert_eq!(self.space.integrity(), Vec::<String>::new(), "the space is damaged");
        for party in 0..self.parties.len() {
            let durable = self.durable(party);
            assert!(durable.rows == rows, "device {party} differs from the space: {:?} | {rows:?}", durable.rows);
            assert!(durable.log.is_empty() && durable.sealed.is_empty() && durable.blocked.is_empty(), "{durable:?}");
            let device = self.parties[party].device.take().expect("a device that is on");
            assert_eq!(device.integrity(), Vec::<String>::new(), "device {party} is damaged");
        }
        let Self { operations, statements, crashed, .. } = self;
        End { rows, operations, statements, crashed }
    }

    fn time_of(&self, party: usize) -> Millis {
        Millis(self.now.saturating_add_signed(self.parties[party].skew_ms))
    }

    fn device(&mut self, party: usize) -> &mut Device {
        self.parties[party].device.as_mut().expect("a device that is on")
    }

    fn durable(&mut self, party: usize) -> Durable {
        let now = self.time_of(party);
        self.device(party).durable(now).expect("a database that can be read")
    }

    fn switch_on(&mut self, party: usize) {
        let (now, options, seed) = (self.time_of(party), self.options, self.parties[party].seed);
        let home = SpaceName("clinic-7".into());
        let device = Device::open(&self.parties[party].disk, &self.schema, home, options, now, seed);
        self.parties[party].device = Some(device.expect("the database opens"));
    }

    /// One step of a device. Nothing if it died in it; then it is on again, and the flag says whether the step had come to its end.
    fn step<T>(&mut self, party: usize, body: impl FnOnce(&mut Device, Millis) -> T) -> Result<T, bool> {
        let now = self.time_of(party);
        let dies = match self.plan {
            Plan::Crash(Point::Device { step, operations, aftermath }) if step == self.operations.len() => {
                Some((operations, aftermath))
            }
            _ => None,
        };
        let before = dies.map(|_| self.durable(party));
        let disk = self.parties[party].disk.clone();
        disk.record();
        let done = body(self.device(party), now);
        let tape = disk.stop();
        self.operations.push(tape.operations());
        let (Some((operations, aftermath)), Some(before)) = (dies, before) else { return Ok(done) };
        let after = self.durable(party);
        self.crashed = true;
        self.forget_connection(party);
        let device = self.parties[party].device.take().expect("a device that is on");
        device.crash(Aftermath::Kept);
        disk.restore(&tape.cut_after(operations, aftermath));
        self.switch_on(party);
        let found = self.durable(party);
        let landed = found == after;
        assert!(landed || found == before, "neither before nor after: {found:?}\n{before:?}\n{after:?}");
        assert!(landed || operations < tape.operations(), "what was flushed is gone");
        Err(landed)
    }

    fn forget_connection(&mut self, party: usize) {
        if let Some(connection) = self.parties[party].connection.take() {
            self.space.disconnect(connection, Millis(self.now));
        }
        self.parties[party].asking = false;
        self.parties[party].outbox.clear();
        self.parties[party].inbox.clear();
    }

    /// Gives a session an input; nothing follows if the device died.
    pub fn input(&mut self, party: usize, input: Input) {
        let step = self.step(party, |device, now| device.handle(input, now).expect("the session goes on"));
        if let Ok(outputs) = step {
            self.carry_out(party, outputs);
        }
    }

    fn carry_out(&mut self, party: usize, outputs: Outputs) {
        for output in outputs {
            match output {
                Output::Send(messages) if self.parties[party].connection.is_some() => {
                    self.parties[party].outbox.push_back(encode_client(&messages));
                }
                Output::Connect => self.parties[party].asking = true,
                Output::Disconnect => self.forget_connection(party),
                _ => {}
            }
        }
    }

    /// One transaction of the app; done again if the device died before it was safe.
    pub fn write(&mut self, party: usize, statements: &[&str]) {
        self.now += 1;
        loop {
            let step = self.step(party, |device, now| transact(device, statements, now));
            match step {
                Ok(done) => break done.unwrap_or_else(|error| panic!("{statements:?}: {error}")),
                Err(true) => break,
                Err(false) => {}
            }
        }
        self.input(party, Input::LocalCommit);
    }

    /// A transaction that the app takes back, or that a constraint refuses: nothing of it may stay.
    pub fn write_in_vain(&mut self, party: usize, statements: &[&str]) {
        self.now += 1;
        let before = self.durable(party);
        let _ = self.step(party, |device, now| {
            device.database().begin().expect("no transaction is open");
            for sql in statements {
                let _ = device.database().execute(sql, &[], now);
            }
            device.database().rollback().expect("it is taken back");
        });
        assert!(self.durable(party) == before, "a transaction that was taken back left something");
    }

    /// One statement for many rows, as one transaction.
    pub fn write_many(&mut self, party: usize, sql: &str, rows: &[Vec<Value>]) {
        self.now += 1;
        while let Err(false) = self.step(party, |device, now| {
            device.database().execute_many(sql, &mut rows.iter().cloned(), now).expect("all rows are written")
        }) {}
        self.input(party, Input::LocalCommit);
    }

    /// Lets time pass; timers that are due go off.
    pub fn pass_ms(&mut self, ms: u64) {
        self.now += ms;
        (0..self.parties.len()).for_each(|party| self.input(party, Input::Tick));
    }

    /// Sets a device's clock apart from the space's.
    pub fn skew_ms(&mut self, party: usize, skew_ms: i64) {
        self.parties[party].skew_ms = skew_ms;
    }

    /// From here on the space is evicted before each of its events.
    pub fn evict_always(&mut self) {
        self.evicting = true;
    }

    /// Connects a device if it is not, and exchanges everything.
    pub fn sync(&mut self, party: usize) {
        for _ in 0..MOST_ATTEMPTS {
            self.connect(party);
            self.settle();
            let status = self.device(party).session().status().clone();
            if self.parties[party].connection.is_some() && status.state == State::Idle && status.pending == 0 {
                return;
            }
            // Waits between attempts are over, also those of a session that had lost its answer.
            self.pass_ms(120_000);
        }
        panic!("device {party} is not up to date: {:?}", self.device(party).session().status());
    }

    /// Syncs and goes offline again.
    pub fn visit(&mut self, party: usize) {
        self.sync(party);
        self.offline(party);
    }

    fn connect(&mut self, party: usize) {
        if self.parties[party].connection.is_some() {
            return;
        }
        if !self.parties[party].asking {
            self.input(party, Input::SyncNow);
        }
        if std::mem::take(&mut self.parties[party].asking) {
            self.connections += 1;
            self.space.connect(self.connections, "ada", true);
            self.parties[party].connection = Some(self.connections);
            self.input(party, Input::Connected);
        }
    }

    /// The connection breaks; what was under way is lost.
    pub fn offline(&mut self, party: usize) {
        if self.parties[party].connection.is_some() {
            self.forget_connection(party);
            self.input(party, Input::Disconnected(Cause { code: "network_error".into(), retryable: true }));
        }
    }

    /// Connects a device and delivers so many of its messages; the answers get lost with the connection.
    pub fn send_and_lose_the_answers(&mut self, party: usize, messages: usize) {
        self.connect(party);
        for _ in 0..messages {
            self.up(party);
            if messages > 1 {
                self.down(party);
            }
        }
        self.offline(party);
    }

    /// The device is closed and opened again.
    pub fn restart(&mut self, party: usize) {
        self.forget_connection(party);
        self.parties[party].device.take().expect("a device that is on").close();
        self.switch_on(party);
    }

    /// The service worker sends what it was left; the answer comes when the device is on.
    pub fn mail(&mut self, party: usize) {
        let now = self.time_of(party);
        let request = self.device(party).ready_request(now).expect("a database that can be read");
        let Some(messages) = request else { return };
        self.connections += 1;
        let connection = self.connections;
        self.space.connect(connection, "ada", true);
        let replies = self.event(connection, &encode_client(&messages));
        self.space.disconnect(connection, Millis(self.now));
        if let Some(bytes) = replies {
            self.input(party, Input::Delivered(decode_server(&bytes).expect("the space's own bytes")));
        }
    }

    fn settle(&mut self) {
        for _ in 0..MOST_MESSAGES {
            let mut moved = false;
            for party in 0..self.parties.len() {
                moved |= self.up(party) || self.down(party);
            }
            if !moved {
                return;
            }
        }
        panic!("the devices and the space talk in circles");
    }

    fn up(&mut self, party: usize) -> bool {
        let Some(bytes) = self.parties[party].outbox.pop_front() else { return false };
        let Some(connection) = self.parties[party].connection else { return false };
        if let Some(replies) = self.event(connection, &bytes) {
            self.parties[party].inbox.push_back(replies);
        }
        true
    }

    fn down(&mut self, party: usize) -> bool {
        let Some(bytes) = self.parties[party].inbox.pop_front() else { return false };
        self.input(party, Input::Received(decode_server(&bytes).expect("the space's own bytes")));
        true
    }

    /// One event of the space, which may die in it. Answers the replies.
    fn event(&mut self, connection: ConnectionId, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.evicting {
            self.space.evict(&self.schema);
        }
        let dies = match self.plan {
            Plan::Crash(Point::Space { event, statement }) if event == self.statements.len() => Some(statement),
            _ => None,
        };
        self.space.die_at_statement(dies.filter(|statement| *statement != BEFORE_OUTPUTS));
        let answer = self.space.receive(connection, bytes, Millis(self.now), None);
        self.statements.push(self.space.statements());
        self.space.die_at_statement(None);
        if dies == Some(BEFORE_OUTPUTS) {
            self.space.flush();
        }
        if dies.is_some() {
            self.crash_space();
            return None;
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(HostError::Unknown) => return None,
            Err(error) => panic!("the space failed: {error:?}"),
        };
        self.space.flush();
        for (connection, messages) in answer.pushes {
            let other = self.parties.iter_mut().find(|party| party.connection == Some(connection));
            if let Some(other) = other {
                other.inbox.push_back(encode_server(&messages));
            }
        }
        (!answer.replies.is_empty()).then(|| encode_server(&answer.replies))
    }

    fn crash_space(&mut self) {
        self.crashed = true;
        self.space.crash(&self.schema);
        (0..self.parties.len()).for_each(|party| self.offline(party));
    }
}

fn transact(device: &mut Device, statements: &[&str], now: Millis) -> Result<(), DbError> {
    let database = device.database();
    database.begin()?;
    for sql in statements {
        database.execute(sql, &[], now)?;
    }
    database.commit(now)
}
