//! Which of the rarer things happen in a seed's world, and how often each did. Drawn once, at the beginning.
//! How they happen is for the other parts.
//! Part of the world.

use crate::random::Random;
use std::fmt;

/// What may happen besides the faults that every world has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Everybody sleeps for days or months, and spaces forget history.
    pub(super) sleeps: bool,
    /// Spaces are set back to an earlier point.
    pub(super) restores: bool,
}

impl Plan {
    pub(super) fn draw(random: &mut Random) -> Self {
        Self { sleeps: random.percent(35), restores: random.percent(25) }
    }

    /// The kinds of faults to draw from: the ones that every world has, and those of this one.
    pub(super) fn kinds(self) -> Vec<u64> {
        let rarer = [(self.sleeps, vec![18]), (self.restores, vec![19, 19])];
        let planned = rarer.into_iter().filter(|(planned, _)| *planned).flat_map(|(_, kinds)| kinds);
        (0..=17).chain(planned).collect()
    }
}

/// How often the rarer things happened, in one seed or in many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Times that a space forgot history.
    pub prunings: u64,
    /// Devices whose rows came from a snapshot.
    pub snapshots: u64,
    /// Spaces that were set back.
    pub restores: u64,
    /// Texts that were written in.
    pub texts: u64,
    /// Choices between the sides of conflicts.
    pub choices: u64,
    /// Refused transactions that were committed again.
    pub retries: u64,
    /// Transactions that were decided as parts of others.
    pub absorbed: u64,
    /// Changesets that were given up, since they were not taken as one.
    pub taken_apart: u64,
    /// Releases that spaces took.
    pub deployments: u64,
    /// Releases that devices took.
    pub upgrades: u64,
    /// Those taken before the space did.
    pub ahead: u64,
    /// Those taken offline with something waiting.
    pub upgrades_with_pending: u64,
    /// Databases that began by themselves and seeded their space.
    pub seeds: u64,
    /// Apps that were asked what becomes of their rows, and chose.
    pub asked: u64,
    /// Those whose rows met the space's.
    pub merges: u64,
    /// Those whose rows gave way.
    pub takes: u64,
    /// Databases that had been in step and were used without sync for a while.
    pub rests: u64,
    /// Devices that had rows in a table when it joined.
    pub joined: u64,
    /// Releases with which a table joined without a migration.
    pub kept: u64,
    /// Releases of rules alone that spaces took.
    pub rules: u64,
    /// Those that devices took with something waiting.
    pub reread: u64,
    /// Changesets that were decided under other rules than they had been sealed under, after the same migrations.
    pub of_then: u64,
}

impl Counts {
    /// Their names and numbers.
    pub fn named(&self) -> [(&'static str, u64); 22] {
        [
            ("prunings", self.prunings),
            ("snapshots", self.snapshots),
            ("restores", self.restores),
            ("edits of texts", self.texts),
            ("choices", self.choices),
            ("refused transactions committed again", self.retries),
            ("absorbed transactions", self.absorbed),
            ("changesets taken apart", self.taken_apart),
            ("deployments", self.deployments),
            ("upgrades", self.upgrades),
            ("upgrades ahead of the space", self.ahead),
            ("upgrades offline with something waiting", self.upgrades_with_pending),
            ("seeds by databases that began by themselves", self.seeds),
            ("choices of apps that were asked", self.asked),
            ("merges of such databases", self.merges),
            ("databases that took what their space has", self.takes),
            ("databases used without sync again", self.rests),
            ("tables that joined with rows in them", self.joined),
            ("tables that joined without a migration", self.kept),
            ("releases of rules alone", self.rules),
            ("such upgrades with something waiting", self.reread),
            ("changesets of other rules after the same migrations", self.of_then),
        ]
    }
}

/// As a line for a person.
impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.named().map(|(name, count)| format!("{count} {name}"));
        out.write_str(&words.join(", "))
    }
}
