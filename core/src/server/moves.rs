//! Parents whose columns change, and the children that their writer did not know: they follow as ON UPDATE of their foreign key says.
//! A change of a key comes as a delete and an insert; here both are one again. What a deleted row does is the business of `references`.
//! Called by `decide` around the changes of a transaction, and by `deletes` for children of rows that had moved before.

use super::draft::{RowDraft, Write};
use super::drafts::Drafts;
use super::references::{column_values, parent_row, parent_values, set};
use super::store::ServerStore;
use crate::catalogue::{Catalogue, Reference, ReferenceAction, Table};
use crate::change::{Change, Mutation, RowId, Transaction};
use crate::ids::{ColumnId, TableId};
use crate::limits::{KEY_CHANGES, KEY_MOVES};
use crate::value::{Key, Value};
use alloc::{collections::BTreeMap, collections::BTreeSet, vec::Vec};

/// Rows that a transaction gives another key.
#[derive(Debug, Default)]
pub struct Moves {
    keys: BTreeMap<RowId, RowId>,
}

/// A row that other rows refer to, and what it was.
#[derive(Debug)]
pub struct Moved {
    by: By,
    from: (RowId, Vec<Value>),
    to: (RowId, Vec<Value>),
}

/// Who changed a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The device, which led those along that it knew: what its transaction says of references is meant.
    Device,
    /// The engine, so that rows of the transaction follow too.
    Engine,
}

/// A child that follows.
struct Follower {
    row: RowId,
    reference: usize,
    values: Vec<Value>,
}

impl Moves {
    /// Finds the key changes of a transaction whose rows are loaded and not changed yet.
    ///
    /// A delete and an insert of one table are one row if its children went along, or if nothing else fits and all fields that the
    /// writer had seen stayed the same.
    pub fn of_keys(
        transaction: &Transaction,
        drafts: &Drafts,
        catalogue: &Catalogue,
        write_of: impl Fn(&Change) -> Write,
    ) -> Self {
        let gone = transaction.changes.iter().filter(|change| change.mutation == Mutation::Delete);
        let mut gone = gone.filter(|change| is_followed(catalogue, change.row.table)).peekable();
        if gone.peek().is_none() {
            return Self::default();
        }
        let inserted = Inserted::of(transaction);
        let mut keys = followed(transaction, drafts, catalogue, &inserted);
        let mut compared = 0;
        for change in gone {
            let Some(draft) = drafts.get(&change.row).filter(|_| !keys.contains_key(&change.row)) else { continue };
            if let Some(to) = inserted.same_as(draft, &write_of(change), &mut compared) {
                keys.insert(change.row.clone(), to);
            }
        }
        Self { keys }
    }

    /// The key that a row gets.
    pub fn of(&self, row: &RowId) -> Option<&RowId> {
        self.keys.get(row)
    }

    /// Lets the children follow that the transaction itself does not mention, and theirs; besides those of rows that were led elsewhere.
    pub fn follow<S: ServerStore>(
        &self,
        led: Vec<Moved>,
        drafts: &mut Drafts,
        store: &mut S,
        write: &Write,
    ) -> Result<(), S::Error> {
        let mut moved = self.moved(drafts);
        moved.extend(led);
        while !moved.is_empty() {
            let mut followers = Vec::new();
            for parent in &moved {
                collect(parent, drafts, store, &mut followers)?;
            }
            moved = Vec::new();
            for follower in followers {
                moved.extend(go_along(follower, drafts, store, write)?);
            }
        }
        Ok(())
    }

    /// What the changes of the transaction made of rows: other keys, other values.
    fn moved(&self, drafts: &Drafts) -> Vec<Moved> {
        let row = |row: &RowId, values: Option<&[Value]>| Some((row.clone(), values?.to_vec()));
        let keys = drafts.deleted().iter().filter_map(|gone| {
            let to = self.keys.get(&gone.0)?;
            Some(Moved { by: By::Device, from: gone.clone(), to: row(to, drafts.get(to)?.values())? })
        });
        let values = drafts.iter().filter(|draft| !draft.is_recreated()).filter_map(|draft| {
            let (from, to) = (row(draft.row(), draft.before())?, row(draft.row(), draft.values())?);
            (from != to).then_some(Moved { by: By::Device, from, to })
        });
        keys.chain(values).collect()
    }
}

fn is_followed(catalogue: &Catalogue, table: TableId) -> bool {
    catalogue.children_of(table).any(|(_, reference)| reference.on_update != ReferenceAction::Refuse)
}

