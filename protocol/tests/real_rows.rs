//! What 10,000 real rows take on the wire: names with accents and apostrophes, coordinates of all precisions, gaps.
//! The list is the one that the bench inserts.
//! Run by `cargo test -p ebbtide-protocol`.

mod support;

use ebbtide_core::codec::Codec;
use ebbtide_core::ids::DeviceSeq;
use ebbtide_protocol::WireCodec;
use support::facilities;

/// The bar is 330 KB; the bound stands close above what is reached, so that a loss is noticed.
const MOST_BYTES: usize = 228_000;

#[test]
fn wp05_ten_thousand_real_rows_are_small() {
    let rows = facilities::read(facilities::IN_REPOSITORY);
    let catalogue = facilities::catalogue(10);
    assert_eq!(rows.len(), 10_000);
    let changeset = facilities::changeset(&rows);
    let sealed = WireCodec.seal(&changeset, &catalogue).bytes;
    assert!(sealed.len() <= MOST_BYTES, "{} bytes", sealed.len());
    assert!(sealed.len() * 10 <= facilities::gzip_len(&rows, 9) * 7, "no more than 0.7 of gzip'd CSV");
    assert!(WireCodec.open(&sealed, DeviceSeq(1), &catalogue) == Ok(changeset), "other rows came back");
    let commit = facilities::commit(&rows);
    let packed = WireCodec.seal_commit(&commit, &catalogue);
    assert!(packed.len() <= MOST_BYTES, "{} bytes", packed.len());
    assert!(WireCodec.open_commit(&packed, &catalogue) == Ok(commit), "other rows came back");
}
