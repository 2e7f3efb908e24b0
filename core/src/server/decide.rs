//! Decides a changeset: each transaction merged, checked and written as a whole, or refused as a whole.
//! It knows nothing of connections, receipts' transport or earlier retries; the session asks it once per number.
//! Everything happens in the event's transaction, a savepoint per device transaction.

use super::capacity::Capacity;
use super::deletes::{Deletes, Parents, Parked};
use super::draft::{self, Write};
use super::drafts::Drafts;
use super::former;
use super::moves::Moves;
use super::queue::{self, Moment, QueuePlan};
use super::references;
use super::rules;
use super::store::{FormerName, Mark, RowWrite, ServerStore, Violation};
use super::values;
use crate::catalogue::{Catalogue, Table};
use crate::change::{Base, Change, Changeset, Field, Mutation, RowId, Transaction};
use crate::clock::Stamp;
use crate::commit::{Effect, Outcome, Reason, Rejection};
use crate::conflict::{Conflict, ParkedTransaction, QueueChange, QueueEntry, Resolution};
use crate::ids::{AuthorId, Millis, SchemaVersion, Seq};
use crate::limits::{CLOCK_AHEAD_MS, READ_AHEAD_ROWS};
use crate::merge::seen::Writer;
use alloc::{collections::BTreeMap, collections::BTreeSet, format, rc::Rc, string::String, vec::Vec};

/// What a changeset came to.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What rows became.
    pub outcomes: Vec<Outcome>,
    /// What was overwritten, or not taken, unseen.
    pub conflicts: Vec<Conflict>,
    /// What becomes of the conflicts that wait for a person.
    pub queue: Vec<QueueChange>,
    /// What was refused.
    pub rejected: Vec<Rejection>,
    /// The stamps, as captured, of what was not refused, and of what that stands for.
    pub accepted: Vec<Stamp>,
    /// The newest stamp, after the shift.
    pub stamp: Stamp,
    /// How far the stamps were moved back.
    pub clock_shift_ms: u64,
    /// Whether the outcomes are exactly what was sent.
    pub as_sent: bool,
}

/// A changeset that was sealed under some schema version and carried over to the present one.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// In the terms of the present version.
    pub changeset: &'a Changeset,
    /// That of its bytes.
    pub sealed_under: SchemaVersion,
    /// Places of transactions that write to a table which is not kept in step at present.
    pub unkept: &'a BTreeSet<u32>,
}

/// Decides a changeset as commit `seq`. What it accepts is written when this returns.
pub fn decide<S: ServerStore>(
    asked: Asked<'_>,
    author: AuthorId,
    seq: Seq,
    now: Millis,
    store: &mut S,
) -> Result<Verdict, S::Error> {
    let Asked { changeset, sealed_under, unkept } = asked;
    let newest = changeset.transactions.iter().map(|transaction| transaction.stamp).max().unwrap_or_default();
    let clock_shift_ms = shift(newest, now);
    let mut decider = Decider {
        moment: Moment { seq, author, now, next_index: 0 },
        changeset,
        sealed_under,
        rules: former::rules(sealed_under, store)?,
        outcomes: Outcomes::new(store.catalogue()),
        capacity: Capacity::beside(changeset),
        refused_rows: BTreeSet::new(),
        verdict: Verdict {
            clock_shift_ms,
            // Its author learns from the commit on which side of a migration it was decided.
            as_sent: sealed_under == store.catalogue().version,
            stamp: newest.shifted_back(clock_shift_ms),
            ..Verdict::default()
        },
    };
    read_ahead(changeset, store)?;
    for (index, transaction) in changeset.transactions.iter().enumerate() {
        match unkept.contains(&(index as u32)) {
            true => decider.refuse(index as u32, transaction, unknown_table()),
            false => decider.transaction(index as u32, transaction, store)?,
        }
    }
    let Decider { outcomes, mut verdict, .. } = decider;
    verdict.outcomes = outcomes.list;
    // What was overwritten unseen only the commit tells, so its author must read it too.
    verdict.as_sent &= verdict.conflicts.is_empty() && verdict.queue.is_empty();
    Ok(verdict)
}

