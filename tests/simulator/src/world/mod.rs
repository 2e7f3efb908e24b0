//! The world of one seed: devices, a space, the network between them, and virtual time.
//! It owns the queue of events and hands each to the part that knows it; nothing happens outside of it, and nothing by itself.
//! `run` plays one seed to its end.

mod app;
mod devices;
mod faults;
mod network;

use crate::device::{Device, Durable};
use crate::host::{ConnectionId, SpaceHost};
use crate::judge::{Finding, Judge};
use crate::random::Random;
use crate::trace::Trace;
use ebbtide_core::client::{SessionOptions, State, TwoPhase};
use ebbtide_core::ids::{DeviceSeq, Incarnation, Millis};
use ebbtide_core::message::ServerMessage;
use ebbtide_store::schema::Schema;
use network::{Connection, Link};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::{Path, PathBuf};

/// When every run begins.
const START_MS: u64 = 1_700_000_000_000;

/// After the last fault everything must be exchanged within this time: some of the longest waits between attempts.
const CALM_BOUND_MS: u64 = 10 * 60_000;

/// More events than any run has: beyond it something talks in circles.
const MOST_EVENTS: u64 = 100_000;

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// Local transactions that were committed.
    pub transactions: u64,
    /// Faults of all kinds.
    pub faults: u64,
    /// Changesets that the space decided.
    pub decisions: u64,
    /// The hash of everything that happened.
    pub hash: u64,
}

/// A broken guarantee, and how it came about.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which seed.
    pub seed: u64,
    /// What was found.
    pub finding: Finding,
    /// The last events, if they were kept.
    pub lines: Vec<String>,
}

/// What can happen.
#[derive(Debug)]
enum Event {
    /// A device's app does something.
    Act(usize),
    /// A timer of a device's session.
    Wake { device: usize, timer: u64 },
    /// An attempt to connect comes to its end.
    Attempt { device: usize, attempt: u64, succeeds: bool },
    /// Bytes reach the space.
    Up { connection: ConnectionId, bytes: Vec<u8> },
    /// Messages reach a device.
    Down { connection: ConnectionId, bytes: Vec<u8> },
    /// A device's adapter looks whether its connection still answers.
    Ping { connection: ConnectionId },
    /// A device learns that its connection is gone.
    Broken { connection: ConnectionId },
    /// The space learns that a connection is gone.
    Closed { connection: ConnectionId },
    /// A request of a service worker reaches the space.
    Mail { device: usize, bytes: Vec<u8> },
    /// Its answer reaches the device.
    Answered { device: usize, incarnation: Incarnation, messages: Vec<ServerMessage> },
    /// A crashed device is switched on.
    Reopen(usize),
    /// Something goes wrong.
    Fault,
    /// A state that a fault brought is over.
    Relief { device: usize, relief: faults::Relief },
}

/// A device and its surroundings.
struct Seat {
    device: Option<Device>,
    path: PathBuf,
    seed: [u8; 16],
    two_phase: TwoPhase,
    skew_ms: i64,
    link: Link,
    timer: u64,
    mail: Option<Vec<u8>>,
    doom: Option<faults::Doom>,
    online: bool,
    paused: bool,
    /// What must be found when a crashed device is opened again.
    survives: Option<Durable>,
    /// The device as it was after its last step or statement: nothing changes it in between.
    last: Option<Durable>,
    confirmed: DeviceSeq,
}

/// See the file's header.
pub(crate) struct World {
    now: u64,
    order: u64,
    queue: BinaryHeap<Reverse<Queued>>,
    schema: Schema,
    space: SpaceHost,
    seats: Vec<Seat>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: ConnectionId,
    random: Random,
    work: Random,
    judge: Judge,
    trace: Trace,
    calm: bool,
    planned: u64,
    transactions: u64,
    faults: u64,
}

struct Queued {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Plays a seed. The devices' files go into `folder`, which must be empty.
pub fn run(seed: u64, folder: &Path, keep_lines: bool) -> Result<Summary, Failure> {
    let mut world = World::new(seed, folder, keep_lines);
    match world.play() {
        Ok(()) => Ok(Summary {
            transactions: world.transactions,
            faults: world.faults,
            decisions: world.judge.decided_count() as u64,
            hash: world.trace.hash(),
        }),
        Err(finding) => Err(Failure { seed, finding, lines: world.trace.lines().map(String::from).collect() }),
    }
}

impl World {
    fn new(seed: u64, folder: &Path, keep_lines: bool) -> Self {
        let schema = crate::schema::schema();
        let space = SpaceHost::open(&schema);
        let mut random = Random::new(seed);
        let mut world = Self {
            now: START_MS,
            order: 0,
            queue: BinaryHeap::new(),
            judge: Judge::new(space.catalogue()),
            space,
            schema,
            seats: Vec::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            work: random.fork(),
            planned: random.between(100, 115),
            random,
            trace: Trace::new(keep_lines),
            calm: false,
            transactions: 0,
            faults: 0,
        };
        let devices = world.random.between(2, 6) as usize;
        for index in 0..devices {
            world.seat(folder.join(format!("{index}.db")));
        }
        world
    }

