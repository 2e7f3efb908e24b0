//! Rows that one device deletes or gives other values while another refers to them: as their foreign keys say, in both orders of arrival.

use crate::script::{A, B, hello, meet, refused, status, submit, text, value};
use ebbtide_core::change::{Base, Change, Changeset, Mutation, RowId, Transaction};
use ebbtide_core::client::TwoPhase;
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::Reason;
use ebbtide_core::ids::DeviceSeq;
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_core::value::{Key, Value};
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::schema::Schema;

const SITE: &str = "CREATE TABLE site (id TEXT PRIMARY KEY NOT NULL, name TEXT, badge TEXT UNIQUE) STRICT;
    CREATE TABLE follows (id TEXT PRIMARY KEY NOT NULL, site TEXT REFERENCES site(id) ON UPDATE CASCADE ON DELETE CASCADE) STRICT;
    CREATE TABLE loses (id TEXT PRIMARY KEY NOT NULL, site TEXT REFERENCES site(id) ON UPDATE SET NULL ON DELETE SET NULL, notes TEXT) STRICT;
    CREATE TABLE falls (id TEXT PRIMARY KEY NOT NULL, site TEXT DEFAULT 'z' REFERENCES site(id) ON UPDATE SET DEFAULT ON DELETE SET DEFAULT) STRICT;
    CREATE TABLE tied (id TEXT PRIMARY KEY NOT NULL, site TEXT REFERENCES site(id)) STRICT;
    CREATE TABLE part (site TEXT NOT NULL REFERENCES site(id) ON UPDATE CASCADE ON DELETE CASCADE, no INTEGER NOT NULL, label TEXT,
        PRIMARY KEY (site, no)) STRICT;
    CREATE TABLE piece (id TEXT PRIMARY KEY NOT NULL, site TEXT, no INTEGER,
        FOREIGN KEY (site, no) REFERENCES part(site, no) ON UPDATE CASCADE ON DELETE CASCADE) STRICT;
    CREATE TABLE ward (id TEXT PRIMARY KEY NOT NULL, area TEXT, code TEXT, UNIQUE (area, code)) STRICT;
    CREATE TABLE coded (id TEXT PRIMARY KEY NOT NULL, area TEXT, code TEXT,
        FOREIGN KEY (area, code) REFERENCES ward(area, code) ON UPDATE CASCADE) STRICT;
    CREATE TABLE badged (id TEXT PRIMARY KEY NOT NULL, site TEXT REFERENCES site(badge) ON UPDATE CASCADE ON DELETE CASCADE) STRICT;
    CREATE TABLE pinned (id TEXT PRIMARY KEY NOT NULL, site TEXT REFERENCES site(badge) ON UPDATE SET NULL ON DELETE SET NULL) STRICT;
    CREATE TABLE stuck (site TEXT NOT NULL REFERENCES site(badge) ON UPDATE CASCADE, no INTEGER NOT NULL, PRIMARY KEY (site, no)) STRICT;
    CREATE TABLE fixed (id TEXT PRIMARY KEY NOT NULL, area TEXT, code TEXT,
        FOREIGN KEY (area, code) REFERENCES ward(area, code)) STRICT;
    CREATE TABLE uncoded (id TEXT PRIMARY KEY NOT NULL, area TEXT, code TEXT,
        FOREIGN KEY (area, code) REFERENCES ward(area, code) ON UPDATE SET NULL) STRICT";

const TABLES: [&str; 14] = [
    "site", "follows", "loses", "falls", "tied", "part", "piece", "ward", "coded", "uncoded", "badged", "pinned",
    "stuck", "fixed",
];

fn schema() -> Schema {
    ruled(serde_json::json!({}))
}

fn ruled(sites: serde_json::Value) -> Schema {
    let rule = |name: &str| if name == "site" { sites.clone() } else { serde_json::json!({}) };
    let tables: serde_json::Map<_, _> = TABLES.iter().map(|name| ((*name).into(), rule(name))).collect();
    serde_json::from_value(serde_json::json!({ "migrations": [SITE], "tables": tables })).expect("a schema")
}

