//! What the scripts share: both commit paths, short ways to write values, and what a device says of itself and of its conflicts.

use ebbtide_core::change::{Changeset, Transaction};
use ebbtide_core::client::{Input, Output, Status, TwoPhase};
use ebbtide_core::codec::Codec;
use ebbtide_core::conflict::{ClosedConflict, ConflictId};
use ebbtide_core::ids::{DeviceSeq, Opening};
use ebbtide_core::limits::CHUNK_BYTES;
use ebbtide_core::message::{Chunk, ClientMessage, Hello, Then};
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::local::{Choice, DbError, OpenRecord, Wanted};
use ebbtide_store::schema::Schema;

/// The first device.
pub const A: usize = 0;
/// The second device.
pub const B: usize = 1;

/// Runs a script with two devices, once by each commit path.
pub fn on_both_paths(script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        script(&mut Dialogue::new(2, two_phase));
    }
}

/// Devices of as many users, up to three, who know nothing yet.
pub fn of_users(users: usize, two_phase: TwoPhase, schema: Schema) -> Dialogue {
    let mut talk = Dialogue::with_schema(0, two_phase, schema);
    for (name, user) in [("A", "ann"), ("B", "bob"), ("C", "cid")].into_iter().take(users) {
        talk.add(name, user);
    }
    talk
}

/// Both devices have a household `h`, nothing waits, nobody is connected.
pub fn with_household(talk: &mut Dialogue) {
    talk.exec(A, "INSERT INTO household (id, name) VALUES ('h', 'first')", &[]);
    talk.visit(A);
    talk.visit(B);
}

/// The only value of a query.
pub fn value(talk: &mut Dialogue, party: usize, sql: &str) -> Value {
    let rows = talk.query(party, sql);
    assert_eq!((rows.len(), rows[0].len()), (1, 1), "{sql}: {rows:?}");
    rows[0][0].clone()
}

/// Text.
pub fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// Text that does not deflate to less than about half of its length.
pub fn noise(bytes: usize, seed: u64) -> String {
    let mut random = ebbtide_simulator::random::Random::new(seed);
    let mut noise = String::with_capacity(bytes + 16);
    while noise.len() < bytes {
        noise.push_str(&format!("{:016x}", random.draw()));
    }
    noise
}

/// Where a device's session stands.
pub fn status(talk: &mut Dialogue, party: usize) -> Status {
    talk.device(party).session().status().clone()
}

/// The session stopped for this reason, and the app is told so.
pub fn assert_stopped(talk: &mut Dialogue, party: usize, reason: &str) {
    let status = status(talk, party);
    assert_eq!((status.state.name(), status.reason.as_deref()), ("error", Some(reason)), "{}", talk.transcript());
}

/// The reasons of the transactions that a device was told are refused.
pub fn refused(talk: &mut Dialogue, party: usize) -> Vec<&'static str> {
    let outputs = talk.outputs(party).into_iter();
    outputs.filter_map(|output| if let Output::Rejected(r) = output { Some(r.reason.code()) } else { None }).collect()
}

/// The hello of a device as it would be sent now.
pub fn hello(talk: &mut Dialogue, party: usize) -> Hello {
    let state = talk.durable(party).state;
    let catalogue = talk.space.catalogue();
    Hello {
        min_version: 1,
        max_version: 1,
        features: 0,
        incarnation: state.incarnation,
        previous: state.previous,
        next_device_seq: state.next_device_seq,
        last_decided: state.last_decided,
        applied_receipt: state.applied_receipt,
        cursor: state.cursor,
        schema: catalogue.version,
        schema_hash: catalogue.hash,
    }
}

/// A whole changeset in one message.
pub fn submit(number: u64, bytes: Vec<u8>) -> ClientMessage {
    let (device_seq, applied_receipt) = (DeviceSeq(number), DeviceSeq(0));
    ClientMessage::Submit(ebbtide_core::message::Submit { device_seq, applied_receipt, bytes })
}

/// A changeset that no device made, sealed under the space's schema.
pub fn sealed_by_hand(talk: &Dialogue, number: u64, transactions: Vec<Transaction>) -> Vec<u8> {
    let (catalogue, device_seq) = (talk.space.catalogue(), DeviceSeq(number));
    let (schema, opening) = (catalogue.version, Opening::default());
    let changeset = Changeset { device_seq, schema, origin: None, opening, transactions };
    WireCodec.seal(&changeset, &catalogue).bytes
}

/// The chunks of a whole changeset; the last asks for the vote.
pub fn stage(number: u64, bytes: &[u8]) -> Vec<ClientMessage> {
    let (device_seq, hash, total_bytes) = (DeviceSeq(number), WireCodec.hash(bytes), bytes.len() as u32);
    let (count, then) = (bytes.len().div_ceil(CHUNK_BYTES) as u32, Then::Prepare);
    let chunk = |(index, bytes): (u32, &[u8])| {
        ClientMessage::Stage(Chunk { device_seq, hash, total_bytes, index, count, then, bytes: bytes.to_vec() })
    };
    (0..).zip(bytes.chunks(CHUNK_BYTES)).map(chunk).collect()
}

/// Both devices visit in this order, and then until each has what the other did.
pub fn meet(talk: &mut Dialogue, order: [usize; 2]) {
    order.into_iter().for_each(|party| talk.visit(party));
    talk.visit(A);
    talk.visit(B);
    talk.visit(A);
    talk.assert_in_step();
}

/// B goes on after its pause, and both devices have what the other did.
pub fn resume_and_meet(talk: &mut Dialogue) {
    talk.input(B, Input::Pause(false));
    talk.reconnect(B);
    talk.settle();
    talk.cut(B);
    talk.visit(A);
    talk.assert_in_step();
}

/// The conflicts that wait for a person, as a device lists them.
pub fn open(talk: &mut Dialogue, party: usize) -> Vec<OpenRecord> {
    talk.device(party).database().open_conflicts().expect("the list is readable")
}

/// What each side of a conflict wants, whose it is, and whether it is the device's own.
pub fn sides(record: &OpenRecord) -> Vec<(Wanted, &str, bool)> {
    record.sides.iter().map(|side| (side.wanted.clone(), side.author.as_str(), side.mine)).collect()
}

/// A person chooses on a device.
pub fn resolve(talk: &mut Dialogue, party: usize, id: ConflictId, choice: Choice) -> Result<(), DbError> {
    talk.pass_ms(1);
    let now = talk.time_of(party);
    talk.device(party).database().resolve_conflict(id, &choice, now)?;
    talk.input(party, Input::LocalCommit);
    Ok(())
}

/// A person chooses a side of an open conflict.
pub fn choose(talk: &mut Dialogue, party: usize, id: ConflictId, side: u32) {
    resolve(talk, party, id, Choice::Side(side)).expect("open here");
}

/// The conflicts that a device was told wait no longer.
pub fn closed(talk: &mut Dialogue, party: usize) -> Vec<ClosedConflict> {
    let told = |output| if let Output::Resolved(closed) = output { Some(closed) } else { None };
    talk.outputs(party).into_iter().filter_map(told).flatten().collect()
}
