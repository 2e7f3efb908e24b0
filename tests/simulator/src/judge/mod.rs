//! Judges a run by the guarantees: every decision against the reference, every device against the formula, all along.
//! It only looks; it never tells the engine anything. A finding is a sentence that names the guarantee.
//! The world shows it what happened.

mod folded;
mod local;
mod queue;
mod recorded;
mod replay;
mod upgrades;
mod words;

pub use local::{Became, Step, renumber};
pub use recorded::Witness;

use crate::device::Durable;
use crate::host::{Decision, SpaceHost};
use crate::reference::sets;
use crate::reference::space::{Id, ReferenceSpace};
use crate::reference::texts::{self, AllTyped};
use crate::releases::{Release, Releases};
use crate::rows::{Rows, difference};
use ebbtide_core::catalogue::{Catalogue, Strategy};
use ebbtide_core::change::Changeset;
use ebbtide_core::change::{LoggedTransaction, RowId, Transaction};
use ebbtide_core::client::store::Rebuild;
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::{Commit, Effect, Receipt, SealedCommit};
use ebbtide_core::conflict::{ConflictId, OpenConflict};
use ebbtide_core::ids::{ChainHash, ColumnId, DeviceSeq, Incarnation, Millis};
use ebbtide_core::message::ServerMessage;
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A row as somebody shows it.
type Shown<'a> = (&'a RowId, &'a Vec<Value>);

/// A broken guarantee.
pub type Finding = String;

/// See the file's header.
pub struct Judge {
    releases: Rc<Releases>,
    /// The tables of the last release, in whose terms everything is judged.
    catalogue: Rc<Catalogue>,
    line: Line,
    /// The space's rows at every point of every history that there ever was.
    points: BTreeMap<(u64, ChainHash), Rc<Rows>>,
    sealed: BTreeMap<(Incarnation, DeviceSeq), Vec<u8>>,
    /// By device and life: copies of one database go on by themselves.
    cursors: BTreeMap<(usize, Incarnation), u64>,
    /// The rows of every decided transaction, by the life and run that captured it and its stamp.
    decided_rows: BTreeMap<Id, BTreeSet<RowId>>,
    /// Lives that were set back or copied: they may seal other bytes under a number, until they notice.
    set_back: BTreeSet<Incarnation>,
    /// What a space accepted before it was set back.
    lost: BTreeSet<Id>,
    /// Every refusal of every history.
    refused_ever: BTreeSet<Stamp>,
    /// What somebody took off a list of refused transactions.
    off_the_list: BTreeSet<Stamp>,
    /// What some history decided without making it part of a commit: nobody needs to bring it back.
    settled: BTreeSet<Id>,
    /// What every captured transaction did to texts.
    typed: BTreeMap<Id, AllTyped>,
    /// Every captured transaction.
    captured: BTreeMap<Id, LoggedTransaction>,
    /// What gave way when a device turned sync on.
    gave_way: BTreeSet<Id>,
    /// Numbers of which devices were told that they are not taken as one.
    not_taken: BTreeSet<(Incarnation, DeviceSeq)>,
    /// Transactions that were decided as parts of others.
    pub absorbed: u64,
    /// Changesets that were given up.
    pub taken_apart: u64,
    /// Changesets of other rules after the same migrations than the space had when it decided them.
    pub of_then: u64,
    /// Every word that anybody typed, and in which life of a database.
    words: BTreeMap<char, Incarnation>,
}

/// One history of a space. When the space is set back, this is what goes back with it.
#[derive(Clone)]
pub struct Line {
    reference: ReferenceSpace,
    /// The release that the space has.
    release: usize,
    /// The deployments: how many decisions there were, the release, and when.
    deployments: Vec<(usize, usize, Millis)>,
    /// The rows at every seq.
    history: Vec<Rc<Rows>>,
    /// The newest stamp up to every seq.
    stamps: Vec<u64>,
    log: Vec<SealedCommit>,
    decisions: Vec<Decision>,
    /// The conflicts that wait for a person, as commits told them.
    queue: BTreeMap<ConflictId, OpenConflict>,
    receipts: BTreeMap<(Incarnation, DeviceSeq), Receipt>,
    /// Texts in which words may stand twice or have been put anew, and those words.
    doubled: BTreeMap<(RowId, usize), BTreeSet<char>>,
    /// Accepted and refused transactions, and those of them that are part of a commit.
    decided: BTreeSet<Id>,
    accepted: BTreeSet<Id>,
    /// Decisions before history was pruned for the first time: only they can be repeated from nothing.
    repeatable: Option<usize>,
}

