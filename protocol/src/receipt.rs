//! A receipt as bytes: in a frame, and as the server stores it to replay it.
//! What is usual is a bit of its first byte; the same receipt always gives the same bytes.
//! Called by `server` and by the store of the space.

use crate::error::malformed;
use crate::input::Input;
use crate::limits::RECEIPT_REJECTIONS;
use crate::output::Output;
use alloc::vec::Vec;
use ebbtide_core::commit::{Reason, Receipt, Rejection};
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{DeviceSeq, Fingerprint, Seq};

const STORED_VERSION: u8 = 1;

const HAS_SEQ: u8 = 1;
const AS_SENT: u8 = 1 << 1;
const HAS_SHIFT: u8 = 1 << 2;
const HAS_CONFLICTS: u8 = 1 << 3;
const HAS_REJECTED: u8 = 1 << 4;
/// Decided right before its own commit became the head.
const DECIDED_BEFORE: u8 = 1 << 5;
/// Decided with its own commit as the head.
const DECIDED_WITH: u8 = 1 << 6;
/// Of some bytes, whose fingerprint ends the receipt; a number that was given up has none.
const HAS_FINGERPRINT: u8 = 1 << 7;

/// Reasons by their code on the wire, which is never given twice.
const REASONS: [Reason; 13] = [
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

fn reason_code(reason: Reason) -> u8 {
    match reason {
        Reason::ForeignKey => 0,
        Reason::Unique => 1,
        Reason::Constraint => 2,
        Reason::Dependency => 3,
        Reason::Schema => 4,
        Reason::Limit => 5,
        Reason::Forbidden => 6,
        Reason::Void => 7,
        Reason::Stale => 8,
        Reason::Overflow => 9,
        Reason::Custom => 10,
        Reason::Parked => 11,
        Reason::Replaced => 12,
    }
}

/// The bytes under which a server keeps a receipt.
pub fn encode_receipt(receipt: &Receipt) -> Vec<u8> {
    let mut out = Output::default();
    out.byte(STORED_VERSION);
    write(&mut out, receipt);
    out.into_main()
}

/// Reads a kept receipt.
pub fn decode_receipt(bytes: &[u8]) -> Result<Receipt, Malformed> {
    let mut input = Input::plain(bytes);
    if input.byte()? != STORED_VERSION {
        return malformed("receipt: unknown version");
    }
    let receipt = read(&mut input)?;
    input.finish()?;
    Ok(receipt)
}

fn flags(receipt: &Receipt) -> u8 {
    let decided = match receipt.seq {
        Some(seq) if seq.0.checked_sub(1) == Some(receipt.decided_at.0) => DECIDED_BEFORE,
        Some(seq) if seq == receipt.decided_at => DECIDED_WITH,
        _ => 0,
    };
    let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    decided
        | bit(receipt.seq.is_some(), HAS_SEQ)
        | bit(receipt.as_sent, AS_SENT)
        | bit(receipt.clock_shift_ms != 0, HAS_SHIFT)
        | bit(receipt.conflicts != 0, HAS_CONFLICTS)
        | bit(!receipt.rejected.is_empty(), HAS_REJECTED)
        | bit(receipt.fingerprint != Fingerprint::default(), HAS_FINGERPRINT)
}

pub(crate) fn write(out: &mut Output, receipt: &Receipt) {
    let flags = flags(receipt);
    out.byte(flags);
    out.varint(receipt.device_seq.0);
    if let Some(seq) = receipt.seq {
        out.varint(seq.0);
    }
    if flags & (DECIDED_BEFORE | DECIDED_WITH) == 0 {
        out.varint(receipt.decided_at.0);
    }
    if flags & HAS_SHIFT != 0 {
        out.varint(receipt.clock_shift_ms);
    }
    if flags & HAS_CONFLICTS != 0 {
        out.varint(u64::from(receipt.conflicts));
    }
    if flags & HAS_REJECTED != 0 {
        write_rejections(out, &receipt.rejected);
    }
    if flags & HAS_FINGERPRINT != 0 {
        out.bytes(&receipt.fingerprint.0);
    }
}

fn write_rejections(out: &mut Output, rejected: &[Rejection]) {
    out.varint(rejected.len() as u64);
    for rejection in rejected {
        out.varint(u64::from(rejection.index));
        out.byte(reason_code(rejection.reason));
        out.varint(rejection.detail.len() as u64);
        out.bytes(rejection.detail.as_bytes());
    }
}

pub(crate) fn read(input: &mut Input<'_>) -> Result<Receipt, Malformed> {
    let flags = input.byte()?;
    let has = |bit: u8| flags & bit != 0;
    let device_seq = DeviceSeq(input.varint()?);
    let seq = if has(HAS_SEQ) { Some(Seq(input.varint()?)) } else { None };
    let decided_at = read_decided_at(input, flags, seq)?;
    let clock_shift_ms = if has(HAS_SHIFT) { input.varint()? } else { 0 };
    let conflicts = if has(HAS_CONFLICTS) { input.varint_u32()? } else { 0 };
    let rejected = if has(HAS_REJECTED) { read_rejections(input)? } else { Vec::new() };
    let fingerprint = if has(HAS_FINGERPRINT) { read_fingerprint(input)? } else { Fingerprint::default() };
    let as_sent = has(AS_SENT);
    Ok(Receipt { device_seq, fingerprint, seq, decided_at, clock_shift_ms, as_sent, rejected, conflicts })
}

fn read_decided_at(input: &mut Input<'_>, flags: u8, seq: Option<Seq>) -> Result<Seq, Malformed> {
    match (flags & (DECIDED_BEFORE | DECIDED_WITH), seq) {
        (0, _) => input.varint().map(Seq),
        (DECIDED_BEFORE, Some(Seq(seq))) if seq > 0 => Ok(Seq(seq - 1)),
        (DECIDED_WITH, Some(seq)) => Ok(seq),
        _ => malformed("receipt: decided at no seq"),
    }
}

/// Zeroes say what the missing flag says, and would give other bytes for the same receipt.
fn read_fingerprint(input: &mut Input<'_>) -> Result<Fingerprint, Malformed> {
    let mut fingerprint = Fingerprint::default();
    fingerprint.0.copy_from_slice(input.bytes(8)?);
    if fingerprint == Fingerprint::default() { malformed("receipt: a fingerprint of nothing") } else { Ok(fingerprint) }
}

fn read_rejections(input: &mut Input<'_>) -> Result<Vec<Rejection>, Malformed> {
    let count = input.count()?;
    if count > RECEIPT_REJECTIONS {
        return malformed("receipt: too many rejections");
    }
    (0..count).map(|_| read_rejection(input)).collect()
}

fn read_rejection(input: &mut Input<'_>) -> Result<Rejection, Malformed> {
    let index = input.varint_u32()?;
    let code = input.byte()?;
    let reason = *REASONS.get(usize::from(code)).ok_or(Malformed { what: "receipt: unknown reason" })?;
    let length = input.count()?;
    input.charge(length, 1)?;
    let detail = crate::scalar::text(input.bytes(length)?)?;
    Ok(Rejection { index, reason, detail })
}
