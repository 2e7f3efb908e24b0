//! A row that one device deletes while another edits it or refers to it: `keep` and `review`, in both orders of arrival.

use crate::script::{A, B, choose, closed, meet, of_users, open, refused, status, text, value};
use ebbtide_core::change::Field;
use ebbtide_core::client::TwoPhase;
use ebbtide_core::conflict::{Claimed, Closing};
use ebbtide_core::limits::{RETENTION_MS, TOMBSTONE_BYTES};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::local::Wanted;
use ebbtide_store::schema::Schema;

/// Bytes of a key, so that few rows make a large tombstone.
const KEY_BYTES: usize = 10_000;

const FIRST: &str = "CREATE TABLE household (id TEXT PRIMARY KEY NOT NULL, name TEXT, code TEXT UNIQUE) STRICT;
    CREATE TABLE member (id TEXT PRIMARY KEY NOT NULL, name TEXT,
        household TEXT NOT NULL REFERENCES household(id) ON DELETE CASCADE) STRICT;
    CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, notes TEXT,
        household TEXT REFERENCES household(id) ON DELETE SET NULL) STRICT;
    CREATE TABLE node (id TEXT PRIMARY KEY NOT NULL, label TEXT,
        parent TEXT REFERENCES node(id) ON DELETE CASCADE) STRICT";

/// Fields change places and two things get other names, so that nothing of the first version can be read as it stands.
const SECOND: &str = "CREATE TABLE home (extra INTEGER NOT NULL DEFAULT 7, id TEXT PRIMARY KEY NOT NULL, code TEXT UNIQUE, title TEXT) STRICT;
    INSERT INTO home (id, code, title) SELECT id, code, name FROM household;
    CREATE TABLE new_visit (id TEXT PRIMARY KEY NOT NULL, household TEXT REFERENCES home(id) ON DELETE SET NULL, notes TEXT) STRICT;
    INSERT INTO new_visit SELECT id, household, notes FROM visit;
    DROP TABLE visit;
    ALTER TABLE new_visit RENAME TO visit;
    CREATE TABLE new_member (household TEXT NOT NULL REFERENCES home(id) ON DELETE CASCADE, id TEXT PRIMARY KEY NOT NULL, name TEXT) STRICT;
    INSERT INTO new_member SELECT household, id, name FROM member;
    DROP TABLE member;
    ALTER TABLE new_member RENAME TO member;
    DROP TABLE household;";

fn schema(rule: &str) -> Schema {
    let tables =
        serde_json::json!({ "household": { "delete": rule }, "member": {}, "visit": {}, "node": { "delete": rule } });
    of_shape(serde_json::json!({ "migrations": [FIRST], "tables": tables }))
}

fn second(rule: &str) -> Schema {
    let renamed = serde_json::json!({ "sql": SECOND, "renames": { "household": "home", "home.name": "title" } });
    let tables =
        serde_json::json!({ "home": { "delete": rule }, "member": {}, "visit": {}, "node": { "delete": rule } });
    of_shape(serde_json::json!({ "migrations": [FIRST, renamed], "tables": tables }))
}

fn of_shape(json: serde_json::Value) -> Schema {
    serde_json::from_value(json).expect("the schemas above have the schema's shape")
}

/// Two devices have a household `h` with a member and a visit, and a chain of nodes.
fn on_both_paths(rule: &str, script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(2, two_phase, schema(rule));
        talk.exec(A, "INSERT INTO household (id, name, code) VALUES ('h', 'first', 'x')", &[]);
        talk.exec(A, "INSERT INTO member (id, household) VALUES ('m', 'h')", &[]);
        talk.exec(A, "INSERT INTO visit (id, household) VALUES ('v', 'h')", &[]);
        talk.exec(A, "INSERT INTO node (id, parent) VALUES ('1', NULL), ('2', '1'), ('3', '2')", &[]);
        talk.visit(A);
        talk.visit(B);
        script(&mut talk);
    }
}

fn in_both_orders(rule: &str, script: impl Fn(&mut Dialogue, [usize; 2])) {
    for order in [[A, B], [B, A]] {
        on_both_paths(rule, |talk| script(talk, order));
    }
}

fn rows(talk: &mut Dialogue, party: usize, sql: &str) -> Vec<Vec<Value>> {
    talk.query(party, sql)
}

