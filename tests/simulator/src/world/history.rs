//! What happens to histories: everybody sleeps for a long time and spaces forget what is old, a space is set back to a copy of it.
//! It does it by the means of the space's host and tells the judge; who notices when is not its concern.
//! Part of the world.

use super::World;
use crate::host::ConnectionId;
use crate::judge::Finding;
use ebbtide_core::ids::Millis;

const DAY_MS: u64 = 24 * 3_600_000;

/// Longer than a snapshot may take, so that what every device has is forgotten.
const SOME_DAYS: u64 = 8;

/// Longer than anything is kept.
const MONTHS: u64 = 91;

/// Sleeps of a world in which spaces are set back: devices keep what they have sent for 30 days.
const MOST_NAPS: u64 = 3;

impl World {
    /// Everybody is away for a long time; then the spaces' alarms prune.
    pub(super) fn sleep(&mut self) -> Result<(), Finding> {
        let days = match self.plan.restores {
            true if self.slept_ms >= MOST_NAPS * SOME_DAYS * DAY_MS => return Ok(()),
            true => SOME_DAYS,
            false => *self.random.pick(&[SOME_DAYS, MONTHS]),
        };
        self.trace.event(self.now, "sleeps", &[days]);
        self.slept_ms += days * DAY_MS;
        for space in 0..self.spaces.len() {
            self.flush(space)?;
            self.reset_all(space);
            let now = self.time();
            let seat = &mut self.spaces[space];
            let before = seat.host.floor();
            seat.host.prune(now);
            let floor = seat.host.floor();
            if floor > before {
                seat.judge.pruned(floor.0);
                self.counts.prunings += 1;
                self.trace.event(self.now, "pruned", &[space as u64, floor.0]);
            }
        }
        Ok(())
    }

    /// A copy of a space is made, or comes back.
    pub(super) fn copy_space(&mut self, space: usize) -> Result<(), Finding> {
        self.flush(space)?;
        let (schema, now) = (self.space_schema(space), self.time());
        let seat = &mut self.spaces[space];
        let Some((image, line)) = seat.backup.take() else {
            seat.backup = Some((seat.host.backup(), seat.judge.line()));
            return Ok(());
        };
        let release = seat.judge.release();
        seat.host.restore(&image, &schema, now);
        seat.judge.rewind(line);
        // The Worker is as new as it was, and the space takes again what its data does not know of.
        if seat.judge.release() < release {
            seat.judge.deployed(release, now, &mut seat.host)?;
        }
        self.counts.restores += 1;
        self.trace.event(self.now, "a space is set back", &[space as u64, self.spaces[space].judge.head()]);
        self.seats.iter_mut().filter(|seat| seat.space == space).for_each(|seat| seat.restored = true);
        self.reset_all(space);
        Ok(())
    }

    /// All connections of a space break.
    pub(super) fn reset_all(&mut self, space: usize) {
        let seats = self.seats.iter().filter(|seat| seat.space == space);
        let connections: Vec<ConnectionId> = seats.filter_map(|seat| seat.link.connection).collect();
        connections.into_iter().for_each(|connection| self.reset(connection));
    }

    /// The time, as a clock without skew shows it.
    pub(super) fn time(&self) -> Millis {
        Millis(self.now + self.slept_ms)
    }

    /// A device's absence that is longer than most.
    pub(super) fn absence_ms(&mut self) -> u64 {
        match self.plan.sleeps && self.random.percent(40) {
            true => self.random.between(60_000, 400_000),
            false => self.random.between(500, 30_000),
        }
    }
}
