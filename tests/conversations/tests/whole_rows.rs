//! Rows that merge as a whole and wait for a person as a whole: `row: 'atomic'` with `review`.

use crate::script::{A, B, closed, of_users, open, refused, resolve, sides, status, text, value};
use ebbtide_core::client::{Input, Output, TwoPhase};
use ebbtide_core::codec::Codec;
use ebbtide_core::conflict::{Claimed, ClosedConflict, Closing, ConflictId};
use ebbtide_core::message::ClientMessage;
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::local::{Choice, DbError, OpenRecord, Wanted};
use ebbtide_store::schema::Schema;

const C: usize = 2;
const ALL: [usize; 3] = [A, B, C];

fn schema(delete: &str) -> Schema {
    let json = serde_json::json!({
        "migrations": ["CREATE TABLE zone (id TEXT PRIMARY KEY NOT NULL) STRICT;
            CREATE TABLE place (id TEXT PRIMARY KEY NOT NULL, street TEXT, zip INTEGER NOT NULL DEFAULT 0, code TEXT UNIQUE,
            zone TEXT REFERENCES zone(id) ON DELETE CASCADE) STRICT;
            CREATE TABLE sign (id TEXT PRIMARY KEY NOT NULL, place TEXT NOT NULL REFERENCES place(id) ON DELETE CASCADE) STRICT"],
        "tables": { "place": { "row": "atomic", "merge": { "street": "review" }, "delete": delete }, "zone": {}, "sign": {} }
    });
    serde_json::from_value(json).expect("the schema above has the schema's shape")
}

/// Three devices of three users have a place `p` in Main 1.
fn on_both_paths(delete: &str, script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(3, two_phase, schema(delete));
        talk.exec(A, "INSERT INTO place (id, street, zip) VALUES ('p', 'Main', 1)", &[]);
        ALL.into_iter().for_each(|party| talk.visit(party));
        script(&mut talk);
    }
}

/// A moved the place to Side 1, B to Main 2, unseen by each other; A came first, and everybody knows.
fn in_dispute(talk: &mut Dialogue) -> ConflictId {
    talk.exec(A, "UPDATE place SET street = 'Side' WHERE id = 'p'", &[]);
    talk.pass_ms(1_000);
    talk.exec(B, "UPDATE place SET zip = 2 WHERE id = 'p'", &[]);
    [A, B, A, C].into_iter().for_each(|party| talk.visit(party));
    open(talk, A)[0].id
}

type Fields = Vec<(String, Value)>;

fn fields(street: &str, zip: i64) -> Fields {
    let cells = [("street", text(street)), ("zip", Value::Integer(zip)), ("code", Value::Null), ("zone", Value::Null)];
    cells.map(|(name, value)| (name.to_owned(), value)).into()
}

fn image(street: &str, zip: i64) -> Wanted {
    Wanted::Row(fields(street, zip))
}

fn wants(record: &OpenRecord) -> Vec<Wanted> {
    record.sides.iter().map(|side| side.wanted.clone()).collect()
}

fn place(talk: &mut Dialogue, party: usize) -> Value {
    value(talk, party, "SELECT street || zip FROM place WHERE id = 'p'")
}

fn everywhere(talk: &mut Dialogue, check: impl Fn(&mut Dialogue, usize)) {
    ALL.into_iter().chain(ALL).for_each(|party| talk.visit(party));
    ALL.into_iter().for_each(|party| check(talk, party));
    talk.assert_in_step();
}

#[test]
fn mg100_the_committed_row_stays_and_the_other_waits_as_a_whole() {
    on_both_paths("wins", |talk| {
        in_dispute(talk);
        everywhere(talk, |talk, party| {
            assert_eq!((place(talk, party), status(talk, party).conflicts), (text("Side1"), 1));
            let records = open(talk, party);
            let record = &records[0];
            assert_eq!((record.table.as_str(), &record.key, &record.column), ("place", &vec![text("p")], &None));
            assert_eq!(record.base, Some(image("Main", 1)));
            assert_eq!(sides(record), [(image("Side", 1), "ann", party == A), (image("Main", 2), "bob", party == B)]);
        });
        let decided = talk.device(C).database().decided_conflicts().expect("readable");
        assert!(decided.is_empty(), "nothing was decided by a rule");
    });
}

