//! Snapshots: pages while history moves on, broken off and resumed, with what waits kept and sent.

use crate::script::{A, B, noise, status, text, value, with_household};
use ebbtide_core::client::{Input, Output, SessionOptions, State, SyncReport, TwoPhase};
use ebbtide_core::ids::{ChainHash, Seq};
use ebbtide_core::limits::RETENTION_MS;
use ebbtide_core::message::{ClientMessage, Page, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;

/// So small that every page holds few rows.
pub const PAGE_BYTES: u32 = 300;

pub fn on_both_paths(script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let options = SessionOptions { two_phase, page_bytes: Some(PAGE_BYTES), ..SessionOptions::default() };
        script(&mut Dialogue::with_options(2, options));
    }
}

/// Forty households with a visit each, on both devices.
pub fn populated(talk: &mut Dialogue) {
    for number in 0..40 {
        let id = Value::Text(format!("h{number:02}"));
        talk.exec(A, "INSERT INTO household (id, name, code) VALUES (?1, 'n', ?1)", std::slice::from_ref(&id));
        talk.exec(A, "INSERT INTO visit (id, household) VALUES (?1, ?1)", &[id]);
    }
    talk.visit(A);
    talk.visit(B);
}

/// The same, and rows of which each has two halves, on both devices.
fn with_halves(talk: &mut Dialogue) {
    populated(talk);
    for half in ["left_half", "right_half"] {
        let rows = (0..30).map(|number| format!("('p{number}', 0)")).collect::<Vec<_>>().join(", ");
        talk.exec(A, &format!("INSERT INTO {half} (id, value) VALUES {rows}"), &[]);
    }
    talk.visit(A);
    talk.visit(B);
}

/// What A is told when it is up to date.
fn report(talk: &mut Dialogue) -> SyncReport {
    let report = |output| if let Output::UpToDate(report) = output { Some(report) } else { None };
    talk.outputs(A).into_iter().find_map(report).expect("the app is told when it is up to date")
}

/// Lets a device fetch until its next message asks for something that `wanted` says; false if it stops before.
fn fetch_until(talk: &mut Dialogue, party: usize, wanted: impl Fn(&ClientMessage) -> bool) -> bool {
    for _ in 0..400 {
        if talk.sent_by(party).iter().any(&wanted) {
            return true;
        }
        if !(talk.up(party) || talk.down(party)) {
            return false;
        }
    }
    panic!("it goes on for ever\n{}", talk.transcript());
}

fn asks_for_a_page(message: &ClientMessage) -> bool {
    matches!(message, ClientMessage::Snapshot { .. })
}

#[test]
fn cs50_a_database_is_rebuilt_from_a_snapshot_with_what_waits_kept_and_sent() {
    on_both_paths(|talk| {
        populated(talk);
        talk.exec(B, "DELETE FROM visit WHERE id < 'h05'", &[]);
        talk.exec(B, "UPDATE household SET name = 'theirs'", &[]);
        talk.visit(B);
        talk.exec(A, "UPDATE household SET doses = 3 WHERE id = 'h01'", &[]);
        talk.exec(A, "INSERT INTO household (id, name) VALUES ('mine', 'm')", &[]);
        talk.exec(A, "DELETE FROM visit WHERE id = 'h39'", &[]);
        talk.input(A, Input::CannotApply);
        talk.sync(A);
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT count(*) FROM visit"), Value::Integer(34));
        assert_eq!(value(talk, B, "SELECT name || doses FROM household WHERE id = 'h01'"), text("theirs3"));
        talk.assert_intact(A);
    });
}

#[test]
fn cs50_whoever_came_by_a_snapshot_is_told_of_what_follows() {
    on_both_paths(|talk| {
        populated(talk);
        talk.input(A, Input::CannotApply);
        talk.sync(A);
        talk.sync(B);
        talk.exec(B, "UPDATE household SET name = 'afterwards'", &[]);
        talk.settle();
        assert_eq!(value(talk, A, "SELECT DISTINCT name FROM household"), text("afterwards"), "{}", talk.transcript());
        talk.assert_in_step();
    });
}

