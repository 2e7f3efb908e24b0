//! Which rows of a transaction have some values in columns that refer to others, or that others refer to.
//! A look through all drafts for each deleted row would be quadratic in what a person deletes at once.
//! Filled and asked by `drafts`, `deletes` and `references`.

use super::draft::RowDraft;
use super::drafts::Drafts;
use super::references::column_values;
use crate::catalogue::Catalogue;
use crate::change::RowId;
use crate::ids::{ColumnId, TableId};
use crate::value::Value;
use alloc::{collections::BTreeMap, vec::Vec};

/// The places of drafts, by the values of some columns.
type Places = BTreeMap<Vec<Value>, Vec<usize>>;

/// The places of drafts, by what they hold or held.
#[derive(Debug)]
pub(super) struct Holders<'a> {
    catalogue: &'a Catalogue,
    by_table: BTreeMap<TableId, Vec<(&'a [ColumnId], Places)>>,
    /// Drafts from here on were not looked at.
    known: usize,
}

impl<'a> Holders<'a> {
    /// Of no rows yet.
    pub(super) fn none(catalogue: &'a Catalogue) -> Self {
        let mut by_table: BTreeMap<TableId, Vec<(&[ColumnId], Places)>> = BTreeMap::new();
        for (at, table) in catalogue.tables.iter().enumerate() {
            for reference in &table.references {
                let ends = [(TableId(at as u16), &reference.columns), (reference.parent, &reference.parent_columns)];
                for (id, columns) in ends {
                    let of_table = by_table.entry(id).or_default();
                    if of_table.iter().all(|(known, _)| known != columns) {
                        of_table.push((columns.as_slice(), Places::new()));
                    }
                }
            }
        }
        Self { catalogue, by_table, known: 0 }
    }

    /// By what the rows were before the transaction.
    pub(super) fn before(drafts: &[RowDraft], catalogue: &'a Catalogue) -> Self {
        let mut holders = Self::none(catalogue);
        for (place, draft) in drafts.iter().enumerate() {
            holders.add(place, draft, draft.before());
        }
        holders
    }

    /// Adds the rows that were loaded meanwhile, as they stand.
    pub(super) fn follow(&mut self, drafts: &Drafts) {
        for (place, draft) in drafts.iter().enumerate().skip(self.known) {
            self.add(place, draft, draft.values());
            self.known = place + 1;
        }
    }

    /// Notes what a row was made.
    pub(super) fn changed(&mut self, drafts: &Drafts, row: &RowId) {
        if let Some((place, draft)) = drafts.place(row) {
            self.add(place, draft, draft.values());
        }
    }

    fn add(&mut self, place: usize, draft: &RowDraft, values: Option<&[Value]>) {
        let row = draft.row();
        let (Some(table), Some(values)) = (self.catalogue.table(row.table), values) else { return };
        for (columns, places) in self.by_table.get_mut(&row.table).into_iter().flatten() {
            let held = column_values(table, row, values, columns);
            // NULL refers to nothing, and nothing to NULL.
            if !held.contains(&Value::Null) {
                places.entry(held).or_default().push(place);
            }
        }
    }

    /// The places of the rows of this table that hold these values, or did.
    pub(super) fn places(&self, table: TableId, columns: &[ColumnId], values: &[Value]) -> &[usize] {
        let mut of_table = self.by_table.get(&table).into_iter().flatten();
        let found = of_table.find(|(known, _)| *known == columns).and_then(|(_, places)| places.get(values));
        found.map_or(&[], Vec::as_slice)
    }

    /// The rows of this table that hold these values, in the order in which they were loaded.
    pub(super) fn rows(&self, drafts: &Drafts, id: TableId, columns: &[ColumnId], values: &[Value]) -> Vec<RowId> {
        let Some(table) = self.catalogue.table(id) else { return Vec::new() };
        let mut places = self.places(id, columns, values).to_vec();
        places.sort_unstable();
        places.dedup();
        let holds = |draft: &&RowDraft| {
            draft.values().is_some_and(|held| column_values(table, draft.row(), held, columns) == values)
        };
        let found = places.into_iter().filter_map(|place| drafts.at(place)).filter(holds);
        found.map(|draft| draft.row().clone()).collect()
    }
}
