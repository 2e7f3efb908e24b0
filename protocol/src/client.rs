//! The frames that a device sends.
//! Every payload is a list of fields, and bytes to the end where it carries some; `FORMAT.md` has the tables.
//! Called by `frame`.

use crate::error::malformed;
use crate::input::Input;
use crate::output::Output;
use crate::plain;
use alloc::vec::Vec;
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{Cursor, DeviceSeq, Hash, Incarnation, SchemaHash, SchemaVersion, Seq};
use ebbtide_core::message::{Chunk, ClientMessage, Hello, Recall, Submit, Then};

const HELLO: u8 = 1;
const SUBMIT: u8 = 2;
const STAGE: u8 = 3;
const RESUME: u8 = 4;
const PREPARE: u8 = 5;
const COMMIT: u8 = 6;
const VOID: u8 = 7;
const PULL: u8 = 8;
const APPLIED: u8 = 9;
const RECALL: u8 = 10;
const SNAPSHOT: u8 = 11;
const PREDICT: u8 = 12;
const CATALOGUE: u8 = 40;

type HelloFields = (
    (u8, u8, u64),
    Incarnation,
    Option<Incarnation>,
    DeviceSeq,
    Option<(DeviceSeq, Hash)>,
    DeviceSeq,
    Cursor,
    SchemaVersion,
    SchemaHash,
);
type ChunkFields = (DeviceSeq, Hash, u32, u32, u32, u8);

/// Writes a payload and gives its kind.
pub(crate) fn write(out: &mut Output, message: &ClientMessage) -> u8 {
    match message {
        ClientMessage::Hello(hello) => write_hello(out, hello),
        ClientMessage::Submit(submit) => write_submit(out, submit),
        ClientMessage::Stage(chunk) => write_chunk(out, chunk),
        ClientMessage::Resume { device_seq, hash } => fields(out, RESUME, &(device_seq, hash)),
        ClientMessage::Prepare { device_seq, hash } => fields(out, PREPARE, &(device_seq, hash)),
        ClientMessage::Commit { device_seq, hash, applied_receipt } => {
            fields(out, COMMIT, &(device_seq, hash, applied_receipt))
        }
        ClientMessage::Void { device_seq } => fields(out, VOID, device_seq),
        ClientMessage::Pull { cursor, max_bytes, held } => fields(out, PULL, &(cursor, max_bytes, held)),
        ClientMessage::Applied { seq, applied_receipt } => fields(out, APPLIED, &(seq, applied_receipt)),
        ClientMessage::Recall(recall) => write_recall(out, recall),
        ClientMessage::Snapshot { token, max_bytes } => fields(out, SNAPSHOT, &(token, max_bytes)),
        ClientMessage::Catalogue { version } => fields(out, CATALOGUE, version),
        ClientMessage::Predict { upto } => fields(out, PREDICT, upto),
    }
}

fn fields<T: serde::Serialize>(out: &mut Output, kind: u8, fields: &T) -> u8 {
    plain::write(out, fields);
    kind
}

fn write_hello(out: &mut Output, hello: &Hello) -> u8 {
    let all: HelloFields = (
        (hello.min_version, hello.max_version, hello.features),
        hello.incarnation,
        hello.previous,
        hello.next_device_seq,
        hello.last_decided,
        hello.applied_receipt,
        hello.cursor,
        hello.schema,
        hello.schema_hash,
    );
    fields(out, HELLO, &all)
}

/// The confirmed number is written as its distance: one byte for a device that keeps up.
fn write_submit(out: &mut Output, submit: &Submit) -> u8 {
    out.varint(submit.device_seq.0);
    out.signed(submit.device_seq.0.wrapping_sub(submit.applied_receipt.0) as i64);
    out.bytes(&submit.bytes);
    SUBMIT
}

