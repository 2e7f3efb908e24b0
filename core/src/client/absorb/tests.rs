//! What may disappear into what, over logs of a few small tables, and that folding never changes what a log comes to.

use super::*;
use crate::catalogue::{Column, Reference, ReferenceAction, Table};
use crate::change::{Base, Transaction};
use crate::conflict::{ConflictId, Resolution};
use crate::ids::{DeviceSeq, Incarnation, LogId, SchemaVersion, Seq};
use crate::value::{Key, Value};
use alloc::{vec, vec::Vec};
use proptest::prelude::*;

/// Table 0 has three fields, the last of which refers to table 1, to its first field.
fn catalogue() -> Catalogue {
    let columns = vec![Column::default(); 4];
    let table = Table { columns, key: vec![ColumnId(0)], ..Table::default() };
    let reference = Reference {
        columns: vec![ColumnId(3)],
        parent: TableId(1),
        parent_columns: vec![ColumnId(1)],
        on_delete: ReferenceAction::Refuse,
        on_update: ReferenceAction::Refuse,
    };
    Catalogue { tables: vec![Table { references: vec![reference], ..table.clone() }, table], ..Catalogue::default() }
}

fn row(table: u16, key: i64) -> RowId {
    RowId { table: TableId(table), key: Key(vec![Value::Integer(key)]) }
}

fn field(column: u16, old: i64, new: i64) -> LoggedField {
    LoggedField { column: ColumnId(column), old: Value::Integer(old), new: Value::Integer(new) }
}

fn update(row: RowId, fields: &[(u16, i64, i64)]) -> LoggedChange {
    let fields = fields.iter().map(|(column, old, new)| field(*column, *old, *new)).collect();
    LoggedChange { row, mutation: LoggedMutation::Update(fields) }
}

/// A transaction at a place in the log.
fn logged(place: u64, changes: Vec<LoggedChange>) -> LoggedTransaction {
    LoggedTransaction {
        id: LogId(place as i64),
        stamp: Stamp(place),
        base: Base { seq: Seq(7), device_seq: DeviceSeq(2) },
        schema: SchemaVersion(1),
        origin: None,
        opening: Default::default(),
        changes,
        resolutions: Vec::new(),
        absorbed: Vec::new(),
        apart: false,
        ahead: false,
        lowered: None,
    }
}

fn log(changes: Vec<Vec<LoggedChange>>) -> Vec<LoggedTransaction> {
    changes.into_iter().zip(1..).map(|(changes, place)| logged(place, changes)).collect()
}

/// Who is left, and what each stands for.
fn left(log: Vec<LoggedTransaction>) -> Vec<(u64, Vec<u64>)> {
    let ids = |absorbed: Vec<Stamp>| absorbed.into_iter().map(|stamp| stamp.0).collect();
    absorb(log, &catalogue()).into_iter().map(|left| (left.stamp.0, ids(left.absorbed))).collect()
}

const A: u16 = 0;

fn a(fields: &[(u16, i64, i64)]) -> Vec<LoggedChange> {
    vec![update(row(A, 1), fields)]
}

#[test]
fn cs165_writes_of_one_cell_become_one_that_stands_for_all() {
    let folded = absorb(log(vec![a(&[(1, 0, 1)]), a(&[(1, 1, 2)]), a(&[(1, 2, 5)])]), &catalogue());
    let [only] = folded.as_slice() else { panic!("{folded:?}") };
    assert_eq!((only.stamp, only.absorbed.as_slice()), (Stamp(3), &[Stamp(1), Stamp(2)][..]));
    assert_eq!(coalesce(&only.changes, |_, _| None), [(row(A, 1), Net::Updated(vec![field(1, 0, 5)]))]);
}

#[test]
fn cs165_one_that_writes_the_cells_of_several_stands_for_them() {
    let both = vec![update(row(A, 1), &[(1, 1, 2)]), update(row(A, 2), &[(2, 3, 4)])];
    let two = vec![a(&[(1, 0, 1)]), vec![update(row(A, 2), &[(2, 0, 3)])], both];
    assert_eq!(left(log(two)), [(3, vec![1, 2])]);
}

