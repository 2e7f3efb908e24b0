//! What the simulated app does: random transactions on few hot rows of every table, most of them sensible, some refused by SQLite.
//! It writes SQL as apps do and knows nothing of sync; values include the falsy and the odd.
//! The world draws one piece of work at a time.

mod more;
pub mod newer;
mod typing;

pub use typing::Typing;

use crate::random::Random;
use ebbtide_core::value::Value;

/// A statement with its parameters.
pub type Statement = (String, Vec<Value>);

/// One thing the app does.
#[derive(Debug, Clone)]
pub enum Work {
    /// One statement by itself.
    Single(Statement),
    /// One statement over many rows, in one transaction.
    Many(String, Vec<Vec<Value>>),
    /// Several statements in one transaction.
    Transaction {
        /// In order.
        statements: Vec<Statement>,
        /// Whether it is taken back in the end.
        rollback: bool,
    },
    /// A choice between the sides of an open conflict: which of them, and how.
    Choice(u64, Choosing),
    /// A look at the refused transactions: which of them, and what becomes of it.
    Refused(u64, Refused),
}

/// What a person does about a refused transaction.
#[derive(Debug, Clone, Copy)]
pub enum Refused {
    /// Takes it off the list.
    Discard,
    /// Commits it again as it was.
    Again,
    /// Commits it again with another code or key.
    Edited(u64),
}

/// How a person chooses.
#[derive(Debug, Clone, Copy)]
pub enum Choosing {
    /// One of the sides, by its place.
    Side(u32),
    /// This device's side.
    Mine,
    /// Another value.
    Other(u64),
}

/// Draws the next piece of work, for all tables or for those of the smaller app. Its number keeps the words apart that it types.
pub fn draw(random: &mut Random, everything: bool, number: u64) -> Work {
    let mut words = more::Words::of(number);
    let mut statement = |random: &mut Random| match everything && random.percent(35) {
        true => more::statement(random, &mut words),
        false => statement(random),
    };
    if everything && random.percent(5) {
        return Work::Choice(random.draw(), choosing(random));
    }
    match random.below(100) {
        0..=44 => Work::Single(statement(random)),
        45..=52 => many(random),
        53..=69 => pair(random),
        _ => {
            let statements = (0..random.between(2, 5)).map(|_| statement(random)).collect();
            Work::Transaction { statements, rollback: random.percent(8) }
        }
    }
}

fn choosing(random: &mut Random) -> Choosing {
    match random.below(5) {
        0 => Choosing::Mine,
        1 => Choosing::Other(random.below(1_000)),
        side => Choosing::Side(side as u32 - 2),
    }
}

/// What somebody does who looks at the refused transactions.
pub fn about_refused(random: &mut Random) -> Work {
    let what = match random.below(6) {
        0 => Refused::Discard,
        1 | 2 => Refused::Again,
        _ => Refused::Edited(random.below(8)),
    };
    Work::Refused(random.draw(), what)
}

/// The two halves change together or not at all.
fn pair(random: &mut Random) -> Work {
    let id = text("p", random.below(4));
    let statements = if random.percent(15) {
        let delete = |half| (format!("DELETE FROM {half} WHERE id = ?"), vec![id.clone()]);
        vec![delete("left_half"), delete("right_half")]
    } else {
        let value = Value::Integer(random.below(1_000_000) as i64);
        let put = |half| {
            let sql = format!(
                "INSERT INTO {half} (id, value) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value"
            );
            (sql, vec![id.clone(), value.clone()])
        };
        vec![put("left_half"), put("right_half")]
    };
    Work::Transaction { statements, rollback: random.percent(5) }
}

