//! Messages of both directions made from a seed, one of every kind and many of each shape.
//! Their bytes are opaque, so they need no catalogue.
//! Used by the tests of frames.

use super::Random;
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Reason, Receipt, Rejection};
use ebbtide_core::error::{Refusal, RefusalCode};
use ebbtide_core::ids::*;
use ebbtide_core::message::*;
use ebbtide_core::value::{Key, Value};

/// All codes of a refusal, in the order of their numbers.
pub const REFUSAL_CODES: [RefusalCode; 15] = [
    RefusalCode::UnsupportedVersion,
    RefusalCode::Malformed,
    RefusalCode::TooLarge,
    RefusalCode::HashMismatch,
    RefusalCode::Retired,
    RefusalCode::ForeignDevice,
    RefusalCode::UnknownHistory,
    RefusalCode::SchemaMismatch,
    RefusalCode::Forbidden,
    RefusalCode::Internal,
    RefusalCode::WaitingForServer,
    RefusalCode::ReloadNeeded,
    RefusalCode::UnknownNumbers,
    RefusalCode::SnapshotNeeded,
    RefusalCode::NotAsOne,
];

/// All reasons of a rejection, in the order of their numbers.
pub const REASONS: [Reason; 13] = [
    Reason::ForeignKey,
    Reason::Unique,
    Reason::Constraint,
    Reason::Dependency,
    Reason::Schema,
    Reason::Limit,
    Reason::Forbidden,
    Reason::Void,
    Reason::Stale,
    Reason::Overflow,
    Reason::Custom,
    Reason::Parked,
    Reason::Replaced,
];

fn array<const N: usize>(random: &mut Random) -> [u8; N] {
    std::array::from_fn(|_| random.next() as u8)
}

fn device_seq(random: &mut Random) -> DeviceSeq {
    DeviceSeq(random.number())
}

fn maybe<T>(random: &mut Random, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
    (random.below(2) == 0).then(|| make(random))
}

fn cursor(random: &mut Random) -> Cursor {
    Cursor { seq: Seq(random.number()), chain: ChainHash(array(random)), view: View(array(random)) }
}

/// How many kinds of message `client` and `server` make.
pub const CLIENT_KINDS: u64 = 13;
pub const SERVER_KINDS: u64 = 13;

/// A message of a device; `kind` picks which.
pub fn client(random: &mut Random, kind: u64) -> ClientMessage {
    let device_seq = device_seq(random);
    let hash = Hash(array(random));
    let applied_receipt = DeviceSeq(random.pick(&[device_seq.0, device_seq.0.saturating_sub(1), 0]));
    match kind % CLIENT_KINDS {
        0 => ClientMessage::Hello(hello(random)),
        1 => ClientMessage::Submit(Submit { device_seq, applied_receipt, bytes: random.bytes(200) }),
        2 => ClientMessage::Stage(chunk(random)),
        3 => ClientMessage::Resume { device_seq, hash },
        4 => ClientMessage::Prepare { device_seq, hash },
        5 => ClientMessage::Commit { device_seq, hash, applied_receipt },
        6 => ClientMessage::Void { device_seq },
        7 => ClientMessage::Pull {
            cursor: cursor(random),
            max_bytes: random.number() as u32,
            held: maybe(random, held_parts),
        },
        8 => ClientMessage::Recall(recall(random)),
        9 => ClientMessage::Snapshot { token: maybe(random, token), max_bytes: random.number() as u32 },
        10 => ClientMessage::Predict { upto: device_seq },
        11 => ClientMessage::Catalogue { version: SchemaVersion(random.number()) },
        _ => ClientMessage::Applied { seq: Seq(random.number()), applied_receipt },
    }
}

fn stamps(random: &mut Random) -> Vec<Stamp> {
    (0..random.below(4)).map(|_| Stamp(random.number())).collect()
}

fn recall(random: &mut Random) -> Recall {
    let (origin, stamps) = (Incarnation(array(random)), stamps(random));
    let trail = (0..random.below(4)).map(|_| (Seq(random.number()), ChainHash(array(random))));
    let trail = trail.collect();
    Recall { origin, opening: Opening(random.pick(&[0, 1, u32::MAX])), stamps, trail }
}

fn recalled(random: &mut Random) -> Recalled {
    Recalled {
        origin: Incarnation(array(random)),
        opening: Opening(random.pick(&[0, 1, u32::MAX])),
        at: Seq(random.number()),
        fork: Seq(random.number()),
        accepted: stamps(random),
        rejected: stamps(random).into_iter().map(|stamp| (stamp, Reason::Unique)).collect(),
    }
}

fn token(random: &mut Random) -> Token {
    Token {
        begun_at: Seq(random.number()),
        chain: ChainHash(array(random)),
        view: View(array(random)),
        schema: SchemaVersion(random.number()),
        begun: Millis(random.number()),
        table: TableId(random.number() as u16),
        after: maybe(random, |random| Key(vec![Value::Integer(random.number() as i64), Value::Text(random.text())])),
    }
}

