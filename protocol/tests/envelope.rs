//! The envelope of sealed bytes: versions, flags, sections, and what is checked before a body is believed.
//! Documents are taken apart by `support::sections`, which shares no code with the crate.
//! Run by `cargo test -p ebbtide-protocol`.

mod support;

use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{Base, Change, Changeset, Field, Mutation, RowId, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::error::Malformed;
use ebbtide_core::ids::{ChainHash, ColumnId, DeviceSeq, Hash, Opening, SchemaVersion, Seq, TableId};
use ebbtide_core::value::{Key, Value};
use ebbtide_protocol::{Peek, WireCodec, peek_changeset, peek_commit};
use support::Random;
use support::sections::{self, BODY_DEFLATED, NOISE};

/// A catalogue and a changeset large enough to be deflated and to have noise.
fn large() -> (Catalogue, Changeset) {
    let mut random = Random(21);
    let mut catalogue = support::catalogue(&mut random);
    catalogue.tables.truncate(1);
    catalogue.version = SchemaVersion(4);
    let width = catalogue.tables[0].fields().count();
    let parts = catalogue.tables[0].key.len();
    let changes = (0..200).map(|_| Change {
        row: RowId { table: TableId(0), key: Key(vec![Value::Text(random.uuid(7)); parts]) },
        mutation: Mutation::Insert(vec![Value::Text("much the same".into()); width]),
        base: Base::default(),
    });
    let transactions = vec![Transaction { stamp: Stamp(77), changes: changes.collect(), ..Transaction::default() }];
    (
        catalogue,
        Changeset {
            device_seq: DeviceSeq(9),
            schema: SchemaVersion(4),
            origin: None,
            opening: Opening::default(),
            transactions,
        },
    )
}

fn open(bytes: &[u8], catalogue: &Catalogue) -> Result<Changeset, &'static str> {
    WireCodec.open(bytes, DeviceSeq(9), catalogue).map_err(|Malformed { what }| what)
}

#[test]
fn wp11_unknown_sections_are_skipped_and_known_ones_may_be_plain() {
    let (catalogue, changeset) = large();
    let sealed = WireCodec.seal(&changeset, &catalogue).bytes;
    let (flags, mut known) = sections::split(&sealed);
    assert_eq!(known.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [BODY_DEFLATED, NOISE]);
    assert_eq!(open(&sections::inflated(&sealed), &catalogue).as_ref(), Ok(&changeset));
    known.insert(0, (40, vec![1, 2, 3]));
    known.push((9_000, Vec::new()));
    assert_eq!(open(&sections::join(flags, &known), &catalogue).as_ref(), Ok(&changeset));
}

#[test]
fn wp11_a_body_stands_once() {
    let (catalogue, changeset) = large();
    let (flags, mut known) = sections::split(&sections::inflated(&WireCodec.seal(&changeset, &catalogue).bytes));
    assert_eq!(open(&sections::join(flags, &[]), &catalogue), Err("sealed bytes: no body"));
    known.push(known[0].clone());
    assert_eq!(open(&sections::join(flags, &known), &catalogue), Err("sealed bytes: a section twice"));
}

#[test]
fn wp03_trailing_bytes_of_a_body_or_its_noise_are_an_error() {
    let (catalogue, changeset) = large();
    let (flags, known) = sections::split(&sections::inflated(&WireCodec.seal(&changeset, &catalogue).bytes));
    for section in [0, 1] {
        let mut longer = known.clone();
        longer[section].1.insert(0, 0);
        assert!(open(&sections::join(flags, &longer), &catalogue).is_err());
        let mut longer = known.clone();
        longer[section].1.push(0);
        assert!(open(&sections::join(flags, &longer), &catalogue).is_err());
    }
}

#[test]
fn wp09_an_inflated_length_is_exact_and_bounded() {
    let (catalogue, changeset) = large();
    let (flags, known) = sections::split(&WireCodec.seal(&changeset, &catalogue).bytes);
    let packed = &known[0].1;
    let stream = &packed[packed.iter().position(|byte| byte & 0x80 == 0).map_or(0, |end| end + 1)..];
    let claimed = |length: u64, stream: &[u8]| {
        let mut section = Vec::new();
        sections::put_varint(&mut section, length);
        section.extend_from_slice(stream);
        open(&sections::join(flags, &[(BODY_DEFLATED, section), known[1].clone()]), &catalogue)
    };
    let length = sections::split(&sections::inflated(&sections::join(flags, &known))).1[0].1.len() as u64;
    assert_eq!(claimed(length, stream).as_ref(), Ok(&changeset));
    assert_eq!(claimed(length - 1, stream), Err("deflate stream"));
    assert_eq!(claimed(length + 1, stream), Err("deflate stream"));
    assert_eq!(claimed(length, &stream[..stream.len() - 1]), Err("deflate stream"));
    assert_eq!(claimed(length, &[stream, &[0]].concat()), Err("deflate stream"));
    assert_eq!(claimed(u64::from(u32::MAX), stream), Err("inflated size over the limit"));
    assert_eq!(claimed(257 * stream.len() as u64, stream), Err("inflated size over the limit"));
}

