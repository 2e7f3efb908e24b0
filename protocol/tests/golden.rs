//! Golden vectors of changesets and commits: what these were when the format was fixed, byte for byte, in `vectors/`.
//! A change that fails here breaks every device in the field; new vectors are written by `EBBTIDE_WRITE_VECTORS=1 cargo test`.
//! Every document is written out by hand, so that the generator of other tests may change freely.

mod support;

use ebbtide_core::catalogue::{Catalogue, Column, Table};
use ebbtide_core::change::{Base, Change, Changeset, Field, Mutation, RowId, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::{Commit, Effect, Outcome};
use ebbtide_core::conflict::*;
use ebbtide_core::ids::*;
use ebbtide_core::value::{Key, Value};
use ebbtide_protocol::WireCodec;
use support::vectors::pinned_sealed;

const UUID: &str = "01932f4e-7d1c-7a33-8f1e-2b6f0c9d4e55";
const NOW: Millis = Millis(1_795_219_200_123);

/// Table 0: a UUID key and five fields. Table 1: a key of a blob and an integer, one field.
fn catalogue() -> Catalogue {
    let columns = |count: usize| (0..count).map(|n| Column { name: format!("c{n}"), ..Column::default() }).collect();
    let visit = Table { name: "visit".into(), columns: columns(6), key: vec![ColumnId(0)], ..Table::default() };
    let pair = Table { name: "pair".into(), columns: columns(3), key: vec![ColumnId(2), ColumnId(0)], ..visit.clone() };
    Catalogue { version: SchemaVersion(3), tables: vec![visit, pair], ..Catalogue::default() }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn visit(key: Value) -> RowId {
    RowId { table: TableId(0), key: Key(vec![key]) }
}

fn pair(blob: &[u8], number: i64) -> RowId {
    RowId { table: TableId(1), key: Key(vec![Value::Blob(blob.to_vec()), Value::Integer(number)]) }
}

fn base() -> Base {
    Base { seq: Seq(123_456), device_seq: DeviceSeq(299) }
}

fn insert(row: RowId, values: Vec<Value>) -> Change {
    Change { row, mutation: Mutation::Insert(values), base: base() }
}

fn update(row: RowId, column: u16, value: Value) -> Change {
    let fields = vec![Field { column: ColumnId(column), value }];
    Change { row, mutation: Mutation::Update(fields), base: base() }
}

fn delete(row: RowId) -> Change {
    Change { row, mutation: Mutation::Delete, base: base() }
}

fn changeset(transactions: Vec<Vec<Change>>) -> Changeset {
    let stamped = transactions.into_iter().enumerate().map(|(n, changes)| {
        let millis = Millis(NOW.0 + 1_500 * (n as u64 / 2));
        Transaction { stamp: Stamp(Stamp::at(millis).0 + n as u64 % 2), changes, ..Transaction::default() }
    });
    Changeset {
        device_seq: DeviceSeq(300),
        schema: SchemaVersion(3),
        origin: None,
        opening: Opening::default(),
        transactions: stamped.collect(),
    }
}

fn pinned_changeset(name: &str, changeset: &Changeset) {
    let vector = pinned_sealed(name, &WireCodec.seal(changeset, &catalogue()).bytes);
    assert_eq!(WireCodec.open(&vector, changeset.device_seq, &catalogue()).as_ref(), Ok(changeset));
}

/// Values of which a careless codec loses some, in rows of five.
fn odd_values() -> Vec<Vec<Value>> {
    vec![
        vec![Value::Null, Value::Integer(0), Value::Real(0.0), text(""), Value::Blob(Vec::new())],
        vec![
            Value::Integer(i64::MIN),
            Value::Integer(i64::MAX),
            Value::Integer(-1),
            Value::Integer(1 << 53),
            text("0"),
        ],
        vec![Value::Real(-0.0), Value::Real(5e-324), Value::Real(f64::INFINITY), Value::Real(-1e300), Value::Real(0.1)],
        vec![Value::Real(f64::NEG_INFINITY), Value::Real(1.0), text("a\0b"), text("false"), Value::Blob(vec![0, 255])],
        vec![
            text(&"long text ".repeat(30)),
            text("ünïcödé 漢字 🦀"),
            text(&UUID.to_uppercase()),
            text(UUID),
            Value::Null,
        ],
    ]
}

#[test]
fn wp07_changesets_keep_their_bytes() {
    pinned_changeset("changeset_empty", &changeset(Vec::new()));
    pinned_changeset("changeset_one_field", &changeset(vec![vec![update(visit(text(UUID)), 4, text("measles"))]]));
    pinned_changeset("changeset_delete", &changeset(vec![vec![delete(pair(&[1, 2, 3], -5))]]));
    let replaced = vec![
        delete(pair(&[], i64::MIN)),
        insert(pair(&[], i64::MIN), vec![Value::Null]),
        insert(pair(&[9; 80], 1), vec![Value::Real(-0.0)]),
    ];
    pinned_changeset("changeset_composite_key", &changeset(vec![replaced]));
    let rows = odd_values().into_iter().enumerate();
    let odd = rows.map(|(n, values)| insert(visit(Value::Integer(n as i64 * 7)), values)).collect();
    pinned_changeset("changeset_odd_values", &changeset(vec![odd]));
    let alone = odd_values().concat().into_iter().enumerate();
    let alone = alone.map(|(n, value)| vec![update(visit(Value::Integer(n as i64)), n as u16 % 5 + 1, value)]);
    pinned_changeset("changeset_many_transactions", &changeset(alone.collect()));
    let inherited = changeset(vec![vec![update(visit(text(UUID)), 4, text("measles"))]]);
    pinned_changeset(
        "changeset_origin",
        &Changeset { origin: Some(Incarnation(*b"incarnation of b")), ..inherited.clone() },
    );
    pinned_changeset("changeset_opening", &Changeset { opening: Opening(0x0102_0304), ..inherited });
    pinned_changeset("changeset_own_bases", &own_bases());
}

fn own_bases() -> Changeset {
    let mut changeset = changeset(vec![
        vec![update(visit(text("a")), 1, Value::Integer(1)), update(visit(text("b")), 1, Value::Integer(2))],
        Vec::new(),
        vec![update(visit(text("a")), 1, Value::Integer(3))],
    ]);
    changeset.transactions[0].changes[1].base = Base { seq: Seq(123_000), device_seq: DeviceSeq(298) };
    changeset
}

/// A key of version 7 without randomness.
fn key(row: u64) -> Value {
    let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    text(&format!(
        "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
        (NOW.0 + row / 3) >> 16,
        (NOW.0 + row / 3) & 0xffff,
        mixed & 0xfff,
        0x8000 | mixed >> 50,
        mixed & 0xffff_ffff_ffff
    ))
}

/// Enough rows for deflate, noise, dictionaries, decimals, planes and nulls.
fn many_rows() -> Vec<(Value, Vec<Value>)> {
    let kinds = ["Hospital", "Clinic", "Health Post"];
    let row = |n: u64| {
        let kind = text(kinds[(n * n % 3) as usize]);
        let name = text(&format!("Place {} of {n}", n * 31 % 17));
        let latitude = Value::Real(-((n * 7_919 % 1_000_000) as f64) / 10_f64.powi((n % 3 + 4) as i32));
        let staff = if n.is_multiple_of(4) { Value::Null } else { Value::Integer((n % 9) as i64) };
        (key(n), vec![kind, name, latitude, staff, Value::Integer((n * n * 104_729 % 16_777_213) as i64)])
    };
    (0..300).map(row).collect()
}

#[test]
fn wp07_many_rows_keep_their_bytes() {
    let changes = many_rows().into_iter().map(|(key, values)| insert(visit(key), values)).collect();
    pinned_changeset("changeset_many_rows", &changeset(vec![changes]));
    let outcomes =
        many_rows().into_iter().map(|(key, values)| Outcome { row: visit(key), effect: Effect::Put(values) });
    pinned_commit("commit_many_rows", &commit(outcomes.collect(), Vec::new()));
}

fn commit(outcomes: Vec<Outcome>, conflicts: Vec<Conflict>) -> Commit {
    Commit {
        author: AuthorId(17),
        device_seq: DeviceSeq(300),
        schema: SchemaVersion(3),
        stamp: Stamp::at(NOW),
        outcomes,
        conflicts,
        queue: Vec::new(),
        authors: Vec::new(),
    }
}

fn claim(author: u32, claimed: Claimed) -> Claim {
    Claim { claimed, author: AuthorId(author), device_seq: DeviceSeq(300), stamp: Stamp::at(NOW) }
}

fn pinned_commit(name: &str, commit: &Commit) {
    let vector = pinned_sealed(name, &WireCodec.seal_commit(commit, &catalogue()));
    assert_eq!(WireCodec.open_commit(&vector, &catalogue()).as_ref(), Ok(commit));
}

#[test]
fn wp07_commits_keep_their_bytes() {
    let set =
        |row: RowId, value: Value| Outcome { row, effect: Effect::Set(vec![Field { column: ColumnId(4), value }]) };
    pinned_commit("commit_one_field", &commit(vec![set(visit(text(UUID)), text("measles"))], Vec::new()));
    let conflict = |key: &str, column: Option<u16>, kept: Side, lost: Value| Conflict {
        row: visit(text(key)),
        column: column.map(ColumnId),
        kept,
        incumbent: claim(4, Claimed::Value(lost)),
        challenger: claim(17, if column.is_some() { Claimed::Value(Value::Integer(7)) } else { Claimed::Deleted }),
    };
    let outcomes = vec![
        Outcome { row: pair(&[1], 1), effect: Effect::Delete },
        Outcome { row: visit(text("a")), effect: Effect::Put(odd_values().remove(0)) },
        set(visit(text("b")), Value::Integer(0)),
        set(visit(text("c")), Value::Integer(1)),
    ];
    let conflicts = vec![
        conflict("b", Some(4), Side::Challenger, Value::Integer(0)),
        conflict("c", Some(4), Side::Incumbent, text("")),
        conflict("d", None, Side::Incumbent, Value::Null),
    ];
    pinned_commit("commit_conflicts", &commit(outcomes, conflicts));
    pinned_commit("commit_queue", &with_queue(commit(Vec::new(), Vec::new())));
    pinned_commit("commit_queue_of_rows", &with_rows(commit(Vec::new(), Vec::new())));
    pinned_commit("commit_empty", &commit(Vec::new(), Vec::new()));
}

/// A dispute of two images of a row, with what the challenger had seen.
fn with_rows(mut commit: Commit) -> Commit {
    let image = |number, name: &str| {
        let value = |column, value| Field { column: ColumnId(column), value };
        Claimed::Row(vec![value(1, Value::Integer(number)), value(4, text(name))])
    };
    let state = QueueState { changed: Seq(301), by: AuthorId(17), before: Seq(301) };
    let sides = vec![claim(4, image(2, "a")), claim(17, image(1, "b"))];
    let (id, row) = (ConflictId { seq: Seq(301), index: 0 }, visit(text("a")));
    let base = Some(image(1, "a"));
    commit.queue =
        vec![QueueChange::Opened(OpenConflict { id, row, column: None, base, sides, opened_at: NOW, state })];
    commit
}

/// Every change that a queue knows, and the people concerned.
fn with_queue(mut commit: Commit) -> Commit {
    let id = |index| ConflictId { seq: Seq(301), index };
    let state = QueueState { changed: Seq(301), by: AuthorId(17), before: Seq(300) };
    let fields = vec![Field { column: ColumnId(4), value: text("kept") }];
    let sides = vec![claim(4, Claimed::Value(text("flu"))), claim(17, Claimed::Value(Value::Null))];
    let row_sides = vec![claim(4, Claimed::Deleted), claim(17, Claimed::Row(fields))];
    let open = |index, column, base, sides| {
        let row = visit(text("a"));
        QueueChange::Opened(OpenConflict { id: id(index), row, column, base, sides, opened_at: NOW, state })
    };
    let closed = |index, closing| QueueChange::Closed(ClosedConflict { id: id(index), closing, by: AuthorId(4) });
    commit.queue = vec![
        open(0, Some(ColumnId(4)), Some(Claimed::Value(text(""))), sides.clone()),
        open(1, None, None, row_sides),
        QueueChange::Sides { id: id(0), sides, state },
        closed(0, Closing::Resolved(Claimed::Value(Value::Integer(0)))),
        closed(1, Closing::Moot),
    ];
    let author =
        |id: u32| AuthorName { id: AuthorId(id), incarnation: Incarnation([id as u8; 16]), user: "ada".into() };
    commit.authors = vec![author(4), author(17)];
    commit
}

#[test]
fn wp07_resolutions_keep_their_bytes() {
    let update = Mutation::Update(vec![Field { column: ColumnId(4), value: text("measles") }]);
    let mut sealed = changeset(vec![vec![Change { row: visit(text("a")), mutation: update, base: Base::default() }]]);
    let conflict = ConflictId { seq: Seq(301), index: 2 };
    let resolution = |side| Resolution { conflict, seen: Seq(305), side };
    let transaction = &mut sealed.transactions[0];
    transaction.resolutions = vec![resolution(Some(1)), resolution(None)];
    transaction.seen = vec![SeenValue { row: visit(text("a")), column: ColumnId(4), value: Value::Null }];
    pinned_changeset("changeset_resolutions", &sealed);
}

#[test]
fn wp07_transactions_that_stand_for_others_keep_their_bytes() {
    let change = |column, value| update(visit(text(UUID)), column, value);
    let mut sealed = changeset(vec![vec![change(1, Value::Integer(5))], vec![change(4, text("measles"))], Vec::new()]);
    let earlier = |ms: u64, counter: u64| Stamp(Stamp::at(Millis(NOW.0 - ms)).0 + counter);
    sealed.transactions[1].absorbed = vec![earlier(90_000, 0), earlier(500, 0), earlier(500, 1)];
    sealed.transactions[2].absorbed = vec![earlier(1, 0)];
    pinned_changeset("changeset_absorbed", &sealed);
}
