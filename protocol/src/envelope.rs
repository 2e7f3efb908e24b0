//! The outermost bytes of a sealed changeset or commit: version, flags, and either the bare body or sections of it.
//! It decides what is deflated; what a body holds is for `changeset` and `commit`.
//! Called by those two, and by adapters that must know which schema some bytes are of.

use crate::deflate::{deflate, inflate, inflate_front};
use crate::error::malformed;
use crate::input::Input;
use crate::limits::{CHANGESET_BYTES, DEFLATE_FROM_BYTES};
use crate::output::{Output, varint_len};
use alloc::{borrow::Cow, vec::Vec};
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{DeviceSeq, Incarnation, Opening, SchemaVersion};

const VERSION: u8 = 1;

const FLAG_SECTIONS: u8 = 1;
const FLAG_SEVERAL: u8 = 1 << 1;
const FLAG_ORIGIN: u8 = 1 << 2;
const FLAG_OPENING: u8 = 1 << 3;
const FLAG_COMMIT: u8 = 1 << 7;

/// Two varints at their longest.
const PEEK_BYTES: usize = 20;

const SECTION_BODY: u64 = 1;
const SECTION_BODY_DEFLATED: u64 = 2;
const SECTION_NOISE: u64 = 3;

/// What a body is of; it is part of the flags, so that one is never read as the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A changeset of exactly one transaction.
    OneTransaction,
    /// A changeset that counts its transactions.
    Transactions,
    /// A commit.
    Commit,
}

impl Content {
    fn flags(self) -> u8 {
        match self {
            Content::OneTransaction => 0,
            Content::Transactions => FLAG_SEVERAL,
            Content::Commit => FLAG_COMMIT,
        }
    }

    fn of(flags: u8) -> Result<Self, Malformed> {
        match flags & !(FLAG_SECTIONS | FLAG_ORIGIN | FLAG_OPENING) {
            0 => Ok(Content::OneTransaction),
            FLAG_SEVERAL => Ok(Content::Transactions),
            FLAG_COMMIT => Ok(Content::Commit),
            _ => malformed("sealed bytes: unknown flags"),
        }
    }
}

/// The streams of a body, taken out of their envelope.
pub(crate) struct Opened<'a> {
    pub(crate) content: Content,
    pub(crate) capture: Capture,
    main: Cow<'a, [u8]>,
    noise: Option<&'a [u8]>,
}

impl Opened<'_> {
    pub(crate) fn input(&self) -> Input<'_> {
        match self.noise {
            Some(noise) => Input::split(&self.main, noise),
            None => Input::plain(&self.main),
        }
    }
}

/// Who captured the transactions of a changeset; of a commit it says nothing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Capture {
    pub(crate) origin: Option<Incarnation>,
    pub(crate) opening: Opening,
}

/// Puts a body into the smaller of its two envelopes: bare, or deflated in sections.
pub(crate) fn close(content: Content, capture: Capture, body: Output) -> Vec<u8> {
    let (main, noise) = body.finish();
    let head = Head { content, capture };
    let packed = match main.len() >= DEFLATE_FROM_BYTES {
        true => deflate(&main),
        false => None,
    };
    match packed {
        Some(packed) if sectioned_len(main.len(), packed.len(), noise.len()) < main.len() + noise.len() => {
            sectioned(head, main.len(), &packed, &noise)
        }
        _ => bare(head, &main, &noise),
    }
}

/// What stands before body or sections.
struct Head {
    content: Content,
    capture: Capture,
}

impl Head {
    fn write(&self, flags: u8, out: &mut Vec<u8>) {
        let Capture { origin, opening } = self.capture;
        let is_tagged = opening != Opening::default();
        let flags = flags | origin.map_or(0, |_| FLAG_ORIGIN) | if is_tagged { FLAG_OPENING } else { 0 };
        out.extend_from_slice(&[VERSION, self.content.flags() | flags]);
        out.extend(origin.iter().flat_map(|origin| origin.0));
        out.extend(is_tagged.then(|| opening.0.to_le_bytes()).into_iter().flatten());
    }
}

fn bare(head: Head, main: &[u8], noise: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(22 + main.len() + noise.len());
    head.write(0, &mut bytes);
    bytes.extend_from_slice(main);
    bytes.extend_from_slice(noise);
    bytes
}

fn sectioned(head: Head, inflated: usize, packed: &[u8], noise: &[u8]) -> Vec<u8> {
    let mut out = Output::default();
    let mut front = Vec::new();
    head.write(FLAG_SECTIONS, &mut front);
    out.bytes(&front);
    out.varint(SECTION_BODY_DEFLATED);
    out.varint((varint_len(inflated as u64) + packed.len()) as u64);
    out.varint(inflated as u64);
    out.bytes(packed);
    if !noise.is_empty() {
        out.varint(SECTION_NOISE);
        out.varint(noise.len() as u64);
        out.bytes(noise);
    }
    out.into_main()
}

/// Bytes of the sections, without version and flags.
fn sectioned_len(inflated: usize, packed: usize, noise: usize) -> usize {
    let body = varint_len(inflated as u64) + packed;
    let noise = if noise == 0 { 0 } else { 1 + varint_len(noise as u64) + noise };
    1 + varint_len(body as u64) + body + noise
}

