//! Rows that go while another comes, come back, or say little of themselves: what a delete or a change of a key means, and for which row.

use crate::script::{A, B, meet, of_users, open, refused, text, value};
use ebbtide_core::client::TwoPhase;
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

const TABLES: &str = "CREATE TABLE site (id TEXT PRIMARY KEY NOT NULL, name TEXT, badge TEXT UNIQUE) STRICT;
    CREATE TABLE follows (id TEXT PRIMARY KEY NOT NULL, site TEXT REFERENCES site(id) ON UPDATE CASCADE ON DELETE CASCADE) STRICT;
    CREATE TABLE usual (id TEXT PRIMARY KEY NOT NULL, notes TEXT,
        site TEXT NOT NULL DEFAULT 'a' REFERENCES site(id) ON DELETE CASCADE) STRICT;
    CREATE TABLE fixed (id TEXT PRIMARY KEY NOT NULL, badge TEXT REFERENCES site(badge)) STRICT;
    CREATE TABLE badged (id TEXT PRIMARY KEY NOT NULL, badge TEXT REFERENCES site(badge) ON UPDATE CASCADE) STRICT;
    CREATE TABLE twice (id TEXT PRIMARY KEY NOT NULL, site TEXT REFERENCES site(id) ON DELETE SET NULL,
        badge TEXT REFERENCES site(badge) ON DELETE SET NULL) STRICT;
    CREATE TABLE part (site TEXT NOT NULL REFERENCES site(id) ON UPDATE CASCADE ON DELETE CASCADE, no INTEGER NOT NULL,
        PRIMARY KEY (site, no)) STRICT;
    CREATE TABLE piece (id TEXT PRIMARY KEY NOT NULL, site TEXT, no INTEGER, notes TEXT,
        FOREIGN KEY (site, no) REFERENCES part(site, no) ON UPDATE CASCADE ON DELETE CASCADE) STRICT";

fn schema(rule: &str) -> Schema {
    let plain = ["follows", "usual", "fixed", "badged", "twice", "part", "piece"];
    let mut tables: serde_json::Map<_, _> =
        plain.map(|name| (name.into(), serde_json::json!({}))).into_iter().collect();
    tables.insert("site".into(), serde_json::json!({ "delete": rule }));
    serde_json::from_value(serde_json::json!({ "migrations": [TABLES], "tables": tables })).expect("a schema")
}

/// Two devices of two users have the site `a`, by each commit path.
fn on_both_paths(rule: &str, script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(2, two_phase, schema(rule));
        talk.exec(A, "INSERT INTO site VALUES ('a', 'first', 'x')", &[]);
        talk.visit(A);
        talk.visit(B);
        script(&mut talk);
    }
}

fn in_both_orders(rule: &str, script: impl Fn(&mut Dialogue, [usize; 2])) {
    for order in [[A, B], [B, A]] {
        on_both_paths(rule, |talk| script(talk, order));
    }
}

#[test]
fn dl01_keep_knows_a_child_whose_reference_is_its_default() {
    in_both_orders("keep", |talk, order| {
        talk.exec(A, "DELETE FROM site", &[]);
        talk.exec(B, "INSERT INTO usual (id, notes) VALUES ('u', 'says something else')", &[]);
        meet(talk, order);
        for party in [A, B] {
            assert_eq!(value(talk, party, "SELECT site FROM usual"), text("a"), "{}", talk.transcript());
            assert_eq!(value(talk, party, "SELECT name FROM site"), text("first"));
        }
    });
}

#[test]
fn dl03_a_delete_of_an_earlier_life_asks_nobody_about_the_row_that_came_since() {
    on_both_paths("review", |talk| {
        talk.exec(A, "DELETE FROM site", &[]);
        talk.exec(B, "DELETE FROM site", &[]);
        talk.visit(B);
        talk.exec(B, "INSERT INTO site VALUES ('a', 'again', 'y')", &[]);
        talk.visit(B);
        talk.visit(A);
        assert!(refused(talk, A).is_empty(), "{}", talk.transcript());
        meet(talk, [A, B]);
        for party in [A, B] {
            assert!(open(talk, party).is_empty());
            assert_eq!(value(talk, party, "SELECT name FROM site"), text("again"));
        }
    });
}

