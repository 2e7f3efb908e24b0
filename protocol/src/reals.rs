//! A column of doubles: as decimals with a scale each where that is exact to the bit, the rest as planes of their bytes.
//! Exactness is checked by computing back, so -0.0, infinities and every odd double survive.
//! Used by `column` and `scalar`.

use crate::input::Input;
use crate::output::Output;
use crate::{integers, planes};
use alloc::vec::Vec;
use ebbtide_core::error::Malformed;

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The scale of a double that is no decimal.
const NO_DECIMAL: u8 = POWERS.len() as u8;

/// Mantissas up to here are doubles exactly, so that one correctly rounded division gives the double back.
const MANTISSA_MAX: f64 = 9_007_199_254_740_992.0;

/// Mantissa and scale of the shortest decimal that is this double exactly.
pub(crate) fn decimal(number: f64) -> Option<(i64, u8)> {
    (0..NO_DECIMAL).find_map(|scale| scaled(number, scale).map(|mantissa| (mantissa, scale)))
}

/// As `decimal`, trying first the scale that a neighbour has.
fn decimal_near(number: f64, scale: u8) -> Option<(i64, u8)> {
    match (scale.checked_sub(1).and_then(|below| scaled(number, below)), scaled(number, scale)) {
        (None, Some(mantissa)) => Some((mantissa, scale)),
        _ => decimal(number),
    }
}

/// The mantissa at a given scale, if it gives the double back bit for bit.
fn scaled(number: f64, scale: u8) -> Option<i64> {
    let power = *POWERS.get(usize::from(scale))?;
    let product = number * power;
    if !(-MANTISSA_MAX..=MANTISSA_MAX).contains(&product) {
        return None;
    }
    let mantissa = (product + if product < 0.0 { -0.5 } else { 0.5 }) as i64;
    let back = mantissa as f64 / power;
    (back.to_bits() == number.to_bits()).then_some(mantissa)
}

/// The double of a mantissa and a scale.
pub(crate) fn from_decimal(mantissa: i64, scale: u8) -> Result<f64, Malformed> {
    let power = POWERS.get(usize::from(scale)).ok_or(Malformed { what: "decimal: scale out of range" })?;
    Ok(mantissa as f64 / power)
}

/// Writes a column, whose length is the reader's to know: the scale of every number, then the numbers of each scale together.
/// Measured values come with as many digits as their instrument had, so numbers of one scale resemble each other.
pub(crate) fn write(out: &mut Output, numbers: &[f64]) {
    let mut scales = Vec::with_capacity(numbers.len());
    let mut parts: [Vec<i64>; POWERS.len()] = [const { Vec::new() }; POWERS.len()];
    let mut odd = Vec::new();
    let mut last = 0;
    for &number in numbers {
        let scale = match decimal_near(number, last) {
            Some((mantissa, scale)) => {
                parts[usize::from(scale)].push(mantissa);
                last = scale;
                scale
            }
            None => {
                odd.push(number.to_bits());
                NO_DECIMAL
            }
        };
        scales.push(i64::from(scale));
    }
    integers::write(out, &scales);
    parts.iter().for_each(|mantissas| integers::write(out, mantissas));
    if !odd.is_empty() {
        planes::write(out, &odd);
    }
}

/// Reads a column of `count` numbers.
pub(crate) fn read(input: &mut Input<'_>, count: usize) -> Result<Vec<f64>, Malformed> {
    let scales = integers::read_lengths(input, count)?;
    if scales.iter().any(|&scale| scale > usize::from(NO_DECIMAL)) {
        return Err(Malformed { what: "reals: scale out of range" });
    }
    let mut parts = Vec::with_capacity(POWERS.len() + 1);
    for scale in 0..=NO_DECIMAL {
        let length = scales.iter().filter(|&&other| other == usize::from(scale)).count();
        parts.push(read_part(input, scale, length)?.into_iter());
    }
    let mut next = |scale: usize| parts[scale].next().ok_or(Malformed { what: "reals: too few numbers" });
    scales.into_iter().map(&mut next).collect()
}

fn read_part(input: &mut Input<'_>, scale: u8, count: usize) -> Result<Vec<f64>, Malformed> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if scale == NO_DECIMAL {
        input.charge(count, size_of::<u64>())?;
        return Ok(planes::read(input, count)?.into_iter().map(f64::from_bits).collect());
    }
    integers::read(input, count)?.into_iter().map(|mantissa| from_decimal(mantissa, scale)).collect()
}
