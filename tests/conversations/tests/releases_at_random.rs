//! Random histories of three devices through releases that change the merge rules, what becomes of deletes, whether rows merge as a whole, which
//! tables are kept in step, and columns. Each takes a release when it likes. In the end all are in step, and what was added is there.

use crate::brought_back::come_by;
use crate::script::{of_users, text};
use ebbtide_core::client::{Input, Start, TwoPhase};
use ebbtide_core::value::Value;
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_simulator::random::Random;
use ebbtide_store::schema::Schema;
use std::collections::{BTreeMap, BTreeSet};

const DEVICES: usize = 3;
const STEPS: usize = 240;
const RELEASES: usize = 5;

const TABLES: &str = "CREATE TABLE tally (id TEXT PRIMARY KEY NOT NULL, number INTEGER NOT NULL DEFAULT 0, words TEXT, tags TEXT,
        plain INTEGER, name TEXT, marks TEXT) STRICT;
    CREATE TABLE item (id TEXT PRIMARY KEY NOT NULL, plain INTEGER, name TEXT, marks TEXT) STRICT;
    CREATE TABLE part (id TEXT PRIMARY KEY NOT NULL, item TEXT REFERENCES item(id) ON DELETE CASCADE, name TEXT) STRICT;
    CREATE TABLE aside (id TEXT PRIMARY KEY NOT NULL, item TEXT REFERENCES item(id) ON DELETE SET NULL, number INTEGER) STRICT";

const NUMBER: &str = "SELECT number FROM tally WHERE id = 'i'";

/// What releases do to columns and rows, each one some of it, in any order.
const MIGRATIONS: [&str; 7] = [
    "ALTER TABLE item ADD COLUMN more TEXT DEFAULT 'more'",
    "ALTER TABLE tally ADD COLUMN more INTEGER",
    "UPDATE item SET plain = plain + 1",
    "CREATE INDEX item_name ON item (name)",
    "DELETE FROM part WHERE item NOT IN (SELECT id FROM item)",
    "INSERT INTO item (id, name, marks) SELECT 'copy of ' || id, name, '[]' FROM item WHERE id NOT LIKE 'copy%'",
    "CREATE TABLE part_of (name TEXT, id TEXT PRIMARY KEY NOT NULL, item TEXT REFERENCES item(id) ON DELETE CASCADE) STRICT;
        INSERT INTO part_of SELECT name, id, item FROM part; DROP TABLE part; ALTER TABLE part_of RENAME TO part",
];

/// The releases, by chance: each has the migrations of those before it.
fn releases(random: &mut Random) -> Vec<Schema> {
    let (mut left, mut migrations) = (MIGRATIONS.to_vec(), vec![TABLES]);
    let more = |_| {
        for _ in 0..random.below(3).min(left.len() as u64) {
            migrations.push(left.swap_remove(random.below(left.len() as u64) as usize));
        }
        schema(&migrations, random)
    };
    (0..RELEASES).map(more).collect()
}

fn schema(migrations: &[&str], random: &mut Random) -> Schema {
    let mut rules = || {
        serde_json::json!({
            "plain": *random.pick(&["lww", "first", "sum", "min", "max", "review", "server"]),
            "name": *random.pick(&["lww", "first", "text", "review", "server"]),
            "marks": *random.pick(&["lww", "set", "first"]),
        })
    };
    let (mut tally, item) = (rules(), rules());
    for (column, rule) in [("number", "sum"), ("words", "text"), ("tags", "set")] {
        tally[column] = rule.into();
    }
    let delete = *random.pick(&["wins", "keep", "review"]);
    let item = if random.percent(20) {
        serde_json::json!({ "row": "atomic", "delete": delete })
    } else {
        serde_json::json!({ "merge": item, "delete": delete })
    };
    let tally = serde_json::json!({ "merge": tally, "delete": delete });
    let mut tables = serde_json::json!({ "tally": tally, "item": item, "part": { "delete": delete } });
    if random.percent(60) {
        tables["aside"] = serde_json::json!({});
    }
    serde_json::from_value(serde_json::json!({ "migrations": migrations, "tables": tables })).expect("a schema")
}

