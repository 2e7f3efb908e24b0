//! Decides a history again, from nothing: the log must be what was acknowledged, and every verdict and commit must be the same bytes.
//! What was decided after the first pruning is left out: it may depend on what the space no longer knows.
//! Part of the judge.

use super::{Finding, Judge};
use crate::host::{Decision, HostError, SpaceHost};
use crate::rules::Rules;
use ebbtide_core::codec::Codec;
use ebbtide_core::ids::{DeviceSeq, Hash, Incarnation, Millis};
use ebbtide_core::message::{ClientMessage, Hello, Submit};
use ebbtide_protocol::{WireCodec, encode_client};
use std::collections::BTreeMap;
use std::rc::Rc;

impl Judge {
    /// The end: all commits are there as they were acknowledged, and deciding the same again gives the same bytes.
    pub fn replay(&self, space: &mut SpaceHost) -> Result<(), Finding> {
        let kept = space.commits();
        let pruned = self.line.log.len().checked_sub(kept.len()).filter(|pruned| *pruned as u64 == space.floor().0);
        if pruned.is_none_or(|pruned| kept != self.line.log[pruned..]) {
            return Err("G1: the space's log is not what it acknowledged".into());
        }
        let mut authors: BTreeMap<u32, Incarnation> = BTreeMap::new();
        self.line.decisions.iter().for_each(|decision| {
            authors.insert(decision.author.0, decision.incarnation);
        });
        let mut fresh = SpaceHost::open(&self.releases.get(0).schema);
        fresh.set_rules(Rc::new(Rules));
        self.replay_into(&mut fresh, &authors)?;
        let whole = self.line.repeatable.is_none();
        if whole && (fresh.head() != space.head() || fresh.rows() != space.rows()) {
            return Err("G5: the same history gave another result".into());
        }
        Ok(())
    }

    fn replay_into(&self, fresh: &mut SpaceHost, authors: &BTreeMap<u32, Incarnation>) -> Result<(), Finding> {
        self.greet_all(fresh, authors, 0)?;
        let most = self.line.repeatable.unwrap_or(self.line.decisions.len());
        let mut deployments = self.line.deployments.iter().peekable();
        for (place, decision) in self.line.decisions.iter().enumerate() {
            while let Some((_, release, now)) = deployments.next_if(|(before, ..)| *before == place && place <= most) {
                self.deploy_again(fresh, *release, *now)?;
                self.greet_all(fresh, authors, place)?;
            }
            if place == most {
                return Ok(());
            }
            self.decide_again(fresh, decision)?;
        }
        deployments.try_for_each(|(_, release, now)| self.deploy_again(fresh, *release, *now))
    }

    fn deploy_again(&self, fresh: &mut SpaceHost, release: usize, now: Millis) -> Result<(), Finding> {
        let deployed = fresh.deploy(&self.releases.get(release).schema, now);
        deployed.map_err(|error| format!("G5: a migration fails in a replay: {error}"))
    }

    fn decide_again(&self, fresh: &mut SpaceHost, decision: &Decision) -> Result<(), Finding> {
        let (device_seq, bytes) = (decision.device_seq, decision.bytes.clone());
        let said = match decision.is_void() {
            true => ClientMessage::Void { device_seq },
            false => ClientMessage::Submit(Submit { device_seq, applied_receipt: DeviceSeq(0), bytes }),
        };
        let bytes = encode_client(&[said]);
        let answer = fresh.receive(u64::from(decision.author.0), &bytes, decision.now, None).map_err(fails)?;
        let again = answer.decisions.first();
        if again.is_none_or(|again| again.receipt != decision.receipt || again.commit != decision.commit) {
            return Err(format!("G5: number {} was decided otherwise when it was replayed", device_seq.0));
        }
        Ok(())
    }

    /// Everybody says hello, after so many decisions.
    fn greet_all(
        &self,
        fresh: &mut SpaceHost,
        authors: &BTreeMap<u32, Incarnation>,
        decided: usize,
    ) -> Result<(), Finding> {
        let catalogue = fresh.catalogue();
        for author in 1..=authors.keys().max().copied().unwrap_or(0) {
            // An author without a decision still takes its short name.
            let unknown = Incarnation([author as u8; 16]);
            let last = self.line.decisions[..decided].iter().rfind(|decision| decision.author.0 == author);
            let hash = |last: &Decision| if last.is_void() { Hash::default() } else { WireCodec.hash(&last.bytes) };
            let last_decided = last.map(|last| (last.device_seq, hash(last)));
            let hello = Hello {
                min_version: 1,
                max_version: 1,
                incarnation: authors.get(&author).copied().unwrap_or(unknown),
                next_device_seq: last.map_or(DeviceSeq(1), |last| last.device_seq.next()),
                last_decided,
                schema: catalogue.version,
                schema_hash: catalogue.hash,
                ..Hello::default()
            };
            fresh.connect(u64::from(author), "ada", true);
            let bytes = encode_client(&[ClientMessage::Hello(hello)]);
            fresh.receive(u64::from(author), &bytes, Millis(0), None).map_err(fails)?;
        }
        Ok(())
    }
}

fn fails(error: HostError) -> Finding {
    format!("G5: a replay fails: {error:?}")
}
