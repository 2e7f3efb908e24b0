//! Constraints that writes meet, references that lead nowhere, and what is taken back.

use super::fixture::{Fixture, open_with, text};
use crate::catalogue::{self, writable};
use crate::schema::{Schema, SchemaError};
use crate::sql::{Sql, SqlError, SqlErrorKind};
use ebbtide_core::commit::Reason;
use ebbtide_core::server::store::ServerStore;
use ebbtide_core::value::Value::{Integer, Null};

pub(super) fn st48_violations_are_told_apart<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture.write(&[fixture.put("household", "h", vec![Null, text("1")])]);
    let unique = fixture.refused(&[fixture.put("household", "i", vec![Null, text("1")])]);
    assert_eq!(unique.reason, Reason::Unique);
    assert!(unique.detail.contains("household.code"), "{}", unique.detail);
    let null = fixture.refused(&[fixture.put("household", "i", vec![Null, Null])]);
    assert_eq!(null.reason, Reason::Constraint);
    assert!(null.detail.contains("household.code"), "{}", null.detail);
    let check = fixture.refused(&[fixture.put("visit", "v", vec![Null, Integer(-1), Null])]);
    assert_eq!(check.reason, Reason::Constraint);
    let type_error = fixture.refused(&[fixture.put("visit", "v", vec![Null, text("x"), Null])]);
    assert_eq!(type_error.reason, Reason::Constraint);
}

pub(super) fn st48_a_violation_leaves_the_rest_of_the_event_usable<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let rows = [
        fixture.put("household", "a", vec![Null, text("same")]),
        fixture.put("household", "b", vec![Null, text("same")]),
    ];
    fixture
        .event(|store| {
            let first: Result<(), _> = store.savepoint(|store| match store.write(&rows) {
                Ok(Err(violation)) => Err(violation),
                other => panic!("expected a violation, got {other:?}"),
            })?;
            assert_eq!(first.expect_err("rolled back").reason, Reason::Unique);
            store.write(&rows[..1])
        })
        .expect("no constraint is met");
    assert!(fixture.exists(fixture.row("household", "a")));
    assert!(!fixture.exists(fixture.row("household", "b")));
}

pub(super) fn st94_a_table_that_cannot_be_written_is_found<S: Sql + Clone>(mut sql: S) {
    let schema = |sql: &str| {
        let json = format!(r#"{{"migrations":["{sql}"],"tables":{{"odd":{{}}}}}}"#);
        serde_json::from_str::<Schema>(&json).expect("a schema")
    };
    let good = "CREATE TABLE odd (id TEXT PRIMARY KEY NOT NULL DEFAULT (uuidv7()), n INTEGER DEFAULT (abs(-1))) STRICT";
    open_with(&mut sql, &schema(good));
    let catalogue = catalogue::read(&mut sql, &schema(good)).expect("a catalogue");
    writable::check(&mut sql, &catalogue).expect("every function is there");
    let other =
        "DROP TABLE odd; CREATE TABLE odd (id TEXT PRIMARY KEY NOT NULL, n INTEGER DEFAULT (fresh_number())) STRICT";
    if let Err(error) = sql.script(other) {
        // An object looks at a default as soon as it is declared; elsewhere nobody does before it is needed.
        return assert!(error.message.contains("fresh_number"), "{error}");
    }
    let error = writable::check(&mut sql, &catalogue).expect_err("no such function");
    assert!(
        matches!(&error, SchemaError::Invalid { place, what } if place == "tables.odd" && what.contains("fresh_number")),
        "{error}"
    );
}

pub(super) fn st49_a_reference_to_nothing_is_found<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let rows = [
        fixture.put("visit", "fine", vec![Null, Integer(1), Null]),
        fixture.put("visit", "lost", vec![text("nowhere"), Integer(1), Null]),
    ];
    let ids: Vec<_> = rows.iter().map(|row| row.outcome.row.clone()).collect();
    fixture.event(|store| {
        let found = store.savepoint(|store| {
            store.write(&rows).expect("storage").expect("deferred");
            assert_eq!(store.dangling(&ids[..1]).expect("storage"), None);
            Err::<(), _>(store.dangling(&ids).expect("storage").expect("found"))
        })?;
        let found = found.expect_err("rolled back");
        assert_eq!(found.reason, Reason::ForeignKey);
        assert!(found.detail.contains("visit") && found.detail.contains("household"), "{}", found.detail);
        Ok(())
    });
    assert!(!fixture.exists(fixture.row("visit", "fine")));
}