#[test]
fn mg100_who_had_seen_the_row_is_taken_and_agreement_is_no_conflict() {
    on_both_paths("wins", |talk| {
        talk.exec(A, "UPDATE place SET street = '', zip = 0", &[]);
        talk.exec(B, "UPDATE place SET zip = 0, street = ''", &[]);
        everywhere(talk, |talk, party| assert!(open(talk, party).is_empty()));
        talk.exec(C, "UPDATE place SET street = NULL", &[]);
        everywhere(talk, |talk, party| {
            assert_eq!(value(talk, party, "SELECT zip FROM place WHERE street IS NULL"), Value::Integer(0));
            assert!(open(talk, party).is_empty());
        });
    });
}

#[test]
fn mg101_there_is_one_conflict_per_row_with_a_side_for_each_author() {
    on_both_paths("wins", |talk| {
        talk.exec(A, "UPDATE place SET street = 'Side'", &[]);
        talk.exec(B, "UPDATE place SET zip = 2", &[]);
        talk.exec(B, "UPDATE place SET street = 'North'", &[]);
        talk.transaction(C, &["UPDATE place SET street = 'East'", "UPDATE place SET street = 'West', zip = 3"]);
        everywhere(talk, |talk, party| {
            let records = open(talk, party);
            assert_eq!((records.len(), &records[0].base), (1, &Some(image("Main", 1))));
            assert_eq!(wants(&records[0]), [image("Side", 1), image("North", 2), image("West", 3)]);
            assert_eq!(place(talk, party), text("Side1"));
        });
    });
}

#[test]
fn mg101_of_the_row_that_was_seen_only_what_changed_travels() {
    let mut talk = Dialogue::with_schema(1, TwoPhase::Auto, schema("wins"));
    talk.exec(A, "INSERT INTO place (id, street, zip) VALUES ('p', 'Main', 1)", &[]);
    talk.visit(A);
    talk.transaction(A, &["UPDATE place SET zip = 2", "UPDATE place SET zip = 3, street = street"]);
    talk.connect(A);
    talk.up(A);
    while talk.down(A) {}
    let sent = talk.sent_by(A);
    let Some(ClientMessage::Submit(submit)) = sent.last() else { panic!("{sent:?}") };
    let sealed = WireCodec.open(&submit.bytes, submit.device_seq, &talk.space.catalogue()).expect("a changeset");
    let seen: Vec<_> = sealed.transactions[0].seen.iter().map(|seen| (seen.column.0, &seen.value)).collect();
    assert_eq!(seen, [(2, &Value::Integer(1))]);
}

#[test]
fn mg101_two_inserts_of_one_key_dispute_the_row() {
    on_both_paths("wins", |talk| {
        talk.exec(A, "INSERT INTO place (id) VALUES ('n')", &[]);
        talk.exec(B, "INSERT INTO place (id, street, zip) VALUES ('n', 'Side', 5)", &[]);
        everywhere(talk, |talk, party| {
            assert_eq!(
                value(talk, party, "SELECT zip FROM place WHERE id = 'n' AND street IS NULL"),
                Value::Integer(0)
            );
            let records = open(talk, party);
            assert_eq!((records.len(), &records[0].base), (1, &None));
            assert_eq!((&wants(&records[0])[1], records[0].sides[1].mine), (&image("Side", 5), party == B));
        });
    });
}

#[test]
fn mg102_a_choice_is_seen_at_once_as_a_whole_row_and_closes_the_conflict_everywhere() {
    let choices = [
        (A, Choice::Side(1), "Main", 2),
        (A, Choice::Side(0), "Side", 1),
        (B, Choice::Mine, "Main", 2),
        (C, Choice::Row(fields("Both", 3)), "Both", 3),
    ];
    for (party, choice, street, zip) in choices {
        on_both_paths("wins", |talk| {
            let id = in_dispute(talk);
            resolve(talk, party, id, choice.clone()).expect("the conflict is open");
            let chosen = text(&format!("{street}{zip}"));
            assert_eq!((place(talk, party), open(talk, party).len()), (chosen.clone(), 0), "seen at once, offline");
            talk.restart(party);
            talk.visit(party);
            let other = if party == A { B } else { A };
            talk.sync(other);
            let Closing::Resolved(Claimed::Row(told)) = &closed(talk, other)[0].closing else { panic!("a row") };
            assert_eq!((&told[0].value, &told[1].value), (&text(street), &Value::Integer(zip)));
            talk.cut(other);
            everywhere(talk, |talk, party| {
                assert_eq!(place(talk, party), chosen);
                assert_eq!((open(talk, party).len(), status(talk, party).conflicts), (0, 0));
            });
        });
    }
}

