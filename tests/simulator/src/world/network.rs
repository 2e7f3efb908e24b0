//! The network: connections that keep order while they live, with latency, one-way and two-way partitions, and resets.
//! It moves bytes and knows nothing of what they say; a message lost in a partition takes its connection's direction with it.
//! Part of the world.

use super::spaces::Speaker;
use super::{Event, World};
use crate::device::DeviceError;
use crate::host::{Answer, ConnectionId, SpaceHost};
use crate::judge::Finding;
use crate::random::Random;
use ebbtide_core::client::{Cause, Input};
use ebbtide_core::ids::{Incarnation, Millis};
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_protocol::{decode_client, decode_server, encode_client};

/// How often an adapter looks whether its connection is alive.
const PING_EVERY_MS: u64 = 30_000;

/// A device's way to the space.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: Option<ConnectionId>,
    pub(super) attempt: u64,
    pub(super) up_blocked_until: u64,
    pub(super) down_blocked_until: u64,
    latency_ms: u64,
    loss_percent: u64,
}

impl Link {
    pub(super) fn new(random: &mut Random) -> Self {
        let latency_ms = *random.pick(&[5, 40, 40, 300, 2_000]);
        let loss_percent = *random.pick(&[0, 0, 1, 3]);
        Self { connection: None, attempt: 0, up_blocked_until: 0, down_blocked_until: 0, latency_ms, loss_percent }
    }
}

/// A connection, while one side at least believes in it.
#[derive(Debug)]
pub(super) struct Connection {
    device: usize,
    space: usize,
    incarnation: Incarnation,
    up_dead: bool,
    down_dead: bool,
    last_up: u64,
    last_down: u64,
}

impl World {
    fn latency_ms(&mut self, device: usize) -> u64 {
        let usual = self.seats[device].link.latency_ms;
        usual / 2 + self.random.below(usual) + 1
    }

    /// The session wants a connection.
    pub(super) fn start_attempt(&mut self, device: usize) {
        let delay_ms = 2 * self.latency_ms(device);
        let link = &mut self.seats[device].link;
        link.attempt += 1;
        let attempt = link.attempt;
        let blocked = link.up_blocked_until > self.now || link.down_blocked_until > self.now;
        let fails = blocked || (!self.calm && self.random.percent(8));
        // Half of the failures are silent: the session's own patience has to end them.
        if !fails || self.random.percent(50) {
            self.after(delay_ms, Event::Attempt { device, attempt, succeeds: !fails });
        }
    }

    pub(super) fn attempt(&mut self, device: usize, attempt: u64, succeeds: bool) -> Result<(), Finding> {
        if self.seats[device].link.attempt != attempt || self.seats[device].device.is_none() {
            return Ok(());
        }
        if !succeeds {
            return self.give(device, Input::Disconnected(network_error()));
        }
        self.next_connection += 1;
        let connection = self.next_connection;
        self.trace.event(self.now, "connected", &[device as u64, connection]);
        let space = self.seats[device].space;
        self.spaces[space].host.connect(connection, "ada", true);
        let (last_up, last_down) = (self.now, self.now);
        let incarnation = self.incarnation(device)?;
        let made = Connection { device, space, incarnation, up_dead: false, down_dead: false, last_up, last_down };
        self.connections.insert(connection, made);
        self.seats[device].link.connection = Some(connection);
        self.after(PING_EVERY_MS, Event::Ping { connection });
        self.give(device, Input::Connected)
    }

    /// A connection that died without a word is found by the adapter's pings: the session, idle, would wait for ever.
    pub(super) fn ping(&mut self, connection: ConnectionId) -> Result<(), Finding> {
        let Some(state) = self.connections.get(&connection) else { return Ok(()) };
        let device = state.device;
        if self.seats[device].link.connection != Some(connection) {
            return Ok(());
        }
        let link = &self.seats[device].link;
        let blocked = self.now < link.up_blocked_until.max(link.down_blocked_until);
        if blocked || state.up_dead || state.down_dead || !self.spaces[state.space].host.is_connected(connection) {
            self.trace.event(self.now, "no answer", &[connection]);
            return self.broken(connection);
        }
        self.after(PING_EVERY_MS, Event::Ping { connection });
        Ok(())
    }