pub(super) fn st49_an_event_never_ends_with_a_dangling_reference<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let lost = fixture.put("visit", "lost", vec![text("nowhere"), Integer(1), Null]);
    let ended = fixture.try_event(|store| store.write(std::slice::from_ref(&lost)));
    assert_eq!(ended.expect_err("taken back").kind, SqlErrorKind::ForeignKey);
    assert!(!fixture.exists(fixture.row("visit", "lost")), "and the database is still usable");
}

pub(super) fn st49_an_event_never_ends_with_an_orphan<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    fixture
        .write(&[fixture.put("staff", "boss", vec![Null, Null]), fixture.put("staff", "x", vec![text("boss"), Null])]);
    let gone = fixture.delete("staff", "boss");
    let ended = fixture.try_event(|store| store.write(std::slice::from_ref(&gone)));
    assert_eq!(ended.expect_err("taken back").kind, SqlErrorKind::ForeignKey);
    assert!(fixture.exists(fixture.row("staff", "boss")));
}

pub(super) fn st49_children_are_found_by_index<S: Sql + Clone>(sql: S) {
    let mut fixture = Fixture::new(sql);
    fixture.write(&[
        fixture.put("household", "h", vec![Null, text("1")]),
        fixture.put("visit", "b", vec![text("h"), Integer(1), Null]),
        fixture.put("visit", "a", vec![text("h"), Integer(1), Null]),
        fixture.put("visit", "c", vec![Null, Integer(1), Null]),
    ]);
    let catalogue = fixture.catalogue();
    let visit = fixture.table("visit");
    let reference = &catalogue.table(visit).expect("a table").references[0];
    let children = fixture.event(|store| store.children(visit, reference, &[text("h")]));
    assert_eq!(children, vec![fixture.row("visit", "a"), fixture.row("visit", "b")]);
    let plan = fixture.sql.query("EXPLAIN QUERY PLAN SELECT id FROM visit WHERE household='h'", &[]).expect("a plan");
    assert!(format!("{plan:?}").contains("USING INDEX"), "{plan:?}");
}

pub(super) fn st50_a_failed_event_leaves_nothing<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let row = fixture.put("bare", "x", vec![]);
    let failed: Result<(), SqlError> = crate::server::SpaceStore::event(&fixture.sql, &fixture.space, |store| {
        store.write(std::slice::from_ref(&row))?.expect("no constraint");
        let failure = SqlError { kind: SqlErrorKind::Other, message: "failed later".into(), sql: String::new() };
        Err(failure)
    });
    assert_eq!(failed.expect_err("failed").message, "failed later");
    let state = fixture.load(&[fixture.row("bare", "x")]).remove(0);
    assert_eq!((state.values, state.marks), (None, None));
}

pub(super) fn st50_a_failed_savepoint_takes_back_only_itself<S: Sql + Clone>(sql: S) {
    let fixture = Fixture::new(sql);
    let [kept, inner, outer] = ["kept", "inner", "outer"].map(|name| fixture.put("bare", name, vec![]));
    fixture.event(|store| {
        store.write(std::slice::from_ref(&kept))?.expect("no constraint");
        let undone: Result<(), ()> = store.savepoint(|store| {
            store.write(std::slice::from_ref(&outer)).expect("storage").expect("no constraint");
            let nested: Result<(), ()> = store
                .savepoint(|store| {
                    store.write(std::slice::from_ref(&inner)).expect("storage").expect("no constraint");
                    Ok(())
                })
                .expect("storage");
            nested.and(Err(()))
        })?;
        assert!(undone.is_err());
        Ok(())
    });
    let there = ["kept", "inner", "outer"].map(|name| fixture.exists(fixture.row("bare", name)));
    assert_eq!(there, [true, false, false]);
}
