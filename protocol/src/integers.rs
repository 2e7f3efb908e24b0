//! A column of integers: constant, a straight line, variable-length numbers or the steps between them.
//! It picks the shortest by length alone; what the numbers mean is known to the columns built of them.
//! Used by every kind of column, and for positions, stamps and lengths.

use crate::error::malformed;
use crate::input::Input;
use crate::output::{varint_len, zigzag, Output};
use alloc::{vec, vec::Vec};
use ebbtide_core::error::Malformed;

const CONSTANT: u8 = 0;
const LINE: u8 = 1;
const PLAIN: u8 = 2;
const STEPS: u8 = 3;

/// Writes a column; its length is the reader's to know. An empty column is no bytes.
pub(crate) fn write(out: &mut Output, numbers: &[i64]) {
    let Some((&first, rest)) = numbers.split_first() else { return };
    let step = rest.first().map_or(0, |second| second.wrapping_sub(first));
    if is_line(numbers, step) {
        write_line(out, first, step);
        return;
    }
    let plain: usize = numbers.iter().map(|&n| varint_len(zigzag(n))).sum();
    let stepped = varint_len(zigzag(first)) + steps(numbers).map(|n| varint_len(zigzag(n))).sum::<usize>();
    if stepped < plain {
        out.byte(STEPS);
        out.signed(first);
        steps(numbers).for_each(|n| out.signed(n));
    } else {
        out.byte(PLAIN);
        numbers.iter().for_each(|&n| out.signed(n));
    }
}

fn write_line(out: &mut Output, first: i64, step: i64) {
    out.byte(if step == 0 { CONSTANT } else { LINE });
    out.signed(first);
    if step != 0 {
        out.signed(step);
    }
}

fn is_line(numbers: &[i64], step: i64) -> bool {
    steps(numbers).all(|n| n == step)
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
        STEPS => {
            let first = input.signed()?;
            let steps = (1..count).map(|_| input.signed()).collect::<Result<Vec<_>, _>>()?;
            Ok(running_sum(first, steps.into_iter()))
        }
        _ => malformed("integers: unknown encoding"),
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