/// Two devices have the sites `a` and `z` and a ward coded `x`, by each commit path and in each order of arrival.
fn in_both_orders(script: impl Fn(&mut Dialogue, [usize; 2])) {
    for order in [[A, B], [B, A]] {
        on_both_paths(|talk| script(talk, order));
    }
}

fn on_both_paths(script: impl Fn(&mut Dialogue)) {
    with(&schema(), script);
}

fn with(schema: &Schema, script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = Dialogue::with_schema(2, two_phase, schema.clone());
        talk.exec(A, "INSERT INTO site (id, name, badge) VALUES ('a', 'first', 'x'), ('z', 'last', 'q')", &[]);
        talk.exec(A, "INSERT INTO ward VALUES ('w', 's', 'x')", &[]);
        talk.visit(A);
        talk.visit(B);
        script(&mut talk);
    }
}

fn sites(talk: &mut Dialogue, party: usize, table: &str) -> Vec<Value> {
    let rows = talk.query(party, &format!("SELECT site FROM {table} ORDER BY 1"));
    rows.into_iter().flatten().collect()
}

fn recorded(talk: &mut Dialogue, party: usize) -> Vec<String> {
    let list = talk.device(party).database().decided_conflicts().expect("readable");
    list.into_iter().map(|record| record.table).collect()
}

#[test]
fn dl05_wins_takes_children_of_concurrent_writers_along_or_empties_their_reference() {
    in_both_orders(|talk, order| {
        talk.exec(A, "DELETE FROM site WHERE id = 'a'", &[]);
        talk.transaction(
            B,
            &[
                "INSERT INTO follows VALUES ('1', 'a')",
                "INSERT INTO tied VALUES ('2', 'a')",
                "INSERT INTO loses VALUES ('3', 'a', 'kept')",
                "INSERT INTO falls VALUES ('4', 'a')",
                "INSERT INTO part (site, no, label) VALUES ('a', 1, 'new')",
                "INSERT INTO piece VALUES ('5', 'a', 1)",
            ],
        );
        talk.exec(B, "UPDATE tied SET site = 'a' WHERE id = '2'", &[]);
        meet(talk, order);
        for party in [A, B] {
            assert_eq!(status(talk, party).failed, 0, "{}", talk.transcript());
            for table in ["follows", "tied", "part", "piece"] {
                assert_eq!(sites(talk, party, table), [], "{table}");
            }
            assert_eq!(talk.query(party, "SELECT site, notes FROM loses"), [[Value::Null, text("kept")]]);
            assert_eq!(sites(talk, party, "falls"), [text("z")]);
            let recorded = recorded(talk, party);
            for table in ["follows", "tied", "part"] {
                assert!(recorded.iter().any(|name| name == table), "{table}: {recorded:?}");
            }
        }
    });
}

