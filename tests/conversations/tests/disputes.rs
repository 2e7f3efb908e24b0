//! Conflicts of several fields, rows and people at once: what each found, who finds room, and which choices are none.

use crate::script::{A, B, choose, hello, meet, noise, of_users, open, refused, submit, text, value};
use ebbtide_core::change::{Changeset, Transaction};
use ebbtide_core::client::TwoPhase;
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::Reason;
use ebbtide_core::conflict::Resolution;
use ebbtide_core::ids::{DeviceSeq, Opening, Seq};
use ebbtide_core::limits::{CONFLICT_BYTES, CONFLICT_SIDES};
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_store::local::Wanted;
use ebbtide_store::schema::Schema;

fn schema() -> Schema {
    let json = serde_json::json!({
        "migrations": ["CREATE TABLE visit (id TEXT PRIMARY KEY NOT NULL, diagnosis TEXT, ward TEXT) STRICT;
            CREATE TABLE home (id TEXT PRIMARY KEY NOT NULL, name TEXT) STRICT"],
        "tables": {
            "visit": { "merge": { "diagnosis": "review", "ward": "review" } },
            "home": { "delete": "review" }
        }
    });
    serde_json::from_value(json).expect("the schema above has the schema's shape")
}

/// Two devices of two users have two visits and a home.
fn on_both_paths(script: impl Fn(&mut Dialogue)) {
    for two_phase in [TwoPhase::Auto, TwoPhase::Always] {
        let mut talk = of_users(2, two_phase, schema());
        talk.exec(A, "INSERT INTO visit VALUES ('v', 'v first', 'v ward'), ('w', 'w first', 'w ward')", &[]);
        talk.exec(A, "INSERT INTO home VALUES ('h', 'first')", &[]);
        talk.visit(A);
        talk.visit(B);
        script(&mut talk);
    }
}

#[test]
fn cf01_each_field_of_each_row_is_told_with_what_its_writer_found_there() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE visit SET diagnosis = 'a', ward = 'a'", &[]);
        // The first value that the transaction found counts.
        talk.transaction(B, &["UPDATE visit SET diagnosis = 'x'", "UPDATE visit SET ward = 'b', diagnosis = 'b'"]);
        meet(talk, [A, B]);
        for party in [A, B] {
            let mut found: Vec<_> = open(talk, party).into_iter().map(|record| record.base.expect("a base")).collect();
            found.sort_by_key(|base| format!("{base:?}"));
            assert_eq!(found, ["v first", "v ward", "w first", "w ward"].map(|value| Wanted::Value(text(value))));
        }
    });
}

#[test]
fn cf02_two_transactions_of_one_changeset_open_a_conflict_each() {
    on_both_paths(|talk| {
        talk.exec(A, "UPDATE visit SET diagnosis = 'a'", &[]);
        for id in ["v", "w"] {
            talk.exec(B, "UPDATE visit SET diagnosis = 'b' WHERE id = ?", &[text(id)]);
        }
        meet(talk, [A, B]);
        let records = open(talk, A);
        assert_eq!(records.len(), 2, "{records:?}");
        choose(talk, A, records[1].id, 1);
        meet(talk, [A, B]);
        let left = open(talk, B);
        assert_eq!((left.len(), &left[0].key), (1, &records[0].key));
    });
}

#[test]
fn cf52_a_conflict_has_room_for_so_many_sides_and_records_the_oldest_challenger_beyond_them() {
    on_both_paths(|talk| {
        let others: Vec<usize> = (0..CONFLICT_SIDES - 1).map(|_| talk.add("D", "dan")).collect();
        others.iter().for_each(|party| talk.visit(*party));
        talk.exec(A, "UPDATE visit SET diagnosis = 'incumbent' WHERE id = 'v'", &[]);
        talk.exec(B, "UPDATE visit SET diagnosis = 'of b' WHERE id = 'v'", &[]);
        // Who takes the last place writes twice, and so takes the own place.
        let twice = "UPDATE visit SET diagnosis = 'before', ward = 'before' WHERE id = 'v'";
        talk.exec(others[others.len() - 2], twice, &[]);
        for (number, party) in others.iter().enumerate() {
            talk.exec(*party, "UPDATE visit SET diagnosis = ? WHERE id = 'v'", &[text(&format!("of {number}"))]);
        }
        let (last, some) = others.split_last().expect("many");
        [A, B].iter().chain(some).for_each(|party| talk.visit(*party));
        talk.visit(A);
        let full = open(talk, A).remove(0).sides;
        assert_eq!((full.len(), &full[1].wanted), (CONFLICT_SIDES, &Wanted::Value(text("of b"))));
        // Who has a side already takes no room.
        talk.exec(some[3], "UPDATE visit SET ward = 'seen' WHERE id = 'v'", &[]);
        talk.visit(some[3]);
        let lost = |talk: &mut Dialogue| talk.device(A).database().decided_conflicts().expect("readable").len();
        assert_eq!(lost(talk), 0);
        talk.visit(*last);
        talk.visit(A);
        let sides = open(talk, A).remove(0).sides;
        assert_eq!((sides.len(), &sides[0].wanted), (CONFLICT_SIDES, &Wanted::Value(text("incumbent"))));
        assert_eq!(sides[1].wanted, Wanted::Value(text("of 0")), "the oldest challenger made room");
        assert_eq!(sides.last().expect("many").wanted, Wanted::Value(text(&format!("of {}", others.len() - 1))));
        assert_eq!(lost(talk), 1, "and is recorded");
    });
}

