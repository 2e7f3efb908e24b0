//! A column of integers: a straight line, variable-length numbers, planes of bytes, or one of these over the steps between them.
//! It picks by length, and for many numbers by what deflate will make of them; what they mean is not its business.
//! Used by every kind of column, and for positions, stamps and lengths.

use crate::entropy::Histogram;
use crate::error::malformed;
use crate::input::{Input, unzigzag};
use crate::output::{Output, varint_len, zigzag};
use crate::planes;
use alloc::{vec, vec::Vec};
use ebbtide_core::error::Malformed;

const CONSTANT: u8 = 0;
const LINE: u8 = 1;
const PLAIN: u8 = 2;
const PLAIN_STEPS: u8 = 3;
const PLANES: u8 = 4;
const PLANES_STEPS: u8 = 5;

/// Below this many numbers nothing is deflated as estimated, and plain lengths decide.
const ESTIMATE_FROM: usize = 32;

/// Writes a column; its length is the reader's to know. An empty column is no bytes.
pub(crate) fn write(out: &mut Output, numbers: &[i64]) {
    let Some((&first, rest)) = numbers.split_first() else { return };
    let step = rest.first().map_or(0, |second| second.wrapping_sub(first));
    if steps(numbers).all(|n| n == step) {
        return write_line(out, first, step);
    }
    let plain: Vec<u64> = numbers.iter().map(|&n| zigzag(n)).collect();
    let stepped: Vec<u64> = core::iter::once(plain[0]).chain(steps(numbers).map(zigzag)).collect();
    match numbers.len() < ESTIMATE_FROM {
        true if length(&stepped) < length(&plain) => write_plain(out, PLAIN_STEPS, &stepped),
        true => write_plain(out, PLAIN, &plain),
        false => write_estimated(out, numbers, &plain, &stepped),
    }
}

fn write_line(out: &mut Output, first: i64, step: i64) {
    out.byte(if step == 0 { CONSTANT } else { LINE });
    out.signed(first);
    if step != 0 {
        out.signed(step);
    }
}

/// Of equals the simpler form is taken.
fn write_estimated(out: &mut Output, numbers: &[i64], plain: &[u64], stepped: &[u64]) {
    let lowest = numbers.iter().copied().min().unwrap_or(0);
    let above: Vec<u64> = numbers.iter().map(|&n| n.wrapping_sub(lowest) as u64).collect();
    let costs = [
        (estimate(plain), PLAIN),
        (estimate(stepped), PLAIN_STEPS),
        (planes::estimate(&above), PLANES),
        (planes::estimate(&stepped[1..]), PLANES_STEPS),
    ];
    match costs.into_iter().min().map(|(_, form)| form) {
        Some(PLANES) => {
            out.byte(PLANES);
            out.signed(lowest);
            planes::write(out, &above);
        }
        Some(PLANES_STEPS) => {
            out.byte(PLANES_STEPS);
            out.varint(stepped[0]);
            planes::write(out, &stepped[1..]);
        }
        Some(PLAIN_STEPS) => write_plain(out, PLAIN_STEPS, stepped),
        _ => write_plain(out, PLAIN, plain),
    }
}

fn write_plain(out: &mut Output, form: u8, numbers: &[u64]) {
    out.byte(form);
    numbers.iter().for_each(|&n| out.varint(n));
}

fn length(numbers: &[u64]) -> usize {
    numbers.iter().map(|&n| varint_len(n)).sum()
}

/// About the size of the numbers as varints once packed.
fn estimate(numbers: &[u64]) -> u64 {
    let mut histogram = Histogram::new();
    for &number in numbers {
        let last = varint_len(number) - 1;
        (0..last).for_each(|byte| histogram.add((number >> (7 * byte)) as u8 | 0x80));
        histogram.add((number >> (7 * last)) as u8 & 0x7f);
    }
    histogram.coded_bytes()
}

fn steps(numbers: &[i64]) -> impl Iterator<Item = i64> {
    numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]))
}

/// Reads a column of `count` numbers.
pub(crate) fn read(input: &mut Input<'_>, count: usize) -> Result<Vec<i64>, Malformed> {
    if count == 0 {
        return Ok(Vec::new());
    }
    input.charge(count, size_of::<i64>())?;
    match input.byte()? {
        CONSTANT => Ok(vec![input.signed()?; count]),
        LINE => {
            let first = input.signed()?;
            let step = input.signed()?;
            Ok(running_sum(first, core::iter::repeat_n(step, count - 1)))
        }
        PLAIN => (0..count).map(|_| input.signed()).collect(),
        PLAIN_STEPS => {
            let first = input.signed()?;
            let steps = (1..count).map(|_| input.signed()).collect::<Result<Vec<_>, _>>()?;
            Ok(running_sum(first, steps.into_iter()))
        }
        PLANES => {
            let lowest = input.signed()?;
            Ok(planes::read(input, count)?.into_iter().map(|n| lowest.wrapping_add(n as i64)).collect())
        }
        PLANES_STEPS => {
            let first = input.signed()?;
            Ok(running_sum(first, planes::read(input, count - 1)?.into_iter().map(unzigzag)))
        }
        _ => malformed("integers: unknown form"),
    }
}

fn running_sum(first: i64, steps: impl Iterator<Item = i64>) -> Vec<i64> {
    let sums = steps.scan(first, |last, step| {
        *last = last.wrapping_add(step);
        Some(*last)
    });
    core::iter::once(first).chain(sums).collect()
}

/// Lengths, counts and positions: numbers that must be small and not negative.
pub(crate) fn read_lengths(input: &mut Input<'_>, count: usize) -> Result<Vec<usize>, Malformed> {
    let numbers = read(input, count)?;
    let narrow = |n: i64| u32::try_from(n).map(|n| n as usize).or(malformed("length out of range"));
    numbers.into_iter().map(narrow).collect()
}
