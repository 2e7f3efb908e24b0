//! What one release says, in the terms of the last: tables and columns found by their names, and those that the release lacks at their defaults.
//! Names that changed it has from the steps, written by hand; of what it is given it judges nothing.
//! Part of `releases`.

use super::piece::{self, Piece};
use crate::device::Durable;
use crate::rows::Rows;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{
    Changeset, Field, LoggedChange, LoggedField, LoggedMutation, LoggedTransaction, Mutation, RowId,
};
use ebbtide_core::commit::{Commit, Effect};
use ebbtide_core::conflict::QueueChange;
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::value::Value;
use std::borrow::Cow;

/// See the file's header.
#[derive(Debug)]
pub struct Lift {
    /// By the release's own ids; nothing if it is the last itself.
    tables: Option<Vec<Lifted>>,
    /// By the last release's ids: the fields that this release has; nothing if it lacks the table.
    known: Vec<Option<Vec<bool>>>,
    /// A new row's fields in the last release, by its ids.
    fresh: Vec<Vec<Value>>,
}

#[derive(Debug)]
struct Lifted {
    id: TableId,
    columns: Vec<ColumnId>,
    /// Where among the fields each of its own goes.
    fields: Vec<usize>,
}

impl Lift {
    /// From a release to the last, which took these steps more.
    pub fn new(from: &Catalogue, last: &Catalogue, later: &[Piece]) -> Self {
        let tables: Vec<Lifted> = from.tables.iter().map(|table| Lifted::of(table, last, later)).collect();
        let known = last.tables.iter().enumerate().map(|(at, table)| {
            let lifted = tables.iter().find(|lifted| usize::from(lifted.id.0) == at)?;
            Some((0..table.fields().count()).map(|field| lifted.fields.contains(&field)).collect())
        });
        let fresh = last
            .tables
            .iter()
            .map(|table| table.fields().map(|(_, column)| column.default.clone().unwrap_or_default()).collect());
        let (known, fresh) = (known.collect(), fresh.collect());
        Self { tables: (from.version != last.version).then_some(tables), known, fresh }
    }

    /// The last release's tables under the rules that the release has for them.
    pub fn ruled(&self, from: &Catalogue, last: &Catalogue) -> Catalogue {
        let mut ruled = last.clone();
        for (table, id) in from.tables.iter().zip((0..).map(TableId)) {
            let target = &mut ruled.tables[usize::from(self.table(id).map_or(id, |table| table.id).0)];
            (target.row, target.delete) = (table.row, table.delete);
            for (column, at) in table.columns.iter().zip((0..).map(ColumnId)) {
                target.columns[usize::from(self.column(id, at).0)].strategy = column.strategy;
            }
        }
        ruled
    }

    /// A row's name.
    pub fn row(&self, row: &RowId) -> RowId {
        let table = self.table(row.table).map_or(row.table, |table| table.id);
        RowId { table, key: row.key.clone() }
    }

    fn table(&self, table: TableId) -> Option<&Lifted> {
        self.tables.as_ref().map(|tables| &tables[usize::from(table.0)])
    }

    fn column(&self, table: TableId, column: ColumnId) -> ColumnId {
        self.table(table).map_or(column, |table| table.columns[usize::from(column.0)])
    }

    fn values(&self, table: TableId, values: Vec<Value>) -> Vec<Value> {
        let Some(lifted) = self.table(table) else { return values };
        let mut all = self.fresh[usize::from(lifted.id.0)].clone();
        lifted.fields.iter().zip(values).for_each(|(at, value)| all[*at] = value);
        all
    }

    /// Rows.
    pub fn rows(&self, rows: Rows) -> Rows {
        match self.tables {
            None => rows,
            Some(_) => rows.into_iter().map(|(row, values)| (self.row(&row), self.values(row.table, values))).collect(),
        }
    }

