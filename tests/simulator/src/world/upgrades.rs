//! Releases of the app that come midway: spaces are deployed at one moment, devices take a release each at their time, before the space
//! or after it, and some never. Migrations meet crashes, failing disks and releases that cannot be installed.
//! Part of the world.

use super::calendar::Calendar;
use super::network::finding;
use super::{Event, Seat, World};
use crate::device::{Device, Durable};
use crate::disk::Tape;
use crate::judge::{Finding, Judge};
use crate::random::nth;
use crate::releases::Piece;
use crate::rows::{Rows, difference};
use ebbtide_core::client::{SpaceName, State, Status};
use ebbtide_store::local::{DbError, DbErrorCode};
use ebbtide_store::schema::Schema;

/// What a device says whose space never had its release and has a later one.
const OUTDATED: &str = "reload_needed";

/// What it says where the space has other rules after the same migrations.
const OTHER_RULES: &str = "schema_mismatch";

/// How a migration on a device goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    PowerCut,
    DiskError,
    DiskFull,
}

impl World {
    fn schema_of(&self, release: usize) -> Schema {
        self.calendar.releases.get(release).schema.clone()
    }

    /// The schema that a space has.
    pub(super) fn space_schema(&self, space: usize) -> Schema {
        self.schema_of(self.spaces[space].judge.release())
    }

