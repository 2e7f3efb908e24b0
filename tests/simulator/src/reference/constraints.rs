//! The constraints of the simulated application, written out by hand.
//! It knows the tables of `schema` by name and nothing of SQLite.
//! The reference asks it whether a whole state may exist.

use crate::rows::Rows;
use crate::rules;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::RowId;
use ebbtide_core::value::{Key, Value};
use std::collections::BTreeSet;

/// A field of a row by its column's name.
pub fn field<'a>(table: &Table, row: &'a RowId, values: &'a [Value], name: &str) -> &'a Value {
    let column = table.columns.iter().position(|column| column.name == name).expect("a column of the schema");
    if let Some(position) = table.key.iter().position(|key| usize::from(key.0) == column) {
        return &row.key.0[position];
    }
    let position = table.fields().position(|(id, _)| usize::from(id.0) == column).expect("a field");
    &values[position]
}

/// The first constraint that a state breaks.
pub fn broken(rows: &Rows, catalogue: &Catalogue) -> Option<&'static str> {
    broken_besides_references(rows, catalogue).or_else(|| dangling(rows, catalogue).then_some("FOREIGN KEY"))
}

/// Whether some row refers to one that is not there.
pub fn dangling(rows: &Rows, catalogue: &Catalogue) -> bool {
    rows.iter().any(|(row, values)| {
        let table = catalogue.table(row.table).expect("a table of the schema");
        refers_to_households(&table.name) && dangles(field(table, row, values, "household"), rows, catalogue)
    })
}

/// Takes rows out whose household is not there.
pub fn without_dangling(rows: &mut Rows, catalogue: &Catalogue) {
    let dangle = |(row, values): (&RowId, &Vec<Value>)| {
        let table = catalogue.table(row.table).expect("a table of the schema");
        let refers = refers_to_households(&table.name);
        (refers && dangles(field(table, row, values, "household"), rows, catalogue)).then(|| row.clone())
    };
    let out: Vec<RowId> = rows.iter().filter_map(dangle).collect();
    out.iter().for_each(|row| drop(rows.remove(row)));
}

/// Whether the rows of this table have a household.
pub fn refers_to_households(table: &str) -> bool {
    matches!(table, "member" | "visit" | "call" | "setting")
}

/// The first constraint that a state breaks, foreign keys aside.
pub fn broken_besides_references(rows: &Rows, catalogue: &Catalogue) -> Option<&'static str> {
    let mut codes = BTreeSet::new();
    for (row, values) in rows {
        let table = catalogue.table(row.table).expect("a table of the schema");
        let mut is_taken = |code: &Value| *code != Value::Null && !codes.insert((row.table, code.clone()));
        let at = |name: &str| field(table, row, values, name);
        let nulls = table.fields().zip(values).any(|((_, column), value)| column.not_null && *value == Value::Null);
        let reason = match table.name.as_str() {
            _ if nulls => Some("NOT NULL"),
            "household" | "setting" if is_taken(at("code")) => Some("UNIQUE"),
            "household" if integer(at("doses")) < -1_000_000 => Some("CHECK doses"),
            "member" if *at("age") != Value::Null && !(0..=150).contains(&integer(at("age"))) => Some("CHECK age"),
            "topic" if !rules::may_be(at("verdict")) => Some("the app's validate"),
            "visit" if integer(at("low")) > integer(at("high")) => Some("CHECK low <= high"),
            _ => None,
        };
        if reason.is_some() {
            return reason;
        }
    }
    None
}

fn dangles(household: &Value, rows: &Rows, catalogue: &Catalogue) -> bool {
    let table = catalogue.table_id("household").expect("a table of the schema");
    *household != Value::Null && !rows.contains_key(&RowId { table, key: Key(vec![household.clone()]) })
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Integer(number) => *number,
        other => panic!("not an integer: {other:?}"),
    }
}
