//! Cases: the session's records and the log that it seals.
//! The session itself is played.
//! Rules ST-24 to ST-28.

use super::words::{NOW, Speak, open, reopen, row, step, text};
use ebbtide_core::change::{LoggedTransaction, Sealed};
use ebbtide_core::client::SpaceName;
use ebbtide_core::client::store::{
    ClientStore, Inherited, Kept, Progress, RejectedTransaction, ServerRow, SnapshotState, StagedPart, Waiting,
};
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Reason, Receipt};
use ebbtide_core::ids::{ChainHash, Cursor, DeviceSeq, Fingerprint, Hash, Incarnation, LogId, Seq, TableId, View};
use ebbtide_core::message::{HeldParts, Part, Token};
use ebbtide_core::value::{Key, Value};
use rusqlite::Connection;

const NOTE: &str = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT, rank INTEGER UNIQUE)";

fn receipt(device_seq: u64) -> Receipt {
    Receipt {
        device_seq: DeviceSeq(device_seq),
        fingerprint: Fingerprint([9; 8]),
        seq: Some(Seq(3)),
        decided_at: Seq(3),
        clock_shift_ms: 0,
        as_sent: true,
        rejected: vec![],
        conflicts: 0,
    }
}

fn sealed(device_seq: u64) -> Sealed {
    Sealed { device_seq: DeviceSeq(device_seq), bytes: vec![device_seq as u8; 10], hash: Hash([9; 32]) }
}

pub fn st24_the_log_is_sealed_in_order_and_dropped_with_its_changeset(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 't', 1)");
    db.run("UPDATE note SET title = 'u'");
    db.run("INSERT INTO note VALUES ('b', 't', 2)");
    let open_log = step(&mut db, |store| store.unsealed(usize::MAX, 2));
    assert_eq!(open_log.len(), 2);
    assert!(open_log[0].stamp < open_log[1].stamp);
    step(&mut db, |store| store.put_sealed(&sealed(1), 2, open_log[1].id));
    assert_eq!(step(&mut db, |store| store.unsealed(1, 9)).len(), 1);
    assert_eq!(step(&mut db, |store| store.waiting()), Waiting { pending: 3, unsealed: 1, ..Waiting::default() });
    assert_eq!(step(&mut db, |store| store.sealed_log(Some(DeviceSeq(1)))), open_log);
    assert_eq!(step(&mut db, |store| store.sealed_log(None)), open_log);
    let pending = step(&mut db, |store| store.pending_changes(&[row(0, "b"), row(0, "a"), row(0, "x")]));
    assert_eq!(pending.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 0]);
    db.run("UPDATE note SET title = 'v' WHERE id = 'a'");
    step(&mut db, |store| store.set_blocked(&[LogId(3)]));
    let pending = step(&mut db, |store| store.pending_changes(&[row(0, "b"), row(0, "a")]));
    assert_eq!(pending.iter().map(Vec::len).collect::<Vec<_>>(), [0, 3]);
    step(&mut db, |store| store.drop_sealed(DeviceSeq(1)));
    let pending = step(&mut db, |store| store.pending_changes(&[row(0, "b"), row(0, "a")]));
    assert_eq!(pending.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(step(&mut db, |store| store.blocked()), [LogId(3)]);
    step(&mut db, |store| store.put_sealed(&sealed(2), 2, LogId(4)));
    step(&mut db, |store| store.drop_sealed(DeviceSeq(2)));
    assert_eq!(step(&mut db, |store| store.waiting()), Waiting::default());
    db.run("UPDATE note SET title = 'w' WHERE id = 'a'");
    let pending = step(&mut db, |store| store.pending_changes(&[row(0, "a")]));
    assert_eq!(pending[0].len(), 1, "ids may be given out again");
    assert_eq!(step(&mut db, |store| store.unsealed(usize::MAX, 9)).len(), 1);
}

pub fn st178_accepted_changesets_are_kept_beside_each_other_until_they_are_taken(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 't', 1)");
    step(&mut db, |store| store.put_sealed(&sealed(1), 1, LogId(1)));
    let other = Kept { life: Incarnation([5; 16]), device_seq: DeviceSeq(0), refused: vec![2, 3], bytes: vec![7; 3] };
    step(&mut db, |store| store.keep_sealed(&receipt(1)));
    step(&mut db, |store| store.keep(&other));
    let life = step(&mut db, |store| store.device()).incarnation;
    let own = Kept { life, device_seq: DeviceSeq(1), refused: vec![], bytes: sealed(1).bytes };
    assert_eq!(step(&mut db, |store| store.take_kept()), [own, other]);
    assert_eq!(step(&mut db, |store| store.take_kept()), []);
}

