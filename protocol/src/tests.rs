//! Columns of any numbers and texts, long enough for every form, come back bit for bit.
//! They are reached from inside, where proptest can shrink the column itself.
//! Built for tests only.

use crate::entropy::Histogram;
use crate::input::Input;
use crate::output::Output;
use crate::{column, integers, reals, texts, uuid};
use alloc::{string::String, vec::Vec};
use ebbtide_core::value::Value;
use proptest::collection::vec;
use proptest::prelude::*;

/// Packs, unpacks, and requires both streams to be used up; once with the noise apart, once at the end of the main stream.
fn there_and_back<T>(write: impl Fn(&mut Output), read: impl Fn(&mut Input<'_>) -> T) -> [T; 2] {
    let mut out = Output::default();
    write(&mut out);
    let (mut main, noise) = out.finish();
    let mut split = Input::split(&main, &noise);
    let first = read(&mut split);
    split.finish().expect("all is read");
    main.extend(noise);
    let mut plain = Input::plain(&main);
    let second = read(&mut plain);
    plain.finish().expect("all is read");
    [first, second]
}

fn narrow(bits: u32, number: i64) -> i64 {
    number >> bits
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wp10_integers_come_back(bits in 0_u32..64, numbers in vec(any::<i64>(), 1..400)) {
        let numbers: Vec<i64> = numbers.into_iter().map(|number| narrow(bits, number)).collect();
        for back in there_and_back(|out| integers::write(out, &numbers), |input| integers::read(input, numbers.len())) {
            prop_assert_eq!(back.as_ref(), Ok(&numbers));
        }
    }

    #[test]
    fn wp10_rising_integers_come_back(first in any::<i64>(), steps in vec(any::<u16>(), 0..400)) {
        let sums = steps.iter().scan(first, |sum, step| { *sum = sum.wrapping_add(i64::from(*step)); Some(*sum) });
        let numbers: Vec<i64> = core::iter::once(first).chain(sums).collect();
        for back in there_and_back(|out| integers::write(out, &numbers), |input| integers::read(input, numbers.len())) {
            prop_assert_eq!(back.as_ref(), Ok(&numbers));
        }
    }

    #[test]
    fn wp10_reals_come_back_bit_for_bit(
        numbers in vec(prop_oneof![any::<u64>().prop_map(f64::from_bits), (any::<i32>(), 0_i32..12).prop_map(|(m, s)| f64::from(m) / 10_f64.powi(s))], 1..300),
    ) {
        let bits: Vec<u64> = numbers.iter().map(|number| number.to_bits()).collect();
        for back in there_and_back(|out| reals::write(out, &numbers), |input| reals::read(input, numbers.len())) {
            let back: Vec<u64> = back.expect("a written column reads").iter().map(|number| number.to_bits()).collect();
            prop_assert_eq!(&back, &bits);
        }
    }

    #[test]
    fn wp10_a_decimal_is_exact(number in any::<u64>().prop_map(f64::from_bits)) {
        if let Some((mantissa, scale)) = reals::decimal(number) {
            prop_assert_eq!(reals::from_decimal(mantissa, scale).map(f64::to_bits), Ok(number.to_bits()));
        }
    }

    #[test]
    fn wp10_texts_come_back(strings in vec(prop_oneof![any::<String>(), "[a-c]{0,2}", "\\PC{0,40}"], 1..200)) {
        let borrowed: Vec<&str> = strings.iter().map(String::as_str).collect();
        for back in there_and_back(|out| texts::write(out, &borrowed), |input| texts::read(input, strings.len())) {
            prop_assert_eq!(back.as_ref(), Ok(&strings));
        }
    }

    #[test]
    fn wp10_uuids_come_back(numbers in vec(any::<u128>(), 2..90), seven in any::<bool>()) {
        let number = |number: u128| if seven { uuid::join_v7((number >> 80) as u64, number) } else { number };
        let strings: Vec<String> = numbers.into_iter().map(number).map(uuid::format).collect();
        let borrowed: Vec<&str> = strings.iter().map(String::as_str).collect();
        for back in there_and_back(|out| texts::write(out, &borrowed), |input| texts::read(input, strings.len())) {
            prop_assert_eq!(back.as_ref(), Ok(&strings));
        }
    }

    #[test]
    fn wp10_a_uuid_is_taken_for_one_only_in_its_canonical_form(text in "[0-9a-fA-F-]{36}|[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}") {
        if let Some(number) = uuid::parse(&text) {
            prop_assert_eq!(uuid::format(number), text);
        }
    }

    #[test]
    fn wp10_mixed_columns_come_back(values in vec(any_value(), 1..120)) {
        let borrowed: Vec<&Value> = values.iter().collect();
        for back in there_and_back(|out| column::write(out, &borrowed), |input| column::read(input, values.len())) {
            prop_assert_eq!(back.as_ref(), Ok(&values));
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (0_u32..64, any::<i64>()).prop_map(|(bits, number)| Value::Integer(narrow(bits, number))),
        any::<u64>().prop_map(|bits| Value::Real(f64::from_bits(bits))),
        any::<String>().prop_map(Value::Text),
        vec(any::<u8>(), 0..100).prop_map(Value::Blob),
    ]
}

#[test]
fn wp06_estimates_tell_noise_from_structure() {
    let fill = |bytes: &mut dyn Iterator<Item = u8>| {
        let mut histogram = Histogram::new();
        bytes.for_each(|byte| histogram.add(byte));
        histogram
    };
    let even = fill(&mut (0..2_560).map(|n| n as u8));
    let skewed = fill(&mut (0..2_560).map(|n| (n % 16) as u8));
    assert!(even.is_noise() && !skewed.is_noise());
    assert_eq!((even.coded_bytes(), skewed.coded_bytes()), (2_560, 1_280));
}
