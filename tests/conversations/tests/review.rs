//! Conflicts that wait for a person: opened, joined, resolved from any device, moot with their row.

use crate::script::{A, B, closed, of_users, open, refused, resolve, sides, status, text, value};
use ebbtide_core::client::TwoPhase;
use ebbtide_core::conflict::{Closing, ConflictId};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::local::{Choice, DbError, Wanted};
use ebbtide_store::schema::Schema;

const C: usize = 2;

fn schema() -> Schema {
    let json = serde_json::json!({
        "migrations": ["CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, diagnosis TEXT, code TEXT UNIQUE,
            doses INTEGER NOT NULL DEFAULT 0) STRICT"],
        "tables": { "visit": { "merge": { "diagnosis": "review" } } }
    });
    serde_json::from_value(json).expect("the schema above has the schema's shape")
}

/// Three devices of three users have a visit `v` whose diagnosis is `first`.
fn on_both_paths(script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(3, two_phase, schema());
        talk.exec(A, "INSERT INTO visit (id, diagnosis) VALUES ('v', 'first')", &[]);
        [A, B, C].into_iter().for_each(|party| talk.visit(party));
        script(&mut talk);
    }
}

/// A and B wrote the diagnosis unseen by each other; A came first, and everybody knows.
fn in_dispute(talk: &mut Dialogue) -> ConflictId {
    talk.exec(A, "UPDATE visit SET diagnosis = 'flu'", &[]);
    talk.exec(B, "UPDATE visit SET diagnosis = 'cold'", &[]);
    [A, B, A, C].into_iter().for_each(|party| talk.visit(party));
    open(talk, A)[0].id
}

fn wanted(value: &str) -> Wanted {
    Wanted::Value(text(value))
}

fn diagnosis(talk: &mut Dialogue, party: usize) -> Value {
    value(talk, party, "SELECT diagnosis FROM visit")
}

fn everywhere(talk: &mut Dialogue, check: impl Fn(&mut Dialogue, usize)) {
    [A, B, C].into_iter().for_each(|party| talk.visit(party));
    [A, B, C].into_iter().for_each(|party| check(talk, party));
    talk.assert_in_step();
}

#[test]
fn cf01_the_committed_value_stays_visible_and_the_other_waits_on_every_device() {
    on_both_paths(|talk| {
        in_dispute(talk);
        for party in [A, B, C] {
            assert_eq!(diagnosis(talk, party), text("flu"));
            assert_eq!(status(talk, party).conflicts, 1);
            let records = open(talk, party);
            let record = &records[0];
            assert_eq!((record.table.as_str(), record.column.as_deref()), ("visit", Some("diagnosis")));
            assert_eq!((&record.key, &record.base), (&vec![text("v")], &Some(wanted("first"))));
            let expected = [(wanted("flu"), "ann", party == A), (wanted("cold"), "bob", party == B)];
            assert_eq!(sides(record), expected);
        }
        talk.assert_in_step();
    });
}

#[test]
fn cf01_falsy_values_are_values_and_agreement_is_no_conflict() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE visit SET diagnosis = ''", &[]);
        talk.exec(B, "UPDATE visit SET diagnosis = NULL", &[]);
        talk.exec(C, "UPDATE visit SET diagnosis = ''", &[]);
        [A, B, C].into_iter().for_each(|party| talk.visit(party));
        everywhere(talk, |talk, party| {
            assert_eq!(diagnosis(talk, party), text(""));
            let records = open(talk, party);
            let wants: Vec<Wanted> = records[0].sides.iter().map(|side| side.wanted.clone()).collect();
            assert_eq!(wants, [wanted(""), Wanted::Value(Value::Null)]);
        });
    });
}

#[test]
fn cf02_there_is_one_open_conflict_per_cell_with_a_side_for_each_author() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE visit SET diagnosis = 'flu'", &[]);
        talk.exec(B, "UPDATE visit SET diagnosis = 'cold'", &[]);
        talk.exec(B, "UPDATE visit SET diagnosis = 'cough'", &[]);
        talk.exec(C, "UPDATE visit SET diagnosis = 'cancer'", &[]);
        [A, B, C].into_iter().for_each(|party| talk.visit(party));
        everywhere(talk, |talk, party| {
            let records = open(talk, party);
            assert_eq!(records.len(), 1);
            let wants: Vec<Wanted> = records[0].sides.iter().map(|side| side.wanted.clone()).collect();
            assert_eq!(wants, [wanted("flu"), wanted("cough"), wanted("cancer")]);
            assert_eq!(records[0].base, Some(wanted("first")));
        });
    });
}

