//! Values and keys of every type, through a port that may pass numbers as doubles.

use super::fixture::{Fixture, text};
use crate::sql::Sql;
use ebbtide_core::server::store::ServerStore;
use ebbtide_core::value::Key;
use ebbtide_core::value::Value::{self, Blob, Integer, Null, Real};

const INTEGERS: [i64; 9] = [0, 1, -1, 1 << 53, (1 << 53) + 1, -(1 << 53) - 1, i64::MAX, i64::MIN, i64::MIN + 1];

const REALS: [f64; 11] = [
    0.0,
    0.5,
    -1.0,
    3.0,
    5e-324,
    f64::MIN_POSITIVE,
    1e300,
    -1e300,
    9_007_199_254_740_993.0,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

fn texts() -> [Value; 6] {
    [text(""), text("5"), text("5.0"), text("9007199254740993"), text("a\0b"), text("𐐷 ü\n'\"")]
}

fn blobs() -> [Value; 3] {
    [Blob(vec![]), Blob(vec![0, 255]), Blob(b"text".to_vec())]
}

pub(super) fn st44_every_value_comes_back_as_it_went_in<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let mut number = 0;
    let mut check = |i: Value, r: Value, t: Value, b: Value| {
        number += 1;
        let key = format!("row {number}");
        let values = vec![i, r, t, b, Null];
        fixture.write(&[fixture.put("typed", key.as_str(), values.clone())]);
        assert_eq!(fixture.values(fixture.row("typed", key.as_str())), values);
        let fields = [("i", Null), ("r", values[1].clone()), ("t", values[2].clone())];
        fixture.write(&[fixture.set("typed", key.as_str(), &fields)]);
        assert_eq!(fixture.values(fixture.row("typed", key.as_str()))[1..], values[1..]);
    };
    INTEGERS.iter().for_each(|number| check(Integer(*number), Null, Null, Null));
    REALS.iter().for_each(|number| check(Null, Real(*number), Null, Null));
    texts().into_iter().for_each(|text| check(Null, Null, text, Null));
    blobs().into_iter().for_each(|blob| check(Null, Null, Null, blob));
}

pub(super) fn st44_an_untyped_column_keeps_each_type<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let mut values = vec![Null];
    values.extend(INTEGERS.map(Integer));
    values.extend(REALS.map(Real));
    // A REAL column stores it as 0.0 on every side.
    values.push(Real(-0.0));
    values.extend(texts());
    values.extend(blobs());
    for value in values {
        let row = vec![Null, Null, Null, Null, value.clone()];
        fixture.write(&[fixture.put("typed", "any", row.clone())]);
        assert_eq!(fixture.values(fixture.row("typed", "any")), row);
        fixture.write(&[fixture.put("loose", "any", row.clone())]);
        assert_eq!(fixture.values(fixture.row("loose", "any")), row);
        fixture.write(&[fixture.set("loose", "any", &[("u", Null)])]);
        fixture.write(&[fixture.set("loose", "any", &[("u", value.clone())])]);
        assert_eq!(fixture.values(fixture.row("loose", "any")), row);
    }
    let numeric = vec![Integer(i64::MAX), Integer(5), Real(5.0), text("5"), Integer(5)];
    fixture.write(&[fixture.put("loose", "numbers", numeric.clone())]);
    assert_eq!(fixture.values(fixture.row("loose", "numbers")), numeric);
    let text_of_integer = vec![Real(0.5), text("x"), Real(1.5), Integer(5), Null];
    fixture.write(&[fixture.put("loose", "numbers", text_of_integer)]);
    let stored = vec![Real(0.5), text("x"), Real(1.5), text("5"), Null];
    assert_eq!(fixture.values(fixture.row("loose", "numbers")), stored, "an integer becomes the text 5, never 5.0");
}