#[test]
fn dl05_wins_takes_along_a_row_that_was_led_to_the_deleted_one() {
    in_both_orders(|talk, order| {
        talk.exec(A, "INSERT INTO follows VALUES ('1', 'z')", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(A, "DELETE FROM site WHERE id = 'a'", &[]);
        talk.exec(B, "UPDATE follows SET site = 'a'", &[]);
        meet(talk, order);
        for party in [A, B] {
            assert_eq!(sites(talk, party, "follows"), []);
            assert!(recorded(talk, party).contains(&"follows".into()), "{}", talk.transcript());
        }
    });
}

#[test]
fn dl05_a_row_that_says_nothing_but_its_key_is_recorded_when_it_goes_and_so_is_a_reference_that_is_taken_away() {
    in_both_orders(|talk, order| {
        talk.exec(A, "DELETE FROM site WHERE id = 'a'", &[]);
        talk.exec(B, "INSERT INTO part (site, no) VALUES ('a', 1)", &[]);
        talk.exec(B, "INSERT INTO loses (id, site) VALUES ('3', 'a')", &[]);
        meet(talk, order);
        for party in [A, B] {
            assert_eq!(sites(talk, party, "part"), []);
            assert_eq!(sites(talk, party, "loses"), [Value::Null]);
            let mut recorded = recorded(talk, party);
            recorded.sort_unstable();
            assert_eq!(recorded, ["loses", "part"], "{}", talk.transcript());
        }
    });
}

#[test]
fn dl05_of_a_row_that_two_devices_made_a_delete_that_saw_one_is_recorded() {
    on_both_paths(|talk| {
        talk.exec(A, "INSERT INTO part (site, no) VALUES ('z', 1)", &[]);
        talk.exec(B, "INSERT INTO part (site, no) VALUES ('z', 1)", &[]);
        talk.visit(A);
        talk.exec(A, "DELETE FROM part", &[]);
        meet(talk, [B, A]);
        for party in [A, B] {
            assert_eq!(sites(talk, party, "part"), []);
            assert_eq!(recorded(talk, party), ["part"], "{}", talk.transcript());
        }
        talk.exec(A, "INSERT INTO part (site, no) VALUES ('z', 2)", &[]);
        meet(talk, [A, B]);
        talk.exec(B, "DELETE FROM part", &[]);
        meet(talk, [A, B]);
        assert_eq!(recorded(talk, A).len(), 1, "what was seen needs no record");
    });
}

#[test]
fn dl01_keep_knows_a_child_that_refers_by_its_key() {
    for order in [[A, B], [B, A]] {
        with(&ruled(serde_json::json!({ "delete": "keep" })), |talk| {
            talk.exec(A, "DELETE FROM site WHERE id = 'a'", &[]);
            talk.exec(B, "INSERT INTO part (site, no) VALUES ('a', 1)", &[]);
            meet(talk, order);
            for party in [A, B] {
                assert_eq!(sites(talk, party, "part"), [text("a")], "{}", talk.transcript());
                assert_eq!(value(talk, party, "SELECT count(*) FROM site"), Value::Integer(2));
            }
        });
    }
}

#[test]
fn dl05_later_changes_to_a_child_that_went_are_edits_of_a_deleted_row() {
    on_both_paths(|talk| {
        talk.exec(A, "DELETE FROM site WHERE id = 'a'", &[]);
        talk.visit(A);
        talk.exec(B, "INSERT INTO part (site, no) VALUES ('a', 1)", &[]);
        talk.sync(B);
        talk.exec(B, "INSERT INTO site (id) VALUES ('new')", &[]);
        meet(talk, [A, B]);
        assert_eq!((status(talk, B).failed, sites(talk, B, "part")), (0, vec![]));
        assert_eq!(value(talk, A, "SELECT count(*) FROM site WHERE id = 'new'"), Value::Integer(1));
    });
}

#[test]
fn dl05_a_child_of_a_writer_that_had_seen_the_delete_is_refused() {
    on_both_paths(|talk| {
        talk.exec(A, "DELETE FROM site WHERE id = 'a'", &[]);
        talk.visit(A);
        talk.visit(B);
        let catalogue = talk.space.catalogue();
        let row = |table: &str, key: &str| RowId {
            table: catalogue.table_id(table).expect("a table"),
            key: Key(vec![text(key)]),
        };
        let mutation = Mutation::Insert(vec![text("a")]);
        let change =
            Change { row: row("follows", "1"), mutation, base: Base { seq: talk.head(), device_seq: DeviceSeq(0) } };
        let transaction = Transaction { stamp: Stamp(1 << 16), changes: vec![change], ..Transaction::default() };
        let (number, schema) = (DeviceSeq(1), catalogue.version);
        let opening = ebbtide_core::ids::Opening::default();
        let changeset =
            Changeset { device_seq: number, schema, origin: None, opening, transactions: vec![transaction] };
        let bytes = WireCodec.seal(&changeset, &catalogue).bytes;
        let hello = ClientMessage::Hello(hello(talk, B));
        let replies = talk.mail(B, &[hello, submit(1, bytes)]);
        let refused = replies.iter().any(|reply| match reply {
            ServerMessage::Receipt(receipt) => receipt.rejected.iter().any(|of| of.reason == Reason::ForeignKey),
            _ => false,
        });
        assert!(refused, "{replies:?}");
    });
}

#[test]
fn dl06_unseen_children_follow_a_key_that_changed() {
    in_both_orders(|talk, order| {
        talk.exec(A, "UPDATE site SET id = 'b' WHERE id = 'a'", &[]);
        talk.transaction(
            B,
            &[
                "INSERT INTO follows VALUES ('1', 'a')",
                "INSERT INTO loses VALUES ('3', 'a', 'kept')",
                "INSERT INTO falls VALUES ('4', 'a')",
                "INSERT INTO part (site, no, label) VALUES ('a', 1, 'kept')",
                "INSERT INTO piece VALUES ('5', 'a', 1)",
            ],
        );
        meet(talk, order);
        for party in [A, B] {
            assert_eq!(status(talk, party).failed, 0, "{}", talk.transcript());
            assert_eq!(sites(talk, party, "follows"), [text("b")]);
            assert_eq!(talk.query(party, "SELECT site, notes FROM loses"), [[Value::Null, text("kept")]]);
            assert_eq!(sites(talk, party, "falls"), [text("z")]);
            let part = [text("b"), Value::Integer(1), text("kept")];
            assert_eq!(talk.query(party, "SELECT site, no, label FROM part"), [part]);
            assert_eq!(sites(talk, party, "piece"), [text("b")]);
        }
    });
}

#[test]
fn dl06_a_key_change_is_told_by_children_that_went_along_and_beside_edits_of_others() {
    in_both_orders(|talk, order| {
        talk.exec(A, "INSERT INTO follows VALUES ('known', 'a')", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(A, "UPDATE site SET id = 'b', name = 'renamed' WHERE id = 'a'", &[]);
        talk.exec(A, "UPDATE site SET id = 'y' WHERE id = 'z'", &[]);
        talk.exec(B, "INSERT INTO follows VALUES ('unseen', 'a'), ('other', 'z')", &[]);
        talk.exec(B, "UPDATE site SET name = 'edited' WHERE id = 'z'", &[]);
        meet(talk, order);
        for party in [A, B] {
            let found = talk.query(party, "SELECT id, site FROM follows ORDER BY id");
            let expected = [("known", "b"), ("other", "y"), ("unseen", "b")].map(|(id, site)| [text(id), text(site)]);
            assert_eq!(found, expected, "{}", talk.transcript());
        }
    });
}

#[test]
fn dl06_keys_that_change_hands_take_their_children_along() {
    in_both_orders(|talk, order| {
        talk.transaction(
            A,
            &[
                "UPDATE site SET id = 'between' WHERE id = 'a'",
                "UPDATE site SET id = 'a' WHERE id = 'z'",
                "UPDATE site SET id = 'z' WHERE id = 'between'",
            ],
        );
        talk.exec(B, "INSERT INTO follows VALUES ('of first', 'a'), ('of last', 'z')", &[]);
        meet(talk, order);
        // What was deleted and inserted again under one key is that row to everybody who comes later.
        let swapped = order == [B, A];
        for party in [A, B] {
            let name = "SELECT s.name FROM follows f JOIN site s ON s.id = f.site ORDER BY f.id";
            let expected = if swapped { ["first", "last"] } else { ["last", "first"] };
            assert_eq!(talk.query(party, name), expected.map(|name| [text(name)]), "{}", talk.transcript());
        }
    });
}

#[test]
fn dl06_unseen_children_follow_other_columns_too() {
    on_both_paths(|talk| {
        talk.exec(A, "INSERT INTO coded VALUES ('known', 's', 'x')", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(B, "INSERT INTO coded VALUES ('unseen', 's', 'x')", &[]);
        talk.exec(B, "INSERT INTO uncoded VALUES ('unseen', 's', 'x')", &[]);
        talk.exec(A, "UPDATE ward SET code = 'y'", &[]);
        meet(talk, [B, A]);
        for party in [A, B] {
            let found = talk.query(party, "SELECT id, area, code FROM coded ORDER BY id");
            assert_eq!(found, ["known", "unseen"].map(|id| [text(id), text("s"), text("y")]));
            assert_eq!(talk.query(party, "SELECT area, code FROM uncoded"), [[Value::Null, Value::Null]]);
        }
    });
}

#[test]
fn dl06_a_child_that_comes_after_other_columns_changed_follows_them() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE ward SET code = 'y'", &[]);
        talk.visit(A);
        talk.exec(A, "UPDATE ward SET id = 'v'", &[]);
        talk.exec(A, "UPDATE ward SET code = 'z'", &[]);
        talk.exec(B, "INSERT INTO coded VALUES ('unseen', 's', 'x')", &[]);
        talk.exec(B, "INSERT INTO uncoded VALUES ('unseen', 's', 'x')", &[]);
        meet(talk, [A, B]);
        for party in [A, B] {
            assert_eq!(status(talk, party).failed, 0, "{}", talk.transcript());
            assert_eq!(talk.query(party, "SELECT area, code FROM coded"), [[text("s"), text("z")]]);
            assert_eq!(talk.query(party, "SELECT area, code FROM uncoded"), [[Value::Null, Value::Null]]);
            assert_eq!(recorded(talk, party), ["uncoded"]);
        }
    });
}

