//! Conflicts in words: what met without having seen each other, who decided, and what waits for a person.
//! Those that a rule decided are part of their commit; open ones are a queue that is synced like rows, by outcomes.
//! The server session makes them, the codec packs them, the client session keeps the queue.

use crate::catalogue::{Catalogue, Table};
use crate::change::{Field, RowId, Transaction};
use crate::clock::Stamp;
use crate::ids::{AuthorId, ColumnId, DeviceSeq, Incarnation, Millis, SchemaVersion, Seq};
use crate::value::Value;
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// What one side of a conflict wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Claimed {
    /// This value of the field.
    Value(Value),
    /// That the row is gone.
    Deleted,
    /// That the row stays, or is there, with these fields; ascending by column.
    Row(Vec<Field>),
}

impl Claimed {
    /// About the bytes of its values.
    pub fn size(&self) -> usize {
        match self {
            Claimed::Value(value) => value.size(),
            Claimed::Deleted => 1,
            Claimed::Row(fields) => fields.iter().map(|field| field.value.size()).sum(),
        }
    }
}

/// One side of a conflict: what it wants and the write that said so. Author, number and stamp name its transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What it wants.
    pub claimed: Claimed,
    /// Whose write.
    pub author: AuthorId,
    /// In which of its changesets.
    pub device_seq: DeviceSeq,
    /// The clock reading of its transaction, after the shift.
    pub stamp: Stamp,
}

/// A value that was overwritten, or a write that was not taken, without its writer having seen the other: decided by a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The row.
    pub row: RowId,
    /// The field; `None` where a whole row was concerned.
    pub column: Option<ColumnId>,
    /// Which side the rule kept.
    pub kept: Side,
    /// What stood there.
    pub incumbent: Claim,
    /// What came.
    pub challenger: Claim,
}

/// The two sides of a conflict, as the server met them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// What stood there.
    Incumbent,
    /// What came.
    Challenger,
}

impl Conflict {
    /// The side that the rule kept.
    pub fn winner(&self) -> &Claim {
        match self.kept {
            Side::Incumbent => &self.incumbent,
            Side::Challenger => &self.challenger,
        }
    }

    /// The value that lost; NULL where a row was concerned.
    pub fn lost(&self) -> Value {
        match &self.loser().claimed {
            Claimed::Value(value) => value.clone(),
            Claimed::Deleted | Claimed::Row(_) => Value::Null,
        }
    }

    /// The side that lost.
    pub fn loser(&self) -> &Claim {
        match self.kept {
            Side::Incumbent => &self.challenger,
            Side::Challenger => &self.incumbent,
        }
    }
}

/// The name of an open conflict, for good: the commit that opened it, and its place among those that this commit opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConflictId {
    /// The commit.
    pub seq: Seq,
    /// The place.
    pub index: u32,
}

/// A conflict that waits for a person. There is at most one per cell, and one per row for the row itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenConflict {
    /// Its name.
    pub id: ConflictId,
    /// The row.
    pub row: RowId,
    /// The field; `None` where a whole row is concerned.
    pub column: Option<ColumnId>,
    /// What the first challenger had seen in the field or of the row, if its device said so; never a deletion.
    pub base: Option<Claimed>,
    /// The incumbent, whose value the cell has, then the challengers in the order in which they came.
    pub sides: Vec<Claim>,
    /// When the space opened it, by the server's clock.
    pub opened_at: Millis,
    /// Its state, which a resolution must name: when its sides last changed.
    pub state: QueueState,
}

/// The state of an open conflict, for compare-and-set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueState {
    /// The commit that last changed it.
    pub changed: Seq,
    /// Whose commit that was.
    pub by: AuthorId,
    /// The newest change that was not by that author; the author's own later ones it knows.
    pub before: Seq,
}

impl QueueState {
    /// The state after a change.
    #[must_use]
    pub fn moved(self, seq: Seq, by: AuthorId) -> Self {
        let before = if by == self.by { self.before } else { self.changed };
        Self { changed: seq, by, before }
    }

    /// Whether somebody who saw the state of `seen` knows the present one.
    pub fn is_known(&self, seen: Seq, author: AuthorId) -> bool {
        seen >= self.changed || (author == self.by && seen >= self.before)
    }
}

