//! Makes a failing history smaller: fewer devices, an earlier calm, then pieces of work and faults left out, in halves down to single ones.
//! A smaller history counts if it breaks the same guarantee, told by the first words of the finding.
//! Called by the binary.

use crate::runner::play;
use crate::script::Script;
use crate::world::Failure;
use std::collections::BTreeSet;

/// Runs that a minimisation may take: some minutes.
const MOST_RUNS: usize = 400;

/// Characters of a finding that tell which guarantee is broken: `G4: device`.
const KIND_LENGTH: usize = 8;

/// A smaller script that fails in the same way, and its failure. The given one if it does not fail.
pub fn minimise(script: Script) -> Option<(Script, Failure)> {
    let failure = play(&script, false).err()?;
    let mut search = Search { kind: kind(&failure), best: script, failure, runs: 0 };
    search.fewer_devices();
    search.less_work();
    search.leave_out(|script| &mut script.without_faults, 100);
    let work = search.best.work.unwrap_or(400);
    search.leave_out(|script| &mut script.without_work, work);
    search.leave_out(|script| &mut script.without_faults, 100);
    Some((search.best, search.failure))
}

fn kind(failure: &Failure) -> String {
    failure.finding.chars().take(KIND_LENGTH).collect()
}

struct Search {
    kind: String,
    best: Script,
    failure: Failure,
    runs: usize,
}

impl Search {
    /// Takes a candidate if it still fails in the same way.
    fn try_out(&mut self, candidate: Script) -> bool {
        if self.runs == MOST_RUNS || candidate == self.best {
            return false;
        }
        self.runs += 1;
        match play(&candidate, false) {
            Err(failure) if kind(&failure) == self.kind => {
                (self.best, self.failure) = (candidate, failure);
                true
            }
            _ => false,
        }
    }

    fn fewer_devices(&mut self) {
        for devices in 2..8 {
            let candidate = Script { devices: Some(devices), ..self.best.clone() };
            if self.try_out(candidate) {
                return;
            }
        }
    }

    fn less_work(&mut self) {
        let mut step = 200;
        let mut work = 400;
        while step > 0 {
            let candidate = Script { work: Some(work - step), ..self.best.clone() };
            if work > step && self.try_out(candidate) {
                work -= step;
            } else {
                step /= 2;
            }
        }
    }

    fn leave_out(&mut self, part: impl Fn(&mut Script) -> &mut BTreeSet<u64>, count: u64) {
        let mut size = count.next_power_of_two() / 2;
        while size > 0 {
            for from in (0..count).step_by(size as usize) {
                let mut candidate = self.best.clone();
                part(&mut candidate).extend(from..(from + size).min(count));
                self.try_out(candidate);
            }
            size /= 2;
        }
    }
}
