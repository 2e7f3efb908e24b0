//! Rows of one table to which the same happened, column by column.
//! It knows tables, keys and fields, and leaves to `changeset` and `commit` what a row's fate means.
//! Groups stand in the order of first mention, deletes before all others.

use crate::column;
use crate::error::malformed;
use crate::input::Input;
use crate::integers;
use crate::limits::ROW_CHARGE;
use crate::output::Output;
use alloc::collections::BTreeMap;
use alloc::{vec, vec::Vec};
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{Base, Field};
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{ColumnId, DeviceSeq, Seq, TableId};
use ebbtide_core::value::{Key, Value};

/// What happened to the rows of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// All fields of a row.
    Whole = 0,
    /// Some fields of a row.
    Fields = 1,
    /// The row is gone.
    Delete = 2,
    /// Values that lost; of commits only.
    Conflict = 3,
}

impl Kind {
    fn of(head: u64) -> Self {
        match head & 3 {
            0 => Kind::Whole,
            1 => Kind::Fields,
            2 => Kind::Delete,
            _ => Kind::Conflict,
        }
    }
}

const HEAD_ONE_ROW: u64 = 1 << 2;
const HEAD_OWN_BASES: u64 = 1 << 3;
const HEAD_TABLE_SHIFT: u32 = 4;

/// The first bytes of a group.
pub(crate) struct Head {
    pub(crate) table: TableId,
    pub(crate) kind: Kind,
    pub(crate) rows: usize,
    own_bases: bool,
}

impl Head {
    pub(crate) fn new(table: TableId, kind: Kind, rows: usize) -> Self {
        Head { table, kind, rows, own_bases: false }
    }

    pub(crate) fn write(&self, out: &mut Output) {
        let one = if self.rows == 1 { HEAD_ONE_ROW } else { 0 };
        let own = if self.own_bases { HEAD_OWN_BASES } else { 0 };
        out.varint(u64::from(self.table.0) << HEAD_TABLE_SHIFT | own | one | self.kind as u64);
        if self.rows != 1 {
            out.varint(self.rows as u64 - 2);
        }
    }

    /// Reads a head and pays for its rows.
    pub(crate) fn read(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let head = input.varint()?;
        let rows = if head & HEAD_ONE_ROW == 0 { input.count()?.saturating_add(2) } else { 1 };
        input.charge(rows, ROW_CHARGE)?;
        let table = u16::try_from(head >> HEAD_TABLE_SHIFT).or(malformed("group: table out of range"))?;
        Ok(Head { table: TableId(table), kind: Kind::of(head), rows, own_bases: head & HEAD_OWN_BASES != 0 })
    }

    pub(crate) fn table<'a>(&self, catalogue: &'a Catalogue) -> Result<&'a Table, Malformed> {
        catalogue.table(self.table).ok_or(Malformed { what: "group: unknown table" })
    }
}

/// The values of one row.
#[derive(Clone, Copy)]
pub(crate) enum Cells<'a> {
    Whole(&'a [Value]),
    Fields(&'a [Field]),
    Delete,
}

impl<'a> Cells<'a> {
    fn kind(self) -> Kind {
        match self {
            Cells::Whole(_) => Kind::Whole,
            Cells::Fields(_) => Kind::Fields,
            Cells::Delete => Kind::Delete,
        }
    }

    fn columns(self) -> impl Iterator<Item = ColumnId> {
        let fields = if let Cells::Fields(fields) = self { fields } else { &[] };
        fields.iter().map(|field| field.column)
    }

    fn len(self) -> usize {
        match self {
            Cells::Whole(values) => values.len(),
            Cells::Fields(fields) => fields.len(),
            Cells::Delete => 0,
        }
    }

    fn value(self, position: usize) -> &'a Value {
        match self {
            Cells::Whole(values) => &values[position],
            Cells::Fields(fields) => &fields[position].value,
            Cells::Delete => unreachable!("a delete has no values"),
        }
    }
}

/// One row on its way out.
pub(crate) struct Row<'a> {
    pub(crate) transaction: usize,
    pub(crate) base: Base,
    pub(crate) table: TableId,
    pub(crate) key: &'a Key,
    pub(crate) cells: Cells<'a>,
}

type Shape = (TableId, Kind, Vec<ColumnId>);

/// Rows of one shape on their way out.
pub(crate) struct Group<'a> {
    shape: Shape,
    rows: Vec<Row<'a>>,
}

impl Group<'_> {
    fn fits(&self, row: &Row<'_>) -> bool {
        let (table, kind, columns) = &self.shape;
        *table == row.table && *kind == row.cells.kind() && columns.iter().copied().eq(row.cells.columns())
    }
}

/// Sorts rows into groups, in the canonical order; rows keep their order within a group.
pub(crate) fn group<'a>(rows: impl Iterator<Item = Row<'a>>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut known: BTreeMap<Shape, usize> = BTreeMap::new();
    let mut last = 0;
    for row in rows {
        if !groups.get(last).is_some_and(|group| group.fits(&row)) {
            let shape: Shape = (row.table, row.cells.kind(), row.cells.columns().collect());
            last = *known.entry(shape.clone()).or_insert(groups.len());
            if last == groups.len() {
                groups.push(Group { shape, rows: Vec::new() });
            }
        }
        groups[last].rows.push(row);
    }
    groups.sort_by_key(|group| group.shape.1 != Kind::Delete);
    groups
}

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

/// Ascending positions as steps, each with a bit that says whether another follows.
fn write_columns(out: &mut Output, columns: &[ColumnId]) {
    assert!(columns.is_sorted_by(|a, b| a < b) && !columns.is_empty(), "touched fields ascend and are not none");
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
