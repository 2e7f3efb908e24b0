//! The shape of rows: their table, what happened to them, and which fields it touched; and how rows are sorted by it.
//! It writes the first bytes of a group and leaves the columns to `group`.
//! Used by `group`, `changeset` and `commit`.

use crate::error::malformed;
use crate::input::Input;
use crate::limits::ROW_CHARGE;
use crate::output::Output;
use alloc::vec::Vec;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{Base, Field};
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::sorted::SortedMap;
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
    /// Whether the rows name bases of their own.
    pub(crate) own_bases: bool,
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

    pub(crate) fn len(self) -> usize {
        match self {
            Cells::Whole(values) => values.len(),
            Cells::Fields(fields) => fields.len(),
            Cells::Delete => 0,
        }
    }

    pub(crate) fn value(self, position: usize) -> &'a Value {
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

/// Table, kind, and the fields of `Kind::Fields`.
pub(crate) type Shape = (TableId, Kind, Vec<ColumnId>);

/// Rows of one shape on their way out.
pub(crate) struct Group<'a> {
    pub(crate) shape: Shape,
    pub(crate) rows: Vec<Row<'a>>,
}

impl Group<'_> {
    fn fits(&self, row: &Row<'_>) -> bool {
        let (table, kind, columns) = &self.shape;
        *table == row.table && *kind == row.cells.kind() && columns.iter().copied().eq(row.cells.columns())
    }
}

/// Sorts rows into groups, in the canonical order. Inserts keep their order, which says how a table is to be filled. Other rows of a
/// transaction go by their keys: their order says nothing, and sorted keys need fewer bytes.
pub(crate) fn group<'a>(rows: impl Iterator<Item = Row<'a>>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut known: SortedMap<Shape, usize> = SortedMap::new();
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
    for group in groups.iter_mut().filter(|group| group.shape.1 != Kind::Whole) {
        group.rows.sort_by(|a, b| (a.transaction, a.key).cmp(&(b.transaction, b.key)));
    }
    groups
}