#[test]
fn dl06_a_value_that_another_row_took_means_that_row() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE ward SET code = 'y'", &[]);
        talk.exec(A, "INSERT INTO ward VALUES ('other', 's', 'x')", &[]);
        talk.visit(A);
        talk.transaction(
            B,
            &["INSERT INTO coded VALUES ('unseen', 's', 'x')", "INSERT INTO follows VALUES ('1', 'a')"],
        );
        talk.exec(A, "UPDATE site SET id = 'b' WHERE id = 'a'", &[]);
        meet(talk, [A, B]);
        for party in [A, B] {
            assert_eq!(talk.query(party, "SELECT area, code FROM coded"), [[text("s"), text("x")]]);
            assert_eq!(sites(talk, party, "follows"), [text("b")]);
        }
    });
}

#[test]
fn dl06_without_an_action_a_child_that_comes_after_other_columns_changed_is_refused() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE ward SET code = 'y'", &[]);
        talk.visit(A);
        talk.exec(B, "INSERT INTO fixed VALUES ('unseen', 's', 'x')", &[]);
        talk.visit(B);
        assert_eq!(refused(talk, B), ["foreign_key"]);
        meet(talk, [A, B]);
    });
}

#[test]
fn dl05_wins_takes_children_along_that_refer_by_other_columns() {
    in_both_orders(|talk, order| {
        talk.exec(A, "DELETE FROM site WHERE id = 'a'", &[]);
        talk.exec(B, "INSERT INTO badged VALUES ('1', 'x')", &[]);
        talk.exec(B, "INSERT INTO pinned VALUES ('2', 'x')", &[]);
        talk.exec(B, "INSERT INTO stuck VALUES ('x', 1)", &[]);
        meet(talk, order);
        for party in [A, B] {
            assert_eq!(status(talk, party).failed, 0, "{}", talk.transcript());
            assert_eq!((sites(talk, party, "badged"), sites(talk, party, "stuck")), (vec![], vec![]));
            assert_eq!(sites(talk, party, "pinned"), [Value::Null]);
            let mut recorded = recorded(talk, party);
            recorded.sort_unstable();
            assert_eq!(recorded, ["badged", "pinned", "stuck"]);
        }
    });
}

