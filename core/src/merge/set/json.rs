//! The elements of a JSON array, each as it was written and in a canonical form that tells whether two are the same.
//! Objects are the same whatever the order of their keys, numbers by their exact value, strings by their characters; no number passes
//! through a double. It reads strictly, in bounded depth, and knows nothing of sets.

use crate::json::{Number, Reader};
use crate::limits::JSON_DEPTH;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One element of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// As it stands in the text, without blanks around it.
    pub source: String,
    /// What it is.
    pub canonical: String,
}

/// The elements of an array; `None` for anything else.
pub fn elements(text: &str) -> Option<Vec<Element>> {
    let mut reader = Reader::new(text);
    let mut elements = Vec::new();
    reader.items(*b"[]", |reader| {
        reader.peek()?;
        let start = reader.position();
        let canonical = value(reader, JSON_DEPTH)?;
        elements.push(Element { source: reader.since(start)?.to_owned(), canonical });
        Some(())
    })?;
    reader.peek().is_none().then_some(elements)
}

/// The canonical form of the value that stands here.
fn value(reader: &mut Reader, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match reader.peek()? {
        b'[' => array(reader, depth),
        b'{' => object(reader, depth),
        b'"' => reader.string().map(|text| quoted(&text)),
        b'-' | b'0'..=b'9' => number(reader.number()?),
        _ => ["true", "false", "null"].into_iter().find(|word| reader.word(word)).map(ToOwned::to_owned),
    }
}

fn array(reader: &mut Reader, depth: usize) -> Option<String> {
    let mut parts = Vec::new();
    reader.items(*b"[]", |reader| {
        parts.push(value(reader, depth)?);
        Some(())
    })?;
    Some(format!("[{}]", parts.join(",")))
}

/// Of a key that stands twice the last value counts, as in JavaScript.
fn object(reader: &mut Reader, depth: usize) -> Option<String> {
    let mut entries = BTreeMap::new();
    reader.items(*b"{}", |reader| {
        let key = reader.string()?;
        reader.eat(b':').then_some(())?;
        entries.insert(key, value(reader, depth)?);
        Some(())
    })?;
    let parts: Vec<String> = entries.iter().map(|(key, value)| format!("{}:{value}", quoted(key))).collect();
    Some(format!("{{{}}}", parts.join(",")))
}

/// Digits without zeros at either end, and the power of ten that they count: exact, whatever a double could hold.
fn number(number: Number) -> Option<String> {
    let sign = if number.negative { "-" } else { "" };
    let digits = [number.whole, number.fraction].concat();
    let shorter = digits.trim_end_matches('0');
    let power = exponent(number.exponent)? - number.fraction.len() as i64 + (digits.len() - shorter.len()) as i64;
    Some(match (shorter.trim_start_matches('0'), power) {
        ("", _) => "0".to_owned(),
        (digits, 0) => format!("{sign}{digits}"),
        (digits, power) => format!("{sign}{digits}e{power}"),
    })
}

/// Larger ones than 32 bits are no number of anybody's.
fn exponent(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let power = i64::from(text.trim_start_matches(['-', '+']).parse::<u32>().ok()?);
    Some(if text.starts_with('-') { -power } else { power })
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for next in text.chars() {
        match next {
            '"' | '\\' => out.extend(['\\', next]),
            next if next < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(next))),
            next => out.push(next),
        }
    }
    out.push('"');
    out.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        elements(&format!("[{text}]")).map(|elements| elements[0].canonical.clone())
    }

    #[test]
    fn mg14_only_what_must_be_is_escaped() {
        assert_eq!(canonical(r#""\u0061 ~é\u001f\n\"\\""#).as_deref(), Some(r#""a ~é\u001f\u000a\"\\""#));
    }

    #[test]
    fn mg14_one_value_has_one_canonical_form() {
        let same = [
            ("1", "1.0"),
            ("100", "1e2"),
            ("0.5", "5E-1"),
            ("-0", "0.00e7"),
            ("9007199254740993", "9007199254740993.000"),
            (r#""\u0061\/""#, r#""a/""#),
            (r#""\ud83d\ude00""#, r#""😀""#),
            (r#"{"b":1,"a":[1 , 2]}"#, r#"{ "a":[1,2], "b":1.0 }"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ];
        for (a, b) in same {
            assert_eq!(canonical(a), canonical(b), "{a} {b}");
            assert!(canonical(a).is_some(), "{a}");
        }
        let different =
            [("9007199254740993", "9007199254740992"), ("1", r#""1""#), ("null", "0"), ("1", "-1"), (r#""""#, "false")];
        for (a, b) in different {
            assert_ne!(canonical(a), canonical(b), "{a} {b}");
        }
    }

    #[test]
    fn mg14_what_is_no_array_is_told_apart() {
        let deep = format!("{}{}", "[".repeat(JSON_DEPTH + 2), "]".repeat(JSON_DEPTH + 2));
        let wrong = [
            "",
            "1",
            "{}",
            "[",
            "[1",
            "[1,]",
            "[01]",
            "[1] 2",
            "[.5]",
            "[1.]",
            "[1e]",
            "[\"\u{1}\"]",
            r#"["\x"]"#,
            r#"["\ud800"]"#,
            r#"[{"a"}]"#,
            r#"[{1:2}]"#,
            "[tru]",
            "[+1]",
            "[1e99999999999]",
            &deep,
        ];
        for text in wrong {
            assert_eq!(elements(text), None, "{text}");
        }
        assert_eq!(elements(" [ ] "), Some(Vec::new()));
        assert_eq!(elements("[ \"a\" ,2 ]").unwrap()[0].source, "\"a\"");
    }
}
