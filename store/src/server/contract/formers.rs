//! Rows that others refer to by unique values outside their keys: the values change hands, and are remembered.

use super::fixture::{Fixture, mark, text};
use crate::sql::{Sql, SqlErrorKind};
use ebbtide_core::ids::Seq;
use ebbtide_core::server::store::{FormerName, Head, ServerStore};
use ebbtide_core::value::Value::{Integer, Null};

fn with_children<S: Sql + Clone>(sql: S) -> Fixture<S> {
    let fixture = Fixture::new(sql);
    fixture.write(&[
        fixture.put("ward", "a", vec![text("x")]),
        fixture.put("ward", "b", vec![text("y")]),
        fixture.put("bed", vec![text("x"), Integer(1)], vec![]),
        fixture.put("bed", vec![text("y"), Integer(1)], vec![]),
        fixture.put("guest", "g", vec![text("x")]),
    ]);
    fixture
}

pub(super) fn st47_a_unique_value_that_others_refer_to_changes_hands<S: Sql + Clone>(sql: S) {
    let fixture = with_children(sql);
    // Another key: the row goes, and one with its value comes.
    fixture.write(&[fixture.put("ward", "new", vec![text("x")]), fixture.delete("ward", "a")]);
    fixture
        .write(&[fixture.set("ward", "new", &[("code", text("y"))]), fixture.set("ward", "b", &[("code", text("x"))])]);
    assert_eq!(fixture.values(fixture.row("ward", "new")), [text("y")]);
    for code in ["x", "y"] {
        assert!(fixture.exists(fixture.row("bed", vec![text(code), Integer(1)])), "{code}");
    }
    assert_eq!(fixture.values(fixture.row("guest", "g")), [text("x")]);
    assert!(!fixture.exists(fixture.row("ward", "a")));
}

pub(super) fn st47_who_follows_a_unique_value_is_not_taken_along_by_the_next_one<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.write(&[
        fixture.put("ward", "a", vec![text("x")]),
        fixture.put("ward", "b", vec![text("y")]),
        fixture.put("guest", "g", vec![text("x")]),
        fixture.put("guest", "h", vec![text("y")]),
    ]);
    fixture.write(&[
        fixture.set("guest", "g", &[("code", text("z"))]),
        fixture.set("guest", "h", &[("code", text("x"))]),
        fixture.set("ward", "a", &[("code", text("z"))]),
        fixture.set("ward", "b", &[("code", text("x"))]),
    ]);
    assert_eq!(fixture.values(fixture.row("guest", "g")), [text("z")]);
    assert_eq!(fixture.values(fixture.row("guest", "h")), [text("x")]);
    // A name that nobody has any more is not taken for NULL, and found.
    let rows = [fixture.put("guest", "i", vec![text("x")]), fixture.set("ward", "b", &[("code", text("w"))])];
    let ended = fixture.try_event(|store| store.write(&rows));
    assert_eq!(ended.expect_err("taken back").kind, SqlErrorKind::ForeignKey);
}

pub(super) fn st93_a_former_name_is_found_until_a_row_has_it_or_history_is_pruned<S: Sql + Clone>(sql: S) {
    let fixture = with_children(sql);
    let (ward, code) = (fixture.table("ward"), [fixture.column("ward", "code")]);
    let former = |value: &str| fixture.event(|store| store.former(ward, &code, &[text(value)]));
    let name = |value: &str, key: &str| FormerName {
        columns: code.to_vec(),
        values: vec![text(value)],
        row: fixture.row("ward", key),
    };
    fixture.event(|store| store.put_formers(&[name("old", "a"), name("x", "a")], &mark(5)));
    fixture.event(|store| store.put_formers(&[name("older", "b")], &mark(4)));
    assert_eq!(former("old"), Some((fixture.row("ward", "a"), mark(5))));
    assert_eq!((former("x"), former("never")), (None, None), "a row has it, or none ever had");
    fixture.event(|store| store.put_formers(&[name("old", "b")], &mark(6)));
    assert_eq!(former("old"), Some((fixture.row("ward", "b"), mark(6))), "the last one counts");
    fixture.write(&[fixture.put("ward", "c", vec![text("old")])]);
    assert_eq!(former("old"), None);
    fixture.write(&[fixture.put("ward", "c", vec![Null])]);
    fixture.event(|store| store.prune(Head { seq: Seq(5), ..Head::default() }, &[]));
    assert_eq!((former("older"), former("old").map(|(_, mark)| mark.seq)), (None, Some(Seq(6))));
}