#[test]
fn dl01_keep_brings_back_a_parent_that_children_refer_to_by_other_columns() {
    for order in [[A, B], [B, A]] {
        with(&ruled(serde_json::json!({ "delete": "keep" })), |talk| {
            talk.exec(A, "DELETE FROM site WHERE id = 'a'", &[]);
            talk.exec(B, "INSERT INTO badged VALUES ('1', 'x')", &[]);
            meet(talk, order);
            for party in [A, B] {
                assert_eq!(sites(talk, party, "badged"), [text("x")], "{}", talk.transcript());
                assert_eq!(value(talk, party, "SELECT badge FROM site WHERE id = 'a'"), text("x"));
            }
        });
    }
}

#[test]
fn dl06_a_key_change_beside_a_unique_value_that_others_refer_to_leaves_them_where_they_are() {
    in_both_orders(|talk, order| {
        let children = |who: &str, no: i64| {
            [
                format!("INSERT INTO badged VALUES ('{who}', 'x')"),
                format!("INSERT INTO pinned VALUES ('{who}', 'x')"),
                format!("INSERT INTO stuck VALUES ('x', {no})"),
                format!("INSERT INTO follows VALUES ('{who}', 'a')"),
            ]
        };
        children("known", 1).iter().for_each(|sql| talk.exec(A, sql, &[]));
        talk.visit(A);
        talk.visit(B);
        talk.exec(A, "UPDATE site SET id = 'b' WHERE id = 'a'", &[]);
        children("unseen", 2).iter().for_each(|sql| talk.exec(B, sql, &[]));
        meet(talk, order);
        for party in [A, B] {
            assert_eq!(status(talk, party).failed, 0, "{}", talk.transcript());
            assert_eq!(value(talk, party, "SELECT badge FROM site WHERE id = 'b'"), text("x"));
            for table in ["badged", "pinned", "stuck"] {
                assert_eq!(sites(talk, party, table), [text("x"), text("x")], "{table}: {}", talk.transcript());
            }
            assert_eq!(sites(talk, party, "follows"), [text("b"), text("b")]);
        }
    });
}

