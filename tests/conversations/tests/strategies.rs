//! Strategies beyond last-writer-wins, from capture over both commit paths to what both devices show.

use crate::script::{A, B, refused, text, value};
use ebbtide_core::client::{Input, TwoPhase};
use ebbtide_core::codec::Codec;
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

fn schema() -> Schema {
    let json = serde_json::json!({
        "migrations": [
            "CREATE TABLE item (id TEXT PRIMARY KEY NOT NULL, name TEXT UNIQUE, stock INTEGER NOT NULL DEFAULT 0, spare INTEGER,
                origin TEXT, low INTEGER, high, owner TEXT);
             CREATE TABLE tally (day INTEGER NOT NULL, place TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 10, PRIMARY KEY (day, place));
             CREATE TABLE place (id TEXT PRIMARY KEY NOT NULL, street TEXT, town TEXT NOT NULL DEFAULT 'none', zip INTEGER) STRICT;
             CREATE TABLE guarded (id TEXT PRIMARY KEY NOT NULL, a INTEGER, b INTEGER) STRICT;"
        ],
        "tables": {
            "item": { "merge": { "stock": "sum", "spare": "sum", "origin": "first", "low": "min", "high": "max", "owner": "server" } },
            "tally": { "merge": { "seen": "sum" } },
            "place": { "row": "atomic" },
            "guarded": { "row": "atomic", "merge": { "a": "server" } }
        }
    });
    serde_json::from_value(json).expect("a schema")
}

/// Both devices have item `i`; nobody is connected.
fn on_both_paths(script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = Dialogue::with_schema(2, two_phase, schema());
        talk.exec(A, "INSERT INTO item (id, stock, low, high) VALUES ('i', 3, 50, 50)", &[]);
        talk.exec(A, "INSERT INTO place VALUES ('p', 'Main', 'Ulm', 1)", &[]);
        talk.exec(A, "INSERT INTO guarded VALUES ('g', 1, 1)", &[]);
        talk.visit(A);
        talk.visit(B);
        script(&mut talk);
    }
}

fn all_conflicts(talk: &mut Dialogue) -> usize {
    let catalogue = talk.space.catalogue();
    let commits = talk.space.commits();
    let opened = commits.iter().map(|commit| WireCodec.open_commit(&commit.bytes, &catalogue).expect("a commit"));
    opened.map(|commit| commit.conflicts.len()).sum()
}

fn everybody_shows(talk: &mut Dialogue, sql: &str, expected: &Value) {
    for party in [A, B] {
        assert_eq!(value(talk, party, sql), *expected, "{sql} at {party}\n{}", talk.transcript());
    }
    talk.assert_in_step();
}

fn number(number: i64) -> Value {
    Value::Integer(number)
}

#[test]
fn mg11_a_sum_counts_every_delta_once() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE item SET stock = stock + 2", &[]);
        talk.exec(A, "UPDATE item SET spare = ifnull(spare, 0) + 7", &[]);
        talk.exec(B, "UPDATE item SET stock = stock + 4, spare = 5", &[]);
        talk.visit(B);
        // A's delta goes on top of what it pulls before the space has decided it.
        talk.connect(A);
        talk.down(A);
        talk.up(A);
        talk.down(A);
        talk.cut(A);
        talk.exec(A, "UPDATE item SET stock = stock - 1", &[]);
        talk.visit(A);
        talk.visit(B);
        everybody_shows(talk, "SELECT stock FROM item", &number(8));
        everybody_shows(talk, "SELECT spare FROM item", &number(12));
        assert_eq!(all_conflicts(talk), 0);
    });
}

#[test]
fn mg11_a_pulled_sum_moves_a_pending_one() {
    on_both_paths(|talk| {
        talk.exec(B, "UPDATE item SET stock = stock + 100", &[]);
        talk.visit(B);
        talk.connect(A);
        talk.up(A);
        talk.exec(A, "UPDATE item SET stock = stock + 1", &[]);
        talk.down(A);
        assert_eq!(value(talk, A, "SELECT stock FROM item"), number(104), "pending on what was pulled");
        talk.exec(A, "UPDATE item SET stock = stock * 2", &[]);
        talk.settle();
        talk.cut(A);
        talk.visit(B);
        everybody_shows(talk, "SELECT stock FROM item", &number(208));
    });
}

