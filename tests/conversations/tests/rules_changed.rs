//! Fields whose merge rule changes with a schema version, while writes wait that were sealed under the rule before.

use crate::script::{A, B, choose, of_users, open, refused, text, value};
use ebbtide_core::client::{Input, TwoPhase};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

/// The second version has another table, and other rules for the first one's fields.
fn schema(migrations: usize, [number, words]: [&str; 2]) -> Schema {
    with_tally(migrations, &serde_json::json!({ "merge": { "number": number, "words": words } }))
}

fn with_tally(migrations: usize, tally: &serde_json::Value) -> Schema {
    let all = [
        "CREATE TABLE tally (id TEXT PRIMARY KEY NOT NULL, number INTEGER, words TEXT) STRICT",
        "CREATE TABLE other (id TEXT PRIMARY KEY NOT NULL) STRICT",
    ];
    let mut tables = serde_json::json!({ "tally": tally });
    if migrations == all.len() {
        tables["other"] = serde_json::json!({});
    }
    serde_json::from_value(serde_json::json!({ "migrations": all[..migrations], "tables": tables })).expect("a schema")
}

/// When a device takes the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upgrade {
    /// After what waits was sent.
    After,
    /// When it was sealed.
    Sealed,
    /// When it was only written.
    Before,
}

const UPGRADES: [Upgrade; 3] = [Upgrade::After, Upgrade::Sealed, Upgrade::Before];

/// Two devices have a row; what `write` does waits on A when the space gets the second version, and is sent.
fn with(rules: [[&str; 2]; 2], upgrade: Upgrade, two_phase: TwoPhase, write: impl Fn(&mut Dialogue)) -> Dialogue {
    with_schemas(&[schema(1, rules[0]), schema(2, rules[1])], upgrade, two_phase, write)
}

fn with_schemas(
    [first, second]: &[Schema; 2],
    upgrade: Upgrade,
    two_phase: TwoPhase,
    write: impl Fn(&mut Dialogue),
) -> Dialogue {
    let mut talk = of_users(2, two_phase, first.clone());
    talk.exec(A, "INSERT INTO tally VALUES ('r', 100, 'some words')", &[]);
    [A, B].into_iter().for_each(|party| talk.visit(party));
    write(&mut talk);
    talk.deploy(second);
    if upgrade == Upgrade::Sealed {
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
    }
    if upgrade != Upgrade::After {
        talk.restart_with(A, second);
    }
    talk.visit(A);
    assert_eq!(refused(&mut talk, A), Vec::<&str>::new(), "{}", talk.transcript());
    [A, B].into_iter().for_each(|party| talk.restart_with(party, second));
    [B, A].into_iter().for_each(|party| talk.visit(party));
    talk.assert_in_step();
    talk
}

fn each(mut script: impl FnMut(Upgrade, TwoPhase)) {
    for upgrade in UPGRADES {
        for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
            script(upgrade, two_phase);
        }
    }
}

#[test]
fn mg110_a_number_that_was_set_is_set_and_one_that_was_added_is_added_whatever_the_rule_is_by_then() {
    for plain in ["lww", "first", "max", "review", "server"].map(|rule| [rule, "lww"]) {
        for rules in [[plain, ["sum", "lww"]], [["sum", "lww"], plain]] {
            each(|upgrade, two_phase| {
                let write = |talk: &mut Dialogue| talk.exec(A, "UPDATE tally SET number = number + 1", &[]);
                let mut talk = with(rules, upgrade, two_phase, write);
                let number = value(&mut talk, B, "SELECT number FROM tally");
                assert_eq!(number, Value::Integer(101), "{rules:?} {upgrade:?} {}", talk.transcript());
            });
        }
    }
}

#[test]
fn mg110_words_that_were_added_are_added_to_a_field_that_is_no_text_any_more() {
    for rules in [[["lww", "text"], ["lww", "lww"]], [["lww", "lww"], ["lww", "text"]]] {
        each(|upgrade, two_phase| {
            let write = |talk: &mut Dialogue| talk.exec(A, "UPDATE tally SET words = 'some more words'", &[]);
            let mut talk = with(rules, upgrade, two_phase, write);
            assert_eq!(value(&mut talk, B, "SELECT words FROM tally"), text("some more words"), "{rules:?}");
        });
    }
}

