//! Golden vectors: what these documents were when the format was fixed, byte for byte, in `vectors/`.
//! A change that fails here breaks every device in the field; new vectors are written by `EBBTIDE_WRITE_VECTORS=1 cargo test`.
//! Every document is written out by hand, so that the generator of other tests may change freely.

mod support;

use ebbtide_core::catalogue::{Catalogue, Column, Table};
use ebbtide_core::change::{Base, Change, Changeset, Field, Mutation, RowId, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::{Commit, Conflict, Effect, Outcome, Reason, Receipt, Rejection, Side};
use ebbtide_core::error::{Refusal, RefusalCode};
use ebbtide_core::ids::*;
use ebbtide_core::message::*;
use ebbtide_core::value::{Key, Value};
use ebbtide_protocol::{
    WireCodec, decode_client, decode_receipt, decode_server, encode_client, encode_receipt, encode_server,
};
use std::fs;
use std::path::PathBuf;
use support::sections;

const UUID: &str = "01932f4e-7d1c-7a33-8f1e-2b6f0c9d4e55";
const NOW: Millis = Millis(1_795_219_200_123);

/// The vector of that name; it is written first when asked to.
fn vector(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name).with_extension("hex");
    if std::env::var_os("EBBTIDE_WRITE_VECTORS").is_some() {
        fs::write(&path, hex(bytes)).expect("the vector is written");
    }
    let digits: String = fs::read_to_string(&path).expect("the vector is there").split_whitespace().collect();
    let byte = |position: usize| u8::from_str_radix(&digits[position..position + 2], 16).expect("two hex digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}

/// Compares bytes with the vector of that name.
fn pinned(name: &str, bytes: &[u8]) {
    assert!(bytes == vector(name, bytes), "{name} has other bytes:\n{}", hex(bytes));
}

/// As `pinned`, for sealed bytes: a better deflate may find shorter ones, so what lies under it is compared.
fn pinned_sealed(name: &str, bytes: &[u8]) -> Vec<u8> {
    let vector = vector(name, bytes);
    assert!(sections::inflated(bytes) == sections::inflated(&vector), "{name} has other bytes:\n{}", hex(bytes));
    vector
}

/// Table 0: a UUID key and five fields. Table 1: a key of a blob and an integer, one field.
fn catalogue() -> Catalogue {
    let columns = |count: usize| (0..count).map(|n| Column { name: format!("c{n}"), ..Column::default() }).collect();
    let visit = Table { name: "visit".into(), columns: columns(6), key: vec![ColumnId(0)], ..Table::default() };
    let pair = Table { name: "pair".into(), columns: columns(3), key: vec![ColumnId(2), ColumnId(0)], ..visit.clone() };
    Catalogue { version: SchemaVersion(3), tables: vec![visit, pair], ..Catalogue::default() }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn visit(key: Value) -> RowId {
    RowId { table: TableId(0), key: Key(vec![key]) }
}

fn pair(blob: &[u8], number: i64) -> RowId {
    RowId { table: TableId(1), key: Key(vec![Value::Blob(blob.to_vec()), Value::Integer(number)]) }
}

fn base() -> Base {
    Base { seq: Seq(123_456), device_seq: DeviceSeq(299) }
}

fn insert(row: RowId, values: Vec<Value>) -> Change {
    Change { row, mutation: Mutation::Insert(values), base: base() }
}

fn update(row: RowId, column: u16, value: Value) -> Change {
    let fields = vec![Field { column: ColumnId(column), value }];
    Change { row, mutation: Mutation::Update(fields), base: base() }
}

fn delete(row: RowId) -> Change {
    Change { row, mutation: Mutation::Delete, base: base() }
}

fn changeset(transactions: Vec<Vec<Change>>) -> Changeset {
    let stamped = transactions.into_iter().enumerate().map(|(n, changes)| {
        let millis = Millis(NOW.0 + 1_500 * (n as u64 / 2));
        Transaction { stamp: Stamp(Stamp::at(millis).0 + n as u64 % 2), changes }
    });
    Changeset { device_seq: DeviceSeq(300), schema: SchemaVersion(3), transactions: stamped.collect() }
}

fn pinned_changeset(name: &str, changeset: &Changeset) {
    let vector = pinned_sealed(name, &WireCodec.seal(changeset, &catalogue()).bytes);
    assert_eq!(WireCodec.open(&vector, changeset.device_seq, &catalogue()).as_ref(), Ok(changeset));
}

/// Values of which a careless codec loses some, in rows of five.
fn odd_values() -> Vec<Vec<Value>> {
    vec![
        vec![Value::Null, Value::Integer(0), Value::Real(0.0), text(""), Value::Blob(Vec::new())],
        vec![
            Value::Integer(i64::MIN),
            Value::Integer(i64::MAX),
            Value::Integer(-1),
            Value::Integer(1 << 53),
            text("0"),
        ],
        vec![Value::Real(-0.0), Value::Real(5e-324), Value::Real(f64::INFINITY), Value::Real(-1e300), Value::Real(0.1)],
        vec![Value::Real(f64::NEG_INFINITY), Value::Real(1.0), text("a\0b"), text("false"), Value::Blob(vec![0, 255])],
        vec![
            text(&"long text ".repeat(30)),
            text("ünïcödé 漢字 🦀"),
            text(&UUID.to_uppercase()),
            text(UUID),
            Value::Null,
        ],
    ]
}

#[test]
fn wp07_changesets_keep_their_bytes() {
    pinned_changeset("changeset_empty", &changeset(Vec::new()));
    pinned_changeset("changeset_one_field", &changeset(vec![vec![update(visit(text(UUID)), 4, text("measles"))]]));
    pinned_changeset("changeset_delete", &changeset(vec![vec![delete(pair(&[1, 2, 3], -5))]]));
    let replaced = vec![
        delete(pair(&[], i64::MIN)),
        insert(pair(&[], i64::MIN), vec![Value::Null]),
        insert(pair(&[9; 80], 1), vec![Value::Real(-0.0)]),
    ];
    pinned_changeset("changeset_composite_key", &changeset(vec![replaced]));
    let rows = odd_values().into_iter().enumerate();
    let odd = rows.map(|(n, values)| insert(visit(Value::Integer(n as i64 * 7)), values)).collect();
    pinned_changeset("changeset_odd_values", &changeset(vec![odd]));
    let alone = odd_values().concat().into_iter().enumerate();
    let alone = alone.map(|(n, value)| vec![update(visit(Value::Integer(n as i64)), n as u16 % 5 + 1, value)]);
    pinned_changeset("changeset_many_transactions", &changeset(alone.collect()));
    pinned_changeset("changeset_own_bases", &own_bases());
}

fn own_bases() -> Changeset {
    let mut changeset = changeset(vec![
        vec![update(visit(text("a")), 1, Value::Integer(1)), update(visit(text("b")), 1, Value::Integer(2))],
        Vec::new(),
        vec![update(visit(text("a")), 1, Value::Integer(3))],
    ]);
    changeset.transactions[0].changes[1].base = Base { seq: Seq(123_000), device_seq: DeviceSeq(298) };
    changeset
}

/// A key of version 7 without randomness.
fn key(row: u64) -> Value {
    let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    text(&format!(
        "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
        (NOW.0 + row / 3) >> 16,
        (NOW.0 + row / 3) & 0xffff,
        mixed & 0xfff,
        0x8000 | mixed >> 50,
        mixed & 0xffff_ffff_ffff
    ))
}

/// Enough rows for deflate, noise, dictionaries, decimals, planes and nulls.
fn many_rows() -> Vec<(Value, Vec<Value>)> {
    let kinds = ["Hospital", "Clinic", "Health Post"];
    let row = |n: u64| {
        let kind = text(kinds[(n * n % 3) as usize]);
        let name = text(&format!("Place {} of {n}", n * 31 % 17));
        let latitude = Value::Real(-((n * 7_919 % 1_000_000) as f64) / 10_f64.powi((n % 3 + 4) as i32));
        let staff = if n % 4 == 0 { Value::Null } else { Value::Integer((n % 9) as i64) };
        (key(n), vec![kind, name, latitude, staff, Value::Integer((n * n * 104_729 % 16_777_213) as i64)])
    };
    (0..300).map(row).collect()
}

#[test]
fn wp07_many_rows_keep_their_bytes() {
    let changes = many_rows().into_iter().map(|(key, values)| insert(visit(key), values)).collect();
    pinned_changeset("changeset_many_rows", &changeset(vec![changes]));
    let outcomes =
        many_rows().into_iter().map(|(key, values)| Outcome { row: visit(key), effect: Effect::Put(values) });
    pinned_commit("commit_many_rows", &commit(outcomes.collect(), Vec::new()));
}

fn commit(outcomes: Vec<Outcome>, conflicts: Vec<Conflict>) -> Commit {
    Commit {
        author: AuthorId(17),
        device_seq: DeviceSeq(300),
        schema: SchemaVersion(3),
        stamp: Stamp::at(NOW),
        outcomes,
        conflicts,
    }
}

fn pinned_commit(name: &str, commit: &Commit) {
    let vector = pinned_sealed(name, &WireCodec.seal_commit(commit, &catalogue()));
    assert_eq!(WireCodec.open_commit(&vector, &catalogue()).as_ref(), Ok(commit));
}

#[test]
fn wp07_commits_keep_their_bytes() {
    let set =
        |row: RowId, value: Value| Outcome { row, effect: Effect::Set(vec![Field { column: ColumnId(4), value }]) };
    pinned_commit("commit_one_field", &commit(vec![set(visit(text(UUID)), text("measles"))], Vec::new()));
    let conflict = |key: &str, column: Option<u16>, kept: Side, lost: Value| Conflict {
        row: visit(text(key)),
        column: column.map(ColumnId),
        kept,
        lost,
        incumbent: AuthorId(4),
    };
    let outcomes = vec![
        Outcome { row: pair(&[1], 1), effect: Effect::Delete },
        Outcome { row: visit(text("a")), effect: Effect::Put(odd_values().remove(0)) },
        set(visit(text("b")), Value::Integer(0)),
        set(visit(text("c")), Value::Integer(1)),
    ];
    let conflicts = vec![
        conflict("b", Some(4), Side::Challenger, Value::Integer(0)),
        conflict("c", Some(4), Side::Incumbent, text("")),
        conflict("d", None, Side::Incumbent, Value::Null),
    ];
    pinned_commit("commit_conflicts", &commit(outcomes, conflicts));
    pinned_commit("commit_empty", &commit(Vec::new(), Vec::new()));
}

fn cursor() -> Cursor {
    Cursor { seq: Seq(123_456), chain: ChainHash(*b"chain..8"), view: View([0; 8]) }
}

fn pinned_client(name: &str, message: ClientMessage) {
    let messages = [message];
    let bytes = encode_client(&messages);
    assert_eq!(decode_client(&bytes).as_deref(), Ok(&messages[..]));
    pinned(name, &bytes);
}

#[test]
fn wp07_messages_of_a_device_keep_their_bytes() {
    let (device_seq, hash, applied_receipt) = (DeviceSeq(300), Hash([0xab; 32]), DeviceSeq(299));
    let hello = Hello {
        min_version: 1,
        max_version: 1,
        features: 5,
        incarnation: Incarnation(*b"incarnation of a"),
        previous: Some(Incarnation(*b"incarnation of b")),
        next_device_seq: DeviceSeq(301),
        last_decided: Some((applied_receipt, hash)),
        applied_receipt,
        cursor: cursor(),
        schema: SchemaVersion(3),
        schema_hash: SchemaHash(*b"schema.8"),
    };
    pinned_client("hello", ClientMessage::Hello(hello));
    pinned_client("hello_first", ClientMessage::Hello(Hello::default()));
    let bytes = vec![1, 2, 3];
    pinned_client("submit", ClientMessage::Submit(Submit { device_seq, applied_receipt, bytes: bytes.clone() }));
    let chunk = Chunk { device_seq, hash, total_bytes: 300_000, index: 2, count: 3, then: Then::Commit, bytes };
    pinned_client("stage", ClientMessage::Stage(chunk));
    pinned_client("resume", ClientMessage::Resume { device_seq, hash });
    pinned_client("prepare", ClientMessage::Prepare { device_seq, hash });
    pinned_client("commit", ClientMessage::Commit { device_seq, hash, applied_receipt });
    pinned_client("void", ClientMessage::Void { device_seq });
    pinned_client("pull", ClientMessage::Pull { cursor: cursor(), max_bytes: 1 << 20 });
    pinned_client("applied", ClientMessage::Applied { seq: Seq(123_457), applied_receipt });
}

fn pinned_server(name: &str, message: ServerMessage) {
    let messages = [message];
    let bytes = encode_server(&messages);
    assert_eq!(decode_server(&bytes).as_deref(), Ok(&messages[..]));
    pinned(name, &bytes);
}

fn range(upto: u64, items: Vec<(u64, ItemBody)>) -> ServerMessage {
    let items = items.into_iter().map(|(seq, body)| RangeItem { seq: Seq(seq), body }).collect();
    ServerMessage::Range(Range { from: Seq(123_456), upto: Seq(upto), chain: cursor().chain, items })
}

#[test]
fn wp07_messages_of_a_space_keep_their_bytes() {
    let device_seq = DeviceSeq(300);
    let welcome = Welcome {
        version: 1,
        features: 1,
        author: AuthorId(17),
        head: Seq(123_456),
        expected: device_seq,
        schema: SchemaVersion(3),
        view: View([0; 8]),
        now: NOW,
    };
    pinned_server("welcome", ServerMessage::Welcome(welcome));
    pinned_server("staged", ServerMessage::Staged { device_seq, next_chunk: 3 });
    pinned_server("prepared", ServerMessage::Prepared { device_seq });
    pinned_server("expected", ServerMessage::Expected { device_seq });
    pinned_server("head", ServerMessage::Head { seq: Seq(123_457) });
    pinned_server("range_foreign", range(123_457, vec![(123_457, ItemBody::Foreign(vec![7; 5]))]));
    pinned_server("range_own_as_sent", range(123_457, vec![(123_457, ItemBody::OwnAsSent(device_seq))]));
    pinned_server("range_own_merged", range(123_457, vec![(123_457, ItemBody::OwnMerged(device_seq, vec![7; 5]))]));
    pinned_server("range_empty", range(123_460, Vec::new()));
    let several = vec![
        (123_457, ItemBody::Foreign(vec![7; 5])),
        (123_458, ItemBody::OwnAsSent(device_seq)),
        (123_460, ItemBody::OwnMerged(DeviceSeq(301), Vec::new())),
    ];
    pinned_server("range_several", range(123_470, several));
    let part = Part {
        from: Seq(123_456),
        seq: Seq(123_457),
        chain: cursor().chain,
        own: Some(device_seq),
        index: 1,
        count: 4,
        bytes: vec![7; 5],
    };
    pinned_server("part", ServerMessage::Part(part));
    let detail = "visit.doses: more than a message may hold".into();
    let refusal = Refusal { code: RefusalCode::TooLarge, device_seq: Some(device_seq), detail };
    pinned_server("refused", ServerMessage::Refused(refusal));
}

#[test]
fn wp07_receipts_keep_their_bytes() {
    let plain = Receipt {
        device_seq: DeviceSeq(300),
        seq: Some(Seq(123_457)),
        decided_at: Seq(123_456),
        clock_shift_ms: 0,
        as_sent: true,
        rejected: Vec::new(),
        conflicts: 0,
    };
    let rejection = |index: u32, reason: Reason| Rejection { index, reason, detail: "visit.household".into() };
    let refused = Receipt {
        seq: None,
        as_sent: false,
        clock_shift_ms: 90_000,
        rejected: vec![rejection(0, Reason::ForeignKey), rejection(2, Reason::Dependency)],
        conflicts: 3,
        ..plain.clone()
    };
    for (name, receipt) in [("receipt_plain", plain), ("receipt_refused", refused)] {
        pinned_server(name, ServerMessage::Receipt(receipt.clone()));
        let kept = encode_receipt(&receipt);
        assert_eq!(decode_receipt(&kept), Ok(receipt));
        pinned(&format!("kept_{name}"), &kept);
    }
}
