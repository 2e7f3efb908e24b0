//! Choices between the sides of a conflict that meet what else is under way: own writes, and conflicts of other fields and rows.

use crate::script::{A, B, choose, meet, of_users, open, refused, text, value};
use ebbtide_core::client::{Output, TwoPhase};
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::local::Wanted;
use ebbtide_store::schema::Schema;

const C: usize = 2;

fn schema() -> Schema {
    let json = serde_json::json!({
        "migrations": ["CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, diagnosis TEXT, note TEXT) STRICT;
            CREATE TABLE deed (id TEXT PRIMARY KEY NOT NULL, diagnosis TEXT, note TEXT) STRICT"],
        "tables": {
            "visit": { "merge": { "diagnosis": "review" } },
            "deed": { "row": "atomic", "merge": { "diagnosis": "review" } }
        }
    });
    serde_json::from_value(json).expect("the schema above has the schema's shape")
}

/// Three devices of three users have a visit and a deed, by each commit path; once for either table.
fn for_each_table(script: impl Fn(&mut Dialogue, &str)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        for table in ["visit", "deed"] {
            let mut talk = of_users(3, two_phase, schema());
            talk.exec(A, &format!("INSERT INTO {table} (id, diagnosis) VALUES ('v', 'first')"), &[]);
            [A, B, C].into_iter().for_each(|party| talk.visit(party));
            script(&mut talk, table);
        }
    }
}

/// Only this device and the space speak.
fn exchange(talk: &mut Dialogue, party: usize) {
    while talk.up(party) || talk.down(party) {}
}

#[test]
fn cf09_a_choice_on_top_of_an_own_write_that_had_not_seen_the_incumbent_is_taken() {
    for_each_table(|talk, table| {
        talk.exec(C, &format!("UPDATE {table} SET diagnosis = 'of c'"), &[]);
        talk.sync(A);
        talk.exec(A, &format!("UPDATE {table} SET diagnosis = 'of a'"), &[]);
        talk.exec(B, &format!("UPDATE {table} SET diagnosis = 'of b'"), &[]);
        for party in [B, C] {
            talk.connect(party);
            exchange(talk, party);
            talk.cut(party);
        }
        // A's write is under way, and what it had seen is older than the dispute of which A hears now.
        while talk.down(A) {}
        let id = open(talk, A)[0].id;
        choose(talk, A, id, 1);
        talk.settle();
        assert!(refused(talk, A).is_empty(), "{}", talk.transcript());
        talk.cut(A);
        talk.visit(C);
        meet(talk, [A, B]);
        for party in [A, B, C] {
            assert_eq!(value(talk, party, &format!("SELECT diagnosis FROM {table}")), text("of c"));
            assert!(open(talk, party).is_empty(), "{}", talk.transcript());
        }
    });
}

#[test]
fn cf06_what_was_opened_and_closed_while_a_device_was_away_is_no_news_to_it() {
    for_each_table(|talk, table| {
        talk.exec(A, &format!("INSERT INTO {table} (id, diagnosis) VALUES ('w', 'first')"), &[]);
        [A, B, C].into_iter().for_each(|party| talk.visit(party));
        talk.exec(A, &format!("UPDATE {table} SET diagnosis = 'of a'"), &[]);
        talk.exec(B, &format!("UPDATE {table} SET diagnosis = 'of b'"), &[]);
        [A, B, A].into_iter().for_each(|party| talk.visit(party));
        let ids: Vec<_> = open(talk, A).iter().map(|record| record.id).collect();
        choose(talk, A, ids[0], 1);
        talk.visit(A);
        talk.sync(C);
        let told = talk.outputs(C).into_iter().find_map(|output| match output {
            Output::Conflicts { opened, .. } => Some(opened),
            _ => None,
        });
        assert_eq!(told, Some(vec![ids[1]]), "{}", talk.transcript());
        talk.cut(C);
        talk.visit(B);
        talk.assert_in_step();
    });
}

#[test]
fn cs20_an_own_write_under_way_was_seen_also_when_another_device_made_the_same_row_in_between() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(2, two_phase, schema());
        talk.exec(A, "INSERT INTO visit VALUES ('n', 'of a', 'taken')", &[]);
        talk.exec(B, "INSERT INTO visit (id, diagnosis) VALUES ('n', 'of b')", &[]);
        talk.connect(B);
        while talk.head().0 == 0 {
            assert!(talk.up(B) || talk.down(B));
        }
        talk.connect(A);
        exchange(&mut talk, A);
        talk.cut(A);
        // The verdict on the insert is on its way.
        talk.exec(B, "UPDATE visit SET diagnosis = 'of b too'", &[]);
        talk.settle();
        talk.cut(B);
        meet(&mut talk, [A, B]);
        for party in [A, B] {
            assert_eq!(value(&mut talk, party, "SELECT diagnosis FROM visit"), text("of b too"));
            assert_eq!(open(&mut talk, party)[0].sides.len(), 2, "{}", talk.transcript());
        }
    }
}