#[test]
fn dl01_keep_undoes_a_delete_that_met_an_edit_with_all_that_fell_with_it() {
    in_both_orders("keep", |talk, order| {
        talk.transaction(A, &["DELETE FROM household", "INSERT INTO node (id) VALUES ('rest')"]);
        talk.exec(B, "UPDATE household SET name = 'edited'", &[]);
        meet(talk, order);
        for party in [A, B] {
            assert_eq!(rows(talk, party, "SELECT name, code FROM household"), [[text("edited"), text("x")]]);
            assert_eq!(rows(talk, party, "SELECT id, household FROM member"), [[text("m"), text("h")]]);
            assert_eq!(rows(talk, party, "SELECT id, household FROM visit"), [[text("v"), text("h")]]);
            let rest = value(talk, party, "SELECT count(*) FROM node WHERE id = 'rest'");
            assert_eq!(rest, Value::Integer(1), "the rest of the transaction stands");
            assert!(!talk.device(party).database().decided_conflicts().expect("readable").is_empty(), "recorded");
        }
    });
}

#[test]
fn dl01_keep_undoes_a_delete_that_met_a_new_child() {
    in_both_orders("keep", |talk, order| {
        talk.exec(A, "DELETE FROM household", &[]);
        talk.exec(B, "INSERT INTO member (id, household) VALUES ('n', 'h')", &[]);
        meet(talk, order);
        for party in [A, B] {
            assert_eq!(rows(talk, party, "SELECT id FROM household"), [[text("h")]]);
            assert_eq!(rows(talk, party, "SELECT id FROM member ORDER BY id"), [[text("m")], [text("n")]]);
            assert_eq!(rows(talk, party, "SELECT household FROM visit"), [[text("h")]]);
        }
    });
}

#[test]
fn dl01_keep_goes_up_and_down_a_tree_of_rows_of_one_table() {
    in_both_orders("keep", |talk, order| {
        talk.exec(A, "DELETE FROM node WHERE id = '1'", &[]);
        talk.exec(B, "UPDATE node SET label = 'edited' WHERE id = '2'", &[]);
        meet(talk, order);
        for party in [A, B] {
            let found = rows(talk, party, "SELECT id, parent, label FROM node ORDER BY id");
            let (one, two, three) = (text("1"), text("2"), text("3"));
            let expected = [
                [one.clone(), Value::Null, Value::Null],
                [two.clone(), one, text("edited")],
                [three, two, Value::Null],
            ];
            assert_eq!(found, expected);
        }
    });
}

#[test]
fn dl01_keep_brings_back_the_edited_row_and_the_parent_that_its_transaction_refers_to() {
    on_both_paths("keep", |talk| {
        talk.exec(A, "DELETE FROM household", &[]);
        talk.exec(A, "DELETE FROM node WHERE id = '1'", &[]);
        talk.visit(A);
        let child = "INSERT INTO node (id, parent) VALUES ('new', '1')";
        talk.transaction(B, &["UPDATE household SET name = 'edited'", child]);
        talk.sync(B);
        assert!(refused(talk, B).is_empty(), "{}", talk.transcript());
        talk.cut(B);
        talk.visit(A);
        talk.assert_in_step();
        assert_eq!(rows(talk, A, "SELECT name FROM household"), [[text("edited")]]);
        assert_eq!(value(talk, A, "SELECT count(*) FROM node"), Value::Integer(4));
    });
}

#[test]
fn dl01_what_nobody_edited_meanwhile_goes() {
    in_both_orders("keep", |talk, order| {
        talk.exec(A, "DELETE FROM household", &[]);
        talk.exec(B, "UPDATE node SET label = 'elsewhere'", &[]);
        meet(talk, order);
        assert!(rows(talk, B, "SELECT id FROM household").is_empty());
        assert!(rows(talk, B, "SELECT id FROM member").is_empty());
    });
}

#[test]
fn dl02_keep_that_is_impossible_waits_for_a_person() {
    on_both_paths("keep", |talk| {
        talk.transaction(A, &["DELETE FROM household", "INSERT INTO household (id, code) VALUES ('other', 'x')"]);
        talk.visit(A);
        talk.exec(B, "UPDATE household SET name = 'edited' WHERE id = 'h'", &[]);
        talk.sync(B);
        assert_eq!(refused(talk, B), ["parked"]);
        talk.cut(B);
        talk.visit(A);
        assert_eq!((status(talk, A).conflicts, status(talk, B).conflicts), (1, 1));
        assert_eq!(rows(talk, B, "SELECT id FROM household"), [[text("other")]]);
        talk.assert_in_step();
    });
}

