//! Turning sync on: for a database that was local, and for a table that joins the synced ones later.

use crate::script::{A, B, on_both_paths, refused, status, text, value};
use crate::versions;
use ebbtide_core::client::{Input, Output, Start, State, TwoPhase};
use ebbtide_core::ids::Seq;
use ebbtide_core::message::ClientMessage;
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

const NEEDED: &str = "sync_choice_needed";

/// Writes before there is a space: a household with a visit, and one that is gone again.
fn write_apart(talk: &mut Dialogue, party: usize, name: &str) {
    talk.keep_in_step(party, false);
    let own = Value::Text(format!("of {name}"));
    talk.exec(party, "INSERT INTO household (id, name) VALUES ('shared', ?1)", std::slice::from_ref(&own));
    talk.exec(party, "INSERT INTO household (id, name, doses) VALUES (?1, 'first', 7)", std::slice::from_ref(&own));
    talk.exec(
        party,
        "INSERT INTO visit (id, household, notes) VALUES (?1, ?1, 'falsy: 0')",
        std::slice::from_ref(&own),
    );
    talk.exec(party, "INSERT INTO household (id) VALUES ('gone')", &[]);
    talk.exec(party, "DELETE FROM household WHERE id = 'gone'", &[]);
    talk.exec(party, "UPDATE household SET name = 'last', doses = 0 WHERE id = ?1", &[own]);
    talk.restart(party);
}

/// The space has a household of B's.
fn with_a_space(talk: &mut Dialogue) {
    talk.exec(B, "INSERT INTO household (id, name, doses) VALUES ('shared', 'of the space', 3)", &[]);
    talk.exec(B, "INSERT INTO household (id, name) VALUES ('theirs', 't')", &[]);
    talk.visit(B);
}

fn choose(talk: &mut Dialogue, party: usize, start: Start) {
    talk.input(party, Input::Choose(start));
    talk.reconnect(party);
    talk.settle();
}

/// Connects and lets everything settle, without asking that it be up to date.
fn try_to_sync(talk: &mut Dialogue, party: usize) {
    talk.connect(party);
    talk.settle();
}

fn failed_with(talk: &Dialogue, party: usize, code: &str) -> bool {
    talk.took(party, |output| matches!(output, Output::Failed(cause) if cause.code == code && !cause.retryable))
}

#[test]
fn cs70_what_was_local_waits_unsealed_and_everything_local_goes_on() {
    on_both_paths(|talk| {
        with_a_space(talk);
        write_apart(talk, A, "a");
        talk.pass_ms(5_000);
        talk.input(A, Input::Tick);
        assert!(talk.durable(A).sealed.is_empty(), "offline nothing is sealed for the service worker");
        try_to_sync(talk, A);
        assert!(failed_with(talk, A, NEEDED), "{}", talk.transcript());
        talk.exec(A, "UPDATE household SET name = 'later' WHERE id = 'of a'", &[]);
        assert_eq!(
            value(talk, A, "SELECT group_concat(name) FROM (SELECT name FROM household ORDER BY id)"),
            text("later,of a")
        );
        assert_eq!(status(talk, A).pending, 7);
        assert!(talk.durable(A).sealed.is_empty());
        assert_eq!(talk.query(B, "SELECT id FROM household").len(), 2);
    });
}

#[test]
fn cs217_what_waits_for_a_choice_wakes_nobody_over_and_over() {
    on_both_paths(|talk| {
        write_apart(talk, A, "a");
        talk.input(A, Input::Online(false));
        talk.exec(A, "UPDATE household SET doses = 1", &[]);
        talk.pass_ms(1_000);
        talk.input(A, Input::Tick);
        let (now, outputs) = (talk.time_of(A), talk.outputs(A));
        let woken = outputs.iter().rev().find_map(|output| match output {
            Output::WakeAt(at) => Some(*at),
            _ => None,
        });
        assert!(woken.is_some_and(|at| at <= now), "woken at {woken:?} at {now:?} for what is not going to be sealed");
    });
}

