//! A plan for the page: counts as JSON, rows with values as results of a query, so that every value keeps its type.
//! It names tables and columns; what is planned is the session's business. `driver.rs` calls it, `npm/src/client/plan.ts` reads it.

use crate::cells::Rows;
use crate::records::{text, value_ref};
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{LoggedChange, LoggedMutation};
use ebbtide_core::client::{Plan, RowCounts};
use ebbtide_core::conflict::{Conflict, Side};
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::sorted::SortedMap;
use ebbtide_core::value::Value;
use ebbtide_store::json::{ObjectWriter, list};
use rusqlite::types::ValueRef;

const MERGED: [&str; 6] = ["merge", "table", "column", "kept", "is_key", "value"];
const REFUSED: [&str; 9] = ["transaction", "reason", "detail", "change", "table", "kind", "column", "is_key", "value"];

/// What of a plan is numbers, as JSON: `PlanFacts` of the worker script.
pub fn facts(plan: &Plan, catalogue: &Catalogue) -> String {
    let mut sent = ObjectWriter::default();
    sent.number("transactions", plan.transactions).whole("bytes", plan.bytes_up);
    sent.raw("tables", &tables(&plan.sends, catalogue));
    let mut received = ObjectWriter::default();
    received.number("commits", plan.commits).whole("bytes", plan.bytes_down).whole("more", plan.more_commits);
    received.raw("tables", &tables(&plan.receives, catalogue));
    let mut facts = ObjectWriter::default();
    facts.whole("upto", plan.upto.0).raw("sent", &sent.finish()).raw("received", &received.finish());
    facts.number("conflicts", plan.conflicts).number("review", plan.opened);
    facts.number("unpredicted", plan.unpredicted).finish()
}

fn tables(counts: &SortedMap<TableId, RowCounts>, catalogue: &Catalogue) -> String {
    let named = |(table, counts): (&TableId, &RowCounts)| {
        let mut object = ObjectWriter::default();
        object.text("table", catalogue.table(*table).map_or("", |table| table.name.as_str()));
        object.whole("inserts", counts.inserts).whole("updates", counts.updates).whole("deletes", counts.deletes);
        object.finish()
    };
    list(&counts.iter().map(named).collect::<Vec<_>>())
}

/// One row for each part of a key, and one for the value that would lose.
pub fn merged(plan: &Plan, catalogue: &Catalogue) -> Vec<u8> {
    let mut rows = Rows::default();
    rows.name_columns(&MERGED);
    for (index, conflict) in plan.merges.iter().enumerate() {
        let Some(table) = catalogue.table(conflict.row.table) else { continue };
        let keys = conflict.row.key.0.iter().map(|value| (1, value));
        let lost = conflict.lost();
        for (is_key, value) in keys.chain([(0, &lost)]) {
            merged_row(&mut rows, index, conflict, table, is_key, value);
        }
    }
    rows.finish()
}

fn merged_row(rows: &mut Rows, index: usize, conflict: &Conflict, table: &Table, is_key: i64, value: &Value) {
    rows.cell(ValueRef::Integer(index as i64));
    rows.cell(text(&table.name));
    rows.cell(conflict.column.map_or(ValueRef::Null, |column| text(name(table, column))));
    rows.cell(text(match conflict.kept {
        Side::Incumbent => "incumbent",
        Side::Challenger => "challenger",
    }));
    rows.cell(ValueRef::Integer(is_key));
    rows.cell(value_ref(value));
    rows.end_row();
}

/// One row for each part of a key and each field of each change that would be refused.
pub fn refused(plan: &Plan, catalogue: &Catalogue) -> Vec<u8> {
    let mut rows = Rows::default();
    rows.name_columns(&REFUSED);
    for (index, transaction) in plan.refused.iter().enumerate() {
        for (place, change) in transaction.changes.iter().enumerate() {
            let Some(table) = catalogue.table(change.row.table) else { continue };
            for (is_key, column, value) in cells_of(change, table) {
                rows.cell(ValueRef::Integer(index as i64));
                rows.cell(text(transaction.reason.code()));
                rows.cell(text(&transaction.detail));
                rows.cell(ValueRef::Integer(place as i64));
                rows.cell(text(&table.name));
                rows.cell(text(kind(&change.mutation)));
                rows.cell(text(column));
                rows.cell(ValueRef::Integer(is_key));
                rows.cell(value_ref(value));
                rows.end_row();
            }
        }
    }
    rows.finish()
}

fn cells_of<'a>(change: &'a LoggedChange, table: &'a Table) -> Vec<(i64, &'a str, &'a Value)> {
    let keys = table.key.iter().zip(&change.row.key.0).map(|(column, value)| (1, name(table, *column), value));
    let mut cells: Vec<_> = keys.collect();
    match &change.mutation {
        LoggedMutation::Insert(values) | LoggedMutation::Delete(values) => {
            cells.extend(table.fields().zip(values).map(|((_, column), value)| (0, column.name.as_str(), value)));
        }
        LoggedMutation::Update(fields) => {
            cells.extend(fields.iter().map(|field| (0, name(table, field.column), &field.new)));
        }
    }
    cells
}

fn kind(mutation: &LoggedMutation) -> &'static str {
    match mutation {
        LoggedMutation::Insert(_) => "insert",
        LoggedMutation::Update(_) => "update",
        LoggedMutation::Delete(_) => "delete",
    }
}

fn name(table: &Table, column: ColumnId) -> &str {
    table.columns.get(usize::from(column.0)).map_or("", |column| column.name.as_str())
}