/// The rows to which known children of deleted rows were led.
fn followed(
    transaction: &Transaction,
    drafts: &Drafts,
    catalogue: &Catalogue,
    inserted: &Inserted<'_>,
) -> BTreeMap<RowId, RowId> {
    let mut keys = BTreeMap::new();
    for change in &transaction.changes {
        let Mutation::Update(fields) = &change.mutation else { continue };
        let Some(table) = catalogue.table(change.row.table) else { continue };
        let Some(before) = drafts.get(&change.row).and_then(|draft| draft.values()) else { continue };
        for reference in table.references.iter().filter(|of| of.on_update == ReferenceAction::Cascade) {
            let old = column_values(table, &change.row, before, &reference.columns);
            let written = |(column, old): (&ColumnId, &Value)| {
                fields.iter().find(|field| field.column == *column).map_or(old.clone(), |field| field.value.clone())
            };
            let new: Vec<Value> = reference.columns.iter().zip(&old).map(written).collect();
            let ends = (parent_row(catalogue, reference, &old), parent_row(catalogue, reference, &new));
            if let (Some(from), Some(to)) = ends
                && from != to
                && inserted.keys.contains(&to)
            {
                keys.insert(from, to);
            }
        }
    }
    let gone = transaction.changes.iter().filter(|change| change.mutation == Mutation::Delete);
    let gone: BTreeSet<&RowId> = gone.map(|change| &change.row).collect();
    keys.retain(|from, _| gone.contains(from));
    keys
}

/// The rows that a transaction inserts.
struct Inserted<'a> {
    keys: BTreeSet<&'a RowId>,
    by_fields: BTreeMap<(TableId, &'a [Value]), Vec<&'a RowId>>,
}

impl<'a> Inserted<'a> {
    fn of(transaction: &'a Transaction) -> Self {
        let (mut keys, mut by_fields) = (BTreeSet::new(), BTreeMap::<_, Vec<_>>::new());
        for change in &transaction.changes {
            if let Mutation::Insert(values) = &change.mutation {
                keys.insert(&change.row);
                by_fields.entry((change.row.table, values.as_slice())).or_default().push(&change.row);
            }
        }
        Self { keys, by_fields }
    }

    /// The only one with the fields of a deleted row, as far as the writer had seen them.
    fn same_as(&self, gone: &RowDraft, write: &Write, compared: &mut usize) -> Option<RowId> {
        let (table, image) = (gone.row().table, gone.values()?);
        let seen = |at: usize| gone.was_seen(at, write);
        if (0..image.len()).all(seen) {
            return only(self.by_fields.get(&(table, image)).into_iter().flatten(), gone.row());
        }
        *compared += 1;
        if *compared > KEY_CHANGES {
            return None;
        }
        let same = |values: &[Value]| image.iter().zip(values).enumerate().all(|(at, (a, b))| a == b || !seen(at));
        let fitting = self.by_fields.iter().filter(|((of, values), _)| *of == table && same(values));
        only(fitting.flat_map(|(_, rows)| rows), gone.row())
    }
}

fn only<'a>(rows: impl Iterator<Item = &'a &'a RowId>, but: &RowId) -> Option<RowId> {
    let mut others = rows.filter(|row| **row != but);
    let found = others.next()?;
    others.next().is_none().then(|| (*found).clone())
}

/// The children in the space that still say what the parent was. What the transaction wrote to a reference itself stays.
fn collect<S: ServerStore>(
    parent: &Moved,
    drafts: &mut Drafts,
    store: &mut S,
    followers: &mut Vec<Follower>,
) -> Result<(), S::Error> {
    let catalogue = store.catalogue();
    let Some(table) = catalogue.table(parent.from.0.table) else { return Ok(()) };
    for (at, child) in catalogue.tables.iter().enumerate() {
        for (place, reference) in child.references.iter().enumerate().filter(|(_, r)| r.parent == parent.from.0.table) {
            let old = parent_values(table, &parent.from.0, &parent.from.1, reference);
            let new = parent_values(table, &parent.to.0, &parent.to.1, reference);
            let stays = old == new || old.contains(&Value::Null);
            if stays || reference.on_update == ReferenceAction::Refuse {
                continue;
            }
            let mut rows = store.children(TableId(at as u16), reference, &old)?;
            drafts.load(store, &rows)?;
            rows.retain(|row| parent.by == By::Engine || is_untouched(drafts, child, row, reference));
            if parent.by == By::Engine {
                let held = drafts.iter().map(RowDraft::row).filter(|row| usize::from(row.table.0) == at);
                let held = held.filter(|row| !rows.contains(row)).cloned().collect::<Vec<_>>();
                rows.extend(held);
            }
            let still = rows.into_iter().filter(|row| holds(drafts, child, row, reference, &old));
            followers.extend(still.map(|row| Follower { row, reference: place, values: new.clone() }));
        }
    }
    Ok(())
}