    /// A device sends.
    pub(super) fn send_up(&mut self, device: usize, messages: &[ClientMessage]) {
        let Some(connection) = self.seats[device].link.connection else { return };
        let bytes = encode_client(messages);
        let arrival = self.now + self.latency_ms(device);
        let Some(state) = self.connections.get_mut(&connection) else { return };
        state.last_up = arrival.max(state.last_up + 1);
        let delay_ms = state.last_up - self.now;
        self.after(delay_ms, Event::Up { connection, bytes });
    }

    /// The space sends.
    fn send_down(&mut self, connection: ConnectionId, messages: &[ServerMessage]) -> Result<(), Finding> {
        let Some(state) = self.connections.get(&connection) else { return Ok(()) };
        let (device, incarnation) = (state.device, state.incarnation);
        self.spaces[state.space].judge.said(incarnation, self.seats[device].confirmed, messages)?;
        if messages.is_empty() {
            return Ok(());
        }
        let bytes = SpaceHost::encode(messages);
        let arrival = self.now + self.latency_ms(device);
        if let Some(state) = self.connections.get_mut(&connection) {
            state.last_down = arrival.max(state.last_down + 1);
            let delay_ms = state.last_down - self.now;
            self.after(delay_ms, Event::Down { connection, bytes });
        }
        Ok(())
    }

    /// Whether a message gets through, or is lost with everything after it in its direction.
    fn passes(&mut self, connection: ConnectionId, up: bool) -> Option<usize> {
        let device = self.connections.get(&connection)?.device;
        let link = &self.seats[device].link;
        let blocked = self.now < if up { link.up_blocked_until } else { link.down_blocked_until };
        let lost = !self.calm && self.random.percent(link.loss_percent);
        let state = self.connections.get_mut(&connection)?;
        if blocked {
            *(if up { &mut state.up_dead } else { &mut state.down_dead }) = true;
        }
        let dead = if up { state.up_dead } else { state.down_dead };
        if lost && !dead {
            self.trace.event(self.now, "lost", &[connection, u64::from(up)]);
            self.reset(connection);
        }
        (!dead && !lost).then_some(device)
    }

    /// The connection breaks in the middle: what is under way is lost, and both sides learn of it, each in its time.
    pub(super) fn reset(&mut self, connection: ConnectionId) {
        let Some(state) = self.connections.get_mut(&connection) else { return };
        let device = state.device;
        (state.up_dead, state.down_dead) = (true, true);
        self.trace.event(self.now, "reset", &[connection]);
        let (soon, later) = (self.random.between(1, 500), self.random.between(1, 30_000));
        self.after(soon, Event::Broken { connection });
        self.after(later, Event::Closed { connection });
        self.trace.line(|| format!("  of device {device}"));
    }

    pub(super) fn broken(&mut self, connection: ConnectionId) -> Result<(), Finding> {
        let Some(state) = self.connections.get(&connection) else { return Ok(()) };
        let device = state.device;
        if self.seats[device].link.connection != Some(connection) {
            return Ok(());
        }
        self.seats[device].link.connection = None;
        self.give(device, Input::Disconnected(network_error()))
    }

    /// The device lets go; what it had sent may still arrive.
    pub(super) fn let_go(&mut self, device: usize) {
        self.seats[device].link.attempt += 1;
        let Some(connection) = self.seats[device].link.connection.take() else { return };
        if let Some(state) = self.connections.get_mut(&connection) {
            state.down_dead = true;
        }
        let later = self.random.between(1, 20_000);
        self.after(later, Event::Closed { connection });
    }

    pub(super) fn arrive_at_space(&mut self, connection: ConnectionId, bytes: &[u8]) -> Result<(), Finding> {
        let Some(device) = self.passes(connection, true) else { return Ok(()) };
        self.trace.event(self.now, "up", &[connection]);
        self.trace.bytes(bytes);
        self.trace_client(device, bytes);
        let space = self.seats[device].space;
        if !self.spaces[space].host.is_connected(connection) {
            self.reset(connection);
            return Ok(());
        }
        let crash_after = self.space_fault(space);
        self.hear(space, connection, Speaker::Connection(connection), bytes, crash_after)
    }

