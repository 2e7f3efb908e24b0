//! Values between JavaScript and SQLite as one block of bytes a call: crossing once beats building objects cell by cell.
//! It knows five kinds of values and nothing of statements. The other end is `npm/src/cells.ts`; both follow its table.
//! `client.rs` reads parameters and writes results with it.

use crate::error::{ClientError, Result};
use ebbtide_core::value::Value;
use rusqlite::types::ValueRef;

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;
const SMALL: u8 = 5;

/// Reads what the page encoded: rows of parameters, all of one width.
pub struct Parameters<'a> {
    bytes: &'a [u8],
    width: usize,
    rows: usize,
}

impl<'a> Parameters<'a> {
    /// Reads the header: rows, then values in each.
    pub fn new(mut bytes: &'a [u8]) -> Result<Self> {
        let rows = u32::from_le_bytes(take(&mut bytes)?) as usize;
        let width = u32::from_le_bytes(take(&mut bytes)?) as usize;
        // Every value takes at least a byte, so no header can announce more than there is.
        if rows.saturating_mul(width) > bytes.len() {
            return Err(malformed());
        }
        Ok(Self { bytes, width, rows })
    }

    /// How many rows are left.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The next row, into `row`; its former content goes.
    pub fn next_into(&mut self, row: &mut Vec<Value>) -> Result<()> {
        row.clear();
        for _ in 0..self.width {
            row.push(value(&mut self.bytes)?);
        }
        self.rows = self.rows.saturating_sub(1);
        Ok(())
    }

    /// The only row of a single statement.
    pub fn single(bytes: &'a [u8]) -> Result<Vec<Value>> {
        let mut parameters = Self::new(bytes)?;
        let mut row = Vec::with_capacity(parameters.width);
        parameters.next_into(&mut row)?;
        Ok(row)
    }
}

fn value(bytes: &mut &[u8]) -> Result<Value> {
    let [tag] = take(bytes)?;
    Ok(match tag {
        NULL => Value::Null,
        SMALL => Value::Integer(i64::from(i32::from_le_bytes(take(bytes)?))),
        INTEGER => Value::Integer(i64::from_le_bytes(take(bytes)?)),
        REAL => Value::Real(f64::from_le_bytes(take(bytes)?)),
        TEXT => Value::Text(core::str::from_utf8(run(bytes)?).map_err(|_| malformed())?.to_owned()),
        BLOB => Value::Blob(run(bytes)?.to_vec()),
        _ => return Err(malformed()),
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or_else(malformed)?;
    *bytes = rest;
    Ok(*head)
}

fn run<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = u32::from_le_bytes(take(bytes)?) as usize;
    let (head, rest) = bytes.split_at_checked(length).ok_or_else(malformed)?;
    *bytes = rest;
    Ok(head)
}

fn malformed() -> ClientError {
    ClientError::permanent("internal_error", "parameters came in bytes that the page's own encoder does not make")
}

/// Collects a result: counts, then cells row by row, then all text in one run, so that the page decodes text once.
#[derive(Default)]
pub struct Rows {
    cells: Vec<u8>,
    text: Vec<u8>,
    columns: u32,
    rows: u32,
}

impl Rows {
    /// Starts a result whose columns have these names.
    pub fn name_columns(&mut self, names: &[&str]) {
        self.columns = names.len() as u32;
        names.iter().for_each(|name| self.put_text(name));
    }

    /// How many columns it has.
    pub fn width(&self) -> usize {
        self.columns as usize
    }

    /// Adds one value; the caller adds whole rows.
    pub fn cell(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.cells.push(NULL),
            ValueRef::Integer(number) => self.put_integer(number),
            ValueRef::Real(number) => self.put(REAL, &number.to_le_bytes()),
            ValueRef::Text(text) => {
                self.cells.push(TEXT);
                // Text made by a CAST of bytes need not be UTF-8; it is shown with replacement characters.
                self.put_text(&String::from_utf8_lossy(text));
            }
            ValueRef::Blob(bytes) => {
                self.put(BLOB, &(bytes.len() as u32).to_le_bytes());
                self.cells.extend_from_slice(bytes);
            }
        }
    }

    /// Ends a row.
    pub fn end_row(&mut self) {
        self.rows += 1;
    }

    /// The whole: three counts, the cells, the text.
    pub fn finish(self) -> Vec<u8> {
        let counts = [self.columns, self.rows, self.text.len() as u32];
        let mut bytes = Vec::with_capacity(12 + self.cells.len() + self.text.len());
        counts.iter().for_each(|count| bytes.extend_from_slice(&count.to_le_bytes()));
        bytes.extend_from_slice(&self.cells);
        bytes.extend_from_slice(&self.text);
        bytes
    }

    fn put(&mut self, tag: u8, bytes: &[u8]) {
        self.cells.push(tag);
        self.cells.extend_from_slice(bytes);
    }

    fn put_integer(&mut self, number: i64) {
        match i32::try_from(number) {
            Ok(small) => self.put(SMALL, &small.to_le_bytes()),
            Err(_) => self.put(INTEGER, &number.to_le_bytes()),
        }
    }

    /// The length is in UTF-16 units, by which JavaScript cuts the decoded run.
    fn put_text(&mut self, text: &str) {
        let units = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
        self.cells.extend_from_slice(&(units as u32).to_le_bytes());
        self.text.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn js11_every_kind_of_parameter_is_read() {
        let mut bytes = [1u32.to_le_bytes(), 6u32.to_le_bytes()].concat();
        bytes.push(NULL);
        bytes.push(SMALL);
        bytes.extend(7i32.to_le_bytes());
        bytes.push(INTEGER);
        bytes.extend(i64::MIN.to_le_bytes());
        bytes.push(REAL);
        bytes.extend((-0.0f64).to_le_bytes());
        bytes.extend([TEXT, 2, 0, 0, 0, b'h', 0]);
        bytes.extend([BLOB, 0, 0, 0, 0]);
        let expected = vec![
            Value::Null,
            Value::Integer(7),
            Value::Integer(i64::MIN),
            Value::Real(-0.0),
            Value::Text("h\0".into()),
            Value::Blob(Vec::new()),
        ];
        assert_eq!(Parameters::single(&bytes).unwrap(), expected);
    }

    #[test]
    fn js11_truncated_or_boastful_parameters_are_refused() {
        let whole = [&1u32.to_le_bytes()[..], &1u32.to_le_bytes(), &[TEXT, 3, 0, 0, 0, b'a', b'b', b'c']].concat();
        assert!(Parameters::single(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(Parameters::single(&whole[..length]).is_err(), "{length}");
        }
        let boastful = [u32::MAX.to_le_bytes(), u32::MAX.to_le_bytes()].concat();
        assert!(Parameters::new(&boastful).is_err());
    }

    #[test]
    fn js11_text_is_counted_as_javascript_counts() {
        let mut rows = Rows::default();
        rows.name_columns(&["é"]);
        rows.cell(ValueRef::Text("a😀".as_bytes()));
        rows.end_row();
        let bytes = rows.finish();
        assert_eq!(bytes[12..16], 1u32.to_le_bytes());
        assert_eq!(bytes[17..21], 3u32.to_le_bytes());
    }
}