/// Whether a row's reference is as it was before the transaction.
pub(super) fn is_untouched(drafts: &Drafts, table: &Table, row: &RowId, reference: &Reference) -> bool {
    let Some(draft) = drafts.get(row).filter(|draft| !draft.is_recreated()) else { return false };
    reference.columns.iter().all(|column| draft.written(table, *column).is_none())
}

fn holds(drafts: &Drafts, table: &Table, row: &RowId, reference: &Reference, old: &[Value]) -> bool {
    let values = drafts.get(row).and_then(RowDraft::values);
    values.is_some_and(|values| column_values(table, row, values, &reference.columns) == old)
}

/// Changes a child's reference; under another key where that is part of its own. Answers what others may refer to.
fn go_along<S: ServerStore>(
    follower: Follower,
    drafts: &mut Drafts,
    store: &mut S,
    write: &Write,
) -> Result<Option<Moved>, S::Error> {
    let catalogue = store.catalogue();
    let Follower { row, reference, values } = follower;
    let Some(table) = catalogue.table(row.table) else { return Ok(None) };
    let Some(reference) = table.references.get(reference) else { return Ok(None) };
    let value = |column: ColumnId| match reference.on_update {
        ReferenceAction::Cascade => {
            let position = reference.columns.iter().position(|of| *of == column);
            position.and_then(|at| values.get(at)).cloned().unwrap_or_default()
        }
        ReferenceAction::SetDefault => table.columns[usize::from(column.0)].default.clone().unwrap_or_default(),
        ReferenceAction::SetNull | ReferenceAction::Refuse => Value::Null,
    };
    let Some(before) = drafts.get(&row).and_then(|draft| draft.values()).map(<[Value]>::to_vec) else {
        return Ok(None);
    };
    let part = |(column, old): (&ColumnId, &Value)| {
        if reference.columns.contains(column) { value(*column) } else { old.clone() }
    };
    let key = Key(table.key.iter().zip(&row.key.0).map(part).collect());
    let to = RowId { table: row.table, key };
    if to == row {
        set(drafts, table, &row, reference, reference.on_update, value, write);
    } else {
        drafts.load(store, core::slice::from_ref(&to))?;
        let fields = table.fields().zip(&before).map(|((column, _), old)| part((&column, old))).collect::<Vec<_>>();
        drafts.rename(table, &row, &to, &fields, write);
    }
    let now = drafts.get(&to).and_then(|draft| draft.values()).map(<[Value]>::to_vec);
    Ok(now.map(|now| Moved { by: By::Engine, from: (row, before), to: (to, now) }))
}

/// A child that was led elsewhere: what became of it, if it is still there.
pub type Redirected = Option<Moved>;

/// Leads a child, whose parent got another key or other values unseen by the writer, to where that is now. `None`: it is nowhere.
pub fn redirect<S: ServerStore>(
    child: &RowId,
    place: usize,
    mut parent: RowId,
    drafts: &mut Drafts,
    store: &mut S,
    write: &Write,
) -> Result<Option<Redirected>, S::Error> {
    let catalogue = store.catalogue();
    let Some(table) = catalogue.table(child.table) else { return Ok(None) };
    let Some(reference) = table.references.get(place) else { return Ok(None) };
    if reference.on_update == ReferenceAction::Refuse {
        return Ok(None);
    }
    for _ in 0..KEY_MOVES {
        drafts.load(store, core::slice::from_ref(&parent))?;
        let Some(next) = drafts.get(&parent).and_then(|draft| draft.moved_to()) else { break };
        parent = next;
    }
    let Some(image) = drafts.get(&parent).and_then(|draft| draft.values()) else { return Ok(None) };
    let Some(parent_table) = catalogue.table(parent.table) else { return Ok(None) };
    let values = parent_values(parent_table, &parent, image, reference);
    go_along(Follower { row: child.clone(), reference: place, values }, drafts, store, write).map(Some)
}
