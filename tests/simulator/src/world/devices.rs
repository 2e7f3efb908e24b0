//! What devices do with their sessions' outputs, and how they die and come back.
//! Every input goes through `give`, which also lets the judge look; it knows no fault's reason.
//! Part of the world.

use super::faults::Doom;
use super::network::finding;
use super::{Event, World};
use crate::device::{Device, DeviceError, Durable};
use crate::judge::{Finding, Judge};
use ebbtide_core::client::{Input, Output, State};
use ebbtide_core::clock::Stamp;
use ebbtide_core::ids::Incarnation;
use ebbtide_protocol::encode_client;

impl World {
    /// Switches a device on.
    pub(super) fn reopen(&mut self, device: usize) -> Result<(), Finding> {
        if self.seats[device].device.is_some() {
            return Ok(());
        }
        self.trace.event(self.now, "on", &[device as u64]);
        let (now, options) = (self.time_of(device), self.options(device));
        let seed = self.seats[device].seed;
        let opened = Device::open(&self.seats[device].path, &self.schema, options, now, seed);
        self.seats[device].device = Some(opened.map_err(|error| format!("device {device} does not open: {error}"))?);
        let after = self.durable(device)?;
        if let Some(before) = self.seats[device].survives.take() {
            Judge::survived(&before, &after, &self.space.catalogue())?;
        }
        self.seats[device].last = Some(after);
        self.give(device, Input::Start)
    }

    /// Everything durable of a device.
    pub(super) fn durable(&mut self, device: usize) -> Result<Durable, Finding> {
        let now = self.time_of(device);
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        open.durable(now).map_err(|error| finding(device, error))
    }

    /// The same as it was after the device's last step.
    pub(super) fn last(&self, device: usize) -> Result<&Durable, Finding> {
        self.seats[device].last.as_ref().ok_or_else(|| format!("device {device} was never on"))
    }

    /// Which life of the database it is.
    pub(super) fn incarnation(&self, device: usize) -> Result<Incarnation, Finding> {
        Ok(self.last(device)?.state.incarnation)
    }

    /// Gives a device's session an input and carries its outputs out, unless the device is doomed.
    pub(super) fn give(&mut self, device: usize, input: Input) -> Result<(), Finding> {
        if self.seats[device].device.is_none() {
            return Ok(());
        }
        let doom = self.seats[device].doom.take();
        if doom == Some(Doom::InsideStep) {
            return self.die(device, Some(input));
        }
        let now = self.time_of(device);
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        let outputs = open.handle(input, now, false).map_err(|error| finding(device, error))?;
        self.look(device)?;
        if doom == Some(Doom::BeforeOutputs) {
            return self.die(device, None);
        }
        for output in outputs {
            self.carry_out(device, output)?;
        }
        Ok(())
    }

    /// The device dies: with an input, in the middle of the step that handles it.
    pub(super) fn die(&mut self, device: usize, inside: Option<Input>) -> Result<(), Finding> {
        self.trace.event(self.now, "dies", &[device as u64, u64::from(inside.is_some())]);
        let now = self.time_of(device);
        if let (Some(input), Some(open)) = (inside, self.seats[device].device.as_mut()) {
            match open.handle(input, now, true) {
                Err(DeviceError::Crashed) => {}
                other => return Err(format!("device {device} did not die: {other:?}")),
            }
        }
        if let Some(open) = self.seats[device].device.take() {
            open.crash();
        }
        self.seats[device].survives = self.seats[device].last.clone();
        self.let_go(device);
        self.seats[device].timer += 1;
        self.seats[device].paused = false;
        self.seats[device].online = true;
        let delay_ms = self.random.between(10, 20_000);
        self.after(delay_ms, Event::Reopen(device));
        Ok(())
    }

    fn carry_out(&mut self, device: usize, output: Output) -> Result<(), Finding> {
        match output {
            Output::Connect => self.start_attempt(device),
            Output::Disconnect => self.let_go(device),
            Output::Send(messages) => self.send_up(device, &messages),
            Output::WakeAt(at) => {
                let delay_ms = at.0.saturating_sub(self.time_of(device).0).max(1);
                self.seats[device].timer += 1;
                let timer = self.seats[device].timer;
                self.after(delay_ms, Event::Wake { device, timer });
            }
            Output::SealedChanged => self.renew_mail(device)?,
            Output::Status => {
                let open = self.seats[device].device.as_ref().ok_or("a device that is off")?;
                let status = open.session().status();
                if status.state == State::Error {
                    return Err(format!("device {device} gave up: {status:?}"));
                }
            }
            Output::Applied { .. }
            | Output::Rejected(_)
            | Output::Conflicts { .. }
            | Output::UpToDate(_)
            | Output::Failed(_) => {}
        }
        Ok(())
    }

    pub(super) fn wake(&mut self, device: usize, timer: u64) -> Result<(), Finding> {
        if self.seats[device].timer != timer {
            return Ok(());
        }
        self.trace.event(self.now, "tick", &[device as u64]);
        self.give(device, Input::Tick)
    }

    /// The service worker's copy of what waits.
    fn renew_mail(&mut self, device: usize) -> Result<(), Finding> {
        let now = self.time_of(device);
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        let request = open.ready_request(now).map_err(|error| finding(device, error))?;
        self.seats[device].mail = request.map(|messages| encode_client(&messages));
        Ok(())
    }

    /// The judge's look at a device after a step.
    fn look(&mut self, device: usize) -> Result<(), Finding> {
        let durable = self.durable(device)?;
        self.seats[device].confirmed = self.seats[device].confirmed.max(durable.state.applied_receipt);
        let now = self.time_of(device);
        let incarnation = durable.state.incarnation;
        for entry in &durable.sealed {
            if !self.judge.knows_sealed(incarnation, entry.device_seq) || self.random.percent(5) {
                let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
                let bytes = open.sealed_bytes(entry.device_seq, now).map_err(|error| finding(device, error))?;
                self.judge.sealed(incarnation, entry.device_seq, &bytes)?;
            }
        }
        self.judge.device(&durable).map_err(|finding| format!("device {device}: {finding}"))?;
        self.seats[device].last = Some(durable);
        Ok(())
    }

    /// The full-text index of a device, kept by the app's own triggers, has what the table has. It may have more: REPLACE fires
    /// no delete trigger for the row that it evicts, here as in plain SQLite.
    pub(super) fn search_agrees(&mut self, device: usize) -> Result<(), Finding> {
        let now = self.time_of(device);
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        let mut query = |sql: &str| open.query(sql, &[], now).map_err(|error| format!("device {device}: {error}"));
        let table = query("SELECT id, name FROM household ORDER BY id")?;
        let index = query("SELECT id, name FROM household_search WHERE id IN (SELECT id FROM household) ORDER BY id")?;
        if table == index {
            Ok(())
        } else {
            Err(format!("device {device}: the search index has {index:?} of {table:?}"))
        }
    }

    /// The device's lists hold every refusal and every overwrite.
    pub(super) fn everything_is_recorded(&mut self, device: usize) -> Result<(), Finding> {
        let incarnation = self.incarnation(device)?;
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        let rejected = open.database().rejected().map_err(|error| error.to_string())?;
        let conflicts = open.database().conflicts().map_err(|error| error.to_string())?;
        let stamps: Vec<Stamp> = rejected.iter().map(|record| record.stamp).collect();
        self.judge
            .recorded(incarnation, &stamps, conflicts.len())
            .map_err(|finding| format!("device {device}: {finding}"))
    }
}