/// What a commit does to the queue: absolute, so that applying it needs no thought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueChange {
    /// A conflict is new.
    Opened(OpenConflict),
    /// These are its sides now.
    Sides {
        /// Which.
        id: ConflictId,
        /// All of them.
        sides: Vec<Claim>,
        /// Its state.
        state: QueueState,
    },
    /// It waits no longer.
    Closed(ClosedConflict),
}

impl QueueChange {
    /// The conflict concerned.
    pub fn id(&self) -> ConflictId {
        match self {
            QueueChange::Opened(open) => open.id,
            QueueChange::Sides { id, .. } => *id,
            QueueChange::Closed(closed) => closed.id,
        }
    }
}

/// How a conflict ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedConflict {
    /// Which.
    pub id: ConflictId,
    /// How.
    pub closing: Closing,
    /// Who closed it: the resolver, or who deleted the row.
    pub by: AuthorId,
}

/// Why a conflict waits no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Closing {
    /// A person chose this.
    Resolved(Claimed),
    /// The row is gone, so there is nothing to choose.
    Moot,
}

/// A device and its user, as records of conflicts name them. Commits carry those that their conflicts mention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorName {
    /// The short name.
    pub id: AuthorId,
    /// The device.
    pub incarnation: Incarnation,
    /// Its user.
    pub user: String,
}

/// A person's choice, on its way in a transaction whose changes write what was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// Which conflict.
    pub conflict: ConflictId,
    /// The state that the person saw; if it has moved on unseen, the transaction is stale.
    pub seen: Seq,
    /// The side chosen; `None` for a value of its own.
    pub side: Option<u32>,
}

/// What a writer had seen in a field whose conflicts wait for a person, so that the person sees it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenValue {
    /// The row.
    pub row: RowId,
    /// The field.
    pub column: ColumnId,
    /// The value before the write.
    pub value: Value,
}

/// What the space keeps of an open conflict: the conflict, and the transaction that waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueEntry {
    /// The conflict.
    pub open: OpenConflict,
    /// Transactions that wait for it, in order: choosing their author's side submits them again.
    pub parked: Vec<ParkedTransaction>,
}

/// A transaction that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedTransaction {
    /// Whose.
    pub author: AuthorId,
    /// The schema version whose tables it names.
    pub schema: SchemaVersion,
    /// As it was sent.
    pub transaction: Transaction,
}

impl OpenConflict {
    /// Puts the incumbent's side.
    pub fn set_incumbent(&mut self, claim: Claim) {
        match self.sides.first_mut() {
            Some(first) => *first = claim,
            None => self.sides.push(claim),
        }
    }

    /// Adds a challenger. An author's later write had seen its earlier one, and takes its place.
    pub fn add_challenger(&mut self, claim: Claim) {
        let challengers = self.sides.iter_mut().skip(1);
        match challengers.into_iter().find(|side| side.author == claim.author) {
            Some(side) => *side = claim,
            None => self.sides.push(claim),
        }
    }

    /// The same conflict under another schema version, by what stays the same of table and columns; `None` if they are gone.
    pub fn translated(&self, from: &Catalogue, to: &Catalogue) -> Option<Self> {
        let old = from.table(self.row.table)?;
        let table = to.table_of(old.identity())?;
        let new = to.table(table)?;
        let column = match self.column {
            Some(column) => Some(column_in(column, old, new)?),
            None => None,
        };
        let claimed = |claimed: &Claimed| match claimed {
            Claimed::Row(fields) => Claimed::Row(fields_in(fields, old, new)),
            _ => claimed.clone(),
        };
        let claim = |claim: &Claim| Claim { claimed: claimed(&claim.claimed), ..claim.clone() };
        let row = RowId { table, key: self.row.key.clone() };
        let (base, sides) = (self.base.as_ref().map(claimed), self.sides.iter().map(claim).collect());
        Some(Self { row, column, base, sides, ..self.clone() })
    }
}

fn column_in(column: ColumnId, old: &Table, new: &Table) -> Option<ColumnId> {
    new.column_of(old.columns.get(usize::from(column.0))?.identity())
}

fn fields_in(fields: &[Field], old: &Table, new: &Table) -> Vec<Field> {
    let field = |field: &Field| Some(Field { column: column_in(field.column, old, new)?, value: field.value.clone() });
    fields.iter().filter_map(field).collect()
}