#[test]
fn cs165_a_cell_that_is_not_written_again_keeps_its_transaction() {
    assert_eq!(left(log(vec![a(&[(1, 0, 1), (2, 0, 1)]), a(&[(1, 1, 2)])])).len(), 2);
    let two_rows = vec![update(row(A, 1), &[(1, 0, 1)]), update(row(A, 2), &[(1, 0, 1)])];
    assert_eq!(left(log(vec![two_rows, a(&[(1, 1, 2)])])).len(), 2);
}

#[test]
fn cs165_what_was_written_on_another_value_stays() {
    assert_eq!(left(log(vec![a(&[(1, 0, 1)]), a(&[(1, 9, 2)])])).len(), 2, "something came in between");
}

#[test]
fn cs166_between_the_two_nothing_touches_the_rows() {
    let between = |change| left(log(vec![a(&[(1, 0, 1)]), vec![change], a(&[(1, 1, 2)])])).len();
    assert_eq!(between(update(row(A, 2), &[(1, 0, 1)])), 2, "another row is nobody's business");
    assert_eq!(between(update(row(A, 1), &[(2, 0, 1)])), 3);
    let whole = || vec![Value::Null; 3];
    assert_eq!(between(LoggedChange { row: row(A, 1), mutation: LoggedMutation::Delete(whole()) }), 3);
    assert_eq!(between(LoggedChange { row: row(A, 1), mutation: LoggedMutation::Insert(whole()) }), 3);
}

#[test]
fn cs166_inserts_deletes_and_choices_neither_disappear_nor_absorb() {
    let insert = || LoggedChange { row: row(A, 9), mutation: LoggedMutation::Insert(vec![Value::Null; 3]) };
    let with_insert = |old, new| vec![update(row(A, 1), &[(1, old, new)]), insert()];
    assert_eq!(left(log(vec![with_insert(0, 1), a(&[(1, 1, 2)])])).len(), 2);
    assert_eq!(left(log(vec![a(&[(1, 0, 1)]), with_insert(1, 2)])).len(), 2);
    for place in [0, 1] {
        let mut chosen = log(vec![a(&[(1, 0, 1)]), a(&[(1, 1, 2)])]);
        let conflict = ConflictId { seq: Seq(1), index: 0 };
        chosen[place].resolutions = vec![Resolution { conflict, seen: Seq(1), side: None }];
        assert_eq!(left(chosen).len(), 2);
    }
}

#[test]
fn cs166_who_had_seen_other_commits_was_sent_before_or_goes_apart_stays() {
    let with = |change: &dyn Fn(&mut LoggedTransaction)| {
        [0, 1].map(|place| {
            let mut log = log(vec![a(&[(1, 0, 1)]), a(&[(1, 1, 2)])]);
            change(&mut log[place]);
            left(log).len()
        })
    };
    assert_eq!(with(&|logged| logged.base.seq = Seq(8)), [2, 2]);
    assert_eq!(with(&|logged| logged.origin = Some(Incarnation([1; 16]))), [2, 2]);
    assert_eq!(with(&|logged| logged.apart = true), [2, 2]);
}

#[test]
fn cs166_where_a_foreign_key_runs_the_earlier_one_stays() {
    assert_eq!(left(log(vec![a(&[(3, 0, 1)]), a(&[(3, 1, 2)])])).len(), 2, "a child's column");
    let parent = |old, new| vec![update(row(1, 1), &[(1, old, new)])];
    assert_eq!(left(log(vec![parent(0, 1), parent(1, 2)])).len(), 2, "a parent's column");
    assert_eq!(
        left(log(vec![a(&[(1, 0, 1)]), a(&[(1, 1, 2), (3, 0, 1)])])).len(),
        1,
        "the later one stays where it is"
    );
}

#[test]
fn cs172_what_writes_many_rows_is_left_alone() {
    let many = |rows: usize, old, new| (0..rows as i64).map(|key| update(row(A, key), &[(1, old, new)])).collect();
    assert_eq!(left(log(vec![many(ABSORBING_ROWS, 0, 1), many(ABSORBING_ROWS, 1, 2)])).len(), 1);
    assert_eq!(left(log(vec![many(ABSORBING_ROWS + 1, 0, 1), many(ABSORBING_ROWS + 1, 1, 2)])).len(), 2);
    assert_eq!(left(log(vec![a(&[(1, 0, 1)]), many(ABSORBING_ROWS + 1, 1, 2)])).len(), 2);
}

