//! The store's own records: authors, receipts, uploads, the log, the outbox, tickets.

use super::fixture::{Fixture, open};
use crate::server::history::Place;
use crate::server::limits::PART_BYTES;
use crate::server::{OutboxPosition, Reader, Ticket};
use crate::sql::Sql;
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Decided, Reason, Receipt, Rejection, SealedCommit};
use ebbtide_core::ids::{AuthorId, DeviceSeq, Fingerprint, Hash, Incarnation, Millis, Opening, Seq};
use ebbtide_core::message::{Chunk, Then};
use ebbtide_core::server::store::{DecidedTransactions, Fate, Head, NewCommit, ServerStore};
use ebbtide_core::value::Value;

const AUTHOR: AuthorId = AuthorId(1);

fn commit(seq: u64, bytes: Vec<u8>) -> NewCommit {
    let sealed = SealedCommit {
        seq: Seq(seq),
        author: AUTHOR,
        device_seq: DeviceSeq(seq),
        as_sent: seq.is_multiple_of(2),
        decided_at: Millis(1_000 + seq),
        bytes,
    };
    NewCommit { sealed, chain: Hash([seq as u8; 32]) }
}

fn receipt(device_seq: u64, rejected: Vec<Rejection>) -> Decided {
    let receipt = Receipt {
        device_seq: DeviceSeq(device_seq),
        fingerprint: Fingerprint([device_seq as u8; 8]),
        seq: Some(Seq(7)),
        decided_at: Seq(7),
        clock_shift_ms: 5,
        as_sent: false,
        rejected,
        conflicts: 2,
    };
    Decided { hash: Hash([device_seq as u8; 32]), receipt }
}

fn chunk(index: u32, count: u32, bytes: &[u8]) -> Chunk {
    let (hash, then) = (Hash([99; 32]), Then::Wait);
    Chunk { device_seq: DeviceSeq(1), hash, total_bytes: 9, index, count, then, bytes: bytes.to_vec() }
}

pub(super) fn st51_an_author_is_remembered<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let (one, two) = (Incarnation([1; 16]), Incarnation([2; 16]));
    let mut author = fixture.event(|store| store.register(one, "ada", Millis(5)));
    assert_eq!((author.id, author.expected, author.retired), (AuthorId(1), DeviceSeq(1), false));
    assert_eq!(fixture.event(|store| store.register(two, "bob", Millis(5))).id, AuthorId(2));
    author.expected = DeviceSeq(4);
    author.applied_receipt = DeviceSeq(3);
    author.retired = true;
    fixture.event(|store| store.save_author(&author));
    assert_eq!(fixture.event(|store| store.author(one)), Some(author));
    assert_eq!(fixture.event(|store| store.author(Incarnation([3; 16]))), None);
}

pub(super) fn st52_a_receipt_is_replayed_and_then_forgotten_in_part<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let rejection = Rejection { index: 0, reason: Reason::Unique, detail: "taken".into() };
    let (plain, refused) = (receipt(1, vec![]), receipt(2, vec![rejection]));
    fixture.event(|store| {
        store.put_chunk(AUTHOR, &chunk(0, 1, b"whole...."), Millis(1))?;
        store.put_decided(AUTHOR, &plain, &DecidedTransactions::default())?;
        store.put_decided(AUTHOR, &refused, &DecidedTransactions::default())
    });
    assert_eq!(fixture.event(|store| store.decided(AUTHOR, DeviceSeq(1))), Some(plain));
    assert_eq!(fixture.event(|store| store.decided(AUTHOR, DeviceSeq(2))), Some(refused.clone()));
    assert_eq!(fixture.event(|store| store.decided(AUTHOR, DeviceSeq(3))), None);
    assert_eq!(fixture.event(|store| store.staging(AUTHOR, DeviceSeq(1))), None, "a decided number is not staged");
    fixture.event(|store| store.forget_receipts(AUTHOR, DeviceSeq(2)));
    let kept = fixture.event(|store| store.decided(AUTHOR, DeviceSeq(2))).expect("number, hash and seq stay");
    assert_eq!((kept.hash, kept.receipt.seq), (refused.hash, refused.receipt.seq));
    assert!(kept.receipt.rejected.is_empty());
}

