//! How far a long exchange has come, for a bar on a screen.
//! It counts bytes of changesets on their way up and commits on their way down; it decides nothing and survives nothing.
//! `upload` feeds the meter of a connection, the session shows it in the status.

use crate::ids::{DeviceSeq, Seq};
use crate::limits::SINGLE_MESSAGE_BYTES;
use crate::sorted::SortedMap;

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Changesets go up; counted in bytes.
    Sending,
    /// Pages of history come down; counted in commits.
    Receiving,
}

impl Phase {
    /// The name that applications see.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Sending => "sending",
            Phase::Receiving => "receiving",
        }
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Of what.
    pub phase: Phase,
    /// So much is there.
    pub done: u64,
    /// Of so much.
    pub total: u64,
}

/// Bytes on their way up: of the changesets that waited at once, decided ones stay counted until none is left.
#[derive(Debug, Default)]
pub(super) struct Meter {
    waiting: SortedMap<DeviceSeq, (u64, u64)>,
    decided_bytes: u64,
}

impl Meter {
    /// Of a changeset of `total` bytes the space has `done`, or as many as before.
    pub(super) fn note(&mut self, device_seq: DeviceSeq, done: Option<u64>, total: u64) {
        let noted = self.waiting.entry(device_seq).or_insert((0, total));
        noted.0 = done.unwrap_or(noted.0).min(total);
    }

    /// A changeset is decided.
    pub(super) fn decided(&mut self, device_seq: DeviceSeq) {
        if let Some((_, total)) = self.waiting.remove(&device_seq) {
            self.decided_bytes += total;
        }
        if self.waiting.is_empty() {
            self.decided_bytes = 0;
        }
    }

    /// What small things need no bar for is not shown.
    pub(super) fn progress(&self) -> Option<Progress> {
        let sum = |(done, total): (u64, u64), (d, t): &(u64, u64)| (done + d, total + t);
        let (done, total) = self.waiting.values().fold((self.decided_bytes, self.decided_bytes), sum);
        (total > SINGLE_MESSAGE_BYTES as u64 && done < total).then_some(Progress { phase: Phase::Sending, done, total })
    }
}

/// Commits on their way down, from where the catching up began.
pub(super) fn receiving(from: Seq, cursor: Seq, head: Seq) -> Option<Progress> {
    let (done, total) = (cursor.0.saturating_sub(from.0), head.0.saturating_sub(from.0));
    (done < total).then_some(Progress { phase: Phase::Receiving, done, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: u64 = 4 * SINGLE_MESSAGE_BYTES as u64;

    #[test]
    fn cs95_progress_rises_over_several_changesets_and_ends_with_the_last() {
        let mut meter = Meter::default();
        let shown = |meter: &Meter| meter.progress().map(|progress| (progress.done, progress.total));
        meter.note(DeviceSeq(1), Some(0), LARGE);
        meter.note(DeviceSeq(2), Some(0), LARGE);
        assert_eq!(shown(&meter), Some((0, 2 * LARGE)));
        meter.note(DeviceSeq(1), Some(LARGE + 1), LARGE);
        assert_eq!(shown(&meter), Some((LARGE, 2 * LARGE)));
        meter.decided(DeviceSeq(1));
        assert_eq!(shown(&meter), Some((LARGE, 2 * LARGE)));
        meter.decided(DeviceSeq(2));
        assert_eq!(shown(&meter), None);
        meter.note(DeviceSeq(3), Some(0), LARGE);
        assert_eq!(shown(&meter), Some((0, LARGE)));
    }

    #[test]
    fn cs95_what_fits_a_message_and_what_is_there_needs_no_bar() {
        let mut meter = Meter::default();
        meter.note(DeviceSeq(1), Some(0), 900);
        assert_eq!(meter.progress(), None);
        assert_eq!(receiving(Seq(4), Seq(9), Seq(9)), None);
        assert_eq!(receiving(Seq(4), Seq(5), Seq(9)).map(|progress| (progress.done, progress.total)), Some((1, 5)));
    }

    #[test]
    fn cs95_what_fits_into_a_single_message_needs_no_progress() {
        let mut meter = Meter::default();
        meter.note(DeviceSeq(1), Some(0), SINGLE_MESSAGE_BYTES as u64);
        assert_eq!(meter.progress(), None);
        meter.note(DeviceSeq(2), Some(0), 1);
        assert_eq!(meter.progress().map(|progress| progress.phase.name()), Some("sending"));
        assert_eq!(receiving(Seq(1), Seq(1), Seq(3)).map(|progress| progress.phase.name()), Some("receiving"));
    }
}
