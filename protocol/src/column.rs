//! A column of values: one per row of a group, of any types.
//! It finds out whether the column is constant, of one type, nullable or mixed, and leaves each type to its own file.
//! Used by `group` for keys and fields alike.

use crate::error::malformed;
use crate::input::Input;
use crate::limits::VALUE_CHARGE;
use crate::output::Output;
use crate::{integers, reals, scalar, texts};
use alloc::{vec, vec::Vec};
use ebbtide_core::error::Malformed;
use ebbtide_core::value::Value;

const CONSTANT: u8 = 0x00;
const PURE: u8 = 0x10;
const NULLABLE: u8 = 0x20;
const MIXED: u8 = 0x30;

/// The storage classes in the order in which a mixed column lists them. 5 is reserved for sealed values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Null = 0,
    Integer = 1,
    Real = 2,
    Text = 3,
    Blob = 4,
}

const CLASSES: [Class; 5] = [Class::Null, Class::Integer, Class::Real, Class::Text, Class::Blob];
const FULL_CLASSES: [Class; 4] = [Class::Integer, Class::Real, Class::Text, Class::Blob];
const SEALED: u8 = 5;

impl Class {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Class::Null,
            Value::Integer(_) => Class::Integer,
            Value::Real(_) => Class::Real,
            Value::Text(_) => Class::Text,
            Value::Blob(_) => Class::Blob,
        }
    }

    fn from_code(code: u8) -> Result<Self, Malformed> {
        match CLASSES.get(usize::from(code)) {
            Some(class) => Ok(*class),
            None if code == SEALED => malformed("a sealed value, which this build cannot read"),
            None => malformed("column: unknown class"),
        }
    }

    /// A class whose values have content.
    fn full_from_code(code: u8) -> Result<Self, Malformed> {
        match Self::from_code(code)? {
            Class::Null => malformed("column: no class"),
            class => Ok(class),
        }
    }
}

/// Writes one value per row; the number of rows is the reader's to know. A single row is a bare value.
pub(crate) fn write(out: &mut Output, values: &[&Value]) {
    let Some((first, rest)) = values.split_first() else { return };
    if rest.is_empty() {
        return scalar::write(out, first);
    }
    if rest.iter().all(|value| value == first) {
        out.byte(CONSTANT);
        return scalar::write(out, first);
    }
    let nulls = values.iter().filter(|value| Class::of(value) == Class::Null).count();
    let mut classes = FULL_CLASSES.into_iter().filter(|class| values.iter().any(|value| Class::of(value) == *class));
    match (classes.next(), classes.next()) {
        (Some(class), None) if nulls == 0 => {
            out.byte(PURE | class as u8);
            write_class(out, class, values);
        }
        (Some(class), None) => write_nullable(out, class, values),
        _ => write_mixed(out, values),
    }
}

fn write_nullable(out: &mut Output, class: Class, values: &[&Value]) {
    out.byte(NULLABLE | class as u8);
    let mask = values.chunks(8).map(|chunk| {
        let bit = |(position, value): (usize, &&Value)| u8::from(Class::of(value) != Class::Null) << position;
        chunk.iter().enumerate().map(bit).sum::<u8>()
    });
    mask.for_each(|byte| out.byte(byte));
    write_class(out, class, values);
}

fn write_mixed(out: &mut Output, values: &[&Value]) {
    out.byte(MIXED);
    values.iter().for_each(|value| out.byte(Class::of(value) as u8));
    FULL_CLASSES.into_iter().for_each(|class| write_class(out, class, values));
}

/// Writes the values of one class among others; nothing if there are none.
fn write_class(out: &mut Output, class: Class, values: &[&Value]) {
    let mut columns = Columns::default();
    values.iter().for_each(|value| columns.push(value));
    match class {
        Class::Null => {}
        Class::Integer => integers::write(out, &columns.integers),
        Class::Real if columns.reals.is_empty() => {}
        Class::Real => reals::write(out, &columns.reals),
        Class::Text if columns.texts.is_empty() => {}
        Class::Text => texts::write(out, &columns.texts),
        Class::Blob => texts::write_blobs(out, columns.blobs.iter().copied()),
    }
}

/// The values of a column by class.
#[derive(Default)]
struct Columns<'a> {
    integers: Vec<i64>,
    reals: Vec<f64>,
    texts: Vec<&'a str>,
    blobs: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, value: &'a Value) {
        match value {
            Value::Null => {}
            Value::Integer(number) => self.integers.push(*number),
            Value::Real(number) => self.reals.push(*number),
            Value::Text(text) => self.texts.push(text),
            Value::Blob(bytes) => self.blobs.push(bytes),
        }
    }
}

/// Reads one value per row.
pub(crate) fn read(input: &mut Input<'_>, rows: usize) -> Result<Vec<Value>, Malformed> {
    if rows == 1 {
        return Ok(vec![scalar::read(input)?]);
    }
    input.charge(rows, VALUE_CHARGE)?;
    let tag = input.byte()?;
    match tag & 0xf0 {
        CONSTANT if tag == CONSTANT => read_constant(input, rows),
        PURE => read_class(input, Class::full_from_code(tag & 0x0f)?, rows),
        NULLABLE => read_nullable(input, Class::full_from_code(tag & 0x0f)?, rows),
        MIXED if tag == MIXED => read_mixed(input, rows),
        _ => malformed("column: unknown encoding"),
    }
}

fn read_constant(input: &mut Input<'_>, rows: usize) -> Result<Vec<Value>, Malformed> {
    let value = scalar::read(input)?;
    input.charge(rows, value.size())?;
    Ok(vec![value; rows])
}

fn read_nullable(input: &mut Input<'_>, class: Class, rows: usize) -> Result<Vec<Value>, Malformed> {
    let mask = input.bytes(rows.div_ceil(8))?;
    let is_full = |row: usize| mask[row / 8] >> (row % 8) & 1 == 1;
    let count = (0..rows).filter(|&row| is_full(row)).count();
    let mut full = read_class(input, class, count)?.into_iter();
    Ok((0..rows).map(|row| if is_full(row) { full.next().unwrap_or_default() } else { Value::Null }).collect())
}

fn read_mixed(input: &mut Input<'_>, rows: usize) -> Result<Vec<Value>, Malformed> {
    let codes = input.bytes(rows)?;
    let classes = codes.iter().map(|&code| Class::from_code(code)).collect::<Result<Vec<_>, _>>()?;
    let mut values = vec![Value::Null; rows];
    for class in FULL_CLASSES {
        let count = classes.iter().filter(|&&other| other == class).count();
        let mut full = read_class(input, class, count)?.into_iter();
        let slots = values.iter_mut().zip(&classes).filter(|(_, other)| **other == class);
        slots.for_each(|(slot, _)| *slot = full.next().unwrap_or_default());
    }
    Ok(values)
}

fn read_class(input: &mut Input<'_>, class: Class, count: usize) -> Result<Vec<Value>, Malformed> {
    if count == 0 {
        return Ok(Vec::new());
    }
    match class {
        Class::Null => malformed("column: no class"),
        Class::Integer => Ok(integers::read(input, count)?.into_iter().map(Value::Integer).collect()),
        Class::Real => Ok(reals::read(input, count)?.into_iter().map(Value::Real).collect()),
        Class::Text => Ok(texts::read(input, count)?.into_iter().map(Value::Text).collect()),
        Class::Blob => {
            Ok(texts::read_blobs(input, count)?.into_iter().map(|blob| Value::Blob(blob.to_vec())).collect())
        }
    }
}
