//! Wide numbers laid out byte by byte over all rows: the lowest bytes of all, then the next.
//! Planes that look random go to the noise, so that they neither cost deflate its time nor spoil its tables.
//! Used by `integers` and `reals`.

use crate::entropy::Histogram;
use crate::error::malformed;
use crate::input::Input;
use crate::output::Output;
use alloc::{vec, vec::Vec};
use ebbtide_core::error::Malformed;

const WIDTH_MAX: usize = 8;

/// Bytes that the widest of the numbers needs, at least one.
pub(crate) fn width(numbers: &[u64]) -> usize {
    let all = numbers.iter().fold(1, |all, number| all | number);
    WIDTH_MAX - all.leading_zeros() as usize / 8
}

/// About the size of the planes once packed.
pub(crate) fn estimate(numbers: &[u64]) -> u64 {
    (0..width(numbers)).map(|plane| histogram(numbers, plane)).map(|plane| plane.coded_bytes()).sum()
}

fn histogram(numbers: &[u64], plane: usize) -> Histogram {
    let mut histogram = Histogram::new();
    bytes(numbers, plane).for_each(|byte| histogram.add(byte));
    histogram
}

fn bytes(numbers: &[u64], plane: usize) -> impl Iterator<Item = u8> {
    numbers.iter().map(move |number| (number >> (8 * plane)) as u8)
}

/// Writes one byte for width and noise, then the planes. As the higher ones are never noisier, a count says which are.
pub(crate) fn write(out: &mut Output, numbers: &[u64]) {
    let width = width(numbers);
    let noisy = (0..width).take_while(|&plane| histogram(numbers, plane).is_noise()).count();
    out.byte((width << 4 | noisy) as u8);
    for plane in 0..width {
        match plane < noisy {
            true => out.noise(bytes(numbers, plane).collect()),
            false => bytes(numbers, plane).for_each(|byte| out.byte(byte)),
        }
    }
}

/// Reads `count` numbers, whose memory the caller has paid for.
pub(crate) fn read(input: &mut Input<'_>, count: usize) -> Result<Vec<u64>, Malformed> {
    let shape = input.byte()?;
    let (width, noisy) = (usize::from(shape >> 4), usize::from(shape & 0x0f));
    if !(1..=WIDTH_MAX).contains(&width) || noisy > width {
        return malformed("planes: unknown width");
    }
    let mut numbers = vec![0; count];
    for plane in 0..width {
        let bytes = if plane < noisy { input.noise(count)? } else { input.bytes(count)? };
        numbers.iter_mut().zip(bytes).for_each(|(number, &byte)| *number |= u64::from(byte) << (8 * plane));
    }
    Ok(numbers)
}
