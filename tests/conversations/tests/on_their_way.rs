//! Rows that are on their way to the space while a migration changes rows, here and there: each is changed once, wherever it is met.

use crate::script::{A, B, of_users, refused, text};
use ebbtide_core::client::{Input, TwoPhase};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

/// The second version adds to a sum, changes a text by what it was, and takes some rows out.
fn schema(migrations: usize) -> Schema {
    let all = [
        "CREATE TABLE tally (id TEXT PRIMARY KEY NOT NULL, number INTEGER NOT NULL DEFAULT 0, name TEXT) STRICT",
        "UPDATE tally SET number = number + 1, name = name || '!' WHERE id <> 'quiet'; DELETE FROM tally WHERE name = 'gone!'",
    ];
    let tables = serde_json::json!({ "tally": { "merge": { "number": "sum" } } });
    serde_json::from_value(serde_json::json!({ "migrations": &all[..migrations], "tables": tables })).expect("a schema")
}

/// When the space decides what was sealed before the migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decided {
    /// Before its own migration; the verdict is lost.
    Unheard,
    /// Before its own migration, when the device had run it already.
    Ahead,
    /// After its own migration.
    After,
}

const ALL: [Decided; 3] = [Decided::Unheard, Decided::Ahead, Decided::After];

/// A has sealed two rows when it takes the second version; then it does what `write` does.
fn on_their_way(decided: Decided, others: bool, two_phase: TwoPhase, write: impl Fn(&mut Dialogue)) -> Dialogue {
    let mut talk = of_users(2, two_phase, schema(1));
    if others {
        talk.exec(B, "INSERT INTO tally VALUES ('old', 10, 'old')", &[]);
    }
    [B, A].into_iter().for_each(|party| talk.visit(party));
    talk.transaction(A, &["INSERT INTO tally VALUES ('r', 3, 'new')", "INSERT INTO tally VALUES ('g', 0, 'gone')"]);
    talk.pass_ms(5_000);
    talk.input(A, Input::Tick);
    assert_eq!(talk.durable(A).sealed.len(), 1);
    if decided == Decided::Unheard {
        let before = talk.head();
        talk.connect(A);
        while talk.head() == before {
            assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
        }
        talk.cut(A);
    }
    talk.restart_with(A, &schema(2));
    write(&mut talk);
    talk.pass_ms(5_000);
    talk.input(A, Input::Tick);
    talk.restart_with(A, &schema(2));
    if decided == Decided::Ahead {
        talk.connect(A);
        talk.settle();
        talk.cut(A);
    }
    talk.deploy(&schema(2));
    talk
}

fn meet(talk: &mut Dialogue) {
    talk.visit(A);
    assert_eq!(refused(talk, A), Vec::<&str>::new(), "{}", talk.transcript());
    talk.restart_with(B, &schema(2));
    [B, A].into_iter().for_each(|party| talk.visit(party));
    talk.assert_in_step();
}

fn each(script: impl Fn(Decided, bool, TwoPhase)) {
    for decided in ALL {
        for others in [false, true] {
            for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
                script(decided, others, two_phase);
            }
        }
    }
}

const WRITTEN: &str = "SELECT number, name FROM tally WHERE id = 'r'";

#[test]
fn cs211_a_migration_changes_a_row_that_is_on_its_way_once() {
    each(|decided, others, two_phase| {
        let shown = |talk: &mut Dialogue| {
            assert_eq!(talk.query(A, WRITTEN), [[Value::Integer(4), text("new!")]]);
        };
        let mut talk = on_their_way(decided, others, two_phase, shown);
        meet(&mut talk);
        for party in [A, B] {
            let rows = talk.query(party, WRITTEN);
            assert_eq!(rows, [[Value::Integer(4), text("new!")]], "{decided:?} {others} {}", talk.transcript());
            assert!(talk.query(party, "SELECT * FROM tally WHERE id = 'g'").is_empty(), "{decided:?} {others}");
        }
    });
}

