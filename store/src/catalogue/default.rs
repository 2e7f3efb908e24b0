//! The constant that a column's DEFAULT clause stands for, if it is one.
//! It reads literals only; expressions have no constant, and the database evaluates them.
//! Called by the catalogue reader for each column.

use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::Affinity;
use ebbtide_core::value::Value;

/// What turns the text of a number into the number. Rust's own way brings 10 kB of tables that do not compress.
type ReadReal<'a> = dyn FnMut(&str) -> Result<f64, SqlError> + 'a;

/// Has the database read a number.
pub(super) fn read_real(sql: &mut impl Sql, text: &str) -> Result<f64, SqlError> {
    let rows = sql.query("SELECT CAST(? AS REAL)", &[Value::Text(text.into())])?;
    Ok(match rows.first().and_then(|row| row.first()) {
        Some(Value::Real(number)) => *number,
        // Where numbers cross as doubles, a whole one looks like an integer.
        Some(Value::Integer(number)) => *number as f64,
        _ => unreachable!("SQLite casts every text to a real"),
    })
}

/// The value that an insert without the column stores; `None` for an expression. No clause means NULL.
pub(super) fn constant(clause: &str, affinity: Affinity, real: &mut ReadReal<'_>) -> Result<Option<Value>, SqlError> {
    let clause = strip_parentheses(clause.trim());
    if clause.is_empty() {
        return Ok(Some(Value::Null));
    }
    match literal(clause, real)? {
        Some(value) => converted(value, affinity, real),
        None => Ok(None),
    }
}

fn strip_parentheses(clause: &str) -> &str {
    match clause.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) if !inner.contains(['(', ')']) => inner.trim(),
        _ => clause,
    }
}

fn literal(clause: &str, real: &mut ReadReal<'_>) -> Result<Option<Value>, SqlError> {
    match clause.to_ascii_uppercase().as_str() {
        "NULL" => return Ok(Some(Value::Null)),
        "TRUE" => return Ok(Some(Value::Integer(1))),
        "FALSE" => return Ok(Some(Value::Integer(0))),
        _ => {}
    }
    if let Some(hex) = clause.strip_prefix(['x', 'X']).and_then(quoted('\'')) {
        return Ok(blob(&hex).map(Value::Blob));
    }
    if let Some(text) = quoted('\'')(clause).or_else(|| quoted('"')(clause)) {
        return Ok(Some(Value::Text(text)));
    }
    number(clause, real)
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

fn number(clause: &str, real: &mut ReadReal<'_>) -> Result<Option<Value>, SqlError> {
    if !is_number(clause) {
        return Ok(None);
    }
    Ok(Some(match clause.parse() {
        Ok(integer) => Value::Integer(integer),
        Err(_) => Value::Real(real(clause)?),
    }))
}

/// Digits with at most one point, a sign before them, an exponent behind.
fn is_number(clause: &str) -> bool {
    let unsigned = |text: &str| text.strip_prefix(['+', '-']).unwrap_or(text).to_owned();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match clause.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, unsigned(exponent)),
        None => (clause, "0".to_owned()),
    };
    digits(&unsigned(mantissa).replacen('.', "", 1)) && digits(&exponent)
}

/// What SQLite makes of the literal when it stores it in a column of this affinity.
fn converted(value: Value, affinity: Affinity, real: &mut ReadReal<'_>) -> Result<Option<Value>, SqlError> {
    Ok(Some(match (affinity, value) {
        (Affinity::Text, Value::Integer(number)) => Value::Text(number.to_string()),
        // How SQLite prints a real is its own business.
        (Affinity::Text, Value::Real(_)) => return Ok(None),
        (Affinity::Real, Value::Integer(number)) => Value::Real(number as f64),
        (Affinity::Integer | Affinity::Numeric, Value::Real(number)) if exact(number) => Value::Integer(number as i64),
        (Affinity::Integer | Affinity::Numeric | Affinity::Real, Value::Text(text)) => match number(text.trim(), real)?
        {
            Some(number) => return converted(number, affinity, real),
            None => Value::Text(text),
        },
        (_, value) => value,
    }))
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
            ("1.5e-3", Affinity::Real, Some(Value::Real(0.0015))),
            (".5", Affinity::Numeric, Some(Value::Real(0.5))),
            ("'2.'", Affinity::Integer, Some(Value::Integer(2))),
            ("'1e'", Affinity::Numeric, Some(Value::Text("1e".into()))),
            ("'.'", Affinity::Numeric, Some(Value::Text(".".into()))),
            ("99999999999999999999", Affinity::Numeric, Some(Value::Real(1e20))),
        ];
        let mut real = |text: &str| Ok(text.parse().unwrap());
        for (clause, affinity, expected) in cases {
            assert_eq!(constant(clause, affinity, &mut real).unwrap(), expected, "{clause}");
        }
    }
}
