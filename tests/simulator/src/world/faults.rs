//! What goes wrong, when, and for how long: partitions, resets, deaths, disks, clocks, pauses, late and repeated requests, crashes of spaces.
//! It breaks things by the means that the other parts offer and counts what it broke; it judges nothing.
//! Part of the world.

use super::beginnings::Beginning;
use super::{Event, Seat, World};
use crate::judge::Finding;
use ebbtide_core::client::Input;

/// What will happen to a device at its next step or transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doom {
    /// The power goes at some write or flush of it, or just after.
    PowerCut,
    /// A write or a flush of it fails.
    DiskError,
    /// In the middle of the app's next transaction, before its COMMIT.
    InsideTransaction,
}

/// What ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Relief {
    /// The app's pause.
    Pause,
    /// The browser's idea of being offline.
    Offline,
    /// The disk without room.
    Full,
}

impl World {
    pub(super) fn fault(&mut self) -> Result<(), Finding> {
        if self.calm {
            return Ok(());
        }
        // As often for each device, however many there are.
        let next_ms = self.random.between(1_200, 24_000) / self.seats.len() as u64;
        self.after(next_ms, Event::Fault);
        self.faults += 1;
        let device = self.random.below(self.seats.len() as u64) as usize;
        let kind = *self.random.pick(&self.plan.kinds());
        self.drawn_faults += 1;
        if self.script.without_faults.contains(&(self.drawn_faults - 1)) {
            return Ok(());
        }
        self.trace.event(self.now, "fault", &[device as u64, kind]);
        match kind {
            0..=2 => self.partition(device),
            3 | 4 => {
                if let Some(connection) = self.seats[device].link.connection {
                    self.reset(connection);
                }
                Ok(())
            }
            5 | 14 => {
                self.seats[device].doom = Some(Doom::PowerCut);
                Ok(())
            }
            6 => {
                self.seats[device].doom = Some(Doom::DiskError);
                Ok(())
            }
            15 => {
                self.fill_disk(device);
                Ok(())
            }
            16 => self.back_up(device),
            17 => self.set_back(device),
            7 => {
                self.seats[device].doom = Some(Doom::InsideTransaction);
                Ok(())
            }
            18 => self.sleep(),
            19 => self.copy_space(self.seats[device].space),
            8 => self.set_clock(device),
            9 => self.pause(device),
            10 => self.go_offline(device),
            11 | 12 => {
                self.post_mail(device);
                Ok(())
            }
            _ => self.crash_space(self.seats[device].space),
        }
    }

    fn partition(&mut self, device: usize) -> Result<(), Finding> {
        let until = self.now + self.random.between(500, 45_000);
        let which = self.random.below(3);
        let link = &mut self.seats[device].link;
        if which != 0 {
            link.up_blocked_until = until;
        }
        if which != 1 {
            link.down_blocked_until = until;
        }
        Ok(())
    }

    fn set_clock(&mut self, device: usize) -> Result<(), Finding> {
        let by_ms = match self.random.below(3) {
            0 => self.random.below(20_000) as i64 - 10_000,
            1 => self.random.below(8 * 3_600_000) as i64 - 4 * 3_600_000,
            _ => self.random.below(6 * 86_400_000) as i64 - 3 * 86_400_000,
        };
        self.seats[device].skew_ms += by_ms;
        Ok(())
    }

    /// The profile is copied, while the device is on. What the disk refused last may be found in the copy all the same; none is made then.
    fn back_up(&mut self, device: usize) -> Result<(), Finding> {
        let Seat { device: open, backup, uncertain, .. } = &self.seats[device];
        if open.is_some() && backup.is_none() && !uncertain {
            let durable = self.durable(device)?;
            let seat = &mut self.seats[device];
            seat.backup = Some((seat.disk.image(), durable, seat.release));
        }
        Ok(())
    }

