//! A column of texts: as UUIDs, as indexes into a dictionary, or as lengths and the concatenated bytes.
//! It looks at nothing but the texts themselves, and every text comes back byte for byte.
//! Used by `column`; blobs share the last form.

use crate::error::malformed;
use crate::input::Input;
use crate::limits::{DICTIONARY_ENTRIES, VALUE_CHARGE};
use crate::output::Output;
use crate::scalar::text;
use crate::{integers, uuid};
use alloc::{string::String, vec::Vec};
use ebbtide_core::error::Malformed;
use ebbtide_core::sorted::SortedMap;

const PLAIN: u8 = 0;
const DICTIONARY: u8 = 1;
const UUIDS: u8 = 2;
const UUIDS_V7: u8 = 3;
const TERMINATED: u8 = 4;

/// Ends a text of `TERMINATED`; texts that contain it are written with their lengths.
const END: u8 = 0;

/// Writes a column; its length is the reader's to know.
pub(crate) fn write(out: &mut Output, texts: &[&str]) {
    if let Some(numbers) = texts.iter().map(|text| uuid::parse(text)).collect::<Option<Vec<_>>>() {
        return write_uuids(out, &numbers);
    }
    match dictionary(texts) {
        Some((entries, indexes)) => {
            out.byte(DICTIONARY);
            out.varint(entries.len() as u64);
            write_strings(out, &entries);
            integers::write(out, &indexes);
        }
        None => write_strings(out, texts),
    }
}

/// The distinct texts in the order of their first use, and where each row finds its own; `None` where it saves nothing.
fn dictionary<'a>(texts: &[&'a str]) -> Option<(Vec<&'a str>, Vec<i64>)> {
    let most = DICTIONARY_ENTRIES.min(texts.len() / 2);
    let (mut known, mut entries) = (SortedMap::new(), Vec::new());
    let mut indexes = Vec::with_capacity(texts.len());
    let mut last = 0;
    for &text in texts {
        // Rows often come sorted by something, so the last text is looked at before the tree is.
        if entries.get(last) != Some(&text) {
            last = *known.entry(text).or_insert(entries.len());
            if last == entries.len() {
                if entries.len() == most {
                    return None;
                }
                entries.push(text);
            }
        }
        indexes.push(last as i64);
    }
    Some((entries, indexes))
}

/// Ends between texts deflate with them, a column of lengths does not; a tenth of the bytes of names.
fn write_strings(out: &mut Output, texts: &[&str]) {
    if texts.iter().any(|text| text.as_bytes().contains(&END)) {
        out.byte(PLAIN);
        return write_blobs(out, texts.iter().map(|text| text.as_bytes()));
    }
    out.byte(TERMINATED);
    for text in texts {
        out.bytes(text.as_bytes());
        out.byte(END);
    }
}

/// Lengths, then the bytes of all.
pub(crate) fn write_blobs<'a>(out: &mut Output, blobs: impl Iterator<Item = &'a [u8]> + Clone) {
    let lengths: Vec<i64> = blobs.clone().map(|blob| blob.len() as i64).collect();
    integers::write(out, &lengths);
    blobs.for_each(|blob| out.bytes(blob));
}

fn write_uuids(out: &mut Output, numbers: &[u128]) {
    let parts: Option<Vec<_>> = numbers.iter().map(|&number| uuid::split_v7(number)).collect();
    let Some(parts) = parts else {
        out.byte(UUIDS);
        return out.noise(numbers.iter().flat_map(|number| number.to_be_bytes()).collect());
    };
    out.byte(UUIDS_V7);
    let millis: Vec<i64> = parts.iter().map(|(millis, _)| *millis as i64).collect();
    integers::write(out, &millis);
    out.noise(pack(parts.iter().map(|(_, random)| *random), numbers.len()));
}

