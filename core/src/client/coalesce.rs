//! Folds the captured changes of one transaction to at most one per row, or a delete followed by an insert.
//! It works on log entries alone; what other transactions wrote, and what the server has, is not its concern.
//! Called when a changeset is sealed, off the path of local writes.

use crate::change::{LoggedChange, LoggedField, LoggedMutation, RowId};
use crate::ids::ColumnId;
use crate::sorted::SortedMap;
use crate::value::Value;
use alloc::vec::Vec;

/// What a transaction did to one row, net.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Net {
    /// A new row.
    Inserted(Vec<Value>),
    /// Fields of an existing row.
    Updated(Vec<LoggedField>),
    /// The row went.
    Deleted,
    /// The row went and another came under its key.
    Replaced(Vec<Value>),
    /// It came and went.
    Nothing,
}

impl Net {
    /// The one mutation that does the same to a row; `None` if nothing was done to it.
    pub fn into_mutation(self) -> Option<LoggedMutation> {
        match self {
            Net::Inserted(values) | Net::Replaced(values) => Some(LoggedMutation::Insert(values)),
            Net::Updated(fields) => Some(LoggedMutation::Update(fields)),
            Net::Deleted => Some(LoggedMutation::Delete(Vec::new())),
            Net::Nothing => None,
        }
    }
}

/// The net effect per row, in the order of first mention. `position` finds a column among a table's fields.
pub fn coalesce(changes: &[LoggedChange], position: impl Fn(&RowId, ColumnId) -> Option<usize>) -> Vec<(RowId, Net)> {
    let mut index: SortedMap<&RowId, usize> = SortedMap::new();
    let mut rows: Vec<(RowId, Net)> = Vec::with_capacity(changes.len());
    for change in changes {
        match index.get(&change.row) {
            None => {
                index.insert(&change.row, rows.len());
                rows.push((change.row.clone(), first(&change.mutation)));
            }
            Some(at) => {
                let (row, net) = &mut rows[*at];
                *net = then(core::mem::replace(net, Net::Nothing), &change.mutation, |column| position(row, column));
            }
        }
    }
    rows.retain(|(_, net)| *net != Net::Nothing);
    rows
}

fn first(mutation: &LoggedMutation) -> Net {
    match mutation {
        LoggedMutation::Insert(values) => Net::Inserted(values.clone()),
        LoggedMutation::Update(fields) => Net::Updated(fields.clone()),
        LoggedMutation::Delete(_) => Net::Deleted,
    }
}

fn then(net: Net, next: &LoggedMutation, position: impl Fn(ColumnId) -> Option<usize>) -> Net {
    match (net, next) {
        (Net::Inserted(values), LoggedMutation::Update(fields)) => Net::Inserted(overwrite(values, fields, position)),
        (Net::Replaced(values), LoggedMutation::Update(fields)) => Net::Replaced(overwrite(values, fields, position)),
        (Net::Updated(earlier), LoggedMutation::Update(fields)) => Net::Updated(merge(earlier, fields)),
        (Net::Inserted(_), LoggedMutation::Delete(_)) => Net::Nothing,
        (_, LoggedMutation::Delete(_)) => Net::Deleted,
        (Net::Nothing, LoggedMutation::Insert(values)) => Net::Inserted(values.clone()),
        (_, LoggedMutation::Insert(values)) => Net::Replaced(values.clone()),
        (net, LoggedMutation::Update(_)) => net,
    }
}

fn overwrite(
    mut values: Vec<Value>,
    fields: &[LoggedField],
    position: impl Fn(ColumnId) -> Option<usize>,
) -> Vec<Value> {
    for field in fields {
        if let Some(slot) = position(field.column).and_then(|at| values.get_mut(at)) {
            *slot = field.new.clone();
        }
    }
    values
}

fn merge(mut earlier: Vec<LoggedField>, later: &[LoggedField]) -> Vec<LoggedField> {
    for field in later {
        match earlier.binary_search_by_key(&field.column, |f| f.column) {
            Ok(at) => earlier[at].new = field.new.clone(),
            Err(at) => earlier.insert(at, field.clone()),
        }
    }
    earlier
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TableId;
    use crate::value::Key;
    use alloc::vec;

    fn row(key: i64) -> RowId {
        RowId { table: TableId(0), key: Key(vec![Value::Integer(key)]) }
    }

    fn change(key: i64, mutation: LoggedMutation) -> LoggedChange {
        LoggedChange { row: row(key), mutation }
    }

    fn update(column: u16, old: i64, new: i64) -> LoggedMutation {
        let field = LoggedField { column: ColumnId(column), old: Value::Integer(old), new: Value::Integer(new) };
        LoggedMutation::Update(vec![field])
    }

    fn insert(a: i64, b: i64) -> LoggedMutation {
        LoggedMutation::Insert(vec![Value::Integer(a), Value::Integer(b)])
    }

    fn run(changes: &[LoggedChange]) -> Vec<(RowId, Net)> {
        coalesce(changes, |_, column| Some(usize::from(column.0) - 1))
    }

    #[test]
    fn cs02_updates_of_one_row_become_one_with_the_first_old_and_the_last_new_value() {
        let net = run(&[change(1, update(1, 0, 5)), change(1, update(2, 0, 7)), change(1, update(1, 5, 0))]);
        let field =
            |column, new| LoggedField { column: ColumnId(column), old: Value::Integer(0), new: Value::Integer(new) };
        assert_eq!(net, vec![(row(1), Net::Updated(vec![field(1, 0), field(2, 7)]))]);
    }

    #[test]
    fn cs03_an_insert_takes_up_its_updates_and_cancels_with_its_delete() {
        let net = run(&[change(1, insert(1, 2)), change(1, update(2, 2, 9))]);
        assert_eq!(net, vec![(row(1), Net::Inserted(vec![Value::Integer(1), Value::Integer(9)]))]);
        let deleted = LoggedMutation::Delete(vec![Value::Integer(1), Value::Integer(2)]);
        assert_eq!(run(&[change(1, insert(1, 2)), change(1, deleted)]), vec![]);
    }

    #[test]
    fn cs04_a_delete_and_an_insert_of_one_key_stay_both() {
        let deleted = LoggedMutation::Delete(vec![Value::Null, Value::Null]);
        let net = run(&[change(1, deleted.clone()), change(1, insert(3, 4))]);
        assert_eq!(net, vec![(row(1), Net::Replaced(vec![Value::Integer(3), Value::Integer(4)]))]);
        let net = run(&[change(1, deleted.clone()), change(1, insert(3, 4)), change(1, deleted)]);
        assert_eq!(net, vec![(row(1), Net::Deleted)]);
    }
}
