//! What the space would make of a small changeset is bounded too: a commit that is larger than anybody can read is never made.

use crate::script::{A, B, refused, text, value};
use ebbtide_core::client::TwoPhase;
use ebbtide_core::codec::Codec;
use ebbtide_core::limits::CHANGESET_BYTES;
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_simulator::random::Random;
use ebbtide_store::local::Wanted;
use ebbtide_store::schema::Schema;

/// Bytes of the largest photos, with room for the rest of their rows.
const PHOTO_BYTES: usize = 1_900_000;

/// As many photos as no commit tells of, and some more.
const TOO_MANY: usize = CHANGESET_BYTES / PHOTO_BYTES + 2;

fn schema() -> Schema {
    let tables = "CREATE TABLE household (id TEXT PRIMARY KEY NOT NULL, name TEXT) STRICT;
        CREATE TABLE photo (id TEXT PRIMARY KEY NOT NULL, body BLOB, household TEXT REFERENCES household(id) ON DELETE CASCADE) STRICT;
        CREATE TABLE page (household TEXT NOT NULL REFERENCES household(id) ON UPDATE CASCADE, no INTEGER NOT NULL, body BLOB,
            PRIMARY KEY (household, no)) STRICT";
    let shape = serde_json::json!({ "migrations": [tables], "tables": { "household": {}, "photo": {}, "page": {} } });
    serde_json::from_value(shape).expect("a schema")
}

fn with_household() -> Dialogue {
    let mut talk = Dialogue::with_schema(2, TwoPhase::Auto, schema());
    talk.exec(A, "INSERT INTO household (id, name) VALUES ('h', 'first')", &[]);
    talk.visit(A);
    talk.visit(B);
    talk
}

/// Bytes that do not deflate.
fn photo(seed: usize) -> Value {
    let mut random = Random::new(seed as u64);
    Value::Blob((0..PHOTO_BYTES / 8).flat_map(|_| random.draw().to_le_bytes()).collect())
}

fn add_photos(talk: &mut Dialogue, count: usize) {
    for seed in 0..count {
        talk.exec(B, "INSERT INTO photo VALUES (?, ?, 'h')", &[text(&format!("p{seed}")), photo(seed)]);
        talk.visit(B);
    }
}

/// Every commit of the space can be read.
fn assert_readable(talk: &mut Dialogue) {
    let (catalogue, commits) = (talk.space.catalogue(), talk.space.commits());
    for commit in commits {
        let read = WireCodec.open_commit(&commit.bytes, &catalogue);
        assert!(read.is_ok(), "commit {} of {} bytes: {:?}", commit.seq.0, commit.bytes.len(), read.err());
    }
}

#[test]
fn sv236_a_delete_that_would_take_along_more_unseen_than_a_commit_can_tell_is_refused_until_it_was_seen() {
    let mut talk = with_household();
    add_photos(&mut talk, TOO_MANY);
    talk.exec(A, "DELETE FROM household", &[]);
    talk.visit(A);
    assert_readable(&mut talk);
    assert_eq!(refused(&mut talk, A), ["limit"]);
    assert_eq!(value(&mut talk, A, "SELECT count(*) FROM photo"), Value::Integer(TOO_MANY as i64));
    // All at once is more than a device takes for one transaction.
    talk.exec(A, "DELETE FROM photo WHERE rowid % 2", &[]);
    talk.exec(A, "DELETE FROM household", &[]);
    talk.visit(A);
    talk.visit(B);
    assert_readable(&mut talk);
    assert_eq!(value(&mut talk, B, "SELECT count(*) FROM photo"), Value::Integer(0));
    talk.assert_in_step();
}

#[test]
fn sv236_what_a_commit_can_tell_is_recorded_whole() {
    let mut talk = with_household();
    add_photos(&mut talk, 2);
    talk.exec(A, "DELETE FROM household", &[]);
    talk.visit(A);
    assert!(refused(&mut talk, A).is_empty());
    let records = talk.device(A).database().decided_conflicts().expect("readable");
    for seed in [0, 1] {
        let lost = Wanted::Value(photo(seed));
        assert!(records.iter().any(|record| record.incumbent.wanted == lost), "{} records", records.len());
    }
    talk.visit(B);
    talk.assert_in_step();
}

#[test]
fn sv236_a_key_change_that_moves_more_unseen_rows_than_a_commit_can_tell_is_refused() {
    let mut talk = with_household();
    for no in 0..TOO_MANY {
        talk.exec(B, "INSERT INTO page VALUES ('h', ?, ?)", &[Value::Integer(no as i64), photo(no)]);
        talk.visit(B);
    }
    talk.exec(A, "UPDATE household SET id = 'k'", &[]);
    talk.visit(A);
    assert_readable(&mut talk);
    assert_eq!(refused(&mut talk, A), ["limit"]);
    talk.visit(B);
    talk.assert_in_step();
    assert_eq!(value(&mut talk, B, "SELECT count(*) FROM page WHERE household = 'h'"), Value::Integer(TOO_MANY as i64));
}
