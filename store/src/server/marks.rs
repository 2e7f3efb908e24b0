//! The packed record that the server keeps per row: each distinct mark once, and per field a byte that names one.
//! Fresh rows, where all fields carry the mark of their creation, take about 20 bytes. Used by `load` and `write`.

use super::fail;
use crate::sql::SqlError;
use ebbtide_core::clock::Stamp;
use ebbtide_core::ids::{AuthorId, DeviceSeq, Seq};
use ebbtide_core::server::store::{Mark, RowMarks, Tombstone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The first byte; another one is another format.
const FORMAT: u8 = 1;

/// The first byte of a record with more than marks.
const FORMAT_WITH_CELLS: u8 = 2;

/// The first byte of the record of a deleted row that left an image.
const FORMAT_WITH_TOMBSTONE: u8 = 3;

/// Added to the first byte where the record says who made the row: the place of that mark comes next.
const WITH_BIRTH: u8 = 16;

/// A field or a deletion without a mark.
const NONE: u8 = 0;

#[derive(Serialize, Deserialize)]
struct Packed {
    /// The first one is that of the creation.
    marks: Vec<PackedMark>,
    fields: Fields,
    deleted: u8,
}

/// Seq, stamp, author, and the device's number doubled with `as_sent` in the lowest bit.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
struct PackedMark(u64, u64, u32, u64);

/// Positions in `Packed::marks`, from 1.
#[derive(Serialize, Deserialize)]
enum Fields {
    Uniform { count: u8, mark: u8 },
    Each(Vec<u8>),
}

/// Packs a record. A table has at most 100 columns, so a byte names any of its marks.
pub(super) fn pack(row: &RowMarks) -> Vec<u8> {
    let mut marks = vec![PackedMark::from(&row.created)];
    let fields: Vec<u8> = row.fields.iter().map(|mark| place(&mut marks, mark.as_ref())).collect();
    let deleted = place(&mut marks, row.deleted.as_ref());
    let born = row.born.as_ref().map(|born| place(&mut marks, Some(born)));
    let packed = Packed { fields: Fields::of(fields), deleted, marks };
    // What is there besides the marks is told by the first byte, so that a plain row need not say that it has nothing more.
    let start = |format: u8| {
        let head = born.map_or(vec![format], |born| vec![format | WITH_BIRTH, born]);
        postcard::to_extend(&packed, head).expect("a vector takes any length")
    };
    match &row.tombstone {
        Some(stone) => postcard::to_extend(stone, start(FORMAT_WITH_TOMBSTONE)).expect("as above"),
        None if row.records.is_empty() => start(FORMAT),
        None => postcard::to_extend(&row.records, start(FORMAT_WITH_CELLS)).expect("as above"),
    }
}

/// Unpacks a record for a table that now has `width` fields: columns added since have no mark.
pub(super) fn unpack(bytes: &[u8], width: usize) -> Result<RowMarks, SqlError> {
    let damaged = || fail::corrupt("row marks");
    let (format, body) = bytes.split_first().ok_or_else(damaged)?;
    let (born, body) = match format & WITH_BIRTH {
        0 => (NONE, body),
        _ => body.split_first().map(|(born, body)| (*born, body)).ok_or_else(damaged)?,
    };
    let (packed, rest): (Packed, _) = postcard::take_from_bytes(body).map_err(|_| damaged())?;
    let (records, tombstone) = match *format & !WITH_BIRTH {
        FORMAT if rest.is_empty() => (BTreeMap::new(), None),
        FORMAT_WITH_CELLS => (postcard::from_bytes(rest).map_err(|_| damaged())?, None),
        FORMAT_WITH_TOMBSTONE => {
            let stone: Tombstone = postcard::from_bytes(rest).map_err(|_| damaged())?;
            (BTreeMap::new(), Some(stone))
        }
        _ => return Err(damaged()),
    };
    let mark = |index: u8| match index {
        NONE => Ok(None),
        index => packed.marks.get(usize::from(index) - 1).map(|mark| Some(mark.unpack())).ok_or_else(damaged),
    };
    let mut fields = packed.fields.indexes().into_iter().map(mark).collect::<Result<Vec<_>, _>>()?;
    fields.resize(width, None);
    let created = packed.marks.first().ok_or_else(damaged)?.unpack();
    Ok(RowMarks { created, fields, born: mark(born)?, deleted: mark(packed.deleted)?, records, tombstone })
}

fn place(marks: &mut Vec<PackedMark>, mark: Option<&Mark>) -> u8 {
    let Some(mark) = mark.map(PackedMark::from) else { return NONE };
    let position = marks.iter().rposition(|known| *known == mark).unwrap_or_else(|| {
        marks.push(mark);
        marks.len() - 1
    });
    u8::try_from(position + 1).expect("a table has at most 100 columns")
}

impl Fields {
    fn of(indexes: Vec<u8>) -> Self {
        match indexes.first() {
            Some(&mark) if indexes.iter().all(|index| *index == mark) => {
                Fields::Uniform { count: indexes.len() as u8, mark }
            }
            _ => Fields::Each(indexes),
        }
    }

    fn indexes(&self) -> Vec<u8> {
        match self {
            Fields::Uniform { count, mark } => vec![*mark; usize::from(*count)],
            Fields::Each(indexes) => indexes.clone(),
        }
    }
}

impl From<&Mark> for PackedMark {
    fn from(mark: &Mark) -> Self {
        let number = mark.device_seq.0 << 1 | u64::from(mark.as_sent);
        PackedMark(mark.seq.0, mark.stamp.0, mark.author.0, number)
    }
}

impl PackedMark {
    fn unpack(self) -> Mark {
        Mark {
            seq: Seq(self.0),
            stamp: Stamp(self.1),
            author: AuthorId(self.2),
            device_seq: DeviceSeq(self.3 >> 1),
            as_sent: self.3 & 1 == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebbtide_core::change::RowId;
    use ebbtide_core::ids::{ColumnId, SchemaVersion, TableId};
    use ebbtide_core::merge::record::CellRecord;
    use ebbtide_core::merge::set::observed::SetRecord;
    use ebbtide_core::merge::text::history::TextRecord;
    use ebbtide_core::value::Value;

    fn mark(seq: u64) -> Mark {
        Mark {
            seq: Seq(seq),
            stamp: Stamp(seq << 16 | 3),
            author: AuthorId(7),
            device_seq: DeviceSeq(seq / 2),
            as_sent: seq.is_multiple_of(2),
        }
    }

    fn stone() -> Tombstone {
        let key = ebbtide_core::value::Key(vec![Value::Integer(1)]);
        let row = RowId { table: TableId(3), key };
        let cascade = vec![(row.clone(), vec![]), (row, vec![ColumnId(2)])];
        let image = Some(vec![Value::Null, Value::Text("kept".into())]);
        Tombstone {
            schema: SchemaVersion(4),
            image,
            cascade,
            moved: Some(ebbtide_core::value::Key(vec![Value::Integer(2)])),
        }
    }

    #[test]
    fn st42_marks_read_back_as_they_were_written() {
        let shapes = [
            RowMarks { created: mark(1), fields: vec![], ..RowMarks::default() },
            RowMarks { created: mark(1), fields: vec![Some(mark(1)); 20], ..RowMarks::default() },
            RowMarks {
                created: mark(9),
                fields: vec![None, Some(mark(12)), Some(mark(9)), None],
                deleted: Some(mark(20)),
                born: Some(mark(4)),
                tombstone: Some(stone()),
                ..RowMarks::default()
            },
            RowMarks {
                created: mark(1),
                fields: (1..=100).map(|seq| Some(mark(seq))).collect(),
                deleted: Some(mark(500)),
                ..RowMarks::default()
            },
        ];
        for row in shapes {
            assert_eq!(unpack(&pack(&row), row.fields.len()).unwrap(), row);
        }
    }

    #[test]
    fn st42_records_of_cells_read_back_and_cost_nothing_where_there_are_none() {
        let mut row = RowMarks { created: mark(1), fields: vec![Some(mark(1)); 3], ..RowMarks::default() };
        let bare = pack(&row).len();
        row.records.insert(1, CellRecord::Set(SetRecord::default()));
        row.records.insert(2, CellRecord::Text(TextRecord::default()));
        let packed = pack(&row);
        assert!(packed.len() > bare);
        assert_eq!(unpack(&packed, 3).unwrap(), row);
        for end in 0..packed.len() {
            assert!(unpack(&packed[..end], 3).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn st42_a_fresh_row_takes_few_bytes() {
        let created = Mark { stamp: Stamp::at(ebbtide_core::ids::Millis(1_790_000_000_000)), ..mark(40_000) };
        let row = RowMarks { created, fields: vec![Some(created); 20], ..RowMarks::default() };
        assert!(pack(&row).len() <= 24, "{} bytes", pack(&row).len());
    }

    #[test]
    fn st42_a_column_added_later_has_no_mark() {
        let row = RowMarks { created: mark(1), fields: vec![Some(mark(2))], ..RowMarks::default() };
        assert_eq!(unpack(&pack(&row), 2).unwrap().fields, vec![Some(mark(2)), None]);
    }

    #[test]
    fn st43_damaged_marks_are_an_error() {
        for born in [None, Some(mark(2))] {
            let fields = vec![Some(mark(2)), None];
            let bytes = pack(&RowMarks { created: mark(1), fields, born, ..RowMarks::default() });
            for end in 0..bytes.len() {
                assert!(unpack(&bytes[..end], 2).is_err(), "{end} bytes");
            }
        }
        assert!(unpack(&[2, 0], 0).is_err());
    }
}