fn many(random: &mut Random) -> Work {
    if random.percent(50) {
        let sql = "INSERT OR REPLACE INTO dose (member, day, amount, note) VALUES (?, ?, ?, ?)";
        let row = |random: &mut Random| vec![member(random), day(random), amount(random), note(random)];
        return Work::Many(sql.into(), (0..random.between(2, 6)).map(|_| row(random)).collect());
    }
    let sql = "UPDATE household SET doses = doses + ? WHERE id = ?";
    let row = |random: &mut Random| vec![Value::Integer(random.below(9) as i64 - 4), household(random)];
    Work::Many(sql.into(), (0..random.between(1, 4)).map(|_| row(random)).collect())
}

fn statement(random: &mut Random) -> Statement {
    match random.below(100) {
        0..=39 => on_household(random),
        40..=59 => on_member(random),
        60..=71 => on_visit(random),
        72..=83 => on_tally(random),
        _ => on_dose(random),
    }
}

fn on_household(random: &mut Random) -> Statement {
    let id = household(random);
    match random.below(14) {
        0 | 1 => {
            ("INSERT INTO household (id, name, code) VALUES (?, ?, ?)".into(), vec![id, name(random), code(random)])
        }
        2 => ("INSERT OR REPLACE INTO household (id, name, code, weight) VALUES (?, ?, ?, ?)".into(), {
            vec![id, name(random), code(random), amount(random)]
        }),
        3 | 4 => {
            let sql = "INSERT INTO household (id, name, doses) VALUES (?, ?, 1)
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, doses = doses + 1";
            (sql.into(), vec![id, name(random)])
        }
        5 => ("INSERT OR IGNORE INTO household (id, code) VALUES (?, ?)".into(), vec![id, code(random)]),
        6 | 7 => ("UPDATE household SET name = ? WHERE id = ?".into(), vec![name(random), id]),
        8 => ("UPDATE household SET code = ? WHERE id = ?".into(), vec![code(random), id]),
        9 => ("UPDATE OR REPLACE household SET code = ? WHERE id = ?".into(), vec![code(random), id]),
        10 => ("UPDATE household SET doses = ?, weight = ? WHERE id = ?".into(), {
            vec![Value::Integer(random.below(3) as i64 * 50), amount(random), id]
        }),
        11 => ("UPDATE household SET photo = ? WHERE id >= ?".into(), vec![photo(random), id]),
        12 => ("UPDATE household SET id = ? WHERE id = ?".into(), vec![household(random), id]),
        _ => ("DELETE FROM household WHERE id = ?".into(), vec![id]),
    }
}

fn on_member(random: &mut Random) -> Statement {
    let id = member(random);
    match random.below(8) {
        0..=2 => ("INSERT INTO member (id, household, age) VALUES (?, ?, ?)".into(), {
            vec![id, household(random), age(random)]
        }),
        3 => ("INSERT OR REPLACE INTO member (id, household, name) VALUES (?, ?, ?)".into(), {
            vec![id, household(random), text("n", random.below(5))]
        }),
        4 => ("UPDATE member SET age = ? WHERE id = ?".into(), vec![age(random), id]),
        5 => ("UPDATE member SET household = ? WHERE id = ?".into(), vec![household(random), id]),
        6 => ("UPDATE member SET name = name || '+' WHERE length(name) < 12 AND id = ?".into(), vec![id]),
        _ => ("DELETE FROM member WHERE id = ?".into(), vec![id]),
    }
}

fn on_visit(random: &mut Random) -> Statement {
    let id = text("v", random.below(8));
    let bound = |random: &mut Random| Value::Integer(random.between(0, 120) as i64);
    match random.below(9) {
        0..=2 => ("INSERT INTO visit (id, household, notes) VALUES (?, ?, ?)".into(), {
            vec![id, household(random), note(random)]
        }),
        3 => ("INSERT INTO visit (id, low, high) VALUES (?, ?, ?)".into(), vec![id, bound(random), bound(random)]),
        4 => ("UPDATE visit SET low = ? WHERE id = ?".into(), vec![bound(random), id]),
        5 => ("UPDATE visit SET high = ? WHERE id = ?".into(), vec![bound(random), id]),
        6 => ("UPDATE visit SET notes = ?, household = ? WHERE id = ?".into(), {
            vec![note(random), household(random), id]
        }),
        7 => ("UPDATE visit SET notes = NULL".into(), vec![]),
        _ => ("DELETE FROM visit WHERE id = ?".into(), vec![id]),
    }
}

