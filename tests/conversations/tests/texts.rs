//! `set` and `text` over several sealed changesets, pulls in between, refusals and inserts of one key.

use crate::script::{A, B, refused, status, text, value};
use ebbtide_core::client::{Input, TwoPhase};
use ebbtide_core::codec::Codec;
use ebbtide_core::limits::{TEXT_HISTORY_BYTES, TEXT_HISTORY_COMMITS};
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

fn schema() -> Schema {
    let json = serde_json::json!({
        "migrations": [
            "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, body TEXT, tags TEXT, code TEXT UNIQUE, other INTEGER) STRICT;"
        ],
        "tables": { "note": { "merge": { "body": "text", "tags": "set" } } }
    });
    serde_json::from_value(json).expect("a schema")
}

/// Both devices have note `n`; nobody is connected.
fn on_both_paths(script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = Dialogue::with_schema(2, two_phase, schema());
        talk.exec(A, "INSERT INTO note (id, body, tags) VALUES ('n', 'The cow is well.', '[\"a\", \"b\"]')", &[]);
        talk.visit(A);
        talk.visit(B);
        script(&mut talk);
    }
}

fn types(talk: &mut Dialogue, party: usize, from: &str, to: &str) {
    talk.exec(party, "UPDATE note SET body = replace(body, ?, ?)", &[text(from), text(to)]);
}

fn conflicts(talk: &mut Dialogue) -> usize {
    let catalogue = talk.space.catalogue();
    let commits = talk.space.commits();
    let opened = commits.iter().map(|commit| WireCodec.open_commit(&commit.bytes, &catalogue).expect("a commit"));
    opened.map(|commit| commit.conflicts.len()).sum()
}

fn everybody_reads(talk: &mut Dialogue, column: &str, expected: &str) {
    for party in [A, B] {
        let shown = value(talk, party, &format!("SELECT {column} FROM note WHERE id = 'n'"));
        assert_eq!(shown, text(expected), "{}", talk.transcript());
    }
    talk.assert_in_step();
}

#[test]
fn mg18_both_people_s_words_stay_in_both_orders() {
    for (first, second) in [(A, B), (B, A)] {
        on_both_paths(|talk| {
            types(talk, A, "cow", "brown cow");
            types(talk, B, "well", "well and eats");
            talk.visit(first);
            talk.visit(second);
            talk.visit(first);
            everybody_reads(talk, "body", "The brown cow is well and eats.");
            assert_eq!(conflicts(talk), 0);
        });
    }
}

#[test]
fn mg19_words_survive_several_changesets_and_pulls_between_them() {
    on_both_paths(|talk| {
        types(talk, B, "The", "Today the");
        types(talk, A, "cow", "brown cow");
        talk.connect(A);
        talk.up(A);
        // The answer to the hello, then A seals its first changeset; B commits before that arrives.
        talk.down(A);
        talk.visit(B);
        while talk.down(A) {}
        assert_eq!(
            value(talk, A, "SELECT body FROM note"),
            text("Today the brown cow is well."),
            "{}",
            talk.transcript()
        );
        types(talk, A, "well", "very well");
        types(talk, A, "very well", "very, very well");
        talk.settle();
        talk.cut(A);
        types(talk, A, "Today", "Today, noon,");
        types(talk, B, ".", "!");
        talk.visit(B);
        talk.visit(A);
        talk.visit(B);
        everybody_reads(talk, "body", "Today, noon, the brown cow is very, very well!");
        assert_eq!(conflicts(talk), 0);
    });
}

#[test]
fn mg19_a_text_is_typed_offline_word_by_word() {
    on_both_paths(|talk| {
        for word in ["It", "eats", "and", "drinks", "a", "lot", "today"] {
            talk.exec(A, "UPDATE note SET body = body || ' ' || ?", &[text(word)]);
            talk.exec(A, "UPDATE note SET other = ifnull(other, 0) + 1", &[]);
        }
        types(talk, B, "cow", "brown cow");
        talk.visit(B);
        talk.visit(A);
        talk.visit(B);
        everybody_reads(talk, "body", "The brown cow is well. It eats and drinks a lot today");
        assert_eq!(conflicts(talk), 0);
    });
}

#[test]
fn mg20_what_was_typed_on_refused_words_is_not_lost() {
    on_both_paths(|talk| {
        talk.exec(B, "INSERT INTO note (id, code) VALUES ('taken', 'x')", &[]);
        talk.visit(B);
        talk.exec(A, "UPDATE note SET body = body || ' REFUSED', code = 'x' WHERE id = 'n'", &[]);
        talk.exec(A, "UPDATE note SET body = body || ' kept' WHERE id = 'n'", &[]);
        talk.connect(A);
        talk.settle();
        assert_eq!(refused(talk, A), ["unique"]);
        talk.cut(A);
        talk.visit(B);
        // The words that it stood on are unknown to the space, so it brought its whole text along.
        everybody_reads(talk, "body", "The cow is well. REFUSED kept");
    });
}