#[test]
fn mg110_what_others_added_meanwhile_stays_where_a_device_adds_under_the_rule_before() {
    each(|upgrade, two_phase| {
        let write = |talk: &mut Dialogue| {
            talk.exec(A, "UPDATE tally SET number = number + 1", &[]);
            talk.exec(B, "UPDATE tally SET number = number + 10", &[]);
            talk.visit(B);
        };
        let mut talk = with([["sum", "lww"], ["lww", "lww"]], upgrade, two_phase, write);
        let number = value(&mut talk, B, "SELECT number FROM tally");
        // What was not sealed yet is a value of the new rule's, and the earlier of two.
        let expected = if upgrade == Upgrade::Before { 110 } else { 111 };
        assert_eq!(number, Value::Integer(expected), "{}", talk.transcript());
    });
}

#[test]
fn mg110_what_was_done_to_a_value_is_done_though_rows_merge_as_a_whole_by_then() {
    for before in [["sum", "lww"], ["lww", "text"]] {
        each(|upgrade, two_phase| {
            let schemas = [schema(1, before), with_tally(2, &serde_json::json!({ "row": "atomic" }))];
            let mut talk = with_schemas(&schemas, upgrade, two_phase, |talk| {
                talk.exec(A, "UPDATE tally SET number = number + 1, words = 'some more words'", &[]);
            });
            let row = talk.query(B, "SELECT number, words FROM tally");
            assert_eq!(row, [[Value::Integer(101), text("some more words")]], "{upgrade:?} {}", talk.transcript());
        });
    }
}

#[test]
fn cf07_what_is_chosen_in_a_field_that_became_a_sum_is_what_all_devices_show() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(2, two_phase, schema(1, ["review", "lww"]));
        talk.exec(A, "INSERT INTO tally VALUES ('r', 100, NULL)", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.exec(A, "UPDATE tally SET number = 7", &[]);
        talk.exec(B, "UPDATE tally SET number = 9", &[]);
        [A, B, A].into_iter().for_each(|party| talk.visit(party));
        let second = schema(2, ["sum", "lww"]);
        talk.deploy(&second);
        [A, B].into_iter().for_each(|party| talk.restart_with(party, &second));
        [A, B].into_iter().for_each(|party| talk.visit(party));
        let id = open(&mut talk, A)[0].id;
        choose(&mut talk, A, id, 1);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        for party in [A, B] {
            assert_eq!(value(&mut talk, party, "SELECT number FROM tally"), Value::Integer(9), "{}", talk.transcript());
            assert!(open(&mut talk, party).is_empty());
        }
        talk.assert_in_step();
    }
}

#[test]
fn cs203_what_was_sent_under_another_rule_comes_back_where_it_means_the_same_and_is_listed_where_not() {
    for (before, then) in [("lww", "max"), ("sum", "sum"), ("lww", "sum"), ("sum", "lww")] {
        for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
            let mut talk = of_users(2, two_phase, schema(1, [before, "lww"]));
            talk.exec(A, "INSERT INTO tally VALUES ('r', 100, 'some words')", &[]);
            [A, B].into_iter().for_each(|party| talk.visit(party));
            let backup = talk.space.backup();
            talk.exec(A, "UPDATE tally SET number = number + 1, words = 'others'", &[]);
            talk.visit(A);
            let second = schema(2, [then, "lww"]);
            talk.deploy(&second);
            [A, B].into_iter().for_each(|party| talk.restart_with(party, &second));
            talk.visit(A);
            talk.restore_space(&backup);
            [A, B].into_iter().for_each(|party| talk.visit(party));
            talk.assert_in_step();
            let same = (before == "sum") == (then == "sum");
            let listed: &[&str] = if same { &[] } else { &["schema"] };
            assert_eq!(refused(&mut talk, A), listed, "{before} {then} {}", talk.transcript());
            let records = talk.device(A).database().rejected().expect("a list");
            let fields = records.iter().flat_map(|record| &record.changes).flat_map(|change| &change.fields);
            let unsaid: &[&str] = if same { &[] } else { &["number"] };
            assert_eq!(fields.map(|(column, _)| column.as_str()).collect::<Vec<_>>(), unsaid, "{before} {then}");
            let wanted = if same { 101 } else { 100 };
            assert_eq!(value(&mut talk, B, "SELECT number FROM tally"), Value::Integer(wanted), "{before} {then}");
            assert_eq!(value(&mut talk, B, "SELECT words FROM tally"), text("others"), "{before} {then}");
        }
    }
}

