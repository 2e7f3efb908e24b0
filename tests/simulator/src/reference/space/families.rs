//! What happens to the rows of a household that goes: part of the reference space, and as much written out by hand.
//! It knows which tables have a household, and nothing of foreign keys. Called for each transaction.

use super::{Context, Stories, Story};
use crate::reference::constraints::{field, refers_to_households};
use ebbtide_core::catalogue::Table;
use ebbtide_core::change::{Mutation, RowId, Transaction};
use ebbtide_core::value::{Key, Value};

impl Context<'_> {
    /// What was written for a household whose deletion the writer did not know: members, calls and settings go with it, visits stay without one.
    pub(super) fn orphans_follow(&self, transaction: &Transaction, after: &mut Stories) {
        for change in &transaction.changes {
            let table = self.catalogue.table(change.row.table).expect("a table");
            let household = table.columns.iter().position(|column| column.name == "household");
            let Some(household) = household.filter(|_| refers_to_households(&table.name)) else {
                continue;
            };
            let writes = match &change.mutation {
                Mutation::Insert(_) => true,
                Mutation::Update(fields) => fields.iter().any(|field| usize::from(field.column.0) == household),
                Mutation::Delete => false,
            };
            let values = after.get(&change.row).and_then(|story| story.values.as_ref()).filter(|_| writes);
            let Some(values) = values else { continue };
            let household = field(table, &change.row, values, "household").clone();
            if household == Value::Null {
                continue;
            }
            let key = Key(vec![household]);
            let parent = RowId { table: self.catalogue.table_id("household").expect("a table"), key };
            let unseen = match after.get(&parent) {
                None => change.base.seq.0 < self.floor && !self.missing.contains(&parent),
                Some(parent) if parent.values.is_some() => false,
                Some(parent) => parent.died.is_some_and(|died| !self.knows(&died, change.base)),
            };
            if unseen {
                self.let_go(after.get_mut(&change.row).expect("it was there"), table);
            }
        }
    }

    /// Members, calls and settings go with their household, visits stay without one. Where it came back in the same transaction, what this
    /// said of them after that is meant.
    pub(super) fn children_follow(&self, before: &Stories, after: &mut Stories, parent: &RowId) {
        let name = |row: &RowId| self.catalogue.table(row.table).expect("a table").name.clone();
        if name(parent) != "household" {
            return;
        }
        for row in before.keys() {
            let table_name = name(row);
            if !refers_to_households(&table_name) {
                continue;
            }
            let table = self.catalogue.table(row.table).expect("a table");
            let refers = |stories: &Stories| {
                let values = stories.get(row).and_then(|story| story.values.as_ref());
                values.is_some_and(|values| *field(table, row, values, "household") == parent.key.0[0])
            };
            let came_back = after.get(parent).is_some_and(|parent| parent.values.is_some());
            if !refers(before) || !refers(after) || (came_back && self.wrote_household(&after[row], table)) {
                continue;
            }
            self.let_go(after.get_mut(row).expect("a child that is there"), table);
        }
    }

    fn wrote_household(&self, story: &Story, table: &Table) -> bool {
        let write = story.writes[household_of(table)];
        write.is_some_and(|write| (write.seq, write.stamp) == (self.seq, self.stamp))
    }

    fn let_go(&self, story: &mut Story, table: &Table) {
        if table.name != "visit" {
            story.values = None;
            story.died = Some(self.mark(false));
        } else {
            let position = household_of(table);
            story.values.as_mut().expect("a living row")[position] = Value::Null;
            story.writes[position] = Some(self.mark(false));
        }
    }
}

/// Which of a table's fields is the household.
fn household_of(table: &Table) -> usize {
    let household = |(id, _): (ebbtide_core::ids::ColumnId, _)| table.columns[usize::from(id.0)].name == "household";
    table.fields().position(household).expect("a field")
}