#[test]
fn cf03_a_later_write_that_had_seen_the_incumbent_leaves_the_conflict_open() {
    on_both_paths(|talk| {
        in_dispute(talk);
        talk.exec(C, "UPDATE visit SET diagnosis = 'gout'", &[]);
        talk.visit(C);
        everywhere(talk, |talk, party| {
            assert_eq!(diagnosis(talk, party), text("gout"));
            let expected = [(wanted("gout"), "cid", party == C), (wanted("cold"), "bob", party == B)];
            assert_eq!(sides(&open(talk, party)[0]), expected);
        });
    });
}

#[test]
fn cf04_other_fields_and_later_changes_go_on_meanwhile() {
    on_both_paths(|talk| {
        in_dispute(talk);
        talk.exec(B, "UPDATE visit SET doses = doses + 2", &[]);
        talk.exec(B, "INSERT INTO visit (id, diagnosis) VALUES ('w', 'other')", &[]);
        talk.visit(B);
        everywhere(talk, |talk, party| {
            assert_eq!(value(talk, party, "SELECT doses FROM visit WHERE id = 'v'"), Value::Integer(2));
            assert_eq!(open(talk, party).len(), 1);
        });
    });
}

#[test]
fn cf05_deleting_the_row_closes_its_conflicts_as_moot() {
    on_both_paths(|talk| {
        let id = in_dispute(talk);
        talk.exec(C, "DELETE FROM visit", &[]);
        talk.visit(C);
        talk.sync(A);
        let told = closed(talk, A);
        assert_eq!((told[0].id, &told[0].closing), (id, &Closing::Moot));
        talk.cut(A);
        talk.exec(C, "INSERT INTO visit (id, diagnosis) VALUES ('v', 'again')", &[]);
        talk.visit(C);
        everywhere(talk, |talk, party| assert!(open(talk, party).is_empty()));
    });
}

#[test]
fn cf06_a_device_that_joins_later_sees_what_is_open() {
    on_both_paths(|talk| {
        in_dispute(talk);
        let late = talk.add("D", "dot");
        talk.visit(late);
        assert_eq!(sides(&open(talk, late)[0]), [(wanted("flu"), "ann", false), (wanted("cold"), "bob", false)]);
    });
}

#[test]
fn cf07_a_choice_is_seen_at_once_and_closes_the_conflict_everywhere() {
    let choices = [
        (A, Choice::Side(1), text("cold")),
        (A, Choice::Side(0), text("flu")),
        (B, Choice::Mine, text("cold")),
        (C, Choice::Value(text("both")), text("both")),
        (C, Choice::Value(Value::Null), Value::Null),
    ];
    for (party, choice, chosen) in choices {
        on_both_paths(|talk| {
            let id = in_dispute(talk);
            resolve(talk, party, id, choice.clone()).expect("the conflict is open");
            assert_eq!(diagnosis(talk, party), chosen, "seen at once, offline");
            assert!(open(talk, party).is_empty());
            talk.visit(party);
            let other = if party == A { B } else { A };
            talk.sync(other);
            let told = closed(talk, other);
            assert_eq!(told[0].closing, Closing::Resolved(ebbtide_core::conflict::Claimed::Value(chosen.clone())));
            talk.cut(other);
            everywhere(talk, |talk, party| {
                assert_eq!(diagnosis(talk, party), chosen);
                assert_eq!((open(talk, party).len(), status(talk, party).conflicts), (0, 0));
            });
        });
    }
}

#[test]
fn cf08_the_slower_of_two_reviewers_is_told_and_its_choice_taken_back() {
    on_both_paths(|talk| {
        let id = in_dispute(talk);
        resolve(talk, A, id, Choice::Side(1)).expect("open here");
        resolve(talk, C, id, Choice::Value(text("gout"))).expect("open here");
        talk.visit(A);
        talk.sync(C);
        assert_eq!(refused(talk, C), ["stale"]);
        talk.cut(C);
        let listed = talk.device(C).database().rejected().expect("the list is readable");
        assert_eq!((listed[0].reason.code(), &listed[0].resolves), ("stale", &vec![id]));
        everywhere(talk, |talk, party| {
            assert_eq!(diagnosis(talk, party), text("cold"));
            assert!(open(talk, party).is_empty());
        });
    });
}

#[test]
fn cf08_the_other_choice_of_a_changeset_stands_when_one_is_stale() {
    on_both_paths(|talk| {
        talk.exec(A, "INSERT INTO visit (id, diagnosis) VALUES ('w', 'first')", &[]);
        [A, B, C].into_iter().for_each(|party| talk.visit(party));
        in_dispute(talk);
        let ids: Vec<ConflictId> = open(talk, C).iter().map(|record| record.id).collect();
        assert_eq!(ids.len(), 2, "two rows of one transaction");
        resolve(talk, A, ids[0], Choice::Side(0)).expect("open here");
        resolve(talk, C, ids[0], Choice::Side(1)).expect("open here");
        resolve(talk, C, ids[1], Choice::Side(1)).expect("open here");
        talk.visit(A);
        talk.sync(C);
        assert_eq!(refused(talk, C), ["stale"]);
        talk.cut(C);
        everywhere(talk, |talk, party| {
            let rows = talk.query(party, "SELECT diagnosis FROM visit ORDER BY id");
            assert_eq!(rows, [[text("flu")], [text("cold")]]);
            assert!(open(talk, party).is_empty());
        });
    });
}