#[test]
fn cs212_what_came_back_and_waits_is_listed_where_a_release_makes_it_mean_something_else() {
    for (before, then) in [("lww", "max"), ("sum", "sum"), ("lww", "sum"), ("sum", "lww")] {
        for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
            let mut talk = of_users(2, two_phase, schema(1, [before, "lww"]));
            talk.exec(A, "INSERT INTO tally VALUES ('r', 100, 'some words')", &[]);
            [A, B].into_iter().for_each(|party| talk.visit(party));
            let backup = talk.space.backup();
            talk.exec(A, "UPDATE tally SET number = number + 1, words = 'others'", &[]);
            talk.visit(A);
            talk.exec(A, "UPDATE tally SET number = number + 1", &[]);
            talk.visit(A);
            talk.restore_space(&backup);
            // It hears that the space was set back, and makes open log of what it had sent.
            talk.connect(A);
            talk.up(A);
            talk.down(A);
            assert_eq!(talk.durable(A).log.len(), 3, "{}", talk.transcript());
            let second = schema(2, [then, "lww"]);
            talk.deploy(&second);
            [A, B].into_iter().for_each(|party| talk.restart_with(party, &second));
            let same = (before == "sum") == (then == "sum");
            let listed = talk.device(A).database().rejected().expect("a list");
            let fields = listed.iter().flat_map(|record| &record.changes).flat_map(|change| &change.fields);
            let unsaid: &[&str] = if same { &[] } else { &["number", "number"] };
            assert_eq!(fields.map(|(column, _)| column.as_str()).collect::<Vec<_>>(), unsaid, "{before} {then}");
            assert!(listed.iter().all(|record| record.reason.code() == "schema"), "{listed:?}");
            [A, B].into_iter().for_each(|party| talk.visit(party));
            talk.assert_in_step();
            assert_eq!(refused(&mut talk, A), Vec::<&str>::new(), "{before} {then} {}", talk.transcript());
            let wanted = if same { 102 } else { 100 };
            assert_eq!(value(&mut talk, B, "SELECT number FROM tally"), Value::Integer(wanted), "{before} {then}");
            assert_eq!(value(&mut talk, B, "SELECT words FROM tally"), text("others"), "{before} {then}");
        }
    }
}

#[test]
fn cs212_what_came_back_and_is_sealed_already_counts_by_the_rule_under_which_it_was_sealed() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(2, two_phase, schema(1, ["sum", "lww"]));
        talk.exec(A, "INSERT INTO tally VALUES ('r', 100, 'some words')", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        let backup = talk.space.backup();
        talk.exec(A, "UPDATE tally SET number = number + 1", &[]);
        talk.visit(A);
        talk.restore_space(&backup);
        talk.connect(A);
        while talk.durable(A).sealed.is_empty() {
            assert!(talk.up(A) || talk.down(A) || talk.reconnect(A), "{}", talk.transcript());
        }
        talk.cut(A);
        let second = schema(2, ["lww", "lww"]);
        talk.deploy(&second);
        [A, B].into_iter().for_each(|party| talk.restart_with(party, &second));
        assert_eq!(talk.device(A).database().rejected().expect("a list").len(), 0);
        assert_eq!(talk.durable(A).log.len(), 1);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.assert_in_step();
        assert_eq!(value(&mut talk, B, "SELECT number FROM tally"), Value::Integer(101), "{}", talk.transcript());
    }
}