    /// The copy comes back: over the device that it was made of, or on another one of the same user, which then is a clone.
    fn set_back(&mut self, device: usize) -> Result<(), Finding> {
        let space = self.seats[device].space;
        let others: Vec<usize> = (0..self.seats.len()).filter(|other| self.seats[*other].space == space).collect();
        let onto = if self.random.percent(50) { device } else { *self.random.pick(&others) };
        if self.seats[onto].device.is_none() {
            return Ok(());
        }
        let Some((image, durable, release)) = self.seats[device].backup.take() else { return Ok(()) };
        self.trace.event(self.now, "set back", &[device as u64, onto as u64]);
        self.die(onto, vec![durable.clone()])?;
        self.seats[onto].disk.restore(&image);
        self.seats[onto].release = release;
        self.seats[onto].wanted = self.seats[onto].wanted.max(release);
        self.seats[onto].was_behind |= self.seats[device].was_behind;
        self.seats[onto].set_back = true;
        self.seats[onto].mail = None;
        let copied = self.seats[device].beginning.as_ref().map(Beginning::copied);
        let seat = &mut self.seats[onto];
        seat.beginning.iter_mut().for_each(Beginning::forget);
        seat.beginning = seat.beginning.take().or(copied);
        self.seats[onto].rebuilt |= self.seats[device].rebuilt;
        self.seats[device].set_back = true;
        self.spaces[space].judge.set_back(onto, &durable);
        Ok(())
    }

    pub(super) fn fill_disk(&mut self, device: usize) {
        self.seats[device].disk.set_full(true);
        let delay_ms = self.random.between(500, 20_000);
        self.after(delay_ms, Event::Relief { device, relief: Relief::Full });
    }

    fn pause(&mut self, device: usize) -> Result<(), Finding> {
        if self.seats[device].device.is_none() || self.seats[device].paused {
            return Ok(());
        }
        self.seats[device].paused = true;
        let delay_ms = self.random.between(500, 30_000);
        self.after(delay_ms, Event::Relief { device, relief: Relief::Pause });
        self.give(device, Input::Pause(true))
    }

    fn go_offline(&mut self, device: usize) -> Result<(), Finding> {
        if self.seats[device].device.is_none() || !self.seats[device].online {
            return Ok(());
        }
        self.seats[device].online = false;
        let delay_ms = self.absence_ms();
        self.after(delay_ms, Event::Relief { device, relief: Relief::Offline });
        self.give(device, Input::Online(false))
    }

    pub(super) fn relieve(&mut self, device: usize, relief: Relief) -> Result<(), Finding> {
        match relief {
            Relief::Pause if std::mem::take(&mut self.seats[device].paused) => self.give(device, Input::Pause(false)),
            Relief::Offline if !std::mem::replace(&mut self.seats[device].online, true) => {
                self.give(device, Input::Online(true))
            }
            Relief::Full => {
                self.seats[device].disk.set_full(false);
                Ok(())
            }
            Relief::Pause | Relief::Offline => Ok(()),
        }
    }

    /// The service worker sends what it has, which may reach the space long after the session has sent it too.
    fn post_mail(&mut self, device: usize) {
        if let Some((incarnation, bytes)) = self.seats[device].mail.clone() {
            for _ in 0..self.random.between(1, 2) {
                let longest_ms = *self.random.pick(&[200, 5_000, 90_000]);
                let delay_ms = self.random.between(1, longest_ms);
                self.after(delay_ms, Event::Mail { device, incarnation, bytes: bytes.clone() });
            }
        }
    }

    /// No more faults: everything that was taken is given back, clocks stay as they are.
    pub(super) fn begin_calm(&mut self) -> Result<(), Finding> {
        self.calm = true;
        self.trace.event(self.now, "calm", &[self.faults]);
        for device in 0..self.seats.len() {
            let seat = &mut self.seats[device];
            seat.doom = None;
            seat.disk.mend();
            seat.link.up_blocked_until = 0;
            seat.link.down_blocked_until = 0;
            self.reopen(device)?;
            self.relieve(device, Relief::Pause)?;
            self.relieve(device, Relief::Offline)?;
            self.turn_on_if_due(device)?;
        }
        self.take_last_releases()
    }
}
