//! The queue of conflicts that wait for a person, as one transaction meets it: opened, joined, resolved, or moot.
//! It reads what the drafts came to and plans what is stored and told; merging is the drafts' business.
//! Called by `decide` for each transaction, within its savepoint.

use super::deletes::Parked;
use super::draft::RowDraft;
use super::drafts::Drafts;
use super::store::{ServerStore, Violation};
use crate::catalogue::{Catalogue, Table};
use crate::change::{RowId, Transaction};
use crate::commit::Reason;
use crate::conflict::{
    Claim, Claimed, ClosedConflict, Closing, Conflict, ConflictId, OpenConflict, ParkedTransaction, QueueChange,
    QueueEntry, QueueState, Resolution, Side,
};
use crate::ids::{AuthorId, ColumnId, Millis, Seq};
use crate::limits::{CONFLICT_BYTES, CONFLICT_SIDES};
use crate::value::Value;
use alloc::{collections::BTreeMap, format, vec, vec::Vec};

/// The commit in the making, as far as the queue is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Its seq.
    pub seq: Seq,
    /// Whose it is.
    pub author: AuthorId,
    /// When the server decides it.
    pub now: Millis,
    /// The place that the next conflict opened by this commit gets.
    pub next_index: u32,
}

/// What one transaction does to the queue.
#[derive(Debug, Default)]
pub struct QueuePlan {
    /// In order: what the commit tells.
    pub changes: Vec<QueueChange>,
    /// What is stored, by name; `None` is taken off.
    stored: BTreeMap<ConflictId, Option<QueueEntry>>,
    /// What was open before, of the rows concerned.
    known: Vec<QueueEntry>,
    /// Sides that a full conflict had no room for.
    pub conflicts: Vec<Conflict>,
}

/// What a transaction resolves.
pub type Resolved = Vec<(Resolution, QueueEntry)>;

/// The conflicts that a transaction resolves, if it knew their present state.
pub fn resolved<S: ServerStore>(
    transaction: &Transaction,
    author: AuthorId,
    store: &mut S,
) -> Result<Result<Resolved, Violation>, S::Error> {
    let mut found = Resolved::new();
    for resolution in &transaction.resolutions {
        let entry = store.open_conflict(resolution.conflict)?;
        let Some(entry) = entry.filter(|entry| entry.open.state.is_known(resolution.seen, author)) else {
            return Ok(Err(stale(resolution.conflict)));
        };
        let twice = found.iter().any(|(earlier, _)| earlier.conflict == resolution.conflict);
        let sides = entry.open.sides.len();
        if twice || resolution.side.is_some_and(|side| side as usize >= sides) {
            return Ok(Err(stale(resolution.conflict)));
        }
        found.push((*resolution, entry));
    }
    Ok(Ok(found))
}

fn stale(id: ConflictId) -> Violation {
    let detail = format!("the conflict {}.{} was resolved or changed meanwhile", id.seq.0, id.index);
    Violation { reason: Reason::Stale, detail }
}

impl QueuePlan {
    /// Plans what the drafts of a transaction mean for the conflicts of their rows.
    pub fn of<S: ServerStore>(
        transaction: &Transaction,
        resolved: Resolved,
        drafts: &Drafts,
        moment: Moment,
        store: &mut S,
    ) -> Result<Self, S::Error> {
        let catalogue = store.catalogue();
        let rows: Vec<RowId> = drafts.iter().map(|draft| draft.row().clone()).collect();
        let mut open = store.open_conflicts(&rows)?;
        open.sort_by_key(|entry| entry.open.id);
        let mut plan = Self { known: open.clone(), ..Self::default() };
        for (resolution, entry) in resolved {
            open.retain(|other| other.open.id != resolution.conflict);
            plan.resolve(&resolution, entry, drafts, &catalogue, moment);
        }
        for entry in open {
            if let Some(draft) = drafts.get(&entry.open.row) {
                plan.follow(entry, draft, &catalogue, moment);
            }
        }
        let mut moment = moment;
        for draft in drafts.iter() {
            for (column, claim) in &draft.challenges {
                plan.challenge(draft, *column, claim, transaction, &catalogue, &mut moment);
            }
        }
        Ok(plan)
    }