#[test]
fn mg102_the_slower_of_two_reviewers_is_told_and_its_row_taken_back() {
    on_both_paths("wins", |talk| {
        let id = in_dispute(talk);
        resolve(talk, A, id, Choice::Side(1)).expect("open here");
        resolve(talk, C, id, Choice::Row(fields("Other", 9))).expect("open here");
        talk.visit(A);
        talk.sync(C);
        assert_eq!(refused(talk, C), ["stale"]);
        talk.cut(C);
        let listed = talk.device(C).database().rejected().expect("the list is readable");
        assert_eq!((listed[0].reason.code(), &listed[0].resolves), ("stale", &vec![id]));
        everywhere(talk, |talk, party| assert_eq!((place(talk, party), open(talk, party).len()), (text("Main2"), 0)));
    });
}

#[test]
fn mg102_a_choice_made_before_another_side_was_seen_is_stale_and_own_writes_do_not_make_it_so() {
    on_both_paths("wins", |talk| {
        talk.exec(C, "UPDATE place SET zip = 7", &[]);
        let id = {
            talk.exec(A, "UPDATE place SET street = 'Side'", &[]);
            talk.exec(B, "UPDATE place SET zip = 2", &[]);
            [A, B, A].into_iter().for_each(|party| talk.visit(party));
            open(talk, A)[0].id
        };
        resolve(talk, A, id, Choice::Side(1)).expect("open here");
        talk.visit(C);
        talk.sync(A);
        assert_eq!(refused(talk, A), ["stale"]);
        talk.cut(A);
        everywhere(talk, |talk, party| {
            assert_eq!((place(talk, party), open(talk, party)[0].sides.len()), (text("Side1"), 3))
        });
        talk.exec(A, "UPDATE place SET street = 'Own'", &[]);
        talk.connect(A);
        talk.cut(A);
        resolve(talk, A, id, Choice::Side(2)).expect("open here");
        talk.sync(A);
        assert!(refused(talk, A).is_empty());
        talk.cut(A);
        everywhere(talk, |talk, party| assert_eq!((place(talk, party), open(talk, party).len()), (text("Main7"), 0)));
    });
}

#[test]
fn mg102_somebody_who_agrees_with_the_row_makes_no_choice_stale() {
    on_both_paths("wins", |talk| {
        talk.exec(C, "UPDATE place SET street = 'Side'", &[]);
        talk.exec(A, "UPDATE place SET street = 'Side'", &[]);
        talk.exec(B, "UPDATE place SET zip = 2", &[]);
        [A, B, A].into_iter().for_each(|party| talk.visit(party));
        let id = open(talk, A)[0].id;
        resolve(talk, A, id, Choice::Side(1)).expect("open here");
        talk.visit(C);
        everywhere(talk, |talk, party| assert_eq!((place(talk, party), open(talk, party).len()), (text("Main2"), 0)));
    });
}

#[test]
fn mg102_a_choice_that_cannot_be_is_refused_and_changes_nothing() {
    on_both_paths("wins", |talk| {
        let id = in_dispute(talk);
        let code = |error: Result<(), DbError>| error.expect_err("refused").code.code();
        let mut row = fields("Both", 3);
        let mut wrong = |change: &dyn Fn(&mut Fields)| {
            let mut row = row.clone();
            change(&mut row);
            code(resolve(talk, C, id, Choice::Row(row)))
        };
        assert_eq!(wrong(&|row| row.truncate(2)), "bad_parameter");
        assert_eq!(wrong(&|row| row.push(("id".into(), text("p")))), "bad_parameter");
        assert_eq!(wrong(&|row| row.push(("ZIP".into(), Value::Integer(1)))), "bad_parameter");
        assert_eq!(wrong(&|row| row[0].0 = "town".into()), "bad_parameter");
        assert_eq!(wrong(&|row| row[1].1 = text("many")), "constraint");
        assert_eq!(wrong(&|row| row[1].1 = Value::Null), "constraint_not_null");
        assert_eq!(wrong(&|row| row[3].1 = text("nowhere")), "constraint_foreign_key");
        assert_eq!(code(resolve(talk, C, id, Choice::Value(text("Both")))), "bad_parameter");
        assert_eq!(code(resolve(talk, C, id, Choice::Side(2))), "bad_parameter");
        assert_eq!(code(resolve(talk, C, id, Choice::Mine)), "bad_parameter");
        assert_eq!((open(talk, C).len(), status(talk, C).pending, place(talk, C)), (1, 0, text("Side1")));
        row.reverse();
        row[3].0 = "STREET".into();
        resolve(talk, C, id, Choice::Row(row)).expect("in any order");
        assert_eq!(place(talk, C), text("Both3"));
    });
}

