//! Golden vectors of messages and receipts: what these were when the format was fixed, byte for byte, in `vectors/`.
//! A change that fails here breaks every device in the field; new vectors are written by `EBBTIDE_WRITE_VECTORS=1 cargo test`.
//! Every document is written out by hand, so that the generator of other tests may change freely.

mod support;

use ebbtide_core::catalogue::*;
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Reason, Receipt, Rejection};
use ebbtide_core::error::{Malformed, Refusal, RefusalCode};
use ebbtide_core::ids::*;
use ebbtide_core::message::*;
use ebbtide_core::value::{Key, Value};
use ebbtide_protocol::{
    DecodeError, MESSAGE_VERSION, decode_client, decode_receipt, decode_server, encode_client, encode_receipt,
    encode_server,
};
use support::{messages, vectors, vectors::pinned};

const NOW: Millis = Millis(1_795_219_200_123);
const STAMP: Stamp = Stamp(NOW.0 << 16);

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
    for (name, then) in [("stage", Then::Commit), ("stage_prepare", Then::Prepare), ("stage_wait", Then::Wait)] {
        let bytes = bytes.clone();
        let chunk = Chunk { device_seq, hash, total_bytes: 300_000, index: 2, count: 3, then, bytes };
        pinned_client(name, ClientMessage::Stage(chunk));
    }
    pinned_client("resume", ClientMessage::Resume { device_seq, hash });
    pinned_client("prepare", ClientMessage::Prepare { device_seq, hash });
    pinned_client("commit", ClientMessage::Commit { device_seq, hash, applied_receipt });
    pinned_client("void", ClientMessage::Void { device_seq });
    pinned_client("pull", ClientMessage::Pull { cursor: cursor(), max_bytes: 1 << 20, held: None });
    let held = HeldParts { seq: Seq(8), chain: ChainHash([7; 8]), count: 12, next: 5 };
    pinned_client("pull_parts", ClientMessage::Pull { cursor: cursor(), max_bytes: 1 << 16, held: Some(held) });
    let (origin, stamps) = (Incarnation(*b"incarnation of b"), vec![STAMP, Stamp(STAMP.0 + 1)]);
    let trail = vec![(Seq(100), ChainHash(*b"chain..1")), (Seq(123_456), cursor().chain)];
    let recall = Recall { origin, opening: Opening::default(), stamps, trail };
    pinned_client("recall", ClientMessage::Recall(recall.clone()));
    pinned_client("recall_of_a_run", ClientMessage::Recall(Recall { opening: Opening(0x0102_0304), ..recall }));
    pinned_client("snapshot_first", ClientMessage::Snapshot { token: None, max_bytes: 1 << 20 });
    pinned_client("snapshot_next", ClientMessage::Snapshot { token: Some(token()), max_bytes: 1 << 20 });
    pinned_client("predict", ClientMessage::Predict { upto: device_seq });
    pinned_client("catalogue_wanted", ClientMessage::Catalogue { version: SchemaVersion(300) });
    pinned_client("applied", ClientMessage::Applied { seq: Seq(123_457), applied_receipt });
}

fn token() -> Token {
    Token {
        begun_at: Seq(123_456),
        chain: cursor().chain,
        view: View([0; 8]),
        schema: SchemaVersion(3),
        begun: NOW,
        table: TableId(2),
        after: Some(Key(vec![Value::Text("v-17".into()), Value::Integer(-3)])),
    }
}

fn pinned_server(name: &str, message: ServerMessage) {
    pinned_servers(name, &[message]);
}

fn pinned_servers(name: &str, messages: &[ServerMessage]) {
    let bytes = encode_server(messages);
    assert_eq!(decode_server(&bytes).as_deref(), Ok(messages));
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
        ..Welcome::default()
    };
    let behind = Welcome { floor: Seq(120_000), snapshot: true, ..welcome.clone() };
    pinned_server("welcome", ServerMessage::Welcome(welcome));
    pinned_server("welcome_behind", ServerMessage::Welcome(behind));
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
    let page = Page { token: token(), head: Seq(123_460), first: false, last: true, bytes: vec![7; 5] };
    pinned_server("page", ServerMessage::Page(page));
    let recalled = Recalled {
        origin: Incarnation(*b"incarnation of b"),
        opening: Opening::default(),
        at: Seq(123_456),
        fork: Seq(100),
        accepted: vec![STAMP],
        rejected: vec![(Stamp(STAMP.0 + 1), Reason::Unique)],
    };
    pinned_server("recalled", ServerMessage::Recalled(recalled));
    let detail = "visit.doses: more than a message may hold".into();
    let refusal = Refusal { code: RefusalCode::TooLarge, device_seq: Some(device_seq), detail };
    pinned_server("refused", ServerMessage::Refused(refusal));
    let plain = |code| ServerMessage::Refused(Refusal { code, device_seq: None, detail: String::new() });
    pinned_servers("refused_codes", &messages::REFUSAL_CODES.map(plain));
    pinned_server("catalogue", ServerMessage::Catalogue(catalogue()));
}

