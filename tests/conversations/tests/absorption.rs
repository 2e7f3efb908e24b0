//! Waiting transactions that disappear into later ones: what travels, what is decided with what, and that nobody sees a difference.

use crate::script::{A, B, hello, refused, status, text, value};
use ebbtide_core::change::Changeset;
use ebbtide_core::client::{Input, Output, TwoPhase};
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::{Reason, Rejection};
use ebbtide_core::error::RefusalCode;
use ebbtide_core::ids::DeviceSeq;
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_simulator::random::Random;
use ebbtide_store::schema::Schema;

fn schema() -> Schema {
    with_stock("sum")
}

/// The same, with another rule for the stock.
pub fn with_stock(rule: &str) -> Schema {
    let json = serde_json::json!({
        "migrations": [
            "CREATE TABLE item (id TEXT PRIMARY KEY NOT NULL, name TEXT, code TEXT UNIQUE, stock INTEGER NOT NULL DEFAULT 0,
                notes TEXT, tags TEXT, state TEXT, low INTEGER, diagnosis TEXT, CHECK (stock < 1000)) STRICT;"
        ],
        "tables": { "item": { "merge": {
            "stock": rule, "notes": "text", "tags": "set", "state": "server", "low": "min", "diagnosis": "review"
        } } }
    });
    serde_json::from_value(json).expect("a schema")
}

/// Both devices have items `i` and `j`; nobody is connected.
pub fn on_both_paths(script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = Dialogue::with_schema(2, two_phase, schema());
        talk.exec(A, "INSERT INTO item (id, stock, code) VALUES ('i', 3, 'first'), ('j', 0, NULL)", &[]);
        talk.visit(A);
        talk.visit(B);
        script(&mut talk);
    }
}

/// Without a connection, everything that waits is sealed.
pub fn seal(talk: &mut Dialogue, party: usize) -> Changeset {
    talk.pass_ms(5_000);
    talk.input(party, Input::Tick);
    let last = talk.durable(party).sealed.last().expect("sealed").device_seq;
    sealed(talk, party, last)
}

fn sealed(talk: &mut Dialogue, party: usize, number: DeviceSeq) -> Changeset {
    let now = talk.time_of(party);
    let bytes = talk.device(party).sealed_bytes(number, now).expect("the database goes on");
    WireCodec.open(&bytes, number, &talk.space.catalogue()).expect("its own bytes")
}

/// How many transactions each of a changeset's stands for besides itself.
pub fn folds(changeset: &Changeset) -> Vec<usize> {
    changeset.transactions.iter().map(|transaction| transaction.absorbed.len()).collect()
}

pub fn everybody_shows(talk: &mut Dialogue, parties: &[usize], sql: &str, expected: &Value) {
    for _ in 0..2 {
        parties.iter().for_each(|party| talk.visit(*party));
    }
    for party in parties {
        assert_eq!(value(talk, *party, sql), *expected, "{sql} at {party}\n{}", talk.transcript());
    }
    talk.assert_in_step();
}

pub fn number(number: i64) -> Value {
    Value::Integer(number)
}

fn was_told_not_as_one(talk: &Dialogue, party: usize) -> bool {
    let not_as_one =
        |m: &ServerMessage| matches!(m, ServerMessage::Refused(refusal) if refusal.code == RefusalCode::NotAsOne);
    talk.waiting_for(party).iter().any(not_as_one)
}

/// Carries messages of a connected device until the space will not have its changeset as one.
fn until_told_not_as_one(talk: &mut Dialogue, party: usize) {
    talk.connect(party);
    while !was_told_not_as_one(talk, party) {
        assert!(talk.up(party) || talk.down(party), "{}", talk.transcript());
    }
}

#[test]
fn cs165_writes_of_the_same_cells_travel_as_one_by_their_strategies() {
    on_both_paths(|talk| {
        for n in 1..=9 {
            let words = format!("note {n}");
            talk.exec(
                A,
                "UPDATE item SET stock = stock + 1, notes = ?, name = ?, low = 10 - ? WHERE id = 'i'",
                &[text(&words), text(&words), number(n)],
            );
            talk.exec(A, "UPDATE item SET tags = json_array('t', ?) WHERE id = 'j'", &[number(n)]);
        }
        let changeset = seal(talk, A);
        assert_eq!(folds(&changeset), [8, 8]);
        assert_eq!(status(talk, A).pending, 18, "each is counted until it is decided");
        let sql = "SELECT group_concat(concat_ws(' ', name, stock, notes, tags, low), '; ') FROM item ORDER BY id";
        everybody_shows(talk, &[A, B], sql, &text("note 9 12 note 9 1; 0 [\"t\",9]"));
        assert_eq!(talk.head().0, 2);
    });
}

