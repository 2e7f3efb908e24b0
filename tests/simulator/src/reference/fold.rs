//! What a device must show: the space's rows at its cursor with its own waiting transactions replayed on them.
//! It folds logs as they were captured, uncoalesced; which transactions are out of the view it is told.
//! Checks of the simulator and the conversations compare it with what SELECT answers.

use super::{sets, texts};
use crate::rows::Rows;
use ebbtide_core::catalogue::{Catalogue, Strategy};
use ebbtide_core::change::{LoggedChange, LoggedMutation};
use ebbtide_core::value::Value;

/// Replays one captured change. An update of a row that is not there shows nothing.
pub fn replay(rows: &mut Rows, change: &LoggedChange, catalogue: &Catalogue) {
    match &change.mutation {
        LoggedMutation::Insert(values) => {
            rows.insert(change.row.clone(), values.clone());
        }
        LoggedMutation::Delete(_) => {
            rows.remove(&change.row);
        }
        LoggedMutation::Update(fields) => {
            let Some(values) = rows.get_mut(&change.row) else { return };
            let table = catalogue.table(change.row.table).expect("a captured change names a table");
            for field in fields {
                let position = table.field_position(field.column).expect("a captured field");
                values[position] = shown(table.strategy(field.column), &values[position], &field.old, &field.new);
            }
        }
    }
}

/// A pending sum, set or text is shown as what it does to the value that is there now; anything else as it was written. Of a text only
/// the words count then.
fn shown(strategy: Strategy, current: &Value, old: &Value, new: &Value) -> Value {
    match (strategy, current, old, new) {
        // Written for a history that the space has lost: only what travelled is known, and of a text not what it was made on.
        (Strategy::Set, current, Value::Blob(before), Value::Blob(after)) if before == after => {
            let (added, removed) = sets::change(new).expect("a change of a set");
            sets::changed(current, &added, &removed)
        }
        (Strategy::Text, current, Value::Blob(before), Value::Blob(after)) if before == after => current.clone(),
        (Strategy::Sum, Value::Integer(current), Value::Integer(old), Value::Integer(new)) => {
            Value::Integer(current + (new - old))
        }
        (Strategy::Set, current, old, new) if current != old => sets::replayed(current, old, new),
        (Strategy::Text, current, old, new) if current != old => {
            texts::value(texts::Typed::between(old, new).on(texts::words(current)))
        }
        _ => new.clone(),
    }
}

/// Whether a captured change tells the truth about what was there before it.
pub fn old_values_hold(rows: &Rows, change: &LoggedChange, catalogue: &Catalogue) -> bool {
    let before = rows.get(&change.row);
    match &change.mutation {
        LoggedMutation::Insert(_) => before.is_none(),
        LoggedMutation::Delete(old) => before == Some(old),
        LoggedMutation::Update(fields) => before.is_some_and(|values| {
            let table = catalogue.table(change.row.table).expect("a captured change names a table");
            fields.iter().all(|field| values[table.field_position(field.column).expect("a field")] == field.old)
        }),
    }
}
