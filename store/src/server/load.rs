//! Reading rows with their marks, many in one statement.
//! It knows how rows are laid out and nothing of what is done with them. The session calls it through `port`.

use super::event::SpaceStore;
use super::marks;
use super::shape::{ColumnShape, Shape};
use super::text::{batch, join};
use super::values::{bound, number, packed_key, placeholder};
use super::{fail, values};
use crate::sql::{Sql, SqlError};
use ebbtide_core::change::RowId;
use ebbtide_core::server::store::RowState;
use ebbtide_core::value::{Key, Value};

impl<S: Sql + Clone> SpaceStore<S> {
    /// Reads rows ahead that will be asked for one by one.
    pub(super) fn read_ahead(&mut self, rows: Vec<RowId>) -> Result<(), SqlError> {
        let states = self.read_rows(&rows)?;
        self.ahead = rows.into_iter().zip(states).collect();
        Ok(())
    }

    /// Rows with their marks, in the order asked for. What was read ahead is given once: later it may be out of date.
    pub(super) fn load_rows(&mut self, rows: &[RowId]) -> Result<Vec<RowState>, SqlError> {
        if self.ahead.is_empty() {
            return self.read_rows(rows);
        }
        let known: Vec<Option<RowState>> = rows.iter().map(|row| self.ahead.remove(row)).collect();
        let missing = rows.iter().zip(&known).filter(|(_, state)| state.is_none());
        let missing: Vec<RowId> = missing.map(|(row, _)| row.clone()).collect();
        let mut read = self.read_rows(&missing)?.into_iter();
        Ok(known.into_iter().map(|state| state.or_else(|| read.next()).unwrap_or_default()).collect())
    }

    fn read_rows(&mut self, rows: &[RowId]) -> Result<Vec<RowState>, SqlError> {
        let mut states = vec![RowState::default(); rows.len()];
        let space = self.space.clone();
        for group in groups(rows) {
            let shape = space.shape(rows[group[0]].table)?;
            let mut left = group.as_slice();
            let binds = Wanted::binds(&rows[group[0]].key, true);
            while !left.is_empty() {
                let (now, later) = left.split_at(batch(left.len(), binds));
                self.load_batch(shape, rows, now, &mut states)?;
                left = later;
            }
        }
        Ok(states)
    }

    fn load_batch(
        &mut self,
        shape: &Shape,
        rows: &[RowId],
        now: &[usize],
        states: &mut [RowState],
    ) -> Result<(), SqlError> {
        let keys = now.iter().map(|row| &rows[*row].key);
        let wanted = Wanted::of(shape, keys, true)?;
        let fields = match shape.field_selection.sql.as_str() {
            "" => String::new(),
            list => format!(",{list}"),
        };
        let statement = format!(
            "{} SELECT w.i,t.{} IS NOT NULL,m.marks{fields} FROM w LEFT JOIN {} AS t ON {} \
             LEFT JOIN _ebb_row AS m ON m.tbl={} AND m.key=w.{}",
            wanted.with, shape.key[0].name, shape.name, wanted.matches, shape.number, wanted.packed
        );
        for row in self.sql.query(&statement, &wanted.params)? {
            let (position, state) = read_state(shape, row)?;
            let row = now.get(position).ok_or_else(|| fail::misuse("a row that was not asked for"))?;
            states[*row] = state;
        }
        Ok(())
    }
}

fn read_state(shape: &Shape, row: Vec<Value>) -> Result<(usize, RowState), SqlError> {
    let mut cells = row.into_iter();
    let position = number(cells.next())? as usize;
    let exists = number(cells.next())? == 1;
    let marks = match cells.next() {
        Some(Value::Null) => None,
        cell => Some(marks::unpack(&values::blob(cell)?, shape.fields.len())?),
    };
    let values = match exists {
        true => Some(shape.field_selection.read(&mut cells)?),
        false => None,
    };
    Ok((position, RowState { values, marks }))
}

/// Positions of rows that one statement can name together: same table, same placeholders in the key.
pub(super) fn groups(rows: &[RowId]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|row| (rows[*row].table, is_text(&rows[*row].key), whole_numbers(&rows[*row].key)));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in order {
        match groups.last_mut() {
            Some(group) if same_statement(&rows[group[0]], &rows[row]) => group.push(row),
            _ => groups.push(vec![row]),
        }
    }
    groups
}

fn same_statement(a: &RowId, b: &RowId) -> bool {
    a.table == b.table && is_text(&a.key) == is_text(&b.key) && whole_numbers(&a.key) == whole_numbers(&b.key)
}

/// Such a key is its own packed form.
fn is_text(key: &Key) -> bool {
    matches!(key.0.as_slice(), [Value::Text(_)])
}

/// Which parts of a key are integers, a bit each: they may need another placeholder.
fn whole_numbers(key: &Key) -> u128 {
    key.0.iter().rev().fold(0, |bits, value| bits << 1 | u128::from(matches!(value, Value::Integer(_))))
}

/// The keys of a batch as a table `w` with a position `i`, the key `k0, k1, …` and its packed form.
pub(super) struct Wanted {
    /// The WITH clause.
    pub(super) with: String,
    /// Joins the app's table `t`.
    pub(super) matches: String,
    /// The column of `w` that holds the packed form, if it was asked for.
    pub(super) packed: &'static str,
    /// What it binds.
    pub(super) params: Vec<Value>,
}

impl Wanted {
    /// How many values a key binds.
    pub(super) fn binds(key: &Key, packed: bool) -> usize {
        key.0.len() + usize::from(packed && !is_text(key))
    }

    /// `packed`: whether the packed form is needed. All keys are of one group.
    pub(super) fn of<'a>(shape: &Shape, keys: impl Iterator<Item = &'a Key>, packed: bool) -> Result<Self, SqlError> {
        let (mut rows, mut params) = (String::new(), Vec::new());
        let mut own_form = true;
        for (position, key) in keys.enumerate() {
            own_form &= is_text(key);
            rows.push_str(if position == 0 { "(" } else { ",(" });
            rows.push_str(&position.to_string());
            for cell in key_placeholders(&shape.key, key)? {
                rows.push(',');
                rows.push_str(cell);
            }
            params.extend(bound_key(&shape.key, key));
            if packed && !own_form {
                rows.push_str(",?");
                params.push(packed_key(key));
            }
            rows.push(')');
        }
        let names = (0..shape.key.len()).map(|part| format!("k{part}"));
        let names = join(names.chain((packed && !own_form).then(|| "m".to_owned())), ",");
        let matches = shape.key.iter().enumerate().map(|(part, column)| format!("t.{}=w.k{part}", column.name));
        Ok(Wanted {
            with: format!("WITH w(i,{names}) AS (VALUES {rows})"),
            matches: join(matches, " AND "),
            packed: if own_form { "k0" } else { "m" },
            params,
        })
    }
}

/// A placeholder for each part of a key.
pub(super) fn key_placeholders(columns: &[ColumnShape], key: &Key) -> Result<Vec<&'static str>, SqlError> {
    if key.0.len() != columns.len() {
        return Err(fail::misuse("a key of another length than its table's"));
    }
    Ok(columns.iter().zip(&key.0).map(|(column, value)| placeholder(value, column.affinity)).collect())
}

/// What is bound for each part of a key.
pub(super) fn bound_key<'a>(columns: &'a [ColumnShape], key: &'a Key) -> impl Iterator<Item = Value> + 'a {
    columns.iter().zip(&key.0).map(|(column, value)| bound(value, column.affinity))
}
