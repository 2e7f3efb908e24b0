//! Sizes of the smallest and most frequent messages, byte by byte: a field, a receipt, a range.
//! The bounds are those that the product promises; the values are as in a grown space.
//! Run by `cargo test -p ebbtide-protocol`.

mod support;

use ebbtide_core::catalogue::{Catalogue, Column, Table};
use ebbtide_core::change::{Base, Change, Changeset, Field, Mutation, RowId, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::{Commit, Effect, Outcome, Receipt};
use ebbtide_core::ids::*;
use ebbtide_core::message::{ClientMessage, ItemBody, Range, RangeItem, ServerMessage, Submit};
use ebbtide_core::value::{Key, Value};
use ebbtide_protocol::{WireCodec, decode_client, decode_server, encode_client, encode_server};

const NOTE: &str = "measles";

fn catalogue() -> Catalogue {
    let column = |name: &str| Column { name: name.into(), ..Column::default() };
    let columns = ["id", "household", "doses", "notes"].map(column).to_vec();
    let table = Table { name: "visit".into(), columns, key: vec![ColumnId(0)], ..Table::default() };
    Catalogue {
        version: SchemaVersion(3),
        tables: vec![Table { name: "a".into(), ..table.clone() }, table],
        ..Catalogue::default()
    }
}

fn row() -> RowId {
    RowId { table: TableId(1), key: Key(vec![Value::Text("01932f4e-7d1c-7a33-8f1e-2b6f0c9d4e55".into())]) }
}

fn fields() -> Vec<Field> {
    vec![Field { column: ColumnId(3), value: Value::Text(NOTE.into()) }]
}

fn changeset() -> Changeset {
    let base = Base { seq: Seq(123_456), device_seq: DeviceSeq(299) };
    let change = Change { row: row(), mutation: Mutation::Update(fields()), base };
    let stamp = Stamp::at(Millis(1_795_219_200_123));
    Changeset {
        device_seq: DeviceSeq(300),
        schema: SchemaVersion(3),
        origin: None,
        opening: Opening(0x9e37_79b9),
        transactions: vec![Transaction { stamp, changes: vec![change], ..Transaction::default() }],
    }
}

#[test]
fn wp05_a_one_field_changeset_is_small() {
    let sealed = WireCodec.seal(&changeset(), &catalogue());
    assert!(sealed.bytes.len() <= 40 + NOTE.len(), "{} bytes", sealed.bytes.len());
    assert_eq!(WireCodec.open(&sealed.bytes, DeviceSeq(300), &catalogue()), Ok(changeset()));
    let submit = Submit { device_seq: DeviceSeq(300), applied_receipt: DeviceSeq(299), bytes: sealed.bytes.clone() };
    let message = [ClientMessage::Submit(submit)];
    let bytes = encode_client(&message);
    assert!(bytes.len() <= 6 + sealed.bytes.len());
    assert_eq!(decode_client(&bytes).as_deref(), Ok(&message[..]));
}

#[test]
fn wp05_a_one_field_commit_is_small() {
    let commit = Commit {
        author: AuthorId(17),
        device_seq: DeviceSeq(300),
        schema: SchemaVersion(3),
        stamp: Stamp::at(Millis(1_795_219_200_123)),
        outcomes: vec![Outcome { row: row(), effect: Effect::Set(fields()) }],
        conflicts: Vec::new(),
        queue: Vec::new(),
        authors: Vec::new(),
    };
    let bytes = WireCodec.seal_commit(&commit, &catalogue());
    assert!(bytes.len() <= 32 + NOTE.len(), "{} bytes", bytes.len());
    assert_eq!(WireCodec.open_commit(&bytes, &catalogue()), Ok(commit));
    check_range(ItemBody::Foreign(bytes.clone()), 15 + bytes.len());
}

#[test]
fn wp05_a_plain_receipt_is_small() {
    let receipt = Receipt {
        device_seq: DeviceSeq(300),
        fingerprint: Fingerprint([7; 8]),
        seq: Some(Seq(123_457)),
        decided_at: Seq(123_456),
        clock_shift_ms: 0,
        as_sent: true,
        rejected: Vec::new(),
        conflicts: 0,
    };
    check([ServerMessage::Receipt(receipt)], 18);
    check_range(ItemBody::OwnAsSent(DeviceSeq(300)), 18);
}

/// A thousand edits of rows made at any time of two years: the random part of a key alone is more than 9 bytes.
fn edits(at_once: u64) -> Changeset {
    let mut random = support::Random(3);
    let base = Base { seq: Seq(123_456), device_seq: DeviceSeq(299) };
    let change = |random: &mut support::Random| {
        let age = random.below(2 * 365 * 86_400_000);
        let key = random.uuid_at(1_795_219_200_123 - age, 7);
        let column = random.below(3) as u16 + 1;
        let value = support::value(random, [1, 6, 4][usize::from(column) - 1]);
        let row = RowId { table: TableId(1), key: Key(vec![Value::Text(key)]) };
        Change { row, mutation: Mutation::Update(vec![Field { column: ColumnId(column), value }]), base }
    };
    let mut stamp = Stamp::at(Millis(1_795_219_200_123));
    let transactions = (0..1_000 / at_once).map(|_| {
        stamp.0 += random.below(300_000) << 16;
        Transaction { stamp, changes: (0..at_once).map(|_| change(&mut random)).collect(), ..Transaction::default() }
    });
    let transactions = transactions.collect();
    Changeset {
        device_seq: DeviceSeq(300),
        schema: SchemaVersion(3),
        origin: None,
        opening: Opening(0x9e37_79b9),
        transactions,
    }
}

#[test]
fn wp05_a_thousand_edits_share_their_structure() {
    for (at_once, most) in [(1_000, 17_000), (10, 17_500), (1, 20_500)] {
        let length = WireCodec.seal(&edits(at_once), &catalogue()).bytes.len();
        assert!(length <= most, "{at_once} at once: {length} bytes");
    }
}

fn check_range(body: ItemBody, most: usize) {
    let items = vec![RangeItem { seq: Seq(123_457), body }];
    let range = Range { from: Seq(123_456), upto: Seq(123_457), chain: ChainHash([7; 8]), items };
    check([ServerMessage::Range(range)], most);
}

fn check(messages: [ServerMessage; 1], most: usize) {
    let bytes = encode_server(&messages);
    assert!(bytes.len() <= most, "{} bytes", bytes.len());
    assert_eq!(decode_server(&bytes).as_deref(), Ok(&messages[..]));
}