#[test]
fn cs50_whoever_had_its_snapshot_whole_before_the_connection_is_told_of_what_follows_too() {
    on_both_paths(|talk| {
        populated(talk);
        talk.exec(A, "UPDATE household SET doses = 1 WHERE id = 'h01'", &[]);
        talk.connect(A);
        let head = talk.head();
        while talk.head() == head {
            assert!(talk.up(A) || talk.down(A));
        }
        // The answer is lost, so the verdict is asked for before the snapshot is installed; that answer is lost as well.
        talk.cut(A);
        talk.input(A, Input::CannotApply);
        talk.connect(A);
        assert!(fetch_until(talk, A, |message| matches!(message, ClientMessage::Resume { .. })));
        talk.cut(A);
        [A, B].into_iter().for_each(|party| talk.sync(party));
        talk.exec(B, "UPDATE household SET name = 'afterwards'", &[]);
        talk.settle();
        assert_eq!(value(talk, A, "SELECT DISTINCT name FROM household"), text("afterwards"), "{}", talk.transcript());
        talk.assert_in_step();
    });
}

#[test]
fn ck02_a_clock_passes_the_stamps_behind_a_snapshot_too() {
    on_both_paths(|talk| {
        populated(talk);
        talk.skew_ms(B, 50_000);
        talk.exec(B, "UPDATE household SET name = 'ahead'", &[]);
        let ahead = talk.durable(B).log[0].stamp;
        talk.visit(B);
        talk.input(A, Input::CannotApply);
        talk.sync(A);
        talk.cut(A);
        talk.exec(A, "UPDATE household SET name = 'afterwards'", &[]);
        assert!(talk.durable(A).log[0].stamp > ahead, "{}", talk.transcript());
    });
}

/// A visit during which the other device stands still.
fn visit_alone(talk: &mut Dialogue, party: usize) {
    talk.connect(party);
    while talk.up(party) || talk.down(party) {}
    talk.cut(party);
}

#[test]
fn cs51_history_moves_on_while_pages_are_fetched() {
    on_both_paths(|talk| {
        populated(talk);
        talk.exec(A, "UPDATE household SET weight = 1.5 WHERE id = 'h20'", &[]);
        talk.input(A, Input::CannotApply);
        talk.connect(A);
        let mut page = 0;
        while fetch_until(talk, A, asks_for_a_page) {
            // Of what was sent already, of what comes, and of neither: changed, taken away, put back, swapped.
            for (at, sql) in [
                "UPDATE household SET doses = doses + 1 WHERE id IN ('h00', 'h39')",
                "DELETE FROM visit WHERE id = (SELECT min(id) FROM visit)",
                "DELETE FROM visit WHERE id = (SELECT max(id) FROM visit)",
                "INSERT INTO visit (id, household) VALUES ('a' || hex(randomblob(4)), 'h07')",
            ]
            .iter()
            .enumerate()
            {
                if page % 4 == at {
                    talk.exec(B, sql, &[]);
                }
            }
            // Two rows of different pages swap their unique values, over a third one.
            talk.transaction(
                B,
                &[
                    "UPDATE household SET name = code, code = NULL WHERE id IN ('h02', 'h38')",
                    "UPDATE household SET code = (SELECT name FROM household WHERE id = 'h38') WHERE id = 'h02'",
                    "UPDATE household SET code = (SELECT name FROM household WHERE id = 'h02') WHERE id = 'h38'",
                ],
            );
            visit_alone(talk, B);
            page += 1;
            talk.up(A);
        }
        assert!(page > 5, "{page} pages");
        talk.settle();
        talk.cut(A);
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT weight FROM household WHERE id = 'h20'"), Value::Real(1.5));
        talk.assert_intact(A);
    });
}

#[test]
fn cs51_pages_read_at_different_times_are_never_shown_without_what_came_between() {
    on_both_paths(|talk| {
        with_halves(talk);
        talk.input(A, Input::CannotApply);
        talk.connect(A);
        let halves = ["UPDATE left_half SET value = value + 1", "UPDATE right_half SET value = value + 1"];
        while fetch_until(talk, A, asks_for_a_page) {
            talk.transaction(B, &halves);
            // Two fields of a row of the first page, in a commit each.
            talk.exec(B, "UPDATE household SET doses = doses + 1 WHERE id = 'h00'", &[]);
            visit_alone(talk, B);
            talk.exec(B, "UPDATE household SET weight = doses WHERE id = 'h00'", &[]);
            visit_alone(talk, B);
            talk.up(A);
            talk.down(A);
            assert_whole(talk);
        }
        while talk.up(A) || talk.down(A) {
            assert_whole(talk);
        }
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
    });
}

/// What was written together is seen together.
fn assert_whole(talk: &mut Dialogue) {
    let torn = "SELECT count(*) FROM left_half JOIN right_half USING (id) WHERE left_half.value <> right_half.value";
    assert_eq!(value(talk, A, torn), Value::Integer(0), "{}", talk.transcript());
}

