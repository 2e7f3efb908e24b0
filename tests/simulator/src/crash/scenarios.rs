//! The scenarios in which everything dies once at every point: each a short story of one or two devices and their space.
//! A script says what people do, in verbs that survive a crash; what the crash is, it does not know.
//! Played by `crash`.

use super::stage::Stage;
use ebbtide_core::client::TwoPhase;
use ebbtide_core::value::Value;

/// See the file's header.
pub struct Scenario {
    /// What is shown when it fails.
    pub name: &'static str,
    /// How many devices there are.
    pub devices: usize,
    /// The commit paths by which it is played.
    pub paths: &'static [TwoPhase],
    /// Whether the end is the same whatever died: not so where a later retry may win.
    pub same_end: bool,
    /// What happens.
    pub script: fn(&mut Stage),
}

const A: usize = 0;
const B: usize = 1;

const BOTH: &[TwoPhase] = &[TwoPhase::Auto, TwoPhase::Always];

const fn scenario(name: &'static str, script: fn(&mut Stage)) -> Scenario {
    Scenario { name, devices: 2, paths: BOTH, same_end: true, script }
}

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    scenario("a row goes up", |s| {
        s.write(A, &["INSERT INTO household (id, name) VALUES ('h', 'first')"]);
        s.sync(A);
    }),
    scenario("a row comes down", |s| {
        s.write(A, &["INSERT INTO household (id, name) VALUES ('h', 'first')"]);
        s.visit(A);
        s.sync(B);
    }),
    scenario("a row is pushed to a connected device", |s| {
        s.sync(B);
        s.write(A, &["INSERT INTO household (id, name) VALUES ('h', 'first')"]);
        s.sync(A);
        s.sync(B);
    }),
    scenario("a field is changed", |s| {
        household(s);
        s.write(A, &["UPDATE household SET doses = 7"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("a row is deleted", |s| {
        household(s);
        s.write(A, &["DELETE FROM household"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("a row comes and goes before it is sent", |s| {
        s.write(A, &["INSERT INTO household (id) VALUES ('h')"]);
        s.write(A, &["DELETE FROM household"]);
        s.visit(A);
    }),
    scenario("one transaction over several tables", |s| {
        s.write(
            A,
            &[
                "INSERT INTO household (id, code) VALUES ('h', 'x')",
                "INSERT INTO member (id, household, age) VALUES ('m', 'h', 0)",
                "INSERT INTO dose (member, day, amount) VALUES ('m', 1, 0.5)",
                "INSERT INTO left_half (id, value) VALUES ('p', 1)",
                "INSERT INTO right_half (id, value) VALUES ('p', 1)",
            ],
        );
        s.visit(A);
        s.visit(B);
    }),
    scenario("many rows by one statement", |s| {
        let rows: Vec<Vec<Value>> = (0..30).map(|day| vec![Value::Text("m".into()), Value::Integer(day)]).collect();
        s.write_many(A, "INSERT INTO dose (member, day) VALUES (?, ?)", &rows);
        s.visit(A);
        s.visit(B);
    }),
    Scenario {
        paths: &[TwoPhase::Auto],
        ..scenario("a large changeset goes up in chunks", |s| {
            let photo = |seed: u64| Value::Blob(noise(70_000, seed));
            let rows: Vec<Vec<Value>> = (0..4).map(|n| vec![Value::Text(format!("h{n}")), photo(n)]).collect();
            s.write_many(A, "INSERT INTO household (id, photo) VALUES (?, ?)", &rows);
            s.visit(A);
        })
    },
    scenario("a unique value is taken", |s| {
        s.write(A, &["INSERT INTO household (id, code) VALUES ('a', 'x')"]);
        s.write(B, &["INSERT INTO household (id, code) VALUES ('b', 'x')"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("a refusal takes its dependents along", |s| {
        s.write(A, &["INSERT INTO household (id, code) VALUES ('a', 'x')"]);
        s.visit(A);
        s.write(B, &["INSERT INTO household (id, code) VALUES ('b', 'x')"]);
        s.write(B, &["INSERT INTO member (id, household) VALUES ('m', 'b')"]);
        s.write(B, &["INSERT INTO visit (id) VALUES ('free')"]);
        s.visit(B);
    }),
    scenario("a child loses its parent", |s| {
        household(s);
        s.write(A, &["DELETE FROM household"]);
        s.visit(A);
        s.write(B, &["INSERT INTO member (id, household) VALUES ('m', 'h')"]);
        s.visit(B);
    }),
    scenario("two edits break a check together", |s| {
        s.write(A, &["INSERT INTO visit (id, low, high) VALUES ('v', 10, 90)"]);
        s.visit(A);
        s.visit(B);
        s.write(A, &["UPDATE visit SET low = 60"]);
        s.write(B, &["UPDATE visit SET high = 50"]);
        s.visit(A);
        s.visit(B);
    }),
    Scenario {
        same_end: false,
        ..scenario("one field on both devices", |s| {
            household(s);
            s.write(A, &["UPDATE household SET weight = 1.0"]);
            s.write(B, &["UPDATE household SET weight = 2.0"]);
            s.visit(A);
            s.visit(B);
        })
    },
    scenario("two fields of one row", |s| {
        household(s);
        s.write(A, &["UPDATE household SET weight = -0.0"]);
        s.write(B, &["UPDATE household SET photo = x''"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("an edit meets a deletion", |s| {
        household(s);
        s.write(A, &["DELETE FROM household"]);
        s.write(B, &["UPDATE household SET doses = 3"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("a deletion meets an edit", |s| {
        household(s);
        s.write(A, &["UPDATE household SET doses = 3"]);
        s.write(B, &["DELETE FROM household"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("members go with their household", |s| {
        family(s);
        s.write(A, &["DELETE FROM household WHERE id = 'h'"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("an unseen child goes with its parent", |s| {
        family(s);
        s.write(B, &["INSERT INTO member (id, household) VALUES ('late', 'h')"]);
        s.visit(B);
        s.write(A, &["DELETE FROM household WHERE id = 'h'"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("a pull with changes pending", |s| {
        household(s);
        s.write(A, &["INSERT INTO visit (id, notes) VALUES ('a', 'from A')"]);
        s.visit(A);
        s.write(B, &["UPDATE household SET doses = 9"]);
        s.write(B, &["INSERT INTO visit (id, notes) VALUES ('b', 'from B')"]);
        s.visit(B);
    }),
    scenario("a pending transaction is blocked and refused", |s| {
        household(s);
        s.write(B, &["UPDATE household SET code = 'x', weight = 3.0 WHERE id = 'h'"]);
        s.write(A, &["INSERT INTO household (id, code) VALUES ('a', 'x')"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("unique values change hands", |s| {
        s.write(A, &["INSERT INTO household (id, code) VALUES ('a', 'x'), ('b', 'y')"]);
        s.visit(A);
        s.visit(B);
        s.write(
            A,
            &[
                "UPDATE household SET code = NULL WHERE id = 'a'",
                "UPDATE household SET code = 'x' WHERE id = 'b'",
                "UPDATE household SET code = 'y' WHERE id = 'a'",
            ],
        );
        s.visit(A);
        s.visit(B);
    }),
    scenario("a key is changed", |s| {
        household(s);
        s.write(A, &["UPDATE household SET id = 'moved'"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("composite keys move", |s| {
        s.write(A, &["INSERT INTO dose (member, day, amount) VALUES ('m', 1, 1.0), ('m', 9007199254740993, 2.0)"]);
        s.visit(A);
        s.visit(B);
        s.write(B, &["UPDATE dose SET day = 2 WHERE day = 1", "DELETE FROM dose WHERE day > 2"]);
        s.visit(B);
        s.visit(A);
    }),
    scenario("changesets sealed offline, one after the other", |s| {
        household(s);
        for doses in 1..=3 {
            s.write(A, &[&format!("UPDATE household SET doses = {doses}")]);
            s.pass_ms(2_000);
        }
        s.visit(A);
        s.visit(B);
    }),
    scenario("a write while an upload is under way", |s| {
        household(s);
        s.write(A, &["UPDATE household SET doses = 1"]);
        s.send_and_lose_the_answers(A, 1);
        s.write(A, &["UPDATE household SET doses = 2"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("the answer to a commit is lost", |s| {
        household(s);
        s.write(A, &["INSERT INTO visit (id) VALUES ('v')"]);
        s.send_and_lose_the_answers(A, 2);
        s.visit(A);
        s.visit(B);
    }),
    scenario("the app's triggers and its search index", |s| {
        household(s);
        s.write(A, &["UPDATE household SET name = 'renamed'"]);
        s.write(B, &["UPDATE household SET photo = x'00ff'"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("values at the edges", |s| {
        s.write(
            A,
            &[
                "INSERT INTO dose (member, day, amount, note) VALUES ('', -9223372036854775808, 5e-324, '')",
                "INSERT INTO dose (member, day, amount, note) VALUES ('x', 9223372036854775807, 9e999, NULL)",
                "INSERT INTO household (id, name, photo) VALUES ('h', char(0) || 'after', zeroblob(300))",
            ],
        );
        s.visit(A);
        s.visit(B);
    }),
    scenario("REPLACE evicts a row", |s| {
        family(s);
        s.write(A, &["INSERT OR REPLACE INTO household (id, code) VALUES ('new', 'code')"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("many commits to pull", |s| {
        for number in 0..12 {
            s.write(A, &[&format!("INSERT INTO visit (id, notes) VALUES ('v{number}', 'note')")]);
            s.visit(A);
        }
        s.visit(B);
    }),
    scenario("a clock that runs ahead is moved back", |s| {
        household(s);
        s.skew_ms(A, 3 * 86_400_000);
        s.write(A, &["UPDATE household SET doses = 5"]);
        s.visit(A);
        s.visit(B);
        s.write(B, &["UPDATE household SET doses = 6"]);
        s.visit(B);
        s.visit(A);
    }),
    scenario("devices are closed and opened between all steps", |s| {
        s.write(A, &["INSERT INTO household (id) VALUES ('h')"]);
        s.restart(A);
        s.visit(A);
        s.restart(A);
        s.visit(B);
        s.restart(B);
        s.write(B, &["UPDATE household SET doses = 1"]);
        s.restart(B);
        s.visit(B);
    }),
    scenario("the space is evicted before every message", |s| {
        s.evict_always();
        household(s);
        s.write(A, &["UPDATE household SET doses = 1"]);
        s.write(B, &["UPDATE household SET weight = 1.5"]);
        s.visit(A);
        s.visit(B);
    }),
    scenario("the service worker delivers", |s| {
        household(s);
        s.write(A, &["UPDATE household SET doses = 1"]);
        s.pass_ms(2_000);
        s.mail(A);
        s.mail(A);
        s.visit(A);
        s.visit(B);
    }),
    scenario("a transaction is taken back", |s| {
        family(s);
        s.write_in_vain(A, &["DELETE FROM household", "INSERT INTO visit (id) VALUES ('never')"]);
        s.write(A, &["UPDATE household SET doses = 1"]);
        s.visit(A);
    }),
];

/// Both devices know a household and are offline.
fn household(stage: &mut Stage) {
    stage.write(A, &["INSERT INTO household (id, name) VALUES ('h', 'first')"]);
    stage.visit(A);
    stage.visit(B);
}

/// The same with a code, members and a visit.
fn family(stage: &mut Stage) {
    stage.write(
        A,
        &[
            "INSERT INTO household (id, code) VALUES ('h', 'code'), ('other', NULL)",
            "INSERT INTO member (id, household) VALUES ('m1', 'h'), ('m2', 'h'), ('m3', 'other')",
            "INSERT INTO visit (id, household) VALUES ('v', 'h')",
        ],
    );
    stage.visit(A);
    stage.visit(B);
}

/// Bytes that do not deflate.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut random = crate::random::Random::new(seed);
    let mut noise = Vec::with_capacity(bytes + 16);
    while noise.len() < bytes {
        noise.extend_from_slice(&random.bytes());
    }
    noise
}
