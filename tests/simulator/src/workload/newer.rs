//! What the app's later releases do besides: they write to tables and columns that came, and say the names that are the present ones.
//! It knows which steps a release has taken, and nothing of how a database took them.
//! The world passes each drawn piece of work through it.

use super::{Statement, Work, household, member, note, text};
use crate::random::Random;
use crate::releases::{Piece, Release};
use ebbtide_core::value::Value;

/// The same work as a release of the app does it, or something that only that release can do.
pub fn of_release(work: Work, release: &Release, random: &mut Random) -> Work {
    let known: Vec<Piece> =
        [Piece::Columns, Piece::Table, Piece::Rebuild].into_iter().filter(|of| release.has(*of)).collect();
    if !known.is_empty() && random.percent(30) {
        let mut statement = || {
            let piece = *random.pick(&known);
            statement(piece, random)
        };
        let (first, second) = (statement(), statement());
        return match random.percent(50) {
            true => Work::Single(first),
            false => Work::Transaction { statements: vec![first, second], rollback: false },
        };
    }
    if !release.has(Piece::Renames) {
        return work;
    }
    match work {
        Work::Single((sql, params)) => Work::Single((renamed(&sql), params)),
        Work::Many(sql, rows) => Work::Many(renamed(&sql), rows),
        Work::Transaction { statements, rollback } => {
            let statements = statements.into_iter().map(|(sql, params)| (renamed(&sql), params)).collect();
            Work::Transaction { statements, rollback }
        }
        Work::Choice(..) | Work::Refused(..) => work,
    }
}

/// The same work, or something on the table that joins, by itself or along with others.
pub fn on_settings(work: Work, release: &Release, random: &mut Random) -> Work {
    match random.below(100) {
        0..=9 => Work::Single(on_setting(random)),
        10..=15 => {
            let (sql, params) = super::statement(random);
            let other = if release.has(Piece::Renames) { (renamed(&sql), params) } else { (sql, params) };
            let statements = vec![on_setting(random), other, on_setting(random)];
            Work::Transaction { statements, rollback: random.percent(8) }
        }
        _ => work,
    }
}

fn on_setting(random: &mut Random) -> Statement {
    let name = text("s", random.below(6));
    match random.below(10) {
        0 | 1 => {
            let sql = "INSERT INTO setting (name, value, uses) VALUES (?, ?, 1)
                ON CONFLICT (name) DO UPDATE SET value = excluded.value, uses = uses + 1";
            (sql.into(), vec![name, note(random)])
        }
        2 | 3 => ("INSERT INTO setting (name, household) VALUES (?, ?)".into(), vec![name, household(random)]),
        4 => ("INSERT OR REPLACE INTO setting (name, code, value) VALUES (?, ?, ?)".into(), {
            vec![name, text("c", random.below(40)), note(random)]
        }),
        5 => ("UPDATE setting SET value = ? WHERE name = ?".into(), vec![note(random), name]),
        6 => ("UPDATE setting SET uses = uses + ?".into(), vec![Value::Integer(random.below(5) as i64)]),
        7 => ("UPDATE setting SET household = ? WHERE name = ?".into(), vec![household(random), name]),
        8 => ("UPDATE setting SET name = ? WHERE name = ?".into(), vec![text("s", random.below(6)), name]),
        _ => ("DELETE FROM setting WHERE name = ?".into(), vec![name]),
    }
}

fn renamed(sql: &str) -> String {
    let sql = sql.replace(" dose ", " given ");
    if sql.contains(" visit ") { sql.replace("notes", "remarks") } else { sql }
}

fn statement(piece: Piece, random: &mut Random) -> Statement {
    match piece {
        Piece::Columns => on_columns(random),
        Piece::Table => on_call(random),
        _ => (
            "UPDATE household SET colour = ? WHERE id = ?".into(),
            vec![text("colour", random.below(5)), household(random)],
        ),
    }
}

fn on_columns(random: &mut Random) -> Statement {
    let number = Value::Integer(random.below(9) as i64 - 4);
    match random.below(5) {
        0 | 1 => (
            "UPDATE member SET village = ? WHERE id = ?".into(),
            vec![text("village", random.below(5)), member(random)],
        ),
        2 => ("INSERT INTO visit (id, household, minutes) VALUES (?, ?, ?)".into(), {
            vec![text("v", random.below(8)), household(random), number]
        }),
        _ => ("UPDATE visit SET minutes = minutes + ? WHERE id = ?".into(), vec![number, text("v", random.below(8))]),
    }
}

fn on_call(random: &mut Random) -> Statement {
    let id = text("l", random.below(6));
    match random.below(8) {
        0..=2 => (
            "INSERT INTO call (id, household, topic) VALUES (?, ?, ?)".into(),
            vec![id, household(random), note(random)],
        ),
        3 => {
            let sql = "INSERT INTO call (id, lasted) VALUES (?, 5) ON CONFLICT (id) DO UPDATE SET lasted = lasted + 1";
            (sql.into(), vec![id])
        }
        4 => ("UPDATE call SET household = ? WHERE id = ?".into(), vec![household(random), id]),
        5 | 6 => ("UPDATE call SET topic = ?, lasted = ? WHERE id = ?".into(), {
            vec![note(random), Value::Integer(random.below(40) as i64), id]
        }),
        _ => ("DELETE FROM call WHERE id = ?".into(), vec![id]),
    }
}
