//! How much a commit may tell beyond what was sent: what was overwritten or went unseen, rows that come back or get another key, sides that
//! wait. What travelled to the space fits its commit; what the space adds might not, and a commit that nobody can read stops everybody for
//! ever. It knows sizes, not merges. Kept by `decide`.

use super::queue::QueuePlan;
use super::store::{RowWrite, Violation};
use crate::change::{Change, Changeset, Field, Mutation, RowId, Transaction};
use crate::commit::{Effect, Reason};
use crate::conflict::{Claim, Claimed, Closing, Conflict, QueueChange};
use crate::limits::{CHANGESET_BYTES, COMMIT_MARGIN_BYTES, INFLATED_BYTES};
use crate::value::Value;
use alloc::string::String;
use core::iter::Sum;
use core::ops::Add;

/// What something takes in a commit, at most.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// In its bytes, if nothing of it deflates.
    packed: usize,
    /// As unpacking counts it.
    unpacked: usize,
}

/// A row, a side or a change of the queue, besides keys and values: its place in a group, whose it is, when.
const ENTRY: Size = Size { packed: 32, unpacked: 160 };

/// A value, besides its contents. Its column and its place in a dictionary are counted too.
const VALUE_BYTES: usize = 64;

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { packed: self.packed + other.packed, unpacked: self.unpacked + other.unpacked }
    }
}

impl Sum for Size {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::default(), Add::add)
    }
}

impl Size {
    /// What is left of it, or nothing.
    fn without(self, other: Self) -> Self {
        Self {
            packed: self.packed.saturating_sub(other.packed),
            unpacked: self.unpacked.saturating_sub(other.unpacked),
        }
    }

    fn fits(self, room: Self) -> bool {
        self.packed <= room.packed && self.unpacked <= room.unpacked
    }
}

/// What may still be added to a commit in the making.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capacity {
    left: Size,
}

impl Capacity {
    /// All that a commit holds besides what was sent.
    pub(super) fn beside(changeset: &Changeset) -> Self {
        let whole =
            Size { packed: CHANGESET_BYTES - COMMIT_MARGIN_BYTES, unpacked: INFLATED_BYTES - COMMIT_MARGIN_BYTES };
        Self { left: whole.without(changeset.transactions.iter().map(sent).sum()) }
    }

    /// What is left beside what the space makes of a transaction too, if there is room for that.
    pub(super) fn beside_too(
        self,
        transaction: &Transaction,
        writes: &[RowWrite],
        conflicts: &[Conflict],
        queue: &QueuePlan,
    ) -> Result<Self, Violation> {
        let outcomes: Size = writes.iter().map(outcome).sum();
        let recorded: Size = conflicts.iter().chain(&queue.conflicts).map(conflict).sum();
        let waiting: Size = queue.changes.iter().map(change_of_queue).sum();
        let added = (outcomes + recorded + waiting).without(sent(transaction));
        if added.fits(self.left) { Ok(Self { left: self.left.without(added) }) } else { Err(too_much()) }
    }
}

fn too_much() -> Violation {
    let detail = String::from(
        "others wrote more of what it changes than one commit can tell; it can be made again by who has seen that",
    );
    Violation { reason: Reason::Limit, detail }
}

fn sent(transaction: &Transaction) -> Size {
    transaction.changes.iter().map(change).sum()
}

fn change(change: &Change) -> Size {
    let written = match &change.mutation {
        Mutation::Insert(values) => all(values),
        Mutation::Update(fields) => of_fields(fields),
        Mutation::Delete => Size::default(),
    };
    row(&change.row) + written
}

fn outcome(write: &RowWrite) -> Size {
    let written = match &write.outcome.effect {
        Effect::Put(values) => all(values),
        Effect::Set(fields) => of_fields(fields),
        Effect::Delete => Size::default(),
    };
    row(&write.outcome.row) + written
}

fn conflict(conflict: &Conflict) -> Size {
    row(&conflict.row) + claim(&conflict.incumbent) + claim(&conflict.challenger)
}

fn change_of_queue(change: &QueueChange) -> Size {
    match change {
        QueueChange::Opened(open) => {
            row(&open.row) + open.base.iter().map(claimed).sum() + open.sides.iter().map(claim).sum()
        }
        QueueChange::Sides { sides, .. } => ENTRY + sides.iter().map(claim).sum(),
        QueueChange::Closed(closed) => match &closed.closing {
            Closing::Resolved(chosen) => ENTRY + claimed(chosen),
            Closing::Moot => ENTRY,
        },
    }
}

fn claim(claim: &Claim) -> Size {
    ENTRY + claimed(&claim.claimed)
}

fn claimed(claimed: &Claimed) -> Size {
    match claimed {
        Claimed::Value(content) => value(content),
        Claimed::Deleted => Size::default(),
        Claimed::Row(fields) => of_fields(fields),
    }
}

fn row(row: &RowId) -> Size {
    ENTRY + all(&row.key.0)
}

fn of_fields(fields: &[Field]) -> Size {
    // A column's number beside each.
    fields.iter().map(|field| value(&field.value) + Size { packed: 3, unpacked: 0 }).sum()
}

fn all(values: &[Value]) -> Size {
    values.iter().map(value).sum()
}

fn value(value: &Value) -> Size {
    let bytes = value.size() + 1;
    Size { packed: bytes, unpacked: bytes + VALUE_BYTES }
}
