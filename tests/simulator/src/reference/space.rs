//! What a space must decide: a copy of the state per transaction, the rules of merging spelled out, the constraints at the end.
//! It knows no SQL, no marks of the engine and no outcomes; a transaction that breaks a constraint simply leaves the copy unused.
//! The simulator feeds it changesets in the order in which the real space decided them.

mod families;
mod migrations;
mod rules_of_then;

use super::constraints::{broken, broken_besides_references, dangling};
use super::queue::{self, WHOLE, Waiting};
use super::sets;
use super::texts::{self, AllTyped, Typed};
use crate::rows::Rows;
use crate::rules;
use ebbtide_core::catalogue::{Catalogue, RowRule, Strategy, Table};
use ebbtide_core::change::{Base, Change, Changeset, Mutation, RowId, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::conflict::ConflictId;
use ebbtide_core::ids::{Incarnation, Opening, SchemaVersion};
use ebbtide_core::value::Value;
use rules_of_then::adds;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// How far ahead of the space a device's clock may run.
const TOLERANCE_MS: u64 = 60_000;

/// Who wrote something, when, and whether it became what was written.
#[derive(Debug, Clone, Copy)]
struct Write {
    seq: u64,
    author: u32,
    number: u64,
    stamp: u64,
    exact: bool,
}

/// A key's whole story.
#[derive(Debug, Clone, Default)]
struct Story {
    /// The fields, while the row lives.
    values: Option<Vec<Value>>,
    /// Who wrote each field last; nobody for a field that was left at its default.
    writes: Vec<Option<Write>>,
    /// Of fields that are sets, who added each element last.
    sets: BTreeMap<usize, BTreeMap<String, Write>>,
    /// Of fields that a person decides, or of the row where that is one whole, what waits.
    open: BTreeMap<usize, Waiting>,
    /// The last time it was deleted.
    died: Option<Write>,
    /// What one must know of to mean the present life.
    reborn: Option<Write>,
}

type Stories = BTreeMap<RowId, Story>;

/// The reference space.
#[derive(Debug, Clone)]
pub struct ReferenceSpace {
    /// The tables under the rules that are in force.
    catalogue: Rc<Catalogue>,
    stories: Stories,
    /// Of every decided transaction, by the life and run of the database that captured it and its stamp, whether it was accepted.
    fates: BTreeMap<(Incarnation, Opening, u64), bool>,
    /// How many commits there were.
    pub head: u64,
    /// Up to where the space has forgotten what was deleted.
    floor: u64,
    /// Fields of rows of which an author's changes were refused, or come from a history that the space has lost: what it wrote behind them may
    /// have to be put otherwise.
    tainted: BTreeSet<(u32, RowId, usize)>,
    /// Texts that the last changeset may have put otherwise.
    pub loose: BTreeSet<(RowId, usize)>,
}

/// Whose transaction it is.
struct Context<'a> {
    catalogue: &'a Catalogue,
    /// The rules under which it was sealed.
    then: &'a Catalogue,
    author: u32,
    number: u64,
    /// The version that it was sealed under.
    schema: SchemaVersion,
    seq: u64,
    stamp: u64,
    floor: u64,
    /// Rows whose insert was refused.
    missing: &'a BTreeSet<RowId>,
    /// What it did to texts.
    typed: &'a AllTyped,
    /// The fields between whose values it chooses.
    chosen: BTreeSet<(RowId, usize)>,
    /// Rows of another life than the one that an update meant: its author goes on seeing what it wrote, until that is decided.
    passed_over: BTreeSet<RowId>,
}

/// What names a transaction.
pub type Id = (Incarnation, Opening, Stamp);

impl ReferenceSpace {
    /// An empty space.
    pub fn new(catalogue: Rc<Catalogue>) -> Self {
        Self {
            catalogue,
            stories: Stories::new(),
            fates: BTreeMap::new(),
            head: 0,
            floor: 0,
            tainted: BTreeSet::new(),
            loose: BTreeSet::new(),
        }
    }

    /// Other rules are in force from now on.
    pub fn take_rules(&mut self, rules: Rc<Catalogue>) {
        self.catalogue = rules;
    }

    /// The living rows.
    pub fn rows(&self) -> Rows {
        living(&self.stories)
    }

    /// A commit told the name of a conflict: whether that is one.
    pub fn name(&mut self, row: &RowId, position: usize, id: ConflictId) -> bool {
        let waiting = self.stories.get_mut(row).and_then(|story| story.open.get_mut(&position));
        waiting.is_some_and(|waiting| waiting.id.replace(id).is_none())
    }

    /// Everything that waits for a person.
    pub fn waiting(&self) -> impl Iterator<Item = (&RowId, &Waiting)> {
        self.stories.iter().flat_map(|(row, story)| story.open.values().map(move |waiting| (row, waiting)))
    }

