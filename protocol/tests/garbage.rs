//! Foreign bytes: cut, mutated and random ones, and small messages that claim to be large.
//! Every decoder must answer with an error or a value, without panicking and within a bound of memory that is measured here.
//! Run by `cargo test -p ebbtide-protocol`; what fuzzing finds is kept here by name.
#![allow(unsafe_code, reason = "an allocator that counts can be written in no other way")]

mod support;

use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::codec::Codec;
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::DeviceSeq;
use ebbtide_protocol::limits::DECODED_BYTES;
use ebbtide_protocol::{
    WireCodec, decode_client, decode_receipt, decode_server, encode_client, encode_receipt, encode_server,
    peek_changeset, peek_commit,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::{Random, messages, sections};

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Counts what each thread holds.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counters are plain thread-local numbers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.try_with(|held| {
            held.set(held.get().wrapping_add(layout.size()));
            held.get()
        });
        let _ = held.and_then(|held| PEAK.try_with(|peak| peak.set(peak.get().max(held))));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = HELD.try_with(|held| held.set(held.get().wrapping_sub(layout.size())));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes held at once while `work` ran, beyond what was held before.
fn peak_of<T>(work: impl FnOnce() -> T) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    drop(work());
    PEAK.get().saturating_sub(before)
}

/// Every decoder on the same bytes; each must give a value or a typed error.
fn decode_all(bytes: &[u8], catalogue: &Catalogue) {
    let number = peek_changeset(bytes).map_or(DeviceSeq(1), |peek| peek.device_seq);
    named(WireCodec.open(bytes, number, catalogue));
    named(peek_commit(bytes));
    named(WireCodec.open_commit(bytes, catalogue));
    named(decode_receipt(bytes));
    named(decode_client(bytes).map_err(Malformed::from));
    named(decode_server(bytes).map_err(Malformed::from));
}

fn named<T>(result: Result<T, Malformed>) {
    if let Err(Malformed { what }) = result {
        assert!(!what.is_empty(), "an error says what was wrong");
    }
}

/// Valid bytes of every kind, made from a seed.
fn documents(random: &mut Random, catalogue: &Catalogue) -> Vec<Vec<u8>> {
    let transactions = random.below(4) as usize;
    let changeset = support::changeset(random, catalogue, transactions, 60);
    let commit = support::commit(random, catalogue, 80, 4);
    let client: Vec<_> = (0..messages::CLIENT_KINDS).map(|kind| messages::client(random, kind)).collect();
    let server: Vec<_> = (0..messages::SERVER_KINDS).map(|kind| messages::server(random, kind)).collect();
    let (sealed, packed) = (WireCodec.seal(&changeset, catalogue).bytes, WireCodec.seal_commit(&commit, catalogue));
    vec![
        // Under deflate a changed byte seldom reaches the columns.
        sections::inflated(&sealed),
        sections::inflated(&packed),
        sealed,
        packed,
        encode_client(&client),
        encode_server(&server),
        encode_receipt(&messages::receipt(random)),
    ]
}

fn mutated(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..1 + random.below(4) {
        let position = random.below(bytes.len() as u64) as usize;
        match random.below(6) {
            0 => bytes[position] = random.next() as u8,
            1 => bytes[position] ^= 1 << random.below(8),
            2 => bytes[position] = random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
            3 => bytes.insert(position, random.next() as u8),
            4 if bytes.len() > 1 => drop(bytes.remove(position)),
            _ => bytes.splice(position..position, [0xff; 4]).for_each(drop),
        }
    }
    bytes
}

#[test]
fn wp08_mutated_bytes_end_in_a_value_or_an_error() {
    for seed in 0..600 {
        let mut random = Random(seed);
        let catalogue = support::catalogue(&mut random);
        for bytes in documents(&mut random, &catalogue) {
            for _ in 0..12 {
                let bytes = mutated(&mut random, bytes.clone());
                let peak = peak_of(|| decode_all(&bytes, &catalogue));
                assert!(peak <= bound(bytes.len()), "seed {seed}: {peak} bytes held");
            }
        }
    }
}

#[test]
fn wp08_cut_bytes_end_in_an_error() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let catalogue = support::catalogue(&mut random);
        let changeset = support::changeset(&mut random, &catalogue, 2, 20);
        let sealed = WireCodec.seal(&changeset, &catalogue);
        for length in 0..sealed.bytes.len() {
            decode_all(&sealed.bytes[..length], &catalogue);
        }
        for bytes in documents(&mut random, &catalogue) {
            let step = 1 + bytes.len() / 200;
            (0..bytes.len()).step_by(step).for_each(|length| decode_all(&bytes[..length], &catalogue));
        }
    }
}

#[test]
fn wp08_random_bytes_end_in_a_value_or_an_error() {
    let mut random = Random(99);
    let catalogue = support::catalogue(&mut random);
    for _ in 0..20_000 {
        let mut bytes = random.bytes(120);
        // Half of them get past the version, a quarter past the flags too.
        if let Some(first) = bytes.first_mut().filter(|_| random.below(2) == 0) {
            *first = 1;
        }
        if let Some(second) = bytes.get_mut(1).filter(|_| random.below(2) == 0) {
            *second = random.pick(&[0, 1, 2, 3, 0x80, 0x81]);
        }
        let peak = peak_of(|| decode_all(&bytes, &catalogue));
        assert!(peak <= bound(bytes.len()), "{peak} bytes held for {bytes:02x?}");
    }
}

/// The budget counts what rows and values take on wasm32; a machine of 64 bits needs about twice as much.
fn bound(length: usize) -> usize {
    DECODED_BYTES * 5 / 2 + 64 * length
}

/// A commit of one group that claims `rows` rows of constants: few bytes, many rows.
fn claim(rows: u64, catalogue: &Catalogue) -> Vec<u8> {
    let mut bytes = vec![1, 0x80, 1, catalogue.version.0 as u8 & 0x7f, 1, 0, 0];
    let mut count = rows - 2;
    while count >= 0x80 {
        bytes.push(count as u8 | 0x80);
        count >>= 7;
    }
    bytes.push(count as u8);
    // Every column: constant, NULL.
    bytes.extend(catalogue.tables[0].columns.iter().flat_map(|_| [0, 0]));
    bytes
}

#[test]
fn wp09_a_small_message_cannot_become_a_large_allocation() {
    let mut catalogue = support::catalogue(&mut Random(5));
    catalogue.version.0 = 7;
    let honest = claim(100_000, &catalogue);
    assert_eq!(WireCodec.open_commit(&honest, &catalogue).map(|commit| commit.outcomes.len()), Ok(100_000));
    for rows in [600_000, 800_000, 2_000_000, u64::from(u32::MAX), u64::MAX] {
        let bytes = claim(rows, &catalogue);
        let peak = peak_of(|| decode_all(&bytes, &catalogue));
        assert!(peak <= bound(bytes.len()), "{rows} rows: {peak} bytes held");
    }
    let refused = WireCodec.open_commit(&claim(2_000_000, &catalogue), &catalogue);
    assert_eq!(refused, Err(Malformed { what: "decoded size over the limit" }));
}