#[test]
fn cs165_a_sum_that_was_absorbed_meets_what_others_added() {
    on_both_paths(|talk| {
        talk.exec(B, "UPDATE item SET stock = stock + 100, notes = 'of b', name = 'b' WHERE id = 'i'", &[]);
        talk.visit(B);
        for n in 1..=3 {
            talk.exec(A, "UPDATE item SET stock = stock + 2, notes = concat(notes, ?) WHERE id = 'i'", &[number(n)]);
        }
        assert_eq!(folds(&seal(talk, A)), [2]);
        let sql = "SELECT stock || name || length(notes) FROM item WHERE id = 'i'";
        everybody_shows(talk, &[A, B], sql, &text("109b8"));
    });
}

#[test]
fn cs166_a_pull_between_two_writes_keeps_them_apart() {
    on_both_paths(|talk| {
        talk.exec(B, "UPDATE item SET stock = stock + 100, name = 'b' WHERE id = 'i'", &[]);
        talk.visit(B);
        talk.exec(A, "UPDATE item SET stock = stock + 1, name = 'a1' WHERE id = 'i'", &[]);
        let hello = ClientMessage::Hello(hello(talk, A));
        let brought = talk.mail(A, &[hello]);
        talk.input(A, Input::Delivered(brought));
        talk.exec(A, "UPDATE item SET stock = stock + 1, name = 'a2' WHERE id = 'i'", &[]);
        let log = talk.durable(A).log;
        let bases: Vec<u64> = log.iter().map(|logged| logged.base.seq.0).collect();
        assert_eq!(bases, [1, 2], "{}", talk.transcript());
        let last = seal(talk, A);
        assert!(folds(&last).iter().all(|absorbed| *absorbed == 0), "{last:?}");
        everybody_shows(talk, &[A, B], "SELECT stock || name FROM item WHERE id = 'i'", &text("105a2"));
    });
}

#[test]
fn cs168_who_takes_a_unique_value_that_an_absorbed_one_gave_up_keeps_it() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE item SET code = 'second' WHERE id = 'i'", &[]);
        talk.exec(A, "UPDATE item SET code = 'first' WHERE id = 'j'", &[]);
        talk.exec(A, "UPDATE item SET code = 'third' WHERE id = 'i'", &[]);
        assert_eq!(folds(&seal(talk, A)), [0, 1], "the value is given up after it was taken");
        until_told_not_as_one(talk, A);
        let before = talk.space.rows();
        talk.settle();
        talk.cut(A);
        assert!(refused(talk, A).is_empty(), "{}", talk.transcript());
        assert_ne!(talk.space.rows(), before);
        everybody_shows(talk, &[A, B], "SELECT group_concat(id || code) FROM item", &text("ithird,jfirst"));
    });
}

#[test]
fn cs168_a_refusal_takes_only_what_would_have_been_refused_by_itself() {
    on_both_paths(|talk| {
        talk.exec(B, "UPDATE item SET stock = stock + 900 WHERE id = 'i'", &[]);
        talk.visit(B);
        talk.exec(A, "UPDATE item SET name = 'before' WHERE id = 'j'", &[]);
        talk.exec(A, "UPDATE item SET stock = stock + 10 WHERE id = 'i'", &[]);
        talk.exec(A, "UPDATE item SET stock = stock + 500 WHERE id = 'i'", &[]);
        talk.exec(A, "UPDATE item SET stock = stock + 20 WHERE id = 'i'", &[]);
        talk.exec(A, "UPDATE item SET name = 'after' WHERE id = 'j'", &[]);
        assert_eq!(folds(&seal(talk, A)), [2, 1]);
        talk.sync(A);
        assert_eq!(refused(talk, A), ["constraint"]);
        let rejected = talk.device(A).database().rejected().expect("a list");
        assert_eq!(rejected.len(), 1);
        talk.cut(A);
        everybody_shows(talk, &[A, B], "SELECT sum(stock) || max(name) FROM item", &text("933after"));
        assert_eq!(status(talk, A).failed, 1);
    });
}

#[test]
fn cs168_what_a_reader_wrote_is_listed_one_by_one() {
    on_both_paths(|talk| {
        talk.may_write(A, false);
        for n in 0..3 {
            talk.exec(A, "UPDATE item SET name = ? WHERE id = 'i'", &[number(n)]);
        }
        assert_eq!(folds(&seal(talk, A)), [2]);
        talk.sync(A);
        assert_eq!(refused(talk, A), ["forbidden"; 3]);
        talk.cut(A);
        talk.may_write(A, true);
        everybody_shows(talk, &[A, B], "SELECT count(name) FROM item", &number(0));
    });
}