pub fn st72_a_snapshot_is_kept_in_pieces_and_keys_are_listed_in_order(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    let upto = Cursor { seq: Seq(7), chain: ChainHash([1; 8]), view: View([0; 8]) };
    let state = SnapshotState { token: Token::default(), complete: true, upto };
    let parts = [StagedPart::Page(vec![1, 2]), StagedPart::Commit(Seq(8), vec![3]), StagedPart::LastPage(vec![])];
    assert_eq!(step(&mut db, |store| store.snapshot()), None);
    step(&mut db, |store| store.set_snapshot(&state));
    step(&mut db, |store| parts.iter().try_for_each(|part| store.stage(part)));
    let mut db = reopen(db, &[NOTE], &["note"]);
    assert_eq!(step(&mut db, |store| store.snapshot()), Some(state));
    let (mut after, mut found) = (0, Vec::new());
    while let Some((number, part)) = step(&mut db, |store| store.staged_after(after)) {
        after = number;
        found.push(part);
    }
    assert_eq!(found, parts);
    step(&mut db, |store| store.drop_snapshot());
    assert_eq!(step(&mut db, |store| store.staged_after(0)), None);
    assert_eq!(step(&mut db, |store| store.snapshot()), None);
    for id in ["b", "B", "ä", "a", ""] {
        db.run(&format!("INSERT INTO note (id) VALUES ('{id}')"));
    }
    let keys = |db: &mut _, after: Option<&Key>, limit| step(db, |store| store.keys(TableId(0), after, limit));
    let first = keys(&mut db, None, 3);
    assert_eq!(first, ["", "B", "a"].map(|id| Key(vec![text(id)])));
    assert_eq!(keys(&mut db, first.last(), 3), ["b", "ä"].map(|id| Key(vec![text(id)])));
}

pub fn st71_a_new_life_inherits_what_waits(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    for rank in 1..=3 {
        db.run(&format!("INSERT INTO note VALUES ('{rank}', 't', {rank})"));
    }
    let log = step(&mut db, |store| store.unsealed(usize::MAX, 9));
    step(&mut db, |store| store.put_sealed(&sealed(1), 2, log[1].id));
    let first = step(&mut db, |store| store.device()).incarnation;
    let second = step(&mut db, |store| store.mint());
    assert_ne!(second, first);
    step(&mut db, |store| store.reopen_log(first));
    assert_eq!(step(&mut db, |store| store.sealed()), []);
    assert_eq!(step(&mut db, |store| store.waiting()).unsealed, 3);
    db.run("INSERT INTO note VALUES ('4', 't', 4)");
    let inherited = step(&mut db, |store| store.inherited());
    let of_first = |t: &LoggedTransaction| Inherited { origin: first, opening: t.opening, stamp: t.stamp, id: t.id };
    let expected: Vec<_> = log.iter().map(of_first).collect();
    assert_eq!(inherited, expected, "what is written afterwards is of the new life");
    step(&mut db, |store| store.reopen_log(second));
    let origins =
        step(&mut db, |store| store.unsealed(usize::MAX, 9)).into_iter().map(|transaction| transaction.origin);
    assert_eq!(origins.collect::<Vec<_>>(), [first, first, first, second].map(Some), "an origin stays what it was");
    step(&mut db, |store| store.drop_transactions(&[log[0].id, log[2].id]));
    let pending = step(&mut db, |store| store.pending_changes(&[row(0, "1"), row(0, "2"), row(0, "3"), row(0, "4")]));
    assert_eq!(pending.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 0, 1]);
}