#[test]
fn dl03_review_parks_the_later_transaction_and_shows_both_sides() {
    in_both_orders("review", |talk, order| {
        talk.exec(A, "DELETE FROM household", &[]);
        talk.transaction(B, &["UPDATE household SET name = 'edited'", "INSERT INTO node (id) VALUES ('same')"]);
        talk.visit(order[0]);
        talk.sync(order[1]);
        assert_eq!(refused(talk, order[1]), ["parked"]);
        talk.cut(order[1]);
        meet(talk, order);
        let stays = order[0] == B;
        for party in [A, B] {
            assert_eq!(rows(talk, party, "SELECT id FROM household").len(), usize::from(stays));
            let same = value(talk, party, "SELECT count(*) FROM node WHERE id = 'same'");
            assert_eq!(same, Value::Integer(i64::from(stays)), "the whole transaction waits");
            let record = open(talk, party).remove(0);
            assert_eq!((record.table.as_str(), record.column), ("household", None));
            let edit = Wanted::Row(vec![("name".into(), text("edited"))]);
            let wanted: Vec<Wanted> = record.sides.into_iter().map(|side| side.wanted).collect();
            assert_eq!(wanted, if stays { [edit, Wanted::Deleted] } else { [Wanted::Deleted, edit] });
        }
    });
}

#[test]
fn dl03_later_edits_leave_the_sides_as_they_met() {
    on_both_paths("review", |talk| {
        talk.exec(A, "DELETE FROM household", &[]);
        talk.exec(B, "UPDATE household SET name = 'edited'", &[]);
        meet(talk, [B, A]);
        talk.exec(B, "UPDATE household SET code = 'later'", &[]);
        meet(talk, [B, A]);
        for party in [A, B] {
            let sides: Vec<Wanted> = open(talk, party).remove(0).sides.into_iter().map(|side| side.wanted).collect();
            assert_eq!(sides, [Wanted::Row(vec![("name".into(), text("edited"))]), Wanted::Deleted]);
        }
    });
}

#[test]
fn dl04_choosing_the_side_that_waits_submits_it_again() {
    in_both_orders("review", |talk, order| {
        talk.exec(A, "DELETE FROM household", &[]);
        talk.transaction(B, &["UPDATE household SET name = 'edited'", "INSERT INTO node (id) VALUES ('same')"]);
        meet(talk, order);
        let id = open(talk, A)[0].id;
        choose(talk, A, id, 1);
        talk.visit(A);
        talk.sync(B);
        let told = closed(talk, B).remove(0);
        talk.cut(B);
        let catalogue = talk.space.catalogue();
        let column = catalogue.tables.iter().find_map(|table| table.column_of("name")).expect("a column");
        let edit = Claimed::Row(vec![Field { column, value: text("edited") }]);
        let closing = if order[1] == B { Closing::Resolved(edit) } else { Closing::Moot };
        assert_eq!((told.id, told.closing), (id, closing), "what was chosen, and no more");
        meet(talk, order);
        for party in [A, B] {
            assert!(open(talk, party).is_empty());
            let names = rows(talk, party, "SELECT name FROM household");
            match order[1] == B {
                true => {
                    assert_eq!(names, [[text("edited")]]);
                    assert_eq!(rows(talk, party, "SELECT household FROM member"), [[text("h")]]);
                    assert_eq!(rows(talk, party, "SELECT household FROM visit"), [[text("h")]]);
                    assert_eq!(rows(talk, party, "SELECT id FROM node WHERE id = 'same'").len(), 1);
                }
                false => assert!(names.is_empty()),
            }
        }
    });
}

#[test]
fn dl04_choosing_what_stands_leaves_it_so() {
    in_both_orders("review", |talk, order| {
        talk.exec(A, "DELETE FROM household", &[]);
        talk.exec(B, "UPDATE household SET name = 'edited'", &[]);
        meet(talk, order);
        let id = open(talk, B)[0].id;
        choose(talk, B, id, 0);
        meet(talk, order);
        for party in [A, B] {
            assert!(open(talk, party).is_empty());
            assert_eq!(rows(talk, party, "SELECT id FROM household").len(), usize::from(order[0] == B));
        }
    });
}