    /// A text was put otherwise, as it may be.
    pub fn put(&mut self, row: &RowId, position: usize, text: &Value) {
        let values = self.stories.get_mut(row).and_then(|story| story.values.as_mut());
        values.expect("a living row")[position] = text.clone();
    }

    /// History up to here is pruned: what was deleted by then never was.
    pub fn prune(&mut self, floor: u64) {
        let forgotten = |story: &Story| story.values.is_none() && story.died.is_none_or(|died| died.seq <= floor);
        self.stories.retain(|_, story| !forgotten(story));
        self.floor = floor;
    }

    /// Decides a changeset that was sealed under these rules; answers the positions of the refused transactions. `visible` says that the
    /// space made a commit of it.
    pub fn decide(
        &mut self,
        (life, author): (Incarnation, u32),
        (changeset, then): (&Changeset, &Catalogue),
        now: u64,
        visible: bool,
        typed: &BTreeMap<Id, AllTyped>,
    ) -> Vec<u32> {
        self.loose.clear();
        let nothing = AllTyped::new();
        let newest = changeset.transactions.iter().map(|transaction| transaction.stamp.0 >> 16).max().unwrap_or(0);
        let ahead = newest.saturating_sub(now);
        let shift = if ahead > TOLERANCE_MS { ahead } else { 0 };
        let mut refused = Vec::new();
        let mut missing: BTreeSet<RowId> = BTreeSet::new();
        let origin = changeset.origin.unwrap_or(life);
        for (index, transaction) in changeset.transactions.iter().enumerate() {
            // Sent before, by an earlier life or a later one: its fate stays.
            let id = (origin, changeset.opening, transaction.stamp.0);
            if let Some(accepted) = self.fates.get(&id) {
                refused.extend((!accepted).then_some(index as u32));
                continue;
            }
            let parts: Vec<_> = transaction.absorbed.iter().map(|part| (origin, changeset.opening, part.0)).collect();
            // A copy of the database has sent a part of it by itself, and what it adds would be added twice.
            if parts.iter().any(|part| self.fates.contains_key(part)) && adds(transaction, then) {
                parts.into_iter().chain([id]).for_each(|id| {
                    self.fates.entry(id).or_insert(false);
                });
                refused.push(index as u32);
                continue;
            }
            let typed = typed.get(&(origin, changeset.opening, transaction.stamp)).unwrap_or(&nothing);
            let places = || typed.keys().map(|(row, at)| (author, row.clone(), *at));
            if changeset.origin.is_some() {
                self.tainted.extend(places());
            }
            self.loose.extend(places().filter(|place| self.tainted.contains(place)).map(|(_, row, at)| (row, at)));
            let mut context = Context {
                catalogue: &self.catalogue,
                then,
                author,
                number: changeset.device_seq.0,
                schema: changeset.schema,
                seq: self.head + 1,
                stamp: transaction.stamp.0.saturating_sub(shift << 16),
                floor: self.floor,
                missing: &missing,
                typed,
                chosen: BTreeSet::new(),
                passed_over: BTreeSet::new(),
            };
            let needs_refused = transaction.changes.iter().any(|change| missing.contains(&change.row));
            let after = context.attempt(&self.stories, transaction).filter(|_| !needs_refused);
            parts.into_iter().chain([id]).for_each(|id| *self.fates.entry(id).or_default() |= after.is_some());
            let (catalogue, passed_over) = (&self.catalogue, context.passed_over);
            let fields = |row: &RowId| 0..catalogue.table(row.table).map_or(0, |table| table.fields().count());
            let all = |row: &RowId| fields(row).map(|at| (author, row.clone(), at)).collect::<Vec<_>>();
            self.tainted.extend(passed_over.iter().flat_map(all));
            match after {
                Some(stories) => self.stories = stories,
                None => {
                    self.tainted.extend(transaction.changes.iter().flat_map(|change| all(&change.row)));
                    let inserts = transaction.changes.iter().filter(|c| matches!(c.mutation, Mutation::Insert(_)));
                    missing.extend(inserts.map(|change| change.row.clone()));
                    refused.push(index as u32);
                }
            }
        }
        self.head += u64::from(visible);
        refused
    }
}

fn living(stories: &Stories) -> Rows {
    let alive = stories.iter().filter_map(|(row, story)| Some((row.clone(), story.values.clone()?)));
    alive.collect()
}

