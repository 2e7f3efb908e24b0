//! Edits of a refused transaction: which of its changes they are about, and what follows them in the others.
//! It runs no statement. Part of `retry`.

use super::super::error::DbError;
use super::{Cell, Does, Edit, Repeat, bad};
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{LoggedChange, RowId};
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::value::{Key, Value};
use ebbtide_core::version_map::VersionMap;
use std::collections::BTreeMap;

static NULL: Value = Value::Null;

/// Between the schema of the transaction and the present one.
pub(super) struct Names<'c> {
    map: VersionMap,
    then: &'c Catalogue,
    now: &'c Catalogue,
}

impl<'c> Names<'c> {
    /// From the schema of a transaction to the present one.
    pub(super) fn new(then: &'c Catalogue, now: &'c Catalogue) -> Self {
        Self { map: VersionMap::new(then, now), then, now }
    }

    /// The changes in the present schema: what it has no column for goes.
    pub(super) fn present(&self, changes: Vec<LoggedChange>) -> Result<Vec<LoggedChange>, DbError> {
        if self.then.version == self.now.version {
            return Ok(changes);
        }
        let lost = changes.iter().find(|change| self.map.table(change.row.table).is_none());
        if let Some(table) = lost.and_then(|change| self.then.table(change.row.table)) {
            return Err(bad(&format!("the schema has no table `{}` any more, or it has another key", table.name)));
        }
        Ok(changes.into_iter().filter_map(|change| self.map.logged(change)).collect())
    }

    /// A table by the name that it is listed under, or has now.
    fn table(&self, name: &str) -> Option<TableId> {
        let listed = self.then.table_id(name).and_then(|id| self.map.table(id));
        listed.map(|table| table.id).or_else(|| self.now.table_id(name))
    }

    fn column(&self, table: &str, id: TableId, name: &str) -> Option<ColumnId> {
        let place = |table: &Table| table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let then = self.then.table_id(table).filter(|then| self.map.table(*then).is_some_and(|map| map.id == id));
        let listed = then.and_then(|then| {
            let column = ColumnId(place(self.then.table(then)?)? as u16);
            self.map.table(then)?.column(column)
        });
        listed.or_else(|| Some(ColumnId(place(self.now.table(id)?)? as u16)))
    }

    /// Carries an edit out.
    pub(super) fn edit(&self, repeats: &mut [Repeat<'_>], edit: &Edit) -> Result<(), DbError> {
        let bad = |what: &str| bad(&format!("`{}`: {what}", edit.table));
        let table = self.table(&edit.table).ok_or_else(|| bad("there is no such table"))?;
        let is_of_row = |repeat: &Repeat<'_>| {
            repeat.does != Does::Delete && repeat.row.table == table && repeat.row.key.0 == edit.key
        };
        let last = |repeats: &[Repeat<'_>], also: &dyn Fn(&Repeat<'_>) -> bool| {
            repeats.iter().rposition(|repeat| is_of_row(repeat) && also(repeat))
        };
        let any = last(repeats, &|_| true).ok_or_else(|| bad("the transaction writes no row with this key"))?;
        for (name, value) in &edit.values {
            let column = self.column(&edit.table, table, name);
            let column = column.ok_or_else(|| bad(&format!("there is no column `{name}`")))?;
            if repeats[any].table.is_key(column) {
                let gives = last(repeats, &|repeat| repeat.gives_key());
                let gives = gives.ok_or_else(|| bad("the key of a row that is there cannot be edited"))?;
                repeats[gives].key.iter_mut().filter(|cell| cell.column == column).for_each(|cell| cell.edit(value));
                continue;
            }
            let writes = last(repeats, &|repeat| repeat.cell(column).is_some()).unwrap_or(any);
            let fields = &mut repeats[writes].fields;
            if !fields.iter().any(|cell| cell.column == column) {
                fields.push(Cell::new(column, &NULL, None));
            }
            fields.iter_mut().filter(|cell| cell.column == column).for_each(|cell| cell.edit(value));
        }
        Ok(())
    }
}

