//! What a device must be able to tell: every refusal and every overwrite of the history, and nothing that never was.
//! How much of it a device may have missed, because its rows came from a snapshot or its space was set back, it is told.
//! Part of the judge.

use super::{Finding, Judge, id_of};
use crate::device::Durable;
use ebbtide_core::change::LoggedTransaction;
use ebbtide_core::clock::Stamp;
use ebbtide_core::ids::{Incarnation, LogId};
use std::collections::BTreeSet;

/// How much of its history a device has gone through itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// All refusals: its life is the first.
    pub refusals: bool,
    /// All overwrites: it applied every commit.
    pub overwrites: bool,
}

impl Judge {
    /// Nothing silent: a device lists every refused transaction of its own and every overwrite of the history that it went through.
    pub fn recorded(
        &self,
        incarnation: Incarnation,
        witness: Witness,
        refused: &[Stamp],
        overwritten: usize,
    ) -> Result<(), Finding> {
        let mut own = Vec::new();
        let mut conflicts = 0;
        for decision in self.line.decisions.iter().filter(|decision| !decision.is_void()) {
            conflicts += decision.receipt.conflicts as usize;
            let changeset = self.open(decision)?;
            let rejected = decision.receipt.rejected.iter().filter(|_| decision.incarnation == incarnation);
            own.extend(rejected.map(|rejection| changeset.transactions[rejection.index as usize].stamp));
        }
        // Numbers without a commit may be settled after later ones, so the order is not that of deciding.
        own.sort();
        let mut refused = refused.to_vec();
        refused.sort();
        let is_told = |stamp: &Stamp| refused.contains(stamp) || self.is_off_the_list(*stamp);
        let complete =
            own.iter().all(is_told) && (!witness.refusals || refused.iter().all(|stamp| own.contains(stamp)));
        if !complete || !refused.iter().all(|stamp| self.refused_ever.contains(stamp)) {
            return Err(format!("G8: {refused:?} are listed as refused, not {own:?}"));
        }
        if witness.overwrites && conflicts != overwritten {
            return Err(format!("G8: {overwritten} overwrites are listed, not {conflicts}"));
        }
        Ok(())
    }

    /// Somebody took a refused transaction off a list: discarded it, or committed it again.
    pub fn off_the_list(&mut self, stamp: Stamp) {
        self.off_the_list.insert(stamp);
    }

    /// Whether somebody ever did.
    pub fn is_off_the_list(&self, stamp: Stamp) -> bool {
        self.off_the_list.contains(&stamp)
    }

    /// What waits on a device although it was decided, for a copy of it.
    pub fn decided_already(&self, durable: &Durable) -> BTreeSet<LogId> {
        let life = durable.state.incarnation;
        let is_decided = |of: &&LoggedTransaction| self.decided_rows.contains_key(&id_of(life, of));
        let decided = durable.log.iter().filter(is_decided);
        decided.map(|transaction| transaction.id).collect()
    }

    /// A space that was set back has been given again what it had accepted before, by everyone who could: lives in `excused` could not.
    pub fn brought_back(&self, excused: impl Fn(Incarnation) -> bool) -> Result<(), Finding> {
        let gone = self.lost.difference(&self.line.decided).filter(|id| !self.settled.contains(*id));
        let mut missing = gone.filter(|(life, ..)| !excused(*life));
        match missing.next() {
            None => Ok(()),
            Some((life, _, stamp)) => Err(format!(
                "G1: what was accepted before the space was set back is gone: {} of {:x?}, at {}",
                1 + missing.count(),
                &life.0[..4],
                stamp.0 >> 16
            )),
        }
    }
}