pub(super) fn st58_decided_transactions_are_found_by_the_life_that_captured_them<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let (first, second, run) = (Incarnation([1; 16]), Incarnation([2; 16]), Opening(7));
    let stamps = |numbers: &[u64]| numbers.iter().map(|number| Stamp(*number)).collect::<Vec<_>>();
    fixture.event(|store| {
        let old = store.register(first, "ada", Millis(5))?.id;
        let new = store.register(second, "ada", Millis(5))?.id;
        for number in 1..=450 {
            let accepted = stamps(&[number * 10, number * 10 + 1]);
            let transactions = DecidedTransactions { opening: run, accepted, ..DecidedTransactions::default() };
            store.put_decided(old, &receipt(number, vec![]), &transactions)?;
        }
        let rejected = vec![(Stamp(9_002), Reason::Unique)];
        let again = DecidedTransactions { origin: Some(first), opening: run, accepted: stamps(&[9_001]), rejected };
        store.put_decided(new, &receipt(1, vec![]), &again)?;
        store.put_decided(new, &receipt(2, vec![]), &DecidedTransactions::default())
    });
    let asked = stamps(&[20, 25, 4_501, 9_000, 9_001, 9_002]);
    let found = fixture.event(|store| store.fates(first, run, &asked));
    let rejected = Fate::Rejected(Reason::Unique);
    let expected = [(20, Fate::Accepted), (4_501, Fate::Accepted), (9_001, Fate::Accepted), (9_002, rejected)];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected.map(|(stamp, fate)| (Stamp(stamp), fate)));
    let brought_back = fixture.event(|store| store.brought_back(first, run, &asked));
    assert_eq!(brought_back.into_iter().collect::<Vec<_>>(), expected.map(|(stamp, fate)| (Stamp(stamp), fate))[2..]);
    let plan = fixture.sql.clone().query(
        "EXPLAIN QUERY PLAN SELECT ids FROM _ebb_decided WHERE origin=? AND ids IS NOT NULL",
        &[Value::Blob(vec![1; 16])],
    );
    assert!(format!("{plan:?}").contains("_ebb_decided_origin"), "every changeset asks for them: {plan:?}");
    assert!(fixture.event(|store| store.fates(second, run, &asked)).is_empty(), "stamps of another life");
    assert!(fixture.event(|store| store.fates(first, Opening(8), &asked)).is_empty(), "stamps of a copy");
    assert!(fixture.event(|store| store.fates(first, run, &[])).is_empty());
}

pub(super) fn st53_chunks_come_in_any_order<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let put = |chunk: Chunk| fixture.event(|store| store.put_chunk(AUTHOR, &chunk, Millis(1)));
    let next = || fixture.event(|store| store.staging(AUTHOR, DeviceSeq(1))).expect("staged").next_chunk;
    put(chunk(1, 3, b"def"));
    assert_eq!(next(), 0);
    put(chunk(0, 3, b"abc"));
    assert_eq!(next(), 2);
    put(chunk(0, 3, b"abc"));
    put(chunk(2, 3, b"ghi"));
    assert_eq!(next(), 3);
    assert_eq!(fixture.event(|store| store.staged_bytes(AUTHOR, DeviceSeq(1))), b"abcdefghi");
    fixture.event(|store| store.set_prepared(AUTHOR, DeviceSeq(1)));
    assert!(fixture.event(|store| store.staging(AUTHOR, DeviceSeq(1))).expect("staged").prepared);
    fixture.event(|store| store.drop_stage(AUTHOR, DeviceSeq(1)));
    assert_eq!(fixture.event(|store| store.staging(AUTHOR, DeviceSeq(1))), None);
    assert!(fixture.event(|store| store.staged_bytes(AUTHOR, DeviceSeq(1))).is_empty());
}

pub(super) fn st53_old_uploads_expire<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let (old, young) = (AuthorId(1), AuthorId(2));
    fixture.event(|store| {
        store.put_chunk(old, &chunk(0, 3, b"abc"), Millis(1))?;
        store.put_chunk(young, &chunk(0, 3, b"abc"), Millis(50))?;
        store.expire_stages(Millis(50))
    });
    assert_eq!(fixture.event(|store| store.staging(old, DeviceSeq(1))), None);
    assert!(fixture.event(|store| store.staging(young, DeviceSeq(1))).is_some());
    assert_eq!(fixture.event(|store| store.staged_bytes(young, DeviceSeq(1))), b"abc");
}

