//! Cases: the queue of open conflicts on a device, and choices that wait to be sent.
//! The session is played.
//! Rules ST-60, ST-61 and ST-170.

use super::words::{NOW, Speak, open, reopen, row, step, text};
use crate::local::{Choice, DbErrorCode, LocalDatabase, Wanted};
use ebbtide_core::change::{Field, LoggedMutation, Sealed};
use ebbtide_core::client::store::ClientStore;
use ebbtide_core::clock::Stamp;
use ebbtide_core::conflict::{
    AuthorName, Claim, Claimed, ClosedConflict, Closing, ConflictId, OpenConflict, QueueChange, QueueState, Resolution,
};
use ebbtide_core::ids::{AuthorId, ColumnId, DeviceSeq, Hash, Incarnation, LogId, Millis, Seq};
use ebbtide_core::value::Value;
use rusqlite::Connection;

const NOTE: &str = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT, rank INTEGER CHECK (rank > 0))";
const ID: ConflictId = ConflictId { seq: Seq(8), index: 1 };

fn claim(author: u32, claimed: Claimed) -> Claim {
    Claim { claimed, author: AuthorId(author), device_seq: DeviceSeq(1), stamp: Stamp::at(Millis(5)) }
}

fn conflict(id: ConflictId) -> OpenConflict {
    let sides = vec![claim(1, Claimed::Value(text("one"))), claim(2, Claimed::Value(Value::Null))];
    let state = QueueState { changed: Seq(8), by: AuthorId(2), before: Seq(8) };
    let base = Some(Claimed::Value(text("")));
    OpenConflict { id, row: row(0, "a"), column: Some(ColumnId(1)), base, sides, opened_at: Millis(9), state }
}

/// A note `a` in dispute; this device is author 2.
fn disputed(connection: Connection) -> LocalDatabase {
    let mut db = open(connection, &[NOTE], &["note"]);
    db.run("INSERT INTO note VALUES ('a', 'one', 1)");
    step(&mut db, |store| {
        let mut device = store.device()?;
        device.author = Some(AuthorId(2));
        store.set_device(&device)?;
        let author = |id: u32, user: &str| AuthorName {
            id: AuthorId(id),
            incarnation: Incarnation([id as u8; 16]),
            user: user.into(),
        };
        store.put_authors(&[author(1, "ann"), author(2, "bob")])?;
        store.change_queue(&[QueueChange::Opened(conflict(ID))])
    });
    db
}

pub fn st60_the_queue_follows_the_commits_and_is_listed_with_names(connection: Connection) {
    let mut db = disputed(connection);
    let listed = db.open_conflicts().unwrap().remove(0);
    assert_eq!((listed.id, listed.table.as_str(), listed.column.as_deref()), (ID, "note", Some("title")));
    assert_eq!(
        (listed.key, listed.base, listed.opened_at),
        (vec![text("a")], Some(Wanted::Value(text(""))), Millis(9))
    );
    let sides: Vec<_> = listed.sides.iter().map(|side| (side.author.as_str(), side.mine, side.at)).collect();
    assert_eq!(sides, [("ann", false, Millis(5)), ("bob", true, Millis(5))]);
    assert_eq!(listed.sides[1].wanted, Wanted::Value(Value::Null));
    assert_eq!(step(&mut db, |store| store.waiting()).conflicts, 1);
    let state = QueueState { changed: Seq(9), by: AuthorId(1), before: Seq(8) };
    let sides = vec![claim(1, Claimed::Deleted)];
    step(&mut db, |store| store.change_queue(&[QueueChange::Sides { id: ID, sides, state }]));
    let mut db = reopen(db, &[NOTE], &["note"]);
    assert_eq!(db.open_conflicts().unwrap()[0].sides[0].wanted, Wanted::Deleted);
    let closed = QueueChange::Closed(ClosedConflict { id: ID, closing: Closing::Moot, by: AuthorId(1) });
    step(&mut db, |store| store.change_queue(&[closed.clone(), closed]));
    assert!(db.open_conflicts().unwrap().is_empty());
    assert_eq!(step(&mut db, |store| store.waiting()).conflicts, 0);
}

pub fn st60_a_snapshot_replaces_the_queue_and_a_migration_moves_it(connection: Connection) {
    let mut db = disputed(connection);
    let other = ConflictId { seq: Seq(11), index: 0 };
    step(&mut db, |store| store.replace_queue(&[conflict(other)]));
    let second = "CREATE TABLE aaa (id TEXT PRIMARY KEY NOT NULL)";
    let mut db = reopen(db, &[NOTE, second], &["aaa", "note"]);
    let listed = db.open_conflicts().unwrap();
    assert_eq!((listed.len(), listed[0].id, listed[0].table.as_str()), (1, other, "note"));
    let third = "ALTER TABLE note DROP COLUMN title";
    let mut db = reopen(db, &[NOTE, second, third], &["aaa", "note"]);
    assert!(db.open_conflicts().unwrap().is_empty());
}