/// Packs the random bits of UUIDs one after the other, lowest bit first.
fn pack(numbers: impl Iterator<Item = u128>, count: usize) -> Vec<u8> {
    let mut packed = Vec::with_capacity(packed_len(count));
    let (mut held, mut bits) = (0_u128, 0);
    for number in numbers {
        held |= number << bits;
        bits += uuid::V7_RANDOM_BITS;
        while bits >= 8 {
            packed.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        packed.push(held as u8);
    }
    packed
}

fn packed_len(count: usize) -> usize {
    (count * uuid::V7_RANDOM_BITS).div_ceil(8)
}

fn unpack(packed: &[u8], count: usize) -> Vec<u128> {
    let mut bytes = packed.iter();
    let (mut held, mut bits) = (0_u128, 0);
    let mut next = || {
        while bits < uuid::V7_RANDOM_BITS {
            held |= u128::from(bytes.next().copied().unwrap_or(0)) << bits;
            bits += 8;
        }
        let number = held & ((1 << uuid::V7_RANDOM_BITS) - 1);
        held >>= uuid::V7_RANDOM_BITS;
        bits -= uuid::V7_RANDOM_BITS;
        number
    };
    (0..count).map(|_| next()).collect()
}

/// Reads a column of `count` texts.
pub(crate) fn read(input: &mut Input<'_>, count: usize) -> Result<Vec<String>, Malformed> {
    match input.byte()? {
        DICTIONARY => read_dictionary(input, count),
        UUIDS => read_uuids(input, count),
        UUIDS_V7 => read_uuids_v7(input, count),
        form => read_strings(input, form, count),
    }
}

fn read_strings(input: &mut Input<'_>, form: u8, count: usize) -> Result<Vec<String>, Malformed> {
    match form {
        PLAIN => read_blobs(input, count)?.into_iter().map(text).collect(),
        TERMINATED => (0..count).map(|_| read_terminated(input)).collect(),
        _ => malformed("texts: unknown form"),
    }
}

fn read_terminated(input: &mut Input<'_>) -> Result<String, Malformed> {
    let bytes = input.bytes_until(END)?;
    input.charge(bytes.len(), 1)?;
    text(bytes)
}

/// Reads `count` byte strings, which stay where they are.
pub(crate) fn read_blobs<'a>(input: &mut Input<'a>, count: usize) -> Result<Vec<&'a [u8]>, Malformed> {
    let lengths = integers::read_lengths(input, count)?;
    lengths
        .into_iter()
        .map(|length| {
            input.charge(length, 1)?;
            input.bytes(length)
        })
        .collect()
}

fn read_dictionary(input: &mut Input<'_>, count: usize) -> Result<Vec<String>, Malformed> {
    let count_of_entries = input.count()?;
    input.charge(count_of_entries, VALUE_CHARGE)?;
    let form = input.byte()?;
    let entries = read_strings(input, form, count_of_entries)?;
    let indexes = integers::read_lengths(input, count)?;
    indexes
        .into_iter()
        .map(|index| {
            let entry = entries.get(index).ok_or(Malformed { what: "dictionary: index out of range" })?;
            input.charge(entry.len(), 1)?;
            Ok(entry.clone())
        })
        .collect()
}

fn read_uuids(input: &mut Input<'_>, count: usize) -> Result<Vec<String>, Malformed> {
    input.charge(count, 36)?;
    let bytes = input.noise(count * 16)?;
    let numbers = bytes.as_chunks().0.iter().map(|chunk| u128::from_be_bytes(*chunk));
    Ok(numbers.map(uuid::format).collect())
}

fn read_uuids_v7(input: &mut Input<'_>, count: usize) -> Result<Vec<String>, Malformed> {
    input.charge(count, 36 + 16)?;
    let millis = integers::read(input, count)?;
    let random = unpack(input.noise(packed_len(count))?, count);
    Ok(millis
        .into_iter()
        .zip(random)
        .map(|(millis, random)| uuid::format(uuid::join_v7(millis as u64, random)))
        .collect())
}