#[test]
fn dl04_a_child_that_waits_comes_with_its_parent() {
    on_both_paths("review", |talk| {
        talk.exec(A, "DELETE FROM household", &[]);
        talk.exec(B, "INSERT INTO member (id, household) VALUES ('n', 'h')", &[]);
        meet(talk, [A, B]);
        let id = open(talk, A)[0].id;
        choose(talk, A, id, 1);
        meet(talk, [A, B]);
        assert_eq!(rows(talk, B, "SELECT id FROM member ORDER BY id"), [[text("m")], [text("n")]]);
        assert_eq!(rows(talk, B, "SELECT household FROM visit"), [[text("h")]]);
    });
}

#[test]
fn dl07_keep_brings_back_what_went_under_an_earlier_schema_version() {
    on_both_paths("keep", |talk| {
        talk.exec(A, "DELETE FROM household", &[]);
        talk.visit(A);
        talk.deploy(&second("keep"));
        talk.exec(B, "UPDATE household SET name = 'edited'", &[]);
        talk.visit(B);
        for party in [A, B] {
            talk.restart_with(party, &second("keep"));
            talk.visit(party);
            let homes = rows(talk, party, "SELECT id, title, code, extra FROM home");
            assert_eq!(homes, [[text("h"), text("edited"), text("x"), Value::Integer(7)]], "{}", talk.transcript());
            assert_eq!(rows(talk, party, "SELECT id, household FROM member"), [[text("m"), text("h")]]);
            assert_eq!(rows(talk, party, "SELECT id, household FROM visit"), [[text("v"), text("h")]]);
        }
        talk.assert_in_step();
    });
}

#[test]
fn dl07_what_waited_under_an_earlier_schema_version_can_be_chosen() {
    on_both_paths("review", |talk| {
        talk.exec(A, "DELETE FROM household", &[]);
        talk.transaction(B, &["UPDATE household SET name = 'edited'", "INSERT INTO node (id) VALUES ('same')"]);
        meet(talk, [A, B]);
        talk.deploy(&second("review"));
        talk.restart_with(A, &second("review"));
        talk.visit(A);
        let id = open(talk, A)[0].id;
        choose(talk, A, id, 1);
        talk.visit(A);
        talk.restart_with(B, &second("review"));
        meet(talk, [A, B]);
        for party in [A, B] {
            assert!(open(talk, party).is_empty());
            assert_eq!(rows(talk, party, "SELECT title, code FROM home"), [[text("edited"), text("x")]]);
            assert_eq!(rows(talk, party, "SELECT household FROM visit"), [[text("h")]]);
            assert_eq!(rows(talk, party, "SELECT id FROM node WHERE id = 'same'").len(), 1);
        }
    });
}

#[test]
fn dl07_keep_brings_back_what_a_migration_deleted() {
    on_both_paths("keep", |talk| {
        talk.exec(A, "INSERT INTO household (id, name) VALUES ('old', 'first')", &[]);
        talk.visit(A);
        talk.visit(B);
        let cleaning = "DELETE FROM household WHERE id = 'old'";
        let tables = serde_json::json!({ "household": { "delete": "keep" }, "member": {}, "visit": {}, "node": {} });
        let cleaned = of_shape(serde_json::json!({ "migrations": [FIRST, cleaning], "tables": tables }));
        talk.deploy(&cleaned);
        talk.exec(B, "UPDATE household SET code = 'mine' WHERE id = 'old'", &[]);
        talk.visit(B);
        for party in [A, B] {
            talk.restart_with(party, &cleaned);
            talk.visit(party);
            let found = rows(talk, party, "SELECT name, code FROM household WHERE id = 'old'");
            assert_eq!(found, [[text("first"), text("mine")]], "{}", talk.transcript());
        }
    });
}

#[test]
fn dl08_where_the_image_is_pruned_keep_and_review_wait_for_a_person() {
    for rule in ["keep", "review"] {
        on_both_paths(rule, |talk| {
            talk.exec(B, "UPDATE household SET name = 'too late'", &[]);
            talk.exec(A, "DELETE FROM household", &[]);
            talk.visit(A);
            talk.pass_ms(RETENTION_MS + 1);
            talk.exec(A, "INSERT INTO node (id) VALUES ('later')", &[]);
            talk.visit(A);
            talk.space.prune(talk.now);
            talk.visit(B);
            assert_eq!(refused(talk, B), ["parked"], "{}", talk.transcript());
            talk.visit(A);
            talk.assert_in_step();
            for party in [A, B] {
                let record = open(talk, party).remove(0);
                assert_eq!(record.sides[0].wanted, Wanted::Deleted);
                assert_eq!(record.sides[1].wanted, Wanted::Row(vec![("name".into(), text("too late"))]));
            }
            let id = open(talk, B)[0].id;
            choose(talk, B, id, 1);
            talk.visit(B);
            assert!(refused(talk, B).contains(&"stale"), "the row cannot be brought back, and that is said");
            choose(talk, B, id, 0);
            meet(talk, [A, B]);
            assert!(open(talk, A).is_empty() && open(talk, B).is_empty());
            assert!(rows(talk, B, "SELECT id FROM household").is_empty());
        });
    }
}

