//! What a device knows of one row's history: accepted, waiting, blocked and refused, over versions of the schema.

use crate::script::{A, B, on_both_paths, text, with_household};
use crate::versions;
use ebbtide_core::client::TwoPhase;
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::local::{ChangeKind, ChangeState, DbErrorCode, RowEntry};

fn log(talk: &mut Dialogue, party: usize, table: &str, key: &str) -> Vec<RowEntry> {
    talk.device(party).database().row_log(table, &[text(key)], &WireCodec).expect("the log")
}

fn states(entries: &[RowEntry]) -> Vec<ChangeState> {
    entries.iter().map(|entry| entry.state).collect()
}

fn value_of(entry: &RowEntry, column: &str) -> Option<Value> {
    entry.fields.iter().find(|(name, _)| name == column).and_then(|(_, value)| value.clone())
}

#[test]
fn st74_own_changes_of_a_row_are_told_accepted_waiting_and_refused() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(B, "UPDATE household SET name = 'of b', code = 'x' WHERE id = 'h'", &[]);
        talk.exec(A, "UPDATE household SET doses = 0, weight = 0.5 WHERE id = 'h'", &[]);
        talk.exec(A, "UPDATE household SET name = '' WHERE id = 'other'", &[]);
        talk.visit(A);
        talk.exec(A, "INSERT INTO household (id, code) VALUES ('i', 'x')", &[]);
        talk.visit(B);
        talk.visit(A);
        talk.exec(A, "UPDATE household SET weight = NULL WHERE id = 'h'", &[]);
        talk.exec(A, "DELETE FROM household WHERE id = 'h'", &[]);
        let entries = log(talk, A, "Household", "h");
        let (applied, pending) = (ChangeState::Applied, ChangeState::Pending);
        assert_eq!(states(&entries), [applied, applied, pending, pending]);
        let kinds: Vec<ChangeKind> = entries.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [ChangeKind::Insert, ChangeKind::Update, ChangeKind::Update, ChangeKind::Delete]);
        assert_eq!(value_of(&entries[0], "name"), Some(text("first")));
        assert_eq!(value_of(&entries[1], "weight"), Some(Value::Real(0.5)));
        assert_eq!(value_of(&entries[2], "weight"), Some(Value::Null));
        assert!(entries.windows(2).all(|pair| pair[0].stamp < pair[1].stamp));
        let refused = log(talk, A, "household", "i");
        assert!(matches!(states(&refused)[..], [ChangeState::Rejected(reason)] if reason.code() == "unique"));
        assert_eq!(value_of(&refused[0], "code"), Some(text("x")));
        assert_eq!(log(talk, A, "household", "nobody"), []);
        // What another device did is not its own.
        assert_eq!(states(&log(talk, B, "household", "h")), [applied]);
    });
}

#[test]
fn st74_a_row_is_found_under_the_names_that_it_has_now() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let talk = &mut Dialogue::with_schema(2, two_phase, versions::first());
        talk.exec(A, "INSERT INTO person (id, name, phone, age) VALUES ('p', 'Ada', '12', 36)", &[]);
        talk.visit(A);
        talk.deploy(&versions::second());
        talk.restart_with(A, &versions::second());
        talk.exec(A, "UPDATE human SET kind = 'k'", &[]);
        let entries = log(talk, A, "human", "p");
        assert_eq!(states(&entries), [ChangeState::Applied, ChangeState::Pending], "{entries:?}");
        assert_eq!(value_of(&entries[0], "phone"), Some(text("12")), "as it was written, under the names of its time");
    }
}

#[test]
fn st74_what_is_no_row_is_refused() {
    on_both_paths(|talk| {
        let database = talk.device(A).database();
        for (table, key) in [("nothing", vec![text("h")]), ("household", vec![]), ("dose", vec![text("m")])] {
            let error = database.row_log(table, &key, &WireCodec).expect_err(table);
            assert_eq!(error.code, DbErrorCode::BadParameter, "{table}");
        }
    });
}