    /// Plans the conflict in which a refused transaction waits: the one that is open about its row, or a new one.
    pub fn park<S: ServerStore>(
        parked: Parked,
        transaction: ParkedTransaction,
        mut moment: Moment,
        store: &mut S,
    ) -> Result<Self, S::Error> {
        let Parked { row, sides } = parked;
        let open = store.open_conflicts(core::slice::from_ref(&row))?;
        let mut plan = Self { known: open, ..Self::default() };
        match (plan.entry_of(&row, None), sides.last()) {
            (Some(mut entry), Some(challenger)) => {
                plan.make_room(&mut entry.open, challenger);
                entry.open.add_challenger(challenger.clone());
                entry.parked.push(transaction);
                plan.sides(entry, moment);
            }
            _ => {
                plan.open(&row, None, None, sides, vec![transaction], &mut moment);
            }
        }
        Ok(plan)
    }

    /// Stores what was planned.
    pub fn write<S: ServerStore>(&self, store: &mut S) -> Result<(), S::Error> {
        for (id, entry) in &self.stored {
            match entry {
                Some(entry) => store.put_conflict(entry)?,
                None => store.drop_conflict(*id)?,
            }
        }
        Ok(())
    }

    /// How many conflicts it opens.
    pub fn opened(&self) -> u32 {
        self.changes.iter().filter(|change| matches!(change, QueueChange::Opened(_))).count() as u32
    }

    fn resolve(
        &mut self,
        resolution: &Resolution,
        entry: QueueEntry,
        drafts: &Drafts,
        catalogue: &Catalogue,
        moment: Moment,
    ) {
        let draft = drafts.get(&entry.open.row);
        if draft.is_some_and(|draft| draft.values().is_none() && draft.was_present()) {
            return self.close(entry.open.id, Closing::Moot, moment.author);
        }
        let chosen = match entry.open.column {
            Some(column) => field(draft, column, catalogue).map(Claimed::Value),
            None if reviews_rows(&entry.open.row, catalogue) => draft.map(|draft| row(draft, catalogue)),
            None => {
                resolution.side.and_then(|side| entry.open.sides.get(side as usize)).map(|side| side.claimed.clone())
            }
        };
        let standing = entry.open.sides.first().map(|side| side.claimed.clone());
        let closing = chosen.or(standing).map_or(Closing::Moot, Closing::Resolved);
        self.close(entry.open.id, closing, moment.author);
    }

    fn close(&mut self, id: ConflictId, closing: Closing, by: AuthorId) {
        self.changes.push(QueueChange::Closed(ClosedConflict { id, closing, by }));
        self.stored.insert(id, None);
    }

    /// A conflict whose row the transaction wrote: moot with the row, or with another incumbent.
    fn follow(&mut self, mut entry: QueueEntry, draft: &RowDraft, catalogue: &Catalogue, moment: Moment) {
        let present = draft.values().is_some();
        let moved = present != draft.was_present() || draft.is_recreated();
        if moved {
            return self.close(entry.open.id, Closing::Moot, moment.author);
        }
        let table = catalogue.table(entry.open.row.table);
        let written = table.and_then(|table| match entry.open.column {
            Some(column) => draft.written(table, column),
            None => (table.reviews_rows() && draft.is_written()).then(|| draft.standing(table)),
        });
        if let Some(claim) = written {
            entry.open.set_incumbent(claim);
            self.sides(entry, moment);
        }
    }

    fn sides(&mut self, mut entry: QueueEntry, moment: Moment) {
        let open = &mut entry.open;
        open.state = open.state.moved(moment.seq, moment.author);
        let change = QueueChange::Sides { id: open.id, sides: open.sides.clone(), state: open.state };
        self.changes.push(change);
        self.stored.insert(entry.open.id, Some(entry));
    }

    fn challenge(
        &mut self,
        draft: &RowDraft,
        column: Option<ColumnId>,
        claim: &Claim,
        transaction: &Transaction,
        catalogue: &Catalogue,
        moment: &mut Moment,
    ) {
        let Some(table) = catalogue.table(draft.row().table) else { return };
        let incumbent = match column {
            Some(column) => table.field_position(column).map(|position| draft.incumbent(position)),
            None => Some(draft.standing(table)),
        };
        if let Some(mut entry) = self.entry_of(draft.row(), column) {
            // What waited to delete the row gives way to what its author wants of it now.
            entry.parked.retain(|parked| parked.author != claim.author);
            self.make_room(&mut entry.open, claim);
            incumbent.into_iter().for_each(|standing| entry.open.set_incumbent(standing));
            entry.open.add_challenger(claim.clone());
            return self.sides(entry, *moment);
        }
        let base = base(transaction, draft.row(), column, &claim.claimed);
        let sides = incumbent.into_iter().chain([claim.clone()]).collect();
        self.open(draft.row(), column, base, sides, Vec::new(), moment);
    }