#[test]
fn dl09_what_took_more_along_than_a_tombstone_holds_goes_and_an_unseen_edit_of_it_waits_for_a_person() {
    for (members, is_kept) in [(10, true), (TOMBSTONE_BYTES / KEY_BYTES + 1, false)] {
        on_both_paths("keep", |talk| {
            for member in 0..members {
                let id = format!("{member:0width$}", width = KEY_BYTES);
                talk.exec(A, "INSERT INTO member (id, household) VALUES (?, 'h')", &[text(&id)]);
            }
            talk.visit(A);
            talk.visit(B);
            talk.exec(B, "UPDATE household SET name = 'unseen'", &[]);
            talk.exec(A, "DELETE FROM household", &[]);
            talk.visit(A);
            talk.visit(B);
            let expected: &[&str] = if is_kept { &[] } else { &["parked"] };
            assert_eq!(refused(talk, B), expected);
            talk.visit(A);
            talk.assert_in_step();
            let kept = rows(talk, A, "SELECT name, (SELECT count(*) FROM member) FROM household");
            match is_kept {
                true => assert_eq!(kept, [[text("unseen"), Value::Integer(members as i64 + 1)]]),
                false => {
                    assert!(kept.is_empty());
                    let record = open(talk, B).remove(0);
                    assert_eq!(record.sides[1].wanted, Wanted::Row(vec![("name".into(), text("unseen"))]));
                }
            }
        });
    }
}

#[test]
fn dl09_rows_keys_and_references_count_up_to_the_bound_and_one_byte_beyond_is_too_much() {
    let half = TOMBSTONE_BYTES / 2;
    // A text counts three bytes more than its letters, NULL one, a row that fell four and one for each column that was emptied.
    let uncounted = (half + 3 + 1) + (3 + 4 + 1);
    for beyond in [0, 1] {
        on_both_paths("keep", |talk| {
            let key = "v".repeat(TOMBSTONE_BYTES - uncounted + beyond);
            talk.exec(A, "INSERT INTO household (id, name) VALUES ('large', ?)", &[text(&"n".repeat(half))]);
            talk.exec(A, "INSERT INTO visit (id, household) VALUES (?, 'large')", &[text(&key)]);
            talk.visit(A);
            talk.visit(B);
            talk.exec(B, "UPDATE household SET code = 'unseen' WHERE id = 'large'", &[]);
            talk.exec(A, "DELETE FROM household WHERE id = 'large'", &[]);
            talk.visit(A);
            talk.visit(B);
            let expected: &[&str] = if beyond == 0 { &[] } else { &["parked"] };
            assert_eq!(refused(talk, B), expected);
            talk.visit(A);
            talk.assert_in_step();
            let kept = value(talk, A, "SELECT count(*) FROM visit WHERE household = 'large'");
            assert_eq!(kept, Value::Integer(i64::from(beyond == 0)));
        });
    }
}

#[test]
fn dl08_an_image_goes_with_the_history_of_its_delete_also_where_the_row_was_made_long_before() {
    on_both_paths("keep", |talk| {
        let history_goes = |talk: &mut Dialogue, node: &str| {
            talk.pass_ms(RETENTION_MS + 1);
            talk.exec(A, "INSERT INTO node (id) VALUES (?)", &[text(node)]);
            talk.visit(A);
            talk.space.prune(talk.now);
        };
        history_goes(talk, "later");
        talk.visit(B);
        talk.exec(B, "UPDATE household SET name = 'too late'", &[]);
        talk.exec(A, "DELETE FROM household", &[]);
        talk.visit(A);
        history_goes(talk, "much later");
        talk.visit(B);
        assert_eq!(refused(talk, B), ["parked"], "{}", talk.transcript());
        talk.visit(A);
        talk.assert_in_step();
    });
}