#[test]
fn dl06_unique_values_that_others_refer_to_change_hands() {
    in_both_orders(|talk, order| {
        talk.exec(A, "INSERT INTO badged VALUES ('1', 'x'), ('2', 'q')", &[]);
        talk.exec(A, "INSERT INTO stuck VALUES ('x', 1), ('q', 2)", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.transaction(
            A,
            &[
                "UPDATE site SET badge = 'between' WHERE id = 'a'",
                "UPDATE site SET badge = 'x' WHERE id = 'z'",
                "UPDATE site SET badge = 'q' WHERE id = 'a'",
            ],
        );
        talk.exec(B, "INSERT INTO badged VALUES ('3', 'x')", &[]);
        meet(talk, order);
        for party in [A, B] {
            assert_eq!(status(talk, party).failed, 0, "{}", talk.transcript());
            let names = "SELECT s.id FROM badged b JOIN site s ON s.badge = b.site WHERE b.id < '3' ORDER BY b.id";
            assert_eq!(talk.query(party, names), [[text("a")], [text("z")]]);
            let names = "SELECT s.id FROM stuck b JOIN site s ON s.badge = b.site ORDER BY b.no";
            assert_eq!(talk.query(party, names), [[text("a")], [text("z")]]);
        }
    });
}

#[test]
fn sv272_null_refers_to_nothing() {
    on_both_paths(|talk| {
        talk.exec(A, "INSERT INTO site (id, name) VALUES ('m', 'goes'), ('n', 'gets a badge')", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.transaction(
            B,
            &[
                "INSERT INTO badged VALUES ('1', NULL)",
                "INSERT INTO pinned VALUES ('2', NULL)",
                "DELETE FROM site WHERE id = 'm'",
                "UPDATE site SET badge = 'new' WHERE id = 'n'",
            ],
        );
        talk.visit(B);
        talk.visit(A);
        talk.assert_in_step();
        assert_eq!(refused(talk, B), [""; 0]);
        for table in ["badged", "pinned"] {
            assert_eq!(sites(talk, A, table), [Value::Null], "{table}");
        }
    });
}

#[test]
fn sv274_a_row_that_is_written_anew_keeps_those_that_refer_to_it_without_an_action() {
    in_both_orders(|talk, order| {
        talk.exec(A, "INSERT INTO tied VALUES ('seen', 'a')", &[]);
        talk.exec(A, "INSERT INTO fixed VALUES ('seen', 's', 'x')", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.exec(A, "INSERT OR REPLACE INTO site VALUES ('a', 'again', NULL)", &[]);
        talk.exec(A, "INSERT OR REPLACE INTO ward VALUES ('w', 's', 'x')", &[]);
        talk.exec(B, "INSERT INTO tied VALUES ('unseen', 'a')", &[]);
        meet(talk, order);
        talk.assert_in_step();
        assert_eq!(sites(talk, A, "tied"), [text("a"), text("a")], "{}", talk.transcript());
        assert_eq!(value(talk, A, "SELECT count(*) FROM fixed"), Value::Integer(1));
        assert_eq!(value(talk, A, "SELECT name FROM site WHERE id = 'a'"), text("again"));
    });
}
