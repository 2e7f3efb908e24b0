//! Reads a JSON text into a tree, with the reader that sets use. Numbers stay text, because no caller counts with one.
//! Bounded in depth; a text that is not JSON is refused with the place. What fields mean is for the callers.

use ebbtide_core::json::Reader;

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
    let mut reader = Reader::new(text);
    match value(&mut reader, MAX_DEPTH) {
        Some(value) if reader.peek().is_none() => Ok(value),
        _ => Err(format!("no JSON from byte {} on", reader.position())),
    }
}

fn value(reader: &mut Reader, depth: u32) -> Option<Json> {
    let depth = depth.checked_sub(1)?;
    match reader.peek()? {
        b'{' => object(reader, depth),
        b'[' => list(reader, depth),
        b'"' => reader.string().map(Json::Text),
        b't' => reader.word("true").then_some(Json::Flag(true)),
        b'f' => reader.word("false").then_some(Json::Flag(false)),
        b'n' => reader.word("null").then_some(Json::Null),
        _ => reader.number().map(|number| Json::Number(number.source.to_owned())),
    }
}

fn list(reader: &mut Reader, depth: u32) -> Option<Json> {
    let mut items = Vec::new();
    reader.items(*b"[]", |reader| {
        items.push(value(reader, depth)?);
        Some(())
    })?;
    Some(Json::List(items))
}

fn object(reader: &mut Reader, depth: u32) -> Option<Json> {
    let mut fields = Vec::new();
    reader.items(*b"{}", |reader| {
        let name = reader.string()?;
        reader.eat(b':').then_some(())?;
        fields.push((name, value(reader, depth)?));
        Some(())
    })?;
    Some(Json::Object(fields))
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
