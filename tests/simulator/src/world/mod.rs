//! The world of one seed: devices, spaces, the network between them, and virtual time.
//! It owns the queue of events and hands each to the part that knows it; nothing happens outside of it, and nothing by itself.
//! `run` plays one seed to its end.

mod app;
mod beginnings;
mod calendar;
mod devices;
mod faults;
mod history;
mod network;
mod plan;
mod refused;
mod spaces;
mod upgrades;

pub use plan::Counts;

use crate::device::{Device, Durable};
use crate::disk::{Disk, Image};
use crate::host::ConnectionId;
use crate::judge::Finding;
use crate::random::Random;
use crate::script::Script;
use crate::trace::Trace;
use crate::workload::Typing;
use beginnings::{Beginning, Beginnings};
use calendar::Calendar;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::client::{SessionOptions, State, TwoPhase};
use ebbtide_core::ids::{DeviceSeq, Incarnation, Millis};
use ebbtide_core::message::ServerMessage;
use network::{Connection, Link};
use plan::Plan;
use spaces::SpaceSeat;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;

/// When every run begins.
const START_MS: u64 = 1_700_000_000_000;

/// After the last fault everything must be exchanged within this time: some of the longest waits between attempts.
const CALM_BOUND_MS: u64 = 10 * 60_000;

/// More events than any run has: beyond it something talks in circles.
const MOST_EVENTS: u64 = 100_000;

/// Pieces of work of a run in which hardly any is done.
const MOST_WORK: u64 = 2_000;

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// Local transactions that were committed.
    pub transactions: u64,
    /// Faults of all kinds.
    pub faults: u64,
    /// Changesets that the space decided.
    pub decisions: u64,
    /// How often the rarer things happened.
    pub counts: Counts,
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
    Mail { device: usize, incarnation: Incarnation, bytes: Vec<u8> },
    /// Its answer reaches the device.
    Answered { device: usize, incarnation: Incarnation, messages: Vec<ServerMessage> },
    /// A crashed device is switched on.
    Reopen(usize),
    /// A device whose storage had failed goes on with a new session.
    Restart { device: usize, session: u64 },
    /// What a space wrote is safe, and what it wanted to say may go out.
    Flush { space: usize },
    /// A device's app, which was asked what becomes of its rows, chooses.
    Choose(usize),
    /// A device's app, whose release its space never had, is replaced by a newer one.
    Outdated(usize),
    /// Something goes wrong.
    Fault,
    /// A state that a fault brought is over.
    Relief { device: usize, relief: faults::Relief },
}

/// A device and its surroundings.
struct Seat {
    device: Option<Device>,
    space: usize,
    disk: Disk,
    seed: [u8; 16],
    /// How often it was switched on: each time the platform gives it other random bytes.
    openings: u64,
    /// The release that its database has.
    release: usize,
    /// The release that its app has by now.
    wanted: usize,
    /// How its database began, if by itself.
    beginning: Option<Beginning>,
    /// The release to which a migration was interrupted.
    migrating: Option<usize>,
    /// Whether its space ever was a release ahead of it: what was overwritten in tables and columns that it lacked it was not told.
    was_behind: bool,
    two_phase: TwoPhase,
    skew_ms: i64,
    link: Link,
    timer: u64,
    /// Sessions that the device has had.
    session: u64,
    /// What the service worker would send, and for which life of the database.
    mail: Option<(Incarnation, Vec<u8>)>,
    doom: Option<faults::Doom>,
    /// What its user writes again and again.
    typing: Typing,
    online: bool,
    paused: bool,
    /// What may be found when a crashed device is opened again.
    survives: Vec<Durable>,
    /// The disk refused a write which may have reached it all the same.
    uncertain: bool,
    /// A copy of the profile, the device as it was then, and the release that it had.
    backup: Option<(Image, Durable, usize)>,
    /// Whether the device was ever set back to such a copy, or such a copy of it came back anywhere: only then may it begin a new
    /// life, which need not list what only an earlier one was told.
    set_back: bool,
    /// Whether its space was ever set back: it may begin a new life then, too.
    restored: bool,
    /// The lives that its database has had.
    lives: BTreeSet<Incarnation>,
    /// Whether its rows ever came from a snapshot: what was overwritten in the meantime it was not told.
    rebuilt: bool,
    /// The device as it was after its last step or statement: nothing changes it in between.
    last: Option<Durable>,
    /// Rows written when the judge last looked.
    seen_writes: Option<i64>,
    confirmed: DeviceSeq,
}

