//! What becomes of a row that one device deletes while another edits it or refers to it: the rules `wins`, `keep` and `review`.
//! It finds the deletes that are not taken, brings rows back from their tombstones, and says what a person must choose; writing is the drafts' business.
//! Called by `decide` before and after it applies the changes of a transaction.

use super::draft::{RowDraft, Write};
use super::drafts::Drafts;
use super::holders::Holders;
use super::moves::{self, Moved, Moves};
use super::references::{self, column_values, parent_values};
use super::store::{Mark, ServerStore, Tombstone};
use crate::catalogue::{Catalogue, DeleteRule, Reference, ReferenceAction, Table};
use crate::change::{Change, Field, Mutation, RowId, Transaction};
use crate::conflict::{Claim, Claimed};
use crate::ids::{ColumnId, Seq};
use crate::value::Value;
use crate::version_map::VersionMap;
use alloc::{collections::BTreeMap, collections::BTreeSet, vec, vec::Vec};

/// A transaction waits for a person: the row, and both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The row about which it waits.
    pub row: RowId,
    /// What stands there, and what the transaction wants.
    pub sides: Vec<Claim>,
}

/// The fields that a row had, and what fell with it.
type Image = (Vec<Value>, Vec<(RowId, Vec<ColumnId>)>);

/// What the rules make of a transaction before its changes are applied.
#[derive(Debug, Default)]
pub struct Plan {
    /// Rows whose deletion is not taken.
    kept: BTreeSet<RowId>,
    /// Fields that the device's foreign keys emptied because of such a deletion.
    untouched: BTreeSet<(RowId, ColumnId)>,
    /// Rows that refer to a parent which is gone, under `wins`, with the reference, by its place in the catalogue.
    orphans: Vec<(RowId, usize)>,
    /// What the transaction waits for if rows that were brought back do not fit.
    pub revived: Option<Parked>,
}

impl Plan {
    /// Whether a change is left out.
    pub fn leaves_out(&self, change: &Change) -> bool {
        change.mutation == Mutation::Delete && self.kept.contains(&change.row)
    }

    /// The fields of an update that are taken.
    pub fn fields(&self, row: &RowId, fields: &[Field]) -> Vec<Field> {
        let taken = |field: &&Field| !self.untouched.contains(&(row.clone(), field.column));
        fields.iter().filter(taken).cloned().collect()
    }
}

/// What is taken of rows that a transaction refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parents {
    /// They are there, as they nearly always are: the check of references says otherwise, and is free where they are.
    Taken,
    /// One is not.
    Examined,
}

/// The context of one transaction.
pub struct Deletes<'a, S> {
    /// The schema.
    pub catalogue: &'a Catalogue,
    /// The space.
    pub store: &'a mut S,
    /// The rows of the transaction.
    pub drafts: &'a mut Drafts,
    /// Rows whose insert was refused.
    pub refused: &'a BTreeSet<RowId>,
    /// Up to where tombstones are pruned.
    pub floor: Seq,
    /// Rows that the transaction gives another key.
    pub moves: &'a Moves,
    /// Whether the rows that the transaction refers to are looked at too.
    pub parents: Parents,
}