/// Delivers what waits for A, each message by itself; false if there is nothing.
fn hear_apart(talk: &mut Dialogue) -> bool {
    let messages = talk.waiting_for(A);
    while !talk.waiting_for(A).is_empty() {
        talk.lose(A);
    }
    let some = !messages.is_empty();
    for message in messages {
        talk.input(A, Input::Received(vec![message]));
        assert_whole(talk);
    }
    some
}

#[test]
fn cs51_where_each_message_comes_by_itself_nothing_is_shown_before_the_last_commit_is_there() {
    on_both_paths(|talk| {
        with_halves(talk);
        talk.input(A, Input::CannotApply);
        talk.connect(A);
        let (began, mut pages) = (talk.head(), 0);
        let goes_on = |message: &ClientMessage| matches!(message, ClientMessage::Snapshot { token: Some(_), .. });
        loop {
            if talk.sent_by(A).iter().any(goes_on) {
                let pair = |half: &str| format!("UPDATE {half} SET value = value + 1 WHERE id = 'p{}'", pages % 30);
                // So large that no two of them come in one answer.
                let large = format!("UPDATE household SET name = '{}' WHERE id = 'h00'", noise(1_000, pages));
                talk.transaction(B, &[&pair("left_half"), &pair("right_half"), &large]);
                visit_alone(talk, B);
                pages += 1;
            }
            if !(talk.up(A) || hear_apart(talk)) {
                break;
            }
        }
        assert!(pages > 10, "{pages} pages");
        assert_eq!(u64::from(report(talk).received), talk.head().0 - began.0, "what came with the snapshot counts");
        talk.cut(A);
        talk.assert_in_step();
    });
}

#[test]
fn cs52_a_snapshot_that_breaks_off_goes_on_at_the_page_that_is_missing() {
    on_both_paths(|talk| {
        populated(talk);
        talk.exec(A, "UPDATE household SET doses = 9 WHERE id = 'h11'", &[]);
        talk.input(A, Input::CannotApply);
        let mut first_pages = 0;
        for steps in 0..30 {
            talk.connect(A);
            for _ in 0..4 {
                let first = |message: &ClientMessage| matches!(message, ClientMessage::Snapshot { token: None, .. });
                first_pages += usize::from(talk.sent_by(A).iter().any(first));
                let _ = talk.up(A) && talk.down(A);
            }
            if steps % 2 == 0 { talk.restart(A) } else { talk.cut(A) }
        }
        assert!(first_pages <= 2, "{first_pages} times from the beginning");
        talk.visit(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, B, "SELECT doses FROM household WHERE id = 'h11'"), Value::Integer(9));
    });
}

#[test]
fn cs52_a_snapshot_whose_history_is_forgotten_meanwhile_begins_anew() {
    on_both_paths(|talk| {
        populated(talk);
        talk.exec(A, "UPDATE household SET weight = 1.5 WHERE id = 'h20'", &[]);
        talk.input(A, Input::CannotApply);
        talk.connect(A);
        assert!(fetch_until(talk, A, asks_for_a_page));
        talk.up(A);
        talk.exec(B, "UPDATE household SET name = 'meanwhile'", &[]);
        visit_alone(talk, B);
        assert!(fetch_until(talk, A, |message| matches!(message, ClientMessage::Pull { .. })), "{}", talk.transcript());
        talk.cut(A);
        talk.pass_ms(RETENTION_MS + 1);
        talk.exec(B, "UPDATE household SET name = 'much later'", &[]);
        talk.visit(B);
        talk.space.prune(talk.now);
        talk.sync(A);
        talk.visit(B);
        talk.settle();
        talk.assert_in_step();
        let shown = "SELECT name || weight FROM household WHERE id = 'h20'";
        assert_eq!(value(talk, A, shown), text("much later1.5"));
    });
}

#[test]
fn cs50_a_head_of_a_lost_history_does_not_hold_a_snapshot_up() {
    on_both_paths(|talk| {
        populated(talk);
        talk.input(A, Input::CannotApply);
        talk.connect(A);
        assert!(fetch_until(talk, A, asks_for_a_page));
        let lost = Seq(talk.head().0 + 7);
        talk.input(A, Input::Received(vec![ServerMessage::Head { seq: lost }]));
        talk.settle();
        assert_eq!(status(talk, A).state, State::Idle, "{}", talk.transcript());
        talk.assert_in_step();
    });
}

