//! What devices do with their sessions' outputs, and how they die and come back.
//! Every input goes through `give`, which also lets the judge look; it knows no fault's reason.
//! Part of the world.

use super::faults::Doom;
use super::network::finding;
use super::{Event, Seat, World};
use crate::device::Durable;
use crate::disk::{Aftermath, Tape};
use crate::judge::{Finding, Witness};
use crate::rows::difference;
use ebbtide_core::client::store::ClientStore;
use ebbtide_core::client::{Input, Output, State};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::Reason;
use ebbtide_core::conflict::ConflictId;
use ebbtide_core::ids::Incarnation;
use ebbtide_protocol::encode_client;
use std::collections::BTreeSet;

impl World {
    /// Switches a device on.
    pub(super) fn reopen(&mut self, device: usize) -> Result<(), Finding> {
        if self.seats[device].device.is_some() {
            return Ok(());
        }
        self.trace.event(self.now, "on", &[device as u64]);
        self.open_as_it_was(device)?;
        if !self.migrate(device)? {
            return Ok(());
        }
        self.seats[device].seen_writes = None;
        if let (true, Some(open)) = (self.is_local(device), self.seats[device].device.as_mut()) {
            open.database().keep_in_step(false);
        }
        self.note_local(device)?;
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
        // Without sync there is no session.
        if self.is_local(device) {
            return self.look(device);
        }
        let doom = self.begin_doom(device);
        let now = self.time_of(device);
        self.seats[device].disk.take_troubles();
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        let handled = open.handle(input, now);
        let tape = (doom == Some(Doom::PowerCut)).then(|| self.seats[device].disk.stop());
        let outputs = match handled {
            Ok(outputs) => outputs,
            Err(error) if self.seats[device].disk.take_troubles() == 0 => return Err(finding(device, error)),
            Err(_) => return self.session_failed(device),
        };
        if let Some(tape) = tape {
            let after = self.durable(device)?;
            return self.power_cut(device, &tape, after);
        }
        self.look(device)?;
        for output in outputs {
            self.carry_out(device, output)?;
        }
        Ok(())
    }

    /// Puts what will go wrong in place, if something will now.
    pub(super) fn begin_doom(&mut self, device: usize) -> Option<Doom> {
        let doom = self.seats[device].doom.take_if(|doom| *doom != Doom::InsideTransaction)?;
        let disk = self.seats[device].disk.clone();
        match doom {
            Doom::PowerCut => disk.record(),
            Doom::DiskError => disk.fail_in(self.random.below(5)),
            Doom::InsideTransaction => {}
        }
        Some(doom)
    }

    /// The storage refused a step: nothing of it was kept, and the adapter starts over with a new session in a while.
    fn session_failed(&mut self, device: usize) -> Result<(), Finding> {
        self.trace.event(self.now, "refused by the disk", &[device as u64]);
        self.seats[device].uncertain = true;
        self.unchanged(device)?;
        let seed = self.random.draw();
        self.seats[device].device.as_mut().ok_or("a device that is off")?.restart_session(seed);
        self.let_go(device);
        self.seats[device].timer += 1;
        self.seats[device].session += 1;
        let delay_ms = self.random.between(100, 5_000);
        let session = self.seats[device].session;
        self.after(delay_ms, Event::Restart { device, session });
        Ok(())
    }

    /// A refused step or statement left everything as it was.
    pub(super) fn unchanged(&mut self, device: usize) -> Result<(), Finding> {
        let after = self.durable(device)?;
        let before = self.last(device)?;
        if after == *before {
            return Ok(());
        }
        let differing = difference(&after.rows, &before.rows, &self.catalogue(device));
        Err(format!("G3: device {device}: what the disk refused left something (after | before):{differing}"))
    }

    /// The new session of a device whose storage had failed starts.
    pub(super) fn restart(&mut self, device: usize, session: u64) -> Result<(), Finding> {
        if self.seats[device].session != session || self.seats[device].device.is_none() {
            return Ok(());
        }
        let (paused, online) = (self.seats[device].paused, self.seats[device].online);
        if paused {
            self.give(device, Input::Pause(true))?;
        }
        if !online {
            self.give(device, Input::Online(false))?;
        }
        self.give(device, Input::Start)
    }

    /// The device dies at some operation of what was recorded, or right after it. `after` is how it would be then.
    pub(super) fn power_cut(&mut self, device: usize, tape: &Tape, after: Durable) -> Result<(), Finding> {
        let cut = self.random.below(tape.operations() as u64 + 1) as usize;
        let aftermath = self.aftermath();
        self.trace.event(self.now, "power cut", &[device as u64, cut as u64, tape.operations() as u64]);
        let before = self.last(device)?.clone();
        let survives = if cut == tape.operations() { vec![after] } else { vec![before, after] };
        self.die(device, survives)?;
        let image = tape.cut_after(cut, aftermath);
        self.seats[device].disk.restore(&image);
        Ok(())
    }

    fn aftermath(&mut self) -> Aftermath {
        match self.random.below(3) {
            0 => Aftermath::Kept,
            1 => Aftermath::Lost,
            _ => Aftermath::Torn(self.random.draw()),
        }
    }