#[test]
fn cs172_ten_thousand_writes_of_two_cells_in_turn_become_two() {
    let write = |n: i64| vec![update(row(A, n % 2), &[(1, n / 2, n / 2 + 1)])];
    let left = left(log((0..10_000).map(write).collect()));
    assert_eq!(
        left.iter().map(|(id, absorbed)| (*id, absorbed.len())).collect::<Vec<_>>(),
        [(9_999, 4_999), (10_000, 4_999)]
    );
}

#[test]
fn cs167_the_parts_of_what_was_sealed_are_found_in_the_log() {
    let log = log(vec![a(&[(1, 0, 1)]), vec![update(row(A, 2), &[(1, 0, 1)])], a(&[(1, 1, 2)])]);
    let folded = absorb(log.clone(), &catalogue());
    let sealed = |left: &LoggedTransaction| Transaction {
        stamp: left.stamp,
        absorbed: left.absorbed.clone(),
        ..Transaction::default()
    };
    let transactions = folded.iter().map(sealed).collect();
    let changeset = Changeset {
        device_seq: DeviceSeq(1),
        schema: SchemaVersion(1),
        origin: None,
        opening: Default::default(),
        transactions,
    };
    let ids = |parts: Vec<&LoggedTransaction>| parts.into_iter().map(|part| part.id.0).collect::<Vec<_>>();
    assert_eq!(parts(&log, &changeset).into_iter().map(ids).collect::<Vec<_>>(), [vec![2], vec![1, 3]]);
}

/// A random log whose old values are true.
fn logs() -> impl Strategy<Value = Vec<LoggedTransaction>> {
    let write = (0..3_i64, 1..3_u16, 0..4_i64);
    let transactions = prop::collection::vec((prop::collection::vec(write, 1..4), 0..12_u8), 0..24);
    transactions.prop_map(|transactions| {
        let mut cells: SortedMap<(i64, u16), i64> = SortedMap::new();
        let mut made = Vec::new();
        for (place, (writes, moved)) in transactions.into_iter().enumerate() {
            let mut changes = Vec::new();
            for (key, column, new) in writes {
                let old = cells.insert((key, column), new).unwrap_or(0);
                changes.push(update(row(A, key), &[(column, old, new)]));
            }
            let mut one = logged(place as u64 + 1, changes);
            one.base.seq =
                Seq(u64::from(moved == 0) + made.last().map_or(0, |last: &LoggedTransaction| last.base.seq.0));
            made.push(one);
        }
        made
    })
}

/// What a log makes of cells that were 0; whether each write was made on what stands there.
fn outcome(log: &[LoggedTransaction]) -> (SortedMap<(RowId, ColumnId), Value>, bool) {
    let (mut cells, mut holds) = (SortedMap::new(), true);
    for (row, net) in log.iter().flat_map(|one| coalesce(&one.changes, |_, _| None)) {
        let Net::Updated(fields) = net else { panic!("only updates") };
        for LoggedField { column, old, new } in fields {
            let before = cells.insert((row.clone(), column), new).unwrap_or(Value::Integer(0));
            holds &= before == old;
        }
    }
    (cells, holds)
}

proptest! {
    #[test]
    fn cs165_folding_changes_nothing_that_a_log_comes_to(log in logs()) {
        let folded = absorb(log.clone(), &catalogue());
        prop_assert_eq!(outcome(&log), outcome(&folded));
        prop_assert!(outcome(&folded).1, "each write is made on what stands there without those that disappeared");
        let mut ids: Vec<Stamp> = folded.iter().flat_map(|one| one.absorbed.iter().copied().chain([one.stamp])).collect();
        ids.sort_unstable();
        prop_assert_eq!(ids, log.iter().map(|one| one.stamp).collect::<Vec<_>>(), "each once");
        prop_assert!(folded.windows(2).all(|pair| pair[0].stamp < pair[1].stamp));
    }
}
