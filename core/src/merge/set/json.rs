//! The elements of a JSON array, each as it was written and in a canonical form that tells whether two are the same.
//! Objects are the same whatever the order of their keys, numbers by their exact value, strings by their characters; no number passes
//! through a double. It reads strictly, in bounded depth, and knows nothing of sets.

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
    let mut reader = Reader { text, at: 0 };
    reader.blanks();
    reader.expect(b'[')?;
    let mut elements = Vec::new();
    reader.items(b']', |reader| {
        let start = reader.at;
        let canonical = reader.value(JSON_DEPTH)?;
        elements.push(Element { source: text.get(start..reader.at)?.to_owned(), canonical });
        Some(())
    })?;
    reader.blanks();
    (reader.at == text.len()).then_some(elements)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// What stands between a bracket, which is read already, and its end, separated by commas.
    fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.blanks();
        if self.expect(end).is_some() {
            return Some(());
        }
        loop {
            self.blanks();
            item(self)?;
            self.blanks();
            if self.expect(end).is_some() {
                return Some(());
            }
            self.expect(b',')?;
        }
    }

    /// The canonical form of the value that stands here.
    fn value(&mut self, depth: usize) -> Option<String> {
        let depth = depth.checked_sub(1)?;
        match self.peek()? {
            b'[' => self.array(depth),
            b'{' => self.object(depth),
            b'"' => self.string().map(|text| quoted(&text)),
            b'-' | b'0'..=b'9' => self.number(),
            _ => ["true", "false", "null"].into_iter().find_map(|word| self.word(word)),
        }
    }

    fn word(&mut self, word: &str) -> Option<String> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())?;
        Some(word.to_owned())
    }

    fn array(&mut self, depth: usize) -> Option<String> {
        self.at += 1;
        let mut parts = Vec::new();
        self.items(b']', |reader| {
            parts.push(reader.value(depth)?);
            Some(())
        })?;
        Some(format!("[{}]", parts.join(",")))
    }

    /// Of a key that stands twice the last value counts, as in JavaScript.
    fn object(&mut self, depth: usize) -> Option<String> {
        self.at += 1;
        let mut entries = BTreeMap::new();
        self.items(b'}', |reader| {
            let key = reader.string()?;
            reader.blanks();
            reader.expect(b':')?;
            reader.blanks();
            entries.insert(key, reader.value(depth)?);
            Some(())
        })?;
        let parts: Vec<String> = entries.iter().map(|(key, value)| format!("{}:{value}", quoted(key))).collect();
        Some(format!("{{{}}}", parts.join(",")))
    }

    fn string(&mut self) -> Option<String> {
        self.expect(b'"')?;
        let mut text = String::new();
        loop {
            let rest = self.text.get(self.at..)?;
            let next = rest.chars().next()?;
            self.at += next.len_utf8();
            match next {
                '"' => return Some(text),
                '\\' => text.push(self.escape()?),
                next if next < ' ' => return None,
                next => text.push(next),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let kind = self.peek()?;
        self.at += 1;
        Some(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.scalar(),
            _ => return None,
        })
    }

    /// A scalar value in one or two groups of four digits. A lone surrogate is no character.
    fn scalar(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        self.expect(b'\\')?;
        self.expect(b'u')?;
        let second = self.hex()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + second)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    }

    fn digits(&mut self) -> &str {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// Digits without zeros at either end, and the power of ten that they count: exact, whatever a double could hold.
    fn number(&mut self) -> Option<String> {
        let sign = if self.expect(b'-').is_some() { "-" } else { "" };
        let mut digits = self.digits().to_owned();
        if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
            return None;
        }
        let mut power: i64 = 0;
        if self.expect(b'.').is_some() {
            let fraction = self.digits();
            power -= i64::try_from(fraction.len()).ok().filter(|length| *length > 0)?;
            digits.push_str(fraction);
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            power = power.checked_add(self.exponent()?)?;
        }
        let shorter = digits.trim_end_matches('0');
        power += (digits.len() - shorter.len()) as i64;
        let significant = shorter.trim_start_matches('0');
        Some(match (significant, power) {
            ("", _) => "0".to_owned(),
            (digits, 0) => format!("{sign}{digits}"),
            (digits, power) => format!("{sign}{digits}e{power}"),
        })
    }

    fn exponent(&mut self) -> Option<i64> {
        let negative = self.expect(b'-').is_some();
        if !negative {
            let _ = self.expect(b'+');
        }
        // Larger ones than 32 bits are no number of anybody's.
        let power = i64::from(self.digits().parse::<u32>().ok()?);
        Some(if negative { -power } else { power })
    }
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
