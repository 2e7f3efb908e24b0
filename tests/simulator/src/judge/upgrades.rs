//! Releases that come midway: a space that runs migrations, devices that run them before or after it.
//! What a migration does to rows is said by its steps, by hand; here it is compared with what the engines made of it.
//! Part of the judge.

use super::{Finding, Judge};
use crate::device::Durable;
use crate::host::SpaceHost;
use crate::reference::constraints;
use crate::releases::Release;
use crate::releases::piece::Became;
use crate::rows::{Rows, difference};
use ebbtide_core::catalogue::{Catalogue, Strategy, Table};
use ebbtide_core::change::{LoggedChange, LoggedField, LoggedMutation, LoggedTransaction, RowId};
use ebbtide_core::client::store::Rebuild;
use ebbtide_core::ids::Millis;
use ebbtide_core::value::Value;
use std::borrow::Cow;
use std::rc::Rc;

impl Judge {
    /// The release that the space has.
    pub fn release(&self) -> usize {
        self.line.release
    }

    /// Whether the space has a later release and never had this one.
    pub fn went_past(&self, release: usize) -> bool {
        release < self.line.release && self.never_had(release)
    }

    /// Whether the space has not had this release up to now, nor another one that is the same.
    pub(super) fn never_had(&self, release: usize) -> bool {
        let version = |release: usize| self.releases.get(release).catalogue.version;
        let mut had = self.line.deployments.iter().map(|(_, deployed, _)| *deployed).chain([0]);
        !had.any(|deployed| version(deployed) == version(release))
    }

    /// The space took a release: each of its migrations that changed rows is a commit.
    pub fn deployed(&mut self, release: usize, now: Millis, space: &mut SpaceHost) -> Result<(), Finding> {
        let before = self.head() as usize;
        let releases = self.releases.clone();
        for (piece, version) in releases.between(self.line.release, release) {
            if self.line.reference.migrate(*piece, *version) {
                self.line.history.push(Rc::new(self.rows_now()));
                self.line.stamps.push(self.line.stamps[self.line.stamps.len() - 1]);
            }
        }
        self.line.reference.take_rules(releases.get(release).rules.clone());
        self.line.release = release;
        self.line.deployments.push((self.line.decisions.len(), release, now));
        let (head, chain) = space.head();
        if head.0 != self.head() {
            return Err(format!("G5: the migrations ended at {} instead of {}", head.0, self.head()));
        }
        let commits = space.commits();
        let fresh = commits.into_iter().filter(|commit| commit.seq.0 > before as u64);
        self.line.log.extend(fresh);
        let now = self.line.history[self.line.history.len() - 1].clone();
        self.points.insert((head.0, chain.truncated()), now);
        self.space_is_right(space)
    }

    /// The reference's rows, with sets and texts as they were: no migration touches them.
    fn rows_now(&self) -> Rows {
        let before = &self.line.history[self.line.history.len() - 1];
        let kept = |(row, mut values): (_, Vec<_>)| {
            if let Some(told) = before.get(&row) {
                let table = self.catalogue.table(row.table).expect("a table");
                let merged = table.fields().map(|(column, _)| table.strategy(column));
                for (place, _) in
                    merged.enumerate().filter(|(_, strategy)| matches!(strategy, Strategy::Set | Strategy::Text))
                {
                    values[place] = told[place].clone();
                }
            }
            (row, values)
        };
        self.line.reference.rows().into_iter().map(kept).collect()
    }

    /// A device took a release, all in the terms of the last: what waited still waits, and where the space is not as far the rows
    /// are what the migrations make of them, if the device knew everything about them.
    pub fn upgraded(
        &self,
        (before, from): (&Durable, usize),
        (after, to): (&Durable, usize),
        knew_all: bool,
    ) -> Result<(), Finding> {
        let waits = |transaction: &&LoggedTransaction| !after.log.iter().any(|now| same(transaction, now));
        if let Some(lost) = before.log.iter().find(waits) {
            return Err(format!("G1: what waited is not there after an upgrade: {lost:?}"));
        }
        let steps = self.releases.between(from, to);
        let mut migrations = steps.iter().filter(|(piece, _)| !piece.is_rule());
        let ahead = migrations.all(|(_, version)| after.state.space_schema.migrations() < *version);
        if !ahead || !knew_all {
            return Ok(());
        }
        let mut rows = before.rows.clone();
        for (piece, _) in steps {
            for (row, became) in piece.done_to(&rows, &self.catalogue) {
                match became {
                    Became::Row(values) => rows.insert(row, values),
                    Became::Gone => rows.remove(&row),
                };
            }
        }
        if rows != after.rows {
            let differing = difference(&after.rows, &rows, &self.catalogue);
            return Err(format!("an upgrade did something else than its migrations say (device | steps):{differing}"));
        }
        Ok(())
    }

