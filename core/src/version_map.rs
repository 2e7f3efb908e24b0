//! What a row of one schema version is in another: tables and columns are matched by what stays the same of them.
//! It knows neither storage nor which version is the newer; what the other version lacks is left out, what it has besides is filled.
//! Used by the server for changesets of other versions, by the device for commits of other versions and for what waits in its log.

use crate::catalogue::{Affinity, Catalogue, Column, Table};
use crate::change::{Change, Changeset, Field, LoggedChange, LoggedMutation, Mutation, RowId};
use crate::clock::Stamp;
use crate::commit::{Effect, Outcome};
use crate::conflict::{Claim, Claimed, Closing, Conflict, OpenConflict, QueueChange, Side};
use crate::ids::{AuthorId, ColumnId, DeviceSeq, SchemaVersion, TableId};
use crate::value::{Key, Value};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// From one catalogue to another.
#[derive(Debug, Clone)]
pub struct VersionMap {
    version: SchemaVersion,
    tables: Vec<Option<TableMap>>,
}

/// Where a table went.
#[derive(Debug, Clone)]
pub struct TableMap {
    /// Its id in the other catalogue.
    pub id: TableId,
    columns: Vec<Option<Target>>,
    sources: Vec<Source>,
}

/// A column of the other version.
#[derive(Debug, Clone)]
struct Target {
    id: ColumnId,
    fit: Fit,
}

/// What a column takes.
#[derive(Debug, Clone)]
pub struct Fit {
    affinity: Affinity,
    /// Stands for NULL, where the column refuses it.
    instead_of_null: Option<Value>,
}

/// What a field of the other version is made of.
#[derive(Debug, Clone)]
pub enum Source {
    /// The field at this position among the fields.
    Field(usize, Fit),
    /// The same value in every row.
    Constant(Value),
}

/// Cells that the other version has no place for, by what stays the same of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The table.
    pub table: String,
    /// The row's key.
    pub key: Key,
    /// What becomes of the cells that are kept of this row.
    pub cells: UnknownCells,
}

/// See `Unknown`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownCells {
    /// These are all.
    Put(Vec<(String, Value)>),
    /// These change.
    Set(Vec<(String, Value)>),
    /// The row is gone.
    Delete,
}

impl VersionMap {
    /// From rows of `from` to rows of `to`.
    pub fn new(from: &Catalogue, to: &Catalogue) -> Self {
        Self { version: to.version, tables: from.tables.iter().map(|table| TableMap::of(table, to)).collect() }
    }

    /// The map of a table; `None` if the other version does not have it, or under another key: its rows are then other rows.
    pub fn table(&self, table: TableId) -> Option<&TableMap> {
        self.tables.get(usize::from(table.0))?.as_ref()
    }

    /// The row in the other version.
    pub fn row(&self, row: &RowId) -> Option<RowId> {
        self.table(row.table).map(|map| RowId { table: map.id, key: row.key.clone() })
    }

    /// What is left of an outcome.
    pub fn outcome(&self, outcome: Outcome) -> Option<Outcome> {
        let map = self.table(outcome.row.table)?;
        let effect = match outcome.effect {
            Effect::Put(values) => Effect::Put(map.values(&values)),
            Effect::Set(fields) => Effect::Set(map.fields(fields)?),
            Effect::Delete => Effect::Delete,
        };
        Some(Outcome { row: RowId { table: map.id, key: outcome.row.key }, effect })
    }

    /// The cells of an outcome of `from`, the catalogue that this map leads from, that the other version has no place for.
    pub fn unknown(&self, outcome: &Outcome, from: &Catalogue) -> Option<Unknown> {
        let table = from.table(outcome.row.table)?;
        let lacking = |id: ColumnId| self.table(outcome.row.table).is_none_or(|map| map.column(id).is_none());
        let named = |id: ColumnId, value: &Value| {
            let column = table.columns.get(usize::from(id.0)).filter(|_| lacking(id))?;
            Some((String::from(column.identity()), value.clone()))
        };
        let cells = match &outcome.effect {
            Effect::Put(values) => {
                let cells = table.fields().zip(values).filter_map(|((id, _), value)| named(id, value));
                UnknownCells::Put(cells.collect())
            }
            Effect::Set(fields) => {
                let cells: Vec<_> = fields.iter().filter_map(|field| named(field.column, &field.value)).collect();
                if cells.is_empty() {
                    return None;
                }
                UnknownCells::Set(cells)
            }
            Effect::Delete => UnknownCells::Delete,
        };
        Some(Unknown { table: String::from(table.identity()), key: outcome.row.key.clone(), cells })
    }

