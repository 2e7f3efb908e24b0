//! What a Durable Object does not allow, and what it does to numbers.
//! It imitates, so that the contract suite and the simulator meet natively what the Worker meets in production.
//! Used by the narrowed adapter only.

use crate::limits::NARROW_BINDS;
use crate::sql::{SqlError, SqlErrorKind};
use ebbtide_core::value::Value;

/// Whole numbers up to this size are exact as doubles.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Refuses transaction statements, some pragmas, and too many bound values.
pub(super) fn check(sql: &str, binds: usize) -> Result<(), SqlError> {
    let refuse = |message: &str| Err(SqlError { kind: SqlErrorKind::Misuse, message: message.into(), sql: sql.into() });
    if binds > NARROW_BINDS {
        return refuse("too many SQL variables");
    }
    let is_one_of = |word: &str, words: &[&str]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
    for statement in sql.split(';') {
        let mut words = statement.split_ascii_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next());
        // A trigger's body ends with a lone END, which is no statement.
        if is_one_of(first, &TRANSACTION) && !(first.eq_ignore_ascii_case("END") && second.is_none()) {
            return refuse("transactions are the object's business");
        }
        let mode = first.eq_ignore_ascii_case("PRAGMA") && statement.to_ascii_uppercase().contains("JOURNAL_MODE");
        if mode || is_one_of(first, &["ATTACH", "DETACH", "VACUUM"]) {
            return refuse("not authorized");
        }
    }
    Ok(())
}

const TRANSACTION: [&str; 6] = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "END"];

/// Every number is bound as a double. `None` for what is bound as it is.
pub(super) fn bound(value: &Value) -> Option<Value> {
    match value {
        Value::Integer(number) => Some(Value::Real(*number as f64)),
        _ => None,
    }
}

/// Every number comes back as a double, and a whole one is taken for an integer; the sign of zero stays, as it does there.
pub(super) fn returned(value: Value) -> Value {
    let number = match value {
        Value::Integer(number) => number as f64,
        Value::Real(number) => number,
        other => return other,
    };
    let negative_zero = number == 0.0 && number.is_sign_negative();
    if number.fract() == 0.0 && number.abs() <= EXACT && !negative_zero {
        Value::Integer(number as i64)
    } else {
        Value::Real(number)
    }
}