    /// A pending write is shown as one rule or another of its field would show it, where this has changed while it waits: until its row is
    /// laid anew a device leaves it as it was, and what was written on top builds on that.
    pub(super) fn relax(&self, durable: &Durable, there: &Rows, expected: &mut Rows) {
        for rules in self.releases.rules() {
            for (row, other) in durable.expected(there, rules) {
                let (Some(shown), Some(cells)) = (durable.rows.get(&row), expected.get_mut(&row)) else { continue };
                let cells = cells.iter_mut().zip(shown.iter().zip(&other));
                cells
                    .filter(|(_, (shown, other))| shown == other)
                    .for_each(|(cell, (shown, _))| cell.clone_from(shown));
            }
        }
    }
}

fn same(one: &LoggedTransaction, other: &LoggedTransaction) -> bool {
    (one.id, one.stamp, one.origin, one.opening) == (other.id, other.stamp, other.origin, other.opening)
        && one.changes.len() == other.changes.len()
        && one
            .changes
            .iter()
            .zip(&other.changes)
            .all(|(was, is)| was == is || one.origin.is_some() && came_back(was, is))
}

/// What came from before a space was set back does not know the values before, and a migration that allows no NULL puts others in.
fn came_back(one: &LoggedChange, other: &LoggedChange) -> bool {
    let unknown = |old: &Value| *old == Value::Null;
    one.row == other.row
        && match (&one.mutation, &other.mutation) {
            (LoggedMutation::Delete(old), LoggedMutation::Delete(_)) => old.iter().any(unknown),
            (LoggedMutation::Update(was), LoggedMutation::Update(is)) => {
                let same = |(was, is): (&LoggedField, &LoggedField)| {
                    (was.column, &was.new) == (is.column, &is.new) && (was.old == is.old || unknown(&was.old))
                };
                was.len() == is.len() && was.iter().zip(is).all(same)
            }
            _ => false,
        }
}

/// A device ahead of its space shows what its own migrations made of rows, and that gives way when the space is as far, also what earlier
/// migrations made of them, where it took several at once: tables with such rows say nothing.
pub(super) fn without_previews<'d>(
    durable: &'d Durable,
    expected: &mut Rows,
    release: &Release,
    catalogue: &Catalogue,
) -> Cow<'d, Durable> {
    if durable.state.rebuild == Some(Rebuild::Behind) {
        // Rows of tables that came lately may refer to what this device has deleted: a snapshot is on its way to sort that out.
        constraints::without_dangling(expected, catalogue);
        // Also where it has the household again by now.
        let household = catalogue.table_id("household");
        let changes = durable.log.iter().flat_map(|transaction| &transaction.changes);
        let deletes = changes.filter(|change| matches!(change.mutation, LoggedMutation::Delete(_)));
        let deleted: Vec<&RowId> =
            deletes.map(|change| &change.row).filter(|row| Some(row.table) == household).collect();
        expected.retain(|row, values| {
            let table = catalogue.table(row.table).expect("a table");
            let refers = constraints::refers_to_households(&table.name);
            let to = refers.then(|| constraints::field(table, row, values, "household"));
            durable.rows.contains_key(row) || !deleted.iter().any(|gone| to == gone.key.0.first())
        });
    }
    let is_ahead = release.steps.iter().any(|(_, version)| durable.state.space_schema.migrations() < *version);
    let previews = |name: &str| is_ahead && release.steps.iter().any(|(piece, _)| piece.changes_rows_of(name));
    // What the space has of a table that joined, and an older release was told, a snapshot lays beneath this device's own.
    let unsorted = |name: &str| name == "setting" && durable.state.rebuild == Some(Rebuild::Behind);
    let hides = |table: &Table| previews(&table.name) || unsorted(&table.name);
    let hidden: Vec<bool> = catalogue.tables.iter().map(hides).collect();
    if !hidden.contains(&true) {
        return Cow::Borrowed(durable);
    }
    let mut durable = durable.clone();
    durable.rows.retain(|row, _| !hidden[usize::from(row.table.0)]);
    expected.retain(|row, _| !hidden[usize::from(row.table.0)]);
    Cow::Owned(durable)
}