/// What else happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Besides {
    Nothing,
    /// The space is set back to an earlier point.
    SetBack,
    /// Devices are, to what they were or to what another was.
    Copied,
}

/// No device: it may be there or not.
const NOBODY: usize = DEVICES;

/// What the devices did.
#[derive(Default)]
struct Account {
    /// Who added which power of two to the number.
    bits: Vec<usize>,
    /// Each with its writer.
    words: Vec<(usize, String)>,
    added: BTreeSet<String>,
    removed: BTreeSet<String>,
    /// The items, each with who made it and whether nobody deleted it.
    made: BTreeMap<String, (usize, bool)>,
}

impl Account {
    /// A device is given the file of one, or its own of earlier: what it wrote may not have been sent.
    fn forget(&mut self, party: usize) {
        let writers = self.words.iter_mut().map(|(writer, _)| writer).chain(&mut self.bits);
        for writer in writers.chain(self.made.values_mut().map(|(writer, _)| writer)).filter(|writer| **writer == party)
        {
            *writer = NOBODY;
        }
    }

    /// The bits that these devices added.
    fn bits_of(&self, is_one: impl Fn(usize) -> bool) -> i64 {
        self.bits.iter().enumerate().filter(|(_, writer)| is_one(**writer)).fold(0, |sum, (bit, _)| sum | 1 << bit)
    }
}

fn one(talk: &mut Dialogue, party: usize, column: &str) -> String {
    match talk.query(party, &format!("SELECT {column} FROM tally WHERE id = 'i'"))[0][0].clone() {
        Value::Text(text) => text,
        _ => String::new(),
    }
}

fn elements(talk: &mut Dialogue, party: usize, column: &str) -> Vec<String> {
    serde_json::from_str(&one(talk, party, column)).unwrap_or_default()
}

/// Some item that the device shows.
fn item(talk: &mut Dialogue, party: usize, random: &mut Random) -> Option<String> {
    let mut items = talk.query(party, "SELECT id FROM item ORDER BY id");
    let place = random.below(items.len().max(1) as u64) as usize;
    match items.get_mut(place).map(|row| row.swap_remove(0)) {
        Some(Value::Text(id)) => Some(id),
        _ => None,
    }
}

fn work(talk: &mut Dialogue, party: usize, random: &mut Random, account: &mut Account, step: usize) {
    let own = format!("{step}.{party}");
    match random.below(16) {
        0 | 1 => {
            let bit = Value::Integer(1 << account.bits.len());
            talk.exec(party, "UPDATE tally SET number = number + ? WHERE id = 'i'", &[bit]);
            account.bits.push(party);
        }
        2 | 3 => {
            let words = one(talk, party, "words");
            let mut words: Vec<&str> = words.split_whitespace().collect();
            words.insert(random.below(words.len() as u64 + 1) as usize, &own);
            talk.exec(party, "UPDATE tally SET words = ? WHERE id = 'i'", &[text(&words.join(" "))]);
            account.words.push((party, own));
        }
        4 | 5 => {
            let mut tags = elements(talk, party, "tags");
            if !tags.is_empty() && random.percent(30) {
                account.removed.insert(tags.swap_remove(random.below(tags.len() as u64) as usize));
            } else {
                tags.push(own.clone());
                account.added.insert(own);
            }
            let json = serde_json::to_string(&tags).expect("texts");
            talk.exec(party, "UPDATE tally SET tags = ? WHERE id = 'i'", &[text(&json)]);
        }
        6 => {
            let mut marks = elements(talk, party, "marks");
            marks.push(own);
            let json = serde_json::to_string(&marks).expect("texts");
            talk.exec(
                party,
                "UPDATE tally SET marks = ?, name = 'so', plain = plain + 1 WHERE id = 'i'",
                &[text(&json)],
            );
        }
        7 => talk.exec(party, "UPDATE tally SET name = ?, plain = 1 WHERE id = 'i'", &[text(&own)]),
        8 | 9 => {
            talk.exec(party, "INSERT INTO item (id, plain, name, marks) VALUES (?1, 1, ?1, '[]')", &[text(&own)]);
            account.made.insert(own, (party, true));
        }
        10 => {
            let Some(item) = item(talk, party, random) else { return };
            talk.exec(party, "INSERT INTO part (id, item, name) VALUES (?1, ?2, ?1)", &[text(&own), text(&item)]);
        }
        11 => {
            let item = item(talk, party, random).map_or(Value::Null, Value::Text);
            talk.exec(party, "INSERT INTO aside VALUES (?1, ?2, 1)", &[text(&own), item]);
        }
        12 => talk.exec(party, "UPDATE aside SET number = number + 1 WHERE rowid % 2", &[]),
        13 | 14 => {
            let Some(item) = item(talk, party, random) else { return };
            let column = ["plain = plain + 1", "name = name || 'x'", "marks = '[\"m\"]'"][random.below(3) as usize];
            talk.exec(party, &format!("UPDATE item SET {column} WHERE id = ?"), &[text(&item)]);
        }
        _ => {
            let Some(item) = item(talk, party, random) else { return };
            talk.exec(party, "DELETE FROM item WHERE id = ?", &[text(&item)]);
            account.made.entry(item).or_default().1 = false;
        }
    }
}