fn write_chunk(out: &mut Output, chunk: &Chunk) -> u8 {
    let then = match chunk.then {
        Then::Wait => 0,
        Then::Prepare => 1,
        Then::Commit => 2,
    };
    let all: ChunkFields = (chunk.device_seq, chunk.hash, chunk.total_bytes, chunk.index, chunk.count, then);
    plain::write(out, &all);
    out.bytes(&chunk.bytes);
    STAGE
}

fn write_recall(out: &mut Output, recall: &Recall) -> u8 {
    plain::write(out, &(recall.origin, &recall.stamps, &recall.trail));
    plain::write_opening(out, recall.opening);
    RECALL
}

fn read_recall(input: &mut Input<'_>) -> Result<Recall, Malformed> {
    let (origin, stamps, trail) = plain::read(input)?;
    Ok(Recall { origin, opening: plain::read_opening(input)?, stamps, trail })
}

/// Reads a payload; `None` for a kind that a device does not send.
pub(crate) fn read(kind: u64, input: &mut Input<'_>) -> Result<Option<ClientMessage>, Malformed> {
    let Ok(kind) = u8::try_from(kind) else { return Ok(None) };
    let message = match kind {
        HELLO => ClientMessage::Hello(read_hello(input)?),
        SUBMIT => ClientMessage::Submit(read_submit(input)?),
        STAGE => ClientMessage::Stage(read_chunk(input)?),
        RESUME => plain::read(input).map(|(device_seq, hash)| ClientMessage::Resume { device_seq, hash })?,
        PREPARE => plain::read(input).map(|(device_seq, hash)| ClientMessage::Prepare { device_seq, hash })?,
        COMMIT => plain::read(input).map(|(device_seq, hash, applied_receipt)| ClientMessage::Commit {
            device_seq,
            hash,
            applied_receipt,
        })?,
        VOID => plain::read(input).map(|device_seq| ClientMessage::Void { device_seq })?,
        PULL => plain::read(input).map(|(cursor, max_bytes, held)| ClientMessage::Pull { cursor, max_bytes, held })?,
        APPLIED => plain::read(input)
            .map(|(seq, applied_receipt): (Seq, DeviceSeq)| ClientMessage::Applied { seq, applied_receipt })?,
        RECALL => ClientMessage::Recall(read_recall(input)?),
        SNAPSHOT => plain::read(input).map(|(token, max_bytes)| ClientMessage::Snapshot { token, max_bytes })?,
        CATALOGUE => plain::read(input).map(|version| ClientMessage::Catalogue { version })?,
        PREDICT => plain::read(input).map(|upto| ClientMessage::Predict { upto })?,
        _ => return Ok(None),
    };
    Ok(Some(message))
}

/// Bytes after the known fields are a later version's and ignored.
fn read_hello(input: &mut Input<'_>) -> Result<Hello, Malformed> {
    let all: HelloFields = plain::read(input)?;
    input.rest();
    let ((min_version, max_version, features), incarnation, previous, next_device_seq, last_decided, ..) = all;
    let (.., applied_receipt, cursor, schema, schema_hash) = all;
    Ok(Hello {
        min_version,
        max_version,
        features,
        incarnation,
        previous,
        next_device_seq,
        last_decided,
        applied_receipt,
        cursor,
        schema,
        schema_hash,
    })
}

fn read_submit(input: &mut Input<'_>) -> Result<Submit, Malformed> {
    let device_seq = DeviceSeq(input.varint()?);
    let applied_receipt = DeviceSeq(device_seq.0.wrapping_sub(input.signed()? as u64));
    let bytes: Vec<u8> = input.rest().to_vec();
    Ok(Submit { device_seq, applied_receipt, bytes })
}

fn read_chunk(input: &mut Input<'_>) -> Result<Chunk, Malformed> {
    let (device_seq, hash, total_bytes, index, count, then): ChunkFields = plain::read(input)?;
    let then = match then {
        0 => Then::Wait,
        1 => Then::Prepare,
        2 => Then::Commit,
        _ => return malformed("stage: unknown wish"),
    };
    Ok(Chunk { device_seq, hash, total_bytes, index, count, then, bytes: input.rest().to_vec() })
}
