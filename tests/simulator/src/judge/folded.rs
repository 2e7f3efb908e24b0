//! Transactions that were decided as parts of others: what travelled must be what the app wrote, one write after the other, with nothing
//! in between that touches the same rows, and it must be taken as a whole. What was captured says so, not what the engine made of it.
//! Part of the judge.

use super::{Finding, Judge, id_of};
use crate::host::Decision;
use crate::reference::sets;
use crate::reference::space::Id;
use crate::reference::texts::AllTyped;
use ebbtide_core::catalogue::{Catalogue, Strategy};
use ebbtide_core::change::{
    Changeset, LoggedChange, LoggedField, LoggedMutation, LoggedTransaction, Mutation, RowId, Transaction,
};
use ebbtide_core::commit::Receipt;
use ebbtide_core::error::RefusalCode;
use ebbtide_core::ids::{ColumnId, DeviceSeq, Incarnation};
use ebbtide_core::message::ServerMessage;
use ebbtide_core::value::Value;
use std::collections::{BTreeMap, BTreeSet};

impl Judge {
    /// The space tells a device what it will not take as one, or not under a version that it never had.
    pub(super) fn note_not_taken(&mut self, incarnation: Incarnation, message: &ServerMessage) {
        let ServerMessage::Refused(refusal) = message else { return };
        let unknown = (1..=self.releases.last()).any(|release| self.never_had(release));
        if refusal.code == RefusalCode::NotAsOne || refusal.code == RefusalCode::SchemaMismatch && unknown {
            self.not_taken.extend(refusal.device_seq.map(|number| (incarnation, number)));
        }
    }

    /// A number was given up: that or an earlier one was not taken, and nothing came of it.
    pub(super) fn given_up(&mut self, decision: Decision) -> Result<(), Finding> {
        let (life, number) = (decision.incarnation, decision.device_seq);
        let told = self.not_taken.range((life, DeviceSeq(0))..=(life, number)).next().is_some();
        if !told || decision.receipt.seq.is_some() || decision.commit.is_some() {
            return Err(format!("G1: number {} was given up without need", number.0));
        }
        self.taken_apart += 1;
        self.line.receipts.insert((life, number), decision.receipt.clone());
        self.line.decisions.push(decision);
        Ok(())
    }

    /// Of a changeset in which transactions stand for others: it was taken as a whole, and is what was captured.
    pub(super) fn folded_rightly(
        &mut self,
        origin: Incarnation,
        changeset: &Changeset,
        receipt: &Receipt,
    ) -> Result<(), Finding> {
        if changeset.absorbs() && changeset.origin.is_none() && !receipt.rejected.is_empty() {
            return Err(format!("G3: number {} was taken in part", changeset.device_seq.0));
        }
        for transaction in changeset.transactions.iter().filter(|transaction| !transaction.absorbed.is_empty()) {
            self.absorbed += transaction.absorbed.len() as u64;
            let rules = self.rules_of(changeset);
            self.is_what_was_written((origin, changeset.opening, transaction.stamp), transaction, &rules)?;
        }
        Ok(())
    }

    /// A device's app made these before it was in step, and they gave way.
    pub fn gave_way<'t>(&mut self, life: Incarnation, transactions: impl Iterator<Item = &'t LoggedTransaction>) {
        self.gave_way.extend(transactions.map(|transaction| id_of(life, transaction)));
    }

    fn is_what_was_written(&self, id: Id, transaction: &Transaction, rules: &Catalogue) -> Result<(), Finding> {
        // What was written on something that gave way in between was written on other values than there are.
        let gone = |part| self.is_touched_between((id.0, id.1, part), id, |other| self.gave_way.contains(other));
        if transaction.absorbed.iter().copied().any(gone) {
            return Ok(());
        }
        let fails = |what: &str| Err(format!("G1: {what}: {transaction:?}"));
        let mut cells: BTreeMap<(RowId, ColumnId), (Value, Value)> = BTreeMap::new();
        for stamp in transaction.absorbed.iter().chain([&transaction.stamp]) {
            let Some(part) = self.captured.get(&(id.0, id.1, *stamp)) else {
                return fails("a part that nobody wrote");
            };
            for LoggedChange { row, mutation } in &part.changes {
                let LoggedMutation::Update(fields) = mutation else {
                    return fails("a part that is more than an update");
                };
                for LoggedField { column, old, new } in fields {
                    let cell = cells.entry((row.clone(), *column)).or_insert((old.clone(), old.clone()));
                    if cell.1 != *old {
                        return fails("a part that was written on something else");
                    }
                    cell.1 = new.clone();
                }
            }
            let is_no_part = |other: &Id| !transaction.absorbed.contains(&other.2);
            if *stamp != transaction.stamp && self.is_touched_between((id.0, id.1, *stamp), id, is_no_part) {
                return fails("something came between a part and what stands for it");
            }
        }
        let mut sent = 0;
        for change in &transaction.changes {
            let Mutation::Update(fields) = &change.mutation else { return fails("more than an update") };
            let table = rules.table(change.row.table).expect("a table");
            for field in fields {
                let Some((old, new)) = cells.get(&(change.row.clone(), field.column)) else {
                    return fails("a value that nobody wrote");
                };
                if !says(table.strategy(field.column), &field.value, old, new) {
                    return fails("another value than was written");
                }
                sent += 1;
            }
        }
        if sent == cells.len() { Ok(()) } else { fails("a value that was written does not travel") }
    }

    /// Whether a transaction of the same run, of those that are asked for, touches a row of a part after it.
    fn is_touched_between(&self, part: Id, whole: Id, asked_for: impl Fn(&Id) -> bool) -> bool {
        let rows = |id: &Id| -> BTreeSet<&RowId> {
            self.captured.get(id).map(|t| t.changes.iter().map(|change| &change.row).collect()).unwrap_or_default()
        };
        let own = rows(&part);
        let mut others = self.captured.range(part..whole).filter(|(id, _)| **id != part && asked_for(id));
        others.any(|(id, _)| rows(id).intersection(&own).next().is_some())
    }

    /// What a transaction does to texts together with its parts takes the place of what it does by itself, which is answered.
    pub(super) fn type_together(&mut self, origin: Incarnation, changeset: &Changeset) -> Vec<(Id, AllTyped)> {
        let mut single = Vec::new();
        for transaction in changeset.transactions.iter().filter(|transaction| !transaction.absorbed.is_empty()) {
            let id = |stamp| (origin, changeset.opening, stamp);
            let mut together = AllTyped::new();
            for stamp in transaction.absorbed.iter().chain([&transaction.stamp]) {
                for (place, typed) in self.typed.get(&id(*stamp)).into_iter().flatten() {
                    together.entry(place.clone()).or_default().then(typed.clone());
                }
            }
            if together.is_empty() {
                continue;
            }
            single.extend(self.typed.insert(id(transaction.stamp), together).map(|own| (id(transaction.stamp), own)));
        }
        single
    }
}

/// Whether what travelled says that this value became that one. Texts are judged by their words.
fn says(strategy: Strategy, sent: &Value, old: &Value, new: &Value) -> bool {
    match (strategy, old, new) {
        (Strategy::Sum, Value::Integer(old), Value::Integer(new)) => *sent == Value::Integer(new - old),
        (Strategy::Set, old, new) => {
            let Some((added, removed)) = sets::change(sent) else { return false };
            sets::same(&sets::changed(old, &added, &removed), new)
        }
        (Strategy::Text, ..) => true,
        _ => sent == new,
    }
}