impl Context<'_> {
    /// The state after the transaction, or nothing if it may not be.
    fn attempt(&mut self, before: &Stories, transaction: &Transaction) -> Option<Stories> {
        self.chosen = self.chosen_by(transaction, before)?;
        let mut after = before.clone();
        let mut gone: Vec<RowId> = Vec::new();
        for change in &transaction.changes {
            let table = self.catalogue.table(change.row.table).expect("a table of the schema");
            match &change.mutation {
                Mutation::Insert(values) => self.insert(&mut after, table, &change.row, values, change.base)?,
                Mutation::Update(fields) => {
                    if self.is_forgotten(&after, change) {
                        continue;
                    }
                    let story = after.get_mut(&change.row)?;
                    if story.values.is_some() && self.means_this_life(story, change.base) {
                        self.update(story, (&change.row, table), fields, change.base)?;
                    } else {
                        self.passed_over.insert(change.row.clone());
                    }
                }
                Mutation::Delete => {
                    if self.is_forgotten(&after, change) {
                        continue;
                    }
                    let story = after.get_mut(&change.row)?;
                    if story.values.is_some() && self.means_this_life(story, change.base) {
                        story.values = None;
                        story.open.clear();
                        story.died = Some(self.mark(true));
                        gone.push(change.row.clone());
                    }
                }
            }
        }
        for (row, position) in &self.chosen {
            after.get_mut(row)?.open.remove(position);
        }
        gone.iter().for_each(|parent| self.children_follow(before, &mut after, parent));
        let rows = living(&after);
        if broken_besides_references(&rows, self.catalogue).is_some() {
            return None;
        }
        if dangling(&rows, self.catalogue) {
            self.orphans_follow(transaction, &mut after);
        }
        broken(&living(&after), self.catalogue).is_none().then_some(after)
    }

    /// The fields whose conflicts a transaction closes; nothing if one is not as its chooser saw it.
    fn chosen_by(&self, transaction: &Transaction, stories: &Stories) -> Option<BTreeSet<(RowId, usize)>> {
        let mut chosen = BTreeSet::new();
        for resolution in &transaction.resolutions {
            let all = stories.iter().flat_map(|(row, story)| story.open.iter().map(move |open| (row, open)));
            let (row, (position, waiting)) =
                all.into_iter().find(|(_, (_, waiting))| waiting.id == Some(resolution.conflict))?;
            let sides = waiting.challengers.len() as u32 + 1;
            if !waiting.is_known(resolution.seen.0, self.author) || resolution.side.is_some_and(|side| side >= sides) {
                return None;
            }
            chosen.insert((row.clone(), *position));
        }
        Some(chosen)
    }

    /// A row that its writer had seen and of which nothing is known: it was deleted, so long ago that this is forgotten.
    fn is_forgotten(&self, after: &Stories, change: &Change) -> bool {
        !after.contains_key(&change.row) && change.base.seq.0 < self.floor
    }

    fn mark(&self, exact: bool) -> Write {
        Write { seq: self.seq, author: self.author, number: self.number, stamp: self.stamp, exact }
    }

    /// It was pulled, or it is the device's own earlier write that came out as written, or the device ran the same migration.
    fn knows(&self, write: &Write, base: Base) -> bool {
        let own = write.author == self.author && write.number <= self.number && write.exact;
        write.seq <= base.seq.0 || own || write.is_of_a_migration_before(self.schema)
    }

    fn means_this_life(&self, story: &Story, base: Base) -> bool {
        story.reborn.is_none_or(|deletion| self.knows(&deletion, base))
    }

    fn insert(&self, after: &mut Stories, table: &Table, row: &RowId, values: &[Value], base: Base) -> Option<()> {
        let story = after.entry(row.clone()).or_default();
        let defaults: Vec<bool> =
            table.fields().zip(values).map(|((_, column), value)| column.default.as_ref() == Some(value)).collect();
        if story.values.is_some() && table.row == RowRule::Atomic {
            self.write_row(story, (row, table), values.iter(), base);
            return Some(());
        }
        if story.values.is_some() {
            for (position, ((column, declared), value)) in table.fields().zip(values).enumerate() {
                if !defaults[position] {
                    let brings = match (table.strategy(column), value, &declared.default) {
                        (Strategy::Sum, Value::Integer(value), Some(Value::Integer(default))) => {
                            Value::Integer(value.checked_sub(*default)?)
                        }
                        _ => value.clone(),
                    };
                    self.write(story, (row, table, position), &brings, base)?;
                }
            }
            return Some(());
        }
        story.values = Some(values.to_vec());
        let whole = table.row == RowRule::Atomic;
        story.writes = defaults.iter().map(|default| (whole || !default).then(|| self.mark(true))).collect();
        story.sets = table
            .fields()
            .enumerate()
            .filter(|(_, (column, _))| table.strategy(*column) == Strategy::Set)
            .map(|(at, _)| {
                (at, sets::elements(&values[at]).into_iter().map(|element| (element, self.mark(true))).collect())
            })
            .collect();
        story.reborn = story.died.map(|died| if self.knows(&died, base) { died } else { self.mark(true) });
        Some(())
    }

    /// One field by the rule that is in force.
    fn write(
        &self,
        story: &mut Story,
        (row, table, position): (&RowId, &Table, usize),
        value: &Value,
        base: Base,
    ) -> Option<()> {
        let (column, _) = table.fields().nth(position).expect("a field");
        self.write_by(table.strategy(column), story, (row, position), value, base)
    }

    /// One field by a rule, where the writers did not know of each other. Nothing if the transaction must be refused.
    fn write_by(
        &self,
        strategy: Strategy,
        story: &mut Story,
        (row, position): (&RowId, usize),
        value: &Value,
        base: Base,
    ) -> Option<()> {
        let chosen = self.chosen.contains(&(row.clone(), position));
        let present = story.writes[position];
        let seen = present.is_none_or(|present| self.knows(&present, base));
        if strategy == Strategy::Set {
            let set = story.sets.entry(position).or_default();
            let (added, removed) = sets::change(value)?;
            set.retain(|element, added| !(removed.contains(element) && self.knows(added, base)));
            set.extend(added.into_iter().map(|element| (element, self.mark(true))));
            story.values.as_mut().expect("a living row")[position] = sets::value(set.keys());
            story.writes[position] = Some(self.mark(seen));
            return Some(());
        }
        let slot = &mut story.values.as_mut().expect("a living row")[position];
        if strategy == Strategy::Text {
            // A whole text is written into a row that is there already: all of it came.
            let whole = Typed::between(&Value::Null, value);
            let typed =
                if matches!(value, Value::Blob(_)) { self.typed.get(&(row.clone(), position))? } else { &whole };
            *slot = texts::value(typed.on(texts::words(slot)));
            story.writes[position] = Some(self.mark(seen));
            return Some(());
        }
        let wins = match strategy {
            Strategy::Sum => {
                let (Value::Integer(sum), Value::Integer(delta)) = (&*slot, value) else { return None };
                *slot = Value::Integer(sum.checked_add(*delta)?);
                story.writes[position] = Some(self.mark(seen));
                return Some(());
            }
            _ if seen || chosen => true,
            Strategy::Review => {
                if value != slot {
                    queue::challenge(&mut story.open, position, self.seq, self.author);
                }
                false
            }
            // What agrees needs no function.
            Strategy::Custom if value == slot => false,
            Strategy::Custom => {
                let made = rules::verdict(value, slot)?;
                if made != *slot {
                    story.writes[position] = Some(self.mark(made == *value));
                    *slot = made;
                }
                return Some(());
            }
            Strategy::First => false,
            Strategy::Server => return None,
            Strategy::Min => goes_before(value, slot, |new, old| new <= old),
            Strategy::Max => goes_before(value, slot, |new, old| new >= old),
            _ => present.is_none_or(|present| self.stamp >= present.stamp),
        };
        if wins {
            *slot = value.clone();
            story.writes[position] = Some(self.mark(true));
            if let Some(waiting) = story.open.get_mut(&position).filter(|_| !chosen) {
                waiting.moved(self.seq, self.author);
            }
        }
        Some(())
    }

    /// A row that is won or lost as a whole, against the newest of the writes that its writer did not know.
    fn write_row<'v>(
        &self,
        story: &mut Story,
        (row, table): (&RowId, &Table),
        values: impl Iterator<Item = &'v Value>,
        base: Base,
    ) {
        let values: Vec<Value> = values.cloned().collect();
        let unknown = story.writes.iter().flatten().filter(|write| !self.knows(write, base));
        let newest = unknown.map(|write| write.stamp).max();
        let chosen = self.chosen.contains(&(row.clone(), WHOLE));
        let asks = table.columns.iter().any(|column| column.strategy == Strategy::Review);
        if newest.is_some() && asks && !chosen {
            if story.values.as_ref() != Some(&values) {
                queue::challenge(&mut story.open, WHOLE, self.seq, self.author);
            }
        } else if chosen || newest.is_none_or(|newest| self.stamp >= newest) {
            story.values = Some(values);
            story.writes.fill(Some(self.mark(true)));
            if let Some(waiting) = story.open.get_mut(&WHOLE).filter(|_| !chosen) {
                waiting.moved(self.seq, self.author);
            }
        }
    }
}

/// Whether a whole number replaces another; nothing else comes up here but NULL, which never does.
fn goes_before(new: &Value, old: &Value, better: impl Fn(i64, i64) -> bool) -> bool {
    match (new, old) {
        (Value::Integer(new), Value::Integer(old)) => better(*new, *old),
        (Value::Null, old) => *old == Value::Null,
        (_, old) => *old == Value::Null,
    }
}
