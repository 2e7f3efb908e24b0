//! Real rows: the facility list as one bulk insert, keyed as a device would key it.
//! It reads the repository's 10,000 rows, or the whole list from a path.
//! Used by the test of real rows and by the example that prints sizes.

use super::Random;
use ebbtide_core::catalogue::{Catalogue, Column, Table};
use ebbtide_core::change::{Base, Change, Changeset, Mutation, RowId, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Commit, Effect, Outcome};
use ebbtide_core::ids::{AuthorId, ColumnId, DeviceSeq, Millis, Opening, SchemaVersion, TableId};
use ebbtide_core::value::{Key, Value};
use flate2::Compression;
use flate2::{read::GzDecoder, write::GzEncoder};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

pub const NOW_MS: u64 = 1_795_219_200_000;

/// The rows that the repository holds.
pub const IN_REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/data/facilities.csv.gz");

const LATITUDE: usize = 6;
const LONGITUDE: usize = 7;

/// A row, and the line of CSV that it came from, led by its key.
pub struct Facility {
    pub key: String,
    pub line: Vec<u8>,
    pub values: Vec<Value>,
}

pub fn read(path: impl AsRef<Path>) -> Vec<Facility> {
    let mut text = String::new();
    let file = File::open(path).expect("the facility list is there");
    GzDecoder::new(file).read_to_string(&mut text).expect("the facility list is gzip'd text");
    let mut random = Random(7);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let records = reader.records().enumerate().map(|(position, record)| {
        // About 25 rows fit into a millisecond of a bulk insert.
        let key = random.uuid_at(NOW_MS + position as u64 / 25, 7);
        facility(key, &record.expect("the facility list is CSV"))
    });
    records.collect()
}

fn facility(key: String, record: &csv::StringRecord) -> Facility {
    let mut line = csv::Writer::from_writer(Vec::new());
    line.write_record(std::iter::once(key.as_str()).chain(record)).expect("memory takes a record");
    let values = record.iter().enumerate().map(|(column, text)| cell(column, text)).collect();
    Facility { key, line: line.into_inner().expect("memory takes a record"), values }
}

fn cell(column: usize, text: &str) -> Value {
    match column {
        _ if text.is_empty() => Value::Null,
        LATITUDE | LONGITUDE => Value::Real(text.parse().expect("a coordinate is a number")),
        _ => Value::Text(text.into()),
    }
}

/// The size of what people would send otherwise: the CSV with the same keys, gzip'd.
pub fn gzip_len(rows: &[Facility], level: u32) -> usize {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(level));
    rows.iter().for_each(|row| gzip.write_all(&row.line).expect("memory takes bytes"));
    gzip.finish().expect("memory takes bytes").len()
}

/// A table of that many columns, the first being the key.
pub fn catalogue(columns: usize) -> Catalogue {
    let columns = (0..columns).map(|n| Column { name: format!("c{n}"), ..Column::default() }).collect();
    let table = Table { name: "row".into(), columns, key: vec![ColumnId(0)], ..Table::default() };
    Catalogue { version: SchemaVersion(1), tables: vec![table], ..Catalogue::default() }
}

pub fn row(key: &str) -> RowId {
    RowId { table: TableId(0), key: Key(vec![Value::Text(key.into())]) }
}

/// All rows as inserts of one transaction.
pub fn changeset(rows: &[Facility]) -> Changeset {
    let insert = |facility: &Facility| Change {
        row: row(&facility.key),
        mutation: Mutation::Insert(facility.values.clone()),
        base: Base::default(),
    };
    let stamp = Stamp::at(Millis(NOW_MS));
    let transactions =
        vec![Transaction { stamp, changes: rows.iter().map(insert).collect(), ..Transaction::default() }];
    Changeset {
        device_seq: DeviceSeq(1),
        schema: SchemaVersion(1),
        origin: None,
        opening: Opening(0x9e37_79b9),
        transactions,
    }
}

/// What becomes of them in an empty space.
pub fn commit(rows: &[Facility]) -> Commit {
    let put = |facility: &Facility| Outcome { row: row(&facility.key), effect: Effect::Put(facility.values.clone()) };
    Commit {
        author: AuthorId(1),
        device_seq: DeviceSeq(1),
        schema: SchemaVersion(1),
        stamp: Stamp::at(Millis(NOW_MS)),
        outcomes: rows.iter().map(put).collect(),
        conflicts: Vec::new(),
        queue: Vec::new(),
        authors: Vec::new(),
    }
}