/// What a device wrote it shows, whatever becomes of it meanwhile, and what is counted was added, once.
fn shows_its_own(talk: &mut Dialogue, party: usize, account: &Account, step: usize) {
    let said = |talk: &Dialogue| format!("{party} at step {step}\n{}", talk.transcript());
    let words = one(talk, party, "words");
    for (_, word) in account.words.iter().filter(|(writer, _)| *writer == party) {
        assert!(words.split_whitespace().any(|found| found == word), "{word} in {words}, {}", said(talk));
    }
    let Value::Integer(number) = talk.query(party, NUMBER)[0][0] else { panic!("no number, {}", said(talk)) };
    let (own, all) = (account.bits_of(|writer| writer == party), account.bits_of(|_| true));
    assert_eq!((number & own, number | all), (own, all), "{number:b} of {own:b}, {}", said(talk));
    let items = talk.query(party, "SELECT id FROM item");
    for (item, _) in account.made.iter().filter(|(_, made)| **made == (party, true)) {
        assert!(items.contains(&vec![text(item)]), "{item}, {}", said(talk));
    }
}

fn call(talk: &mut Dialogue, party: usize) {
    talk.input(party, Input::SyncNow);
    talk.reconnect(party);
}

/// What all have in the end is answered for. Where the space is set back, words and elements may be there again.
fn run(seed: u64, two_phase: TwoPhase, besides: Besides) {
    let (mut random, mut account) = (Random::new(seed), Account::default());
    let releases = releases(&mut random);
    // A copy may be of another's device only where both are the same user's.
    let of_whom = if besides == Besides::Copied { Dialogue::with_schema } else { of_users };
    let mut talk = of_whom(DEVICES, two_phase, releases[0].clone());
    talk.start_with(Start::Merge);
    talk.exec(
        0,
        "INSERT INTO tally (id, words, tags, plain, name, marks) VALUES ('i', 'start', '[]', 0, 'name', '[]')",
        &[],
    );
    (0..DEVICES).for_each(|party| talk.visit(party));
    let mut backup = None;
    let (mut space, mut has) = (0, [0; DEVICES]);
    for step in 0..STEPS {
        let party = random.below(DEVICES as u64) as usize;
        match random.below(24) {
            0..=8 => work(&mut talk, party, &mut random, &mut account, step),
            9..=11 => call(&mut talk, party),
            12 => talk.cut(party),
            13 if has[party] <= space && has[party] + 1 < RELEASES && random.percent(50) => {
                has[party] = space + usize::from(random.percent(40) && space + 1 < RELEASES);
                talk.restart_with(party, &releases[has[party]]);
            }
            14 if space + 1 < RELEASES && random.percent(50) => {
                space += 1;
                talk.deploy(&releases[space]);
            }
            15 => {
                talk.pass_ms(5_000);
                talk.input(party, Input::Tick);
            }
            16 if random.percent(40) => talk.evict(),
            17 if random.percent(20) => talk.input(party, Input::CannotApply),
            18 if besides == Besides::SetBack && random.percent(30) => match backup.take() {
                Some(image) => talk.restore_space(&image),
                None => backup = Some(talk.space.backup()),
            },
            18 if besides == Besides::Copied && random.percent(40) => match backup.take() {
                Some(image) => {
                    talk.restore(party, &image);
                    has[party] = space;
                    account.forget(party);
                }
                None if has[party] <= space => backup = Some(talk.image_while_open(party)),
                None => {}
            },
            16..=19 => drop(talk.up(party)),
            _ => drop(talk.down(party)),
        }
        if besides != Besides::Copied {
            shows_its_own(&mut talk, party, &account, step);
        }
    }
    (0..DEVICES).for_each(|party| talk.cut(party));
    for release in &releases[space + 1..] {
        talk.deploy(release);
    }
    (0..DEVICES).for_each(|party| talk.restart_with(party, &releases[RELEASES - 1]));
    for _ in 0..3 {
        (0..DEVICES).for_each(|party| come_by(&mut talk, party));
    }
    talk.assert_in_step();
    check(&mut talk, &account, seed, besides);
}