fn page(random: &mut Random) -> Page {
    let (first, last) = (random.below(2) == 0, random.below(2) == 0);
    Page { token: token(random), head: Seq(random.number()), first, last, bytes: random.bytes(300) }
}

fn hello(random: &mut Random) -> Hello {
    Hello {
        min_version: random.next() as u8,
        max_version: random.next() as u8,
        features: random.number(),
        incarnation: Incarnation(array(random)),
        previous: maybe(random, |random| Incarnation(array(random))),
        next_device_seq: device_seq(random),
        last_decided: maybe(random, |random| (device_seq(random), Hash(array(random)))),
        applied_receipt: device_seq(random),
        cursor: cursor(random),
        schema: SchemaVersion(random.number()),
        schema_hash: SchemaHash(array(random)),
    }
}

fn chunk(random: &mut Random) -> Chunk {
    Chunk {
        device_seq: device_seq(random),
        hash: Hash(array(random)),
        total_bytes: random.number() as u32,
        index: random.number() as u32,
        count: random.number() as u32,
        then: random.pick(&[Then::Wait, Then::Prepare, Then::Commit]),
        bytes: random.bytes(300),
    }
}

/// A message of a space; `kind` picks which.
pub fn server(random: &mut Random, kind: u64) -> ServerMessage {
    match kind % SERVER_KINDS {
        0 => ServerMessage::Welcome(welcome(random)),
        1 => ServerMessage::Staged { device_seq: device_seq(random), next_chunk: random.number() as u32 },
        2 => ServerMessage::Prepared { device_seq: device_seq(random) },
        3 => ServerMessage::Receipt(receipt(random)),
        4 => ServerMessage::Expected { device_seq: device_seq(random) },
        5 => ServerMessage::Range(range(random)),
        6 => ServerMessage::Part(part(random)),
        7 => ServerMessage::Head { seq: Seq(random.number()) },
        8 => ServerMessage::Recalled(recalled(random)),
        9 => ServerMessage::Page(page(random)),
        10 => ServerMessage::Predicted(predictions(random)),
        11 => ServerMessage::Catalogue(super::catalogue(random)),
        _ => ServerMessage::Refused(refusal(random)),
    }
}

fn welcome(random: &mut Random) -> Welcome {
    Welcome {
        version: random.next() as u8,
        features: random.number(),
        author: AuthorId(random.number() as u32),
        head: Seq(random.number()),
        expected: device_seq(random),
        schema: SchemaVersion(random.number()),
        view: View(array(random)),
        now: Millis(random.number()),
        floor: Seq(random.number()),
        snapshot: random.below(2) == 0,
    }
}

pub fn receipt(random: &mut Random) -> Receipt {
    let seq = maybe(random, |random| Seq(random.number()));
    let near = seq.unwrap_or_default().0;
    let rejected = (0..random.below(4)).map(|index| Rejection {
        index: index as u32 * 3,
        reason: random.pick(&REASONS),
        detail: random.text(),
    });
    Receipt {
        rejected: rejected.collect(),
        device_seq: device_seq(random),
        fingerprint: Fingerprint([random.pick(&[0, 1, 0xff]); 8]),
        seq,
        decided_at: Seq(random.pick(&[near, near.saturating_sub(1), 9, 0])),
        clock_shift_ms: random.pick(&[0, 0, 61_000, u64::MAX]),
        as_sent: random.below(2) == 0,
        conflicts: random.pick(&[0, 1, u32::MAX]),
    }
}

fn predictions(random: &mut Random) -> Vec<Prediction> {
    (0..random.below(4))
        .map(|_| Prediction { receipt: receipt(random), opened: random.number() as u32, conflicts: random.bytes(100) })
        .collect()
}

fn range(random: &mut Random) -> Range {
    let from = Seq(random.number() >> 8);
    let mut seq = from.0;
    let items = (0..random.below(4)).map(|_| {
        seq += 1 + random.below(300);
        let body = match random.below(3) {
            0 => ItemBody::Foreign(random.bytes(200)),
            1 => ItemBody::OwnAsSent(device_seq(random)),
            _ => ItemBody::OwnMerged(device_seq(random), random.bytes(200)),
        };
        RangeItem { seq: Seq(seq), body }
    });
    let items = items.collect();
    let upto = Seq(seq + random.pick(&[0, 0, 5]));
    Range { from, upto, chain: ChainHash(array(random)), items }
}

fn held_parts(random: &mut Random) -> HeldParts {
    let (seq, chain) = (Seq(random.number()), cursor(random).chain);
    HeldParts { seq, chain, count: random.number() as u32, next: random.number() as u32 }
}

fn part(random: &mut Random) -> Part {
    Part {
        from: Seq(random.number()),
        seq: Seq(random.number()),
        chain: ChainHash(array(random)),
        own: maybe(random, device_seq),
        index: random.number() as u32,
        count: random.number() as u32,
        bytes: random.bytes(300),
    }
}

fn refusal(random: &mut Random) -> Refusal {
    Refusal { code: random.pick(&REFUSAL_CODES), device_seq: maybe(random, device_seq), detail: random.text() }
}