#[test]
fn mg20_what_was_typed_on_refused_words_under_an_earlier_number_is_not_lost() {
    on_both_paths(|talk| {
        talk.exec(B, "INSERT INTO note (id, code) VALUES ('taken', 'x')", &[]);
        talk.visit(B);
        talk.exec(A, "UPDATE note SET body = body || ' REFUSED', code = 'x' WHERE id = 'n'", &[]);
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
        assert_eq!(talk.durable(A).sealed.len(), 1);
        talk.exec(A, "UPDATE note SET body = body || ' kept' WHERE id = 'n'", &[]);
        talk.sync(A);
        assert_eq!(refused(talk, A), ["unique"]);
        talk.cut(A);
        talk.visit(B);
        everybody_reads(talk, "body", "The cow is well. REFUSED kept");
    });
}

#[test]
fn mg20_what_was_typed_on_a_text_that_is_no_longer_remembered_comes_behind_the_present_one() {
    on_both_paths(|talk| {
        types(talk, B, "cow", "brown cow");
        for _ in 0..TEXT_HISTORY_COMMITS + 1 {
            types(talk, A, "well", "very well");
            talk.visit(A);
        }
        let present = value(talk, A, "SELECT body FROM note");
        let Value::Text(present) = present else { panic!("{present:?}") };
        talk.visit(B);
        talk.visit(A);
        everybody_reads(talk, "body", &format!("{present}\nbrown "));
    });
}

#[test]
fn mg20_a_write_older_than_what_is_remembered_is_put_behind_and_recorded_and_the_record_stays_bounded() {
    on_both_paths(|talk| {
        types(talk, B, "cow", "old brown cow");
        for number in 0..TEXT_HISTORY_COMMITS + 2 {
            let words = ["well", "fine"];
            types(talk, A, words[number % 2], words[(number + 1) % 2]);
            talk.visit(A);
        }
        let before = conflicts(talk);
        talk.visit(B);
        talk.visit(A);
        let body = value(talk, A, "SELECT body FROM note WHERE id = 'n'");
        let Value::Text(shown) = &body else { panic!("{body:?}") };
        assert!(shown.starts_with("The cow is well.\n") && shown.ends_with("old brown "), "{shown}");
        assert_eq!(conflicts(talk), before + 1, "{}", talk.transcript());
        for party in [A, B] {
            let list = talk.device(party).database().decided_conflicts().expect("readable");
            assert!(list.iter().any(|record| record.column.as_deref() == Some("body")));
        }
        let longest = "SELECT max(length(marks)) FROM _ebb_row";
        let longest: i64 = talk.space.connection().query_row(longest, [], |row| row.get(0)).expect("a length");
        assert!(longest < 2 * TEXT_HISTORY_BYTES as i64, "{longest} bytes");
        talk.assert_in_step();
    });
}

#[test]
fn mg18_two_inserts_of_one_key_keep_both_texts_and_sets() {
    on_both_paths(|talk| {
        let sql = "INSERT INTO note (id, body, tags) VALUES ('m', ?, ?)";
        talk.exec(A, sql, &[text("mine"), text("[1,2]")]);
        talk.exec(B, sql, &[text("theirs"), text("[2,3]")]);
        talk.exec(A, "UPDATE note SET body = body || ' again' WHERE id = 'm'", &[]);
        talk.visit(B);
        talk.visit(A);
        talk.visit(B);
        for party in [A, B] {
            let row = talk.query(party, "SELECT body, tags FROM note WHERE id = 'm'");
            assert_eq!(row, [[text("theirs\nmine again"), text("[2,3,1]")]], "{}", talk.transcript());
        }
        talk.assert_in_step();
        assert_eq!(conflicts(talk), 0);
    });
}

#[test]
fn mg18_null_is_an_empty_text_and_an_empty_set() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE note SET body = NULL, tags = NULL", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(A, "UPDATE note SET body = 'a', tags = '[\"x\"]'", &[]);
        talk.exec(B, "UPDATE note SET body = '', tags = '[]'", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.visit(A);
        everybody_reads(talk, "body", "a");
        everybody_reads(talk, "tags", "[\"x\"]");
    });
}

