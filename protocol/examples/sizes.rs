//! Prints how many bytes real rows and small edits take, and how fast they are packed and unpacked.
//! It needs the facility list as a gzip'd CSV: `cargo run --release -p ebbtide-protocol --example sizes -- <facilities.csv.gz>`.
//! Keys are UUIDv7 made as a device makes them: the time of the insert and 74 random bits.

use ebbtide_core::catalogue::{Catalogue, Column, Table};
use ebbtide_core::change::{Base, Change, Changeset, Field, Mutation, RowId, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::{Commit, Effect, Outcome};
use ebbtide_core::ids::{AuthorId, ColumnId, DeviceSeq, Millis, SchemaVersion, Seq, TableId};
use ebbtide_core::value::{Key, Value};
use ebbtide_protocol::WireCodec;
use flate2::{Compression, read::GzDecoder, write::DeflateEncoder, write::GzEncoder};
use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;
const NOW_MS: u64 = 1_795_219_200_000;
const FACILITY_COLUMNS: [&str; 10] =
    ["id", "country", "iso3", "admin1", "name", "type", "ownership", "lat", "lon", "location_source"];

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: sizes <facilities.csv.gz>")?;
    let mut csv_text = String::new();
    GzDecoder::new(File::open(path)?).read_to_string(&mut csv_text)?;
    let rows = facilities(&csv_text)?;
    facility_report(&csv_text, &rows[..10_000])?;
    facility_report(&csv_text, &rows)?;
    for count in [1, 10, 100, 1_000] {
        edit_report(count)?;
    }
    Ok(())
}

/// A generator of test data, not of secrets (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn uuid_v7(&mut self, millis: u64) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
            millis >> 16,
            millis & 0xffff,
            a & 0xfff,
            0x8000 | (a >> 16 & 0x3fff),
            b & 0xffff_ffff_ffff
        )
    }
}

struct Facility {
    key: String,
    line: String,
    values: Vec<Value>,
}

fn facilities(csv_text: &str) -> Result<Vec<Facility>, Box<dyn Error>> {
    let mut random = Random(7);
    let mut reader = csv::Reader::from_reader(csv_text.as_bytes());
    let records = reader.records().enumerate().map(|(position, record)| {
        let record = record?;
        let mut line = csv::Writer::from_writer(Vec::new());
        line.write_record(&record)?;
        let values = record.iter().enumerate().map(|(column, text)| cell(column, text)).collect();
        // About 25 rows fit into a millisecond of a bulk insert.
        let key = random.uuid_v7(NOW_MS + position as u64 / 25);
        Ok(Facility { key, line: String::from_utf8(line.into_inner()?)?, values })
    });
    records.collect()
}

fn cell(column: usize, text: &str) -> Value {
    match column {
        _ if text.is_empty() => Value::Null,
        6 | 7 => text.parse().map_or(Value::Null, Value::Real),
        _ => Value::Text(text.into()),
    }
}

fn catalogue(columns: &[&str]) -> Catalogue {
    let columns = columns.iter().map(|name| Column { name: (*name).into(), ..Column::default() }).collect();
    let table = Table { name: "row".into(), columns, key: vec![ColumnId(0)], ..Table::default() };
    Catalogue { version: SchemaVersion(1), tables: vec![table], ..Catalogue::default() }
}

fn row(key: &str) -> RowId {
    RowId { table: TableId(0), key: Key(vec![Value::Text(key.into())]) }
}

fn facility_report(csv_text: &str, rows: &[Facility]) -> Result<(), Box<dyn Error>> {
    let header = csv_text.lines().next().unwrap_or_default();
    let mut keyed = format!("id,{header}\n");
    rows.iter().for_each(|facility| keyed.push_str(&format!("{},{}", facility.key, facility.line)));
    println!("{} facilities", rows.len());
    for level in [6, 9] {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::new(level));
        gzip.write_all(keyed.as_bytes())?;
        println!("  gzip -{level} of the CSV with keys   {:>9}", gzip.finish()?.len());
    }
    let catalogue = catalogue(&FACILITY_COLUMNS);
    let changes = rows.iter().map(|facility| Change {
        row: row(&facility.key),
        mutation: Mutation::Insert(facility.values.clone()),
        base: Base::default(),
    });
    let transactions = vec![Transaction { stamp: Stamp::at(Millis(NOW_MS)), changes: changes.collect() }];
    let changeset = Changeset { device_seq: DeviceSeq(1), schema: SchemaVersion(1), transactions };
    report_changeset(&changeset, &catalogue, rows.len());
    report_commit(&changeset, &catalogue, rows.len());
    Ok(())
}

fn report_changeset(changeset: &Changeset, catalogue: &Catalogue, rows: usize) {
    let (sealing, sealed) = fastest(|| WireCodec.seal(changeset, catalogue));
    let (opening, opened) = fastest(|| WireCodec.open(&sealed.bytes, changeset.device_seq, catalogue));
    assert_eq!(opened.as_ref(), Ok(changeset));
    let rate = |time: Duration| rows as f64 / time.as_secs_f64() / 1_000.0;
    let length = sealed.bytes.len();
    println!("  sealed changeset               {length:>9}   {:.2} a row", length as f64 / rows as f64);
    println!("  sealing {:.0} k rows/s, opening {:.0} k rows/s", rate(sealing), rate(opening));
}

