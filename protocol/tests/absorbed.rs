//! What a changeset says of transactions that disappeared into others: bounded, in one order only, and naming what is there.
//! The bytes are cut out of what the packer makes, so that only the list of ids is wrong.

use ebbtide_core::catalogue::{Catalogue, Column, Table};
use ebbtide_core::change::{Changeset, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::ids::*;
use ebbtide_protocol::WireCodec;

fn catalogue() -> Catalogue {
    let columns = ["id", "name"].map(|name| Column { name: name.into(), ..Column::default() }).to_vec();
    let table = Table { name: "visit".into(), columns, key: vec![ColumnId(0)], ..Table::default() };
    Catalogue { version: SchemaVersion(1), tables: vec![table], ..Catalogue::default() }
}

fn stamp(ms: u64) -> Stamp {
    Stamp::at(Millis(1_735_689_600_000 + ms))
}

/// Two transactions at 10 and 20 ms, and what disappeared into each.
fn changeset(absorbed: [&[u64]; 2]) -> Changeset {
    let transaction = |(at, earlier): (u64, &[u64])| {
        let absorbed = earlier.iter().map(|ms| stamp(*ms)).collect();
        Transaction { stamp: stamp(at), absorbed, ..Transaction::default() }
    };
    Changeset {
        device_seq: DeviceSeq(1),
        schema: SchemaVersion(1),
        origin: None,
        opening: Opening(7),
        transactions: [10, 20].into_iter().zip(absorbed).map(transaction).collect(),
    }
}

fn reopened(absorbed: [&[u64]; 2]) -> Result<Changeset, &'static str> {
    let sealed = WireCodec.seal(&changeset(absorbed), &catalogue());
    WireCodec.open(&sealed.bytes, DeviceSeq(1), &catalogue()).map_err(|malformed| malformed.what)
}

#[test]
fn wp04_what_disappeared_comes_back_with_those_that_stand_for_it() {
    for absorbed in [[&[][..], &[]], [&[1, 2, 9], &[]], [&[], &[3, 19]], [&[0], &[1, 15]]] {
        assert_eq!(reopened(absorbed), Ok(changeset(absorbed)));
    }
}

#[test]
fn wp08_what_disappeared_out_of_order_or_twice_or_later_is_malformed() {
    let wrong = Err("notes: transactions that disappeared, out of order");
    for absorbed in [[&[2, 1][..], &[]], [&[1, 1], &[]], [&[10], &[]], [&[11], &[]], [&[], &[21]]] {
        assert_eq!(reopened(absorbed), wrong, "{absorbed:?}");
    }
}

#[test]
fn wp08_what_disappeared_into_nothing_is_malformed() {
    let bytes = WireCodec.seal(&changeset([&[], &[5]]), &catalogue()).bytes;
    let open = |bytes: &[u8]| WireCodec.open(bytes, DeviceSeq(1), &catalogue()).map_err(|malformed| malformed.what);
    // The end: how many, then places, milliseconds and counters, each a form and a number.
    let places = bytes.len() - 5;
    let with = |at: usize, byte: u8| [&bytes[..at], &[byte], &bytes[at + 1..]].concat();
    assert_eq!(bytes[places - 2..places + 1], [1, 0, 2], "one of them, all at the second place");
    assert_eq!(open(&with(places, 4)), Err("notes: unknown transaction"));
    assert_eq!(open(&with(places, 1)), Err("notes: unknown transaction"), "before the first");
    let none = [&bytes[..places - 2], &[0]].concat();
    assert_eq!(open(&none), Err("notes: nothing said at length"));
    let many = [&bytes[..places - 2], &[0xff, 0xff, 0xff, 0x7f], &bytes[places - 1..]].concat();
    assert!(open(&many).is_err(), "not believed before it is paid for");
}