/// Takes a body out of its envelope.
pub(crate) fn open(bytes: &[u8]) -> Result<Opened<'_>, Malformed> {
    let Outside { content, capture, sections, rest } = outside(bytes)?;
    if !sections {
        return Ok(Opened { content, capture, main: Cow::Borrowed(rest), noise: None });
    }
    let (mut main, mut noise) = (None, None);
    each_section(rest, |kind, section| {
        let repeated = match kind {
            SECTION_BODY => main.replace(Cow::Borrowed(section)).is_some(),
            SECTION_BODY_DEFLATED => main.replace(Cow::Owned(inflate_section(section)?)).is_some(),
            SECTION_NOISE => noise.replace(section).is_some(),
            _ => false,
        };
        if repeated { malformed("sealed bytes: a section twice") } else { Ok(()) }
    })?;
    let main = main.ok_or(Malformed { what: "sealed bytes: no body" })?;
    Ok(Opened { content, capture, main, noise: Some(noise.unwrap_or_default()) })
}

/// Version and flags, checked, and what follows them.
struct Outside<'a> {
    content: Content,
    capture: Capture,
    sections: bool,
    rest: &'a [u8],
}

fn outside(bytes: &[u8]) -> Result<Outside<'_>, Malformed> {
    if bytes.len() > CHANGESET_BYTES {
        return malformed("sealed bytes over the limit");
    }
    let mut input = Input::plain(bytes);
    if input.byte()? != VERSION {
        return malformed("sealed bytes: unknown version");
    }
    let flags = input.byte()?;
    let content = Content::of(flags)?;
    let captured = flags & (FLAG_ORIGIN | FLAG_OPENING) != 0;
    let capture = match content {
        _ if !captured => Capture::default(),
        Content::Commit => return malformed("sealed bytes: a commit with an origin"),
        Content::OneTransaction | Content::Transactions => read_capture(flags, &mut input)?,
    };
    Ok(Outside { content, capture, sections: flags & FLAG_SECTIONS != 0, rest: input.rest() })
}

fn read_capture(flags: u8, input: &mut Input<'_>) -> Result<Capture, Malformed> {
    let mut capture = Capture::default();
    if flags & FLAG_ORIGIN != 0 {
        let mut origin = [0; 16];
        origin.copy_from_slice(input.bytes(16)?);
        capture.origin = Some(Incarnation(origin));
    }
    if flags & FLAG_OPENING != 0 {
        let mut opening = [0; 4];
        opening.copy_from_slice(input.bytes(4)?);
        capture.opening = Opening(u32::from_le_bytes(opening));
        if capture.opening == Opening::default() {
            return malformed("sealed bytes: an opening without a tag");
        }
    }
    Ok(capture)
}

fn each_section<'a>(
    bytes: &'a [u8],
    mut take: impl FnMut(u64, &'a [u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut input = Input::plain(bytes);
    while !input.is_empty() {
        let kind = input.varint()?;
        let length = input.count()?;
        take(kind, input.bytes(length)?)?;
    }
    Ok(())
}

fn inflate_section(section: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut input = Input::plain(section);
    let length = input.count()?;
    inflate(input.rest(), length)
}

/// What sealed bytes say of themselves before a catalogue is at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peek {
    /// The number of the changeset.
    pub device_seq: DeviceSeq,
    /// The schema version whose catalogue opens it.
    pub schema: SchemaVersion,
}

/// Reads the number and schema version of a sealed changeset, so that the caller can pick the catalogue.
/// It inflates no more than the first bytes.
pub fn peek_changeset(bytes: &[u8]) -> Result<Peek, Malformed> {
    match peek_outside(bytes)? {
        (Content::Commit, _) => malformed("a commit where a changeset was due"),
        (_, peek) => Ok(peek),
    }
}

/// Reads the number and schema version of an encoded commit, so that the caller can pick the catalogue.
/// It inflates no more than the first bytes.
pub fn peek_commit(bytes: &[u8]) -> Result<Peek, Malformed> {
    match peek_outside(bytes)? {
        (Content::Commit, peek) => Ok(peek),
        _ => malformed("a changeset where a commit was due"),
    }
}

/// What bytes are of, and how they begin.
pub(crate) fn peek_outside(bytes: &[u8]) -> Result<(Content, Peek), Malformed> {
    let Outside { content, sections, rest, .. } = outside(bytes)?;
    if !sections {
        return Ok((content, peek(&mut Input::plain(rest))?));
    }
    let mut found = None;
    each_section(rest, |kind, section| {
        match kind {
            SECTION_BODY => found = Some(peek(&mut Input::plain(section))?),
            SECTION_BODY_DEFLATED => found = Some(peek_deflated(section)?),
            _ => {}
        }
        Ok(())
    })?;
    found.map(|found| (content, found)).ok_or(Malformed { what: "sealed bytes: no body" })
}

fn peek_deflated(section: &[u8]) -> Result<Peek, Malformed> {
    let mut input = Input::plain(section);
    input.count()?;
    let mut front = [0; PEEK_BYTES];
    peek(&mut Input::plain(inflate_front(input.rest(), &mut front)?))
}

/// Both bodies begin with these two numbers.
pub(crate) fn peek(input: &mut Input<'_>) -> Result<Peek, Malformed> {
    Ok(Peek { device_seq: DeviceSeq(input.varint()?), schema: SchemaVersion(input.varint()?) })
}