fn on_tally(random: &mut Random) -> Statement {
    let id = text("t", random.below(5));
    let number =
        |random: &mut Random| if random.percent(15) { Value::Null } else { Value::Integer(random.below(40) as i64) };
    match random.below(9) {
        0 | 1 => ("INSERT INTO tally (id, earliest, low, total) VALUES (?, ?, ?, ?)".into(), {
            vec![id, note(random), number(random), Value::Integer(random.below(5) as i64)]
        }),
        2 => ("UPDATE tally SET earliest = ? WHERE id = ?".into(), vec![note(random), id]),
        3 => ("UPDATE tally SET low = ?, high = ? WHERE id = ?".into(), vec![number(random), number(random), id]),
        4 | 5 => ("UPDATE tally SET total = total + ? WHERE id = ?".into(), {
            vec![Value::Integer(random.below(9) as i64 - 4), id]
        }),
        6 => ("UPDATE tally SET total = ? WHERE id = ?".into(), vec![Value::Integer(random.below(50) as i64), id]),
        7 => ("UPDATE tally SET state = ? WHERE id = ?".into(), vec![note(random), id]),
        _ => ("DELETE FROM tally WHERE id = ?".into(), vec![id]),
    }
}

fn on_dose(random: &mut Random) -> Statement {
    let (member, day) = (member(random), day(random));
    match random.below(7) {
        0 | 1 => {
            let sql = "INSERT INTO dose (member, day, amount) VALUES (?, ?, ?)
                ON CONFLICT (member, day) DO UPDATE SET amount = excluded.amount";
            (sql.into(), vec![member, day, amount(random)])
        }
        2 => ("INSERT INTO dose (member, day) VALUES (?, ?)".into(), vec![member, day]),
        3 => ("UPDATE dose SET amount = ? WHERE member = ? AND day = ?".into(), vec![amount(random), member, day]),
        4 => ("UPDATE dose SET note = ? WHERE member = ?".into(), vec![note(random), member]),
        5 => ("UPDATE dose SET day = ? WHERE member = ? AND day = ?".into(), {
            vec![Value::Integer(random.below(5) as i64), member, day]
        }),
        _ => ("DELETE FROM dose WHERE member = ? AND day = ?".into(), vec![member, day]),
    }
}

fn text(prefix: &str, number: u64) -> Value {
    Value::Text(format!("{prefix}{number}"))
}

fn household(random: &mut Random) -> Value {
    text("h", random.below(7))
}

fn member(random: &mut Random) -> Value {
    text("m", random.below(8))
}

fn day(random: &mut Random) -> Value {
    Value::Integer(*random.pick(&[0, 1, 2, 9_007_199_254_740_993]))
}

fn code(random: &mut Random) -> Value {
    if random.percent(20) { Value::Null } else { text("c", random.below(6)) }
}

fn name(random: &mut Random) -> Value {
    random
        .pick(&[
            Value::Null,
            Value::Text(String::new()),
            text("name", 1),
            text("name", 2),
            Value::Text("na\0me".into()),
        ])
        .clone()
}

fn note(random: &mut Random) -> Value {
    if random.percent(25) { Value::Null } else { text("note ", random.below(1_000)) }
}

fn age(random: &mut Random) -> Value {
    if random.percent(20) { Value::Null } else { Value::Integer(random.below(160) as i64) }
}

fn amount(random: &mut Random) -> Value {
    Value::Real(*random.pick(&[0.0, -0.0, 1.0, 0.5, -2.75, 5e-324, 1.7976931348623157e308, f64::INFINITY]))
}

fn photo(random: &mut Random) -> Value {
    random.pick(&[Value::Null, Value::Blob(vec![]), Value::Blob(vec![0]), Value::Blob(vec![0xff; 40])]).clone()
}