#[test]
fn mg14_additions_of_both_stay_and_what_one_removed_goes() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE note SET tags = '[\"a\", \"b\", \"c\"]'", &[]);
        talk.exec(A, "UPDATE note SET tags = '[\"b\",\"c\",\"d\"]'", &[]);
        talk.exec(B, "UPDATE note SET tags = '[\"e\", \"a\", \"b\", 1e0]'", &[]);
        talk.visit(B);
        talk.visit(A);
        talk.visit(B);
        everybody_reads(talk, "tags", "[\"e\",\"b\",1e0,\"c\",\"d\"]");
        assert_eq!(conflicts(talk), 0);
    });
}

#[test]
fn mg15_a_removal_does_not_take_what_came_again_meanwhile() {
    on_both_paths(|talk| {
        talk.exec(B, "UPDATE note SET tags = '[\"b\"]'", &[]);
        talk.visit(B);
        talk.exec(B, "UPDATE note SET tags = '[\"b\",\"a\"]'", &[]);
        talk.visit(B);
        talk.exec(A, "UPDATE note SET tags = '[\"b\"]'", &[]);
        talk.visit(A);
        talk.visit(B);
        everybody_reads(talk, "tags", "[\"b\",\"a\"]");
    });
}

#[test]
fn mg16_what_is_no_set_is_written_as_a_whole_and_recorded() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE note SET tags = 'none'", &[]);
        talk.pass_ms(1_000);
        talk.exec(B, "UPDATE note SET tags = '[\"a\",\"b\",\"c\"]'", &[]);
        talk.visit(A);
        talk.visit(B);
        assert_eq!(conflicts(talk), 1);
        talk.visit(A);
        everybody_reads(talk, "tags", "none");
    });
}

#[test]
fn cs60_words_and_elements_come_back_into_a_space_that_was_set_back() {
    on_both_paths(|talk| {
        let backup = talk.space.backup();
        types(talk, A, "cow", "brown cow");
        talk.exec(A, "UPDATE note SET tags = '[\"b\", \"c\"]'", &[]);
        talk.visit(A);
        types(talk, A, "well", "very well");
        talk.visit(A);
        talk.visit(B);
        types(talk, B, ".", "!");
        talk.visit(B);
        talk.restore_space(&backup);
        for party in [A, B, A, B] {
            talk.visit(party);
        }
        assert_eq!((refused(talk, A), refused(talk, B)), (vec![], vec![]));
        let body = value(talk, A, "SELECT body FROM note");
        let Value::Text(body) = body else { panic!("{body:?}") };
        let words = ["The", "brown", "cow", "is", "very", "well", "!"];
        assert!(words.iter().all(|word| body.matches(word).count() == 1), "{body}\n{}", talk.transcript());
        let tags = value(talk, A, "SELECT (SELECT group_concat(value) FROM json_each(tags)) FROM note");
        assert_eq!(tags, text("b,c"));
        talk.assert_in_step();
    });
}

#[test]
fn mg19_words_on_an_own_insert_are_found_again_in_a_row_that_was_there_before() {
    on_both_paths(|talk| {
        talk.exec(B, "DELETE FROM note", &[]);
        talk.visit(B);
        talk.visit(A);
        talk.exec(A, "INSERT INTO note (id, body) VALUES ('n', 'Another cow.')", &[]);
        talk.connect(A);
        talk.up(A);
        talk.down(A);
        // The insert is on its way; what is written now goes next.
        talk.exec(A, "UPDATE note SET body = 'All is well.'", &[]);
        types(talk, A, "well", "very well");
        talk.settle();
        talk.cut(A);
        talk.visit(B);
        everybody_reads(talk, "body", "All is very well.");
        assert_eq!(conflicts(talk), 0);
    });
}

#[test]
fn mg19_words_typed_while_earlier_ones_are_blocked_join_them() {
    on_both_paths(|talk| {
        talk.transaction(
            A,
            &["INSERT INTO note (id, code) VALUES ('a', 'x')", "UPDATE note SET body = body || ' One.' WHERE id = 'n'"],
        );
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
        talk.cut(A);
        talk.exec(B, "INSERT INTO note (id, code) VALUES ('b', 'x')", &[]);
        talk.visit(B);
        // A hears that its code is taken before the space hears of A's.
        talk.connect(A);
        talk.up(A);
        talk.down(A);
        talk.cut(A);
        assert_eq!(status(talk, A).blocked, 1, "{}", talk.transcript());
        talk.exec(A, "UPDATE note SET body = body || ' Two.' WHERE id = 'n'", &[]);
        talk.exec(B, "UPDATE note SET code = NULL WHERE id = 'b'", &[]);
        [B, A, B].into_iter().for_each(|party| talk.visit(party));
        assert!(refused(talk, A).is_empty());
        let Value::Text(body) = value(talk, A, "SELECT body FROM note WHERE id = 'n'") else { panic!("no text") };
        assert!(body.contains(" One.") && body.contains(" Two."), "{body}");
        talk.assert_in_step();
    });
}
