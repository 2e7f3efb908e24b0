//! A range of commits as a payload; the usual one, a single commit at its upper end, costs one byte beside its bounds.
//! It checks that items ascend within the bounds, and knows nothing of what commits hold.
//! Called by `server`.

use crate::error::malformed;
use crate::input::Input;
use crate::limits::RANGE_ITEMS;
use crate::output::Output;
use crate::plain;
use alloc::{vec, vec::Vec};
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{ChainHash, DeviceSeq, Seq};
use ebbtide_core::message::{ItemBody, Range, RangeItem};

const LIST: u64 = 0;
const FOREIGN: u64 = 1;
const OWN_AS_SENT: u64 = 2;
const OWN_MERGED: u64 = 3;
const SHAPE_BITS: u32 = 2;

fn shape_of(body: &ItemBody) -> u64 {
    match body {
        ItemBody::Foreign(_) => FOREIGN,
        ItemBody::OwnAsSent(_) => OWN_AS_SENT,
        ItemBody::OwnMerged(..) => OWN_MERGED,
    }
}

pub(crate) fn write(out: &mut Output, range: &Range) {
    plain::write(out, &range.from);
    match range.items.as_slice() {
        [only] if only.seq == range.upto => {
            write_step(out, range.from, range.upto, shape_of(&only.body));
            plain::write(out, &range.chain);
            write_own(out, &only.body);
            out.bytes(content(&only.body));
        }
        items => {
            write_step(out, range.from, range.upto, LIST);
            plain::write(out, &range.chain);
            write_items(out, range.from, items);
        }
    }
}

/// The distance between two seqs, and what follows.
fn write_step(out: &mut Output, from: Seq, to: Seq, shape: u64) {
    let step = to.0.checked_sub(from.0).filter(|step| step.leading_zeros() >= SHAPE_BITS);
    out.varint(step.expect("seqs of a range ascend") << SHAPE_BITS | shape);
}

fn write_items(out: &mut Output, from: Seq, items: &[RangeItem]) {
    let mut last = from;
    for item in items {
        write_step(out, last, item.seq, shape_of(&item.body));
        write_own(out, &item.body);
        if !matches!(item.body, ItemBody::OwnAsSent(_)) {
            let bytes = content(&item.body);
            out.varint(bytes.len() as u64);
            out.bytes(bytes);
        }
        last = item.seq;
    }
}

fn write_own(out: &mut Output, body: &ItemBody) {
    if let ItemBody::OwnAsSent(own) | ItemBody::OwnMerged(own, _) = body {
        out.varint(own.0);
    }
}

fn content(body: &ItemBody) -> &[u8] {
    match body {
        ItemBody::Foreign(bytes) | ItemBody::OwnMerged(_, bytes) => bytes,
        ItemBody::OwnAsSent(_) => &[],
    }
}

pub(crate) fn read(input: &mut Input<'_>) -> Result<Range, Malformed> {
    let from: Seq = plain::read(input)?;
    let (upto, shape) = read_step(input, from)?;
    let chain: ChainHash = plain::read(input)?;
    let items = match shape {
        LIST => read_items(input, from, upto)?,
        _ => vec![RangeItem { seq: upto, body: read_body(input, shape, Extent::Rest)? }],
    };
    Ok(Range { from, upto, chain, items })
}

fn read_step(input: &mut Input<'_>, from: Seq) -> Result<(Seq, u64), Malformed> {
    let number = input.varint()?;
    let to = from.0.checked_add(number >> SHAPE_BITS).ok_or(Malformed { what: "range: seq out of range" })?;
    Ok((Seq(to), number & ((1 << SHAPE_BITS) - 1)))
}

fn read_items(input: &mut Input<'_>, from: Seq, upto: Seq) -> Result<Vec<RangeItem>, Malformed> {
    let mut items = Vec::new();
    let mut last = from;
    while !input.is_empty() {
        let (seq, shape) = read_step(input, last)?;
        if seq <= last || seq > upto || items.len() == RANGE_ITEMS {
            return malformed("range: items out of order, out of bounds, or too many");
        }
        items.push(RangeItem { seq, body: read_body(input, shape, Extent::Counted)? });
        last = seq;
    }
    Ok(items)
}

/// How far a commit's bytes go.
enum Extent {
    Counted,
    Rest,
}

fn read_body(input: &mut Input<'_>, shape: u64, extent: Extent) -> Result<ItemBody, Malformed> {
    match shape {
        FOREIGN => Ok(ItemBody::Foreign(read_content(input, extent)?)),
        OWN_AS_SENT => Ok(ItemBody::OwnAsSent(DeviceSeq(input.varint()?))),
        OWN_MERGED => {
            let own = DeviceSeq(input.varint()?);
            Ok(ItemBody::OwnMerged(own, read_content(input, extent)?))
        }
        _ => malformed("range: unknown item"),
    }
}

fn read_content(input: &mut Input<'_>, extent: Extent) -> Result<Vec<u8>, Malformed> {
    let bytes = match extent {
        Extent::Counted => {
            let length = input.count()?;
            input.bytes(length)?
        }
        Extent::Rest => input.rest(),
    };
    Ok(bytes.to_vec())
}
