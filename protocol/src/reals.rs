//! A column of doubles: as scaled decimals where that is exact to the bit, otherwise as their bytes, most telling byte apart.
//! Exactness is checked by computing back, so -0.0, infinities and every odd double survive.
//! Used by `column` and `scalar`.

use crate::error::malformed;
use crate::input::Input;
use crate::integers;
use crate::output::Output;
use alloc::{vec, vec::Vec};
use ebbtide_core::error::Malformed;

const BYTES: u8 = 0;
const DECIMALS: u8 = 1;

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Mantissas up to here are doubles exactly, so that one correctly rounded division gives the double back.
const MANTISSA_MAX: f64 = 9_007_199_254_740_992.0;

/// One exception in so many values is still cheaper than a column of bytes.
const EXCEPTION_SHARE: usize = 4;

/// Mantissa and scale of the shortest decimal that is this double exactly.
pub(crate) fn decimal(number: f64) -> Option<(i64, u8)> {
    (0..POWERS.len() as u8).find_map(|scale| scaled(number, scale).map(|mantissa| (mantissa, scale)))
}

/// The mantissa at a given scale, if it gives the double back bit for bit.
fn scaled(number: f64, scale: u8) -> Option<i64> {
    let product = number * POWERS[usize::from(scale)];
    if !(-MANTISSA_MAX..=MANTISSA_MAX).contains(&product) {
        return None;
    }
    let mantissa = (product + if product < 0.0 { -0.5 } else { 0.5 }) as i64;
    let back = mantissa as f64 / POWERS[usize::from(scale)];
    (back.to_bits() == number.to_bits()).then_some(mantissa)
}

/// The double of a mantissa and a scale.
pub(crate) fn from_decimal(mantissa: i64, scale: u8) -> Result<f64, Malformed> {
    let power = POWERS.get(usize::from(scale)).ok_or(Malformed { what: "decimal: scale out of range" })?;
    Ok(mantissa as f64 / power)
}

/// Writes a column; its length is the reader's to know.
pub(crate) fn write(out: &mut Output, numbers: &[f64]) {
    match as_decimals(numbers) {
        Some(decimals) => write_decimals(out, &decimals),
        None => write_bytes(out, numbers),
    }
}

/// A column of decimals at one scale, and what does not fit it.
struct Decimals {
    scale: u8,
    mantissas: Vec<i64>,
    exceptions: Vec<(usize, f64)>,
}

fn as_decimals(numbers: &[f64]) -> Option<Decimals> {
    let scale = numbers.iter().filter_map(|&n| decimal(n)).map(|(_, scale)| scale).max()?;
    let mut column = Decimals { scale, mantissas: Vec::with_capacity(numbers.len()), exceptions: Vec::new() };
    for (position, &number) in numbers.iter().enumerate() {
        let mantissa = scaled(number, scale);
        if mantissa.is_none() {
            column.exceptions.push((position, number));
        }
        column.mantissas.push(mantissa.unwrap_or_else(|| column.mantissas.last().copied().unwrap_or(0)));
    }
    (column.exceptions.len() * EXCEPTION_SHARE <= numbers.len()).then_some(column)
}

fn write_decimals(out: &mut Output, column: &Decimals) {
    out.byte(DECIMALS);
    out.byte(column.scale);
    integers::write(out, &column.mantissas);
    out.varint(column.exceptions.len() as u64);
    let positions: Vec<i64> = column.exceptions.iter().map(|(position, _)| *position as i64).collect();
    integers::write(out, &positions);
    column.exceptions.iter().for_each(|(_, number)| out.bytes(&number.to_le_bytes()));
}

/// Byte by byte over all values, highest last: sign and exponent of neighbours are alike, mantissas are not.
fn write_bytes(out: &mut Output, numbers: &[f64]) {
    out.byte(BYTES);
    for plane in 0..8 {
        numbers.iter().for_each(|number| out.byte(number.to_le_bytes()[plane]));
    }
}

/// Reads a column of `count` numbers.
pub(crate) fn read(input: &mut Input<'_>, count: usize) -> Result<Vec<f64>, Malformed> {
    match input.byte()? {
        DECIMALS => read_decimals(input, count),
        BYTES => read_bytes(input, count),
        _ => malformed("reals: unknown encoding"),
    }
}

fn read_decimals(input: &mut Input<'_>, count: usize) -> Result<Vec<f64>, Malformed> {
    let scale = input.byte()?;
    let mantissas = integers::read(input, count)?;
    let mut numbers = mantissas.into_iter().map(|m| from_decimal(m, scale)).collect::<Result<Vec<_>, _>>()?;
    let exceptions = input.count()?;
    for position in integers::read_lengths(input, exceptions)? {
        let slot = numbers.get_mut(position).ok_or(Malformed { what: "reals: exception out of range" })?;
        *slot = f64::from_le_bytes(input.array()?);
    }
    Ok(numbers)
}

fn read_bytes(input: &mut Input<'_>, count: usize) -> Result<Vec<f64>, Malformed> {
    input.charge(count, 8)?;
    let mut numbers = vec![[0; 8]; count];
    for plane in 0..8 {
        let bytes = input.bytes(count)?;
        numbers.iter_mut().zip(bytes).for_each(|(number, &byte)| number[plane] = byte);
    }
    Ok(numbers.into_iter().map(f64::from_le_bytes).collect())
}