#[test]
fn cs71_a_space_without_a_history_is_seeded_and_of_another_nothing_is_taken() {
    on_both_paths(|talk| {
        write_apart(talk, A, "a");
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT name || doses FROM household WHERE id = 'of a'"), text("last0"));
        let late = talk.add("C", "ada");
        write_apart(talk, late, "c");
        let head = talk.head();
        try_to_sync(talk, late);
        let told = status(talk, late);
        assert_eq!((told.state, told.reason.as_deref(), told.cursor), (State::Error, Some(NEEDED), Seq(0)));
        assert_eq!(talk.query(late, "SELECT id FROM household ORDER BY id").len(), 2);
        assert_eq!(talk.head(), head);
        choose(talk, late, Start::Merge);
        assert_eq!((status(talk, late).state, status(talk, late).reason), (State::Idle, None));
        talk.cut(late);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs71_a_device_that_has_to_choose_says_so_for_as_long() {
    on_both_paths(|talk| {
        with_a_space(talk);
        write_apart(talk, A, "a");
        try_to_sync(talk, A);
        for online in [false, true] {
            talk.input(A, Input::Online(online));
            let told = status(talk, A);
            assert_eq!((told.state, told.reason.as_deref()), (State::Error, Some(NEEDED)), "online: {online}");
        }
        choose(talk, A, Start::Merge);
        assert_eq!((status(talk, A).state, status(talk, A).reason), (State::Idle, None));
    });
}

#[test]
fn cs71_a_database_that_was_always_to_be_in_step_needs_no_choice() {
    on_both_paths(|talk| {
        with_a_space(talk);
        talk.exec(A, "INSERT INTO household (id, name) VALUES ('of a', 'offline')", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        // Nor does one that was local and is empty.
        let empty = talk.add("C", "ada");
        talk.keep_in_step(empty, false);
        talk.restart(empty);
        talk.visit(empty);
        talk.assert_in_step();
    });
}

#[test]
fn cs72_local_rows_merge_with_the_spaces_field_by_field() {
    on_both_paths(|talk| {
        with_a_space(talk);
        write_apart(talk, A, "a");
        talk.start_with(Start::Merge);
        talk.restart(A);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        // The column that A had left at its default loses to the explicit value.
        assert_eq!(value(talk, A, "SELECT doses FROM household WHERE id = 'shared'"), Value::Integer(3));
        assert_eq!(value(talk, A, "SELECT count(*) FROM household"), Value::Integer(3));
        assert_eq!(refused(talk, A), Vec::<&str>::new());
    });
}

#[test]
fn cs72_two_devices_that_begin_at_once_end_in_one_state() {
    on_both_paths(|talk| {
        write_apart(talk, A, "a");
        write_apart(talk, B, "b");
        // Both are welcomed while there is nothing, and then both send.
        talk.connect(A);
        talk.connect(B);
        talk.settle();
        talk.cut(A);
        talk.cut(B);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, A, "SELECT count(*) FROM household"), Value::Integer(3));
        assert_eq!(value(talk, A, "SELECT count(*) FROM visit"), Value::Integer(2));
        for party in [A, B] {
            assert_eq!(refused(talk, party), Vec::<&str>::new());
        }
    });
}

#[test]
fn cs73_what_the_space_has_replaces_local_rows_which_are_listed_as_they_were() {
    on_both_paths(|talk| {
        with_a_space(talk);
        write_apart(talk, A, "a");
        talk.input(A, Input::Choose(Start::Take));
        talk.exec(A, "UPDATE household SET name = 'on top' WHERE id = 'of a'", &[]);
        assert_eq!(value(talk, A, "SELECT name FROM household WHERE id = 'of a'"), text("on top"), "shown until then");
        talk.reconnect(A);
        talk.settle();
        talk.cut(A);
        talk.assert_in_step();
        let now = talk.time_of(A);
        let listed = talk.device(A).database().rejected().expect("the list");
        let rows: Vec<(String, String)> = listed
            .iter()
            .flat_map(|record| &record.changes)
            .map(|change| {
                let name = change.fields.iter().find(|(column, _)| column == "name" || column == "notes");
                (format!("{:?}", change.key[0].1), format!("{:?}", name.map(|(_, value)| value)))
            })
            .collect();
        assert_eq!(rows.len(), 3, "each row once, and none that was gone: {rows:?}");
        assert!(rows.iter().any(|(key, name)| key.contains("of a") && name.contains("on top")), "{rows:?}");
        assert!(listed.iter().all(|record| record.reason.code() == "replaced"));
        assert_eq!(status(talk, A).failed as usize, listed.len());
        // What was listed can be written again.
        let household = listed
            .iter()
            .find(|record| record.changes.iter().any(|c| c.table == "household" && c.key[0].1 == text("of a")));
        let stamp = household.expect("the household").stamp;
        talk.device(A).database().retry_rejected(stamp, &[], now).expect("it is written again");
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT name || doses FROM household WHERE id = 'of a'"), text("on top0"));
    });
}

#[test]
fn cs73_taking_an_empty_space_leaves_an_empty_database_and_the_list() {
    on_both_paths(|talk| {
        write_apart(talk, A, "a");
        talk.start_with(Start::Take);
        talk.restart(A);
        talk.visit(A);
        assert_eq!(talk.query(A, "SELECT id FROM household"), Vec::<Vec<Value>>::new());
        assert_eq!((talk.head(), status(talk, A).failed), (Seq(0), 3));
    });
}

#[test]
fn cs74_turning_sync_on_goes_on_after_a_crash_at_any_message() {
    for start in [Start::Merge, Start::Take] {
        on_both_paths(|talk| {
            with_a_space(talk);
            write_apart(talk, A, "a");
            talk.start_with(start);
            for messages in 0..12 {
                talk.restart(A);
                talk.connect(A);
                for _ in 0..messages {
                    let _ = talk.up(A) || talk.down(A);
                }
            }
            talk.restart(A);
            talk.visit(A);
            talk.visit(B);
            talk.assert_in_step();
            let mine = talk.query(B, "SELECT id FROM household WHERE id = 'of a'").len();
            let listed = talk.device(A).database().rejected().expect("the list").len();
            assert_eq!((mine, listed), if start == Start::Merge { (1, 0) } else { (0, 3) });
        });
    }
}

#[test]
fn cs75_a_device_that_was_in_step_and_is_local_for_a_while_sends_what_it_wrote() {
    on_both_paths(|talk| {
        with_a_space(talk);
        talk.visit(A);
        talk.keep_in_step(A, false);
        talk.exec(A, "UPDATE household SET name = 'meanwhile' WHERE id = 'theirs'", &[]);
        talk.restart(A);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT name FROM household WHERE id = 'theirs'"), text("meanwhile"));
    });
}

const NOTE: &str = "CREATE TABLE note (id TEXT PRIMARY KEY NOT NULL, title TEXT) STRICT;
    CREATE TABLE setting (name TEXT PRIMARY KEY NOT NULL, value TEXT, code TEXT UNIQUE) STRICT;";

fn before() -> Schema {
    versions::schema(&serde_json::json!([NOTE]), &["note"])
}

fn joined() -> Schema {
    versions::schema(&serde_json::json!([NOTE, "CREATE INDEX note_title ON note (title)"]), &["note", "setting"])
}

/// A and B are in step under the first version, each with a setting and some local ones of its own; the space has followed to the second.
fn with_settings(script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let talk = &mut Dialogue::with_schema(2, two_phase, before());
        talk.exec(A, "INSERT INTO note VALUES ('n', 'first')", &[]);
        talk.visit(A);
        talk.visit(B);
        for (party, own) in [(A, "a"), (B, "b")] {
            let own = text(own);
            talk.exec(party, "INSERT INTO setting VALUES ('theme', ?1, 'x')", std::slice::from_ref(&own));
            talk.exec(party, "INSERT INTO setting VALUES (?1, ?1, NULL)", &[own]);
        }
        talk.deploy(&joined());
        script(talk);
    }
}

#[test]
fn cs76_the_first_device_seeds_a_table_that_joins_and_the_next_has_to_choose() {
    with_settings(|talk| {
        talk.restart_with(A, &joined());
        talk.exec(A, "UPDATE setting SET value = 'after' WHERE name = 'a'", &[]);
        talk.visit(A);
        assert_eq!(value(talk, A, "SELECT value FROM setting WHERE name = 'theme'"), text("a"));
        talk.restart_with(B, &joined());
        talk.exec(B, "UPDATE note SET title = 'of b'", &[]);
        try_to_sync(talk, B);
        let told = status(talk, B);
        assert_eq!((told.reason.as_deref(), told.state), (Some(NEEDED), State::Idle), "{}", talk.transcript());
        assert!(failed_with(talk, B, NEEDED));
        // What others write arrives; what is written here waits.
        talk.exec(A, "UPDATE note SET title = 'of a'", &[]);
        talk.sync(A);
        talk.settle();
        assert_eq!(status(talk, B).pending, 2);
        assert_eq!(value(talk, B, "SELECT value FROM setting WHERE name = 'a'"), text("after"));
        assert_eq!(value(talk, A, "SELECT title FROM note"), text("of a"));
        choose(talk, B, Start::Merge);
        talk.cut(B);
        talk.cut(A);
        talk.visit(B);
        talk.visit(A);
        assert_eq!(talk.rows(B), talk.space.rows());
        assert_eq!(talk.rows(A), talk.space.rows());
        assert_eq!(value(talk, A, "SELECT count(*) FROM setting"), Value::Integer(3));
        assert_eq!(value(talk, B, "SELECT count(*) FROM setting"), Value::Integer(3));
    });
}

#[test]
fn cs76_rows_of_the_space_that_no_local_one_touches_ask_for_a_choice_too() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let talk = &mut Dialogue::with_schema(2, two_phase, before());
        // Both were in step: a device that the space never welcomed is asked before it hears anything.
        talk.exec(A, "INSERT INTO note VALUES ('n', 'first')", &[]);
        [A, B].into_iter().for_each(|party| talk.visit(party));
        for party in [A, B] {
            let own = text(if party == A { "a" } else { "b" });
            talk.exec(party, "INSERT INTO setting VALUES (?1, ?1, NULL)", &[own]);
        }
        talk.deploy(&joined());
        talk.restart_with(A, &joined());
        talk.visit(A);
        talk.restart_with(B, &joined());
        try_to_sync(talk, B);
        assert_eq!(status(talk, B).reason.as_deref(), Some(NEEDED), "{}", talk.transcript());
        assert_eq!(talk.space.rows(), talk.rows(A), "nothing of B's was sent");
    }
}