#[test]
fn mg11_an_overflow_refuses_its_transaction_and_a_null_is_kept() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE item SET stock = 9223372036854775807", &[]);
        talk.exec(B, "UPDATE item SET stock = 4", &[]);
        talk.exec(B, "UPDATE item SET spare = 3", &[]);
        talk.visit(A);
        talk.connect(B);
        talk.settle();
        assert_eq!(refused(talk, B), ["overflow"]);
        talk.cut(B);
        talk.exec(B, "UPDATE item SET spare = NULL", &[]);
        talk.visit(B);
        talk.visit(A);
        everybody_shows(talk, "SELECT stock FROM item", &number(i64::MAX));
        everybody_shows(talk, "SELECT spare FROM item", &Value::Null);
        talk.exec(A, "UPDATE item SET stock = -9223372036854775808, spare = 1", &[]);
        talk.exec(B, "UPDATE item SET spare = 4", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(B, "UPDATE item SET spare = NULL", &[]);
        talk.exec(A, "UPDATE item SET name = 'x'", &[]);
        talk.visit(B);
        talk.visit(A);
        talk.visit(B);
        everybody_shows(talk, "SELECT stock FROM item", &number(i64::MIN));
        everybody_shows(talk, "SELECT spare FROM item", &Value::Null);
    });
}

#[test]
fn mg11_two_inserts_of_one_key_add_what_they_have_beyond_the_default() {
    on_both_paths(|talk| {
        talk.exec(A, "INSERT INTO tally VALUES (1, 'ulm', 13)", &[]);
        talk.exec(B, "INSERT INTO tally VALUES (1, 'ulm', 10)", &[]);
        talk.exec(B, "UPDATE tally SET seen = seen + 4", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.visit(A);
        everybody_shows(talk, "SELECT seen FROM tally", &number(17));
    });
}

#[test]
fn mg11_what_is_no_whole_number_is_refused() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE item SET stock = 'many'", &[]);
        talk.connect(A);
        talk.settle();
        assert_eq!(refused(talk, A), ["schema"]);
        talk.cut(A);
        everybody_shows(talk, "SELECT stock FROM item", &number(3));
    });
}

#[test]
fn mg09_of_concurrent_values_the_first_committed_stays() {
    for (first, second) in [(A, B), (B, A)] {
        on_both_paths(|talk| {
            talk.exec(A, "UPDATE item SET origin = 'a'", &[]);
            talk.exec(B, "UPDATE item SET origin = 'b'", &[]);
            talk.visit(first);
            talk.visit(second);
            talk.visit(first);
            assert_eq!(all_conflicts(talk), 1);
            everybody_shows(talk, "SELECT origin FROM item", &text(["a", "b"][first]));
            talk.exec(second, "UPDATE item SET origin = NULL", &[]);
            talk.visit(second);
            talk.visit(first);
            everybody_shows(talk, "SELECT origin FROM item", &Value::Null);
            assert_eq!(all_conflicts(talk), 1, "who had seen it replaces it");
        });
    }
}

#[test]
fn mg10_the_least_and_the_greatest_stay_in_both_orders() {
    for (first, second) in [(A, B), (B, A)] {
        on_both_paths(|talk| {
            talk.exec(A, "UPDATE item SET low = 60, high = 70", &[]);
            talk.exec(B, "UPDATE item SET low = 55, high = 70.5", &[]);
            talk.visit(first);
            talk.visit(second);
            talk.visit(first);
            assert_eq!(all_conflicts(talk), 2);
            everybody_shows(talk, "SELECT low FROM item", &number(55));
            everybody_shows(talk, "SELECT high FROM item", &Value::Real(70.5));
            talk.exec(A, "UPDATE item SET low = 99, high = NULL", &[]);
            talk.visit(A);
            talk.visit(B);
            everybody_shows(talk, "SELECT low FROM item", &number(99));
            everybody_shows(talk, "SELECT high FROM item", &Value::Null);
        });
    }
}