    /// What of the last release's rows this one can see: the rest at its default, and rows of tables that it lacks not at all.
    pub fn visible<'r>(&self, rows: &'r Rows) -> Cow<'r, Rows> {
        if self.tables.is_none() {
            return Cow::Borrowed(rows);
        }
        let seen = rows.iter().filter_map(|(row, values)| {
            let at = usize::from(row.table.0);
            let known = self.known[at].as_ref()?;
            let cells = known.iter().zip(values.iter().zip(&self.fresh[at]));
            Some((
                row.clone(),
                cells.map(|(known, (value, fresh))| if *known { value } else { fresh }.clone()).collect(),
            ))
        });
        Cow::Owned(seen.collect())
    }

    /// Everything durable of a device.
    pub fn durable<'d>(&self, durable: &'d Durable) -> Cow<'d, Durable> {
        if self.tables.is_none() {
            return Cow::Borrowed(durable);
        }
        let mut durable = durable.clone();
        durable.rows = self.rows(durable.rows);
        durable.log = durable.log.into_iter().map(|transaction| self.logged(transaction)).collect();
        Cow::Owned(durable)
    }

    /// A captured transaction.
    pub fn logged(&self, mut transaction: LoggedTransaction) -> LoggedTransaction {
        for LoggedChange { row, mutation } in &mut transaction.changes {
            match mutation {
                LoggedMutation::Insert(values) | LoggedMutation::Delete(values) => {
                    *values = self.values(row.table, std::mem::take(values));
                }
                LoggedMutation::Update(fields) => {
                    let moved = |field: &mut LoggedField| field.column = self.column(row.table, field.column);
                    fields.iter_mut().for_each(moved);
                    fields.sort_by_key(|field| field.column);
                }
            }
            *row = self.row(row);
        }
        transaction
    }

    fn fields(&self, table: TableId, fields: &mut [Field]) {
        fields.iter_mut().for_each(|field| field.column = self.column(table, field.column));
        fields.sort_by_key(|field| field.column);
    }

    /// A changeset. It still says under which version it was sealed.
    pub fn changeset(&self, mut changeset: Changeset) -> Changeset {
        for change in changeset.transactions.iter_mut().flat_map(|transaction| &mut transaction.changes) {
            match &mut change.mutation {
                Mutation::Insert(values) => *values = self.values(change.row.table, std::mem::take(values)),
                Mutation::Update(fields) => self.fields(change.row.table, fields),
                Mutation::Delete => {}
            }
            change.row = self.row(&change.row);
        }
        changeset
    }

    /// A commit, as far as it is judged: outcomes, and which cells its conflicts are about.
    pub fn commit(&self, mut commit: Commit) -> Commit {
        for outcome in &mut commit.outcomes {
            match &mut outcome.effect {
                Effect::Put(values) => *values = self.values(outcome.row.table, std::mem::take(values)),
                Effect::Set(fields) => self.fields(outcome.row.table, fields),
                Effect::Delete => {}
            }
            outcome.row = self.row(&outcome.row);
        }
        for conflict in &mut commit.conflicts {
            conflict.column = conflict.column.map(|column| self.column(conflict.row.table, column));
            conflict.row = self.row(&conflict.row);
        }
        for change in &mut commit.queue {
            if let QueueChange::Opened(open) = change {
                open.column = open.column.map(|column| self.column(open.row.table, column));
                open.row = self.row(&open.row);
            }
        }
        commit
    }
}

impl Lifted {
    fn of(table: &Table, last: &Catalogue, later: &[Piece]) -> Self {
        let id = last.table_id(piece::table_after(later, &table.name)).expect("no table goes");
        let target = last.table(id).expect("a table");
        let column = |name: &str| {
            let name = piece::column_after(later, &table.name, name);
            let at = target.columns.iter().position(|column| column.name == name).expect("no column goes");
            ColumnId(at as u16)
        };
        let columns = table.columns.iter().map(|of| column(&of.name)).collect();
        let place = |name: &str| target.field_position(column(name)).expect("a field stays a field");
        let fields = table.fields().map(|(_, of)| place(&of.name)).collect();
        Self { id, columns, fields }
    }
}
