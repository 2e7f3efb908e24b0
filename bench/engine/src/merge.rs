//! Merging field changes in memory: rows with their marks, a change each, the outcome and marks that come of it.
//! No SQL, no bytes: what the strategies and drafts take by themselves. The plain way compares a time and keeps the later value.

use crate::round::{Round, timed};
use ebbtide_bench_engine::random::Random;
use ebbtide_bench_engine::rows::{self, FIELDS, NOW_MS};
use ebbtide_core::catalogue::{Column, Table};
use ebbtide_core::change::{Base, Field, Mutation, RowId};
use ebbtide_core::clock::Stamp;
use ebbtide_core::ids::{AuthorId, ColumnId, DeviceSeq, Millis, SchemaVersion, Seq};
use ebbtide_core::merge::seen::Writer;
use ebbtide_core::server::draft::{RowDraft, Write};
use ebbtide_core::server::store::{Mark, RowMarks, RowState, RowWrite};
use ebbtide_core::value::Value;
use std::hint::black_box;

/// Rows of a round, each changed in one field.
const ROWS: usize = 200_000;

/// Every writer had seen what it writes over.
pub fn all_seen() -> Round {
    measure(|_| 10)
}

/// Every other writer had not seen it, so that clocks decide and what was overwritten is recorded.
pub fn half_concurrent() -> Round {
    measure(|row| if row % 2 == 0 { 10 } else { 4 })
}

struct Edit {
    row: RowId,
    state: RowState,
    mutation: Mutation,
    write: Write,
}

fn measure(base: impl Fn(usize) -> u64) -> Round {
    let mut random = Random::new(17);
    let table = table();
    let mut edits = edits(&mut random, base);
    let mut cells: Vec<(u64, Value)> = edits.iter().map(|_| (NOW_MS - 1_000, Value::Null)).collect();
    let updates: Vec<(u64, Value)> =
        edits.iter().map(|edit| (edit.write.stamp.0 >> 16, value(&edit.mutation))).collect();
    let (plain, ()) = timed(|| {
        for (cell, (at, value)) in cells.iter_mut().zip(&updates) {
            if *at >= cell.0 {
                *cell = (*at, value.clone());
            }
        }
    });
    black_box(&cells);
    let (engine, writes) = timed(|| edits.drain(..).map(|edit| merge(&table, edit)).collect::<Vec<_>>());
    assert!(writes.iter().flatten().count() > ROWS / 4, "most edits are taken");
    Round { items: ROWS, engine, plain }
}

fn merge(table: &Table, edit: Edit) -> Option<RowWrite> {
    let mut draft = RowDraft::new(edit.row, edit.state);
    draft.apply(table, &edit.mutation, &edit.write).expect("the row is known");
    black_box(&draft.conflicts);
    draft.into_write(table)
}

fn edits(random: &mut Random, base: impl Fn(usize) -> u64) -> Vec<Edit> {
    let rows = rows::fresh(random, ROWS);
    let incumbent = mark(5, 2);
    let edit = |(position, (row, values)): (usize, (RowId, Vec<Value>))| {
        let marks = RowMarks {
            created: Mark::default(),
            fields: vec![Some(incumbent); FIELDS],
            born: None,
            deleted: None,
            records: Default::default(),
            tombstone: None,
        };
        let base = Base { seq: Seq(base(position)), device_seq: DeviceSeq(0) };
        let stamp = Stamp::at(Millis(NOW_MS - 2_000 + random.draw() % 2_000));
        let write = Write {
            writer: Writer { author: AuthorId(1), device_seq: DeviceSeq(1), schema: SchemaVersion(1), base },
            stamp,
            seq: Seq(11),
        };
        let mutation = Mutation::Update(vec![rows::field(random)]);
        Edit { row, state: RowState { values: Some(values), marks: Some(marks) }, mutation, write }
    };
    rows.into_iter().enumerate().map(edit).collect()
}

fn mark(seq: u64, author: u32) -> Mark {
    let stamp = Stamp::at(Millis(NOW_MS - 1_000));
    Mark { seq: Seq(seq), stamp, author: AuthorId(author), device_seq: DeviceSeq(1), as_sent: true }
}

fn value(mutation: &Mutation) -> Value {
    match mutation {
        Mutation::Update(fields) => fields.first().map(|Field { value, .. }| value.clone()).unwrap_or_default(),
        Mutation::Insert(_) | Mutation::Delete => Value::Null,
    }
}

/// The table as a catalogue has it.
fn table() -> Table {
    let columns = (0..=FIELDS).map(|n| Column { name: format!("c{n}"), ..Column::default() }).collect();
    Table { name: "visit".into(), columns, key: vec![ColumnId(0)], ..Table::default() }
}