pub(super) fn st54_the_log_is_read_in_bounded_pages<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    assert_eq!(fixture.event(|store| store.head()), Head::default());
    assert_eq!(fixture.event(|store| store.chain_at(Seq(0))), Some(Hash::default()));
    let commits: Vec<_> = (1..=5).map(|seq| commit(seq, vec![seq as u8; 10])).collect();
    fixture.event(|store| commits.iter().try_for_each(|commit| store.append(commit)));
    assert_eq!(fixture.event(|store| store.head()), Head { seq: Seq(5), chain: Hash([5; 32]) });
    assert_eq!(fixture.event(|store| store.chain_at(Seq(3))), Some(Hash([3; 32])));
    assert_eq!(fixture.event(|store| store.chain_at(Seq(6))), None);
    assert_eq!(fixture.event(|store| store.chain_at(Seq(u64::MAX))), None);
    let page = |after, bytes, count| fixture.event(|store| store.commits(Seq(after), bytes, count));
    assert_eq!(page(0, 1_000, 1_000), commits.iter().map(|commit| commit.sealed.clone()).collect::<Vec<_>>());
    assert_eq!(page(2, 25, 1_000).len(), 2);
    assert_eq!(page(2, 1, 1_000).len(), 1, "at least one, however large");
    assert_eq!(page(0, 1_000, 3).len(), 3);
    assert_eq!(page(5, 1_000, 3).len(), 0);
    assert_eq!(page(u64::MAX, 1_000, 3).len(), 0);
}

pub(super) fn st54_a_large_commit_is_kept_in_parts<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let bytes: Vec<u8> = (0..PART_BYTES * 2 + 100).map(|place| (place % 251) as u8).collect();
    fixture.event(|store| store.append(&commit(1, bytes.clone())));
    let page = fixture.event(|store| store.commits(Seq(0), 1, 1));
    assert!(page[0].bytes == bytes, "the parts add up");
}

pub(super) fn st54_a_commit_out_of_order_is_refused<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    assert!(fixture.try_event(|store| store.append(&commit(2, vec![1]))).is_err());
    fixture.event(|store| store.append(&commit(1, vec![1])));
    assert!(fixture.try_event(|store| store.append(&commit(1, vec![1]))).is_err());
    assert_eq!(fixture.event(|store| store.head()).seq, Seq(1));
}

pub(super) fn st55_the_outbox_moves_forward_only<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.event(|store| {
        store.register(Incarnation([1; 16]), "ada", Millis(1))?;
        store.append(&commit(1, vec![1]))?;
        store.append(&commit(2, vec![2]))
    });
    let position = || fixture.event(|store| store.outbox_position(Reader::History));
    let acknowledge =
        |seq, part| fixture.event(|store| store.acknowledge(Reader::History, OutboxPosition { seq: Seq(seq), part }));
    let next = || {
        fixture.event(|store| {
            let position = store.outbox_position(Reader::History)?;
            store.next_undelivered(position)
        })
    };
    assert_eq!(position(), OutboxPosition::default());
    let first = next().expect("a commit");
    assert_eq!((first.sealed.seq, first.author.user.as_str()), (Seq(1), "ada"));
    acknowledge(0, 3);
    assert_eq!(next().expect("still the first").sealed.seq, Seq(1));
    acknowledge(1, 0);
    acknowledge(0, 9);
    assert_eq!(position(), OutboxPosition { seq: Seq(1), part: 0 });
    assert_eq!(next().expect("the second").sealed.seq, Seq(2));
    acknowledge(2, 0);
    assert!(next().is_none());
}

