//! SQLite's order of values: NULL, then numbers by their exact value, then text and blobs by their bytes.
//! Unlike `Value`'s own order it holds 1 and 1.0 equal. Used by `min` and `max`; collations are not its business.

use crate::value::Value;
use core::cmp::Ordering;

/// Compares as `ORDER BY` under BINARY collation does.
pub fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (Value::Integer(a), Value::Real(b)) => integer_and_real(*a, *b),
        (Value::Real(a), Value::Integer(b)) => integer_and_real(*b, *a).reverse(),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
        _ => class(a).cmp(&class(b)),
    }
}

fn class(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 1,
        Value::Text(_) => 2,
        Value::Blob(_) => 3,
    }
}

/// 2^63, the first real above every integer.
const ABOVE: f64 = 9_223_372_036_854_775_808.0;

/// Exact also where the integer has more digits than a real can hold.
fn integer_and_real(integer: i64, real: f64) -> Ordering {
    if real >= ABOVE {
        return Ordering::Less;
    }
    if real < -ABOVE {
        return Ordering::Greater;
    }
    let whole = real as i64;
    let rest = (whole as f64).partial_cmp(&real).unwrap_or(Ordering::Equal);
    integer.cmp(&whole).then(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;

    #[test]
    fn mg22_values_are_ordered_as_sqlite_orders_them() {
        let rising = [
            Value::Null,
            Value::Real(f64::NEG_INFINITY),
            Value::Integer(i64::MIN),
            Value::Real(-0.5),
            Value::Integer(0),
            Value::Real(0.5),
            Value::Integer(9_007_199_254_740_993),
            Value::Real(9_007_199_254_740_994.0),
            Value::Integer(i64::MAX),
            Value::Real(ABOVE),
            Value::Text(String::new()),
            Value::Text("a".into()),
            Value::Text("ä".into()),
            Value::Blob(vec![]),
            Value::Blob(vec![0]),
        ];
        for (at, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(compare(a, b), at.cmp(&other), "{a:?} {b:?}");
            }
        }
        assert_eq!(compare(&Value::Integer(1), &Value::Real(1.0)), Ordering::Equal);
        assert_eq!(compare(&Value::Real(-0.0), &Value::Real(0.0)), Ordering::Equal);
        assert_eq!(compare(&Value::Integer(i64::MIN), &Value::Real(-ABOVE)), Ordering::Equal);
    }
}
