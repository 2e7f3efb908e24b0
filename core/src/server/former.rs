//! The merge rules under which a changeset of an earlier schema version was made. What a device sends of a write depends on them: a value, or what
//! was done to one. It knows catalogues alone; how writes merge is not its business. Called by `decide`, once for each changeset,
//! and for what waited.

use super::store::ServerStore;
use crate::catalogue::{Catalogue, RowRule};
use crate::change::{Change, Field, Mutation};
use crate::conflict::ParkedTransaction;
use crate::ids::{SchemaVersion, TableId};
use crate::version_map::VersionMap;
use alloc::{collections::BTreeSet, rc::Rc, vec::Vec};

/// The present catalogue with the strategies that fields had under `version`, where by either of the two it is not the value itself that travels.
pub(super) fn rules<S: ServerStore>(version: SchemaVersion, store: &mut S) -> Result<Rc<Catalogue>, S::Error> {
    let now = store.catalogue();
    if version == now.version {
        return Ok(now);
    }
    let Some(then) = store.catalogue_of(version)? else { return Ok(now) };
    let mut rules = now.as_ref().clone();
    for table in &mut rules.tables {
        let Some(former) = then.table_of(table.identity()).and_then(|id| then.table(id)) else { continue };
        if table.row == RowRule::Atomic {
            // What was done to a value is nothing that a row as a whole could take.
            let rebases =
                former.row == RowRule::Fields && former.columns.iter().any(|column| column.strategy.rebases());
            if !rebases {
                continue;
            }
            table.row = RowRule::Fields;
        }
        for column in &mut table.columns {
            let Some(was) = former.column_of(column.identity()).map(|was| former.strategy(was)) else { continue };
            if was.rebases() || column.strategy.rebases() {
                column.strategy = was;
            }
        }
    }
    Ok(Rc::new(rules))
}

/// The parts of a change with the catalogue by which each is read: what was done to a value by the rules of then, also where the row
/// merges as a whole by now; what inserts a row or deletes it says the same under both.
pub(super) fn readings<'c>(
    change: Change,
    rules: &'c Catalogue,
    now: &'c Catalogue,
) -> impl Iterator<Item = (Change, &'c Catalogue)> {
    let by = if matches!(change.mutation, Mutation::Update(_)) { rules } else { now };
    let [then, present] = [rules, now].map(|catalogue| catalogue.table(change.row.table));
    let (Mutation::Update(fields), Some(then), Some(present)) = (&change.mutation, then, present) else {
        return [Some((change, by)), None].into_iter().flatten();
    };
    if then.row == present.row {
        return [Some((change, by)), None].into_iter().flatten();
    }
    let (done, rest): (Vec<Field>, Vec<Field>) =
        fields.iter().cloned().partition(|field| then.strategy(field.column).rebases());
    let part = |fields: Vec<Field>| {
        (!fields.is_empty()).then(|| Change { mutation: Mutation::Update(fields), ..change.clone() })
    };
    [part(done).map(|part| (part, rules)), part(rest).map(|part| (part, now))].into_iter().flatten()
}

/// The tables of `then` that are there and that `now` does not keep in step. What a migration dropped nobody can keep; but a space that left
/// out rows of these would lose what their writer alone has.
pub(super) fn unkept<S: ServerStore>(
    then: &Catalogue,
    now: &Catalogue,
    store: &mut S,
) -> Result<BTreeSet<TableId>, S::Error> {
    let mut unkept = BTreeSet::new();
    for (table, id) in then.tables.iter().zip((0..).map(TableId)) {
        if now.table_of(table.identity()).is_none() && store.has_unkept(table.identity())? {
            unkept.insert(id);
        }
    }
    Ok(unkept)
}

/// Whether one of these changes is to one of these tables.
pub(super) fn writes_to(tables: &BTreeSet<TableId>, changes: &[Change]) -> bool {
    changes.iter().any(|change| tables.contains(&change.row.table))
}

/// What a transaction that waited wants, under the present schema. `None` where that cannot be said any more.
pub(super) fn waiting<S: ServerStore>(
    parked: &ParkedTransaction,
    now: &Catalogue,
    store: &mut S,
) -> Result<Option<Vec<Change>>, S::Error> {
    let changes = parked.transaction.changes.clone();
    if parked.schema == now.version {
        return Ok(Some(changes));
    }
    let Some(then) = store.catalogue_of(parked.schema)? else { return Ok(None) };
    let unkept = writes_to(&unkept(&then, now, store)?, &changes);
    Ok((!unkept).then(|| VersionMap::new(&then, now).changes(changes)))
}