    /// What is left of a conflict.
    pub fn conflict(&self, mut conflict: Conflict) -> Option<Conflict> {
        let map = self.table(conflict.row.table)?;
        if let Some(column) = conflict.column {
            conflict.column = Some(map.column(column)?);
        }
        conflict.row.table = map.id;
        map.claimed(&mut conflict.incumbent.claimed);
        map.claimed(&mut conflict.challenger.claimed);
        Some(conflict)
    }

    /// What is left of a change to the queue. Sides name no table: `concerned` is that of their conflict in the other version. Where the
    /// conflict is not known they harm nothing.
    pub fn queued(&self, change: QueueChange, concerned: Option<TableId>) -> Option<QueueChange> {
        Some(match change {
            QueueChange::Opened(open) => QueueChange::Opened(self.open(open)?),
            QueueChange::Sides { id, mut sides, state } => {
                let map = self.tables.iter().flatten().find(|map| Some(map.id) == concerned);
                map.iter().for_each(|map| sides.iter_mut().for_each(|side| map.claimed(&mut side.claimed)));
                QueueChange::Sides { id, sides, state }
            }
            QueueChange::Closed(mut closed) => {
                if let Closing::Resolved(Claimed::Row(fields)) = &mut closed.closing {
                    fields.clear();
                }
                QueueChange::Closed(closed)
            }
        })
    }

    fn open(&self, mut open: OpenConflict) -> Option<OpenConflict> {
        let map = self.table(open.row.table)?;
        if let Some(column) = open.column {
            open.column = Some(map.column(column)?);
        }
        open.row.table = map.id;
        open.base.iter_mut().for_each(|base| map.claimed(base));
        open.sides.iter_mut().for_each(|side| map.claimed(&mut side.claimed));
        Some(open)
    }

    /// What is left of a logged change.
    pub fn logged(&self, change: LoggedChange) -> Option<LoggedChange> {
        let map = self.table(change.row.table)?;
        let mutation = match change.mutation {
            LoggedMutation::Insert(values) => LoggedMutation::Insert(map.values(&values)),
            LoggedMutation::Delete(values) => LoggedMutation::Delete(map.values(&values)),
            LoggedMutation::Update(mut fields) => {
                fields.retain_mut(|field| match map.target(field.column) {
                    Some(target) => {
                        field.column = target.id;
                        field.old = target.fit.take(core::mem::take(&mut field.old));
                        field.new = target.fit.take(core::mem::take(&mut field.new));
                        true
                    }
                    None => false,
                });
                fields.sort_by_key(|field| field.column);
                if fields.is_empty() {
                    return None;
                }
                LoggedMutation::Update(fields)
            }
        };
        Some(LoggedChange { row: RowId { table: map.id, key: change.row.key }, mutation })
    }

    /// A whole changeset in the other version, and a record of each value that it has no place for, where the row at least has one.
    pub fn changeset(&self, mut changeset: Changeset) -> (Changeset, Vec<Conflict>) {
        let mut ignored = Vec::new();
        changeset.schema = self.version;
        for transaction in &mut changeset.transactions {
            let changes = core::mem::take(&mut transaction.changes);
            transaction.seen.retain_mut(|seen| {
                let Some(map) = self.table(seen.row.table) else { return false };
                let Some(column) = map.column(seen.column) else { return false };
                (seen.row.table, seen.column) = (map.id, column);
                true
            });
            transaction.changes = changes.into_iter().filter_map(|change| self.change(change, &mut ignored)).collect();
        }
        (changeset, ignored)
    }

    /// What is left of the changes of a transaction.
    pub fn changes(&self, changes: Vec<Change>) -> Vec<Change> {
        changes.into_iter().filter_map(|change| self.change(change, &mut Vec::new())).collect()
    }

    fn change(&self, change: Change, ignored: &mut Vec<Conflict>) -> Option<Change> {
        let map = self.table(change.row.table)?;
        let row = RowId { table: map.id, key: change.row.key };
        let mutation = match change.mutation {
            Mutation::Insert(values) => Mutation::Insert(map.values(&values)),
            Mutation::Update(fields) => {
                let dropped = fields.iter().filter(|field| map.column(field.column).is_none());
                ignored.extend(dropped.map(|field| Conflict {
                    row: row.clone(),
                    column: None,
                    kept: Side::Incumbent,
                    incumbent: unsigned(Claimed::Row(Vec::new())),
                    challenger: unsigned(Claimed::Value(field.value.clone())),
                }));
                Mutation::Update(map.fields(fields)?)
            }
            Mutation::Delete => Mutation::Delete,
        };
        Some(Change { row, mutation, base: change.base })
    }
}

