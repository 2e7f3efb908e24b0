//! The frames that a space sends.
//! Every payload is a list of fields, and bytes to the end where it carries some; `FORMAT.md` has the tables.
//! Called by `frame`.

use crate::error::malformed;
use crate::input::Input;
use crate::output::Output;
use crate::{plain, prediction, range, receipt};
use alloc::{string::String, vec::Vec};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::Reason;
use ebbtide_core::error::{Malformed, Refusal, RefusalCode};
use ebbtide_core::ids::{AuthorId, ChainHash, DeviceSeq, Incarnation, Millis, SchemaVersion, Seq, View};
use ebbtide_core::message::{Page, Part, Recalled, ServerMessage, Token, Welcome};

const WELCOME: u8 = 16;
const STAGED: u8 = 17;
const PREPARED: u8 = 18;
const RECEIPT: u8 = 19;
const EXPECTED: u8 = 20;
const RANGE: u8 = 21;
const PART: u8 = 22;
const HEAD: u8 = 23;
const REFUSED: u8 = 24;
const RECALLED: u8 = 25;
const PAGE: u8 = 26;
const PREDICTED: u8 = 27;
const CATALOGUE: u8 = 48;

type WelcomeFields = (u8, u64, AuthorId, Seq, DeviceSeq, SchemaVersion, View, Millis);
type RecalledFields = (Incarnation, Seq, Seq, Vec<Stamp>, Vec<(Stamp, Reason)>);
type PageFields = (Token, Seq, bool, bool);
type PartFields = (Seq, Seq, ChainHash, Option<DeviceSeq>, u32, u32);