/// See the file's header.
pub(crate) struct World {
    now: u64,
    /// Time in which everybody slept, and nothing happened.
    slept_ms: u64,
    order: u64,
    queue: BinaryHeap<Reverse<Queued>>,
    plan: Plan,
    counts: Counts,
    calendar: Calendar,
    beginnings: Beginnings,
    /// Whether the app has all tables.
    everything: bool,
    spaces: Vec<SpaceSeat>,
    seats: Vec<Seat>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: ConnectionId,
    random: Random,
    work: Random,
    trace: Trace,
    calm: bool,
    script: Script,
    /// Pieces of work so far, done or left out.
    works: u64,
    /// Faults drawn so far, done or left out.
    drawn_faults: u64,
    /// Transactions and faults before the calm.
    planned: (u64, u64),
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

/// Plays a script.
pub fn run(script: &Script, keep_lines: bool) -> Result<Summary, Failure> {
    let mut world = World::new(script, keep_lines);
    match world.play() {
        Ok(()) => Ok(Summary {
            transactions: world.transactions,
            faults: world.faults,
            decisions: world.spaces.iter().map(|space| space.judge.decided_count() as u64).sum(),
            counts: world.counts,
            hash: world.trace.hash(),
        }),
        Err(finding) => {
            Err(Failure { seed: script.seed, finding, lines: world.trace.lines().map(String::from).collect() })
        }
    }
}

impl World {
    fn new(script: &Script, keep_lines: bool) -> Self {
        let mut random = Random::new(script.seed);
        let everything = random.percent(85);
        let spaces = *random.pick(&[1, 1, 1, 1, 2, 3]);
        let plan = Plan::draw(&mut random);
        let calendar = Calendar::draw(script.seed, everything, spaces, plan.restores);
        let releases = calendar.releases.clone();
        let beginnings = Beginnings::draw(script.seed, &calendar);
        let mut world = Self {
            now: START_MS,
            slept_ms: 0,
            plan,
            counts: Counts::default(),
            order: 0,
            queue: BinaryHeap::new(),
            spaces: (0..spaces).map(|_| SpaceSeat::open(&releases)).collect(),
            calendar,
            beginnings,
            everything,
            seats: Vec::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            script: script.clone(),
            works: 0,
            drawn_faults: 0,
            work: random.fork(),
            planned: (random.between(200, 215), random.between(12, 40)),
            random,
            trace: Trace::new(keep_lines),
            calm: false,
            transactions: 0,
            faults: 0,
        };
        let devices = match world.random.below(10) {
            0..=5 => world.random.between(2, 5),
            6..=8 => world.random.between(6, 10),
            _ => world.random.between(11, 20),
        };
        // A space has two devices at least, or nothing could differ.
        let devices = devices.max(2 * spaces as u64) as usize;
        for index in 0..script.devices.map_or(devices, |most| most.min(devices)) {
            world.seat(index % spaces);
        }
        world
    }