#[test]
fn mg102_a_row_that_does_not_fit_the_space_is_refused_and_its_conflict_stays_open() {
    on_both_paths("wins", |talk| {
        let id = in_dispute(talk);
        talk.exec(A, "INSERT INTO place (id, code) VALUES ('q', 'x')", &[]);
        talk.visit(A);
        let mut row = fields("Both", 3);
        row[2].1 = text("x");
        resolve(talk, C, id, Choice::Row(row)).expect("it fits here");
        talk.sync(C);
        assert_eq!(refused(talk, C), ["unique"]);
        talk.cut(C);
        everywhere(talk, |talk, party| assert_eq!((place(talk, party), open(talk, party).len()), (text("Side1"), 1)));
    });
}

#[test]
fn mg103_a_later_write_that_had_seen_the_row_becomes_the_incumbent() {
    on_both_paths("wins", |talk| {
        in_dispute(talk);
        talk.exec(C, "UPDATE place SET zip = 8", &[]);
        everywhere(talk, |talk, party| {
            assert_eq!(place(talk, party), text("Side8"));
            assert_eq!(
                sides(&open(talk, party)[0]),
                [(image("Side", 8), "cid", party == C), (image("Main", 2), "bob", party == B)]
            );
        });
    });
}

#[test]
fn mg103_deleting_the_row_closes_its_conflict_as_moot() {
    on_both_paths("wins", |talk| {
        let id = in_dispute(talk);
        talk.exec(C, "DELETE FROM place", &[]);
        talk.visit(C);
        talk.sync(A);
        assert_eq!(
            closed(talk, A),
            [ClosedConflict { id, closing: Closing::Moot, by: ebbtide_core::ids::AuthorId(3) }]
        );
        talk.cut(A);
        talk.exec(C, "INSERT INTO place (id, street) VALUES ('p', 'New')", &[]);
        everywhere(talk, |talk, party| assert_eq!((place(talk, party), open(talk, party).len()), (text("New0"), 0)));
    });
}

#[test]
fn mg103_what_waits_for_a_row_that_its_own_transaction_takes_away_is_recorded() {
    on_both_paths("wins", |talk| {
        talk.exec(A, "INSERT INTO zone VALUES ('z')", &[]);
        talk.exec(A, "UPDATE place SET zone = 'z' WHERE id = 'p'", &[]);
        everywhere(talk, |_, _| ());
        // B believes that its place is in no zone when the zone goes.
        talk.transaction(B, &["UPDATE place SET zone = NULL, zip = 2", "DELETE FROM zone"]);
        talk.exec(A, "UPDATE place SET street = 'Side'", &[]);
        talk.visit(A);
        talk.visit(B);
        everywhere(talk, |talk, party| {
            assert_eq!(talk.query(party, "SELECT 1 FROM place").len(), 0, "{}", talk.transcript());
            assert!(open(talk, party).is_empty());
        });
        let decided = talk.device(A).database().decided_conflicts().expect("readable");
        assert!(decided.iter().any(|record| matches!(record.challenger.wanted, Wanted::Row(_))), "{decided:?}");
    });
}

#[test]
fn mg104_a_delete_that_waits_is_a_side_of_the_row_s_conflict() {
    for chosen in 0..3 {
        on_both_paths("review", |talk| {
            talk.exec(C, "DELETE FROM place", &[]);
            let id = in_dispute(talk);
            let listed = talk.device(C).database().rejected().expect("the list is readable");
            assert_eq!(listed[0].reason.code(), "parked");
            everywhere(talk, |talk, party| {
                assert_eq!(wants(&open(talk, party)[0]), [image("Side", 1), image("Main", 2), Wanted::Deleted]);
                assert_eq!(place(talk, party), text("Side1"));
            });
            resolve(talk, A, id, Choice::Side(chosen)).expect("open here");
            talk.visit(A);
            everywhere(talk, |talk, party| {
                let left = talk.query(party, "SELECT street || zip FROM place");
                assert_eq!(left, [vec![vec![text("Side1")]], vec![vec![text("Main2")]], vec![]][chosen as usize]);
                assert!(open(talk, party).is_empty());
            });
        });
    }
}

#[test]
fn mg104_a_row_takes_the_place_of_its_author_s_delete() {
    on_both_paths("review", |talk| {
        talk.exec(C, "DELETE FROM place", &[]);
        talk.exec(A, "UPDATE place SET street = 'Side'", &[]);
        [A, C].into_iter().for_each(|party| talk.visit(party));
        let id = open(talk, C)[0].id;
        assert_eq!(wants(&open(talk, C)[0]), [image("Side", 1), Wanted::Deleted]);
        talk.exec(C, "UPDATE place SET zip = 3", &[]);
        talk.exec(A, "UPDATE place SET street = 'North'", &[]);
        everywhere(talk, |talk, party| assert_eq!(wants(&open(talk, party)[0]), [image("North", 1), image("Side", 3)]));
        resolve(talk, A, id, Choice::Side(1)).expect("open here");
        talk.visit(A);
        everywhere(talk, |talk, party| assert_eq!((place(talk, party), open(talk, party).len()), (text("Side3"), 0)));
    });
}