#[test]
fn cs213_sums_that_became_null_or_moved_further_than_64_bits_come_back() {
    let furthest =
        ["UPDATE tally SET number = -9223372036854775807 - 1", "UPDATE tally SET number = 9223372036854775807"];
    for writes in [vec!["UPDATE tally SET number = NULL"], furthest.to_vec(), vec![furthest[1], furthest[0]]] {
        for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
            let mut talk = of_users(2, two_phase, schema(1, ["sum", "lww"]));
            talk.exec(A, "INSERT INTO tally VALUES ('r', 100, 'some words')", &[]);
            [A, B].into_iter().for_each(|party| talk.visit(party));
            let backup = talk.space.backup();
            for write in &writes {
                talk.exec(A, write, &[]);
                talk.visit(A);
            }
            let expected = value(&mut talk, A, "SELECT number FROM tally");
            talk.restore_space(&backup);
            [A, B].into_iter().for_each(|party| talk.visit(party));
            assert_eq!(refused(&mut talk, A), Vec::<&str>::new(), "{writes:?} {}", talk.transcript());
            assert_eq!(value(&mut talk, B, "SELECT number FROM tally"), expected, "{writes:?} {}", talk.transcript());
            talk.assert_in_step();
        }
    }
}

#[test]
fn mg111_what_waits_open_as_a_whole_row_writes_only_what_it_changed_once_fields_merge_by_themselves() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let [whole, fields] = [serde_json::json!({ "row": "atomic" }), serde_json::json!({})];
        let schemas = [with_tally(1, &whole), with_tally(2, &fields)];
        let mut talk = with_schemas(&schemas, Upgrade::Before, two_phase, |talk| {
            talk.exec(B, "UPDATE tally SET number = 110", &[]);
            talk.visit(B);
            talk.pass_ms(5_000);
            talk.exec(A, "UPDATE tally SET words = 'of a'", &[]);
            talk.exec(A, "UPDATE tally SET number = number", &[]);
        });
        for party in [A, B] {
            let row = talk.query(party, "SELECT number, words FROM tally");
            assert_eq!(row, [[Value::Integer(110), text("of a")]], "{}", talk.transcript());
        }
    }
}

#[test]
fn cs279_words_on_a_device_ahead_stand_where_they_were_written_when_what_lay_beneath_has_left() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let tables = "CREATE TABLE tally (id TEXT PRIMARY KEY NOT NULL, number INTEGER, words TEXT) STRICT";
        // It changes a row that is on its way by then, and so holds up what is written after it.
        let more = "UPDATE tally SET number = number + 1 WHERE id = 'q'";
        let rules = serde_json::json!({ "tally": { "merge": { "words": "text" } } });
        let [first, second] = [vec![tables], vec![tables, more]].map(|migrations| -> Schema {
            let json = serde_json::json!({ "migrations": migrations, "tables": rules });
            serde_json::from_value(json).expect("a schema")
        });
        let mut talk = of_users(2, two_phase, first);
        talk.exec(A, "INSERT INTO tally VALUES ('r', 100, 'one')", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        talk.transaction(A, &["UPDATE tally SET number = 1", "INSERT INTO tally VALUES ('q', 5, 'new')"]);
        talk.exec(B, "UPDATE tally SET words = 'two one', number = 2", &[]);
        talk.visit(B);
        // A hears of it; what it sends is lost.
        talk.connect(A);
        assert!(talk.up(A) && talk.down(A), "{}", talk.transcript());
        talk.cut(A);
        talk.restart_with(A, &second);
        talk.exec(A, "UPDATE tally SET words = words || ' three' WHERE id = 'r'", &[]);
        talk.exec(B, "UPDATE tally SET words = 'zero two one', number = 4", &[]);
        talk.visit(B);
        talk.connect(A);
        talk.settle();
        talk.cut(A);
        talk.deploy(&second);
        talk.visit(A);
        talk.restart_with(B, &second);
        talk.visit(B);
        talk.assert_in_step();
        let shown = talk.query(B, "SELECT number, words FROM tally ORDER BY id");
        let (q, r) = ([Value::Integer(6), text("new")], [Value::Integer(4), text("zero two one three")]);
        assert_eq!(shown, [q, r], "{}", talk.transcript());
    }
}