#[test]
fn cf06_a_device_of_an_older_version_sees_a_conflict_whose_sides_changed_in_the_commit_that_opened_it() {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(3, two_phase, schema());
        talk.exec(A, "INSERT INTO deed (id, diagnosis) VALUES ('v', 'first'), ('w', 'first')", &[]);
        [A, B, C].into_iter().for_each(|party| talk.visit(party));
        let second = grown();
        talk.deploy(&second);
        [A, B].into_iter().for_each(|party| talk.restart_with(party, &second));
        talk.exec(A, "UPDATE deed SET diagnosis = 'of a' WHERE id = 'v'", &[]);
        talk.exec(B, "UPDATE deed SET diagnosis = 'before'", &[]);
        talk.exec(B, "UPDATE deed SET diagnosis = 'of b', note = 'x' WHERE id = 'v'", &[]);
        for party in [A, B, A, C] {
            talk.visit(party);
        }
        for party in [A, B, C] {
            let sides: Vec<_> = open(&mut talk, party).remove(0).sides.into_iter().map(|side| side.wanted).collect();
            let [Wanted::Row(of_a), Wanted::Row(of_b)] = sides.as_slice() else { panic!("{sides:?}") };
            assert!(of_a.contains(&("diagnosis".into(), text("of a"))), "{}", talk.transcript());
            assert!(of_b.contains(&("diagnosis".into(), text("of b"))) && of_b.contains(&("note".into(), text("x"))));
        }
    }
}

/// The next version, in which every column of a deed has another place.
fn grown() -> Schema {
    let mut json = serde_json::to_value(schema()).expect("a schema is JSON");
    let moved = "CREATE TABLE new_deed (note TEXT, id TEXT PRIMARY KEY NOT NULL, diagnosis TEXT) STRICT;
        INSERT INTO new_deed (id, diagnosis, note) SELECT id, diagnosis, note FROM deed;
        DROP TABLE deed;
        ALTER TABLE new_deed RENAME TO deed";
    json["migrations"].as_array_mut().expect("a list").push(moved.into());
    serde_json::from_value(json).expect("the schema above has the schema's shape")
}

#[test]
fn cs206_a_choice_from_before_a_space_was_set_back_closes_no_conflict_that_has_the_place_of_another() {
    for_each_table(|talk, table| {
        talk.exec(A, &format!("INSERT INTO {table} (id, diagnosis) VALUES ('w', 'first')"), &[]);
        [A, B, C].into_iter().for_each(|party| talk.visit(party));
        let backup = talk.space.backup();
        talk.exec(A, &format!("UPDATE {table} SET diagnosis = 'of a' WHERE id = 'v'"), &[]);
        talk.exec(B, &format!("UPDATE {table} SET diagnosis = 'of b' WHERE id = 'v'"), &[]);
        [A, B, A].into_iter().for_each(|party| talk.visit(party));
        let before = open(talk, A)[0].id;
        choose(talk, A, before, 1);
        talk.restore_space(&backup);
        // In the other history the first conflict is of another row.
        talk.exec(C, &format!("UPDATE {table} SET diagnosis = 'of c' WHERE id = 'w'"), &[]);
        talk.visit(C);
        talk.exec(B, &format!("UPDATE {table} SET diagnosis = 'of b' WHERE id = 'w'"), &[]);
        [B, C].into_iter().for_each(|party| talk.visit(party));
        assert_eq!(open(talk, C).iter().map(|record| record.id).collect::<Vec<_>>(), [before]);
        [A, B, C, A].into_iter().for_each(|party| talk.visit(party));
        for party in [A, B, C] {
            let waiting = open(talk, party);
            assert!(waiting.iter().any(|record| record.id == before), "{waiting:?} {}", talk.transcript());
            assert_eq!(value(talk, party, &format!("SELECT diagnosis FROM {table} WHERE id = 'w'")), text("of c"));
        }
        assert!(refused(talk, A).is_empty(), "{}", talk.transcript());
    });
}
