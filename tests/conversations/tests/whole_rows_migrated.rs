//! Rows that merge as a whole, on devices and in spaces of different schema versions.

use crate::script::{A, B, refused, status, text};
use ebbtide_core::client::{Input, TwoPhase};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::local::{Choice, OpenRecord, Wanted};
use ebbtide_store::schema::Schema;
use std::collections::BTreeSet;

const FIRST: &str = "CREATE TABLE place (id TEXT PRIMARY KEY NOT NULL, street TEXT, zip INTEGER, town TEXT) STRICT";

/// Every column gets another number, one goes, one comes.
const SECOND: &str = "CREATE TABLE new_place (note TEXT NOT NULL DEFAULT 'none', town TEXT, zip INTEGER, id TEXT PRIMARY KEY NOT NULL) STRICT;
    INSERT INTO new_place (id, town, zip) SELECT id, town, zip FROM place;
    DROP TABLE place;
    ALTER TABLE new_place RENAME TO place";

fn schema(migrations: &[&str], strategy: &str) -> Schema {
    let merge = if strategy == "lww" { serde_json::json!({}) } else { serde_json::json!({ "zip": strategy }) };
    let tables = serde_json::json!({ "place": { "row": "atomic", "merge": merge } });
    serde_json::from_value(serde_json::json!({ "migrations": migrations, "tables": tables })).expect("a schema")
}

fn first(strategy: &str) -> Schema {
    schema(&[FIRST], strategy)
}

fn second(strategy: &str) -> Schema {
    schema(&[FIRST, SECOND], strategy)
}

/// Two devices of the first version have a place in Main 1, Ulm.
fn from_the_first(strategy: &str, script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = Dialogue::with_schema(2, two_phase, first(strategy));
        talk.exec(A, "INSERT INTO place VALUES ('p', 'Main', 1, 'Ulm')", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        script(&mut talk);
    }
}

fn open(talk: &mut Dialogue, party: usize) -> OpenRecord {
    let listed = talk.device(party).database().open_conflicts().expect("the list is readable");
    assert_eq!(listed.len(), 1, "{}", talk.transcript());
    listed.into_iter().next().expect("one")
}

fn wants(record: &OpenRecord) -> Vec<Wanted> {
    record.sides.iter().map(|side| side.wanted.clone()).collect()
}