#[test]
fn cs211_what_is_written_on_top_of_it_stays() {
    each(|decided, others, two_phase| {
        let write = |talk: &mut Dialogue| {
            talk.exec(A, "UPDATE tally SET number = number + 5 WHERE id = 'r'", &[]);
            talk.exec(A, "UPDATE tally SET name = 'later' WHERE id = 'r'", &[]);
            talk.exec(A, "INSERT INTO tally VALUES ('s', 7, 'more')", &[]);
        };
        let mut talk = on_their_way(decided, others, two_phase, write);
        meet(&mut talk);
        for party in [A, B] {
            let rows = talk.query(party, "SELECT number, name FROM tally WHERE id IN ('r', 's') ORDER BY id");
            let expected = [[Value::Integer(9), text("later")], [Value::Integer(7), text("more")]];
            assert_eq!(rows, expected, "{decided:?} {others} {}", talk.transcript());
        }
    });
}

#[test]
fn cs211_what_others_wrote_after_the_space_ran_it_stays() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = on_their_way(Decided::Unheard, true, two_phase, |_| {});
        talk.restart_with(B, &schema(2));
        // The clock of this one is behind that of the migration on the other device.
        talk.skew_ms(B, -60_000);
        talk.visit(B);
        talk.exec(B, "UPDATE tally SET name = 'theirs' WHERE id = 'r'", &[]);
        talk.visit(B);
        meet(&mut talk);
        assert_eq!(talk.query(A, WRITTEN), [[Value::Integer(4), text("theirs")]], "{}", talk.transcript());
    }
}

#[test]
fn cs211_a_snapshot_tells_which_rows_the_migration_met() {
    each(|decided, others, two_phase| {
        let write = |talk: &mut Dialogue| talk.exec(A, "UPDATE tally SET number = number + 5 WHERE id = 'r'", &[]);
        let mut talk = on_their_way(decided, others, two_phase, write);
        if decided == Decided::After {
            // What the space decides now comes with the pages.
            talk.connect(A);
            talk.up(A);
            talk.down(A);
            talk.up(A);
            talk.cut(A);
        }
        talk.connect(A);
        talk.input(A, Input::CannotApply);
        talk.settle();
        talk.cut(A);
        meet(&mut talk);
        assert!(talk.transcript().contains("page"), "{}", talk.transcript());
        for party in [A, B] {
            let rows = talk.query(party, WRITTEN);
            assert_eq!(rows, [[Value::Integer(9), text("new!")]], "{decided:?} {others} {}", talk.transcript());
        }
    });
}

#[test]
fn cs211_what_an_earlier_life_sent_before_the_migration_is_changed_once() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(2, two_phase, schema(1));
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.exec(A, "INSERT INTO tally VALUES ('r', 3, 'new')", &[]);
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
        let backup = talk.backup(A);
        talk.visit(A);
        talk.exec(A, "INSERT INTO tally VALUES ('s', 1, 'first life')", &[]);
        talk.visit(A);
        talk.restore(A, &backup);
        talk.restart_with(A, &schema(2));
        talk.exec(A, "UPDATE tally SET number = number + 5", &[]);
        talk.deploy(&schema(2));
        meet(&mut talk);
        assert!(talk.transcript().contains("recall"), "{}", talk.transcript());
        let rows = talk.query(B, "SELECT number, name FROM tally ORDER BY id");
        let expected = [[Value::Integer(9), text("new!")], [Value::Integer(2), text("first life!")]];
        assert_eq!(rows, expected, "{}", talk.transcript());
    }
}

#[test]
fn cs211_of_a_row_that_is_refused_nothing_stays() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(2, two_phase, schema(1));
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.exec(A, "INSERT INTO tally VALUES ('r', 3, 'new')", &[]);
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
        talk.restart_with(A, &schema(2));
        talk.may_write(A, false);
        talk.connect(A);
        talk.settle();
        talk.cut(A);
        assert_eq!(refused(&mut talk, A), ["forbidden"], "{}", talk.transcript());
        talk.deploy(&schema(2));
        meet(&mut talk);
        assert!(talk.query(A, "SELECT * FROM tally").is_empty());
    }
}