    /// The space may speak: to whom it heard, and to those whom it concerns.
    pub(super) fn answered(&mut self, space: usize, speaker: Speaker, answer: Answer) -> Result<(), Finding> {
        match speaker {
            Speaker::Connection(connection) => {
                self.send_down(connection, &answer.replies)?;
                if !self.calm && !answer.decisions.is_empty() && self.random.percent(4) {
                    self.faults += 1;
                    self.reset(connection);
                }
            }
            Speaker::Mail { device, incarnation } => self.answer_mail(space, device, incarnation, &answer.replies)?,
        }
        for (other, messages) in answer.pushes {
            self.send_down(other, &messages)?;
        }
        Ok(())
    }

    /// A space learns that a connection is gone.
    pub(super) fn closed(&mut self, connection: ConnectionId) {
        if let Some(state) = self.connections.get(&connection) {
            self.spaces[state.space].host.disconnect(connection, Millis(self.now));
        }
    }

    pub(super) fn arrive_at_device(&mut self, connection: ConnectionId, bytes: &[u8]) -> Result<(), Finding> {
        let Some(device) = self.passes(connection, false) else { return Ok(()) };
        if self.seats[device].link.connection != Some(connection) {
            return Ok(());
        }
        self.trace.event(self.now, "down", &[connection]);
        self.trace.bytes(bytes);
        let messages = decode_server(bytes).map_err(|error| format!("the space's bytes: {error:?}"))?;
        let catalogue = self.catalogue(device);
        if messages.iter().any(|message| matches!(message, ServerMessage::Page(page) if page.last)) {
            self.seats[device].rebuilt = true;
            self.counts.snapshots += 1;
        }
        for message in &messages {
            self.trace.line(|| {
                let book = crate::transcript::Book::new(catalogue.clone(), device);
                format!("  to {device}: {}", crate::transcript::server(message, &book))
            });
        }
        self.give(device, Input::Received(messages))
    }

    /// A service worker's request: a connection of its own, one message, one answer that may be late or lost.
    pub(super) fn mail_arrives(
        &mut self,
        device: usize,
        incarnation: Incarnation,
        bytes: &[u8],
    ) -> Result<(), Finding> {
        self.next_connection += 1;
        let connection = self.next_connection;
        self.trace.event(self.now, "mail", &[device as u64]);
        self.trace_client(device, bytes);
        let space = self.seats[device].space;
        self.spaces[space].host.connect(connection, "ada", true);
        self.hear(space, connection, Speaker::Mail { device, incarnation }, bytes, None)?;
        self.spaces[space].host.disconnect(connection, Millis(self.now));
        Ok(())
    }

    fn answer_mail(
        &mut self,
        space: usize,
        device: usize,
        incarnation: Incarnation,
        messages: &[ServerMessage],
    ) -> Result<(), Finding> {
        if self.seats[device].device.is_none() || !self.random.percent(70) {
            return Ok(());
        }
        self.spaces[space].judge.said(incarnation, self.seats[device].confirmed, messages)?;
        let delay_ms = self.random.between(10, 60_000);
        self.after(delay_ms, Event::Answered { device, incarnation, messages: messages.to_vec() });
        Ok(())
    }

    pub(super) fn mail_answered(
        &mut self,
        device: usize,
        incarnation: Incarnation,
        messages: Vec<ServerMessage>,
    ) -> Result<(), Finding> {
        if self.seats[device].device.is_none() || self.incarnation(device)? != incarnation {
            return Ok(());
        }
        self.trace.event(self.now, "mail answered", &[device as u64]);
        self.give(device, Input::Delivered(messages))
    }

    fn trace_client(&mut self, device: usize, bytes: &[u8]) {
        let catalogue = self.catalogue(device);
        self.trace.line(|| {
            let book = crate::transcript::Book::new(catalogue, device);
            let messages = decode_client(bytes).unwrap_or_default();
            let lines: Vec<String> = messages.iter().map(|m| crate::transcript::client(m, &book)).collect();
            format!("  from {device}: {}", lines.join("\n      "))
        });
    }
}

fn network_error() -> Cause {
    Cause { code: "network_error".into(), retryable: true }
}

/// A device's failure as a finding.
pub(super) fn finding(device: usize, error: DeviceError) -> Finding {
    format!("device {device} failed: {error:?}")
}