    fn entry_of(&self, row: &RowId, column: Option<ColumnId>) -> Option<QueueEntry> {
        let untouched = self.known.iter().filter(|entry| !self.stored.contains_key(&entry.open.id));
        let mut entries = self.stored.values().flatten().chain(untouched);
        entries.find(|entry| entry.open.row == *row && entry.open.column == column).cloned()
    }

    /// Opens a conflict under the next name.
    pub fn open(
        &mut self,
        row: &RowId,
        column: Option<ColumnId>,
        base: Option<Claimed>,
        sides: Vec<Claim>,
        parked: Vec<ParkedTransaction>,
        moment: &mut Moment,
    ) -> ConflictId {
        let id = ConflictId { seq: moment.seq, index: moment.next_index };
        moment.next_index += 1;
        let state = QueueState { changed: moment.seq, by: moment.author, before: moment.seq };
        let open = OpenConflict { id, row: row.clone(), column, base, sides, opened_at: moment.now, state };
        self.changes.push(QueueChange::Opened(open.clone()));
        self.stored.insert(id, Some(QueueEntry { open, parked }));
        id
    }

    /// A conflict with all the sides, or bytes, that it may have gives its oldest challengers up to the record.
    fn make_room(&mut self, open: &mut OpenConflict, claim: &Claim) {
        while !has_room(open, claim) {
            let others = open.sides.iter().skip(1).position(|side| side.author != claim.author);
            let Some(oldest) = others.map(|at| at + 1) else { return };
            let challenger = open.sides.remove(oldest);
            let incumbent = open.sides[0].clone();
            let (row, column) = (open.row.clone(), open.column);
            self.conflicts.push(Conflict { row, column, kept: Side::Incumbent, incumbent, challenger });
        }
    }
}

/// Whether a side fits beside the incumbent and the sides of other challengers.
fn has_room(open: &OpenConflict, claim: &Claim) -> bool {
    let stay = open.sides.iter().enumerate().filter(|(at, side)| *at == 0 || side.author != claim.author);
    let sizes = stay.map(|(_, side)| side.claimed.size());
    let (count, bytes) = sizes.fold((1, claim.claimed.size()), |(count, bytes), size| (count + 1, bytes + size));
    count <= CONFLICT_SIDES && bytes <= CONFLICT_BYTES
}

/// What the challenger had seen. Of a row only those fields are told that it changed: the others are as it wrote them.
fn base(transaction: &Transaction, row: &RowId, column: Option<ColumnId>, claimed: &Claimed) -> Option<Claimed> {
    let mut seen = transaction.seen.iter().filter(|seen| seen.row == *row).peekable();
    match (column, claimed) {
        (Some(column), _) => seen.find(|seen| seen.column == column).map(|seen| Claimed::Value(seen.value.clone())),
        (None, Claimed::Row(fields)) if seen.peek().is_some() => {
            let mut fields = fields.clone();
            for seen in seen {
                fields
                    .iter_mut()
                    .filter(|field| field.column == seen.column)
                    .for_each(|f| f.value = seen.value.clone());
            }
            Some(Claimed::Row(fields))
        }
        (None, _) => None,
    }
}

fn reviews_rows(row: &RowId, catalogue: &Catalogue) -> bool {
    catalogue.table(row.table).is_some_and(Table::reviews_rows)
}

/// What became of a row that merges as a whole.
fn row(draft: &RowDraft, catalogue: &Catalogue) -> Claimed {
    let table = catalogue.table(draft.row().table).filter(|_| draft.values().is_some());
    table.map_or(Claimed::Deleted, |table| draft.standing(table).claimed)
}

fn field(draft: Option<&RowDraft>, column: ColumnId, catalogue: &Catalogue) -> Option<Value> {
    let draft = draft?;
    let table: &Table = catalogue.table(draft.row().table)?;
    draft.values()?.get(table.field_position(column)?).cloned()
}