pub fn st175_what_is_to_go_apart_and_what_stands_for_others_is_told_in_the_log(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    for rank in 1..=3 {
        db.run(&format!("INSERT INTO note VALUES ('{rank}', 't', {rank})"));
    }
    let log = step(&mut db, |store| store.unsealed(usize::MAX, 9));
    for (number, upto) in [(1, &log[1]), (2, &log[2])] {
        step(&mut db, |store| store.put_sealed(&sealed(number), 1, upto.id));
    }
    step(&mut db, |store| store.reopen_apart(DeviceSeq(2)));
    assert_eq!(step(&mut db, |store| store.waiting()).unsealed, 1);
    step(&mut db, |store| store.reopen_apart(DeviceSeq(1)));
    let apart = |transaction: &LoggedTransaction| LoggedTransaction { apart: true, ..transaction.clone() };
    let reopened: Vec<LoggedTransaction> = log.iter().map(apart).collect();
    assert_eq!(step(&mut db, |store| store.unsealed(usize::MAX, 9)), reopened, "nothing else of it changes");
    assert_eq!(step(&mut db, |store| store.sealed()), []);
    let revived = LoggedTransaction {
        id: LogId(1),
        origin: Some(Incarnation([7; 16])),
        absorbed: vec![Stamp(1), Stamp(u64::MAX >> 1)],
        ..log[0].clone()
    };
    step(&mut db, |store| store.prepend_log(std::slice::from_ref(&revived)));
    db.run("INSERT INTO note VALUES ('4', 't', 4)");
    let mut db = reopen(db, &[NOTE], &["note"]);
    let after = step(&mut db, |store| store.unsealed(usize::MAX, 9));
    assert_eq!(after[0], revived);
    assert!(after[1..4].iter().all(|transaction| transaction.apart && transaction.absorbed.is_empty()));
    assert!(!after[4].apart, "what is written afterwards may be folded");
}

pub fn st25_changesets_keep_their_progress_and_their_receipt(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    for number in 1..=2 {
        db.run("INSERT INTO note (id) VALUES (uuidv7())");
        step(&mut db, |store| store.put_sealed(&sealed(number), 1, LogId(number as i64)));
    }
    step(&mut db, |store| store.set_progress(DeviceSeq(2), Progress::Staging { next_chunk: 7 }));
    step(&mut db, |store| store.put_receipt(&receipt(1)));
    let entries = step(&mut db, |store| store.sealed());
    assert_eq!(
        entries.iter().map(|entry| entry.progress).collect::<Vec<_>>(),
        [Progress::Committed, Progress::Staging { next_chunk: 7 }]
    );
    assert_eq!((entries[0].receipt.clone(), entries[0].total_bytes), (Some(receipt(1)), 10));
    assert_eq!(step(&mut db, |store| store.sealed_bytes(DeviceSeq(2))), [2; 10]);
}

pub fn st26_the_devices_record_and_clock_survive_reopening_and_a_failed_step_changes_neither(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    let mut state = step(&mut db, |store| store.device());
    assert_eq!((state.incarnation, state.next_device_seq), (Incarnation([7; 16]), DeviceSeq(1)));
    state.cursor = Cursor { seq: Seq(9), chain: ChainHash([1; 8]), view: View([2; 8]) };
    state.next_device_seq = DeviceSeq(4);
    state.last_decided = Some((DeviceSeq(3), Hash([3; 32])));
    state.previous = Some(Incarnation([4; 16]));
    state.recovering = true;
    state.space = Some(SpaceName("clinic 7".into()));
    state.trail = vec![(Seq(3), ChainHash([5; 8])), (Seq(9), ChainHash([1; 8]))];
    let seen = Stamp(u64::MAX >> 2);
    step(&mut db, |store| store.set_device(&state).and_then(|()| store.observe(seen)));
    let failed: Result<(), _> = db
        .sync_step(NOW, |store| {
            store.set_device(&Default::default()).unwrap();
            Err(())
        })
        .unwrap();
    assert!(failed.is_err());
    let mut db = reopen(db, &[NOTE], &["note"]);
    assert_eq!(step(&mut db, |store| store.device()), state);
    db.run("INSERT INTO note (id) VALUES ('a')");
    let logged = step(&mut db, |store| store.unsealed(usize::MAX, 1));
    assert!(logged[0].stamp > seen);
    assert_eq!((logged[0].base.seq, logged[0].base.device_seq), (Seq(9), DeviceSeq(3)));
}