#[test]
fn wp12_bytes_of_another_number_version_schema_or_content_are_refused() {
    let (mut catalogue, changeset) = large();
    let sealed = WireCodec.seal(&changeset, &catalogue).bytes;
    let refused = WireCodec.open(&sealed, DeviceSeq(10), &catalogue);
    assert_eq!(refused, Err(Malformed { what: "a changeset of another number" }));
    let with = |position: usize, byte: u8| {
        let mut bytes = sealed.clone();
        bytes[position] = byte;
        bytes
    };
    assert_eq!(open(&with(0, 2), &catalogue), Err("sealed bytes: unknown version"));
    assert_eq!(open(&with(1, 0x41), &catalogue), Err("sealed bytes: unknown flags"));
    assert_eq!(open(&with(1, 0x81), &catalogue), Err("a commit where a changeset was due"));
    let refused = WireCodec.open_commit(&sealed, &catalogue);
    assert_eq!(refused, Err(Malformed { what: "a changeset where a commit was due" }));
    assert_eq!(peek_changeset(&sealed), Ok(Peek { device_seq: DeviceSeq(9), schema: SchemaVersion(4) }));
    assert!(peek_commit(&sealed).is_err());
    assert_eq!(WireCodec.schema_of(&sealed), Ok(SchemaVersion(4)));
    catalogue.version = SchemaVersion(5);
    assert_eq!(open(&sealed, &catalogue), Err("a changeset of another schema version"));
}

/// A bare changeset of one update: everything up to the columns, then the columns.
fn bare(head: u8, columns: &[u8], rest: &[u8]) -> Vec<u8> {
    [&[1, 0, 9, 4, 0, 0, 0, head], columns, rest].concat()
}

const KEY: [u8; 1] = [0x28];
const ONE_UPDATE: u8 = 0b0101;

fn two_columns() -> Catalogue {
    let mut catalogue = large().0;
    catalogue.tables[0].columns.truncate(2);
    catalogue.tables[0].key = vec![ColumnId(0)];
    catalogue
}

#[test]
fn wp16_positions_are_checked_against_the_catalogue() {
    let catalogue = two_columns();
    let opened = open(&bare(ONE_UPDATE, &[1 << 1], &[KEY[0], 0x28]), &catalogue).map(|open| open.transactions);
    let field = Field { column: ColumnId(1), value: Value::Integer(0) };
    let row = RowId { table: TableId(0), key: Key(vec![Value::Integer(0)]) };
    let base = Base { seq: Seq(0), device_seq: DeviceSeq(8) };
    let change = Change { row, mutation: Mutation::Update(vec![field]), base };
    let stamp = Stamp::at(ebbtide_core::ids::Millis(1_735_689_600_000));
    assert_eq!(opened, Ok(vec![Transaction { stamp, changes: vec![change], ..Transaction::default() }]));
    let refused = |head: u8, columns: &[u8]| open(&bare(head, columns, &[KEY[0], 0x28]), &catalogue);
    assert_eq!(refused(ONE_UPDATE | 1 << 4, &[1 << 1]), Err("group: unknown table"));
    assert_eq!(refused(ONE_UPDATE, &[2 << 1]), Err("group: unknown column"));
    assert_eq!(refused(ONE_UPDATE, &[1 << 1 | 1, 0]), Err("group: unknown column"));
    assert_eq!(refused(ONE_UPDATE, &[0]), Err("group: a key column among the fields"));
    assert_eq!(refused(0b0111, &[1 << 1]), Err("conflicts in a changeset"));
}

#[test]
fn wp14_a_sealed_value_is_refused_by_name() {
    let catalogue = two_columns();
    let text = "a sealed value, which this build cannot read";
    assert_eq!(open(&bare(ONE_UPDATE, &[1 << 1], &[KEY[0], 7]), &catalogue), Err(text));
    let column = [0x02, 1, 0, 0x18, 0x15];
    let two_rows = [&[0b0001, 0, 1 << 1][..], &[0x11, 1, 0, 2], &column[4..]].concat();
    let bytes = [&[1, 0, 9, 4, 0, 0, 0][..], &two_rows].concat();
    assert_eq!(open(&bytes, &catalogue), Err(text));
}

#[test]
fn wp13_the_hash_is_sha256_and_the_chain_covers_seq_and_bytes() {
    let hex = |hash: Hash| hash.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let abc = WireCodec.hash(b"abc");
    assert_eq!(hex(abc), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let by_hand = [&abc.0[..], &7_u64.to_le_bytes(), b"commit"].concat();
    let chained = WireCodec.chain(abc, Seq(7), b"commit");
    assert_eq!(chained, WireCodec.hash(&by_hand));
    assert_ne!(chained, WireCodec.chain(abc, Seq(8), b"commit"));
    assert_eq!(chained.truncated(), ChainHash(by_hand_prefix(chained)));
}

fn by_hand_prefix(hash: Hash) -> [u8; 8] {
    std::array::from_fn(|position| hash.0[position])
}
