//! Rows of one shape, column by column: where they belong, their keys, their values.
//! It knows tables, keys and fields, and leaves to `changeset` and `commit` what a row's fate means.
//! Called by those two.

use crate::error::malformed;
use crate::input::Input;
use crate::output::Output;
use crate::shape::{Group, Head, Kind, Row};
use crate::{column, integers};
use alloc::{vec, vec::Vec};
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::Base;
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{ColumnId, DeviceSeq, Seq};
use ebbtide_core::value::{Key, Value};

/// Stands for a set of no columns: an update that touches nothing is odd, but no reason to fail.
const NO_COLUMNS: u64 = 1 << 17;

/// What a reader must know to read a group that a writer left something out of.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) catalogue: &'a Catalogue,
    /// How many transactions the rows belong to; with one, none is named.
    pub(crate) transactions: usize,
    /// The base of rows that name none.
    pub(crate) base: Base,
}

/// Writes a group.
pub(crate) fn write(out: &mut Output, group: &Group<'_>, context: Context<'_>) {
    let (table, kind, columns) = &group.shape;
    let shape = context.catalogue.table(*table).expect("a sealed row is of a table of the catalogue");
    let own_bases = group.rows.iter().any(|row| row.base != context.base);
    Head { own_bases, ..Head::new(*table, *kind, group.rows.len()) }.write(out);
    if *kind == Kind::Fields {
        write_columns(out, columns);
    }
    if context.transactions > 1 {
        integers::write(out, &group.rows.iter().map(|row| row.transaction as i64).collect::<Vec<_>>());
    }
    if own_bases {
        write_bases(out, &group.rows, context.base);
    }
    write_keys(out, shape, group.rows.iter().map(|row| row.key));
    let width = match kind {
        Kind::Whole => shape.fields().count(),
        _ => columns.len(),
    };
    assert!(group.rows.iter().all(|row| row.cells.len() == width), "a sealed row has all the fields of its shape");
    (0..width).for_each(|field| {
        let values: Vec<&Value> = group.rows.iter().map(|row| row.cells.value(field)).collect();
        column::write(out, &values);
    });
}

/// Ascending positions as steps, each with a bit that says whether another follows; a step past every column for none at all.
fn write_columns(out: &mut Output, columns: &[ColumnId]) {
    assert!(columns.is_sorted_by(|a, b| a < b), "touched fields ascend");
    if columns.is_empty() {
        return out.varint(NO_COLUMNS);
    }
    let mut next = 0;
    for (position, column) in columns.iter().enumerate() {
        let more = u64::from(position + 1 < columns.len());
        out.varint(u64::from(column.0 - next) << 1 | more);
        next = column.0.wrapping_add(1);
    }
}

fn write_bases(out: &mut Output, rows: &[Row<'_>], base: Base) {
    let seqs: Vec<i64> = rows.iter().map(|row| row.base.seq.0.wrapping_sub(base.seq.0) as i64).collect();
    integers::write(out, &seqs);
    let own: Vec<i64> = rows.iter().map(|row| row.base.device_seq.0.wrapping_sub(base.device_seq.0) as i64).collect();
    integers::write(out, &own);
}

/// Writes keys, one column for each part.
pub(crate) fn write_keys<'a>(out: &mut Output, table: &Table, keys: impl Iterator<Item = &'a Key> + Clone) {
    assert!(keys.clone().all(|key| key.0.len() == table.key.len()), "a sealed row's key has all its parts");
    (0..table.key.len()).for_each(|part| {
        let values: Vec<&Value> = keys.clone().map(|key| &key.0[part]).collect();
        column::write(out, &values);
    });
}

/// One row as it came in.
pub(crate) struct ReadRow {
    pub(crate) transaction: usize,
    pub(crate) base: Base,
    pub(crate) key: Key,
    pub(crate) values: Vec<Value>,
}