pub fn st27_records_are_kept(connection: Connection) {
    let mut db = open(connection, &[NOTE], &["note"]);
    let kept = ServerRow::Kept(Some(vec![text("s"), Value::Null]));
    step(&mut db, |store| {
        assert!(!store.keeps_server_rows()?);
        store.set_server_row(&row(0, "a"), kept.clone())?;
        store.set_server_row(&row(0, "b"), ServerRow::Kept(None))?;
        store.put_rejected(&RejectedTransaction {
            stamp: Stamp(1),
            device_seq: DeviceSeq(1),
            reason: Reason::Unique,
            detail: "note.rank".into(),
            changes: vec![],
            resolutions: vec![],
        })
    });
    step(&mut db, |store| {
        assert!(store.keeps_server_rows()?);
        assert_eq!(store.server_row(&row(0, "a"))?, kept);
        assert_eq!(store.server_row(&row(0, "b"))?, ServerRow::Kept(None));
        store.set_server_row(&row(0, "b"), ServerRow::Derived)?;
        assert_eq!(store.server_row(&row(0, "b"))?, ServerRow::Derived);
        assert_eq!(store.waiting()?.rejected, 1);
        Ok(())
    });
}

pub fn st28_pieces_of_a_commit_are_kept_until_the_last(connection: Connection) {
    let part = |seq: u64, index: u32, count: u32| Part {
        from: Seq(seq - 1),
        seq: Seq(seq),
        chain: ChainHash::default(),
        own: None,
        index,
        count,
        bytes: vec![index as u8; 2],
    };
    let mut db = open(connection, &[NOTE], &["note"]);
    step(&mut db, |store| {
        store.put_part(&part(5, 1, 2))?;
        assert_eq!(store.take_parts(Seq(5), 2)?, None);
        store.put_part(&part(6, 1, 2))?;
        assert_eq!(store.held_parts()?, None, "the first is missing");
        store.put_part(&part(6, 0, 2))?;
        assert_eq!(store.take_parts(Seq(5), 2)?, None);
        assert_eq!(store.take_parts(Seq(6), 2)?, Some(vec![0, 0, 1, 1]));
        assert_eq!(store.take_parts(Seq(6), 2)?, None);
        assert_eq!(store.held_parts()?, None);
        (0..3).try_for_each(|index| store.put_part(&part(7, index, 5)))?;
        let held = HeldParts { seq: Seq(7), chain: ChainHash::default(), count: 5, next: 3 };
        assert_eq!(store.held_parts()?, Some(held));
        let other = Part { chain: ChainHash([9; 8]), ..part(7, 3, 5) };
        store.put_part(&other)?;
        assert_eq!(store.held_parts()?, None, "nothing of another history is put together with this one");
        Ok(())
    });
}

pub fn st29_what_waits_follows_a_migration(connection: Connection) {
    let first = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, a, gone, b); CREATE TABLE lost (id TEXT PRIMARY KEY NOT NULL)";
    let mut db = open(connection, &[first], &["note", "lost"]);
    db.run("INSERT INTO note VALUES ('n', 1, 2, 3)");
    db.run("UPDATE note SET gone = 9");
    db.run("UPDATE note SET gone = 10, b = 4");
    db.run("INSERT INTO lost VALUES ('l')");
    // Row ids of `note` are table 1 now, as `lost` comes first.
    let kept = ServerRow::Kept(Some(vec![Value::Integer(7), Value::Integer(8), Value::Integer(9)]));
    step(&mut db, |store| store.set_server_row(&row(1, "n"), kept.clone()));
    let second = "ALTER TABLE note DROP COLUMN gone; ALTER TABLE note ADD COLUMN c INTEGER DEFAULT 5; DROP TABLE lost;
        CREATE TABLE aaa (id TEXT PRIMARY KEY NOT NULL); CREATE TABLE zzz (id TEXT PRIMARY KEY NOT NULL)";
    let mut db = reopen(db, &[first, second], &["aaa", "note", "zzz"]);
    assert_eq!(db.log(), [r#"note|["n"]|insert|null|{"a":1,"b":3,"c":5}"#, r#"note|["n"]|update|{"b":3}|{"b":4}"#,]);
    let log = step(&mut db, |store| store.unsealed(usize::MAX, usize::MAX));
    assert!(log.len() == 4 && log.iter().all(|transaction| transaction.schema.migrations() == 2));
    let moved = ServerRow::Kept(Some(vec![Value::Integer(7), Value::Integer(9), Value::Integer(5)]));
    assert_eq!(step(&mut db, |store| store.server_row(&row(1, "n"))), moved);
    assert_eq!(step(&mut db, |store| store.pending_changes(&[row(1, "n")]))[0].len(), 2);
    // Joining another table without a migration moves positions, too.
    let mut db = reopen(db, &[first, second], &["note"]);
    assert_eq!(step(&mut db, |store| store.pending_changes(&[row(0, "n")]))[0].len(), 2);
}