#[test]
fn cs211_each_row_is_on_its_own_side_of_the_migration() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(2, two_phase, schema(1));
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.exec(A, "INSERT INTO tally VALUES ('r', 3, 'before')", &[]);
        talk.connect(A);
        while talk.head().0 == 0 {
            assert!(talk.up(A) || talk.down(A), "{}", talk.transcript());
        }
        talk.cut(A);
        talk.exec(A, "INSERT INTO tally VALUES ('s', 30, 'after')", &[]);
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
        assert_eq!(talk.durable(A).sealed.len(), 2);
        talk.restart_with(A, &schema(2));
        assert_eq!(talk.durable(A).log.len(), 3, "one transaction has what was done to both");
        talk.deploy(&schema(2));
        meet(&mut talk);
        let rows = talk.query(B, "SELECT number, name FROM tally ORDER BY id");
        let expected = [[Value::Integer(4), text("before!")], [Value::Integer(31), text("after!")]];
        assert_eq!(rows, expected, "{}", talk.transcript());
    }
}

#[test]
fn cs211_what_waits_behind_it_claims_to_have_seen_no_more_than_it_had() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(2, two_phase, schema(1));
        talk.exec(B, "INSERT INTO tally VALUES ('quiet', 0, 'q')", &[]);
        [B, A].into_iter().for_each(|party| talk.visit(party));
        talk.exec(B, "UPDATE tally SET name = 'theirs' WHERE id = 'quiet'", &[]);
        talk.visit(B);
        talk.skew_ms(A, -60_000);
        talk.transaction(
            A,
            &["INSERT INTO tally VALUES ('r', 3, 'new')", "UPDATE tally SET name = 'first' WHERE id = 'quiet'"],
        );
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
        talk.restart_with(A, &schema(2));
        // It hears of the other's value, which its own hides, and is not heard itself.
        talk.connect(A);
        talk.up(A);
        talk.down(A);
        talk.cut(A);
        assert_eq!(talk.durable(A).state.cursor.seq, talk.head());
        talk.pass_ms(5_000);
        talk.exec(A, "UPDATE tally SET name = 'second' WHERE id = 'quiet'", &[]);
        talk.connect(A);
        talk.settle();
        talk.cut(A);
        talk.deploy(&schema(2));
        meet(&mut talk);
        assert_eq!(talk.query(B, "SELECT name FROM tally WHERE id = 'quiet'"), [[text("second")]]);
        assert!(talk.transcript().contains("Challenger kept over 'theirs'"), "{}", talk.transcript());
    }
}

#[test]
fn cs211_where_the_space_had_not_met_a_row_a_snapshot_leaves_what_was_logged() {
    for sent in [true, false] {
        for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
            let write = |talk: &mut Dialogue| talk.exec(A, "UPDATE tally SET number = number + 5 WHERE id = 'r'", &[]);
            let mut talk = on_their_way(Decided::After, true, two_phase, write);
            if sent {
                // The service worker did it, and the device hears nothing of that before its rows.
                let now = talk.time_of(A);
                let request = talk.device(A).ready_request(now).expect("a request").expect("something that waits");
                talk.mail(A, &request);
                assert_eq!(talk.space.rows().len(), 3, "{}", talk.transcript());
            }
            talk.connect(A);
            talk.input(A, Input::CannotApply);
            talk.settle();
            talk.cut(A);
            assert!(talk.transcript().contains("page of"), "{}", talk.transcript());
            meet(&mut talk);
            for party in [A, B] {
                let rows = talk.query(party, "SELECT number, name FROM tally WHERE id <> 'old'");
                assert_eq!(rows, [[Value::Integer(9), text("new!")]], "{sent} {}", talk.transcript());
            }
        }
    }
}