impl Judge {
    /// Nothing has happened.
    pub fn new(releases: Rc<Releases>) -> Self {
        let catalogue = releases.catalogue();
        let nothing = Rc::new(Rows::new());
        let line = Line {
            reference: ReferenceSpace::new(releases.get(0).rules.clone()),
            release: 0,
            deployments: Vec::new(),
            history: vec![nothing.clone()],
            stamps: vec![0],
            log: Vec::new(),
            decisions: Vec::new(),
            queue: BTreeMap::new(),
            doubled: BTreeMap::new(),
            receipts: BTreeMap::new(),
            decided: BTreeSet::new(),
            accepted: BTreeSet::new(),
            repeatable: None,
        };
        Self {
            releases,
            catalogue,
            line,
            points: BTreeMap::from([((0, ChainHash::default()), nothing)]),
            sealed: BTreeMap::new(),
            cursors: BTreeMap::new(),
            decided_rows: BTreeMap::new(),
            set_back: BTreeSet::new(),
            lost: BTreeSet::new(),
            refused_ever: BTreeSet::new(),
            off_the_list: BTreeSet::new(),
            settled: BTreeSet::new(),
            typed: BTreeMap::new(),
            captured: BTreeMap::new(),
            gave_way: BTreeSet::new(),
            not_taken: BTreeSet::new(),
            absorbed: 0,
            taken_apart: 0,
            of_then: 0,
            words: BTreeMap::new(),
        }
    }

    /// What a copy of the space has of all this.
    pub fn line(&self) -> Line {
        self.line.clone()
    }

    /// The space was set back to such a copy.
    pub fn rewind(&mut self, line: Line) {
        let gone = std::mem::replace(&mut self.line, line);
        self.lost.extend(gone.accepted);
    }

    /// The space's history was pruned up to here.
    pub fn pruned(&mut self, floor: u64) {
        self.line.reference.prune(floor);
        self.line.repeatable.get_or_insert(self.line.decisions.len());
    }

    /// How many commits there are.
    pub fn head(&self) -> u64 {
        self.line.history.len() as u64 - 1
    }

    /// How many changesets were decided.
    pub fn decided_count(&self) -> usize {
        self.line.decisions.len()
    }

    /// A device's app made this transaction. Answers in how many texts it wrote.
    pub fn captured(&mut self, life: Incarnation, transaction: &LoggedTransaction) -> u64 {
        let typed = texts::typed(transaction, &self.catalogue);
        let texts = typed.len() as u64;
        self.words.extend(typed.values().flat_map(|typed| &typed.came).map(|word| (*word, life)));
        let id = id_of(life, transaction);
        if texts > 0 {
            self.typed.insert(id, typed);
        }
        self.captured.insert(id, transaction.clone());
        texts
    }

    /// An event of the space ended, with these decisions in it.
    pub fn decided(&mut self, decisions: Vec<Decision>, space: &SpaceHost) -> Result<(), Finding> {
        if decisions.is_empty() {
            return Ok(());
        }
        for decision in decisions {
            self.decide(decision)?;
        }
        self.space_is_right(space)
    }

    fn space_is_right(&self, space: &SpaceHost) -> Result<(), Finding> {
        let (rows, expected) =
            (self.present().lift.rows(space.rows()), &self.line.history[self.line.history.len() - 1]);
        if rows != **expected {
            let differing = difference(&rows, expected, &self.catalogue);
            return Err(format!("G5: the space's rows are not what the rules say (space | reference):{differing}"));
        }
        halves_agree(&rows, &self.catalogue).map_err(|finding| format!("{finding} in the space"))
    }

    /// The release that the space has.
    fn present(&self) -> &Release {
        self.releases.get(self.line.release)
    }

    /// A sealed changeset in the terms of the last release.
    fn open(&self, decision: &Decision) -> Result<Changeset, Finding> {
        let fails = |what: &str| format!("a decided changeset cannot be opened: {what}");
        let version = WireCodec.schema_of(&decision.bytes).map_err(|error| fails(error.what))?;
        let release = self.releases.of_version(version).ok_or_else(|| fails("nobody has its schema version"))?;
        let opened = WireCodec.open(&decision.bytes, decision.device_seq, &release.catalogue);
        Ok(release.lift.changeset(opened.map_err(|error| fails(error.what))?))
    }

