//! The envelope of sealed bytes taken apart and put together again, independently of the crate's own code.
//! It lets a test mutate what lies under deflate, and add sections that nobody knows.
//! Used by the tests of envelopes and of foreign bytes.

use flate2::read::DeflateDecoder;
use std::io::Read;

pub const BODY: u64 = 1;
pub const BODY_DEFLATED: u64 = 2;
pub const NOISE: u64 = 3;

/// LEB128.
pub fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> u64 {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0).expect("a whole varint") + 1;
    let (number, rest) = bytes.split_at(length);
    *bytes = rest;
    number.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
}

/// The flags without the bit for sections, and the sections; a bare body is one section.
pub fn split(sealed: &[u8]) -> (u8, Vec<(u64, Vec<u8>)>) {
    let (flags, mut rest) = (sealed[1], &sealed[2..]);
    if flags & 1 == 0 {
        return (flags, vec![(BODY, rest.to_vec())]);
    }
    let mut sections = Vec::new();
    while !rest.is_empty() {
        let kind = take_varint(&mut rest);
        let length = take_varint(&mut rest) as usize;
        sections.push((kind, rest[..length].to_vec()));
        rest = &rest[length..];
    }
    (flags & !1, sections)
}

/// Sealed bytes of sections.
pub fn join(flags: u8, sections: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![1, flags | 1];
    for (kind, section) in sections {
        put_varint(&mut bytes, *kind);
        put_varint(&mut bytes, section.len() as u64);
        bytes.extend_from_slice(section);
    }
    bytes
}

/// The same document with nothing deflated.
pub fn inflated(sealed: &[u8]) -> Vec<u8> {
    const ORIGIN: u8 = 1 << 2;
    if sealed[1] & ORIGIN != 0 {
        let without = [&[sealed[0], sealed[1] & !ORIGIN], &sealed[18..]].concat();
        let mut whole = inflated(&without);
        whole[1] |= ORIGIN;
        whole.splice(2..2, sealed[2..18].iter().copied());
        return whole;
    }
    let (flags, mut sections) = split(sealed);
    if flags | 1 != sealed[1] {
        return sealed.to_vec();
    }
    for (kind, section) in &mut sections {
        if *kind == BODY_DEFLATED {
            let mut packed = section.as_slice();
            take_varint(&mut packed);
            let mut body = Vec::new();
            DeflateDecoder::new(packed).read_to_end(&mut body).expect("own deflate is sound");
            (*kind, *section) = (BODY, body);
        }
    }
    join(flags, &sections)
}
