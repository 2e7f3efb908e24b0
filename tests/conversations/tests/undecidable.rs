//! Open conflicts that a migration leaves nothing to decide in: they are closed everywhere, and the others wait on.

use crate::script::{A, B, choose, closed, of_users, open, status, text, value};
use ebbtide_core::client::TwoPhase;
use ebbtide_core::conflict::Closing;
use ebbtide_core::ids::AuthorId;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

const FIRST: &str = "CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, diagnosis TEXT, note TEXT) STRICT;
    CREATE TABLE deed (id TEXT PRIMARY KEY NOT NULL, diagnosis TEXT) STRICT";

/// What takes an open conflict away: its column, its row, its table.
const SECOND: [&str; 3] = ["ALTER TABLE visit DROP COLUMN note", "DELETE FROM visit WHERE id = 'w'", "DROP TABLE deed"];

fn schema(second: Option<&str>) -> Schema {
    let migrations: Vec<&str> = [FIRST].into_iter().chain(second).collect();
    let has = |part: &str| second.is_none_or(|sql| !sql.contains(part));
    let mut tables = serde_json::json!({ "visit": { "merge": { "diagnosis": "review" } } });
    if has("note") {
        tables["visit"]["merge"]["note"] = "review".into();
    }
    if has("deed") {
        tables["deed"] = serde_json::json!({ "merge": { "diagnosis": "review" } });
    }
    serde_json::from_value(serde_json::json!({ "migrations": migrations, "tables": tables })).expect("a schema")
}

/// Four conflicts wait on both devices when the space takes the second version; one of them can be decided by then.
fn disputed(two_phase: TwoPhase) -> Dialogue {
    let mut talk = of_users(2, two_phase, schema(None));
    talk.exec(A, "INSERT INTO visit VALUES ('v', 'first', 'first'), ('w', 'first', '')", &[]);
    talk.exec(A, "INSERT INTO deed VALUES ('d', 'first')", &[]);
    [A, B].into_iter().for_each(|party| talk.visit(party));
    for (party, name) in [(A, "of a"), (B, "of b")] {
        talk.exec(party, &format!("UPDATE visit SET diagnosis = '{name}', note = '{name}' WHERE id = 'v'"), &[]);
        talk.exec(party, &format!("UPDATE visit SET diagnosis = '{name}' WHERE id = 'w'"), &[]);
        talk.exec(party, &format!("UPDATE deed SET diagnosis = '{name}'"), &[]);
    }
    [A, B, A].into_iter().for_each(|party| talk.visit(party));
    assert_eq!(open(&mut talk, A).len(), 4, "{}", talk.transcript());
    talk
}

#[test]
fn cf53_a_migration_closes_what_nobody_can_decide_any_more() {
    for second in SECOND {
        for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
            let mut talk = disputed(two_phase);
            talk.deploy(&schema(Some(second)));
            // One device follows before it hears of the commit, the other hears of it under the version before.
            talk.restart_with(A, &schema(Some(second)));
            [A, B].into_iter().for_each(|party| talk.sync(party));
            let told = closed(&mut talk, B);
            assert_eq!(told.len(), 1, "{second} {}", talk.transcript());
            assert_eq!((&told[0].closing, told[0].by), (&Closing::Moot, AuthorId::MIGRATION));
            for party in [A, B] {
                assert_eq!(status(&mut talk, party).conflicts, 3, "{second} {}", talk.transcript());
                assert_eq!(open(&mut talk, party).len(), 3, "{second} {}", talk.transcript());
            }
            [A, B].into_iter().for_each(|party| talk.cut(party));
            // A device that joins is not told of it, and what is left is decided as ever.
            let new = talk.add("C", "cid");
            talk.visit(new);
            assert_eq!((open(&mut talk, new).len(), status(&mut talk, new).conflicts), (3, 3));
            let id = open(&mut talk, A).into_iter().find(|one| one.column.as_deref() == Some("diagnosis"));
            choose(&mut talk, A, id.expect("of v").id, 1);
            [A, B, new].into_iter().for_each(|party| talk.visit(party));
            assert_eq!(value(&mut talk, B, "SELECT diagnosis FROM visit WHERE id = 'v'"), text("of b"));
            assert_eq!(status(&mut talk, B).conflicts, 2);
        }
    }
}

#[test]
fn cf53_a_device_ahead_of_the_space_counts_only_what_can_be_decided() {
    for second in ["ALTER TABLE visit DROP COLUMN note", "DROP TABLE deed"] {
        for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
            let mut talk = disputed(two_phase);
            talk.restart_with(A, &schema(Some(second)));
            talk.connect(A);
            talk.settle();
            assert_eq!((status(&mut talk, A).conflicts, open(&mut talk, A).len()), (3, 3), "{second}");
            talk.cut(A);
            talk.deploy(&schema(Some(second)));
            talk.visit(A);
            assert_eq!((status(&mut talk, A).conflicts, open(&mut talk, A).len()), (3, 3), "{second}");
        }
    }
}