#[test]
fn mg104_a_row_that_waits_joins_a_delete_that_waits_for_a_child() {
    on_both_paths("review", |talk| {
        talk.exec(A, "UPDATE place SET street = 'Side'", &[]);
        talk.visit(A);
        talk.exec(C, "UPDATE place SET zip = 3", &[]);
        talk.visit(B);
        talk.exec(B, "INSERT INTO sign VALUES ('s', 'p')", &[]);
        talk.exec(A, "DELETE FROM place", &[]);
        [B, A].into_iter().for_each(|party| talk.visit(party));
        assert_eq!(wants(&open(talk, A)[0]), [Wanted::Row(vec![]), Wanted::Deleted], "the child keeps the row");
        everywhere(talk, |talk, party| {
            assert_eq!(wants(&open(talk, party)[0]), [image("Side", 1), Wanted::Deleted, image("Main", 3)]);
        });
        let id = open(talk, B)[0].id;
        resolve(talk, B, id, Choice::Side(2)).expect("open here");
        everywhere(talk, |talk, party| assert_eq!((place(talk, party), open(talk, party).len()), (text("Main3"), 0)));
    });
}

#[test]
fn mg104_keep_brings_the_row_back_as_it_was_written() {
    on_both_paths("keep", |talk| {
        talk.exec(A, "DELETE FROM place", &[]);
        talk.exec(B, "UPDATE place SET zip = 2", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        everywhere(talk, |talk, party| assert_eq!((place(talk, party), open(talk, party).len()), (text("Main2"), 0)));
    });
}

#[test]
fn mg106_a_newcomer_and_a_space_that_was_evicted_know_what_waits() {
    on_both_paths("wins", |talk| {
        let id = in_dispute(talk);
        talk.evict();
        let late = talk.add("D", "dot");
        talk.visit(late);
        assert_eq!(open(talk, late)[0].base, Some(image("Main", 1)));
        assert_eq!(wants(&open(talk, late)[0]), [image("Side", 1), image("Main", 2)]);
        resolve(talk, late, id, Choice::Side(1)).expect("open here");
        talk.visit(late);
        everywhere(talk, |talk, party| assert_eq!((place(talk, party), open(talk, party).len()), (text("Main2"), 0)));
    });
}

#[test]
fn mg106_a_database_that_is_rebuilt_from_a_snapshot_knows_what_waits() {
    on_both_paths("wins", |talk| {
        in_dispute(talk);
        talk.exec(B, "UPDATE place SET zip = 5", &[]);
        talk.input(B, Input::CannotApply);
        talk.sync(B);
        talk.cut(B);
        everywhere(talk, |talk, party| {
            assert_eq!(place(talk, party), text("Side5"), "it had seen the row");
            assert_eq!(wants(&open(talk, party)[0]), [image("Side", 5), image("Main", 2)]);
            assert_eq!(open(talk, party)[0].base, Some(image("Main", 1)));
        });
        assert!(talk.transcript().contains("snapshot"), "{}", talk.transcript());
    });
}

#[test]
fn mg106_a_space_that_was_set_back_has_the_dispute_again() {
    on_both_paths("wins", |talk| {
        let backup = talk.space.backup();
        in_dispute(talk);
        talk.restore_space(&backup);
        for party in [A, B, C, A, B, C] {
            talk.connect(party);
            talk.sync(party);
            talk.cut(party);
        }
        everywhere(talk, |talk, party| {
            assert_eq!(place(talk, party), text("Side1"));
            assert_eq!(wants(&open(talk, party)[0]), [image("Side", 1), image("Main", 2)]);
        });
    });
}

#[test]
fn mg106_a_plan_tells_that_a_row_would_wait() {
    on_both_paths("wins", |talk| {
        talk.exec(A, "UPDATE place SET street = 'Side'", &[]);
        talk.visit(A);
        talk.exec(B, "UPDATE place SET zip = 2", &[]);
        talk.input(B, Input::Plan);
        talk.reconnect(B);
        talk.settle();
        let planned = |output| if let Output::Planned(plan) = output { Some(plan) } else { None };
        let plans: Vec<_> = talk.outputs(B).into_iter().filter_map(planned).collect();
        assert_eq!((plans[0].opened, plans[0].conflicts), (1, 0));
    });
}