#[test]
fn cf52_large_sides_make_room_for_each_other() {
    on_both_paths(|talk| {
        let third = talk.add("C", "cid");
        talk.visit(third);
        let large = |seed: u64| noise(CONFLICT_BYTES * 2 / 5, seed);
        // Who writes again takes the own place.
        for (party, seed) in [(A, A), (B, 9), (B, B), (third, third)] {
            talk.exec(party, "UPDATE visit SET diagnosis = ? WHERE id = 'v'", &[text(&large(seed as u64))]);
        }
        [A, B, A].into_iter().for_each(|party| talk.visit(party));
        assert_eq!(open(talk, A)[0].sides.len(), 2);
        assert!(talk.device(A).database().decided_conflicts().expect("readable").is_empty());
        [third, A].into_iter().for_each(|party| talk.visit(party));
        let wanted: Vec<Wanted> = open(talk, A).remove(0).sides.into_iter().map(|side| side.wanted).collect();
        assert_eq!(wanted, [A, third].map(|party| Wanted::Value(text(&large(party as u64)))));
        let lost = talk.device(A).database().decided_conflicts().expect("readable");
        assert_eq!((lost.len(), &lost[0].challenger.wanted), (1, &Wanted::Value(text(&large(B as u64)))));
    });
}

#[test]
fn dl04_a_third_transaction_waits_in_the_same_conflict_and_only_the_chosen_one_comes_back() {
    on_both_paths(|talk| {
        let third = talk.add("C", "cid");
        talk.visit(third);
        talk.exec(A, "DELETE FROM home", &[]);
        talk.exec(B, "UPDATE home SET name = 'of b'", &[]);
        talk.exec(third, "UPDATE home SET name = 'of c'", &[]);
        [A, B, third, A].into_iter().for_each(|party| talk.visit(party));
        let records = open(talk, A);
        assert_eq!((records.len(), records[0].sides.len()), (1, 3), "{records:?}");
        choose(talk, A, records[0].id, 2);
        [A, B, third].into_iter().for_each(|party| talk.visit(party));
        for party in [A, B, third] {
            assert!(open(talk, party).is_empty());
            assert_eq!(value(talk, party, "SELECT name FROM home"), text("of c"));
        }
        talk.assert_in_step();
    });
}

/// What becomes of a transaction of A that names these resolutions.
fn verdict(talk: &mut Dialogue, resolutions: Vec<Resolution>) -> Vec<Reason> {
    let number = talk.durable(A).state.next_device_seq.0;
    verdict_of(talk, number, resolutions)
}

fn verdict_of(talk: &mut Dialogue, number: u64, resolutions: Vec<Resolution>) -> Vec<Reason> {
    let (catalogue, number) = (talk.space.catalogue(), DeviceSeq(number));
    let transactions = vec![Transaction { stamp: Stamp(1 << 16), resolutions, ..Transaction::default() }];
    let (schema, opening) = (catalogue.version, Opening::default());
    let made = Changeset { device_seq: number, schema, origin: None, opening, transactions };
    let mut hello = hello(talk, A);
    hello.next_device_seq = DeviceSeq(number.0 + 1);
    let bytes = WireCodec.seal(&made, &catalogue).bytes;
    let replies = talk.mail(A, &[ClientMessage::Hello(hello), submit(number.0, bytes)]);
    // With the welcome come earlier verdicts.
    let receipts =
        replies.iter().filter_map(|m| if let ServerMessage::Receipt(receipt) = m { Some(receipt) } else { None });
    let receipt = receipts.rev().find(|receipt| receipt.device_seq == number).expect("a receipt");
    receipt.rejected.iter().map(|rejection| rejection.reason).collect()
}

#[test]
fn cf10_a_choice_of_no_side_or_twice_of_one_conflict_is_none() {
    for twice in [false, true] {
        on_both_paths(|talk| {
            talk.exec(A, "UPDATE visit SET diagnosis = 'a' WHERE id = 'v'", &[]);
            talk.exec(B, "UPDATE visit SET diagnosis = 'b' WHERE id = 'v'", &[]);
            meet(talk, [A, B]);
            assert!(refused(talk, A).is_empty());
            let conflict = open(talk, A)[0].id;
            let choice = |side| Resolution { conflict, side: Some(side), seen: talk_head() };
            let choices = if twice { vec![choice(0), choice(0)] } else { vec![choice(2)] };
            assert_eq!(verdict(talk, choices), [Reason::Stale]);
            let next = talk.durable(A).state.next_device_seq.0 + 1;
            assert_eq!(verdict_of(talk, next, vec![choice(1)]), [], "a single choice of a side that there is counts");
        });
    }
}

/// Later than every commit of the script: the state as it is.
fn talk_head() -> Seq {
    Seq(1_000)
}