/// The rows of many small transactions are read together.
fn read_ahead<S: ServerStore>(changeset: &Changeset, store: &mut S) -> Result<(), S::Error> {
    let several = if changeset.transactions.len() > 1 { changeset.transactions.as_slice() } else { &[] };
    let changes = several.iter().flat_map(|transaction| &transaction.changes);
    let rows: BTreeSet<&RowId> = changes.map(|change| &change.row).take(READ_AHEAD_ROWS).collect();
    store.read_ahead(rows.into_iter().cloned().collect())
}

/// A clock that runs more than the bound ahead is moved back to the server's time.
fn shift(newest: Stamp, now: Millis) -> u64 {
    let ahead = newest.millis().0.saturating_sub(now.0);
    if ahead > CLOCK_AHEAD_MS { ahead } else { 0 }
}

struct Decider<'a> {
    moment: Moment,
    changeset: &'a Changeset,
    sealed_under: SchemaVersion,
    /// By which updates are read.
    rules: Rc<Catalogue>,
    outcomes: Outcomes,
    capacity: Capacity,
    refused_rows: BTreeSet<RowId>,
    verdict: Verdict,
}

impl Decider<'_> {
    fn transaction<S: ServerStore>(
        &mut self,
        index: u32,
        transaction: &Transaction,
        store: &mut S,
    ) -> Result<(), S::Error> {
        let mut met = self.attempt(transaction, Parents::Taken, store)?;
        if matches!(&met, Err(Refusal::Violation(violation)) if violation.is_reference()) {
            met = self.attempt(transaction, Parents::Examined, store)?;
        }
        match met {
            Ok(()) => Ok(()),
            Err(Refusal::Violation(violation)) => {
                self.refuse(index, transaction, violation);
                Ok(())
            }
            Err(Refusal::Parked(parked)) => self.park(index, transaction, parked, store),
        }
    }

    fn attempt<S: ServerStore>(
        &mut self,
        transaction: &Transaction,
        parents: Parents,
        store: &mut S,
    ) -> Result<Result<(), Refusal>, S::Error> {
        match self.merge(transaction, parents, store)? {
            Ok(merged) => self.write(transaction, merged, store),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn merge<S: ServerStore>(
        &self,
        transaction: &Transaction,
        parents: Parents,
        store: &mut S,
    ) -> Result<Result<Merged, Refusal>, S::Error> {
        let catalogue = store.catalogue();
        if let Some(violation) = self.first_dependency(transaction, &catalogue) {
            return Ok(Err(Refusal::Violation(violation)));
        }
        if let Some(violation) = values::misfit(&transaction.changes, &self.rules) {
            return Ok(Err(Refusal::Violation(violation)));
        }
        let resolved = match queue::resolved(transaction, self.moment.author, store)? {
            Ok(resolved) => resolved,
            Err(violation) => return Ok(Err(Refusal::Violation(violation))),
        };
        let rows: Vec<RowId> = transaction.changes.iter().map(|change| change.row.clone()).collect();
        let mut drafts = Drafts::default();
        drafts.load(store, &rows)?;
        for (_, entry) in &resolved {
            match (drafts.get_mut(&entry.open.row), entry.open.column) {
                (Some(draft), Some(column)) => draft.resolve(column),
                (Some(draft), None) => draft.resolve_row(),
                (None, _) => {}
            }
        }
        let floor = store.floor()?.seq;
        let write_of = |change: &Change| self.write_of(transaction, change.base);
        let moves = Moves::of_keys(transaction, &drafts, &catalogue, write_of);
        let refused = &self.refused_rows;
        let mut deletes =
            Deletes { catalogue: &catalogue, store, drafts: &mut drafts, refused, floor, moves: &moves, parents };
        let plan = match deletes.plan(transaction, write_of)? {
            Ok(plan) => plan,
            Err(parked) => return Ok(Err(Refusal::Parked(parked))),
        };
        for change in transaction.changes.iter().filter(|change| !plan.leaves_out(change)) {
            let change = match &change.mutation {
                Mutation::Update(fields) => {
                    Change { mutation: Mutation::Update(plan.fields(&change.row, fields)), ..change.clone() }
                }
                _ => change.clone(),
            };
            for (part, rules) in former::readings(change, &self.rules, &catalogue) {
                if let Err(violation) = apply(&mut drafts, rules, &part, &write_of(&part), floor) {
                    return Ok(Err(Refusal::Violation(violation)));
                }
            }
        }
        if let Err(violation) = self.restore(transaction, &resolved, &mut drafts, store)? {
            return Ok(Err(Refusal::Violation(violation)));
        }
        if let Err(violation) = rules::merge(transaction, &mut drafts, self.moment.author, store)? {
            return Ok(Err(Refusal::Violation(violation)));
        }
        let write = self.write_of(transaction, self.newest_base(transaction));
        let mut deletes =
            Deletes { catalogue: &catalogue, store, drafts: &mut drafts, refused, floor, moves: &moves, parents };
        let led = deletes.orphan(&plan, &write)?;
        moves.follow(led, &mut drafts, store, &write)?;
        references::expand(&mut drafts, store, &write)?;
        if let Some(violation) = references::abandoned(&drafts, store)? {
            return Ok(Err(Refusal::Violation(violation)));
        }
        if let Some(violation) = values::oversized(&drafts, &catalogue) {
            return Ok(Err(Refusal::Violation(violation)));
        }
        if let Err(violation) = rules::validate(&drafts, self.moment.author, store)? {
            return Ok(Err(Refusal::Violation(violation)));
        }
        let formers = references::given_up(&drafts, &catalogue);
        drafts.bury(&catalogue, &moves);
        let queue = QueuePlan::of(transaction, resolved, &drafts, self.moment, store)?;
        Ok(Ok(Merged { drafts, queue, revived: plan.revived, parents, formers: (formers, write.mark(true)) }))
    }

    /// Submits again what waited for the side that the transaction chooses: its person has seen everything.
    fn restore<S: ServerStore>(
        &self,
        transaction: &Transaction,
        resolved: &[(Resolution, QueueEntry)],
        drafts: &mut Drafts,
        store: &mut S,
    ) -> Result<Result<(), Violation>, S::Error> {
        let catalogue = store.catalogue();
        let seen = Base { seq: Seq(self.moment.seq.0.saturating_sub(1)), device_seq: self.changeset.device_seq };
        let write = self.write_of(transaction, seen);
        for (resolution, entry) in resolved {
            let chosen = resolution.side.filter(|side| *side > 0).and_then(|side| entry.open.sides.get(side as usize));
            let Some(author) = chosen.map(|side| side.author) else { continue };
            for parked in entry.parked.iter().filter(|parked| parked.author == author) {
                let Some(changes) = former::waiting(parked, &catalogue, store)? else {
                    return Ok(Err(cannot_restore()));
                };
                let rows: Vec<RowId> = changes.iter().map(|change| change.row.clone()).collect();
                drafts.load(store, &rows)?;
                let (refused, floor, moves) = (&self.refused_rows, Seq(0), &Moves::default());
                let parents = Parents::Examined;
                let mut deletes = Deletes { catalogue: &catalogue, store, drafts, refused, floor, moves, parents };
                if !deletes.revive_for(&changes, &write)? {
                    return Ok(Err(cannot_restore()));
                }
                let rules = former::rules(parked.schema, store)?;
                if let Some(violation) = values::misfit(&changes, &rules) {
                    return Ok(Err(violation));
                }
                let parts = changes.into_iter().flat_map(|change| former::readings(change, &rules, &catalogue));
                for (part, rules) in parts {
                    if let Err(violation) = apply(drafts, rules, &part, &write, Seq(0)) {
                        return Ok(Err(violation));
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    fn first_dependency(&self, transaction: &Transaction, catalogue: &Catalogue) -> Option<Violation> {
        let change = transaction.changes.iter().find(|change| self.refused_rows.contains(&change.row))?;
        catalogue.table(change.row.table).map(|table| unknown_row(table, &change.row))
    }

    fn newest_base(&self, transaction: &Transaction) -> Base {
        transaction.changes.iter().map(|change| change.base).max().unwrap_or_default()
    }

    fn write_of(&self, transaction: &Transaction, base: Base) -> Write {
        Write {
            writer: Writer {
                author: self.moment.author,
                device_seq: self.changeset.device_seq,
                schema: self.sealed_under,
                base,
            },
            stamp: transaction.stamp.shifted_back(self.verdict.clock_shift_ms),
            seq: self.moment.seq,
        }
    }

    fn write<S: ServerStore>(
        &mut self,
        transaction: &Transaction,
        merged: Merged,
        store: &mut S,
    ) -> Result<Result<(), Refusal>, S::Error> {
        let catalogue = store.catalogue();
        let Merged { drafts, queue, revived, parents, formers } = merged;
        let (writes, conflicts, as_sent) = drafts.into_writes(&catalogue);
        let left = match self.capacity.beside_too(transaction, &writes, &conflicts, &queue) {
            Ok(left) => left,
            Err(violation) => return Ok(Err(Refusal::Violation(violation))),
        };
        match (store.savepoint(|store| write_checked(store, &writes, &queue, &formers))?, revived) {
            (Ok(()), _) => {
                self.capacity = left;
                self.accept(transaction, writes, conflicts, as_sent);
                self.tell(queue);
                Ok(Ok(()))
            }
            // What was to come back does not fit what is there now.
            (Err(Stop::Violation(violation)), Some(parked))
                if parents == Parents::Examined || !violation.is_reference() =>
            {
                Ok(Err(Refusal::Parked(parked)))
            }
            (Err(Stop::Violation(violation)), _) => Ok(Err(Refusal::Violation(violation))),
            (Err(Stop::Storage(error)), _) => Err(error),
        }
    }

    fn accept(&mut self, transaction: &Transaction, writes: Vec<RowWrite>, conflicts: Vec<Conflict>, as_sent: bool) {
        // Of a row that another device made as well only the marks change.
        let changed = |effect: &Effect| !matches!(effect, Effect::Set(fields) if fields.is_empty());
        for write in writes.into_iter().filter(|write| changed(&write.outcome.effect)) {
            self.outcomes.push(write.outcome);
        }
        self.verdict.as_sent &= as_sent;
        self.verdict.conflicts.extend(conflicts);
        self.verdict.accepted.extend(transaction.absorbed.iter().chain([&transaction.stamp]));
    }

    /// Refuses a transaction that waits for a person, and opens its conflict.
    fn park<S: ServerStore>(
        &mut self,
        index: u32,
        transaction: &Transaction,
        parked: Parked,
        store: &mut S,
    ) -> Result<(), S::Error> {
        let table = store.catalogue().table(parked.row.table).map(|table| table.name.clone()).unwrap_or_default();
        let detail = format!("{table}: a row was deleted and written at once; a person chooses");
        let (author, schema) = (self.moment.author, self.changeset.schema);
        let waiting = ParkedTransaction { author, schema, transaction: transaction.clone() };
        let plan = QueuePlan::park(parked, waiting, self.moment, store)?;
        match self.capacity.beside_too(transaction, &[], &[], &plan) {
            Ok(left) => self.capacity = left,
            Err(violation) => {
                self.refuse(index, transaction, violation);
                return Ok(());
            }
        }
        plan.write(store)?;
        self.tell(plan);
        self.refuse(index, transaction, Violation { reason: Reason::Parked, detail });
        Ok(())
    }

    fn tell(&mut self, plan: QueuePlan) {
        self.moment.next_index += plan.opened();
        self.verdict.conflicts.extend(plan.conflicts);
        self.verdict.queue.extend(plan.changes);
    }

    fn refuse(&mut self, index: u32, transaction: &Transaction, violation: Violation) {
        let inserted = transaction.changes.iter().filter(|change| matches!(change.mutation, Mutation::Insert(_)));
        self.refused_rows.extend(inserted.map(|change| change.row.clone()));
        self.verdict.as_sent = false;
        self.verdict.rejected.push(Rejection { index, reason: violation.reason, detail: violation.detail });
    }
}

/// A transaction that can be, as far as rules go.
struct Merged {
    drafts: Drafts,
    queue: QueuePlan,
    /// What it waits for if the rows that it brought back do not fit.
    revived: Option<Parked>,
    /// What was taken of the rows that it refers to.
    parents: Parents,
    /// What rows that others refer to were called before, and the write that changes it.
    formers: (Vec<FormerName>, Mark),
}

/// Why a transaction is not taken.
enum Refusal {
    Violation(Violation),
    Parked(Parked),
}

fn apply(
    drafts: &mut Drafts,
    catalogue: &Catalogue,
    change: &Change,
    write: &Write,
    floor: Seq,
) -> Result<(), Violation> {
    let table = catalogue.table(change.row.table).ok_or_else(unknown_table)?;
    match drafts.apply(table, &change.row, &change.mutation, write) {
        Ok(()) => Ok(()),
        // Below the floor tombstones are gone: the row was deleted, and nobody knows any more what it was.
        Err(draft::Stop::UnknownRow) if change.base.seq < floor => {
            drafts.lost_edit(table, change, write);
            Ok(())
        }
        Err(draft::Stop::UnknownRow) => Err(unknown_row(table, &change.row)),
        Err(draft::Stop::Refused(violation)) => Err(violation),
    }
}

fn cannot_restore() -> Violation {
    let detail = String::from("what waited cannot be brought back any more");
    Violation { reason: Reason::Stale, detail }
}

enum Stop<E> {
    Violation(Violation),
    Storage(E),
}

fn write_checked<S: ServerStore>(
    store: &mut S,
    writes: &[RowWrite],
    plan: &QueuePlan,
    (formers, mark): &(Vec<FormerName>, Mark),
) -> Result<(), Stop<S::Error>> {
    plan.write(store).map_err(Stop::Storage)?;
    store.put_formers(formers, mark).map_err(Stop::Storage)?;
    store.write(writes).map_err(Stop::Storage)?.map_err(Stop::Violation)?;
    let present = writes.iter().filter(|write| write.outcome.effect != Effect::Delete);
    let rows: Vec<RowId> = present.map(|write| write.outcome.row.clone()).collect();
    match store.dangling(&rows).map_err(Stop::Storage)? {
        Some(violation) => Err(Stop::Violation(violation)),
        None => Ok(()),
    }
}

fn unknown_table() -> Violation {
    Violation { reason: Reason::Schema, detail: String::from("no such table in the space's schema") }
}

fn unknown_row(table: &Table, row: &RowId) -> Violation {
    let detail = format!(
        "{}: the row {:?} is not in the space; the transaction that inserted it was refused",
        table.name, row.key.0
    );
    Violation { reason: Reason::Dependency, detail }
}

/// The outcomes of a commit: each row once, later transactions folded into earlier ones.
struct Outcomes {
    catalogue: Rc<Catalogue>,
    index: BTreeMap<RowId, usize>,
    list: Vec<Outcome>,
}

impl Outcomes {
    fn new(catalogue: Rc<Catalogue>) -> Self {
        Self { catalogue, index: BTreeMap::new(), list: Vec::new() }
    }

    fn push(&mut self, outcome: Outcome) {
        let Some(position) = self.index.get(&outcome.row).copied() else {
            self.index.insert(outcome.row.clone(), self.list.len());
            self.list.push(outcome);
            return;
        };
        let table = self.catalogue.table(outcome.row.table);
        fold(table, &mut self.list[position].effect, outcome.effect);
    }
}

fn fold(table: Option<&Table>, earlier: &mut Effect, later: Effect) {
    match (earlier, later) {
        (Effect::Set(fields), Effect::Set(more)) => more.into_iter().for_each(|field| set_field(fields, field)),
        (Effect::Put(values), Effect::Set(more)) => {
            for Field { column, value } in more {
                let position = table.and_then(|table| table.field_position(column));
                if let Some(slot) = position.and_then(|position| values.get_mut(position)) {
                    *slot = value;
                }
            }
        }
        (slot, later) => *slot = later,
    }
}

fn set_field(fields: &mut Vec<Field>, field: Field) {
    match fields.binary_search_by_key(&field.column, |f| f.column) {
        Ok(position) => fields[position] = field,
        Err(position) => fields.insert(position, field),
    }
}
