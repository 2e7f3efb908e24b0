//! Which releases the app of a seed has, and when who takes which: spaces at one moment, devices each at their time, before the space or
//! after it, and some never. Everything is drawn at the beginning; how a release is taken is for `upgrades`.
//! Part of the world.

use crate::random::Random;
use crate::releases::{Piece, Releases, piece, rule};

/// Seeds in a hundred whose app grows.
const GROWING: u64 = 25;

/// Apart from all other chance, so that the other seeds play what they always did.
const APART: u64 = 0x7570_6772_6164_6573;

/// Of these, seeds in a hundred in which a table joins.
const JOINING: u64 = 35;

/// Apart from that, for the same reason.
const JOINED: u64 = 0x6a6f_696e_696e_6721;

/// Seeds in a hundred in which releases change rules alone, unless spaces are set back in them: what comes back then is read by one rule only.
const RULED: u64 = 30;

/// Apart from that, for the same reason.
const RULES: u64 = 0x7275_6c65_735f_6f6e;

/// Of releases of rules, those in a hundred that come together with migrations, where there are any.
const TOGETHER: u64 = 25;

/// Of the seeds in which rules change and no table joins, those in a hundred in which one does without a migration.
const KEEPING: u64 = 35;

/// Later than any piece of work.
const NEVER: u64 = u64::MAX;

/// When who takes which release, in pieces of work done in the whole world; the first release is taken at 0.
pub(super) struct Calendar {
    pub(super) releases: std::rc::Rc<Releases>,
    pub(super) random: Random,
    pub(super) spaces: Vec<Vec<u64>>,
    pub(super) devices: Vec<Vec<u64>>,
}

impl Calendar {
    /// Whether and how the app of a seed grows.
    pub(super) fn draw(seed: u64, everything: bool, spaces: usize, restores: bool) -> Self {
        let mut random = Random::new(seed ^ APART);
        let grows = random.percent(GROWING);
        let first = crate::schema::json(everything);
        let steps = if grows { steps(&mut random) } else { Vec::new() };
        let steps = with_joining(steps, &mut Random::new(seed ^ JOINED));
        let steps = if restores { steps } else { with_rules(steps, &mut Random::new(seed ^ RULES), everything) };
        let releases = Releases::growing(first, &steps).into();
        let spaces = (0..spaces).map(|_| rising(steps.len(), &mut random, |random, _| random.between(30, 170)));
        Self { spaces: spaces.collect(), devices: Vec::new(), releases, random }
    }

    pub(super) fn grows(&self) -> bool {
        self.releases.last() > 0
    }

    /// A device of this space.
    pub(super) fn seat(&mut self, space: usize) {
        let days = self.spaces[space].clone();
        let devices = rising(self.releases.last(), &mut self.random, |random, release| {
            let space = days[release];
            match random.below(20) {
                0..=7 => space + random.below(80),
                8..=14 => space.saturating_sub(random.between(5, 80)),
                15 => 0,
                _ => NEVER,
            }
        });
        self.devices.push(devices);
    }

    pub(super) fn due(days: &[u64], works: u64) -> usize {
        days.iter().rposition(|day| *day <= works).unwrap_or(0)
    }
}

/// One or two releases of some steps each.
fn steps(random: &mut Random) -> Vec<Vec<Piece>> {
    let mut pieces: Vec<Piece> = piece::ALL.into_iter().filter(|piece| *piece != Piece::Joins).collect();
    let mut shuffled = Vec::new();
    while !pieces.is_empty() {
        shuffled.push(pieces.remove(random.below(pieces.len() as u64) as usize));
    }
    shuffled.truncate(random.between(2, 6) as usize);
    let first = random.between(1, shuffled.len() as u64) as usize;
    let rest = shuffled.split_off(first);
    [shuffled, rest].into_iter().filter(|release| !release.is_empty()).collect()
}

/// In some seeds a table joins besides, in one of the releases.
fn with_joining(mut steps: Vec<Vec<Piece>>, random: &mut Random) -> Vec<Vec<Piece>> {
    if !steps.is_empty() && random.percent(JOINING) {
        let release = random.below(steps.len() as u64) as usize;
        let place = random.below(steps[release].len() as u64 + 1) as usize;
        steps[release].insert(place, Piece::Joins);
    }
    steps
}

/// In some seeds rules change besides, mostly in releases of their own.
fn with_rules(mut steps: Vec<Vec<Piece>>, random: &mut Random, everything: bool) -> Vec<Vec<Piece>> {
    if !random.percent(RULED) {
        return steps;
    }
    let mut place = 0;
    for rules in rule::draw(random, everything) {
        place += random.below((steps.len() - place) as u64 + 1) as usize;
        match steps.get_mut(place) {
            Some(release) if random.percent(TOGETHER) => release.extend(rules),
            _ => steps.insert(place, rules),
        }
        place += 1;
    }
    if random.percent(KEEPING) && !steps.iter().flatten().any(|piece| *piece == Piece::Joins) {
        steps.insert(random.below(steps.len() as u64 + 1) as usize, vec![Piece::Keeps]);
    }
    steps
}

/// A day for each release, none before that of the one before.
fn rising(releases: usize, random: &mut Random, day: impl Fn(&mut Random, usize) -> u64) -> Vec<u64> {
    let mut days = vec![0];
    for release in 1..=releases {
        let earliest = days[release - 1];
        days.push(day(random, release).max(earliest));
    }
    days
}