/// A claim whose author the caller fills in.
fn unsigned(claimed: Claimed) -> Claim {
    Claim { claimed, author: AuthorId::MIGRATION, device_seq: DeviceSeq(0), stamp: Stamp(0) }
}

impl TableMap {
    fn of(old: &Table, new: &Catalogue) -> Option<Self> {
        let id = new.table_of(old.identity())?;
        let table = new.table(id)?;
        let target = |column: &Column| {
            let id = table.column_of(column.identity())?;
            table.columns.get(usize::from(id.0)).map(|column| Target { id, fit: Fit::of(column) })
        };
        let columns: Vec<Option<Target>> = old.columns.iter().map(target).collect();
        let moved = |id: &ColumnId| columns.get(usize::from(id.0))?.as_ref().map(|target| target.id);
        if !old.key.iter().map(moved).eq(table.key.iter().copied().map(Some)) {
            return None;
        }
        let source = |column: &Column| {
            let before = old.column_of(column.identity()).and_then(|id| old.field_position(id));
            before.map_or_else(|| Source::Constant(column.filler()), |at| Source::Field(at, Fit::of(column)))
        };
        let sources = table.fields().map(|(_, column)| source(column)).collect();
        Some(Self { id, columns, sources })
    }

    fn claimed(&self, claimed: &mut Claimed) {
        if let Claimed::Row(fields) = claimed {
            *fields = self.fields(core::mem::take(fields)).unwrap_or_default();
        }
    }

    fn target(&self, column: ColumnId) -> Option<&Target> {
        self.columns.get(usize::from(column.0))?.as_ref()
    }

    /// The column in the other version.
    pub fn column(&self, column: ColumnId) -> Option<ColumnId> {
        self.target(column).map(|target| target.id)
    }

    /// What the fields of the other version are made of, in their order.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Whether fields at most came to the end: records by field position then stay right.
    pub fn keeps_positions(&self) -> bool {
        let stays = |(at, source): (usize, &Source)| matches!(source, Source::Field(from, _) if *from == at);
        let kept = self.sources.iter().enumerate().take_while(|pair| stays(*pair)).count();
        let added = self.sources.iter().skip(kept).all(|source| matches!(source, Source::Constant(_)));
        added && self.columns.iter().all(Option::is_some)
    }

    /// All fields of a row.
    pub fn values(&self, old: &[Value]) -> Vec<Value> {
        let value = |source: &Source| match source {
            Source::Field(from, fit) => fit.take(old.get(*from).cloned().unwrap_or_default()),
            Source::Constant(constant) => constant.clone(),
        };
        self.sources.iter().map(value).collect()
    }

    /// Some fields of a row; `None` if none of them is left.
    fn fields(&self, fields: Vec<Field>) -> Option<Vec<Field>> {
        let moved = fields.into_iter().filter_map(|field| {
            let target = self.target(field.column)?;
            Some(Field { column: target.id, value: target.fit.take(field.value) })
        });
        let mut fields: Vec<Field> = moved.collect();
        fields.sort_by_key(|field| field.column);
        (!fields.is_empty()).then_some(fields)
    }
}

impl Fit {
    fn of(column: &Column) -> Self {
        let instead_of_null = column.not_null.then(|| column.filler());
        Self { affinity: column.affinity, instead_of_null }
    }

    /// The value as the column stores it: what SQLite would convert, and nothing that it would not.
    fn take(&self, value: Value) -> Value {
        match (self.affinity, value) {
            (_, Value::Null) => self.instead_of_null.clone().unwrap_or_default(),
            (Affinity::Text, Value::Integer(number)) => Value::Text(number.to_string()),
            (Affinity::Real, Value::Integer(number)) => Value::Real(number as f64),
            (Affinity::Integer | Affinity::Numeric, Value::Text(text)) => match text.parse() {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Text(text),
            },
            (Affinity::Integer | Affinity::Numeric, Value::Real(number)) if is_whole(number) => {
                Value::Integer(number as i64)
            }
            (_, value) => value,
        }
    }
}

fn is_whole(number: f64) -> bool {
    number as i64 as f64 == number && number.abs() < i64::MAX as f64
}
