//! Gives the columns of a table the strategies that the schema names.
//! It knows which columns a strategy can merge, and nothing of how it does.
//! Called by the reader of a table once its columns and its key are known.

use crate::schema::{SchemaError, TableRules};
use ebbtide_core::catalogue::{Affinity, Column, RowRule, Strategy, Table};
use ebbtide_core::ids::ColumnId;

/// Checks the rules against the columns, and writes the strategies into them.
pub(super) fn assign(place: &str, table: &mut Table, rules: &TableRules) -> Result<(), SchemaError> {
    for (name, strategy) in &rules.merge {
        let place = format!("{place}.merge.{name}");
        let position = table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let Some(at) = position else {
            return Err(SchemaError::invalid(place, "no such column, or a generated one"));
        };
        if table.is_key(ColumnId(at as u16)) {
            return Err(SchemaError::invalid(place, "is part of the key, which never merges"));
        }
        let strategy = Strategy::named(strategy).ok_or_else(|| SchemaError::invalid(&place, "no such strategy"))?;
        check_type(&place, strategy, &table.columns[at])?;
        table.columns[at].strategy = strategy;
    }
    if table.row == RowRule::Atomic {
        spread(table);
    }
    Ok(())
}

fn check_type(place: &str, strategy: Strategy, column: &Column) -> Result<(), SchemaError> {
    let (affinity, what) = match strategy {
        Strategy::Sum => (Affinity::Integer, "'sum' adds whole numbers; the column must be an INTEGER"),
        Strategy::Text => (Affinity::Text, "'text' merges characters; the column must be TEXT"),
        Strategy::Set => (Affinity::Text, "'set' merges a JSON array; the column must be TEXT"),
        _ => return Ok(()),
    };
    if column.affinity == affinity {
        return Ok(());
    }
    Err(SchemaError::invalid(place, what))
}

/// The strategy of an atomic row stands at each of its fields.
fn spread(table: &mut Table) {
    let named = table.columns.iter().map(|column| column.strategy).find(|strategy| *strategy != Strategy::Lww);
    let (strategy, key) = (named.unwrap_or_default(), table.key.clone());
    for (position, column) in table.columns.iter_mut().enumerate() {
        if !key.contains(&ColumnId(position as u16)) {
            column.strategy = strategy;
        }
    }
}