#[test]
fn cs53_what_was_decided_while_the_answer_was_lost_leaves_with_the_snapshot() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(B, "INSERT INTO household (id, code) VALUES ('b', 'taken')", &[]);
        talk.visit(B);
        talk.exec(A, "UPDATE household SET doses = doses + 1 WHERE id = 'h'", &[]);
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('a', 'taken')", &[]);
        talk.connect(A);
        while status(talk, A).pending > 0 && talk.head().0 < 3 {
            talk.up(A);
            if talk.head().0 < 3 {
                talk.down(A);
            }
        }
        talk.cut(A);
        talk.input(A, Input::CannotApply);
        talk.sync(A);
        let report = report(talk);
        assert_eq!((report.sent, report.errors), (2, 1));
        talk.cut(A);
        talk.visit(B);
        talk.assert_in_step();
        assert_eq!(value(talk, A, "SELECT doses FROM household WHERE id = 'h'"), Value::Integer(1));
        assert_eq!(status(talk, A).failed, 1, "the refused one is listed");
    });
}

#[test]
fn cs54_local_tables_follow_only_rows_that_are_gone() {
    on_both_paths(|talk| {
        populated(talk);
        let create = "CREATE TABLE draft (id INTEGER PRIMARY KEY, visit TEXT REFERENCES visit(id) ON DELETE CASCADE)";
        talk.exec(A, create, &[]);
        talk.restart(A);
        talk.exec(A, "INSERT INTO draft (visit) SELECT id FROM visit", &[]);
        talk.exec(B, "DELETE FROM visit WHERE id < 'h10'", &[]);
        talk.exec(B, "UPDATE visit SET notes = 'changed'", &[]);
        talk.visit(B);
        talk.input(A, Input::CannotApply);
        talk.visit(A);
        talk.assert_in_step();
        assert_eq!(value(talk, A, "SELECT count(*) FROM draft"), Value::Integer(30));
    });
}

#[test]
fn cs52_a_page_of_another_snapshot_is_not_mixed_with_those_that_are_here() {
    let others: [fn(&mut Page); 2] =
        [|page| page.token.begun_at = Seq(1), |page| page.token.chain = ChainHash::default()];
    for other in others {
        on_both_paths(|talk| {
            populated(talk);
            talk.exec(B, "UPDATE household SET name = 'theirs'", &[]);
            talk.visit(B);
            talk.input(A, Input::CannotApply);
            talk.connect(A);
            let goes_on = |m: &ClientMessage| matches!(m, ClientMessage::Snapshot { token: Some(_), .. });
            assert!(fetch_until(talk, A, goes_on));
            talk.up(A);
            let mut answer = talk.waiting_for(A);
            talk.lose(A);
            for message in &mut answer {
                if let ServerMessage::Page(page) = message {
                    other(page);
                    page.last = true;
                }
            }
            talk.input(A, Input::Received(answer));
            talk.settle();
            talk.cut(A);
            talk.assert_in_step();
            talk.assert_intact(A);
        });
    }
}

#[test]
fn cs51_commits_behind_a_gap_are_not_laid_over_a_snapshot() {
    on_both_paths(|talk| {
        populated(talk);
        talk.input(A, Input::CannotApply);
        talk.connect(A);
        assert!(fetch_until(talk, A, |m| matches!(m, ClientMessage::Snapshot { token: Some(_), .. })));
        for name in ["behind the pages", "behind the gap"] {
            let row = if name.ends_with("gap") { "h01" } else { "h00" };
            talk.exec(B, "UPDATE household SET name = ? WHERE id = ?", &[text(name), text(row)]);
            visit_alone(talk, B);
        }
        assert!(fetch_until(talk, A, |m| matches!(m, ClientMessage::Pull { .. })));
        talk.up(A);
        let mut answer = talk.waiting_for(A);
        while !talk.waiting_for(A).is_empty() {
            talk.lose(A);
        }
        let cut = |message: &mut ServerMessage| match message {
            ServerMessage::Range(range) if range.items.len() > 1 => {
                range.from = range.items.remove(0).seq;
                true
            }
            _ => false,
        };
        assert_eq!(answer.iter_mut().map(cut).filter(|cut| *cut).count(), 1, "{answer:?}");
        talk.input(A, Input::Received(answer));
        talk.settle();
        talk.cut(A);
        talk.assert_in_step();
        talk.assert_intact(A);
    });
}
