//! The queue of open conflicts: by name, by row, across schema versions and beyond one row's bytes.

use super::fixture::{Fixture, open_with, text};
use crate::server::SpaceStore;
use crate::server::limits::PART_BYTES;
use crate::sql::Sql;
use ebbtide_core::change::{Field, RowId};
use ebbtide_core::clock::Stamp;
use ebbtide_core::conflict::{Claim, Claimed, ConflictId, OpenConflict, QueueEntry, QueueState};
use ebbtide_core::ids::{AuthorId, ColumnId, DeviceSeq, Incarnation, Millis, Seq, TableId};
use ebbtide_core::server::store::ServerStore;
use ebbtide_core::value::{Key, Value};

fn claim(claimed: Claimed) -> Claim {
    Claim { claimed, author: AuthorId(3), device_seq: DeviceSeq(4), stamp: Stamp(u64::MAX) }
}

fn entry(seq: u64, index: u32, row: RowId, column: Option<ColumnId>, sides: Vec<Claim>) -> QueueEntry {
    let state = QueueState { changed: Seq(seq), by: AuthorId(3), before: Seq(seq) };
    let id = ConflictId { seq: Seq(seq), index };
    let base = Some(Claimed::Value(Value::Null));
    QueueEntry { open: OpenConflict { id, row, column, base, sides, opened_at: Millis(9), state }, parked: vec![] }
}

pub(super) fn st62_open_conflicts_are_found_by_name_and_by_row<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let (notes, a) = (Some(fixture.column("visit", "notes")), fixture.row("visit", "a"));
    let shelf = fixture.row("shelf", vec![text("r"), Value::Integer(1), Value::Blob(vec![0])]);
    let large = claim(Claimed::Value(Value::Text("x".repeat(PART_BYTES))));
    let entries = [
        entry(5, 0, a.clone(), notes, vec![claim(Claimed::Value(text(""))), large.clone(), large]),
        entry(5, 1, a.clone(), None, vec![claim(Claimed::Deleted)]),
        entry(6, 0, shelf.clone(), None, vec![]),
    ];
    assert!(fixture.event(|store| store.open_conflicts(std::slice::from_ref(&a))).is_empty());
    fixture.event(|store| entries.iter().try_for_each(|entry| store.put_conflict(entry)));
    let of = |row: &RowId| fixture.event(|store| store.open_conflicts(std::slice::from_ref(row)));
    assert_eq!(of(&a), entries[..2]);
    assert_eq!(of(&shelf), entries[2..]);
    assert!(of(&fixture.row("household", "a")).is_empty());
    assert_eq!(fixture.event(|store| store.open_conflict(entries[1].open.id)).as_ref(), Some(&entries[1]));
    let unknown = ConflictId { seq: Seq(u64::MAX), index: 0 };
    assert_eq!(fixture.event(|store| store.open_conflict(unknown)), None);
    let after = fixture.event(|store| store.open_conflicts_after(entries[0].open.id, 1));
    assert_eq!(after, entries[1..2]);
}

pub(super) fn st62_a_conflict_is_replaced_and_dropped_by_its_name<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let row = fixture.row("visit", "a");
    let large = claim(Claimed::Value(Value::Blob(vec![7; 2 * PART_BYTES])));
    let before = entry(5, 0, row.clone(), None, vec![large]);
    let after = entry(5, 0, row.clone(), None, vec![claim(Claimed::Deleted)]);
    fixture.event(|store| store.put_conflict(&before));
    fixture.event(|store| store.put_conflict(&after));
    assert_eq!(fixture.event(|store| store.open_conflicts(std::slice::from_ref(&row))), [after]);
    let taken_back = fixture.event(|store| {
        store.savepoint(|store| {
            store.drop_conflict(before.open.id)?;
            assert!(store.open_conflicts(std::slice::from_ref(&row))?.is_empty());
            Err::<(), _>(stop())
        })
    });
    assert!(taken_back.is_err());
    assert_eq!(fixture.event(|store| store.open_conflicts(std::slice::from_ref(&row))).len(), 1);
    fixture.event(|store| store.drop_conflict(before.open.id));
    assert!(fixture.event(|store| store.open_conflicts(&[row])).is_empty());
}

fn stop() -> crate::sql::SqlError {
    crate::sql::SqlError { kind: crate::sql::SqlErrorKind::Other, message: "stop".into(), sql: String::new() }
}

pub(super) fn st62_a_conflict_follows_a_migration_by_name<S: Sql + Clone>(mut sql: S) {
    let schema = |migrations: &[&str], tables: &[&str]| -> crate::schema::Schema {
        let tables: serde_json::Map<_, _> = tables.iter().map(|t| ((*t).to_owned(), serde_json::json!({}))).collect();
        serde_json::from_value(serde_json::json!({ "migrations": migrations, "tables": tables })).expect("a schema")
    };
    let first = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, gone, body TEXT)";
    let space = open_with(&mut sql, &schema(&[first], &["note"]));
    let row = |table: u16| RowId { table: TableId(table), key: Key(vec![text("n")]) };
    let field = |column: u16| Field { column: ColumnId(column), value: text("kept") };
    let sides = |fields| vec![claim(Claimed::Deleted), claim(Claimed::Row(fields))];
    let of_body = entry(5, 0, row(0), Some(ColumnId(2)), sides(vec![field(1), field(2)]));
    let of_gone = entry(5, 1, row(0), Some(ColumnId(1)), vec![]);
    let image = |of: QueueEntry, fields| {
        let base = Some(Claimed::Row(fields));
        QueueEntry { open: OpenConflict { base, ..of.open }, ..of }
    };
    let of_row = image(entry(5, 2, row(0), None, sides(vec![field(2)])), vec![field(1), field(2)]);
    SpaceStore::event(&sql, &space, |store| {
        store.put_conflict(&of_body)?;
        store.put_conflict(&of_gone)?;
        store.put_conflict(&of_row)
    })
    .expect("stored");
    let second = "ALTER TABLE note DROP COLUMN gone; CREATE TABLE aaa (id TEXT PRIMARY KEY NOT NULL)";
    let space = open_with(&mut sql, &schema(&[first, second], &["aaa", "note"]));
    let found = SpaceStore::event(&sql, &space, |store| store.open_conflicts(&[row(1)])).expect("read");
    let moved = entry(5, 0, row(1), Some(ColumnId(1)), sides(vec![field(1)]));
    let row_moved = image(entry(5, 2, row(1), None, sides(vec![field(1)])), vec![field(1)]);
    assert_eq!(found, [moved, row_moved], "a conflict about a column that is gone has nothing to decide");
}

pub(super) fn st63_authors_are_named_by_their_numbers<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    for number in 1..=150_u8 {
        let incarnation = Incarnation([number; 16]);
        fixture.event(|store| store.register(incarnation, &format!("user {number}"), Millis(1)));
    }
    let ids: Vec<AuthorId> = (1..=151).map(AuthorId).collect();
    let names = fixture.event(|store| store.author_names(&ids));
    assert_eq!(names.len(), 150);
    assert!(names.is_sorted_by_key(|name| name.id));
    assert_eq!(
        (names[6].id, names[6].incarnation, names[6].user.as_str()),
        (AuthorId(7), Incarnation([7; 16]), "user 7")
    );
}