/// A group as it came in; `columns` names the fields of `Kind::Fields` and is empty otherwise.
pub(crate) struct ReadGroup {
    pub(crate) columns: Vec<ColumnId>,
    transactions: Vec<usize>,
    bases: Vec<Base>,
    keys: Vec<Key>,
    values: Vec<Vec<Value>>,
}

impl ReadGroup {
    /// Its rows, made as they are taken, so that they exist once.
    pub(crate) fn into_rows(self) -> impl ExactSizeIterator<Item = ReadRow> {
        let places = self.transactions.into_iter().zip(self.bases);
        let contents = self.keys.into_iter().zip(self.values);
        let row = |((transaction, base), (key, values))| ReadRow { transaction, base, key, values };
        places.zip(contents).map(row)
    }
}

/// Reads what follows a head.
pub(crate) fn read(input: &mut Input<'_>, head: &Head, context: Context<'_>) -> Result<ReadGroup, Malformed> {
    let table = head.table(context.catalogue)?;
    let columns = match head.kind {
        Kind::Fields => read_columns(input, table)?,
        _ => Vec::new(),
    };
    let transactions = read_transactions(input, head.rows, context.transactions)?;
    let bases = read_bases(input, head, context.base)?;
    let keys = read_keys(input, table, head.rows)?;
    let width = match head.kind {
        Kind::Whole => table.fields().count(),
        _ => columns.len(),
    };
    let values = read_rows(input, width, head.rows)?;
    Ok(ReadGroup { columns, transactions, bases, keys, values })
}

fn read_columns(input: &mut Input<'_>, table: &Table) -> Result<Vec<ColumnId>, Malformed> {
    let mut columns = Vec::new();
    let mut next = 0_u64;
    loop {
        let step = input.varint()?;
        if step == NO_COLUMNS && columns.is_empty() {
            return Ok(columns);
        }
        let position = next.saturating_add(step >> 1);
        if position >= table.columns.len() as u64 {
            return malformed("group: unknown column");
        }
        let column = ColumnId(position as u16);
        if table.is_key(column) {
            return malformed("group: a key column among the fields");
        }
        columns.push(column);
        next = position + 1;
        if step & 1 == 0 {
            return Ok(columns);
        }
    }
}

fn read_transactions(input: &mut Input<'_>, rows: usize, transactions: usize) -> Result<Vec<usize>, Malformed> {
    if transactions == 1 {
        return Ok(vec![0; rows]);
    }
    let positions = integers::read_lengths(input, rows)?;
    match positions.iter().all(|&position| position < transactions) {
        true => Ok(positions),
        false => malformed("group: unknown transaction"),
    }
}

fn read_bases(input: &mut Input<'_>, head: &Head, base: Base) -> Result<Vec<Base>, Malformed> {
    if !head.own_bases {
        return Ok(vec![base; head.rows]);
    }
    let seqs = integers::read(input, head.rows)?;
    let own = integers::read(input, head.rows)?;
    let joined = seqs.into_iter().zip(own).map(|(seq, own)| Base {
        seq: Seq(base.seq.0.wrapping_add(seq as u64)),
        device_seq: DeviceSeq(base.device_seq.0.wrapping_add(own as u64)),
    });
    Ok(joined.collect())
}

/// Reads keys, one column for each part.
pub(crate) fn read_keys(input: &mut Input<'_>, table: &Table, rows: usize) -> Result<Vec<Key>, Malformed> {
    Ok(read_rows(input, table.key.len(), rows)?.into_iter().map(Key).collect())
}

/// Reads `width` columns and turns them into rows.
fn read_rows(input: &mut Input<'_>, width: usize, rows: usize) -> Result<Vec<Vec<Value>>, Malformed> {
    let mut built: Vec<Vec<Value>> = (0..rows).map(|_| Vec::with_capacity(width)).collect();
    for _ in 0..width {
        let column = column::read(input, rows)?;
        built.iter_mut().zip(column).for_each(|(row, value)| row.push(value));
    }
    Ok(built)
}