#[test]
fn cs168_a_stale_write_is_refused_as_it_would_have_been() {
    on_both_paths(|talk| {
        talk.exec(B, "UPDATE item SET state = 'b' WHERE id = 'i'", &[]);
        talk.visit(B);
        talk.exec(A, "UPDATE item SET state = 'a1' WHERE id = 'i'", &[]);
        talk.exec(A, "UPDATE item SET state = 'a2' WHERE id = 'i'", &[]);
        assert_eq!(folds(&seal(talk, A)), [1]);
        talk.sync(A);
        assert_eq!(refused(talk, A), ["stale", "stale"]);
        talk.cut(A);
        everybody_shows(talk, &[A, B], "SELECT state FROM item WHERE id = 'i'", &text("b"));
    });
}

#[test]
fn cs168_a_device_that_dies_anywhere_while_it_sends_them_apart_goes_on() {
    for dies_after in 0..12 {
        on_both_paths(|talk| {
            talk.exec(A, "UPDATE item SET code = 'second', stock = stock + 1 WHERE id = 'i'", &[]);
            talk.exec(A, "UPDATE item SET code = 'first' WHERE id = 'j'", &[]);
            talk.exec(A, "UPDATE item SET code = 'third', stock = stock + 1 WHERE id = 'i'", &[]);
            seal(talk, A);
            talk.connect(A);
            let mut steps = 0;
            while steps < dies_after && (talk.up(A) || talk.down(A)) {
                steps += 1;
            }
            talk.restart(A);
            let sql = "SELECT group_concat(id || code || stock) FROM item";
            everybody_shows(talk, &[A, B], sql, &text("ithird5,jfirst0"));
            assert_eq!(status(talk, A).failed, 0);
        });
    }
}

#[test]
fn cs168_what_builds_on_a_changeset_that_is_sent_apart_comes_after_it() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE item SET code = 'second' WHERE id = 'i'", &[]);
        talk.exec(A, "UPDATE item SET code = 'first' WHERE id = 'j'", &[]);
        talk.exec(A, "UPDATE item SET code = 'third' WHERE id = 'i'", &[]);
        seal(talk, A);
        // Sealed on top of it, and under way with it.
        talk.exec(A, "UPDATE item SET code = 'second', stock = stock + 4 WHERE id = 'j'", &[]);
        talk.exec(A, "INSERT INTO item (id, code) VALUES ('k', 'first')", &[]);
        seal(talk, A);
        talk.sync(A);
        assert!(refused(talk, A).is_empty(), "{}", talk.transcript());
        talk.cut(A);
        let sql = "SELECT group_concat(id || code || stock) FROM (SELECT * FROM item ORDER BY id)";
        everybody_shows(talk, &[A, B], sql, &text("ithird3,jsecond4,kfirst0"));
    });
}

#[test]
fn cs168_who_goes_on_writing_does_not_hold_up_what_goes_apart() {
    on_both_paths(|talk| {
        talk.exec(B, "UPDATE item SET state = 'b' WHERE id = 'i'", &[]);
        talk.visit(B);
        let write = |talk: &mut Dialogue, n: i64| {
            talk.exec(A, "UPDATE item SET name = ? WHERE id = 'j'", &[number(n)]);
        };
        talk.exec(A, "UPDATE item SET state = 'a' WHERE id = 'i'", &[]);
        (0..3).for_each(|n| write(talk, n));
        seal(talk, A);
        talk.connect(A);
        let mut n = 3;
        while refused(talk, A).is_empty() {
            // As fast as messages go, and more of them than there is room for.
            (0..12).for_each(|more| write(talk, n + more));
            n += 12;
            assert!(n < 1_000, "{}", talk.transcript());
            while !talk.up(A) && !talk.down(A) {}
        }
        talk.settle();
        talk.cut(A);
        everybody_shows(
            talk,
            &[A, B],
            "SELECT group_concat(coalesce(state, name)) FROM item",
            &text(&format!("b,{}", n - 1)),
        );
        assert_eq!(status(talk, A).failed, 1);
    });
}

#[test]
fn cs168_a_verdict_that_refuses_a_part_of_what_is_taken_as_a_whole_is_an_error_that_changes_nothing() {
    on_both_paths(|talk| {
        for n in 0..3 {
            talk.exec(A, "UPDATE item SET name = ? WHERE id = 'i'", &[number(n)]);
        }
        let changeset = seal(talk, A);
        talk.connect(A);
        while !talk.waiting_for(A).iter().any(|message| matches!(message, ServerMessage::Receipt(_))) {
            assert!(talk.up(A) || talk.down(A));
        }
        let mut told = talk.waiting_for(A);
        for message in &mut told {
            if let ServerMessage::Receipt(receipt) = message {
                let (index, detail) = (0, String::from("not so"));
                receipt.rejected = vec![Rejection { index, reason: Reason::Stale, detail }];
            }
        }
        let before = talk.durable(A);
        talk.failing_input(A, Input::Received(told));
        assert_eq!((talk.durable(A), folds(&changeset)), (before, vec![2]));
        talk.restart(A);
        everybody_shows(talk, &[A, B], "SELECT name FROM item WHERE id = 'i'", &text("2"));
    });
}

