//! What was written before there was a space, or before its table was kept in step: it waits, unsealed, until all of it goes to the space or
//! all of it gives way, and what gives way is listed as it was shown last.
//! It knows one step of a device, by what was there before and after it. Part of the judge; the world shows it every step.

use super::{Finding, Id, id_of};
use crate::device::Durable;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{LoggedChange, LoggedMutation, LoggedTransaction, RowId};
use ebbtide_core::client::Start;
use ebbtide_core::commit::Reason;
use ebbtide_core::ids::LogId;
use ebbtide_core::value::Value;
use ebbtide_store::local::{ChangeKind, NamedChange, RejectedRecord};
use std::collections::{BTreeMap, BTreeSet};

/// A step of a device that has something local.
#[derive(Debug)]
pub struct Step<'a> {
    /// The device before it.
    pub before: &'a Durable,
    /// The device after it.
    pub after: &'a Durable,
    /// What was local before it.
    pub was: &'a BTreeSet<LogId>,
    /// What is after it.
    pub is: &'a BTreeSet<LogId>,
    /// What of the log before it was decided already, for a copy of the device.
    pub decided: &'a BTreeSet<LogId>,
    /// What the device lists as rejected.
    pub listed: &'a [RejectedRecord],
    /// The device's tables.
    pub catalogue: &'a Catalogue,
}

/// What became of what was local.
#[derive(Debug, PartialEq, Eq)]
pub enum Became {
    /// It is local still.
    Waiting,
    /// It goes the way of everything that waits.
    Sent,
    /// It gave way, with these transactions, and is listed.
    Listed(BTreeSet<LogId>),
}

