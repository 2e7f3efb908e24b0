//! Prints how many bytes real rows and small edits take, and how fast they are packed and unpacked.
//! `cargo run --release -p ebbtide-protocol --example sizes` takes the repository's 10,000 rows; a path names the whole list.
//! It shares the rows with the tests and asserts nothing but that they come back.

use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{Base, Change, Changeset, Field, Mutation, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::ids::{ColumnId, DeviceSeq, Millis, Opening, SchemaVersion, Seq};
use ebbtide_core::message::{ClientMessage, Submit};
use ebbtide_core::value::Value;
use ebbtide_protocol::{WireCodec, encode_client};
use flate2::{Compression, write::DeflateEncoder};
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};
use support::Random;
use support::facilities::{self, Facility, NOW_MS};

const ROUNDS: usize = 7;

#[path = "../tests/support/mod.rs"]
mod support;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| facilities::IN_REPOSITORY.into());
    let rows = facilities::read(path);
    facility_report(&rows[..rows.len().min(10_000)]);
    if rows.len() > 10_000 {
        facility_report(&rows);
    }
    let figures = [1, 10, 100, 1_000].map(edit_report).into_iter().collect::<Result<Vec<_>, _>>()?;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

fn facility_report(rows: &[Facility]) {
    println!("{} facilities", rows.len());
    for level in [6, 9] {
        println!("  gzip -{level} of the CSV with keys   {:>9}", facilities::gzip_len(rows, level));
    }
    let catalogue = facilities::catalogue(10);
    let changeset = facilities::changeset(rows);
    let (sealing, sealed) = fastest(|| WireCodec.seal(&changeset, &catalogue));
    let (opening, opened) = fastest(|| WireCodec.open(&sealed.bytes, changeset.device_seq, &catalogue));
    assert!(opened == Ok(changeset), "other rows came back");
    print_rows("sealed changeset", sealed.bytes.len(), rows.len());
    print_rows("packed commit", WireCodec.seal_commit(&facilities::commit(rows), &catalogue).len(), rows.len());
    let rate = |time: Duration| rows.len() as f64 / time.as_secs_f64() / 1_000.0;
    println!("  sealing {:.0} k rows/s, opening {:.0} k rows/s", rate(sealing), rate(opening));
}

fn print_rows(what: &str, bytes: usize, rows: usize) {
    println!("  {what:<30} {bytes:>9}   {:.2} a row", bytes as f64 / rows as f64);
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

/// One-field edits of known rows of 20 columns: a small count, a status or a short note in one of five columns.
///
/// Answers bytes an edit, for those who hold them against a bar.
fn edit_report(count: usize) -> Result<serde_json::Value, Box<dyn Error>> {
    let names: Vec<String> = (0..20).map(|n| if n == 0 { "id".into() } else { format!("column_{n}") }).collect();
    let catalogue = facilities::catalogue(names.len());
    let mut random = Random(11);
    let edits: Vec<Edit> = (0..count).map(|_| Edit::any(&mut random)).collect();
    let json: Vec<_> = edits.iter().map(|edit| edit.field_json(&names)).collect();
    let full: Vec<_> = edits.iter().map(|edit| edit.record_json(&names)).collect();
    println!("{count} one-field edits, bytes an edit");
    let full = print_rate("full records, JSON", serde_json::to_vec(&full)?.len(), count);
    print_rate("fields, JSON", serde_json::to_vec(&json)?.len(), count);
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::new(9));
    packed.write_all(&serde_json::to_vec(&json)?)?;
    print_rate("fields, JSON, deflate", packed.finish()?.len(), count);
    let together = print_edits("one transaction", &edits, count, &catalogue);
    let apart = print_edits("a transaction each", &edits, 1, &catalogue);
    let apart_floor = floor_bits(1, RANDOM_KEY_BITS + f64::log2(TWO_YEARS_MS as f64)) + f64::log2(GAP_MS as f64);
    let floor = floor_bits(count, RANDOM_KEY_BITS + f64::log2(TWO_YEARS_MS as f64)) / 8.0;
    println!("  {:<30} {floor:>9.2}", "entropy, keys whole");
    let apart_floor = apart_floor / 8.0;
    println!("  {:<30} {apart_floor:>9.2}", "entropy, a transaction each");
    let known_floor = floor_bits(count, f64::log2(KNOWN_ROWS)) / 8.0;
    println!("  {:<30} {known_floor:>9.2}", "entropy, one of 98,745 rows");
    Ok(serde_json::json!({
        "count": count, "full": full, "together": together, "apart": apart, "floor": floor, "apartFloor": apart_floor, "knownFloor": known_floor,
    }))
}

/// Random bits of a UUID of version 7.
const RANDOM_KEY_BITS: f64 = 74.0;

/// Rows of a space that a receiver is taken to know already.
const KNOWN_ROWS: f64 = 98_745.0;

/// When the edited rows may have been made.
const TWO_YEARS_MS: u64 = 2 * 365 * 86_400_000;

/// How long a transaction may come after the one before.
const GAP_MS: u64 = 300_000;

/// What no encoding can go below on average, in bits an edit: which row, which of five columns, which value, without the order of
/// the edits, which says nothing.
fn floor_bits(count: usize, key_bits: f64) -> f64 {
    let order: f64 = (1..=count).map(|n| f64::log2(n as f64)).sum::<f64>() / count as f64;
    // As `Edit::any` draws them: 5 states, 6 counts, two of 8 words, a flag, 400 measured values.
    let values = [5.0, 6.0, 64.0, 2.0, 400.0].map(f64::log2).iter().sum::<f64>() / 5.0;
    key_bits - order + f64::log2(5.0) + values
}

fn print_rate(what: &str, bytes: usize, count: usize) -> f64 {
    let rate = bytes as f64 / count as f64;
    println!("  {what:<30} {rate:>9.2}");
    rate
}

/// Bytes an edit of the whole message in which they go up, keys and all.
fn print_edits(what: &str, edits: &[Edit], at_once: usize, catalogue: &Catalogue) -> f64 {
    let mut random = Random(13);
    let mut now = NOW_MS;
    let transactions = edits.chunks(at_once).map(|edits| {
        now += random.next() % GAP_MS;
        Transaction {
            stamp: Stamp::at(Millis(now)),
            changes: edits.iter().map(Edit::change).collect(),
            ..Transaction::default()
        }
    });
    let transactions: Vec<_> = transactions.collect();
    let changeset = Changeset {
        device_seq: DeviceSeq(300),
        schema: SchemaVersion(1),
        origin: None,
        opening: Opening(0x9e37_79b9),
        transactions,
    };
    let sealed = WireCodec.seal(&changeset, catalogue);
    print_rate(&format!("sealed, {what}"), sealed.bytes.len(), edits.len());
    let submit = Submit { device_seq: changeset.device_seq, applied_receipt: DeviceSeq(299), bytes: sealed.bytes };
    let message = encode_client(&[ClientMessage::Submit(submit)]);
    print_rate(&format!("message up, {what}"), message.len(), edits.len())
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
        let made = NOW_MS - random.next() % TWO_YEARS_MS;
        Edit { key: random.uuid_at(made, 7), column: column + 4, value }
    }

    fn change(&self) -> Change {
        let field = Field { column: ColumnId(self.column), value: self.value.clone() };
        let base = Base { seq: Seq(50_000), device_seq: DeviceSeq(299) };
        Change { row: facilities::row(&self.key), mutation: Mutation::Update(vec![field]), base }
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