#[test]
fn mg12_a_stale_write_refuses_its_transaction_alone() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE item SET owner = 'a'", &[]);
        talk.exec(B, "UPDATE item SET owner = 'b', stock = stock + 1", &[]);
        talk.exec(B, "UPDATE item SET low = 0", &[]);
        talk.visit(A);
        talk.connect(B);
        talk.settle();
        assert_eq!(refused(talk, B), ["stale"]);
        talk.cut(B);
        talk.visit(A);
        everybody_shows(talk, "SELECT owner FROM item", &text("a"));
        everybody_shows(talk, "SELECT stock + low FROM item", &number(3));
        talk.exec(B, "UPDATE item SET owner = 'b'", &[]);
        talk.exec(B, "UPDATE item SET owner = 'again'", &[]);
        talk.visit(B);
        talk.visit(A);
        everybody_shows(talk, "SELECT owner FROM item", &text("again"));
    });
}

#[test]
fn mg13_an_atomic_row_is_one_device_s_or_the_other_s() {
    for (first, second) in [(A, B), (B, A)] {
        on_both_paths(|talk| {
            talk.exec(A, "UPDATE place SET street = 'Side'", &[]);
            talk.pass_ms(1_000);
            talk.exec(B, "UPDATE place SET town = 'Bonn', zip = 2", &[]);
            talk.visit(first);
            talk.visit(second);
            talk.visit(first);
            everybody_shows(talk, "SELECT street || town || zip FROM place", &text("MainBonn2"));
            assert!(all_conflicts(talk) >= 1);
            talk.exec(A, "UPDATE place SET town = town", &[]);
            talk.exec(A, "UPDATE place SET zip = NULL", &[]);
            talk.visit(A);
            talk.visit(B);
            everybody_shows(talk, "SELECT count(*) FROM place WHERE zip IS NULL AND street = 'Main'", &number(1));
        });
    }
}

#[test]
fn mg13_an_atomic_row_under_server_refuses_the_second() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE guarded SET a = 2", &[]);
        talk.exec(B, "UPDATE guarded SET b = 2", &[]);
        talk.visit(A);
        talk.connect(B);
        talk.settle();
        assert_eq!(refused(talk, B), ["stale"]);
        talk.cut(B);
        everybody_shows(talk, "SELECT a * 10 + b FROM guarded", &number(21));
    });
}

#[test]
fn mg13_a_pending_image_hides_the_whole_row() {
    on_both_paths(|talk| {
        talk.exec(B, "UPDATE place SET street = 'Side'", &[]);
        talk.visit(B);
        talk.pass_ms(1_000);
        talk.exec(A, "UPDATE place SET town = 'Bonn'", &[]);
        talk.connect(A);
        talk.up(A);
        talk.down(A);
        assert_eq!(value(talk, A, "SELECT street || town FROM place"), text("MainBonn"));
        talk.settle();
        talk.cut(A);
        talk.visit(B);
        everybody_shows(talk, "SELECT street || town FROM place", &text("MainBonn"));
    });
}

#[test]
fn sv88_an_insert_on_top_of_an_own_delete_that_was_refused_is_not_called_as_sent() {
    on_both_paths(|talk| {
        talk.exec(A, "INSERT INTO tally VALUES (1, 'p', 14)", &[]);
        talk.visit(A);
        talk.exec(B, "INSERT INTO item (id, name) VALUES ('b', 'wanted')", &[]);
        talk.visit(B);
        talk.transaction(A, &["DELETE FROM tally", "INSERT INTO item (id, name) VALUES ('a', 'wanted')"]);
        for statement in ["INSERT INTO tally VALUES (1, 'p', 11)", "UPDATE tally SET seen = seen + 2"] {
            talk.pass_ms(5_000);
            talk.input(A, Input::Tick);
            talk.exec(A, statement, &[]);
        }
        talk.sync(A);
        assert_eq!(refused(talk, A), ["unique"]);
        talk.cut(A);
        talk.visit(B);
        everybody_shows(talk, "SELECT seen FROM tally", &number(17));
    });
}