pub(super) fn st44_keys_of_every_type_name_their_rows<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let untyped =
        [text("5"), Integer(5), Blob(vec![5]), text(""), Blob(vec![]), Real(0.5), Integer(i64::MAX), text("a\0b")];
    let mut rows = Vec::new();
    for (number, key) in untyped.iter().enumerate() {
        let values = vec![Null, Integer(number as i64), Null, Null, Null];
        rows.push(fixture.put("loose", vec![key.clone()], values));
    }
    for number in [1, -1, i64::MAX, i64::MIN, (1 << 53) + 1] {
        rows.push(fixture.put("counted", vec![Integer(number)], vec![text(&number.to_string())]));
        let key = vec![text("room"), Integer(number), Blob(vec![1, 2])];
        rows.push(fixture.put("shelf", key, vec![text(&number.to_string()), Null]));
    }
    fixture.write(&rows);
    let ids: Vec<_> = rows.iter().map(|row| row.outcome.row.clone()).collect();
    for (state, row) in fixture.load(&ids).iter().zip(&rows) {
        let ebbtide_core::commit::Effect::Put(values) = &row.outcome.effect else { unreachable!("only puts") };
        assert_eq!(state.values.as_ref(), Some(values), "{:?}", row.outcome.row);
        assert_eq!(state.marks.as_ref(), Some(&row.marks), "{:?}", row.outcome.row);
    }
    let key = vec![Integer((1 << 53) + 1)];
    fixture.write(&[fixture.set("counted", key.clone(), &[("label", text("exact"))])]);
    fixture.write(&[fixture.delete("counted", vec![Integer(i64::MAX)])]);
    assert_eq!(fixture.values(fixture.row("counted", key)), vec![text("exact")]);
    assert!(!fixture.exists(fixture.row("counted", vec![Integer(i64::MAX)])));
    assert!(fixture.exists(fixture.row("counted", vec![Integer(i64::MIN)])));
}

pub(super) fn st59_a_table_is_read_in_the_order_of_its_keys<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let untyped =
        [Real(0.5), Integer(5), Integer(i64::MAX), text(""), text("5"), text("a\0b"), Blob(vec![]), Blob(vec![5])];
    let mut rows = Vec::new();
    for key in untyped.iter().rev() {
        rows.push(fixture.put("loose", vec![key.clone()], vec![Null, Null, Null, Null, Blob(vec![7; 100])]));
    }
    for number in [3, -1, i64::MIN, i64::MAX] {
        rows.push(fixture.put(
            "shelf",
            vec![text("room"), Integer(number), Blob(vec![1])],
            vec![Null, Integer(number)],
        ));
    }
    for number in 0..100 {
        rows.push(fixture.put("bare", format!("{number:03}").as_str(), vec![]));
    }
    fixture.write(&rows);
    for (max_rows, max_bytes) in [(1, 1_000_000), (3, 1_000_000), (1_000, 1), (1_000, 250), (1_000, 1_000_000)] {
        let all = |table: &str| {
            let (mut found, mut more) = (Vec::<(Key, Vec<Value>)>::new(), true);
            while more {
                let after = found.last().map(|(key, _)| key.clone());
                let scan = fixture.event(|store| store.scan(fixture.table(table), after.as_ref(), max_rows, max_bytes));
                assert!(scan.rows.len() <= max_rows && (!scan.rows.is_empty() || !scan.more));
                found.extend(scan.rows);
                more = scan.more;
            }
            found
        };
        assert_eq!(all("loose").into_iter().map(|(key, _)| key.0[0].clone()).collect::<Vec<_>>(), untyped);
        let shelf = all("shelf").into_iter().map(|(key, values)| (key.0[1].clone(), values[1].clone()));
        let numbers = [i64::MIN, -1, 3, i64::MAX].map(Integer);
        assert_eq!(shelf.collect::<Vec<_>>(), numbers.map(|number| (number.clone(), number)));
        assert_eq!(all("bare").len(), 100);
        assert!(all("household").is_empty());
    }
}