fn row(fields: &[(&str, Value)]) -> Wanted {
    Wanted::Row(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn number(number: i64) -> Value {
    Value::Integer(number)
}

#[test]
fn mg105_an_image_of_an_older_version_leaves_what_that_does_not_know() {
    for strategy in ["lww", "review", "server"] {
        from_the_first(strategy, |talk| {
            talk.deploy(&second(strategy));
            talk.restart_with(B, &second(strategy));
            talk.exec(B, "UPDATE place SET note = 'new'", &[]);
            talk.visit(B);
            talk.pass_ms(1_000);
            talk.exec(A, "UPDATE place SET town = 'Bonn'", &[]);
            talk.sync(A);
            if strategy == "lww" {
                assert_eq!(refused(talk, A), Vec::<&str>::new(), "{}", talk.transcript());
                talk.sync(B);
                assert_eq!(
                    talk.query(B, "SELECT note, town, zip FROM place"),
                    [[text("new"), text("Bonn"), number(1)]]
                );
            }
            talk.cut(A);
            talk.exec(A, "UPDATE place SET zip = 5", &[]);
            talk.visit(A);
            talk.visit(B);
            let seen = talk.query(B, "SELECT note, zip FROM place");
            assert_eq!(seen, [[text("new"), number(5)]], "who had seen it is taken under {strategy}");
        });
    }
}

#[test]
fn mg105_images_that_wait_through_a_migration_travel_whole() {
    for strategy in ["lww", "review"] {
        from_the_first(strategy, |talk| {
            talk.exec(B, "UPDATE place SET town = 'Bonn'", &[]);
            talk.visit(B);
            talk.pass_ms(1_000);
            // The first is sealed and lost on its way, while what B did comes; the second is logged by the old version, the third by the new one.
            talk.exec(A, "UPDATE place SET zip = 2", &[]);
            talk.connect(A);
            talk.up(A);
            while talk.down(A) {}
            assert_eq!(status(talk, A).cursor, talk.head(), "{}", talk.transcript());
            talk.cut(A);
            talk.exec(A, "UPDATE place SET zip = 3", &[]);
            talk.restart_with(A, &second(strategy));
            talk.exec(A, "UPDATE place SET zip = 4, note = 'new'", &[]);
            talk.deploy(&second(strategy));
            talk.sync(A);
            assert_eq!(refused(talk, A), Vec::<&str>::new(), "{}", talk.transcript());
            talk.cut(A);
            talk.restart_with(B, &second(strategy));
            talk.visit(B);
            talk.visit(A);
            let own = [text("new"), text("Ulm"), number(4)];
            if strategy == "lww" {
                assert_eq!(talk.query(B, "SELECT note, town, zip FROM place"), [own]);
            } else {
                let [note, town, zip] = own;
                let side = row(&[("note", note), ("town", town), ("zip", zip)]);
                assert_eq!(wants(&open(talk, B))[1], side);
                assert_eq!(talk.query(B, "SELECT town FROM place"), [[text("Bonn")]]);
            }
            talk.assert_in_step();
        });
    }
}

#[test]
fn mg105_what_waits_follows_a_migration_and_a_choice_leaves_what_its_side_did_not_know() {
    from_the_first("review", |talk| {
        talk.exec(A, "UPDATE place SET town = 'Bonn'", &[]);
        talk.exec(B, "UPDATE place SET zip = 2, street = 'Side'", &[]);
        [A, B, A].into_iter().for_each(|party| talk.visit(party));
        talk.deploy(&second("review"));
        talk.restart_with(A, &second("review"));
        talk.visit(A);
        let newcomer = talk.add("C", "cid");
        talk.visit(newcomer);
        let sides = [[("zip", number(1)), ("town", text("Bonn"))], [("zip", number(2)), ("town", text("Ulm"))]];
        for party in [A, newcomer] {
            let record = open(talk, party);
            let Some(Wanted::Row(base)) = &record.base else { panic!("a row") };
            assert!(
                base.contains(&("zip".into(), number(1))) && base.contains(&("town".into(), text("Ulm"))),
                "{base:?}"
            );
            let in_any_order = |side: &Wanted| match side {
                Wanted::Row(fields) => fields.iter().map(|field| format!("{field:?}")).collect::<BTreeSet<_>>(),
                other => panic!("{other:?}"),
            };
            assert!(wants(&record).iter().map(in_any_order).eq(sides.clone().map(|side| in_any_order(&row(&side)))));
        }
        talk.exec(A, "UPDATE place SET note = 'new'", &[]);
        talk.visit(A);
        let now = talk.time_of(A);
        let id = open(talk, A).id;
        talk.device(A).database().resolve_conflict(id, &Choice::Side(1), now).expect("open here");
        talk.input(A, Input::LocalCommit);
        talk.visit(A);
        assert_eq!(talk.query(A, "SELECT note, town, zip FROM place"), [[text("new"), text("Ulm"), number(2)]]);
        talk.visit(B);
        assert_eq!(talk.query(B, "SELECT town, zip FROM place"), [[text("Ulm"), number(2)]]);
        assert!(talk.device(B).database().open_conflicts().expect("readable").is_empty());
    });
}

#[test]
fn mg105_sides_that_come_under_another_version_are_read_by_it() {
    from_the_first("review", |talk| {
        let late = talk.add("C", "cid");
        talk.visit(late);
        talk.exec(A, "UPDATE place SET town = 'Bonn'", &[]);
        talk.exec(B, "UPDATE place SET zip = 2", &[]);
        talk.exec(late, "UPDATE place SET zip = 3", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.deploy(&second("review"));
        // The third side comes from the first version, is decided under the second, and is read under the first.
        talk.visit(late);
        talk.visit(A);
        for party in [A, late] {
            let sides = wants(&open(talk, party));
            let Wanted::Row(third) = &sides[2] else { panic!("a row") };
            let value = |name: &str| third.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            assert_eq!((value("zip"), value("town")), (Some(number(3)), Some(text("Ulm"))), "{third:?}");
        }
    });
}

#[test]
fn mg105_sides_of_a_conflict_that_the_same_commit_opens_are_read_by_their_version() {
    from_the_first("review", |talk| {
        talk.exec(A, "UPDATE place SET town = 'Bonn'", &[]);
        talk.visit(A);
        talk.exec(B, "UPDATE place SET zip = 2", &[]);
        talk.exec(B, "UPDATE place SET town = 'Kiel'", &[]);
        talk.deploy(&second("review"));
        [B, A].into_iter().for_each(|party| talk.visit(party));
        for party in [A, B] {
            let record = open(talk, party);
            let Wanted::Row(challenger) = &record.sides[1].wanted else { panic!("a row") };
            assert_eq!(*challenger, [("zip".to_owned(), number(2)), ("town".to_owned(), text("Kiel"))]);
        }
    });
}

#[test]
fn mg105_a_side_that_comes_with_a_conflict_of_another_table_keeps_its_own_columns() {
    const ASIDE: &str = "CREATE TABLE aside (id TEXT PRIMARY KEY NOT NULL, label TEXT) STRICT";
    let both = |migrations: &[&str]| -> Schema {
        let whole = |field: &str| serde_json::json!({ "row": "atomic", "merge": { field: "review" } });
        let tables = serde_json::json!({ "aside": whole("label"), "place": whole("zip") });
        serde_json::from_value(serde_json::json!({ "migrations": migrations, "tables": tables })).expect("a schema")
    };
    const C: usize = 2;
    let second = both(&[FIRST, ASIDE, SECOND]);
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let talk = &mut Dialogue::with_schema(3, two_phase, both(&[FIRST, ASIDE]));
        talk.transaction(
            A,
            &["INSERT INTO place VALUES ('p', 'Main', 1, 'Ulm')", "INSERT INTO aside VALUES ('s', 'is')"],
        );
        [A, B, C].into_iter().for_each(|party| talk.visit(party));
        talk.deploy(&second);
        [A, B].into_iter().for_each(|party| talk.restart_with(party, &second));
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.exec(A, "UPDATE place SET zip = 2", &[]);
        talk.exec(B, "UPDATE place SET zip = 3", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.exec(A, "UPDATE aside SET label = 'of a'", &[]);
        talk.visit(A);
        talk.restart_with(B, &second);
        talk.exec(B, "UPDATE aside SET label = 'of b'", &[]);
        talk.exec(B, "UPDATE place SET zip = 4", &[]);
        [B, C].into_iter().for_each(|party| talk.visit(party));
        let listed = talk.device(C).database().open_conflicts().expect("the list is readable");
        let of_place = listed.iter().find(|record| record.table == "place").expect("the conflict");
        let side = |zip| row(&[("zip", number(zip)), ("town", text("Ulm"))]);
        assert_eq!(wants(of_place), [side(4), side(3)], "{}", talk.transcript());
    }
}

#[test]
fn mg13_of_a_row_that_is_overwritten_as_a_whole_the_fields_that_become_others_are_recorded() {
    from_the_first("lww", |talk| {
        talk.exec(A, "UPDATE place SET zip = 2", &[]);
        talk.pass_ms(1_000);
        talk.exec(B, "UPDATE place SET town = 'Bonn'", &[]);
        [A, B, A].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
        let listed = talk.device(A).database().decided_conflicts().expect("the list is readable");
        let columns: Vec<Option<&str>> = listed.iter().map(|record| record.column.as_deref()).collect();
        assert_eq!(columns, [Some("zip"), Some("town")], "{}", talk.transcript());
    });
}
