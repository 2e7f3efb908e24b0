//! Databases that are used without sync at first: some devices write for a while by themselves, then their app turns sync on and says, or
//! is asked, what becomes of that: it seeds the space, meets what is there, or gives way to it.
//! Part of the world.

use super::{Event, World};
use crate::device::Durable;
use crate::judge::Finding;
use crate::random::Random;
use crate::rows::Rows;
use ebbtide_core::change::LoggedTransaction;
use ebbtide_core::client::{Input, Start, Status};
use ebbtide_core::commit::Reason;
use ebbtide_core::ids::LogId;
use ebbtide_core::value::Value;
use ebbtide_store::local::{ChangeKind, NamedChange};
use std::collections::BTreeSet;

/// Seeds in a hundred, of those whose app does not grow, in which some devices begin by themselves.
const APART: u64 = 20;

/// Apart from all other chance, so that the other seeds play what they always did.
const CHANCE: u64 = 0x6265_6769_6e6e_696e;

/// Which devices begin by themselves.
pub(super) struct Beginnings {
    random: Random,
    plays: bool,
    /// When all of them turn sync on, where they do so at once.
    together: Option<u64>,
}

/// How a device begins by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning {
    /// When its app turns sync on, in pieces of work done in the whole world.
    until: u64,
    /// What the app says then.
    start: Start,
    /// Whether that has come.
    is_on: bool,
    /// Whether what it wrote by itself gave way to what the space has.
    gave_way: bool,
}

impl Beginnings {
    pub(super) fn draw(seed: u64, grows: bool) -> Self {
        let mut random = Random::new(seed ^ CHANCE);
        let plays = random.percent(APART) && !grows;
        let together = random.percent(30).then(|| random.between(10, 40));
        Self { random, plays, together }
    }

    pub(super) fn plays(&self) -> bool {
        self.plays
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
        (self.plays && alone).then_some(Beginning { until, start, is_on: false, gave_way: false })
    }
}

impl Beginning {
    pub(super) fn start(&self) -> Start {
        self.start
    }
}

impl World {
    /// Whether a device's app has not turned sync on yet.
    pub(super) fn is_local(&self, device: usize) -> bool {
        self.seats[device].beginning.is_some_and(|beginning| !beginning.is_on)
    }

    /// Turns sync on if its time has come, or all time is over.
    pub(super) fn turn_on_if_due(&mut self, device: usize) -> Result<(), Finding> {
        let (works, calm) = (self.works, self.calm);
        let Some(beginning) = self.seats[device].beginning.as_mut() else { return Ok(()) };
        if beginning.is_on || beginning.until > works && !calm {
            return Ok(());
        }
        beginning.is_on = true;
        self.trace.event(self.now, "turns sync on", &[device as u64]);
        if self.seats[device].device.is_none() {
            return Ok(());
        }
        self.switch_off(device);
        self.reopen(device)
    }

    /// An app that is asked chooses after a while.
    pub(super) fn asked(&mut self, device: usize, status: &Status) -> bool {
        let asked = status.reason.as_deref() == Some("sync_choice_needed") && self.seats[device].beginning.is_some();
        if asked {
            let delay_ms = self.beginnings.random.between(1, 20_000);
            self.after(delay_ms, Event::Choose(device));
        }
        asked
    }

    pub(super) fn choose(&mut self, device: usize) -> Result<(), Finding> {
        let Some(beginning) = self.seats[device].beginning.as_mut() else { return Ok(()) };
        if beginning.start == Start::Seed {
            beginning.start = *self.beginnings.random.pick(&[Start::Merge, Start::Merge, Start::Take]);
        }
        let start = beginning.start;
        self.trace.event(self.now, "chooses", &[device as u64, u64::from(start == Start::Take)]);
        self.give(device, Input::Choose(start))
    }

    /// What waited before a step and may leave undecided in it: what was written apart, once, where the app gives way. All that was shown
    /// of it is listed then, each row once and as it was.
    pub(super) fn without_replaced(
        &mut self,
        device: usize,
        mut before: Durable,
        after: &Durable,
    ) -> Result<Durable, Finding> {
        let taking = |beginning: &Beginning| beginning.is_on && beginning.start == Start::Take && !beginning.gave_way;
        if !self.seats[device].beginning.as_ref().is_some_and(taking) || before.state.cursor.seq.0 > 0 {
            return Ok(before);
        }
        let waiting: BTreeSet<LogId> = after.log.iter().map(|transaction| transaction.id).collect();
        let (life, judge) = (before.state.incarnation, &self.spaces[self.seats[device].space].judge);
        let goes_on = |of: &LoggedTransaction| waiting.contains(&of.id) || judge.is_decided(life, of);
        let (stayed, left): (Vec<_>, Vec<_>) = std::mem::take(&mut before.log).into_iter().partition(goes_on);
        if !left.is_empty() {
            self.is_listed(device, &before.rows, &stayed)?;
            self.counts.takes += 1;
            self.seats[device].beginning.iter_mut().for_each(|beginning| beginning.gave_way = true);
        }
        before.log = stayed;
        Ok(before)
    }

    fn is_listed(&mut self, device: usize, shown: &Rows, stayed: &[LoggedTransaction]) -> Result<(), Finding> {
        let catalogue = self.catalogue(device);
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        let listed = open.database().rejected().map_err(|error| error.to_string())?;
        let replaced = listed.iter().filter(|record| record.reason == Reason::Replaced);
        let listed: Vec<&NamedChange> =
            replaced.flat_map(|record| &record.changes).filter(|change| change.kind == ChangeKind::Insert).collect();
        for (row, values) in shown {
            let table = catalogue.table(row.table).expect("a table");
            let same = |change: &&&NamedChange| {
                change.table == table.name && change.key.iter().map(|(_, value)| value).eq(&row.key.0)
            };
            let fields: Vec<Vec<&Value>> = listed
                .iter()
                .filter(same)
                .map(|change| change.fields.iter().map(|(_, value)| value).collect())
                .collect();
            let as_shown = fields.iter().all(|fields| fields.iter().copied().eq(values));
            if stayed.is_empty() && (fields.len() != 1 || !as_shown) {
                return Err(format!(
                    "device {device}: a row gave way and is listed as {fields:?}, not as {values:?}: {row:?}"
                ));
            }
        }
        if stayed.is_empty() && listed.len() != shown.len() {
            return Err(format!("device {device}: {} rows gave way, and {} are listed", shown.len(), listed.len()));
        }
        Ok(())
    }

    /// How devices that began by themselves came to the space.
    pub(super) fn count_beginnings(&mut self) {
        for beginning in self.seats.iter().filter_map(|seat| seat.beginning) {
            self.counts.merges += u64::from(beginning.start == Start::Merge);
            self.counts.seeds += u64::from(beginning.start == Start::Seed);
        }
    }
}