#[test]
fn cf09_a_choice_made_before_another_side_was_seen_is_stale_and_the_conflict_stays_open() {
    on_both_paths(|talk| {
        talk.exec(C, "UPDATE visit SET diagnosis = 'gout'", &[]);
        talk.exec(A, "UPDATE visit SET diagnosis = 'flu'", &[]);
        talk.exec(B, "UPDATE visit SET diagnosis = 'cold'", &[]);
        [A, B, A].into_iter().for_each(|party| talk.visit(party));
        let id = open(talk, A)[0].id;
        resolve(talk, A, id, Choice::Side(1)).expect("open here");
        talk.visit(C);
        talk.sync(A);
        assert_eq!(refused(talk, A), ["stale"]);
        talk.cut(A);
        everywhere(talk, |talk, party| {
            assert_eq!(diagnosis(talk, party), text("flu"));
            assert_eq!(open(talk, party)[0].sides.len(), 3);
        });
    });
}

#[test]
fn cf09_own_writes_under_way_do_not_make_a_choice_stale() {
    on_both_paths(|talk| {
        let id = in_dispute(talk);
        talk.exec(A, "UPDATE visit SET diagnosis = 'influenza'", &[]);
        talk.connect(A);
        talk.cut(A);
        resolve(talk, A, id, Choice::Side(1)).expect("open here");
        talk.sync(A);
        assert!(refused(talk, A).is_empty());
        talk.cut(A);
        everywhere(talk, |talk, party| {
            assert_eq!(diagnosis(talk, party), text("cold"));
            assert!(open(talk, party).is_empty());
        });
    });
}

#[test]
fn cf10_a_choice_that_cannot_be_is_refused_and_changes_nothing() {
    on_both_paths(|talk| {
        let id = in_dispute(talk);
        let unknown = ConflictId { seq: id.seq, index: id.index + 1 };
        let code = |error: Result<(), DbError>| error.expect_err("refused").code.code();
        assert_eq!(code(resolve(talk, C, unknown, Choice::Side(0))), "conflict_not_open");
        assert_eq!(code(resolve(talk, C, id, Choice::Side(2))), "bad_parameter");
        assert_eq!(code(resolve(talk, C, id, Choice::Mine)), "bad_parameter");
        assert_eq!(code(resolve(talk, C, id, Choice::Value(Value::Blob(vec![1])))), "constraint");
        assert_eq!((open(talk, C).len(), status(talk, C).pending), (1, 0));
        resolve(talk, C, id, Choice::Side(0)).expect("open here");
        assert_eq!(code(resolve(talk, C, id, Choice::Side(0))), "conflict_not_open");
    });
}

#[test]
fn cf11_a_refused_transaction_opens_no_conflict() {
    on_both_paths(|talk| {
        talk.exec(A, "INSERT INTO visit (id, code) VALUES ('w', 'x')", &[]);
        talk.exec(A, "UPDATE visit SET diagnosis = 'flu' WHERE id = 'v'", &[]);
        talk.transaction(
            B,
            &["UPDATE visit SET diagnosis = 'cold' WHERE id = 'v'", "INSERT INTO visit (id, code) VALUES ('b', 'x')"],
        );
        talk.visit(A);
        talk.sync(B);
        assert_eq!(refused(talk, B), ["unique"]);
        talk.cut(B);
        everywhere(talk, |talk, party| assert!(open(talk, party).is_empty()));
    });
}

#[test]
fn cf12_two_inserts_of_one_key_dispute_the_field_that_both_gave() {
    on_both_paths(|talk| {
        talk.exec(A, "INSERT INTO visit (id, diagnosis, doses) VALUES ('n', 'flu', 1)", &[]);
        talk.exec(B, "INSERT INTO visit (id, diagnosis) VALUES ('n', 'cold')", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        everywhere(talk, |talk, party| {
            let rows = talk.query(party, "SELECT diagnosis, doses FROM visit WHERE id = 'n'");
            assert_eq!(rows, [[text("flu"), Value::Integer(1)]]);
            let expected = [(wanted("flu"), "ann", party == A), (wanted("cold"), "bob", party == B)];
            assert_eq!(sides(&open(talk, party)[0]), expected);
        });
    });
}