pub fn st61_a_choice_is_a_logged_transaction_that_leaves_with_its_changeset(connection: Connection) {
    let mut db = disputed(connection);
    db.resolve_conflict(ID, &Choice::Side(1), NOW).unwrap();
    assert!(db.open_conflicts().unwrap().is_empty());
    let log = step(&mut db, |store| store.unsealed(usize::MAX, usize::MAX));
    assert_eq!((log.len(), log[1].changes.len()), (2, 1));
    assert_eq!(log[1].resolutions, [Resolution { conflict: ID, seen: Seq(8), side: Some(1) }]);
    let upto = log[1].id;
    step(&mut db, |store| {
        store.put_sealed(&Sealed { device_seq: DeviceSeq(1), bytes: vec![1], hash: Hash([1; 32]) }, 2, upto)
    });
    let mut db = reopen(db, &[NOTE], &["note"]);
    assert_eq!(step(&mut db, |store| store.sealed_log(None))[1].resolutions.len(), 1);
    step(&mut db, |store| store.set_blocked(&[upto]));
    assert_eq!(db.open_conflicts().unwrap().len(), 1, "a blocked choice is not in the view");
    step(&mut db, |store| store.set_blocked(&[]));
    step(&mut db, |store| store.drop_sealed(DeviceSeq(1)));
    assert_eq!(db.open_conflicts().unwrap().len(), 1, "undecided as far as the space says");
    assert_eq!(step(&mut db, |store| store.waiting()).conflicts, 1);
}

pub fn st61_a_choice_without_a_difference_is_logged_and_a_refused_one_leaves_nothing(connection: Connection) {
    let mut db = disputed(connection);
    let code = |error: Result<(), crate::local::DbError>| error.unwrap_err().code;
    assert_eq!(code(db.resolve_conflict(ID, &Choice::Side(7), NOW)), DbErrorCode::BadParameter);
    let unknown = ConflictId { seq: Seq(8), index: 0 };
    assert_eq!(code(db.resolve_conflict(unknown, &Choice::Mine, NOW)), DbErrorCode::ConflictNotOpen);
    db.begin().unwrap();
    assert_eq!(code(db.resolve_conflict(ID, &Choice::Mine, NOW)), DbErrorCode::TransactionState);
    db.rollback().unwrap();
    db.resolve_conflict(ID, &Choice::Side(0), NOW).unwrap();
    let log = step(&mut db, |store| store.unsealed(usize::MAX, usize::MAX));
    assert_eq!((log.len(), log[1].id > LogId(0), log[1].changes.len()), (2, true, 0));
    assert_eq!(log[1].resolutions.len(), 1);
    db.run("DELETE FROM note");
    step(&mut db, |store| store.change_queue(&[QueueChange::Opened(conflict(unknown))]));
    assert_eq!(code(db.resolve_conflict(unknown, &Choice::Mine, NOW)), DbErrorCode::ConflictNotOpen);
    assert_eq!(step(&mut db, |store| store.waiting()).pending, 3);
}

pub fn st170_a_choice_between_rows_is_logged_whole_or_leaves_nothing(connection: Connection) {
    let tables = serde_json::json!({ "place": { "row": "atomic", "merge": { "zip": "review" } } });
    let place = "CREATE TABLE place (id TEXT PRIMARY KEY NOT NULL, street TEXT, zip INTEGER CHECK (zip > 0))";
    let json = serde_json::json!({ "migrations": [place], "tables": tables });
    let schema = serde_json::from_value(json).expect("a schema");
    let mut db = LocalDatabase::open(connection, &schema, NOW, [7; 16]).unwrap();
    db.run("INSERT INTO place VALUES ('a', 'Main', 1)");
    let of = |street: &str, zip: i64| {
        let value = |column, value| Field { column: ColumnId(column), value };
        Claimed::Row(vec![value(1, text(street)), value(2, Value::Integer(zip)), value(99, Value::Null)])
    };
    let sides = vec![claim(1, of("Main", 1)), claim(2, of("Side", 2))];
    let between = |id| OpenConflict { column: None, base: Some(of("Old", 1)), sides: sides.clone(), ..conflict(id) };
    let other = ConflictId { seq: Seq(9), index: 0 };
    step(&mut db, |store| store.change_queue(&[QueueChange::Opened(between(ID)), QueueChange::Opened(between(other))]));
    let row = |street: &str, zip: Value| vec![("street".to_owned(), text(street)), ("zip".to_owned(), zip)];
    let mut refused = |choice: Choice| db.resolve_conflict(ID, &choice, NOW).unwrap_err().code;
    assert_eq!(refused(Choice::Value(text("Main"))), DbErrorCode::BadParameter);
    assert_eq!(refused(Choice::Row(row("Main", Value::Null)[..1].to_vec())), DbErrorCode::BadParameter);
    assert_eq!(
        refused(Choice::Row([row("a", Value::Null), row("b", Value::Null)].concat())),
        DbErrorCode::BadParameter
    );
    assert_eq!(refused(Choice::Row(vec![("id".into(), text("b"))])), DbErrorCode::BadParameter);
    assert_eq!(refused(Choice::Row(row("Main", Value::Integer(0)))), DbErrorCode::ConstraintCheck);
    assert_eq!(step(&mut db, |store| store.waiting()).pending, 1, "nothing was kept of what failed");
    db.resolve_conflict(ID, &Choice::Side(1), NOW).unwrap();
    db.resolve_conflict(other, &Choice::Row(row("", Value::Null)), NOW).unwrap();
    let log = step(&mut db, |store| store.unsealed(usize::MAX, usize::MAX));
    let written = |at: usize| match &log[at].changes[0].mutation {
        LoggedMutation::Update(fields) => fields.iter().map(|field| field.new.clone()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!((written(1), written(2)), (vec![text("Side"), Value::Integer(2)], vec![text(""), Value::Null]));
    assert_eq!(log[1].resolutions, [Resolution { conflict: ID, seen: Seq(8), side: Some(1) }]);
    assert_eq!(log[2].resolutions, [Resolution { conflict: other, seen: Seq(8), side: None }]);
    assert!(db.open_conflicts().unwrap().is_empty());
}