/// The fastest of some rounds: the machine may be busy with other things.
#[expect(clippy::disallowed_methods, reason = "it measures, and runs natively only")]
fn fastest<T>(work: impl Fn() -> T) -> (Duration, T) {
    let round = || {
        let start = Instant::now();
        let result = work();
        (start.elapsed(), result)
    };
    (0..ROUNDS).map(|_| round()).min_by_key(|(time, _)| *time).expect("there are rounds")
}

fn report_commit(changeset: &Changeset, catalogue: &Catalogue, rows: usize) {
    let outcomes = changeset.transactions.iter().flat_map(|transaction| &transaction.changes).map(outcome).collect();
    let commit = Commit {
        author: AuthorId(1),
        device_seq: changeset.device_seq,
        schema: changeset.schema,
        stamp: Stamp::at(Millis(NOW_MS)),
        outcomes,
        conflicts: Vec::new(),
    };
    let length = WireCodec.seal_commit(&commit, catalogue).len();
    println!("  sealed commit                  {length:>9}   {:.2} a row", length as f64 / rows as f64);
}

fn outcome(change: &Change) -> Outcome {
    let effect = match &change.mutation {
        Mutation::Insert(values) => Effect::Put(values.clone()),
        Mutation::Update(fields) => Effect::Set(fields.clone()),
        Mutation::Delete => Effect::Delete,
    };
    Outcome { row: change.row.clone(), effect }
}

/// One-field edits of known rows of 20 columns: a small count, a status or a short note in one of five columns.
fn edit_report(count: usize) -> Result<(), Box<dyn Error>> {
    let names: Vec<String> = (0..20).map(|n| if n == 0 { "id".into() } else { format!("column_{n}") }).collect();
    let catalogue = catalogue(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut random = Random(11);
    let edits: Vec<Edit> = (0..count).map(|_| Edit::any(&mut random)).collect();
    let json: Vec<_> = edits.iter().map(|edit| edit.field_json(&names)).collect();
    let full: Vec<_> = edits.iter().map(|edit| edit.record_json(&names)).collect();
    println!("{count} one-field edits, bytes an edit");
    print_rate("full records, JSON", serde_json::to_vec(&full)?.len(), count);
    print_rate("fields, JSON", serde_json::to_vec(&json)?.len(), count);
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::new(9));
    packed.write_all(&serde_json::to_vec(&json)?)?;
    print_rate("fields, JSON, deflate", packed.finish()?.len(), count);
    print_edits("sealed, one transaction", &edits, count, &catalogue);
    print_edits("sealed, a transaction each", &edits, 1, &catalogue);
    Ok(())
}

fn print_rate(what: &str, bytes: usize, count: usize) {
    println!("  {what:<28} {:>9.2}", bytes as f64 / count as f64);
}

fn print_edits(what: &str, edits: &[Edit], at_once: usize, catalogue: &Catalogue) {
    let mut random = Random(13);
    let mut now = NOW_MS;
    let transactions = edits.chunks(at_once).map(|edits| {
        now += random.next() % 300_000;
        Transaction { stamp: Stamp::at(Millis(now)), changes: edits.iter().map(Edit::change).collect() }
    });
    let transactions: Vec<_> = transactions.collect();
    let changeset = Changeset { device_seq: DeviceSeq(300), schema: SchemaVersion(1), transactions };
    let sealed = WireCodec.seal(&changeset, catalogue);
    print_rate(what, sealed.bytes.len(), edits.len());
}

struct Edit {
    key: String,
    column: u16,
    value: Value,
}

impl Edit {
    fn any(random: &mut Random) -> Self {
        const STATES: [&str; 5] = ["open", "done", "in progress", "blocked", "cancelled"];
        const WORDS: [&str; 8] = ["measles", "second", "visit", "mother", "absent", "dose", "given", "fever"];
        let column = (random.next() % 5) as u16;
        let mut word = || WORDS[(random.next() % 8) as usize];
        let note = format!("{} {}", word(), word());
        let number = random.next();
        let value = match column {
            0 => Value::Text(STATES[(number % 5) as usize].into()),
            1 => Value::Integer((number % 6) as i64),
            2 => Value::Text(note),
            3 => Value::Integer((number % 2) as i64),
            _ => Value::Real((number % 400) as f64 / 10.0),
        };
        // Known rows were made at any time of the last two years.
        let made = NOW_MS - random.next() % (2 * 365 * 86_400_000);
        Edit { key: random.uuid_v7(made), column: column + 4, value }
    }

    fn change(&self) -> Change {
        let field = Field { column: ColumnId(self.column), value: self.value.clone() };
        let base = Base { seq: Seq(50_000), device_seq: DeviceSeq(299) };
        Change { row: row(&self.key), mutation: Mutation::Update(vec![field]), base }
    }

    fn json_value(&self) -> serde_json::Value {
        match &self.value {
            Value::Integer(number) => (*number).into(),
            Value::Real(number) => (*number).into(),
            Value::Text(text) => text.as_str().into(),
            Value::Null | Value::Blob(_) => serde_json::Value::Null,
        }
    }

    fn field_json(&self, names: &[String]) -> serde_json::Value {
        let mut set = serde_json::Map::new();
        set.insert(names[usize::from(self.column)].clone(), self.json_value());
        serde_json::json!({ "op": "update", "table": "row", "id": self.key, "set": set })
    }

    fn record_json(&self, names: &[String]) -> serde_json::Value {
        let field = |(position, name): (usize, &String)| {
            let value =
                if position == usize::from(self.column) { self.json_value() } else { "some value 12345".into() };
            (name.clone(), if position == 0 { self.key.as_str().into() } else { value })
        };
        serde_json::Value::Object(names.iter().enumerate().map(field).collect())
    }
}