    /// The device dies. When it is on again it is as in one of `survives`.
    pub(super) fn die(&mut self, device: usize, survives: Vec<Durable>) -> Result<(), Finding> {
        self.trace.event(self.now, "dies", &[device as u64]);
        let aftermath = self.aftermath();
        if let Some(open) = self.seats[device].device.take() {
            open.crash(aftermath);
        }
        // What a failing disk refused may have reached it all the same; only a later commit rules that out.
        let certain = !std::mem::take(&mut self.seats[device].uncertain);
        self.seats[device].survives = if certain { survives } else { Vec::new() };
        self.off(device);
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
                if self.is_asked(device) {
                    self.ask(device);
                } else if self.is_outdated(device) {
                    self.after(5_000, Event::Outdated(device));
                } else if status.state == State::Error && !self.waits_for_rules(device) {
                    return Err(format!("device {device} gave up: {status:?}"));
                }
            }
            Output::Recovered { code } if !self.seats[device].set_back && !self.seats[device].restored => {
                return Err(format!("device {device} began a new life for nothing: {code}"));
            }
            Output::Recovered { .. } => {}
            Output::Applied { .. }
            | Output::Rejected(_)
            | Output::Conflicts { .. }
            | Output::UpToDate(_)
            | Output::Resolved(_)
            | Output::Failed(_)
            | Output::Planned(_)
            | Output::PlanFailed(_)
            | Output::Confirm(_) => {}
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
        let request = match open.ready_request(now) {
            Ok(request) => request,
            // The copy stays as it was until the next change.
            Err(_) if self.seats[device].disk.take_troubles() > 0 => return Ok(()),
            Err(error) => return Err(finding(device, error)),
        };
        let state = open.step(now, |store| store.device()).map_err(|error| finding(device, error))?;
        self.seats[device].mail = request.map(|messages| (state.incarnation, encode_client(&messages)));
        Ok(())
    }

    /// The judge's look at a device after a step. Where no row was written it is mostly spared.
    fn look(&mut self, device: usize) -> Result<(), Finding> {
        let now = self.time_of(device);
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        let writes = open.writes(now).map_err(|error| format!("device {device}: {error}"))?;
        let unchanged = self.seats[device].seen_writes.replace(writes) == Some(writes);
        if unchanged && !self.random.percent(5) {
            return Ok(());
        }
        let durable = self.durable(device)?;
        if unchanged && self.seats[device].last.as_ref() != Some(&durable) {
            return Err(format!("device {device} changed without a write"));
        }
        self.seats[device].confirmed = self.seats[device].confirmed.max(durable.state.applied_receipt);
        let now = self.time_of(device);
        let incarnation = durable.state.incarnation;
        if self.seats[device].lives.insert(incarnation) {
            self.trace.line(|| format!("  {device} lives as {:x?}", &incarnation.0[..4]));
        }
        let space = self.seats[device].space;
        for entry in &durable.sealed {
            if !self.spaces[space].judge.knows_sealed(incarnation, entry.device_seq) || self.random.percent(5) {
                let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
                let bytes = open.sealed_bytes(entry.device_seq, now).map_err(|error| finding(device, error))?;
                self.spaces[space].judge.sealed(incarnation, entry.device_seq, &bytes)?;
            }
        }
        self.note_behind(device);
        if let Some(before) = self.seats[device].last.take() {
            let before = self.without_what_gave_way(device, before, &durable)?;
            let (before, after) = (self.lifted(device, &before), self.lifted(device, &durable));
            self.spaces[space].judge.left(&before, &after).map_err(|finding| format!("device {device}: {finding}"))?;
        }
        self.judge_device(device, &durable)?;
        self.seats[device].last = Some(durable);
        Ok(())
    }

    pub(super) fn judge_device(&mut self, device: usize, durable: &Durable) -> Result<(), Finding> {
        let (space, release) = (self.seats[device].space, self.seats[device].release);
        let durable = self.calendar.releases.clone().get(release).lift.durable(durable).into_owned();
        let judged = self.spaces[space].judge.device(device, &durable, release);
        judged.map_err(|finding| format!("device {device}: {finding}"))
    }

    /// What a space had accepted before it was set back is there again, but for what was on devices that were set back themselves.
    pub(super) fn everything_came_back(&self, space: usize) -> Result<(), Finding> {
        let lives = |device: usize| self.seats[device].lives.iter().copied();
        let excused = (0..self.seats.len()).filter(|device| self.seats[*device].set_back).flat_map(lives);
        let excused: BTreeSet<Incarnation> = excused.collect();
        self.spaces[space].judge.brought_back(|life| excused.contains(&life))
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
        let conflicts = open.database().decided_conflicts().map_err(|error| error.to_string())?;
        let waiting = open.database().open_conflicts().map_err(|error| error.to_string())?;
        let waiting: BTreeSet<ConflictId> = waiting.iter().map(|record| record.id).collect();
        self.spaces[self.seats[device].space]
            .judge
            .listed(&waiting)
            .map_err(|finding| format!("device {device}: {finding}"))?;
        let Seat { set_back, restored, rebuilt, was_behind, .. } = self.seats[device];
        let witness = Witness { refusals: !set_back && !restored, overwrites: !rebuilt && !restored && !was_behind };
        let refused = rejected.iter().filter(|record| record.reason != Reason::Replaced);
        let stamps: Vec<Stamp> = refused.map(|record| record.stamp).collect();
        self.spaces[self.seats[device].space]
            .judge
            .recorded(incarnation, witness, &stamps, conflicts.len())
            .map_err(|finding| format!("device {device}: {finding}"))
    }
}
