//! Judges a run by the guarantees: every decision against the reference, every device against the formula, all along.
//! It only looks; it never tells the engine anything. A finding is a sentence that names the guarantee.
//! The world shows it what happened.

use crate::device::Durable;
use crate::host::{Decision, SpaceHost};
use crate::reference::sets;
use crate::reference::space::ReferenceSpace;
use crate::rows::{Rows, difference};
use ebbtide_core::catalogue::{Catalogue, Strategy};
use ebbtide_core::change::{LoggedTransaction, RowId, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::{Effect, Receipt, SealedCommit};
use ebbtide_core::ids::{DeviceSeq, Incarnation, Opening};
use ebbtide_core::message::{ClientMessage, Hello, ServerMessage, Submit};
use ebbtide_core::value::Value;
use ebbtide_protocol::{WireCodec, encode_client};
use ebbtide_store::schema::Schema;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A broken guarantee.
pub type Finding = String;

/// What names a transaction.
type Id = (Incarnation, Opening, Stamp);

/// See the file's header.
pub struct Judge {
    catalogue: Rc<Catalogue>,
    reference: ReferenceSpace,
    /// The space's rows at every seq.
    history: Vec<Rc<Rows>>,
    /// The newest stamp up to every seq.
    stamps: Vec<u64>,
    decisions: Vec<Decision>,
    receipts: BTreeMap<(Incarnation, DeviceSeq), Receipt>,
    sealed: BTreeMap<(Incarnation, DeviceSeq), Vec<u8>>,
    /// By device and life: copies of one database go on by themselves.
    cursors: BTreeMap<(usize, Incarnation), u64>,
    /// The rows of every decided transaction, by the life and run that captured it and its stamp.
    decided_rows: BTreeMap<Id, BTreeSet<RowId>>,
    /// Lives that were set back or copied: they may seal other bytes under a number, until they notice.
    set_back: BTreeSet<Incarnation>,
}

impl Judge {
    /// Nothing has happened.
    pub fn new(catalogue: Rc<Catalogue>) -> Self {
        Self {
            reference: ReferenceSpace::new(catalogue.clone()),
            catalogue,
            history: vec![Rc::new(Rows::new())],
            stamps: vec![0],
            decisions: Vec::new(),
            receipts: BTreeMap::new(),
            sealed: BTreeMap::new(),
            cursors: BTreeMap::new(),
            decided_rows: BTreeMap::new(),
            set_back: BTreeSet::new(),
        }
    }

    /// How many commits there are.
    pub fn head(&self) -> u64 {
        self.history.len() as u64 - 1
    }

    /// How many changesets were decided.
    pub fn decided_count(&self) -> usize {
        self.decisions.len()
    }

    /// An event of the space ended, with these decisions in it.
    pub fn decided(&mut self, decisions: Vec<Decision>, space: &SpaceHost) -> Result<(), Finding> {
        if decisions.is_empty() {
            return Ok(());
        }
        for decision in decisions {
            self.decide(decision)?;
        }
        let (rows, expected) = (space.rows(), &self.history[self.history.len() - 1]);
        if rows != **expected {
            let differing = difference(&rows, expected, &self.catalogue);
            return Err(format!("G5: the space's rows are not what the rules say (space | reference):{differing}"));
        }
        halves_agree(&rows, &self.catalogue).map_err(|finding| format!("{finding} in the space"))
    }

    fn decide(&mut self, decision: Decision) -> Result<(), Finding> {
        let key = (decision.incarnation, decision.device_seq);
        let due =
            self.receipts.keys().filter(|(incarnation, _)| *incarnation == decision.incarnation).count() as u64 + 1;
        if decision.device_seq.0 != due {
            return Err(format!("G2: number {} was decided where {due} was due", decision.device_seq.0));
        }
        let known = self.sealed.get(&key).filter(|_| !self.set_back.contains(&key.0));
        if known.is_some_and(|sealed| *sealed != decision.bytes) {
            return Err(format!("G2: number {} was decided with other bytes than were sealed", decision.device_seq.0));
        }
        let changeset = WireCodec
            .open(&decision.bytes, decision.device_seq, &self.catalogue)
            .map_err(|error| format!("a decided changeset cannot be opened: {}", error.what))?;
        for transaction in &changeset.transactions {
            let seen = transaction.changes.iter().map(|change| change.base.seq.0).max().unwrap_or(0);
            if seen > self.head() || transaction.stamp.0 <= self.stamps[seen as usize] {
                return Err(format!("G6: a transaction is not stamped after what it had seen (up to {seen})"));
            }
        }
        let origin = changeset.origin.unwrap_or(decision.incarnation);
        for Transaction { stamp, changes, .. } in &changeset.transactions {
            let rows = changes.iter().map(|change| change.row.clone());
            self.decided_rows.entry((origin, changeset.opening, *stamp)).or_insert_with(|| rows.collect());
        }
        let visible = decision.receipt.seq.is_some();
        let refused =
            self.reference.decide(decision.incarnation, decision.author.0, &changeset, decision.now.0, visible);
        let rejected: Vec<u32> = decision.receipt.rejected.iter().map(|rejection| rejection.index).collect();
        if refused != rejected {
            let words: Vec<&str> = decision.receipt.rejected.iter().map(|r| r.detail.as_str()).collect();
            return Err(format!(
                "G5: the space refused {rejected:?} {words:?}, the rules refuse {refused:?}: {changeset:?}"
            ));
        }
        if let Some(seq) = decision.receipt.seq {
            if seq.0 != self.head() + 1 {
                return Err(format!("G6: commit {} follows {}", seq.0, self.head()));
            }
            let rows = self.ordered(decision.commit.as_ref())?;
            self.history.push(Rc::new(rows));
            let newest = changeset.transactions.iter().map(|t| t.stamp.0).max().unwrap_or(0);
            let shifted = newest.saturating_sub(decision.receipt.clock_shift_ms << 16);
            self.stamps.push(shifted.max(self.stamps[self.stamps.len() - 1]));
        }
        self.receipts.insert(key, decision.receipt.clone());
        self.decisions.push(decision);
        Ok(())
    }

    /// The reference's rows, with the elements of sets in the order in which the space has put them.
    fn ordered(&mut self, commit: Option<&SealedCommit>) -> Result<Rows, Finding> {
        let mut rows = self.reference.rows();
        let commit = commit.ok_or("G1: a commit is missing")?;
        let commit = WireCodec.open_commit(&commit.bytes, &self.catalogue).map_err(|error| error.what)?;
        let catalogue = self.catalogue.clone();
        let before = self.history[self.history.len() - 1].clone();
        for (row, values) in &mut rows {
            let table = catalogue.table(row.table).expect("a table");
            let sets = table.fields().enumerate().filter(|(_, (column, _))| table.strategy(*column) == Strategy::Set);
            for (position, (column, _)) in sets {
                let outcome = commit.outcomes.iter().rfind(|outcome| outcome.row == *row);
                let told = outcome.and_then(|outcome| match &outcome.effect {
                    Effect::Put(all) => all.get(position),
                    Effect::Set(fields) => fields.iter().find(|field| field.column == column).map(|field| &field.value),
                    Effect::Delete => None,
                });
                let Some(actual) = told.or_else(|| before.get(row)?.get(position)) else { continue };
                if !sets::same(actual, &values[position]) {
                    return Err(format!(
                        "G5: a set became {actual:?}, by the rules it is {:?}: {row:?}",
                        values[position]
                    ));
                }
                values[position] = actual.clone();
            }
        }
        Ok(rows)
    }

    /// The space says this to a device, which has confirmed receipts up to `confirmed`.
    pub fn said(
        &self,
        incarnation: Incarnation,
        confirmed: DeviceSeq,
        messages: &[ServerMessage],
    ) -> Result<(), Finding> {
        for message in messages {
            let ServerMessage::Receipt(receipt) = message else { continue };
            let known = self.receipts.get(&(incarnation, receipt.device_seq));
            let same = known.is_some_and(|known| match receipt.device_seq > confirmed {
                true => known == receipt,
                false => known.seq == receipt.seq,
            });
            if !same {
                return Err(format!("G2: a receipt changed: {known:?} became {receipt:?}"));
            }
        }
        Ok(())
    }

    /// A device was set back to this state.
    pub fn set_back(&mut self, device: usize, to: &Durable) {
        self.set_back.insert(to.state.incarnation);
        self.cursors.insert((device, to.state.incarnation), to.state.cursor.seq.0);
    }

    /// A device seals: its bytes must stay as they are.
    pub fn sealed(&mut self, incarnation: Incarnation, number: DeviceSeq, bytes: &[u8]) -> Result<(), Finding> {
        if self.set_back.contains(&incarnation) {
            return Ok(());
        }
        let known = self.sealed.entry((incarnation, number)).or_insert_with(|| bytes.to_vec());
        if known != bytes { Err(format!("G2: the bytes of number {} changed", number.0)) } else { Ok(()) }
    }

    /// Whether the judge has seen these sealed bytes.
    pub fn knows_sealed(&self, incarnation: Incarnation, number: DeviceSeq) -> bool {
        self.sealed.contains_key(&(incarnation, number))
    }

    /// A device's whole state at any moment between two steps.
    pub fn device(&mut self, device: usize, durable: &Durable) -> Result<(), Finding> {
        let cursor = durable.state.cursor.seq.0;
        let before = self.cursors.insert((device, durable.state.incarnation), cursor).unwrap_or(0);
        if cursor < before || cursor > self.head() {
            return Err(format!("a cursor went from {before} to {cursor} with head {}", self.head()));
        }
        let expected = durable.expected(&self.history[cursor as usize], &self.catalogue);
        if durable.rows != expected {
            let differing = difference(&durable.rows, &expected, &self.catalogue);
            let waiting: String = durable.log.iter().map(|transaction| waiting_line(durable, transaction)).collect();
            return Err(format!("a device at {cursor} does not show the fold (device | fold):{differing}{waiting}"));
        }
        halves_agree(&durable.rows, &self.catalogue)
    }

    /// Nothing that waited on a device leaves it undecided, or for something else that was decided under its name.
    pub fn left(&self, before: &Durable, after: &Durable) -> Result<(), Finding> {
        let id = |durable: &Durable, t: &LoggedTransaction| -> Id {
            (t.origin.unwrap_or(durable.state.incarnation), t.opening, t.stamp)
        };
        let waiting: BTreeSet<Id> = after.log.iter().map(|transaction| id(after, transaction)).collect();
        for transaction in before.log.iter().filter(|transaction| !waiting.contains(&id(before, transaction))) {
            let rows: BTreeSet<&RowId> = transaction.changes.iter().map(|change| &change.row).collect();
            let decided = self.decided_rows.get(&id(before, transaction));
            if !decided.is_some_and(|decided| decided.iter().all(|row| rows.contains(row))) {
                return Err(format!(
                    "G1: a transaction left undecided, or as another one: {transaction:?}, {decided:?}"
                ));
            }
        }
        Ok(())
    }

    /// After a crash a device is as it was before or after what it was doing; nothing is asked if `allowed` is empty.
    pub fn survived(allowed: &[Durable], after: &Durable, catalogue: &Catalogue) -> Result<(), Finding> {
        let Some(last) = allowed.last() else { return Ok(()) };
        if allowed.contains(after) {
            return Ok(());
        }
        let differing = difference(&after.rows, &last.rows, catalogue);
        let counts = (last.log.len(), after.log.len(), last.sealed.len(), after.sealed.len());
        Err(format!("G1: a crash changed what was acknowledged {counts:?} (after | before):{differing}"))
    }

    /// Nothing silent: a device lists every refused transaction of its own and every overwrite of the whole history. One whose
    /// life is not its first need not list what only an earlier one was told.
    pub fn recorded(
        &self,
        incarnation: Incarnation,
        is_first: bool,
        refused: &[Stamp],
        overwritten: usize,
    ) -> Result<(), Finding> {
        let (mut own, mut all) = (Vec::new(), BTreeSet::new());
        let mut conflicts = 0;
        for decision in &self.decisions {
            conflicts += decision.receipt.conflicts as usize;
            let changeset = WireCodec.open(&decision.bytes, decision.device_seq, &self.catalogue);
            let changeset = changeset.map_err(|error| error.what)?;
            let rejected = decision.receipt.rejected.iter();
            let stamps = rejected.map(|rejection| changeset.transactions[rejection.index as usize].stamp);
            for stamp in stamps {
                all.insert(stamp);
                own.extend((decision.incarnation == incarnation).then_some(stamp));
            }
        }
        // Numbers without a commit may be settled after later ones, so the order is not that of deciding.
        own.sort();
        let mut refused = refused.to_vec();
        refused.sort();
        let complete = if is_first { own == refused } else { own.iter().all(|stamp| refused.contains(stamp)) };
        if !complete || !refused.iter().all(|stamp| all.contains(stamp)) {
            return Err(format!("G8: {refused:?} are listed as refused, not {own:?}"));
        }
        if conflicts != overwritten {
            return Err(format!("G8: {overwritten} overwrites are listed, not {conflicts}"));
        }
        Ok(())
    }

    /// The end: all commits are there as they were acknowledged, and deciding the same again gives the same bytes.
    pub fn replay(&self, space: &mut SpaceHost, schema: &Schema) -> Result<(), Finding> {
        let acknowledged: Vec<_> = self.decisions.iter().filter_map(|decision| decision.commit.clone()).collect();
        if space.commits() != acknowledged {
            return Err("G1: the space's log is not what it acknowledged".into());
        }
        let mut authors: BTreeMap<u32, Incarnation> = BTreeMap::new();
        self.decisions.iter().for_each(|decision| {
            authors.insert(decision.author.0, decision.incarnation);
        });
        let mut fresh = SpaceHost::open(schema);
        self.replay_into(&mut fresh, &authors)?;
        if fresh.head() != space.head() || fresh.rows() != space.rows() {
            return Err("G5: the same history gave another result".into());
        }
        Ok(())
    }

    fn replay_into(&self, fresh: &mut SpaceHost, authors: &BTreeMap<u32, Incarnation>) -> Result<(), Finding> {
        let fails = |error| format!("G5: a replay fails: {error:?}");
        let catalogue = &self.catalogue;
        for author in 1..=authors.keys().max().copied().unwrap_or(0) {
            // An author without a decision still takes its short name.
            let unknown = Incarnation([author as u8; 16]);
            let hello = Hello {
                min_version: 1,
                max_version: 1,
                incarnation: authors.get(&author).copied().unwrap_or(unknown),
                next_device_seq: DeviceSeq(1),
                schema: catalogue.version,
                schema_hash: catalogue.hash,
                ..Hello::default()
            };
            fresh.connect(u64::from(author), "ada", true);
            let bytes = encode_client(&[ClientMessage::Hello(hello)]);
            fresh.receive(u64::from(author), &bytes, ebbtide_core::ids::Millis(0), None).map_err(fails)?;
        }
        for decision in &self.decisions {
            let (device_seq, bytes) = (decision.device_seq, decision.bytes.clone());
            let submit = ClientMessage::Submit(Submit { device_seq, applied_receipt: DeviceSeq(0), bytes });
            let bytes = encode_client(&[submit]);
            let answer = fresh.receive(u64::from(decision.author.0), &bytes, decision.now, None).map_err(fails)?;
            let again = answer.decisions.first();
            if again.is_none_or(|again| again.receipt != decision.receipt || again.commit != decision.commit) {
                return Err(format!("G5: number {} was decided otherwise when it was replayed", device_seq.0));
            }
        }
        Ok(())
    }
}

fn waiting_line(durable: &Durable, transaction: &LoggedTransaction) -> String {
    let blocked = if durable.blocked.contains(&transaction.id) { "blocked" } else { "waiting" };
    format!("\n    {blocked} {} from {}: {:?}", transaction.id.0, transaction.base.seq.0, transaction.changes)
}

/// The halves are always written together, so they are seen together.
fn halves_agree(rows: &Rows, catalogue: &Catalogue) -> Result<(), Finding> {
    let half = |name: &str| -> BTreeMap<&RowId, &Vec<Value>> {
        let table = catalogue.table_id(name);
        rows.iter().filter(|(row, _)| Some(row.table) == table).collect()
    };
    let (left, right) = (half("left_half"), half("right_half"));
    let same = left.len() == right.len() && left.iter().zip(&right).all(|(l, r)| l.0.key == r.0.key && l.1 == r.1);
    if same { Ok(()) } else { Err(format!("G3: half of a transaction is visible: {left:?} | {right:?}")) }
}