#[test]
fn cs76_a_table_that_joins_may_take_what_the_space_has() {
    with_settings(|talk| {
        talk.start_with(Start::Take);
        talk.restart_with(B, &joined());
        talk.exec(B, "UPDATE setting SET value = 'mine' WHERE name = 'b'", &[]);
        talk.exec(B, "UPDATE note SET title = 'of b'", &[]);
        talk.start_with(Start::Seed);
        talk.restart_with(A, &joined());
        talk.visit(A);
        talk.visit(B);
        talk.visit(A);
        assert_eq!(talk.rows(B), talk.space.rows());
        assert_eq!(value(talk, B, "SELECT group_concat(value) FROM setting ORDER BY 1"), text("a,a"));
        assert_eq!(value(talk, A, "SELECT title FROM note"), text("of b"), "what was in step is sent as ever");
        let listed = talk.device(B).database().rejected().expect("the list");
        let changes: Vec<_> = listed.iter().flat_map(|record| &record.changes).collect();
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!(changes.iter().any(|change| change.fields[0].1 == text("mine")));
    });
}

#[test]
fn cs76_what_is_written_to_other_rows_after_a_transaction_that_gives_way_is_sent() {
    with_settings(|talk| {
        talk.start_with(Start::Take);
        talk.restart_with(B, &joined());
        talk.transaction(B, &["UPDATE setting SET value = 'mine'", "UPDATE note SET title = 'gives way'"]);
        talk.exec(B, "UPDATE note SET title = 'afterwards'", &[]);
        talk.start_with(Start::Seed);
        talk.restart_with(A, &joined());
        [A, B, A].into_iter().for_each(|party| talk.visit(party));
        assert_eq!(talk.rows(B), talk.space.rows());
        assert_eq!(value(talk, A, "SELECT title FROM note"), text("afterwards"), "{}", talk.transcript());
    });
}