#[test]
fn cs169_the_log_has_them_one_by_one_until_the_receipt_also_after_a_crash() {
    on_both_paths(|talk| {
        for n in 1..=4 {
            talk.exec(A, "UPDATE item SET stock = stock + 1, name = ? WHERE id = 'i'", &[number(n)]);
        }
        assert_eq!(folds(&seal(talk, A)), [3]);
        talk.restart(A);
        let durable = talk.durable(A);
        assert_eq!((durable.log.len(), durable.sealed_count), (4, 4));
        let entries = talk.device(A).database().row_log("item", &[text("i")], &WireCodec).expect("a list");
        assert_eq!(entries.len(), 1 + 4, "what made the row, and each write by itself");
        talk.sync(A);
        let sent = talk.outputs(A).into_iter().find_map(|output| match output {
            Output::UpToDate(report) => Some(report.sent),
            _ => None,
        });
        assert_eq!(sent, Some(4), "what the user did is counted, not what travelled");
        talk.cut(A);
        everybody_shows(talk, &[A, B], "SELECT stock || name FROM item WHERE id = 'i'", &text("74"));
    });
}

#[test]
fn cs170_who_wants_to_be_told_before_is_told_of_each() {
    on_both_paths(|talk| {
        talk.confirm(true);
        talk.restart(A);
        for n in 1..=3 {
            talk.exec(A, "UPDATE item SET name = ? WHERE id = 'i'", &[number(n)]);
        }
        assert_eq!(folds(&seal(talk, A)), [0, 0, 0]);
    });
}

#[test]
fn cs170_a_plan_over_what_was_sealed_before_names_everything_in_question() {
    on_both_paths(|talk| {
        talk.exec(B, "UPDATE item SET stock = stock + 900 WHERE id = 'i'", &[]);
        talk.visit(B);
        talk.input(A, Input::Pause(true));
        for _ in 0..2 {
            talk.exec(A, "UPDATE item SET stock = stock + 60 WHERE id = 'i'", &[]);
        }
        seal(talk, A);
        talk.input(A, Input::Plan);
        talk.reconnect(A);
        talk.settle();
        let plan = talk.outputs(A).into_iter().find_map(|output| match output {
            Output::Planned(plan) => Some(plan),
            _ => None,
        });
        let plan = plan.unwrap_or_else(|| panic!("no plan:\n{}", talk.transcript()));
        assert_eq!((plan.transactions, plan.refused.len()), (2, 2), "{plan:?}");
        talk.input(A, Input::Run { upto: plan.upto });
        talk.reconnect(A);
        talk.settle();
        assert_eq!(refused(talk, A), ["constraint"], "one of them fits: {}", talk.transcript());
        talk.input(A, Input::Pause(false));
        talk.cut(A);
        everybody_shows(talk, &[A, B], "SELECT stock FROM item WHERE id = 'i'", &number(963));
    });
}

/// Ten thousand texts written into one field by somebody without a network, sealed; answers what travels and how long the log is.
fn ten_thousand_writes(talk: &mut Dialogue) -> (Changeset, usize, usize) {
    talk.exec(A, "INSERT INTO item (id) VALUES ('i')", &[]);
    talk.visit(A);
    talk.visit(B);
    talk.restart(A);
    let mut random = Random::new(7);
    for n in 0..10_000 {
        talk.pass_ms(random.between(40, 900));
        talk.exec(A, "UPDATE item SET name = ? WHERE id = 'i'", &[text(&format!("what somebody typed, up to {n}"))]);
    }
    let changeset = seal(talk, A);
    let durable = talk.durable(A);
    (changeset, durable.sealed[0].total_bytes, durable.log.len())
}

#[test]
fn cs172_ten_thousand_writes_of_one_field_travel_as_one() {
    let dialogue = || Dialogue::with_schema(2, TwoPhase::Auto, schema());
    let mut single = dialogue();
    single.confirm(true);
    let (changeset, single_bytes, _) = ten_thousand_writes(&mut single);
    assert_eq!(changeset.transactions.len(), 10_000);
    let mut talk = dialogue();
    let (changeset, bytes, waiting) = ten_thousand_writes(&mut talk);
    assert_eq!((folds(&changeset), waiting), (vec![9_999], 10_000), "the log has each until the receipt");
    // What is left are the names of the others, each a step of the clock.
    assert!(bytes * 3 < single_bytes && bytes < 20_000, "{bytes} bytes instead of {single_bytes}");
    talk.visit(A);
    talk.visit(B);
    talk.assert_in_step();
    assert_eq!(value(&mut talk, B, "SELECT name FROM item"), text("what somebody typed, up to 9999"));
}