pub(super) fn sv214_the_history_goes_on_where_d1_is_or_where_the_log_begins<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.event(|store| (1..=9).try_for_each(|seq| store.append(&commit(seq, vec![seq as u8]))));
    let at = |seq, part| OutboxPosition { seq: Seq(seq), part };
    let place = |seq, part| fixture.event(|store| store.place_of(at(seq, part)));
    let position = || fixture.event(|store| store.outbox_position(Reader::History));
    let resume = |found: &Place| fixture.event(|store| store.resume_history(found));
    let lost = |seq| Place::new(at(seq, 0), Some(Hash([99; 32])));
    fixture.event(|store| store.acknowledge(Reader::History, at(5, 0)));

    assert_eq!((resume(&place(7, 0)), position()), (None, at(7, 0)), "it had taken more than was known");
    assert_eq!((resume(&place(2, 3)), position()), (None, at(2, 3)), "it was set back");
    assert_eq!(place(2, 3).chain, place(3, 0).chain, "what a commit is delivered in parts of");
    for (found, what) in
        [(lost(8), "the space was set back"), (lost(12), "further than its end"), (lost(2), "both were")]
    {
        fixture.event(|store| store.acknowledge(Reader::History, at(5, 0)));
        assert_eq!((resume(&found), position()), (Some(Place::default()), at(0, 0)), "{what}");
    }
    fixture.event(|store| store.acknowledge(Reader::History, at(5, 0)));
    assert_eq!((resume(&Place::default()), position()), (None, at(0, 0)), "it is another one");
    let unknown = Place { position: at(50, 0), chain: None };
    assert_eq!((resume(&unknown), position()), (Some(Place::default()), at(0, 0)), "nobody knows of what");
}

pub(super) fn st160_each_reader_of_the_log_has_a_position_of_its_own<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.event(|store| {
        store.register(Incarnation([1; 16]), "ada", Millis(1))?;
        store.append(&commit(1, vec![1]))
    });
    let position = |reader| fixture.event(|store| store.outbox_position(reader));
    let begin = || fixture.event(|store| store.begin_at_head(Reader::App));
    begin();
    assert_eq!(position(Reader::App), OutboxPosition { seq: Seq(1), part: 0 }, "it begins with what comes");
    assert_eq!(position(Reader::History), OutboxPosition::default());
    fixture.event(|store| store.append(&commit(2, vec![2])));
    begin();
    assert_eq!(position(Reader::App).seq, Seq(1), "and only once");
    fixture.event(|store| store.acknowledge(Reader::App, OutboxPosition { seq: Seq(2), part: 0 }));
    assert_eq!((position(Reader::App).seq, position(Reader::History).seq), (Seq(2), Seq(0)));
}

pub(super) fn st56_a_ticket_is_good_once<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let ticket =
        |digest: u8, expires_at| Ticket { digest: vec![digest], holder: "ada".into(), expires_at: Millis(expires_at) };
    let redeem = |digest: u8, now| fixture.event(|store| store.redeem_ticket(&[digest], Millis(now)));
    fixture.event(|store| {
        store.issue_ticket(&ticket(1, 100), Millis(0))?;
        store.issue_ticket(&ticket(2, 100), Millis(0))
    });
    assert_eq!(redeem(1, 99), Some("ada".into()));
    assert_eq!(redeem(1, 99), None);
    assert_eq!(redeem(2, 100), None, "expired");
    assert_eq!(redeem(3, 0), None);
}

pub(super) fn st57_opening_again_finds_everything<S: Sql + Clone>(sql: S) {
    let mut fixture = Fixture::new(sql);
    let row = fixture.put("bare", "x", vec![]);
    fixture.write(std::slice::from_ref(&row));
    fixture.event(|store| store.set_space_name("clinic-7"));
    let again = open(&mut fixture.sql);
    assert_eq!(again.catalogue(), fixture.catalogue());
    fixture.space = again;
    assert!(fixture.exists(fixture.row("bare", "x")));
    assert_eq!(fixture.event(|store| store.space_name()), Some("clinic-7".into()));
    let version = fixture.catalogue().version;
    assert_eq!(fixture.event(|store| store.catalogue_at(version)).as_ref(), Some(&*fixture.catalogue()));
}

pub(super) fn st54_what_was_taken_back_is_not_remembered<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.event(|store| {
        store.append(&commit(1, vec![1]))?;
        let undone: Result<(), ()> = store.savepoint(|store| {
            store.append(&commit(2, vec![2])).expect("appends");
            assert_eq!(store.head().expect("storage").seq, Seq(2));
            assert_eq!(store.commits(Seq(1), 100, 100).expect("storage").len(), 1);
            Err(())
        })?;
        assert!(undone.is_err());
        assert_eq!(store.head()?.seq, Seq(1));
        assert_eq!(store.chain_at(Seq(2))?, None);
        assert_eq!(store.commits(Seq(1), 100, 100)?.len(), 0);
        store.append(&commit(2, vec![3]))?;
        assert_eq!(store.commits(Seq(1), 100, 100)?[0].bytes, vec![3]);
        Ok(())
    });
}