    fn seat(&mut self, space: usize) {
        let skew_ms = match self.random.below(4) {
            0 | 1 => self.random.below(2_000) as i64 - 1_000,
            2 => self.random.below(7_200_000) as i64 - 3_600_000,
            _ => self.random.below(6 * 86_400_000) as i64 - 3 * 86_400_000,
        };
        let two_phase = if self.random.percent(30) { TwoPhase::Always } else { TwoPhase::Auto };
        self.calendar.seat(space);
        self.seats.push(Seat {
            device: None,
            space,
            disk: Disk::new(),
            seed: self.random.bytes(),
            openings: 0,
            release: 0,
            wanted: 0,
            beginning: self.beginnings.seat(),
            migrating: None,
            was_behind: false,
            two_phase,
            skew_ms,
            link: Link::new(&mut self.random),
            timer: 0,
            session: 0,
            mail: None,
            doom: None,
            typing: Typing::default(),
            online: true,
            paused: false,
            survives: Vec::new(),
            uncertain: false,
            backup: None,
            set_back: false,
            restored: false,
            lives: BTreeSet::new(),
            rebuilt: false,
            last: None,
            seen_writes: None,
            confirmed: DeviceSeq(0),
        });
    }

    /// The synced tables as a device knows them.
    fn catalogue(&self, device: usize) -> Rc<Catalogue> {
        self.calendar.releases.get(self.seats[device].release).catalogue.clone()
    }

    fn options(&self, device: usize) -> SessionOptions {
        let Seat { two_phase, beginning, .. } = &self.seats[device];
        let start = beginning.as_ref().map(Beginning::start).unwrap_or_default();
        SessionOptions { two_phase: *two_phase, start, ..SessionOptions::default() }
    }

    /// What a device's clock shows.
    fn time_of(&self, device: usize) -> Millis {
        Millis(self.time().0.saturating_add_signed(self.seats[device].skew_ms))
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
            if !self.calm && self.has_enough() {
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

    fn has_enough(&self) -> bool {
        let planned = self.transactions >= self.planned.0 && self.faults >= self.planned.1;
        self.script.work.map_or(planned, |work| self.works >= work || planned) || self.works >= MOST_WORK
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
                self.closed(connection);
                Ok(())
            }
            Event::Mail { device, incarnation, bytes } => self.mail_arrives(device, incarnation, &bytes),
            Event::Answered { device, incarnation, messages } => self.mail_answered(device, incarnation, messages),
            Event::Reopen(device) => self.reopen(device),
            Event::Restart { device, session } => self.restart(device, session),
            Event::Flush { space } => self.flush(space),
            Event::Choose(device) => self.choose(device),
            Event::Outdated(device) => self.replace_outdated(device),
            Event::Fault => self.fault(),
            Event::Relief { device, relief } => self.relieve(device, relief),
        }
    }

    fn is_in_step(&self) -> bool {
        self.spaces.iter().all(|space| space.gate.is_empty())
            && self.seats.iter().all(|seat| {
                let head = self.spaces[seat.space].judge.head();
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
        let heads: Vec<u64> = self.spaces.iter().map(|space| space.judge.head()).collect();
        format!("liveness: not in step in time, heads {heads:?}:\n    {}", states.join("\n    "))
    }

    /// The end of a run: one state everywhere, sound files, and the same history again gives the same result.
    fn last_look(&mut self) -> Result<(), Finding> {
        for device in 0..self.seats.len() {
            let durable = self.durable(device)?;
            self.judge_device(device, &durable)?;
            self.shows_all(device, &durable)?;
            self.search_agrees(device)?;
            self.everything_is_recorded(device)?;
        }
        for seat in &mut self.seats {
            let found = seat.device.take().map(Device::integrity).unwrap_or_default();
            if !found.is_empty() {
                return Err(format!("G7: {found:?} on a device"));
            }
        }
        for space in 0..self.spaces.len() {
            self.look_at_space(space)?;
            self.everything_came_back(space)?;
            self.counts.absorbed += self.spaces[space].judge.absorbed;
            self.counts.taken_apart += self.spaces[space].judge.taken_apart;
            self.counts.of_then += self.spaces[space].judge.of_then;
        }
        Ok(())
    }

    fn look_at_space(&mut self, space: usize) -> Result<(), Finding> {
        let SpaceSeat { host, judge, .. } = &mut self.spaces[space];
        let found = host.integrity();
        if !found.is_empty() {
            return Err(format!("G7: {found:?} in a space"));
        }
        self.trace.event(self.now, "state", &[crate::rows::state_hash(&host.rows())]);
        judge.replay(host)
    }
}