/// Two tables that refer to each other, every type of column, every strategy and rule, and defaults of all kinds.
fn catalogue() -> Catalogue {
    let default = |n: usize| match n {
        0 => None,
        1 => Some(Value::Null),
        2 => Some(Value::Integer(-3)),
        3 => Some(Value::Real(-0.5)),
        4 => Some(Value::Text("open".into())),
        _ => Some(Value::Blob(vec![0, 255])),
    };
    let affinities = [Affinity::Blob, Affinity::Text, Affinity::Numeric, Affinity::Integer, Affinity::Real];
    let column = |(n, (name, strategy)): (usize, (&str, Strategy))| Column {
        name: name.into(),
        origin: (n == 2).then(|| "formerly".into()),
        affinity: affinities[n % affinities.len()],
        not_null: n.is_multiple_of(2),
        default: default(n),
        strategy,
    };
    let reference = |parent, on_delete, on_update| Reference {
        columns: vec![ColumnId(3)],
        parent: TableId(parent),
        parent_columns: vec![ColumnId(0)],
        on_delete,
        on_update,
    };
    let household = Table {
        name: "household".into(),
        columns: Strategy::NAMES.into_iter().enumerate().map(column).collect(),
        key: vec![ColumnId(0)],
        references: vec![reference(1, ReferenceAction::Refuse, ReferenceAction::SetDefault)],
        ..Table::default()
    };
    let visit = Table {
        name: "visit".into(),
        origin: Some("call".into()),
        key: vec![ColumnId(1), ColumnId(0)],
        references: vec![reference(0, ReferenceAction::Cascade, ReferenceAction::SetNull)],
        delete: DeleteRule::Keep,
        row: RowRule::Atomic,
        ..household.clone()
    };
    let tables = vec![household, visit.clone(), Table { name: "z".into(), delete: DeleteRule::Review, ..visit }];
    Catalogue { version: SchemaVersion(300), hash: SchemaHash(*b"schema.8"), tables }
}

#[test]
fn wp07_receipts_keep_their_bytes() {
    let plain = Receipt {
        device_seq: DeviceSeq(300),
        fingerprint: Fingerprint::default(),
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
    let prediction = |receipt: &Receipt| Prediction { receipt: receipt.clone(), opened: 2, conflicts: vec![7; 5] };
    let predictions = [&plain, &refused].map(prediction).to_vec();
    pinned_server("predicted", ServerMessage::Predicted(predictions));
    let of_bytes = Receipt { fingerprint: Fingerprint([0xA5; 8]), ..refused.clone() };
    let at_its_seq = Receipt { decided_at: Seq(123_457), ..plain.clone() };
    let reasons = messages::REASONS.into_iter().zip(0..).map(|(reason, index)| rejection(index, reason));
    let all_reasons = Receipt { rejected: reasons.collect(), ..refused.clone() };
    for (name, receipt) in [
        ("receipt_plain", plain),
        ("receipt_at_its_seq", at_its_seq),
        ("receipt_refused", refused),
        ("receipt_of_bytes", of_bytes),
        ("receipt_reasons", all_reasons),
    ] {
        pinned_server(name, ServerMessage::Receipt(receipt.clone()));
        let kept = encode_receipt(&receipt);
        assert_eq!(decode_receipt(&kept), Ok(receipt));
        pinned(&format!("kept_{name}"), &kept);
    }
}

/// Kinds below which a frame that is not known is malformed.
const KINDS: u8 = 64;

/// The kinds that a decoder knows, told from those that it calls unknown.
fn known_kinds(reads: impl Fn(&[u8]) -> Result<(), DecodeError>) -> Vec<u8> {
    let unknown = DecodeError::Malformed(Malformed { what: "frame: unknown kind" });
    (0..KINDS).filter(|&kind| reads(&[MESSAGE_VERSION, kind, 0]) != Err(unknown.clone())).collect()
}

/// The kinds of frames in the vectors that are messages.
fn pinned_kinds(reads: impl Fn(&[u8]) -> Result<(), DecodeError>) -> Vec<u8> {
    let is_message = |name: &str| !["changeset_", "commit_", "kept_"].iter().any(|other| name.starts_with(other));
    let messages = vectors::all().into_iter().filter(|(name, bytes)| is_message(name) && reads(bytes).is_ok());
    let mut kinds: Vec<u8> = messages.map(|(_, bytes)| bytes[1]).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[test]
fn wp07_every_kind_of_message_has_a_vector() {
    let client = |bytes: &[u8]| decode_client(bytes).map(drop);
    let server = |bytes: &[u8]| decode_server(bytes).map(drop);
    let known = (known_kinds(client), known_kinds(server));
    assert_eq!(known, (pinned_kinds(client), pinned_kinds(server)));
    assert_eq!([known.0.len(), known.1.len()], [13, 13], "the decoders know other kinds than they were given");
}
