//! Whether what a device sends is what its columns store: SQLite would convert other values, and space and devices would differ.
//! It knows affinities and sizes. What a STRICT column or a CHECK refuses besides, the database says itself.
//! Called by `decide` for each transaction, before it is merged and before it is written.

use super::drafts::Drafts;
use super::store::Violation;
use crate::catalogue::{Affinity, Catalogue, Column, Strategy, Table};
use crate::change::{Change, Mutation};
use crate::commit::Reason;
use crate::ids::ColumnId;
use crate::limits::ROW_BYTES;
use crate::value::{Value, equals_an_integer};
use alloc::format;

/// The first value that its column would not store as it is.
pub(super) fn misfit(changes: &[Change], catalogue: &Catalogue) -> Option<Violation> {
    changes.iter().find_map(|change| {
        let table = catalogue.table(change.row.table)?;
        let mut keys = table.key.iter().copied().zip(&change.row.key.0);
        let key = keys.find(|(column, value)| !names_a_row(table, *column, value));
        let field = match &change.mutation {
            Mutation::Insert(values) => {
                let mut fields = table.fields().map(|(column, _)| column).zip(values);
                fields.find(|(column, value)| !stands(table, *column, value))
            }
            Mutation::Update(fields) => {
                let mut fields = fields.iter().map(|field| (field.column, &field.value));
                fields.find(|(column, value)| {
                    !is_operation(table.strategy(*column), value) && !stands(table, *column, value)
                })
            }
            Mutation::Delete => None,
        };
        let (column, value) = key.or(field)?;
        let name = &table.columns.get(usize::from(column.0))?.name;
        let detail = format!("{}.{name}: {} is not what the column stores", table.name, described(value));
        Some(Violation { reason: Reason::Schema, detail })
    })
}

/// The first row that would be larger than a space can keep.
pub(super) fn oversized(drafts: &Drafts, catalogue: &Catalogue) -> Option<Violation> {
    let size = |value: &Value| value.size();
    drafts.iter().filter(|draft| draft.is_written()).find_map(|draft| {
        let bytes: usize = draft.row().key.0.iter().chain(draft.values()?).map(size).sum();
        let table = catalogue.table(draft.row().table).filter(|_| bytes > ROW_BYTES)?;
        let detail = format!("{}: a row of {bytes} bytes; a space keeps rows of up to {ROW_BYTES}", table.name);
        Some(Violation { reason: Reason::Limit, detail })
    })
}

/// Whether a key with this part is one row's to SQLite as it is here, where no two values are equal.
fn names_a_row(table: &Table, column: ColumnId, value: &Value) -> bool {
    let ambiguous = matches!(value, Value::Real(number) if equals_an_integer(*number));
    let untyped = table.columns.get(usize::from(column.0)).is_some_and(|column| column.affinity == Affinity::Blob);
    *value != Value::Null && !(untyped && ambiguous) && stands(table, column, value)
}

fn stands(table: &Table, column: ColumnId, value: &Value) -> bool {
    let column: Option<&Column> = table.columns.get(usize::from(column.0));
    column.is_some_and(|column| is_stored_as_it_is(column.affinity, value))
}

/// What was done to a value; what comes of it is the strategy's, which makes what the column stores.
fn is_operation(strategy: Strategy, value: &Value) -> bool {
    strategy == Strategy::Sum || matches!(strategy, Strategy::Set | Strategy::Text) && matches!(value, Value::Blob(_))
}

fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Integer(_) => "an integer",
        Value::Real(_) => "this real number",
        Value::Text(_) => "this text",
        Value::Blob(_) => "a blob",
    }
}

/// Whether SQLite stores a value in a column of this affinity bit for bit, type included.
pub fn is_stored_as_it_is(affinity: Affinity, value: &Value) -> bool {
    match (affinity, value) {
        // SQLite has no NaN: it stores NULL.
        (_, Value::Real(number)) if number.is_nan() => false,
        (Affinity::Blob, _) | (_, Value::Null | Value::Blob(_)) => true,
        (Affinity::Text, value) => matches!(value, Value::Text(_)),
        (Affinity::Real, Value::Integer(_)) => false,
        // It keeps whole numbers there as integers, which have one zero.
        (Affinity::Real, Value::Real(number)) => *number != 0.0 || number.is_sign_positive(),
        (Affinity::Integer | Affinity::Numeric, Value::Integer(_)) => true,
        (Affinity::Integer | Affinity::Numeric, Value::Real(number)) => !becomes_an_integer(*number),
        (_, Value::Text(text)) => !is_a_number(text.as_bytes()),
    }
}

/// A cast saturates, and SQLite converts neither of the ends.
fn becomes_an_integer(number: f64) -> bool {
    let whole = number as i64;
    whole as f64 == number && whole != i64::MIN && whole != i64::MAX
}

/// Whether SQLite reads the whole of a text as a number: spaces, a sign, digits with a point, an exponent, spaces. What follows a NUL it may
/// not look at.
fn is_a_number(text: &[u8]) -> bool {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = trimmed(text);
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let (whole, rest) = digits(unsigned);
    let (fraction, rest) = rest.strip_prefix(b".").map_or((0, rest), digits);
    if whole + fraction == 0 {
        return false;
    }
    let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else { return rest.is_empty() };
    let exponent = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
    let (count, rest) = digits(exponent);
    count > 0 && rest.is_empty()
}

fn trimmed(mut text: &[u8]) -> &[u8] {
    // A vertical tab is a space to SQLite.
    let space = |byte: &u8| *byte == 0x0b || byte.is_ascii_whitespace();
    while let Some((_, rest)) = text.split_first().filter(|(first, _)| space(first)) {
        text = rest;
    }
    while let Some((_, rest)) = text.split_last().filter(|(last, _)| space(last)) {
        text = rest;
    }
    text
}

fn digits(text: &[u8]) -> (usize, &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, &text[count..])
}
