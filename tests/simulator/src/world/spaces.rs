//! Spaces and their output gates: what an event wants to say waits until what it wrote is safe, and is lost with it.
//! It knows how an object is evicted and dies, not what its messages mean.
//! Part of the world.

use super::{Event, World};
use crate::disk::Image;
use crate::host::{Answer, ConnectionId, HostError, SpaceHost};
use crate::judge::{Finding, Judge, Line};
use crate::releases::Releases;
use crate::rules::Rules;
use ebbtide_core::ids::Incarnation;
use std::rc::Rc;

/// Who spoke.
#[derive(Debug, Clone, Copy)]
pub(super) enum Speaker {
    /// A connection.
    Connection(ConnectionId),
    /// The service worker of a device.
    Mail { device: usize, incarnation: Incarnation },
}

/// A space, its judge, and what waits at its gate.
pub(super) struct SpaceSeat {
    pub(super) host: SpaceHost,
    pub(super) judge: Judge,
    pub(super) gate: Vec<(Speaker, Answer)>,
    /// A copy of the space, and what the judge knew then.
    pub(super) backup: Option<(Image, Line)>,
}

/// How a space dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// With all that was not flushed.
    Whole,
    /// Just after a flush, before anything was said.
    BeforeOutputs,
}

impl SpaceSeat {
    pub(super) fn open(releases: &Rc<Releases>) -> Self {
        let mut host = SpaceHost::open(&releases.get(0).schema);
        host.set_rules(Rc::new(Rules));
        Self { judge: Judge::new(releases.clone()), host, gate: Vec::new(), backup: None }
    }
}

impl World {
    /// One event of a space. Its outputs go out with the next flush.
    pub(super) fn hear(
        &mut self,
        space: usize,
        connection: ConnectionId,
        speaker: Speaker,
        bytes: &[u8],
        crash_after: Option<usize>,
    ) -> Result<(), Finding> {
        let now = self.time();
        match self.spaces[space].host.receive(connection, bytes, now, crash_after) {
            Ok(answer) => {
                if self.spaces[space].gate.is_empty() {
                    let delay_ms = self.random.between(1, 15);
                    self.after(delay_ms, Event::Flush { space });
                }
                self.spaces[space].gate.push((speaker, answer));
                Ok(())
            }
            Err(HostError::Crashed) => self.crash_space(space),
            Err(error) => Err(format!("the space failed: {error:?}")),
        }
    }

    pub(super) fn flush(&mut self, space: usize) -> Result<(), Finding> {
        for (speaker, answer) in self.confirm(space)? {
            self.answered(space, speaker, answer)?;
        }
        Ok(())
    }

    /// What was written is safe, so it is judged. Answers what may be said now.
    fn confirm(&mut self, space: usize) -> Result<Vec<(Speaker, Answer)>, Finding> {
        let SpaceSeat { host, judge, gate, .. } = &mut self.spaces[space];
        let mut answers = std::mem::take(gate);
        if answers.is_empty() {
            return Ok(answers);
        }
        host.flush();
        let mut decisions = Vec::new();
        for (_, answer) in &mut answers {
            for decision in &answer.decisions {
                let (author, number) = (u64::from(decision.author.0), decision.device_seq.0);
                let numbers = [space as u64, author, number, decision.receipt.decided_at.0];
                self.trace.event(self.now, "decided", &numbers);
            }
            decisions.append(&mut answer.decisions.clone());
        }
        judge.decided(decisions, host)?;
        Ok(answers)
    }

    /// Before a message is handled: the object may be evicted, or is about to die in the middle of the event.
    pub(super) fn space_fault(&mut self, space: usize) -> Option<usize> {
        if self.calm {
            return None;
        }
        if self.random.percent(6) {
            self.trace.event(self.now, "evicted", &[space as u64]);
            let schema = self.space_schema(space);
            self.spaces[space].host.evict(&schema);
        }
        if self.random.percent(2) {
            self.faults += 1;
            return Some(self.random.below(3) as usize);
        }
        None
    }

    /// The object dies, with what had not been flushed or right after a flush.
    pub(super) fn crash_space(&mut self, space: usize) -> Result<(), Finding> {
        let death = *self.random.pick(&[Death::Whole, Death::BeforeOutputs]);
        self.trace.event(self.now, "a space crashes", &[space as u64, u64::from(death == Death::Whole)]);
        match death {
            Death::Whole => self.spaces[space].gate.clear(),
            Death::BeforeOutputs => drop(self.confirm(space)?),
        }
        let schema = self.space_schema(space);
        self.spaces[space].host.crash(&schema);
        self.reset_all(space);
        Ok(())
    }
}
