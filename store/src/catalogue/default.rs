//! The constant that a column's DEFAULT clause stands for, if it is one.
//! It reads literals only; expressions have no constant, and the database evaluates them.
//! Called by the catalogue reader for each column.

use ebbtide_core::catalogue::Affinity;
use ebbtide_core::value::Value;

/// The value that an insert without the column stores; `None` for an expression. No clause means NULL.
pub(super) fn constant(clause: &str, affinity: Affinity) -> Option<Value> {
    let clause = strip_parentheses(clause.trim());
    if clause.is_empty() {
        return Some(Value::Null);
    }
    literal(clause).and_then(|value| converted(value, affinity))
}

fn strip_parentheses(clause: &str) -> &str {
    match clause.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) if !inner.contains(['(', ')']) => inner.trim(),
        _ => clause,
    }
}

fn literal(clause: &str) -> Option<Value> {
    match clause.to_ascii_uppercase().as_str() {
        "NULL" => return Some(Value::Null),
        "TRUE" => return Some(Value::Integer(1)),
        "FALSE" => return Some(Value::Integer(0)),
        _ => {}
    }
    if let Some(hex) = clause.strip_prefix(['x', 'X']).and_then(quoted('\'')) {
        return blob(&hex).map(Value::Blob);
    }
    if let Some(text) = quoted('\'')(clause).or_else(|| quoted('"')(clause)) {
        return Some(Value::Text(text));
    }
    number(clause)
}

/// The content of a literal in these quotes, with doubled ones undone.
fn quoted(quote: char) -> impl Fn(&str) -> Option<String> {
    move |clause| {
        let inner = clause.strip_prefix(quote)?.strip_suffix(quote)?;
        let doubled: String = [quote, quote].iter().collect();
        let lone = inner.replace(&doubled, "").contains(quote);
        (!lone).then(|| inner.replace(&doubled, &quote.to_string()))
    }
}

fn blob(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Rust's float syntax knows words such as "inf", so only digits and signs pass.
fn number(clause: &str) -> Option<Value> {
    if !clause.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E')) {
        return None;
    }
    clause.parse().map(Value::Integer).or_else(|_| clause.parse().map(Value::Real)).ok()
}

/// What SQLite makes of the literal when it stores it in a column of this affinity.
fn converted(value: Value, affinity: Affinity) -> Option<Value> {
    Some(match (affinity, value) {
        (Affinity::Text, Value::Integer(number)) => Value::Text(number.to_string()),
        // How SQLite prints a real is its own business.
        (Affinity::Text, Value::Real(_)) => return None,
        (Affinity::Real, Value::Integer(number)) => Value::Real(number as f64),
        (Affinity::Integer | Affinity::Numeric, Value::Real(number)) if exact(number) => Value::Integer(number as i64),
        (Affinity::Integer | Affinity::Numeric | Affinity::Real, Value::Text(text)) => match number(text.trim()) {
            Some(number) => return converted(number, affinity),
            None => Value::Text(text),
        },
        (_, value) => value,
    })
}

fn exact(number: f64) -> bool {
    number.abs() < 9_007_199_254_740_992.0 && number.fract() == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn st01_constant_defaults_are_read_as_sqlite_stores_them() {
        let cases = [
            ("", Affinity::Text, Some(Value::Null)),
            ("NULL", Affinity::Integer, Some(Value::Null)),
            ("0", Affinity::Integer, Some(Value::Integer(0))),
            ("-1", Affinity::Real, Some(Value::Real(-1.0))),
            ("'it''s'", Affinity::Text, Some(Value::Text("it's".into()))),
            ("''", Affinity::Text, Some(Value::Text("".into()))),
            ("5", Affinity::Text, Some(Value::Text("5".into()))),
            ("'5'", Affinity::Integer, Some(Value::Integer(5))),
            ("x'00ff'", Affinity::Blob, Some(Value::Blob(vec![0, 255]))),
            ("TRUE", Affinity::Integer, Some(Value::Integer(1))),
            ("(7)", Affinity::Integer, Some(Value::Integer(7))),
            ("uuidv7()", Affinity::Text, None),
            ("CURRENT_TIMESTAMP", Affinity::Text, None),
            ("1 + 1", Affinity::Integer, None),
            ("'a' || 'b'", Affinity::Text, None),
        ];
        for (clause, affinity, expected) in cases {
            assert_eq!(constant(clause, affinity), expected, "{clause}");
        }
    }
}
