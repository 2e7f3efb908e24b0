//! Fetches a snapshot: its pages, the commits since it began, the verdicts on what is sealed; then has it installed.
//! All of it is staged in the database, so a break or a restart loses at most one page. What installing means is for `snapshot`.

use super::ahead;
use super::apply::Applied;
use super::left_out::LeftOut;
use super::recover;
use super::session::{ClientSession, Output, Step, cause};
use super::snapshot;
use super::start::{self, Start};
use super::store::{ClientStore, Rebuild, SnapshotState, StagedPart};
use super::versions;
use crate::codec::Codec;
use crate::error::{Fault, Malformed, RefusalCode};
use crate::ids::{Cursor, DeviceSeq};
use crate::message::RangeItem;
use crate::message::{ClientMessage, ItemBody, Page, Range};
use alloc::{collections::BTreeSet, vec, vec::Vec};

/// What the space must have said on this connection before a snapshot may be installed.
#[derive(Debug, Default)]
pub struct Verdicts {
    asked: BTreeSet<DeviceSeq>,
    missing: BTreeSet<DeviceSeq>,
    /// What follows the staged part of its history. Whoever never asked for that is not told of later commits.
    continuation: bool,
}

impl Verdicts {
    /// Whether the space owes an answer.
    pub fn awaits_answer(&self) -> bool {
        !self.missing.is_empty()
    }

    /// Forgets what was asked: the connection is gone, or there is another snapshot.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// The space has sent the last page, or what is after the last.
    fn continued(&mut self) {
        self.continuation = true;
    }

    /// The space has said what it knows of a number.
    pub fn answered(&mut self, device_seq: DeviceSeq) {
        self.missing.remove(&device_seq);
    }
}

impl ClientSession {
    /// From here on nothing is applied until the rows were replaced by a snapshot.
    pub(super) fn begin_rebuild<S: ClientStore, C: Codec>(
        &mut self,
        why: Rebuild,
        step: &mut Step<S, C>,
    ) -> Result<(), S::Error> {
        self.pulling = false;
        self.timers.confirm_at = None;
        self.uploads.reset();
        self.verdicts.forget();
        // What would be received is told by pages, and pages are for installing.
        self.fail_plan(&cause(RefusalCode::SnapshotNeeded.code(), true), step);
        if why == Rebuild::OtherHistory {
            step.store.drop_snapshot()?;
        }
        if step.device.rebuild != Some(Rebuild::OtherHistory) {
            step.device.rebuild = Some(why);
        }
        step.store.set_device(&step.device)
    }

    /// The history from the device's cursor on is no longer kept, or that from the end of its pages on: then these are of no use.
    pub(super) fn begin_over<S: ClientStore, C: Codec>(&mut self, step: &mut Step<S, C>) -> Result<(), S::Error> {
        if step.store.snapshot()?.is_some_and(|state| state.complete) {
            step.store.drop_snapshot()?;
        }
        self.begin_rebuild(Rebuild::Behind, step)
    }

    /// What to ask for next; installs the snapshot when nothing is missing.
    pub(super) fn rebuild<S: ClientStore, C: Codec>(
        &mut self,
        step: &mut Step<S, C>,
    ) -> Result<Vec<ClientMessage>, Fault<S::Error>> {
        if self.pulling || self.verdicts.awaits_answer() || self.recalls.awaits_answer() {
            return Ok(Vec::new());
        }
        let max_bytes = self.pace.bytes();
        let Some(state) = step.store.snapshot()? else {
            self.pulling = true;
            return Ok(vec![ClientMessage::Snapshot { token: None, max_bytes }]);
        };
        if !state.complete {
            self.pulling = true;
            return Ok(vec![ClientMessage::Snapshot { token: Some(state.token), max_bytes }]);
        }
        if state.upto.seq < self.status.head || !self.verdicts.continuation {
            self.pulling = true;
            return Ok(vec![ClientMessage::Pull { cursor: state.upto, max_bytes, held: step.store.held_parts()? }]);
        }
        let questions = self.ask_verdicts(step)?;
        if questions.is_empty() {
            self.install(&state, step)?;
        }
        Ok(questions)
    }

    fn ask_verdicts<S: ClientStore, C: Codec>(
        &mut self,
        step: &mut Step<S, C>,
    ) -> Result<Vec<ClientMessage>, S::Error> {
        let mut questions = Vec::new();
        for entry in step.store.sealed()?.into_iter().filter(|entry| entry.receipt.is_none()) {
            if self.verdicts.asked.insert(entry.device_seq) {
                self.verdicts.missing.insert(entry.device_seq);
                questions.push(ClientMessage::Resume { device_seq: entry.device_seq, hash: entry.hash });
            }
        }
        Ok(questions)
    }