impl<S: ServerStore> Deletes<'_, S> {
    /// Applies the rules to a transaction whose rows are loaded. `Err` within: it waits for a person.
    pub fn plan(
        &mut self,
        transaction: &Transaction,
        write_of: impl Fn(&Change) -> Write,
    ) -> Result<Result<Plan, Parked>, S::Error> {
        let mut plan = Plan::default();
        let examined = transaction.changes.iter().filter(|_| self.parents == Parents::Examined);
        let inserts = examined.filter(|change| matches!(change.mutation, Mutation::Insert(_)));
        let inserted: BTreeSet<&RowId> = inserts.map(|change| &change.row).collect();
        for change in &transaction.changes {
            let write = write_of(change);
            let mut met = match &change.mutation {
                Mutation::Delete => self.deletion(change, &write, &mut plan)?,
                Mutation::Insert(_) => Ok(()),
                Mutation::Update(fields) => {
                    self.meet(&change.row, &write, || Claimed::Row(fields.clone()), &mut plan)?.map(drop)
                }
            };
            if met.is_ok() && self.parents == Parents::Examined && change.mutation != Mutation::Delete {
                met = self.refer(change, &write, &inserted, &mut plan)?;
            }
            if let Err(parked) = met {
                return Ok(Err(parked));
            }
        }
        self.close(transaction, &mut plan);
        Ok(Ok(plan))
    }

    /// A deletion that meets edits or children which its writer had not seen.
    fn deletion(&mut self, change: &Change, write: &Write, plan: &mut Plan) -> Result<Result<(), Parked>, S::Error> {
        let Some(table) = self.catalogue.table(change.row.table) else { return Ok(Ok(())) };
        if table.delete == DeleteRule::Wins {
            return Ok(Ok(()));
        }
        let Some(standing) = self.unseen(table, &change.row, write)? else { return Ok(Ok(())) };
        if table.delete == DeleteRule::Review {
            let sides = vec![standing, write.claim(Claimed::Deleted)];
            return Ok(Err(Parked { row: change.row.clone(), sides }));
        }
        if let Some(draft) = self.drafts.get_mut(&change.row) {
            draft.keep(standing, write.claim(Claimed::Deleted));
        }
        plan.kept.insert(change.row.clone());
        Ok(Ok(()))
    }

    /// What stands in a row that a deletion's writer had not seen: its edits, or a child's reference.
    fn unseen(&mut self, table: &Table, row: &RowId, write: &Write) -> Result<Option<Claim>, S::Error> {
        let Some(draft) = self.drafts.get(row).filter(|draft| draft.life_was_seen(write)) else { return Ok(None) };
        let Some(values) = draft.values().map(<[Value]>::to_vec) else { return Ok(None) };
        if let Some(edit) = draft.unseen_row(table, write) {
            return Ok(Some(edit));
        }
        let catalogue = self.catalogue;
        for (child, reference) in catalogue.children_of(row.table) {
            if self.moves.of(row).is_some() && reference.on_update != ReferenceAction::Refuse {
                continue;
            }
            let wanted = parent_values(table, row, &values, reference);
            let children = self.store.children(child, reference, &wanted)?;
            self.drafts.load(self.store, &children)?;
            let Some(child) = catalogue.table(child) else { continue };
            let drafts = children.iter().filter_map(|found| self.drafts.get(found));
            let mut unseen = drafts.filter_map(|draft| draft.unseen_columns(child, &reference.columns, write));
            if let Some(claim) = unseen.next() {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    /// A write that refers to a row that is gone, whose deletion its writer had not seen.
    fn refer(
        &mut self,
        change: &Change,
        write: &Write,
        inserted: &BTreeSet<&RowId>,
        plan: &mut Plan,
    ) -> Result<Result<(), Parked>, S::Error> {
        let Some(table) = self.catalogue.table(change.row.table) else { return Ok(Ok(())) };
        for place in 0..table.references.len() {
            let reference = &table.references[place];
            let Some(values) = self.reference_written(table, change, place) else { continue };
            let Some((parent, renamed)) = references::named_parent(self.drafts, self.store, reference, &values)? else {
                continue;
            };
            if inserted.contains(&parent) || renamed.is_some_and(|mark| write.writer.had_seen(&mark)) {
                continue;
            }
            self.drafts.load(self.store, core::slice::from_ref(&parent))?;
            let moved = self.drafts.get(&parent).filter(|draft| draft.unseen_deletion(write).is_some());
            let follows = reference.on_update != ReferenceAction::Refuse;
            if follows && moved.and_then(RowDraft::moved_to).is_some() {
                plan.orphans.push((change.row.clone(), place));
                continue;
            }
            match self.meet(&parent, write, || Claimed::Row(Vec::new()), plan)? {
                Ok(gone) if gone || follows && renamed.is_some() => plan.orphans.push((change.row.clone(), place)),
                Ok(_) => {}
                Err(parked) => return Ok(Err(parked)),
            }
        }
        Ok(Ok(()))
    }

    /// Whether the row is gone unseen by the writer and stays so. `keep` brings it back, `review` parks the transaction.
    fn meet(
        &mut self,
        row: &RowId,
        write: &Write,
        claimed: impl FnOnce() -> Claimed,
        plan: &mut Plan,
    ) -> Result<Result<bool, Parked>, S::Error> {
        let Some(deletion) = self.unseen_deletion(row, write) else { return Ok(Ok(false)) };
        let rule = self.catalogue.table(row.table).map(|table| table.delete).unwrap_or_default();
        let challenger = write.claim(claimed());
        let parked = Parked { row: row.clone(), sides: vec![deletion.clone(), challenger.clone()] };
        match rule {
            DeleteRule::Wins => Ok(Ok(true)),
            DeleteRule::Keep if self.revive(row, write)? => {
                if let Some(draft) = self.drafts.get_mut(row) {
                    draft.keep_against(deletion, challenger);
                }
                plan.revived.get_or_insert(parked);
                Ok(Ok(false))
            }
            DeleteRule::Keep | DeleteRule::Review => Ok(Err(parked)),
        }
    }

    /// A deletion that the writer had not seen. Below the floor a row that is not there was deleted, and nobody knows any more by whom.
    fn unseen_deletion(&self, row: &RowId, write: &Write) -> Option<Claim> {
        let draft = self.drafts.get(row)?;
        let lost = draft.is_unknown() && write.writer.base.seq < self.floor && !self.refused.contains(row);
        draft.unseen_deletion(write).or_else(|| lost.then(|| Mark::default().claim(Claimed::Deleted)))
    }

    /// The parent that a change makes a row refer to, where references go by the parent's key.
    fn parent_written(&self, table: &Table, change: &Change, place: usize) -> Option<RowId> {
        self.parent_row(table.references.get(place)?, &self.reference_written(table, change, place)?)
    }

    /// What a change makes a row refer to.
    fn reference_written(&self, table: &Table, change: &Change, place: usize) -> Option<Vec<Value>> {
        let reference = table.references.get(place)?;
        let of = |values: &[Value], column: &ColumnId| {
            column_values(table, &change.row, values, core::slice::from_ref(column)).into_iter().next()
        };
        let written = |column: &ColumnId| match &change.mutation {
            Mutation::Update(fields) => fields.iter().find(|f| f.column == *column).map(|f| f.value.clone()),
            Mutation::Insert(values) => of(values, column),
            Mutation::Delete => None,
        };
        let standing = |column: &ColumnId| of(self.drafts.get(&change.row)?.values()?, column);
        reference.columns.iter().find_map(written)?;
        reference.columns.iter().map(|column| written(column).or_else(|| standing(column))).collect()
    }

    fn parent_row(&self, reference: &Reference, values: &[Value]) -> Option<RowId> {
        references::parent_row(self.catalogue, reference, values)
    }

    /// Brings a row back from its tombstone, with what fell with it and what it fell with. `false`: that cannot be done.
    fn revive(&mut self, row: &RowId, write: &Write) -> Result<bool, S::Error> {
        let mut todo = vec![row.clone()];
        while let Some(row) = todo.pop() {
            self.drafts.load(self.store, core::slice::from_ref(&row))?;
            let catalogue = self.catalogue;
            let Some(table) = catalogue.table(row.table) else { return Ok(false) };
            let Some(draft) = self.drafts.get(&row) else { return Ok(false) };
            if draft.values().is_some() {
                continue;
            }
            let (Some(fell), Some(tombstone)) = (draft.deleted_in(), draft.tombstone().cloned()) else {
                return Ok(false);
            };
            let Some((image, cascade)) = self.in_present_words(tombstone, table)? else { return Ok(false) };
            if let Some(draft) = self.drafts.get_mut(&row) {
                draft.revive(image.clone());
            }
            for reference in &table.references {
                let values = column_values(table, &row, &image, &reference.columns);
                todo.extend(self.parent_row(reference, &values));
            }
            for (child, columns) in cascade {
                self.drafts.load(self.store, core::slice::from_ref(&child))?;
                if !columns.is_empty() {
                    self.refer_again(&child, &columns, (&row, &image), fell, write);
                } else if self.drafts.get(&child).and_then(RowDraft::deleted_in) == Some(fell) {
                    todo.push(child);
                }
            }
        }
        Ok(true)
    }

    /// The image of a tombstone and what fell with it, under the present schema.
    fn in_present_words(&mut self, stone: Tombstone, table: &Table) -> Result<Option<Image>, S::Error> {
        let (now, Some(image)) = (self.catalogue, stone.image) else { return Ok(None) };
        if stone.schema == now.version {
            return Ok(Some((image, stone.cascade)).filter(|(image, _)| image.len() == table.fields().count()));
        }
        let Some(then) = self.store.catalogue_of(stone.schema)? else { return Ok(None) };
        let map = VersionMap::new(&then, now);
        let Some(to) = then.table_of(table.identity()).and_then(|old| map.table(old)) else { return Ok(None) };
        let fallen = |(row, columns): (RowId, Vec<ColumnId>)| {
            let moved = columns.into_iter().map(|column| map.table(row.table)?.column(column));
            Some((map.row(&row)?, moved.collect::<Option<_>>()?))
        };
        let cascade = stone.cascade.into_iter().filter_map(fallen).collect();
        Ok(Some((to.values(&image), cascade)))
    }

    /// Brings back the rows that changes write or refer to. `false`: that cannot be done.
    pub fn revive_for(&mut self, changes: &[Change], write: &Write) -> Result<bool, S::Error> {
        let inserted = |row: &RowId| changes.iter().any(|c| c.row == *row && matches!(c.mutation, Mutation::Insert(_)));
        for change in changes.iter().filter(|change| change.mutation != Mutation::Delete) {
            let Some(table) = self.catalogue.table(change.row.table) else { return Ok(false) };
            let own = matches!(change.mutation, Mutation::Update(_)).then(|| change.row.clone());
            let parents = (0..table.references.len()).filter_map(|place| self.parent_written(table, change, place));
            let wanted: Vec<RowId> = own.into_iter().chain(parents).filter(|row| !inserted(row)).collect();
            for row in wanted {
                if !self.revive(&row, write)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// A child whose reference the deletion emptied, and that nobody has given another since.
    fn refer_again(
        &mut self,
        child: &RowId,
        columns: &[ColumnId],
        (parent, image): (&RowId, &[Value]),
        fell: Seq,
        write: &Write,
    ) {
        let (Some(table), Some(parent_table)) = (self.catalogue.table(child.table), self.catalogue.table(parent.table))
        else {
            return;
        };
        let declared = table.references.iter().find(|r| r.parent == parent.table && r.columns == columns);
        let Some(reference) = declared else { return };
        let values = parent_values(parent_table, parent, image, reference);
        let Some(draft) = self.drafts.get_mut(child).filter(|draft| draft.values().is_some()) else { return };
        for (column, value) in columns.iter().zip(values) {
            if let Some(position) = table.field_position(*column).filter(|at| draft.written_in(*at) == Some(fell)) {
                draft.force_field(position, *column, value, write);
            }
        }
    }

    /// A kept row takes along what its deletion had taken along, and what it fell with.
    fn close(&mut self, transaction: &Transaction, plan: &mut Plan) {
        let mut todo: Vec<RowId> = plan.kept.iter().cloned().collect();
        if todo.is_empty() {
            return;
        }
        let mut holders = Holders::none(self.catalogue);
        holders.follow(self.drafts);
        let mut changes: BTreeMap<&RowId, Vec<&Mutation>> = BTreeMap::new();
        transaction.changes.iter().for_each(|change| changes.entry(&change.row).or_default().push(&change.mutation));
        while let Some(row) = todo.pop() {
            for (other, emptied) in self.tied(&row, &holders) {
                for mutation in changes.get(&other).into_iter().flatten() {
                    match mutation {
                        Mutation::Delete if plan.kept.insert(other.clone()) => todo.push(other.clone()),
                        Mutation::Update(fields) => {
                            let emptied = fields.iter().filter(|field| emptied.contains(&field.column));
                            plan.untouched.extend(emptied.map(|field| (other.clone(), field.column)));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// The rows of the transaction that refer to this one, with the columns by which they do, and those that it refers to.
    fn tied(&self, row: &RowId, holders: &Holders<'_>) -> Vec<(RowId, &[ColumnId])> {
        let Some(table) = self.catalogue.table(row.table) else { return Vec::new() };
        let Some(values) = self.drafts.get(row).and_then(RowDraft::values) else { return Vec::new() };
        let named = |columns: &[ColumnId]| {
            Some(column_values(table, row, values, columns)).filter(|values| !values.contains(&Value::Null))
        };
        let mut tied: Vec<(RowId, &[ColumnId])> = Vec::new();
        for (child, reference) in self.catalogue.children_of(row.table) {
            let Some(wanted) = named(&reference.parent_columns) else { continue };
            let below = holders.rows(self.drafts, child, &reference.columns, &wanted);
            tied.extend(below.into_iter().map(|row| (row, reference.columns.as_slice())));
        }
        for reference in &table.references {
            let Some(wanted) = named(&reference.columns) else { continue };
            let above = holders.rows(self.drafts, reference.parent, &reference.parent_columns, &wanted);
            tied.extend(above.into_iter().map(|row| (row, [].as_slice())));
        }
        tied
    }

    /// Children whose parent is gone and stays so go with it, or lose their reference, as their foreign key says.
    /// Those whose parent got another key are led there; they are answered, for what refers to them.
    pub fn orphan(&mut self, plan: &Plan, write: &Write) -> Result<Vec<Moved>, S::Error> {
        let mut led = Vec::new();
        for (row, place) in &plan.orphans {
            let Some(table) = self.catalogue.table(row.table) else { continue };
            let Some(reference) = table.references.get(*place) else { continue };
            let Some(values) = self.drafts.get(row).and_then(|draft| draft.values()).map(<[Value]>::to_vec) else {
                continue;
            };
            let held = column_values(table, row, &values, &reference.columns);
            let Some((parent, renamed)) = references::named_parent(self.drafts, self.store, reference, &held)? else {
                continue;
            };
            let deletion = self.drafts.get(&parent).and_then(RowDraft::known_or_lost_deletion);
            let fields = table.fields().zip(values);
            let image = fields.map(|((column, _), value)| Field { column, value }).collect();
            if let Some(moved) = moves::redirect(row, *place, parent, self.drafts, self.store, write)? {
                led.extend(moved);
                let renaming = deletion.or(renamed.map(|mark| mark.claim(Claimed::Row(Vec::new()))));
                let lost = renaming.filter(|_| reference.on_update != ReferenceAction::Cascade);
                if let (Some(renaming), Some(draft)) = (lost, self.drafts.get_mut(row)) {
                    draft.keep(renaming, write.claim(Claimed::Row(image)));
                }
                continue;
            }
            let Some(deletion) = deletion else { continue };
            match reference.on_delete {
                ReferenceAction::SetNull | ReferenceAction::SetDefault => {
                    references::release(self.drafts, table, row, reference, write);
                }
                ReferenceAction::Cascade | ReferenceAction::Refuse => self.drafts.force_delete(table, row, write),
            }
            if let Some(draft) = self.drafts.get_mut(row) {
                draft.keep(deletion, write.claim(Claimed::Row(image)));
            }
        }
        Ok(led)
    }
}

/// What a deleted row took along, by the drafts of its transaction: rows that went, and columns that were emptied.
pub fn fell_with(
    parent: &RowId,
    image: &[Value],
    drafts: &[RowDraft],
    before: &Holders<'_>,
    catalogue: &Catalogue,
) -> Vec<(RowId, Vec<ColumnId>)> {
    let Some(parent_table) = catalogue.table(parent.table) else { return Vec::new() };
    let mut fell = Vec::new();
    for (child, reference) in catalogue.children_of(parent.table) {
        let wanted = parent_values(parent_table, parent, image, reference);
        let held = before.places(child, &reference.columns, &wanted).iter().filter_map(|place| drafts.get(*place));
        fell.extend(held.filter_map(|draft| fallen(draft, reference, &wanted, catalogue)));
    }
    fell
}

/// What became of a row that referred to these values, if it does not any more.
fn fallen(
    draft: &RowDraft,
    reference: &Reference,
    wanted: &[Value],
    catalogue: &Catalogue,
) -> Option<(RowId, Vec<ColumnId>)> {
    let table = catalogue.table(draft.row().table)?;
    match draft.values().map(|values| column_values(table, draft.row(), values, &reference.columns)) {
        None => Some((draft.row().clone(), Vec::new())),
        Some(now) => (now != wanted).then(|| (draft.row().clone(), reference.columns.clone())),
    }
}
