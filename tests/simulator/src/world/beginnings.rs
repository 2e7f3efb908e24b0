//! Databases that are used without sync at first: some devices write for a while by themselves, then their app turns sync on and says, or
//! is asked, what becomes of that: it seeds the space, meets what is there, or gives way to it. What has to come of it the judge knows.
//! Part of the world.

use super::calendar::Calendar;
use super::network::finding;
use super::{Event, World};
use crate::device::Durable;
use crate::judge::{Became, Finding, Step, renumber};
use crate::random::Random;
use ebbtide_core::client::store::ClientStore;
use ebbtide_core::client::{Input, Start};
use ebbtide_core::ids::LogId;
use std::collections::BTreeSet;

/// Seeds in a hundred in which some devices begin by themselves.
const APART: u64 = 20;

/// Apart from all other chance, so that the other seeds play what they always did.
const CHANCE: u64 = 0x6265_6769_6e6e_696e;

/// What a device says that waits for its app's choice.
const ASKED: &str = "sync_choice_needed";

/// Which devices begin by themselves.
pub(super) struct Beginnings {
    random: Random,
    plays: bool,
    /// Whether a table joins, for all devices.
    joins: bool,
    /// When all of them turn sync on, where they do so at once.
    together: Option<u64>,
}

/// How a device begins by itself, or comes to what it has in a table that joins.
#[derive(Debug, Clone)]
pub(super) struct Beginning {
    /// When its app turns sync on, in pieces of work done in the whole world.
    until: u64,
    /// What the app says then.
    start: Start,
    /// Whether that has come.
    is_on: bool,
    /// When its app turns sync off again, and for how many pieces of work: what is written meanwhile is as all that waits.
    rest: Option<(u64, u64)>,
    /// What waits for the choice.
    local: BTreeSet<LogId>,
}

impl Beginnings {
    pub(super) fn draw(seed: u64, calendar: &Calendar) -> Self {
        let mut random = Random::new(seed ^ CHANCE);
        let plays = random.percent(APART);
        let together = random.percent(30).then(|| random.between(10, 40));
        Self { random, plays, joins: calendar.releases.joins(), together }
    }

    /// Whether and how the next device does.
    pub(super) fn seat(&mut self) -> Option<Beginning> {
        let alone = self.together.is_some() || self.random.percent(60);
        let start = match self.random.below(10) {
            0..=2 => Start::Merge,
            3 | 4 => Start::Take,
            _ => Start::Seed,
        };
        let until = self.together.unwrap_or(self.random.between(5, 120));
        let start = if self.together.is_some() { Start::Seed } else { start };
        let apart = self.plays && alone;
        let begins = self.joins || apart;
        let rest = self.random.percent(40).then(|| (until + self.random.between(10, 60), self.random.between(5, 60)));
        let rest = rest.filter(|_| apart);
        begins.then_some(Beginning { until, start, is_on: !apart, rest, local: BTreeSet::new() })
    }
}

impl Beginning {
    pub(super) fn start(&self) -> Start {
        self.start
    }

    /// That of a device which always had sync on, and got a copy of this one's database.
    pub(super) fn copied(&self) -> Self {
        Self { is_on: true, local: BTreeSet::new(), ..self.clone() }
    }

    /// Its database is another one from now on.
    pub(super) fn forget(&mut self) {
        self.local.clear();
    }
}

impl World {
    /// Whether a device's app has not turned sync on yet.
    pub(super) fn is_local(&self, device: usize) -> bool {
        self.seats[device].beginning.as_ref().is_some_and(|beginning| !beginning.is_on)
    }

    /// Turns sync on if its time has come, or all time is over; some devices' apps turn it off again for a while.
    pub(super) fn turn_on_if_due(&mut self, device: usize) -> Result<(), Finding> {
        let (works, calm) = (self.works, self.calm);
        let Some(beginning) = self.seats[device].beginning.as_mut() else { return Ok(()) };
        let due = match (beginning.is_on, beginning.rest) {
            (false, _) => beginning.until <= works || calm,
            (true, Some((from, _))) => from <= works && !calm,
            (true, None) => false,
        };
        if !due {
            return Ok(());
        }
        if let Some((_, rests)) = beginning.rest.take_if(|_| beginning.is_on) {
            beginning.until = works + rests;
            self.counts.rests += 1;
        }
        beginning.is_on = !beginning.is_on;
        self.trace.event(self.now, "turns sync", &[device as u64, u64::from(beginning.is_on)]);
        if self.seats[device].device.is_none() {
            return Ok(());
        }
        self.switch_off(device);
        self.reopen(device)
    }