    /// What a device shows and has waiting, in the terms of the last release.
    pub(super) fn lifted<'d>(&self, device: usize, durable: &'d Durable) -> std::borrow::Cow<'d, Durable> {
        self.calendar.releases.get(self.seats[device].release).lift.durable(durable)
    }

    /// Before a device's app does something: releases whose day has come are taken.
    pub(super) fn take_releases(&mut self, device: usize) -> Result<(), Finding> {
        if !self.calendar.grows() {
            return Ok(());
        }
        for space in 0..self.spaces.len() {
            let due = Calendar::due(&self.calendar.spaces[space], self.works);
            self.deploy_up_to(space, due)?;
        }
        let due = Calendar::due(&self.calendar.devices[device], self.works);
        // What a disk refused is tried again in a while.
        let again = self.seats[device].wanted >= due;
        if again && !self.calendar.random.percent(15) { Ok(()) } else { self.upgrade_to(device, due) }
    }

    /// In the end every space has all that its devices have, and some of the devices that were late follow.
    pub(super) fn take_last_releases(&mut self) -> Result<(), Finding> {
        if !self.calendar.grows() {
            return Ok(());
        }
        let last = self.calendar.releases.last();
        (0..self.spaces.len()).try_for_each(|space| self.deploy_up_to(space, last))?;
        for device in 0..self.seats.len() {
            if self.calendar.random.percent(60) {
                self.upgrade_to(device, last)?;
            }
        }
        Ok(())
    }

    fn deploy_up_to(&mut self, space: usize, release: usize) -> Result<(), Finding> {
        while self.spaces[space].judge.release() < release {
            self.deploy(space, self.spaces[space].judge.release() + 1)?;
        }
        Ok(())
    }

    fn deploy(&mut self, space: usize, release: usize) -> Result<(), Finding> {
        self.flush(space)?;
        let (now, present) = (self.time(), self.space_schema(space));
        self.trace.event(self.now, "deployed", &[space as u64, release as u64]);
        let releases = self.calendar.releases.clone();
        self.trace.line(|| format!("  steps {:?}", releases.get(release).steps));
        let next = &releases.get(release).schema;
        let host = &mut self.spaces[space].host;
        if self.calendar.random.percent(25) {
            let broken = releases.get(release).broken(present.migrations.len());
            match host.deploy(&broken, now) {
                Err(error) if error.code() == "migration_failed" => host.evict(&present),
                other => return Err(format!("a migration that cannot run ended in {other:?}")),
            }
        }
        if self.calendar.random.percent(30) {
            host.die_at_statement(Some(self.calendar.random.below(200)));
            let died = host.deploy(next, now).is_err();
            host.die_at_statement(None);
            if died {
                self.faults += 1;
                host.crash(&present);
            }
        }
        host.deploy(next, now).map_err(|error| format!("a release cannot be deployed: {error}"))?;
        let seat = &mut self.spaces[space];
        seat.judge.deployed(release, now, &mut seat.host)?;
        self.counts.deployments += 1;
        let steps = releases.between(release - 1, release);
        self.counts.rules += u64::from(steps.iter().all(|(piece, _)| piece.is_rule()));
        self.counts.kept += u64::from(steps.iter().any(|(piece, _)| *piece == Piece::Keeps));
        self.reset_all(space);
        Ok(())
    }

    fn upgrade_to(&mut self, device: usize, release: usize) -> Result<(), Finding> {
        let seat = &mut self.seats[device];
        seat.wanted = seat.wanted.max(release);
        if seat.wanted <= seat.release || seat.device.is_none() {
            return Ok(());
        }
        let status =
            seat.device.as_ref().map(|device| device.session().status().clone()).ok_or("a device that is off")?;
        self.counts.upgrades_with_pending += u64::from(status.pending > 0 && seat.link.connection.is_none());
        self.switch_off(device);
        self.reopen(device)
    }

    /// Whether a device says that its space never had its release: set back, the space went past it.
    pub(super) fn is_outdated(&self, device: usize) -> bool {
        let Seat { space, release, .. } = &self.seats[device];
        let went_past = self.spaces[*space].judge.went_past(*release);
        went_past && (self.says(device, OUTDATED) || self.says(device, OTHER_RULES))
    }

    /// Whether a device says that its space has not the rules of its release, and the space will.
    pub(super) fn waits_for_rules(&self, device: usize) -> bool {
        let Seat { space, release, .. } = &self.seats[device];
        self.says(device, OTHER_RULES) && self.spaces[*space].judge.release() < *release
    }

    fn says(&self, device: usize, reason: &str) -> bool {
        let status = self.seats[device].device.as_ref().map(|open| open.session().status());
        let says = |status: &Status| (status.state, status.reason.as_deref()) == (State::Error, Some(reason));
        status.is_some_and(says)
    }

    pub(super) fn replace_outdated(&mut self, device: usize) -> Result<(), Finding> {
        if !self.is_outdated(device) {
            return Ok(());
        }
        // What the disk refuses is tried again.
        self.after(5_000, Event::Outdated(device));
        self.upgrade_to(device, self.spaces[self.seats[device].space].judge.release())
    }

    /// The page is closed in peace.
    pub(super) fn switch_off(&mut self, device: usize) {
        if let Some(open) = self.seats[device].device.take() {
            open.close();
        }
        self.off(device);
    }

    /// Opens a device's file under the release that it was last open under, or, where a migration was interrupted, that one.
    pub(super) fn open_as_it_was(&mut self, device: usize) -> Result<(), Finding> {
        if self.seats[device].openings == 0 {
            self.seats[device].wanted = self.seats[device].wanted.max(self.first_release(device));
            self.seats[device].release = self.seats[device].wanted;
        }
        self.seats[device].disk.take_troubles();
        let interrupted = self.seats[device].migrating.take();
        let opened = match (self.open_under(device, self.seats[device].release), interrupted) {
            (Err(error), Some(to)) if error.code == DbErrorCode::Schema("schema_newer") => {
                self.seats[device].release = to;
                self.open_under(device, to)
            }
            (opened, _) => opened,
        };
        let opened = match opened {
            Err(_) if self.seats[device].disk.take_troubles() > 0 => return self.open_later(device, interrupted),
            opened => opened.map_err(|error| format!("device {device} does not open: {error}"))?,
        };
        self.seats[device].device = Some(opened);
        let after = self.durable(device)?;
        let survives = std::mem::take(&mut self.seats[device].survives);
        Judge::survived(&survives, &after, &self.catalogue(device))
            .map_err(|finding| format!("device {device}: {finding}"))?;
        if let Some(before) = self.seats[device].last.take() {
            self.found_again(device, before, &after)?;
        }
        self.seats[device].last = Some(after);
        self.seats[device].seen_writes = None;
        Ok(())
    }

    /// A database cannot be opened on a disk that refuses to write: once there is room again.
    fn open_later(&mut self, device: usize, interrupted: Option<usize>) -> Result<(), Finding> {
        self.seats[device].migrating = interrupted;
        self.after(1_000, Event::Reopen(device));
        Ok(())
    }

    fn first_release(&self, device: usize) -> usize {
        Calendar::due(&self.calendar.devices[device], self.works)
    }

    fn open_under(&mut self, device: usize, release: usize) -> Result<Device, DbError> {
        let schema = self.schema_of(release);
        self.open_with(device, &schema)
    }

    fn open_with(&mut self, device: usize, schema: &Schema) -> Result<Device, DbError> {
        let (now, options) = (self.time_of(device), self.options(device));
        let seat = &mut self.seats[device];
        let home = SpaceName(format!("space {}", seat.space));
        let seed = nth(seat.seed, seat.openings);
        seat.openings += 1;
        Device::open(&seat.disk, schema, home, options, now, seed)
    }

    /// Takes the release that the app has by now, if the file is not there yet. Answers whether the device is still on.
    pub(super) fn migrate(&mut self, device: usize) -> Result<bool, Finding> {
        let (from, to) = (self.seats[device].release, self.seats[device].wanted);
        if from >= to || self.seats[device].device.is_none() {
            return Ok(self.seats[device].device.is_some());
        }
        self.trace.event(self.now, "upgrades", &[device as u64, from as u64, to as u64]);
        let before = self.last(device)?.clone();
        let joining = self.joining(device, to)?;
        self.close(device);
        if self.calendar.random.percent(20) {
            self.try_broken(device, to)?;
            if self.seats[device].device.is_none() {
                return Ok(false);
            }
            self.close(device);
        }
        // A file that has the same migrations opens under either release, and would not tell how far it came.
        let releases = &self.calendar.releases;
        let runs_none = releases.get(from).schema.migrations.len() == releases.get(to).schema.migrations.len();
        let trouble = match self.calendar.random.below(if self.calm || runs_none { 1 } else { 6 }) {
            3 => Some(Trouble::PowerCut),
            4 => Some(Trouble::DiskError),
            5 => Some(Trouble::DiskFull),
            _ => None,
        };
        let disk = self.seats[device].disk.clone();
        disk.take_troubles();
        match trouble {
            Some(Trouble::PowerCut) => disk.record(),
            Some(Trouble::DiskError) => disk.fail_in(self.calendar.random.below(40)),
            Some(Trouble::DiskFull) => self.fill_disk(device),
            None => {}
        }
        self.faults += u64::from(trouble.is_some());
        let opened = self.open_under(device, to);
        let tape = (trouble == Some(Trouble::PowerCut)).then(|| disk.stop());
        match opened {
            Ok(open) => self.migrated(device, open, (&before, &joining, from, to), tape),
            Err(_) if disk.take_troubles() > 0 => {
                self.trace.event(self.now, "an upgrade refused by the disk", &[device as u64]);
                self.stays(device, before, to)
            }
            Err(error) => Err(format!("device {device} cannot take release {to}: {error}")),
        }
    }

    fn close(&mut self, device: usize) {
        if let Some(open) = self.seats[device].device.take() {
            open.close();
        }
    }

    /// A release that cannot be installed is refused, and the one before goes on with everything as it was.
    fn try_broken(&mut self, device: usize, to: usize) -> Result<(), Finding> {
        let releases = self.calendar.releases.clone();
        let broken = releases.get(to).broken(releases.get(to).schema.migrations.len());
        let opened = self.open_with(device, &broken);
        let troubles = self.seats[device].disk.take_troubles();
        match opened {
            Err(error) if troubles > 0 || error.code == DbErrorCode::Schema("migration_failed") => {}
            Err(error) => return Err(format!("device {device}: a migration that cannot run ended in {error}")),
            Ok(_) => return Err(format!("device {device} took a release that cannot be installed")),
        }
        let before = self.last(device)?.clone();
        self.seats[device].survives = vec![before];
        self.open_as_it_was(device)
    }

    /// The disk refused a migration, which may have reached it all the same: the device goes on as it is then.
    fn stays(&mut self, device: usize, before: Durable, to: usize) -> Result<bool, Finding> {
        let from = self.seats[device].release;
        self.seats[device].migrating = Some(to);
        self.open_as_it_was(device)?;
        let is_on = self.seats[device].device.is_some();
        if is_on && self.seats[device].release == from && *self.last(device)? != before {
            return Err(format!("G3: device {device}: a migration that the disk refused left something"));
        }
        Ok(is_on)
    }

    fn migrated(
        &mut self,
        device: usize,
        open: Device,
        (before, joining, from, to): (&Durable, &Rows, usize, usize),
        tape: Option<Tape>,
    ) -> Result<bool, Finding> {
        self.seats[device].device = Some(open);
        let now = self.time_of(device);
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        let after = open.durable(now).map_err(|error| finding(device, error))?;
        let (mut was, is) = (self.lifted_under(from, before), self.lifted_under(to, &after));
        was.rows.extend(joining.clone());
        self.counts.joined += u64::from(!joining.is_empty());
        let judge = &mut self.spaces[self.seats[device].space].judge;
        let knew_all = !self.seats[device].was_behind;
        judge
            .upgraded((&was, from), (&is, to), knew_all)
            .and_then(|()| judge.left(&was, &is))
            .map_err(|finding| format!("device {device}: {finding}"))?;
        for transaction in is.log.iter().filter(|transaction| !was.log.iter().any(|known| known.id == transaction.id)) {
            judge.captured(is.state.incarnation, transaction);
        }
        self.counts.upgrades += 1;
        self.counts.ahead += u64::from(to > judge.release());
        let runs_none = self.calendar.releases.between(from, to).iter().all(|(piece, _)| piece.is_rule());
        self.counts.reread += u64::from(runs_none && !is.log.is_empty());
        if let Some(tape) = tape {
            self.seats[device].migrating = Some(to);
            self.power_cut(device, &tape, after)?;
            return Ok(false);
        }
        (self.seats[device].release, self.seats[device].last) = (to, Some(after));
        Ok(true)
    }

    /// The rows of a table that joins with this release.
    fn joining(&mut self, device: usize, to: usize) -> Result<Rows, Finding> {
        let releases = self.calendar.releases.clone();
        let from = releases.get(self.seats[device].release);
        if from.keeps_settings() || !releases.get(to).keeps_settings() {
            return Ok(Rows::new());
        }
        let catalogue = releases.catalogue();
        let id = catalogue.table_id("setting").expect("the table that joins");
        let table = catalogue.table(id).expect("a table");
        let now = self.time_of(device);
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        open.rows_of(id, table, now).map_err(|error| format!("device {device}: {error}"))
    }

    fn lifted_under(&self, release: usize, durable: &Durable) -> Durable {
        self.calendar.releases.get(release).lift.durable(durable).into_owned()
    }

    /// Whether a device shows what its space has, as far as its release can.
    pub(super) fn shows_all(&self, device: usize, durable: &Durable) -> Result<(), Finding> {
        let space = &self.spaces[self.seats[device].space];
        let releases = &self.calendar.releases;
        let rows = releases.get(space.judge.release()).lift.rows(space.host.rows());
        let wanted = releases.get(self.seats[device].release).lift.visible(&rows);
        let shown = &self.lifted(device, durable).rows;
        if *shown == *wanted && durable.blocked.is_empty() && durable.sealed.is_empty() {
            return Ok(());
        }
        let differing = difference(shown, &wanted, &releases.catalogue());
        Err(format!("G4: device {device} differs from its space in the end (device | space):{differing}"))
    }

    /// A device that has stopped: its timers, its session and its connection mean nothing any more.
    pub(super) fn off(&mut self, device: usize) {
        self.let_go(device);
        self.seats[device].timer += 1;
        self.seats[device].session += 1;
        self.seats[device].paused = false;
        self.seats[device].online = true;
    }

    /// Takes note of a device that applies what a newer release wrote.
    pub(super) fn note_behind(&mut self, device: usize) {
        let space = self.spaces[self.seats[device].space].judge.release();
        let own = self.seats[device].release;
        let lacks = own < space && self.calendar.releases.between(own, space).iter().any(|(piece, _)| !piece.is_rule());
        self.seats[device].was_behind |= lacks;
    }
}