    fn install<S: ClientStore, C: Codec>(
        &mut self,
        state: &SnapshotState,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        let mut applied = Applied::default();
        let left_out = LeftOut::lift(state, &step.device, self.recalls.answers(), step.store)?;
        if self.options.start == Start::Take && step.store.waiting()?.local > 0 {
            start::give_way(step.store, &mut applied)?;
        }
        if step.device.rebuild == Some(Rebuild::OtherHistory) {
            step.device.forget_trail_above(recover::fork(self.recalls.answers()));
        }
        snapshot::install(state, left_out, &mut step.device, step.store, step.codec, &mut applied)?;
        if step.device.recovering {
            let other_history = step.device.rebuild == Some(Rebuild::OtherHistory);
            recover::leave_log(self.recalls.answers(), other_history, step.store, step.codec, &mut applied)?;
            step.device.recovering = false;
            self.recalls.forget();
        }
        ahead::in_snapshot(state.token.schema, &step.device, step.store)?;
        versions::space_is_at(state.token.schema, &mut step.device, step.store)?;
        snapshot::finish(step.store)?;
        step.device.rebuild = None;
        step.store.set_device(&step.device)?;
        self.verdicts.forget();
        if let Some(wish) = self.wish.as_mut() {
            wish.pulled = true;
        }
        self.report(applied, step);
        step.outputs.push(Output::Applied { seq: step.device.cursor.seq });
        // What is local may go, or waits for the app, from here on.
        self.settle_start(step)
    }

    /// A page came.
    pub(super) fn page<S: ClientStore, C: Codec>(
        &mut self,
        page: Page,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        let asked = self.pull_answered();
        if !asked || step.device.rebuild.is_none() {
            return Ok(());
        }
        let staged = step.store.snapshot()?;
        if page.first {
            step.store.drop_snapshot()?;
        } else if !staged.is_some_and(|state| !state.complete && same_snapshot(&state, &page)) {
            return Ok(());
        }
        let version = step.codec.schema_of(&page.bytes).map_err(Fault::Peer)?;
        if !versions::knows(version, step.store)? {
            self.ask_for_catalogue(version, step);
            return Ok(());
        }
        // What cannot be read now could not be installed later.
        versions::look_into(&page.bytes, step.store, step.codec)?;
        let Page { token, head, last, bytes, .. } = page;
        let upto = Cursor { seq: token.begun_at, chain: token.chain, view: token.view };
        if last {
            self.verdicts.continued();
        }
        self.backoff.reset();
        step.store.stage(&if last { StagedPart::LastPage(bytes) } else { StagedPart::Page(bytes) })?;
        step.store.set_snapshot(&SnapshotState { token, complete: last, upto })?;
        self.status.head = self.status.head.max(head);
        Ok(())
    }

    /// Commits since the snapshot began are staged with it; others are of no use now.
    pub(super) fn stage_range<S: ClientStore, C: Codec>(
        &mut self,
        range: &Range,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        let asked = self.pull_answered();
        self.status.head = self.status.head.max(range.upto);
        let Some(mut state) = step.store.snapshot()?.filter(|state| state.complete) else { return Ok(()) };
        if asked {
            self.verdicts.continued();
        }
        if asked && range.from == state.upto.seq && range.upto == range.from {
            // The space has no more. A later commit of which something told was of a history that it has lost.
            self.status.head = range.upto;
        }
        if range.from > state.upto.seq || range.upto <= state.upto.seq {
            return Ok(());
        }
        let items = || range.items.iter().filter(|item| item.seq > state.upto.seq);
        let sealed: BTreeSet<DeviceSeq> = step.store.sealed()?.into_iter().map(|entry| entry.device_seq).collect();
        let unknown = |body: &ItemBody| matches!(body, ItemBody::OwnMerged(number, _) if !sealed.contains(number));
        if items().any(|item| unknown(&item.body)) {
            return Ok(self.begin_new_life(RefusalCode::UnknownNumbers, step)?);
        }
        let fresh: Vec<&RangeItem> = items().collect();
        if let Some(version) = versions::first_unknown(&fresh, step.store, step.codec)? {
            self.ask_for_catalogue(version, step);
            return Ok(());
        }
        for item in fresh {
            let Some(bytes) = item.body.encoded() else {
                return Err(Fault::Peer(Malformed { what: "a commit without its outcomes for a snapshot" }));
            };
            step.store.stage(&StagedPart::Commit(item.seq, bytes.to_vec()))?;
        }
        state.upto = Cursor { seq: range.upto, chain: range.chain, view: state.upto.view };
        self.backoff.reset();
        Ok(step.store.set_snapshot(&state)?)
    }
}

fn same_snapshot(state: &SnapshotState, page: &Page) -> bool {
    state.token.begun_at == page.token.begun_at && state.token.chain == page.token.chain
}
