//! A device applies commits of others: opened, written uncaptured, references checked, cursor moved, durable.
//! The real session on the real local database with the pragmas of the browser, a transaction per message.
//! The plain way writes the same values to the same table by prepared statements, one transaction per commit.

use crate::files;
use crate::round::{Round, timed};
use ebbtide_bench_engine::device::{Device, ROWS_OF_A_COMMIT};
use ebbtide_bench_engine::random::Random;
use ebbtide_bench_engine::rows;
use ebbtide_core::change::{Field, RowId};
use ebbtide_core::commit::{Effect, Outcome};

/// Rows of a round.
const ROWS: usize = 50_000;

/// New rows, as a device gets them that comes into the space.
pub fn inserts() -> Round {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = rows::fresh(&mut Random::new(31), ROWS);
    let plain_table = files::plain_table(&folder, "plain.db");
    let (plain, ()) = timed(|| rows.chunks(ROWS_OF_A_COMMIT).for_each(|rows| rows::plain_inserts(&plain_table, rows)));
    let mut device = Device::open(files::database(&folder, "device.db"));
    let puts = rows.into_iter().map(|(row, values)| Outcome { row, effect: Effect::Put(values) }).collect();
    let ranges = device.ranges(puts);
    let (engine, ()) = timed(|| ranges.into_iter().for_each(|range| device.apply(range)));
    device.require_rows(ROWS);
    Round { items: ROWS, engine, plain }
}

/// One field each of rows that are there.
pub fn updates() -> Round {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random::new(37);
    let rows = rows::fresh(&mut random, ROWS);
    let updates: Vec<(RowId, Field)> = rows.iter().map(|(row, _)| (row.clone(), rows::field(&mut random))).collect();
    let plain_table = files::plain_table(&folder, "plain.db");
    rows::plain_inserts(&plain_table, &rows);
    let (plain, ()) =
        timed(|| updates.chunks(ROWS_OF_A_COMMIT).for_each(|updates| rows::plain_updates(&plain_table, updates)));
    let mut device = Device::open(files::database(&folder, "device.db"));
    let puts = rows.into_iter().map(|(row, values)| Outcome { row, effect: Effect::Put(values) }).collect();
    device.ranges(puts).into_iter().for_each(|range| device.apply(range));
    let sets = updates.into_iter().map(|(row, field)| Outcome { row, effect: Effect::Set(vec![field]) }).collect();
    let ranges = device.ranges(sets);
    let (engine, ()) = timed(|| ranges.into_iter().for_each(|range| device.apply(range)));
    device.require_rows(ROWS);
    Round { items: ROWS, engine, plain }
}