#[test]
fn cs73_each_page_of_what_is_taken_is_asked_for_once_whatever_happens_meanwhile() {
    on_both_paths(|talk| {
        with_a_space(talk);
        write_apart(talk, A, "a");
        talk.start_with(Start::Take);
        talk.restart(A);
        talk.connect(A);
        let mut asked = 0;
        loop {
            talk.input(A, Input::Tick);
            let asks = |m: &ClientMessage| matches!(m, ClientMessage::Snapshot { .. });
            let waiting = talk.sent_by(A).into_iter().filter(asks).count();
            assert!(waiting <= 1, "{}", talk.transcript());
            if !(talk.up(A) || talk.down(A)) {
                break;
            }
            asked += waiting.saturating_sub(talk.sent_by(A).into_iter().filter(asks).count());
        }
        assert_eq!(asked, 1, "all of it fits one page");
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs76_rows_that_an_older_version_had_kept_aside_do_not_stand_in_the_way() {
    with_settings(|talk| {
        talk.restart_with(A, &joined());
        talk.visit(A);
        // Still of the first version, B hears of settings whose key and code its own rows have too.
        talk.visit(B);
        talk.start_with(Start::Merge);
        talk.restart_with(B, &joined());
        assert_eq!(value(talk, B, "SELECT value FROM setting WHERE name = 'theme'"), text("b"));
        talk.visit(B);
        talk.visit(A);
        talk.visit(B);
        assert_eq!(talk.rows(A), talk.space.rows());
        assert_eq!(talk.rows(B), talk.space.rows());
        assert_eq!(value(talk, B, "SELECT count(*) FROM setting"), Value::Integer(3));
    });
}

#[test]
fn cs70_nothing_is_sent_before_the_rows_of_the_space_are_taken() {
    on_both_paths(|talk| {
        write_apart(talk, A, "a");
        with_a_space(talk);
        talk.start_with(Start::Take);
        talk.restart(A);
        talk.connect(A);
        let sent = talk.sent_by(A);
        assert!(!sent.iter().any(|message| matches!(message, ClientMessage::Submit(_) | ClientMessage::Stage(_))));
    });
}

#[test]
fn cs200_a_device_that_has_to_choose_says_so_before_it_says_that_there_is_a_newer_app() {
    with_settings(|talk| {
        talk.restart_with(A, &joined());
        talk.visit(A);
        let third = [NOTE, "CREATE INDEX note_title ON note (title)", "CREATE INDEX setting_value ON setting (value)"];
        talk.deploy(&versions::schema(&serde_json::json!(third), &["note", "setting"]));
        talk.restart_with(B, &joined());
        try_to_sync(talk, B);
        assert_eq!(status(talk, B).reason.as_deref(), Some(NEEDED), "{}", talk.transcript());
        talk.input(B, Input::Choose(Start::Merge));
        talk.settle();
        let told = status(talk, B);
        assert_eq!((told.state, told.pending, told.reason.as_deref()), (State::Idle, 0, Some("reload_needed")));
    });
}