#[test]
fn dl06_a_row_that_goes_while_another_comes_is_no_row_that_got_another_key() {
    in_both_orders("wins", |talk, order| {
        talk.transaction(A, &["DELETE FROM site", "INSERT INTO site VALUES ('b', 'another', 'y')"]);
        talk.exec(B, "INSERT INTO follows VALUES ('f', 'a')", &[]);
        meet(talk, order);
        for party in [A, B] {
            assert_eq!(value(talk, party, "SELECT id FROM site"), text("b"));
            assert_eq!(value(talk, party, "SELECT count(*) FROM follows"), Value::Integer(0), "{}", talk.transcript());
        }
    });
}

#[test]
fn dl06_nor_is_it_where_somebody_edited_the_row_that_goes() {
    on_both_paths("wins", |talk| {
        talk.transaction(A, &["DELETE FROM site", "INSERT INTO site VALUES ('b', 'another', 'y')"]);
        talk.transaction(B, &["UPDATE site SET name = 'edited'", "INSERT INTO follows VALUES ('f', 'a')"]);
        meet(talk, [B, A]);
        for party in [A, B] {
            assert_eq!(value(talk, party, "SELECT id FROM site"), text("b"));
            assert_eq!(value(talk, party, "SELECT count(*) FROM follows"), Value::Integer(0), "{}", talk.transcript());
        }
    });
}

#[test]
fn dl01_keep_lets_the_rest_of_the_transaction_stand_also_where_it_deletes_rows_of_another_parent() {
    in_both_orders("keep", |talk, order| {
        talk.exec(A, "INSERT INTO site VALUES ('z', 'other', 'q')", &[]);
        talk.exec(A, "INSERT INTO follows VALUES ('of a', 'a'), ('of z', 'z')", &[]);
        meet(talk, [A, B]);
        talk.transaction(A, &["DELETE FROM follows WHERE id = 'of z'", "DELETE FROM site WHERE id = 'a'"]);
        talk.exec(B, "UPDATE site SET name = 'edited' WHERE id = 'a'", &[]);
        meet(talk, order);
        for party in [A, B] {
            assert_eq!(talk.query(party, "SELECT id FROM follows"), [[text("of a")]], "{}", talk.transcript());
            assert_eq!(value(talk, party, "SELECT name FROM site WHERE id = 'a'"), text("edited"));
        }
    });
}

#[test]
fn dl01_keep_points_each_reference_of_a_child_at_the_parent_again() {
    in_both_orders("keep", |talk, order| {
        talk.exec(A, "INSERT INTO twice VALUES ('t', 'a', 'x')", &[]);
        meet(talk, [A, B]);
        talk.exec(A, "DELETE FROM site", &[]);
        talk.exec(B, "UPDATE site SET name = 'edited'", &[]);
        meet(talk, order);
        for party in [A, B] {
            let child = talk.query(party, "SELECT site, badge FROM twice");
            assert_eq!(child, [[text("a"), text("x")]], "{}", talk.transcript());
        }
    });
}

#[test]
fn dl06_a_child_that_the_transaction_itself_gives_a_former_value_means_the_row_that_has_it_now() {
    let changes = ["UPDATE site SET badge = 'y' WHERE id = 'a'", "INSERT INTO site VALUES ('n', 'new', 'x')"];
    let refers_anew: [&[&str]; 2] = [
        &["UPDATE badged SET badge = 'x' WHERE id = 'known'"],
        &["DELETE FROM badged WHERE id = 'known'", "INSERT INTO badged VALUES ('known', 'x')"],
    ];
    for again in refers_anew {
        in_both_orders("wins", |talk, order| {
            talk.exec(A, "INSERT INTO badged VALUES ('known', 'x')", &[]);
            meet(talk, [A, B]);
            talk.transaction(A, &[&changes[..], again].concat());
            talk.exec(B, "INSERT INTO badged VALUES ('unseen', 'x')", &[]);
            meet(talk, order);
            for party in [A, B] {
                let known = value(talk, party, "SELECT badge FROM badged WHERE id = 'known'");
                assert_eq!(known, text("x"), "{again:?} {}", talk.transcript());
            }
        });
    }
}