fn check(talk: &mut Dialogue, account: &Account, seed: u64, besides: Besides) {
    let set_back = besides == Besides::SetBack;
    let said = |talk: &Dialogue| format!("seed {seed}\n{}", talk.transcript());
    let Value::Integer(number) = talk.query(0, NUMBER)[0][0] else { panic!("no number, {}", said(talk)) };
    let (known, all) = (account.bits_of(|writer| writer != NOBODY), account.bits_of(|_| true));
    assert_eq!((number & known, number | all), (known, all), "{number:b} of {known:b}, {}", said(talk));
    let words = one(talk, 0, "words");
    // Of copies, a text is told whole where its place is lost (MG-20): what it replaces is recorded.
    for (_, word) in account.words.iter().filter(|_| besides != Besides::Copied) {
        let times = words.split_whitespace().filter(|found| found == word).count();
        assert!(times == 1 || set_back && times > 1, "{word} in {words}, {}", said(talk));
    }
    let tags: BTreeSet<String> = elements(talk, 0, "tags").into_iter().collect();
    let expected: BTreeSet<String> = account.added.difference(&account.removed).cloned().collect();
    let fits = match besides {
        Besides::Nothing => tags == expected,
        Besides::SetBack => tags.is_superset(&expected),
        Besides::Copied => tags.is_subset(&account.added),
    };
    assert!(fits, "{tags:?} for {expected:?}, {}", said(talk));
    for (item, (writer, kept)) in &account.made {
        let there = !talk.query(0, &format!("SELECT 1 FROM item WHERE id = '{item}'")).is_empty();
        assert!(there || !kept || *writer == NOBODY, "{item} is gone, {}", said(talk));
    }
}

fn play(seeds: u64, besides: Besides) {
    for seed in 0..seeds {
        run(seed, TwoPhase::Auto, besides);
        run(seed + 1_000, TwoPhase::Always, besides);
    }
}

#[test]
fn sv277_releases_that_change_the_rules_lose_nothing() {
    play(30, Besides::Nothing);
}

#[test]
fn sv277_nor_where_the_space_is_set_back_between_them() {
    play(20, Besides::SetBack);
}

#[test]
fn sv277_nor_is_anything_counted_twice_where_devices_are_copied() {
    play(20, Besides::Copied);
}
