//! Unique values that two rows want: the refusal names both.

use super::fixture::{Fixture, text};
use crate::sql::Sql;
use ebbtide_core::commit::Reason;
use ebbtide_core::value::Value::{Blob, Integer, Null};

pub(super) fn st161_a_refused_unique_value_names_who_wanted_it_and_who_has_it<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.write(&[
        fixture.put("household", "h", vec![Null, text("1")]),
        fixture.put("household", "o'x", vec![Null, text("2")]),
    ]);
    let detail = |wanted| {
        let violation = fixture.refused(&[wanted]);
        assert_eq!(violation.reason, Reason::Unique);
        violation.detail
    };
    let words =
        |own, other| format!("household.code: the row with the key {own} wants what the row with the key {other} has");
    assert_eq!(detail(fixture.put("household", "i", vec![Null, text("1")])), words("'i'", "'h'"));
    assert_eq!(detail(fixture.set("household", "o'x", &[("code", text("1"))])), words("'o''x'", "'h'"));

    let shelf = |number: i64| vec![text("r"), Integer(number), Blob(vec![7])];
    fixture.write(&[
        fixture.put("shelf", shelf(1), vec![text("a"), Integer(1)]),
        fixture.put("shelf", shelf(i64::MAX), vec![text("a"), Integer(2)]),
    ]);
    let half = detail(fixture.set("shelf", shelf(i64::MAX), &[("b", Integer(1))]));
    assert!(half.starts_with("shelf.a, b: "), "{half}");
    assert!(half.contains("'r',9223372036854775807,X'07' wants") && half.contains("'r',1,X'07' has"), "{half}");
}