    /// The rules under which a changeset was sealed.
    fn rules_of(&self, changeset: &Changeset) -> Rc<Catalogue> {
        self.releases.of_version(changeset.schema).expect("a release that it was opened under").rules.clone()
    }

    fn decide(&mut self, decision: Decision) -> Result<(), Finding> {
        let key = (decision.incarnation, decision.device_seq);
        let due = self.line.receipts.keys().filter(|(incarnation, _)| *incarnation == decision.incarnation).count()
            as u64
            + 1;
        if decision.device_seq.0 != due {
            return Err(format!("G2: number {} was decided where {due} was due", decision.device_seq.0));
        }
        if decision.is_void() {
            return self.given_up(decision);
        }
        let known = self.sealed.get(&key).filter(|_| !self.set_back.contains(&key.0));
        if known.is_some_and(|sealed| *sealed != decision.bytes) {
            return Err(format!("G2: number {} was decided with other bytes than were sealed", decision.device_seq.0));
        }
        let changeset = self.open(&decision)?;
        for transaction in &changeset.transactions {
            let seen = transaction.changes.iter().map(|change| change.base.seq.0).max().unwrap_or(0);
            if seen > self.head() || transaction.stamp.0 <= self.line.stamps[seen as usize] {
                return Err(format!("G6: a transaction is not stamped after what it had seen (up to {seen})"));
            }
        }
        let (then, now) = (changeset.schema, self.present().catalogue.version);
        self.of_then += u64::from(then != now && then.migrations() == now.migrations());
        let origin = changeset.origin.unwrap_or(decision.incarnation);
        self.folded_rightly(origin, &changeset, &decision.receipt)?;
        for (index, Transaction { stamp, changes, absorbed, .. }) in changeset.transactions.iter().enumerate() {
            let id = |stamp: &Stamp| (origin, changeset.opening, *stamp);
            let rows = changes.iter().map(|change| change.row.clone());
            self.decided_rows.entry(id(stamp)).or_insert_with(|| rows.collect());
            let refused = decision.receipt.rejected.iter().any(|rejection| rejection.index as usize == index);
            if refused {
                self.refused_ever.insert(*stamp);
            }
            for id in absorbed.iter().chain([stamp]).map(id) {
                let rows = self.captured.get(&id).map(|part| part.changes.iter().map(|change| change.row.clone()));
                self.decided_rows.entry(id).or_insert_with(|| rows.into_iter().flatten().collect());
                self.line.decided.insert(id);
                if refused || decision.receipt.seq.is_none() {
                    self.settled.insert(id);
                } else {
                    self.line.accepted.insert(id);
                }
            }
        }
        let visible = decision.receipt.seq.is_some();
        let single = self.type_together(origin, &changeset);
        let refused = self.line.reference.decide(
            (decision.incarnation, decision.author.0),
            (&changeset, &self.rules_of(&changeset)),
            decision.now.0,
            visible,
            &self.typed,
        );
        self.typed.extend(single);
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
            let writer = changeset.origin.unwrap_or(decision.incarnation);
            let rows = Rc::new(self.ordered(decision.commit.as_ref(), writer)?);
            self.points.insert((seq.0, decision.chain), rows.clone());
            self.line.history.push(rows);
            self.line.log.extend(decision.commit.clone());
            let newest = changeset.transactions.iter().map(|t| t.stamp.0).max().unwrap_or(0);
            let shifted = newest.saturating_sub(decision.receipt.clock_shift_ms << 16);
            self.line.stamps.push(shifted.max(self.line.stamps[self.line.stamps.len() - 1]));
        }
        self.line.receipts.insert(key, decision.receipt.clone());
        self.line.decisions.push(decision);
        Ok(())
    }

    /// The reference's rows, with the elements of sets in the order in which the space has put them.
    fn ordered(&mut self, commit: Option<&SealedCommit>, writer: Incarnation) -> Result<Rows, Finding> {
        let mut rows = self.line.reference.rows();
        let commit = commit.ok_or("G1: a commit is missing")?;
        let commit = WireCodec.open_commit(&commit.bytes, &self.present().catalogue).map_err(|error| error.what)?;
        let commit = self.present().lift.commit(commit);
        let catalogue = self.catalogue.clone();
        let before = self.line.history[self.line.history.len() - 1].clone();
        self.queue_changed(&commit)?;
        for (row, values) in &mut rows {
            let table = catalogue.table(row.table).expect("a table");
            let texts = table.fields().enumerate().filter(|(_, (column, _))| table.strategy(*column) == Strategy::Text);
            for (position, (column, _)) in texts {
                let told = told(&commit, row, position, column).or_else(|| before.get(row)?.get(position));
                let Some(actual) = told else { continue };
                self.holds_the_words((&commit, writer), (row, position, column), actual, &values[position])?;
                values[position] = actual.clone();
            }
            let sets = table.fields().enumerate().filter(|(_, (column, _))| table.strategy(*column) == Strategy::Set);
            for (position, (column, _)) in sets {
                let told = told(&commit, row, position, column).or_else(|| before.get(row)?.get(position));
                let Some(actual) = told else { continue };
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
        &mut self,
        incarnation: Incarnation,
        confirmed: DeviceSeq,
        messages: &[ServerMessage],
    ) -> Result<(), Finding> {
        for message in messages {
            self.note_not_taken(incarnation, message);
            let ServerMessage::Receipt(receipt) = message else { continue };
            let known = self.line.receipts.get(&(incarnation, receipt.device_seq));
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

    /// A device's whole state at any moment between two steps, in the terms of the last release; which one it has itself.
    pub fn device(&mut self, device: usize, durable: &Durable, release: usize) -> Result<(), Finding> {
        let (cursor, chain) = (durable.state.cursor.seq.0, durable.state.cursor.chain);
        // Whose space was set back takes a snapshot of an earlier point.
        let leaves = durable.state.rebuild == Some(Rebuild::OtherHistory);
        let before =
            self.cursors.insert((device, durable.state.incarnation), if leaves { 0 } else { cursor }).unwrap_or(0);
        let Some(there) = self.points.get(&(cursor, chain)).filter(|_| cursor >= before) else {
            return Err(format!("a cursor went from {before} to {cursor} with head {}", self.head()));
        };
        // Between the news that the space was set back and the rows that it has now, the log has what the rows do not show.
        if leaves {
            return halves_agree(&durable.rows, &self.catalogue);
        }
        let release = self.releases.get(release);
        let there = release.lift.visible(there);
        let mut expected = durable.expected(&there, &release.rules);
        if durable.rows != expected {
            self.relax(durable, &there, &mut expected);
        }
        let durable = upgrades::without_previews(durable, &mut expected, release, &self.catalogue);
        let durable = &*durable;
        if durable.rows != expected && !self.same_but_for_the_order_of_words(device, durable, &expected) {
            let differing = difference(&durable.rows, &expected, &self.catalogue);
            let waiting: String = durable.log.iter().map(|transaction| waiting_line(durable, transaction)).collect();
            return Err(format!("a device at {cursor} does not show the fold (device | fold):{differing}{waiting}"));
        }
        halves_agree(&durable.rows, &self.catalogue)
    }

    /// Nothing that waited on a device leaves it undecided, or for something else that was decided under its name. What a migration made of
    /// rows on their way goes where the space's own run of it met them.
    pub fn left(&self, before: &Durable, after: &Durable) -> Result<(), Finding> {
        let id = |durable: &Durable, transaction| id_of(durable.state.incarnation, transaction);
        let waiting: BTreeSet<Id> = after.log.iter().map(|transaction| id(after, transaction)).collect();
        let gone = before.log.iter().filter(|transaction| !waiting.contains(&id(before, transaction)));
        for transaction in gone.filter(|transaction| !transaction.ahead) {
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
        let state =
            if last.state == after.state { String::new() } else { format!(" {:?} | {:?}", after.state, last.state) };
        Err(format!("G1: a crash changed what was acknowledged {counts:?} (after | before):{differing}{state}"))
    }
}

/// What a commit says of a field.
fn told<'c>(commit: &'c Commit, row: &RowId, position: usize, column: ColumnId) -> Option<&'c Value> {
    let outcome = commit.outcomes.iter().rfind(|outcome| outcome.row == *row)?;
    match &outcome.effect {
        Effect::Put(all) => all.get(position),
        Effect::Set(fields) => fields.iter().find(|field| field.column == column).map(|field| &field.value),
        Effect::Delete => None,
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

/// By what a transaction on a device that lives as `life` is known everywhere.
fn id_of(life: Incarnation, transaction: &LoggedTransaction) -> Id {
    (transaction.origin.unwrap_or(life), transaction.opening, transaction.stamp)
}