#[test]
fn dl06_what_the_transaction_says_of_another_parent_s_child_stays_where_unseen_ones_follow() {
    on_both_paths("wins", |talk| {
        talk.exec(A, "INSERT INTO site VALUES ('z', 'other', 'q')", &[]);
        talk.exec(A, "INSERT INTO part VALUES ('z', 1)", &[]);
        talk.exec(A, "INSERT INTO piece VALUES ('of z', 'z', 1, NULL)", &[]);
        meet(talk, [A, B]);
        talk.exec(B, "INSERT INTO part VALUES ('a', 1)", &[]);
        talk.exec(B, "INSERT INTO piece VALUES ('of a', 'a', 1, NULL)", &[]);
        talk.transaction(A, &["UPDATE site SET id = 'b' WHERE id = 'a'", "UPDATE piece SET notes = 'seen'"]);
        meet(talk, [B, A]);
        for party in [A, B] {
            let pieces = talk.query(party, "SELECT id, site FROM piece ORDER BY id");
            assert_eq!(pieces, [[text("of a"), text("b")], [text("of z"), text("z")]], "{}", talk.transcript());
        }
    });
}

#[test]
fn dl06_under_keep_and_review_too_unseen_children_follow_a_key_that_changed() {
    for rule in ["keep", "review"] {
        in_both_orders(rule, |talk, order| {
            talk.exec(A, "UPDATE site SET id = 'b'", &[]);
            talk.exec(B, "INSERT INTO follows VALUES ('f', 'a')", &[]);
            meet(talk, order);
            for party in [A, B] {
                assert_eq!(value(talk, party, "SELECT id FROM site"), text("b"), "{rule}: {}", talk.transcript());
                assert_eq!(value(talk, party, "SELECT site FROM follows"), text("b"));
                assert!(open(talk, party).is_empty());
                let recorded = talk.device(party).database().decided_conflicts().expect("readable");
                assert!(recorded.is_empty(), "who follows loses nothing: {recorded:?}");
            }
        });
    }
}

#[test]
fn dl06_without_an_action_a_change_of_what_an_unseen_child_refers_to_is_refused() {
    on_both_paths("wins", |talk| {
        talk.exec(B, "INSERT INTO fixed VALUES ('unseen', 'x')", &[]);
        talk.visit(B);
        talk.exec(A, "UPDATE site SET badge = 'y'", &[]);
        talk.visit(A);
        assert_eq!(refused(talk, A), ["foreign_key"]);
        meet(talk, [A, B]);
        assert_eq!(value(talk, A, "SELECT badge FROM site"), text("x"));
    });
}

#[test]
fn dl06_a_former_value_that_the_transaction_itself_gives_to_another_row_means_that_row() {
    on_both_paths("wins", |talk| {
        talk.exec(A, "INSERT INTO site VALUES ('gone', 'g', 'q')", &[]);
        meet(talk, [A, B]);
        talk.exec(A, "UPDATE site SET badge = 'y' WHERE id = 'a'", &[]);
        talk.exec(A, "DELETE FROM site WHERE id = 'gone'", &[]);
        let changes = [
            "UPDATE site SET badge = 'z' WHERE id = 'a'",
            "INSERT INTO site VALUES ('n', 'new', 'x')",
            "INSERT INTO badged VALUES ('of n', 'x')",
            // Its parent is gone, so that all parents are looked for.
            "INSERT INTO follows VALUES ('f', 'gone')",
        ];
        talk.transaction(B, &changes);
        meet(talk, [A, B]);
        for party in [A, B] {
            assert_eq!(value(talk, party, "SELECT badge FROM badged"), text("x"), "{}", talk.transcript());
            assert_eq!(value(talk, party, "SELECT badge FROM site WHERE id = 'n'"), text("x"));
            assert_eq!(value(talk, party, "SELECT count(*) FROM follows"), Value::Integer(0));
        }
    });
}