    /// Whether a device waits for its app's choice.
    pub(super) fn is_asked(&self, device: usize) -> bool {
        let seat = &self.seats[device];
        let status = seat.device.as_ref().map(|open| open.session().status());
        seat.beginning.is_some() && status.is_some_and(|status| status.reason.as_deref() == Some(ASKED))
    }

    /// An app that is asked chooses after a while.
    pub(super) fn ask(&mut self, device: usize) {
        let delay_ms = self.beginnings.random.between(1, 20_000);
        self.after(delay_ms, Event::Choose(device));
    }

    pub(super) fn choose(&mut self, device: usize) -> Result<(), Finding> {
        if !self.is_asked(device) {
            return Ok(());
        }
        let Some(beginning) = self.seats[device].beginning.as_mut() else { return Ok(()) };
        if beginning.start == Start::Seed {
            beginning.start = *self.beginnings.random.pick(&[Start::Merge, Start::Merge, Start::Take]);
        }
        let start = beginning.start;
        self.counts.asked += 1;
        self.trace.event(self.now, "chooses", &[device as u64, u64::from(start == Start::Take)]);
        self.give(device, Input::Choose(start))
    }

    /// Takes note of what waits for a choice, after the app has written or a device was opened.
    pub(super) fn note_local(&mut self, device: usize) -> Result<(), Finding> {
        if self.seats[device].beginning.is_some() {
            let local = self.local(device)?;
            self.seats[device].beginning.iter_mut().for_each(|beginning| beginning.local.clone_from(&local));
        }
        Ok(())
    }

    fn local(&mut self, device: usize) -> Result<BTreeSet<LogId>, Finding> {
        let now = self.time_of(device);
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        let local = open.step(now, |store| store.local_log()).map_err(|error| finding(device, error))?;
        Ok(local.into_iter().collect())
    }

    /// A device that died may have done so after what was local had gone or given way.
    pub(super) fn found_again(&mut self, device: usize, before: Durable, after: &Durable) -> Result<(), Finding> {
        let had = self.seats[device].beginning.as_ref().is_some_and(|beginning| !beginning.local.is_empty());
        match had && self.local(device)?.is_empty() {
            true => self.without_what_gave_way(device, before, after).map(|_| ()),
            false => Ok(()),
        }
    }

    /// What waited before a step and could not leave but by being decided: not what was local and gives way in it.
    pub(super) fn without_what_gave_way(
        &mut self,
        device: usize,
        mut before: Durable,
        after: &Durable,
    ) -> Result<Durable, Finding> {
        let Some(beginning) = self.seats[device].beginning.as_ref().filter(|beginning| !beginning.local.is_empty())
        else {
            return Ok(before);
        };
        let (mut was, start, is) = (beginning.local.clone(), beginning.start, self.local(device)?);
        renumber(&mut before, &mut was, after);
        let catalogue = self.catalogue(device);
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        let listed = open.database().rejected().map_err(|error| error.to_string())?;
        let decided = self.spaces[self.seats[device].space].judge.decided_already(&before);
        let (was, is) = (&was, &is);
        let step = Step { before: &before, after, was, is, decided: &decided, listed: &listed, catalogue: &catalogue };
        match step.became(start).map_err(|finding| format!("device {device}: {finding}"))? {
            Became::Waiting => {}
            Became::Sent if start == Start::Merge => self.counts.merges += 1,
            Became::Sent => self.counts.seeds += 1,
            Became::Listed(gone) => {
                self.trace.event(self.now, "gives way", &[device as u64, gone.len() as u64]);
                self.counts.takes += 1;
                let leaves = before.log.iter().filter(|transaction| gone.contains(&transaction.id));
                self.spaces[self.seats[device].space].judge.gave_way(before.state.incarnation, leaves);
                before.log.retain(|transaction| !gone.contains(&transaction.id));
            }
        }
        self.seats[device].beginning.iter_mut().for_each(|beginning| beginning.local.clone_from(is));
        Ok(before)
    }
}
