//! What was sealed under other rules than those that are in force: what was done to a value, and a value that was set where something is done
//! to it by now, are read by the rule of then; other values are for the rules that are in force.
//! Part of the reference; it shares nothing with the space's own mixing of rules.

use super::{Context, Story};
use ebbtide_core::catalogue::{Catalogue, RowRule, Strategy, Table};
use ebbtide_core::change::{Base, Change, Field, Mutation, RowId, Transaction};

/// Whether a transaction that was sealed under these rules says of some value what comes to it, and not what it becomes.
pub(super) fn adds(transaction: &Transaction, then: &Catalogue) -> bool {
    transaction.changes.iter().any(|Change { row, mutation, .. }| {
        let Mutation::Update(fields) = mutation else { return false };
        let table = then.table(row.table).expect("a table of the schema");
        fields.iter().any(|field| is_done(table.strategy(field.column)))
    })
}

/// Whether what travels is what was done to a value.
fn is_done(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::Sum | Strategy::Set | Strategy::Text)
}

impl Context<'_> {
    /// The fields of a row that lives. Nothing if the transaction must be refused.
    pub(super) fn update(
        &self,
        story: &mut Story,
        (row, table): (&RowId, &Table),
        fields: &[Field],
        base: Base,
    ) -> Option<()> {
        let then = self.then.table(row.table).expect("a table");
        let whole = table.row == RowRule::Atomic;
        let is_apart = |field: &&Field| !whole || then.row == RowRule::Fields && is_done(then.strategy(field.column));
        let (apart, rest): (Vec<&Field>, Vec<&Field>) = fields.iter().partition(is_apart);
        let place = |field: &Field| table.field_position(field.column).expect("a field");
        for field in apart {
            let (was, is) = (then.strategy(field.column), table.strategy(field.column));
            let strategy = if is_done(was) || is_done(is) { was } else { is };
            self.write_by(strategy, story, (row, place(field)), &field.value, base)?;
        }
        if whole && !rest.is_empty() {
            let mut image = story.values.clone().expect("a living row");
            rest.into_iter().for_each(|field| image[place(field)] = field.value.clone());
            self.write_row(story, (row, table), image.iter(), base);
        }
        Some(())
    }
}
