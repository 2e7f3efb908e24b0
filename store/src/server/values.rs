//! How a value crosses a port that passes numbers as doubles: what is bound, under which placeholder, and how it is read back.
//! It knows affinities, no tables. Used wherever app values are written or read.

use super::fail;
use super::limits::EXACT_DOUBLE;
use super::text::join;
use crate::sql::SqlError;
use ebbtide_core::catalogue::Affinity;
use ebbtide_core::value::{Key, Value};

/// Where an integer would be stored as the double it crossed as. The plus takes the affinity of CAST away again,
/// which would make a comparison turn a column's text into numbers.
const CAST: &str = "+CAST(? AS INTEGER)";

/// The text that stands for a value in a statement.
pub(crate) fn placeholder(value: &Value, affinity: Affinity) -> &'static str {
    match (value, affinity) {
        (Value::Integer(_), Affinity::Blob | Affinity::Text) => CAST,
        _ => "?",
    }
}

/// What is bound for it.
///
/// Text that spells an integer becomes that integer under INTEGER and NUMERIC affinity and under CAST, exactly.
pub(crate) fn bound(value: &Value, affinity: Affinity) -> Value {
    match (value, affinity) {
        (Value::Integer(number), Affinity::Blob | Affinity::Text) => Value::Text(number.to_string()),
        (Value::Integer(number), Affinity::Real) => Value::Real(*number as f64),
        (Value::Integer(number), _) if !(-EXACT_DOUBLE..=EXACT_DOUBLE).contains(number) => {
            Value::Text(number.to_string())
        }
        _ => value.clone(),
    }
}

/// A key as one value, for the record of marks: text as it is, everything else packed.
/// A table with one text column as its key keeps text here; every other key is a blob, so the two never meet.
pub(crate) fn packed_key(key: &Key) -> Value {
    match key.0.as_slice() {
        [Value::Text(text)] => Value::Text(text.clone()),
        _ => Value::Blob(postcard::to_allocvec(key).expect("a vector takes any length")),
    }
}

/// Some columns of a SELECT, and how to read them exactly.
#[derive(Debug)]
pub(crate) struct Selection {
    /// The SELECT list; empty if there are no columns.
    pub(crate) sql: String,
    affinities: Vec<Affinity>,
    letters: bool,
}

impl Selection {
    /// Selects expressions (quoted column names) with their affinities.
    pub(crate) fn of<'a>(columns: impl Iterator<Item = (&'a str, Affinity)> + Clone) -> Self {
        let affinities: Vec<Affinity> = columns.clone().map(|(_, affinity)| affinity).collect();
        let mut parts: Vec<String> = columns.clone().map(|(sql, affinity)| exact(sql, affinity)).collect();
        let untyped = columns.filter(|(_, affinity)| *affinity == Affinity::Blob);
        let letters = join(untyped.map(|(sql, _)| format!("substr(typeof({sql}),1,1)")), "||");
        if !letters.is_empty() {
            parts.push(letters.clone());
        }
        Selection { sql: join(parts, ","), affinities, letters: !letters.is_empty() }
    }

    /// Takes this selection's cells off the front of a row.
    pub(crate) fn read(&self, cells: &mut impl Iterator<Item = Value>) -> Result<Vec<Value>, SqlError> {
        let raw: Vec<Value> = cells.take(self.affinities.len()).collect();
        let letters = match self.letters {
            true => text(cells.next())?,
            false => String::new(),
        };
        let mut letters = letters.bytes();
        let values = raw.into_iter().zip(&self.affinities).map(|(value, affinity)| match affinity {
            Affinity::Blob => by_letter(value, letters.next()),
            affinity => Ok(by_affinity(value, *affinity)),
        });
        let values = values.collect::<Result<Vec<_>, _>>()?;
        if values.len() == self.affinities.len() { Ok(values) } else { Err(fail::misuse("fewer cells than columns")) }
    }
}

/// A column such that an integer a double cannot hold comes as text.
fn exact(sql: &str, affinity: Affinity) -> String {
    match affinity {
        Affinity::Text | Affinity::Real => sql.to_owned(),
        _ => format!(
            "CASE WHEN typeof({sql})='integer' AND {sql} NOT BETWEEN -{EXACT_DOUBLE} AND {EXACT_DOUBLE} \
             THEN CAST({sql} AS TEXT) ELSE {sql} END"
        ),
    }
}

/// These affinities leave no doubt: text that spells an integer is never stored as text under INTEGER or NUMERIC,
/// a whole number never as a real; and under REAL never as an integer.
fn by_affinity(value: Value, affinity: Affinity) -> Value {
    match (value, affinity) {
        (Value::Integer(number), Affinity::Real) => Value::Real(number as f64),
        (Value::Text(text), Affinity::Integer | Affinity::Numeric) => match text.parse() {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Text(text),
        },
        (value, _) => value,
    }
}

fn by_letter(value: Value, letter: Option<u8>) -> Result<Value, SqlError> {
    let odd = || fail::misuse("a cell is not of its own type");
    Ok(match (letter, value) {
        (Some(b'n'), Value::Null) => Value::Null,
        (Some(b'i'), Value::Integer(number)) => Value::Integer(number),
        (Some(b'i'), Value::Real(number)) => Value::Integer(number as i64),
        (Some(b'i'), Value::Text(text)) => Value::Integer(text.parse().map_err(|_| odd())?),
        (Some(b'r'), Value::Integer(number)) => Value::Real(number as f64),
        (Some(b'r'), Value::Real(number)) => Value::Real(number),
        (Some(b't'), value @ Value::Text(_)) | (Some(b'b'), value @ Value::Blob(_)) => value,
        _ => return Err(odd()),
    })
}

/// A number out of one of our own columns, which never hold one beyond 2^53.
pub(crate) fn number(cell: Option<Value>) -> Result<u64, SqlError> {
    match cell {
        Some(Value::Integer(number)) => u64::try_from(number).map_err(|_| fail::corrupt("a negative number")),
        Some(Value::Real(number)) if number.fract() == 0.0 && number >= 0.0 => Ok(number as u64),
        _ => Err(fail::corrupt("not a number")),
    }
}

/// A number to be stored in one of our own columns.
pub(crate) fn stored(number: u64) -> Result<Value, SqlError> {
    match i64::try_from(number) {
        Ok(number) if number <= EXACT_DOUBLE => Ok(Value::Integer(number)),
        _ => Err(fail::misuse("a number beyond 2^53")),
    }
}

/// A text out of one of our own columns.
pub(crate) fn text(cell: Option<Value>) -> Result<String, SqlError> {
    match cell {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(fail::corrupt("not a text")),
    }
}

/// Bytes out of one of our own columns.
pub(crate) fn blob(cell: Option<Value>) -> Result<Vec<u8>, SqlError> {
    match cell {
        Some(Value::Blob(bytes)) => Ok(bytes),
        _ => Err(fail::corrupt("not a blob")),
    }
}

/// Bytes of a fixed length out of one of our own columns.
pub(crate) fn array<const N: usize>(cell: Option<Value>) -> Result<[u8; N], SqlError> {
    blob(cell)?.try_into().map_err(|_| fail::corrupt("a blob of another length"))
}
