//! Reads a JSON text into a tree. Numbers stay text, because no caller counts with one.
//! Bounded in depth; a text that is not JSON is refused with the place. What fields mean is for the callers.

/// Deeper nesting than any option has, and far from what would exhaust the stack.
const MAX_DEPTH: u32 = 32;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// As it was written.
    Number(String),
    /// Without its escapes.
    Text(String),
    /// In order.
    List(Vec<Json>),
    /// In order, names as they came.
    Object(Vec<(String, Json)>),
}

/// The one value of a text, or what is wrong with it.
pub fn parse(text: &str) -> Result<Json, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(MAX_DEPTH);
    match value {
        Some(value) if reader.peek().is_none() => Ok(value),
        _ => Err(format!("no JSON from byte {} on", reader.at)),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += blank;
        rest.get(blank).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: u32) -> Option<Json> {
        let depth = depth.checked_sub(1)?;
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.string().map(Json::Text),
            b't' => self.word("true", Json::Flag(true)),
            b'f' => self.word("false", Json::Flag(false)),
            b'n' => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        let found = self.text[self.at..].starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found.then_some(value)
    }

    fn number(&mut self) -> Option<Json> {
        let rest = &self.text[self.at..];
        let belongs = |c: &char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let length = rest.chars().take_while(belongs).count();
        let number = rest[..length].to_owned();
        self.at += length;
        number.bytes().any(|byte| byte.is_ascii_digit()).then_some(Json::Number(number))
    }

    fn list(&mut self, depth: u32) -> Option<Json> {
        self.at += 1;
        let mut items = Vec::new();
        if self.eat(b']') {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            if !self.eat(b',') {
                return self.eat(b']').then_some(Json::List(items));
            }
        }
    }

    fn object(&mut self, depth: u32) -> Option<Json> {
        self.at += 1;
        let mut fields = Vec::new();
        if self.eat(b'}') {
            return Some(Json::Object(fields));
        }
        loop {
            let name = if self.peek()? == b'"' { self.string()? } else { return None };
            if !self.eat(b':') {
                return None;
            }
            fields.push((name, self.value(depth)?));
            if !self.eat(b',') {
                return self.eat(b'}').then_some(Json::Object(fields));
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c| matches!(c, '"' | '\\') || c < ' ')?;
            text.push_str(&rest[..plain]);
            self.at += plain + 1;
            match rest.as_bytes()[plain] {
                b'"' => return Some(text),
                b'\\' => text.push(self.escape()?),
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let kind = *self.text.as_bytes().get(self.at)?;
        if !kind.is_ascii() {
            return None;
        }
        self.at += 1;
        Some(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.scalar()?,
            _ => return None,
        })
    }

    /// What lies beyond the first plane is written as two halves.
    fn scalar(&mut self) -> Option<char> {
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        if !self.text[self.at..].starts_with("\\u") {
            return None;
        }
        self.at += 2;
        let second = self.unit()?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.bytes().try_fold(0, |unit, digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers by their value, because the other reader does not keep their text.
    fn same(ours: &Json, theirs: &serde_json::Value) -> bool {
        use serde_json::Value;
        match (ours, theirs) {
            (Json::Null, Value::Null) => true,
            (Json::Flag(a), Value::Bool(b)) => a == b,
            (Json::Number(a), Value::Number(b)) => a.parse::<f64>().ok() == b.as_f64(),
            (Json::Text(a), Value::String(b)) => a == b,
            (Json::List(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
            (Json::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
            }
            _ => false,
        }
    }

    #[test]
    fn st90_a_text_is_read_as_serde_json_reads_it() {
        let texts = [
            "null",
            " true ",
            "[]",
            "[1, -2.5e3 ,0]",
            "{}",
            r#"{"a":{"b":[false,null,"x"]},"ü":"😀"}"#,
            r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#,
            "\t{ \"a\" : 1 }\n",
        ];
        for text in texts {
            assert!(same(&parse(text).unwrap(), &serde_json::from_str(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn st90_what_is_no_json_is_refused_wherever_it_breaks_off() {
        let whole = r#"{"a":[1,"x\u00e9\ud83d\ude00",{"b":null}],"c":true}"#;
        assert!(parse(whole).is_ok());
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "{}", &whole[..end]);
        }
        for text in ["", "nul", "[1,]", "{\"a\"}", "{a:1}", "\"\n\"", "\"\\x\"", "\"\\é\"", "\"\\ud83dx\"", "1 2", "-"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
