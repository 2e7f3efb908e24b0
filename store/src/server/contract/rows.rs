//! Reading and writing rows: order, batches, references and unique values within one write.

use super::fixture::{Fixture, mark, text};
use crate::sql::Sql;
use ebbtide_core::commit::Reason;
use ebbtide_core::value::Value::{Blob, Integer, Null};

pub(super) fn st45_rows_come_in_the_order_asked_for<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.write(&[
        fixture.put("household", "b", vec![text("second"), text("2")]),
        fixture.put("bare", "x", vec![]),
        fixture.put("household", "a", vec![text("first"), text("1")]),
    ]);
    let asked = [("household", "a"), ("bare", "x"), ("household", "none"), ("household", "b"), ("household", "a")];
    let rows: Vec<_> = asked.iter().map(|(table, key)| fixture.row(table, *key)).collect();
    let names: Vec<_> = fixture.load(&rows).into_iter().map(|state| state.values).collect();
    let first = Some(vec![text("first"), text("1")]);
    assert_eq!(names, vec![first.clone(), Some(vec![]), None, Some(vec![text("second"), text("2")]), first]);
}

pub(super) fn st45_more_rows_than_one_statement_holds<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let name = |number: i64| format!("visit {number:04}");
    let puts: Vec<_> =
        (0..250).map(|number| fixture.put("visit", name(number).as_str(), vec![Null, Integer(number), Null])).collect();
    fixture.write(&puts);
    let sets: Vec<_> =
        (0..250).map(|number| fixture.set("visit", name(number).as_str(), &[("doses", Integer(number + 1))])).collect();
    fixture.write(&sets);
    let rows: Vec<_> = (0..250).rev().map(|number| fixture.row("visit", name(number).as_str())).collect();
    let states = fixture.load(&rows);
    for (state, number) in states.iter().zip((0..250).rev()) {
        assert_eq!(state.values, Some(vec![Null, Integer(number + 1), Null]));
    }
}

pub(super) fn st45_an_update_leaves_other_fields_alone<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.write(&[fixture.put("visit", "v", vec![Null, Integer(1), text("note")])]);
    fixture.write(&[fixture.set("visit", "v", &[("doses", Integer(0)), ("notes", text(""))])]);
    assert_eq!(fixture.values(fixture.row("visit", "v")), vec![Null, Integer(0), text("")]);
    fixture.write(&[fixture.set("visit", "v", &[("notes", Null)])]);
    assert_eq!(fixture.values(fixture.row("visit", "v")), vec![Null, Integer(0), Null]);
}

pub(super) fn st45_a_tombstone_keeps_its_marks<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.write(&[fixture.put("bare", "x", vec![])]);
    fixture.write(&[fixture.delete("bare", "x")]);
    let state = fixture.load(&[fixture.row("bare", "x")]).remove(0);
    assert_eq!(state.values, None);
    assert_eq!(state.marks.expect("a tombstone").deleted, Some(mark(2)));
}

pub(super) fn st46_a_put_over_a_parent_keeps_its_children<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.write(&[
        fixture.put("household", "h", vec![text("old"), text("1")]),
        fixture.put("visit", "v", vec![text("h"), Integer(1), Null]),
    ]);
    fixture.write(&[fixture.put("household", "h", vec![text("new"), text("1")])]);
    assert!(fixture.exists(fixture.row("visit", "v")), "a REPLACE would have set the cascade off");
}

pub(super) fn st46_a_child_may_come_before_its_parent<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.write(&[
        fixture.put("visit", "v", vec![text("h"), Integer(1), Null]),
        fixture.put("staff", "junior", vec![text("senior"), Null]),
        fixture.put("staff", "senior", vec![Null, Null]),
        fixture.put("household", "h", vec![Null, text("1")]),
    ]);
    assert!(fixture.exists(fixture.row("visit", "v")));
}

pub(super) fn st46_a_child_that_moves_on_survives_its_parent<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.write(&[
        fixture.put("household", "h", vec![Null, text("1")]),
        fixture.put("visit", "stays", vec![text("h"), Integer(1), Null]),
        fixture.put("visit", "goes", vec![text("h"), Integer(1), Null]),
    ]);
    fixture.write(&[
        fixture.delete("household", "h"),
        fixture.delete("visit", "goes"),
        fixture.set("visit", "stays", &[("household", text("i"))]),
        fixture.put("household", "i", vec![Null, text("1")]),
    ]);
    assert!(fixture.exists(fixture.row("visit", "stays")));
    assert!(!fixture.exists(fixture.row("visit", "goes")));
}