/// Refusals by their code on the wire, which is never given twice.
const REFUSALS: [RefusalCode; 15] = [
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

fn refusal_code(code: RefusalCode) -> u8 {
    match code {
        RefusalCode::UnsupportedVersion => 0,
        RefusalCode::Malformed => 1,
        RefusalCode::TooLarge => 2,
        RefusalCode::HashMismatch => 3,
        RefusalCode::Retired => 4,
        RefusalCode::ForeignDevice => 5,
        RefusalCode::UnknownHistory => 6,
        RefusalCode::SchemaMismatch => 7,
        RefusalCode::Forbidden => 8,
        RefusalCode::Internal => 9,
        RefusalCode::WaitingForServer => 10,
        RefusalCode::ReloadNeeded => 11,
        RefusalCode::UnknownNumbers => 12,
        RefusalCode::SnapshotNeeded => 13,
        RefusalCode::NotAsOne => 14,
    }
}

/// Writes a payload and gives its kind.
pub(crate) fn write(out: &mut Output, message: &ServerMessage) -> u8 {
    match message {
        ServerMessage::Welcome(welcome) => write_welcome(out, welcome),
        ServerMessage::Staged { device_seq, next_chunk } => fields(out, STAGED, &(device_seq, next_chunk)),
        ServerMessage::Prepared { device_seq } => fields(out, PREPARED, device_seq),
        ServerMessage::Receipt(verdict) => {
            receipt::write(out, verdict);
            RECEIPT
        }
        ServerMessage::Expected { device_seq } => fields(out, EXPECTED, device_seq),
        ServerMessage::Range(commits) => {
            range::write(out, commits);
            RANGE
        }
        ServerMessage::Part(part) => write_part(out, part),
        ServerMessage::Head { seq } => fields(out, HEAD, seq),
        ServerMessage::Refused(refusal) => {
            fields(out, REFUSED, &(refusal_code(refusal.code), refusal.device_seq, &refusal.detail))
        }
        ServerMessage::Recalled(recalled) => {
            let Recalled { origin, opening, at, fork, accepted, rejected } = recalled;
            fields(out, RECALLED, &(origin, at, fork, accepted, rejected));
            plain::write_opening(out, *opening);
            RECALLED
        }
        ServerMessage::Page(page) => write_page(out, page),
        ServerMessage::Catalogue(catalogue) => fields(out, CATALOGUE, catalogue),
        ServerMessage::Predicted(predictions) => {
            prediction::write(out, predictions);
            PREDICTED
        }
    }
}

fn fields<T: serde::Serialize>(out: &mut Output, kind: u8, fields: &T) -> u8 {
    plain::write(out, fields);
    kind
}

fn write_welcome(out: &mut Output, welcome: &Welcome) -> u8 {
    let all: WelcomeFields = (
        welcome.version,
        welcome.features,
        welcome.author,
        welcome.head,
        welcome.expected,
        welcome.schema,
        welcome.view,
        welcome.now,
    );
    fields(out, WELCOME, &all);
    // Left out where nothing was pruned, which is the usual case.
    if welcome.floor > Seq(0) || welcome.snapshot {
        plain::write(out, &(welcome.floor, welcome.snapshot));
    }
    WELCOME
}

fn write_page(out: &mut Output, page: &Page) -> u8 {
    plain::write(out, &(&page.token, page.head, page.first, page.last));
    out.bytes(&page.bytes);
    PAGE
}

fn write_part(out: &mut Output, part: &Part) -> u8 {
    let all: PartFields = (part.from, part.seq, part.chain, part.own, part.index, part.count);
    plain::write(out, &all);
    out.bytes(&part.bytes);
    PART
}

/// Reads a payload; `None` for a kind that a space does not send.
pub(crate) fn read(kind: u64, input: &mut Input<'_>) -> Result<Option<ServerMessage>, Malformed> {
    let Ok(kind) = u8::try_from(kind) else { return Ok(None) };
    let message = match kind {
        WELCOME => ServerMessage::Welcome(read_welcome(input)?),
        STAGED => {
            plain::read(input).map(|(device_seq, next_chunk)| ServerMessage::Staged { device_seq, next_chunk })?
        }
        PREPARED => plain::read(input).map(|device_seq| ServerMessage::Prepared { device_seq })?,
        RECEIPT => ServerMessage::Receipt(receipt::read(input)?),
        EXPECTED => plain::read(input).map(|device_seq| ServerMessage::Expected { device_seq })?,
        RANGE => ServerMessage::Range(range::read(input)?),
        PART => ServerMessage::Part(read_part(input)?),
        HEAD => plain::read(input).map(|seq| ServerMessage::Head { seq })?,
        REFUSED => ServerMessage::Refused(read_refusal(input)?),
        RECALLED => ServerMessage::Recalled(read_recalled(input)?),
        PAGE => ServerMessage::Page(read_page(input)?),
        CATALOGUE => ServerMessage::Catalogue(read_catalogue(input)?),
        PREDICTED => ServerMessage::Predicted(prediction::read(input)?),
        _ => return Ok(None),
    };
    Ok(Some(message))
}

/// Bytes after the known fields are a later version's and ignored.
fn read_welcome(input: &mut Input<'_>) -> Result<Welcome, Malformed> {
    let (version, features, author, head, expected, schema, view, now): WelcomeFields = plain::read(input)?;
    let (floor, snapshot) = if input.is_empty() { (Seq(0), false) } else { plain::read(input)? };
    input.rest();
    Ok(Welcome { version, features, author, head, expected, schema, view, now, floor, snapshot })
}

fn read_recalled(input: &mut Input<'_>) -> Result<Recalled, Malformed> {
    let (origin, at, fork, accepted, rejected): RecalledFields = plain::read(input)?;
    Ok(Recalled { origin, opening: plain::read_opening(input)?, at, fork, accepted, rejected })
}

fn read_page(input: &mut Input<'_>) -> Result<Page, Malformed> {
    let (token, head, first, last): PageFields = plain::read(input)?;
    Ok(Page { token, head, first, last, bytes: input.rest().to_vec() })
}

fn read_part(input: &mut Input<'_>) -> Result<Part, Malformed> {
    let (from, seq, chain, own, index, count): PartFields = plain::read(input)?;
    Ok(Part { from, seq, chain, own, index, count, bytes: input.rest().to_vec() })
}

/// Positions that lead nowhere would be met much later, where nobody expects them.
fn read_catalogue(input: &mut Input<'_>) -> Result<Catalogue, Malformed> {
    let catalogue: Catalogue = plain::read(input)?;
    if catalogue.is_consistent() { Ok(catalogue) } else { malformed("catalogue: a position that leads nowhere") }
}

fn read_refusal(input: &mut Input<'_>) -> Result<Refusal, Malformed> {
    let (code, device_seq, detail): (u8, Option<DeviceSeq>, String) = plain::read(input)?;
    match REFUSALS.get(usize::from(code)) {
        Some(&code) => Ok(Refusal { code, device_seq, detail }),
        None => malformed("refusal: unknown code"),
    }
}