    fn seat(&mut self, path: PathBuf) {
        let skew_ms = match self.random.below(4) {
            0 | 1 => self.random.below(2_000) as i64 - 1_000,
            2 => self.random.below(7_200_000) as i64 - 3_600_000,
            _ => self.random.below(6 * 86_400_000) as i64 - 3 * 86_400_000,
        };
        let two_phase = if self.random.percent(30) { TwoPhase::Always } else { TwoPhase::Auto };
        self.seats.push(Seat {
            device: None,
            path,
            seed: self.random.bytes(),
            two_phase,
            skew_ms,
            link: Link::new(&mut self.random),
            timer: 0,
            mail: None,
            doom: None,
            online: true,
            paused: false,
            survives: None,
            last: None,
            confirmed: DeviceSeq(0),
        });
    }

    fn options(&self, device: usize) -> SessionOptions {
        SessionOptions { two_phase: self.seats[device].two_phase }
    }

    /// What a device's clock shows.
    fn time_of(&self, device: usize) -> Millis {
        Millis(self.now.saturating_add_signed(self.seats[device].skew_ms))
    }

    fn after(&mut self, delay_ms: u64, event: Event) {
        self.order += 1;
        self.queue.push(Reverse(Queued { at: self.now + delay_ms, order: self.order, event }));
    }

    fn play(&mut self) -> Result<(), Finding> {
        for device in 0..self.seats.len() {
            self.after(device as u64, Event::Reopen(device));
            let delay_ms = self.random.between(100, 5_000);
            self.after(delay_ms, Event::Act(device));
        }
        self.after(2_000, Event::Fault);
        let mut events = 0;
        let mut calm_since = None;
        while let Some(Reverse(Queued { at, event, .. })) = self.queue.pop() {
            self.now = at;
            events += 1;
            if events > MOST_EVENTS {
                return Err("liveness: the devices and the space talk in circles".into());
            }
            self.happen(event)?;
            if !self.calm && self.transactions >= self.planned {
                self.begin_calm()?;
            }
            if self.calm {
                let since = *calm_since.get_or_insert(self.now);
                if self.is_in_step() {
                    break;
                }
                if self.now > since + CALM_BOUND_MS {
                    return Err(self.stuck());
                }
            }
        }
        if !self.is_in_step() {
            return Err(self.stuck());
        }
        self.last_look()
    }

    fn happen(&mut self, event: Event) -> Result<(), Finding> {
        match event {
            Event::Act(device) => self.act(device),
            Event::Wake { device, timer } => self.wake(device, timer),
            Event::Attempt { device, attempt, succeeds } => self.attempt(device, attempt, succeeds),
            Event::Up { connection, bytes } => self.arrive_at_space(connection, &bytes),
            Event::Down { connection, bytes } => self.arrive_at_device(connection, &bytes),
            Event::Ping { connection } => self.ping(connection),
            Event::Broken { connection } => self.broken(connection),
            Event::Closed { connection } => {
                self.space.disconnect(connection);
                Ok(())
            }
            Event::Mail { device, bytes } => self.mail_arrives(device, &bytes),
            Event::Answered { device, incarnation, messages } => self.mail_answered(device, incarnation, messages),
            Event::Reopen(device) => self.reopen(device),
            Event::Fault => self.fault(),
            Event::Relief { device, relief } => self.relieve(device, relief),
        }
    }

    fn is_in_step(&self) -> bool {
        let head = self.judge.head();
        self.seats.iter().all(|seat| {
            seat.device.as_ref().is_some_and(|device| {
                let status = device.session().status();
                status.state == State::Idle && status.pending == 0 && status.cursor.0 == head
            })
        })
    }

    fn stuck(&self) -> Finding {
        let states: Vec<String> = self
            .seats
            .iter()
            .map(|seat| match &seat.device {
                Some(device) => format!("{:?}", device.session().status()),
                None => "off".into(),
            })
            .collect();
        format!("liveness: not in step in time, head {}:\n    {}", self.judge.head(), states.join("\n    "))
    }

    /// The end of a run: one state everywhere, sound files, and the same history again gives the same result.
    fn last_look(&mut self) -> Result<(), Finding> {
        let server = self.space.rows();
        for device in 0..self.seats.len() {
            let durable = self.durable(device)?;
            self.judge.device(&durable)?;
            if durable.rows != server || !durable.blocked.is_empty() || !durable.sealed.is_empty() {
                return Err(format!("G4: device {device} differs from the space in the end"));
            }
            self.search_agrees(device)?;
            self.everything_is_recorded(device)?;
        }
        for seat in &mut self.seats {
            let found = seat.device.take().map(Device::integrity).unwrap_or_default();
            if !found.is_empty() {
                return Err(format!("G7: {found:?} on a device"));
            }
        }
        let found = self.space.integrity();
        if !found.is_empty() {
            return Err(format!("G7: {found:?} in the space"));
        }
        self.trace.event(self.now, "state", &[crate::rows::state_hash(&server)]);
        self.judge.replay(&mut self.space, &self.schema)
    }
}