/// A change as a list says it: of which table and row, what it does, and the values that it writes.
type Said = (String, Vec<Value>, &'static str, Vec<Value>);

/// A device whose space was set back puts what it had sent before everything that waits, which then has later places: those.
pub fn renumber(before: &mut Durable, local: &mut BTreeSet<LogId>, after: &Durable) {
    let id = |durable: &Durable, transaction| id_of(durable.state.incarnation, transaction);
    let now: BTreeMap<Id, LogId> =
        after.log.iter().map(|transaction| (id(after, transaction), transaction.id)).collect();
    let moved = before.log.iter().find_map(|old| Some(now.get(&id(before, old))?.0 - old.id.0)).unwrap_or_default();
    before.log.iter_mut().for_each(|transaction| transaction.id.0 += moved);
    before.blocked.iter_mut().for_each(|id| id.0 += moved);
    *local = local.iter().map(|id| LogId(id.0 + moved)).collect();
}

impl Step<'_> {
    /// What became of it, where the app's word is `start`.
    pub fn became(&self, start: Start) -> Result<Became, Finding> {
        let waiting: BTreeSet<LogId> = self.after.log.iter().map(|transaction| transaction.id).collect();
        let settled = |id: &&LogId| self.decided.contains(id) && !waiting.contains(id);
        let was: BTreeSet<LogId> = self.was.iter().filter(|id| !settled(id)).copied().collect();
        if !self.is.is_empty() {
            return self.waits(&was).map(|()| Became::Waiting);
        }
        let leaving = self.leaving();
        let ids: BTreeSet<LogId> = leaving.iter().map(|transaction| transaction.id).collect();
        let may_have_given_way = start == Start::Take && !ids.is_empty() && ids.is_disjoint(&waiting);
        if was.is_subset(&waiting) {
            // Where a copy of the device got all of it accepted, what was written on top of it may give way nevertheless.
            let gave_way = may_have_given_way && self.is_listed(&leaving).is_ok();
            return Ok(if gave_way { Became::Listed(ids) } else { Became::Sent });
        }
        if !may_have_given_way {
            return Err(format!(
                "G1: of what was local {ids:?} had to leave at once, if at all, and {waiting:?} is left"
            ));
        }
        self.is_listed(&leaving).map(|()| Became::Listed(ids))
    }

    fn waits(&self, was: &BTreeSet<LogId>) -> Result<(), Finding> {
        if self.is != was {
            return Err(format!("G3: {was:?} was local, and a part of it is: {:?}", self.is));
        }
        let (before, after) = (&self.before.state, &self.after.state);
        if before.incarnation == after.incarnation && before.next_device_seq != after.next_device_seq {
            return Err(format!("number {} was sealed while something is local", before.next_device_seq.0));
        }
        Ok(())
    }

    /// What is local, and what was written later to rows that it made.
    fn leaving(&self) -> Vec<&LoggedTransaction> {
        let mut rows: BTreeSet<&RowId> = BTreeSet::new();
        let mut leaving = Vec::new();
        for transaction in &self.before.log {
            let on_top = transaction.changes.iter().any(|change| rows.contains(&change.row));
            if self.was.contains(&transaction.id) || on_top {
                rows.extend(transaction.changes.iter().filter(|change| makes(change)).map(|change| &change.row));
                leaving.push(transaction);
            }
        }
        leaving
    }

    /// Rows that it made are listed once each as they were shown, if they were; of other rows, and by what was out of the view, each change is.
    fn is_listed(&self, leaving: &[&LoggedTransaction]) -> Result<(), Finding> {
        let is_out = |transaction: &&LoggedTransaction| self.before.blocked.contains(&transaction.id);
        let (out, shown): (Vec<&LoggedTransaction>, Vec<_>) = leaving.iter().copied().partition(is_out);
        let changes = || shown.iter().flat_map(|transaction| &transaction.changes);
        let made: BTreeSet<&RowId> = changes().filter(|change| makes(change)).map(|change| &change.row).collect();
        let rows = self.before.rows.iter().filter(|(row, _)| made.contains(row));
        let others = changes().filter(|change| !made.contains(&change.row));
        let out = out.iter().flat_map(|transaction| &transaction.changes);
        let mut wanted: Vec<Said> = rows.map(|(row, values)| self.row(row, "insert", values)).collect();
        wanted.extend(others.chain(out).map(|change| self.change(change)));
        let by = |record: &&RejectedRecord| leaving.iter().any(|transaction| transaction.stamp == record.stamp);
        let records = self.listed.iter().filter(|record| record.reason == Reason::Replaced).filter(by);
        let mut listed: Vec<Said> = records.flat_map(|record| &record.changes).map(named).collect();
        wanted.sort();
        listed.sort();
        if wanted == listed {
            return Ok(());
        }
        let differing = |one: &[Said], other: &[Said]| -> Vec<Said> {
            one.iter().filter(|said| !other.contains(said)).take(3).cloned().collect()
        };
        let (missing, besides) = (differing(&wanted, &listed), differing(&listed, &wanted));
        Err(format!("G8: of what gave way {missing:?} is not listed, {besides:?} is, and {} are", listed.len()))
    }

    fn change(&self, change: &LoggedChange) -> Said {
        match &change.mutation {
            LoggedMutation::Insert(values) => self.row(&change.row, "insert", values),
            LoggedMutation::Delete(values) => self.row(&change.row, "delete", values),
            LoggedMutation::Update(fields) => {
                let values: Vec<Value> = fields.iter().map(|field| field.new.clone()).collect();
                self.row(&change.row, "update", &values)
            }
        }
    }

    fn row(&self, row: &RowId, does: &'static str, values: &[Value]) -> Said {
        let table = self.catalogue.table(row.table).expect("a table");
        (table.name.clone(), row.key.0.clone(), does, values.to_vec())
    }
}

fn makes(change: &LoggedChange) -> bool {
    matches!(change.mutation, LoggedMutation::Insert(_))
}

fn named(change: &NamedChange) -> Said {
    let does = match change.kind {
        ChangeKind::Insert => "insert",
        ChangeKind::Update => "update",
        ChangeKind::Delete => "delete",
    };
    let values = |named: &[(String, Value)]| named.iter().map(|(_, value)| value.clone()).collect();
    (change.table.clone(), values(&change.key), does, values(&change.fields))
}
