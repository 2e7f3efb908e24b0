//! What a deleted row does to the rows that refer to it: foreign-key actions as explicit effects.
//! SQLite's own cascade would delete rows that no commit names, so the engine expands it before it writes.
//! Called by `decide` between the device's changes and the write.

use super::draft::{RowDraft, Write};
use super::drafts::Drafts;
use super::holders::Holders;
use super::moves::is_untouched;
use super::store::{FormerName, Mark, ServerStore, Violation};
use crate::catalogue::{Catalogue, Reference, ReferenceAction, Table};
use crate::change::RowId;
use crate::commit::Reason;
use crate::ids::{ColumnId, TableId};
use crate::value::{Key, Value};
use alloc::{collections::BTreeSet, format, vec::Vec};

/// Follows every deleted row to its children until nothing more changes.
pub fn expand<S: ServerStore>(drafts: &mut Drafts, store: &mut S, write: &Write) -> Result<(), S::Error> {
    if drafts.deleted().is_empty() {
        return Ok(());
    }
    let catalogue = store.catalogue();
    let mut holders = Holders::none(&catalogue);
    let mut done = 0;
    loop {
        let deleted = drafts.deleted();
        let Some((parent, values)) = deleted.get(done).cloned() else { return Ok(()) };
        done += 1;
        let Some(table) = catalogue.table(parent.table) else { continue };
        for (child, reference) in catalogue.children_of(parent.table) {
            let wanted = parent_values(table, &parent, &values, reference);
            holders.follow(drafts);
            // Another row has what they refer to: this one got another key. Or it was written anew, and goes with no action.
            let heirs = holders.rows(drafts, parent.table, &reference.parent_columns, &wanted);
            let stays = |heir: &RowId| *heir != parent || reference.on_delete == ReferenceAction::Refuse;
            if heirs.first().is_some_and(stays) {
                continue;
            }
            let mut children = store.children(child, reference, &wanted)?;
            drafts.load(store, &children)?;
            holders.follow(drafts);
            // Rows of this transaction may refer to it as well, and are not in the space yet; a parent that came back has them.
            let gone = drafts.get(&parent).is_some_and(|draft| draft.values().is_none());
            let held = if gone { holders.rows(drafts, child, &reference.columns, &wanted) } else { Vec::new() };
            children
                .retain(|row| gone || is_untouched(drafts, &catalogue.tables[usize::from(child.0)], row, reference));
            let known: BTreeSet<RowId> = children.iter().cloned().collect();
            children.extend(held.into_iter().filter(|row| !known.contains(row)));
            for row in children {
                act(drafts, &catalogue.tables[usize::from(child.0)], &row, reference, &wanted, write);
                holders.changed(drafts, &row);
            }
        }
    }
}

/// The first row that would be left pointing at a value which its parent no longer has.
///
/// The device's own cascade reached the children it knew; one that it did not know makes the transaction fail as a whole.
pub fn abandoned<S: ServerStore>(drafts: &Drafts, store: &mut S) -> Result<Option<Violation>, S::Error> {
    let catalogue = store.catalogue();
    for draft in drafts.iter() {
        let (row, Some(before), Some(values)) = (draft.row(), draft.before(), draft.values()) else { continue };
        let Some(table) = catalogue.table(row.table) else { continue };
        for (child, reference) in catalogue.children_of(row.table) {
            let old = parent_values(table, row, before, reference);
            if old == parent_values(table, row, values, reference) || old.contains(&Value::Null) {
                continue;
            }
            let children = store.children(child, reference, &old)?;
            if children.iter().any(|child| !drafts.contains(child)) {
                let detail = format!("{}: a row refers to a value that would be gone", table.name);
                return Ok(Some(Violation { reason: Reason::ForeignKey, detail }));
            }
        }
    }
    Ok(None)
}

/// A row of the transaction that is there, with these values.
fn live_with(drafts: &Drafts, table: &Table, id: TableId, columns: &[ColumnId], values: &[Value]) -> Option<RowId> {
    let mut rows = drafts.iter().filter(|draft| draft.row().table == id);
    let has = |draft: &&RowDraft| {
        draft.values().is_some_and(|held| column_values(table, draft.row(), held, columns) == values)
    };
    rows.find(has).map(|draft| draft.row().clone())
}