pub(super) fn st46_a_restricted_chain_goes_whichever_way_it_is_listed<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let name = |number: usize| format!("{number:02}");
    for order in [(0..20).collect::<Vec<_>>(), (0..20).rev().collect()] {
        let boss = |number: usize| if number == 0 { Null } else { text(&name(number - 1)) };
        let puts: Vec<_> =
            order.iter().map(|&number| fixture.put("staff", name(number).as_str(), vec![boss(number), Null])).collect();
        fixture.write(&puts);
        let deletes: Vec<_> = order.iter().map(|&number| fixture.delete("staff", name(number).as_str())).collect();
        fixture.write(&deletes);
        assert!(!fixture.exists(fixture.row("staff", "00")));
    }
}

pub(super) fn st47_two_unique_values_change_hands<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.write(&[
        fixture.put("household", "a", vec![Null, text("1")]),
        fixture.put("household", "b", vec![Null, text("2")]),
        fixture.put("staff", "a", vec![Null, Integer(1)]),
        fixture.put("staff", "b", vec![Null, Integer(2)]),
        fixture.put("visit", "v", vec![text("a"), Integer(0), Null]),
    ]);
    fixture.write(&[
        fixture.set("household", "a", &[("code", text("2"))]),
        fixture.put("household", "b", vec![Null, text("1")]),
        fixture.set("staff", "a", &[("desk", Integer(2))]),
        fixture.set("staff", "b", &[("desk", Integer(1))]),
    ]);
    assert_eq!(fixture.values(fixture.row("household", "a"))[1], text("2"));
    assert_eq!(fixture.values(fixture.row("household", "b"))[1], text("1"));
    assert_eq!(fixture.values(fixture.row("staff", "a"))[1], Integer(2));
    assert!(fixture.exists(fixture.row("visit", "v")), "children of a swapped row stay");
}

pub(super) fn st47_computed_unique_values_change_hands<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.write(&[
        fixture.put("mail", "a", vec![text("A@x"), text("first")]),
        fixture.put("mail", "b", vec![text("b@x"), Null]),
        fixture.put("mail", "c", vec![text("c@x"), text("third")]),
    ]);
    fixture.write(&[
        fixture.set("mail", "a", &[("address", text("B@x"))]),
        fixture.set("mail", "b", &[("address", text("C@x")), ("note", text("second"))]),
        fixture.put("mail", "c", vec![text("a@x"), text("third")]),
    ]);
    let now = ["a", "b", "c"].map(|id| fixture.values(fixture.row("mail", id)));
    let row = |address: &str, note: &str| vec![text(address), text(note)];
    assert_eq!(now, [row("B@x", "first"), row("C@x", "second"), row("a@x", "third")]);
    let refused = fixture
        .refused(&[fixture.set("mail", "a", &[("address", text("C@x"))]), fixture.set("mail", "c", &[("note", Null)])]);
    assert_eq!(refused.reason, Reason::Unique);
}

pub(super) fn st47_a_deleted_row_frees_its_unique_value<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.write(&[fixture.put("household", "a", vec![Null, text("1")])]);
    fixture.write(&[fixture.put("household", "b", vec![Null, text("1")]), fixture.delete("household", "a")]);
    assert!(!fixture.exists(fixture.row("household", "a")));
    assert_eq!(fixture.values(fixture.row("household", "b"))[1], text("1"));
}

pub(super) fn st47_a_composite_unique_value_changes_hands<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let key = |number: i64| vec![text("room"), Integer(number), Blob(vec![])];
    fixture.write(&[
        fixture.put("shelf", key(1), vec![text("x"), Integer(1)]),
        fixture.put("shelf", key(2), vec![text("x"), Integer(2)]),
    ]);
    fixture.write(&[
        fixture.set("shelf", key(1), &[("b", Integer(2))]),
        fixture.set("shelf", key(2), &[("b", Integer(1))]),
    ]);
    assert_eq!(fixture.values(fixture.row("shelf", key(1))), vec![text("x"), Integer(2)]);
    assert_eq!(fixture.values(fixture.row("shelf", key(2))), vec![text("x"), Integer(1)]);
}