/// What is not as listed any more, for the changes that name it.
#[derive(Default)]
struct Renamed {
    /// Rows that get another key.
    rows: BTreeMap<RowId, Vec<Value>>,
    /// What rows refer to: the parent's columns, and their values.
    parents: BTreeMap<(TableId, Vec<ColumnId>, Vec<Value>), Vec<Value>>,
}

/// Lets changes follow what was edited in others: the row that they are about, or refer to. What was edited itself stays so.
pub(super) fn follow(repeats: &mut [Repeat<'_>], catalogue: &Catalogue) {
    let is_edited = |repeat: &&Repeat<'_>| repeat.key.iter().chain(&repeat.fields).any(|cell| cell.edited);
    let mut renamed = Renamed::default();
    repeats.iter().filter(is_edited).for_each(|repeat| renamed.note_parent(repeat, catalogue));
    for repeat in repeats {
        renamed.lead_row(repeat);
        renamed.lead_references(repeat);
        let is_renamed = repeat.key.iter().any(|cell| cell.given.is_some());
        if is_renamed && repeat.gives_key() {
            renamed.rows.insert(repeat.row.clone(), repeat.key());
        }
        renamed.note_parent(repeat, catalogue);
    }
}

impl Renamed {
    fn note_parent(&mut self, repeat: &Repeat<'_>, catalogue: &Catalogue) {
        if repeat.key.iter().chain(&repeat.fields).all(|cell| cell.given.is_none()) {
            return;
        }
        for (_, reference) in catalogue.children_of(repeat.row.table) {
            let cells = || reference.parent_columns.iter().map(|column| repeat.cell(*column));
            let Some(cells) = cells().collect::<Option<Vec<&Cell<'_>>>>() else { continue };
            if cells.iter().all(|cell| *cell.listed != Value::Null) {
                let listed = cells.iter().map(|cell| cell.listed.clone()).collect();
                let place = (repeat.row.table, reference.parent_columns.clone(), listed);
                self.parents.insert(place, cells.iter().map(|cell| cell.value().clone()).collect());
            }
        }
    }

    fn lead_row(&mut self, repeat: &mut Repeat<'_>) {
        match &mut repeat.does {
            // From here on the listed key is that of this row.
            Does::Insert => drop(self.rows.remove(repeat.row)),
            Does::Update | Does::Delete => {
                let led = self.rows.get(repeat.row);
                led.into_iter().for_each(|key| set(repeat.key.iter_mut().zip(key)));
            }
            Does::Move { before, .. } => {
                let row = RowId { table: repeat.row.table, key: Key(before.clone()) };
                self.rows.remove(&row).into_iter().for_each(|key| *before = key);
                self.rows.remove(repeat.row);
            }
        }
    }

    fn lead_references(&self, repeat: &mut Repeat<'_>) {
        if repeat.does == Does::Delete {
            return;
        }
        for reference in &repeat.table.references {
            let listed = reference.columns.iter().map(|column| repeat.cell(*column).map(|cell| cell.listed.clone()));
            let Some(listed) = listed.collect::<Option<Vec<Value>>>() else { continue };
            let place = (reference.parent, reference.parent_columns.clone(), listed);
            let Some(to) = self.parents.get(&place) else { continue };
            let value = |cell: &Cell<'_>| Some(&to[reference.columns.iter().position(|of| *of == cell.column)?]);
            // The key of a row that is there stays, or goes where its row does.
            let gives_key = repeat.gives_key();
            let cells = repeat.key.iter_mut().filter(|_| gives_key).chain(&mut repeat.fields);
            set(cells.filter_map(|cell| Some((value(cell)?, cell))).map(|(value, cell)| (cell, value)));
        }
    }
}

fn set<'a, 'c: 'a, 'v>(values: impl Iterator<Item = (&'a mut Cell<'c>, &'v Value)>) {
    for (cell, value) in values.filter(|(cell, value)| !cell.edited && cell.value() != *value) {
        cell.given = Some(value.clone());
    }
}