/// The values outside of keys by which others referred to rows of the transaction, and that those have no more.
pub fn given_up(drafts: &Drafts, catalogue: &Catalogue) -> Vec<FormerName> {
    let mut formers = Vec::new();
    for draft in drafts.iter().filter(|draft| catalogue.has_changing_parent_columns(draft.row().table)) {
        let (row, Some(before)) = (draft.row(), draft.before()) else { continue };
        let Some(table) = catalogue.table(row.table) else { continue };
        for (_, reference) in catalogue.children_of(row.table) {
            let columns = &reference.parent_columns;
            let values = column_values(table, row, before, columns);
            let now = draft.values().map(|now| column_values(table, row, now, columns));
            if now.as_ref() != Some(&values) && !values.contains(&Value::Null) && !names_a_key(table, reference) {
                formers.push(FormerName { columns: columns.clone(), values, row: row.clone() });
            }
        }
    }
    formers.sort();
    formers.dedup();
    formers
}

fn names_a_key(parent: &Table, reference: &Reference) -> bool {
    reference.parent_columns.iter().all(|column| parent.is_key(*column))
}

/// The parent that these values name, by its key or by what it was called before; and what took that name away. `None` where a row
/// has them now, or nobody knows of one that had.
pub(super) fn named_parent<S: ServerStore>(
    drafts: &Drafts,
    store: &mut S,
    reference: &Reference,
    values: &[Value],
) -> Result<Option<(RowId, Option<Mark>)>, S::Error> {
    let catalogue = store.catalogue();
    if let Some(row) = parent_row(&catalogue, reference, values) {
        return Ok(Some((row, None)));
    }
    let Some(table) = catalogue.table(reference.parent) else { return Ok(None) };
    let (id, columns) = (reference.parent, &reference.parent_columns);
    if values.contains(&Value::Null)
        || names_a_key(table, reference)
        || live_with(drafts, table, id, columns, values).is_some()
    {
        return Ok(None);
    }
    let former = store.former(id, columns, values)?;
    Ok(former.map(|(row, mark)| (row, Some(mark))))
}

/// Lets a row's reference go, as its foreign key says where it does not let the row go.
pub(super) fn release(drafts: &mut Drafts, table: &Table, row: &RowId, reference: &Reference, write: &Write) {
    match reference.on_delete {
        ReferenceAction::SetDefault => {
            let default = |column: ColumnId| table.columns[usize::from(column.0)].default.clone().unwrap_or_default();
            set(drafts, table, row, reference, ReferenceAction::SetDefault, default, write);
        }
        _ => set(drafts, table, row, reference, ReferenceAction::SetNull, |_| Value::Null, write),
    }
}

fn act(drafts: &mut Drafts, table: &Table, row: &RowId, reference: &Reference, parent: &[Value], write: &Write) {
    let Some(draft) = drafts.get_mut(row) else { return };
    let Some(values) = draft.values() else { return };
    if column_values(table, row, values, &reference.columns) != parent {
        return;
    }
    match reference.on_delete {
        ReferenceAction::SetNull | ReferenceAction::SetDefault => release(drafts, table, row, reference, write),
        ReferenceAction::Cascade | ReferenceAction::Refuse => drafts.force_delete(table, row, write),
    }
}

/// Gives a row's reference other values. One that follows loses nothing; one that is taken away may.
pub(super) fn set(
    drafts: &mut Drafts,
    table: &Table,
    row: &RowId,
    reference: &Reference,
    action: ReferenceAction,
    value: impl Fn(ColumnId) -> Value,
    write: &Write,
) {
    let Some(draft) = drafts.get_mut(row) else { return };
    for column in &reference.columns {
        let Some(position) = table.field_position(*column) else { continue };
        match action {
            ReferenceAction::Cascade => draft.force_field(position, *column, value(*column), write),
            _ => draft.release_field(position, *column, value(*column), write),
        }
    }
}

/// The parent that these values name, where the reference goes by the parent's key.
pub(super) fn parent_row(catalogue: &Catalogue, reference: &Reference, values: &[Value]) -> Option<RowId> {
    let parent = catalogue.table(reference.parent)?;
    let part = |column: &ColumnId| {
        let position = reference.parent_columns.iter().position(|c| c == column)?;
        values.get(position).filter(|value| **value != Value::Null).cloned()
    };
    let key: Option<Vec<Value>> = parent.key.iter().map(part).collect();
    let whole = reference.parent_columns.len() == parent.key.len();
    key.filter(|_| whole).map(|key| RowId { table: reference.parent, key: Key(key) })
}

pub(super) fn parent_values(table: &Table, row: &RowId, values: &[Value], reference: &Reference) -> Vec<Value> {
    column_values(table, row, values, &reference.parent_columns)
}

pub(super) fn column_values(table: &Table, row: &RowId, values: &[Value], columns: &[ColumnId]) -> Vec<Value> {
    let value = |column: &ColumnId| match table.key.iter().position(|key| key == column) {
        Some(position) => row.key.0.get(position).cloned(),
        None => table.field_position(*column).and_then(|position| values.get(position).cloned()),
    };
    columns.iter().map(|column| value(column).unwrap_or_default()).collect()
}
