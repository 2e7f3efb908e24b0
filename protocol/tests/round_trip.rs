//! Whatever is packed comes back: changesets, commits, receipts and messages of any shape.
//! It knows the canonical order from `support` and looks at no byte.
//! Run by `cargo test -p ebbtide-protocol`.

mod support;

use ebbtide_core::codec::Codec;
use ebbtide_protocol::{
    WireCodec, decode_client, decode_receipt, decode_server, encode_client, encode_receipt, encode_server,
};
use proptest::prelude::*;
use support::{Random, messages};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wp04_a_changeset_comes_back_in_canonical_order(
        seed in any::<u64>(), transactions in 0_usize..6, changes in 0_usize..120,
    ) {
        let mut random = Random(seed);
        let catalogue = support::catalogue(&mut random);
        let changeset = support::changeset(&mut random, &catalogue, transactions, changes);
        let sealed = WireCodec.seal(&changeset, &catalogue);
        let opened = WireCodec.open(&sealed.bytes, changeset.device_seq, &catalogue);
        prop_assert!(opened == Ok(support::canonical(changeset)), "another changeset came back");
    }

    #[test]
    fn wp06_sealing_what_was_opened_gives_the_same_bytes(
        seed in any::<u64>(), transactions in 0_usize..8, changes in 0_usize..40,
    ) {
        let mut random = Random(seed);
        let catalogue = support::catalogue(&mut random);
        let changeset = support::changeset(&mut random, &catalogue, transactions, changes);
        let sealed = WireCodec.seal(&changeset, &catalogue);
        let opened = WireCodec.open(&sealed.bytes, changeset.device_seq, &catalogue).expect("sealed bytes open");
        prop_assert_eq!(WireCodec.seal(&opened, &catalogue), sealed.clone());
        prop_assert_eq!(WireCodec.seal(&changeset, &catalogue), sealed);
    }

    #[test]
    fn wp04_a_commit_comes_back_in_canonical_order(
        seed in any::<u64>(), outcomes in 0_usize..300, conflicts in 0_usize..12,
    ) {
        let mut random = Random(seed);
        let catalogue = support::catalogue(&mut random);
        let commit = support::commit(&mut random, &catalogue, outcomes, conflicts);
        let bytes = WireCodec.seal_commit(&commit, &catalogue);
        let opened = WireCodec.open_commit(&bytes, &catalogue).expect("packed commits open");
        prop_assert_eq!(&WireCodec.seal_commit(&opened, &catalogue), &bytes);
        prop_assert!(opened == support::canonical_commit(commit), "another commit came back");
    }

    #[test]
    fn wp04_messages_come_back(seed in any::<u64>(), count in 0_u64..30) {
        let mut random = Random(seed);
        let first = random.below(9);
        let client: Vec<_> = (0..count).map(|kind| messages::client(&mut random, first + kind)).collect();
        prop_assert_eq!(decode_client(&encode_client(&client)), Ok(client));
        let server: Vec<_> = (0..count).map(|kind| messages::server(&mut random, first + kind)).collect();
        prop_assert_eq!(decode_server(&encode_server(&server)), Ok(server));
    }

    #[test]
    fn wp15_a_receipt_is_kept_as_bytes(seed in any::<u64>()) {
        let receipt = messages::receipt(&mut Random(seed));
        let bytes = encode_receipt(&receipt);
        prop_assert_eq!(&encode_receipt(&receipt), &bytes);
        prop_assert_eq!(decode_receipt(&bytes), Ok(receipt));
    }
}
