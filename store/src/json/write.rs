//! Writes JSON front to back into one text. Names of fields are the callers' business, and that none comes twice.

use core::fmt::Write;

/// An object that grows field by field, in the order of the calls.
pub struct ObjectWriter {
    text: String,
}

impl Default for ObjectWriter {
    fn default() -> Self {
        Self { text: "{".to_owned() }
    }
}

impl ObjectWriter {
    /// A text.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        quote(value, &mut self.text);
        self
    }

    /// A count.
    pub fn number(&mut self, name: &str, value: u32) -> &mut Self {
        self.whole(name, u64::from(value))
    }

    /// A whole number; those beyond 2^53 lose their last digits where JavaScript reads them.
    pub fn whole(&mut self, name: &str, value: u64) -> &mut Self {
        self.name(name);
        // Writing to a text cannot fail.
        let _ = write!(self.text, "{value}");
        self
    }

    /// True or false.
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// JSON that is made already.
    pub fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.name(name);
        self.text.push_str(json);
        self
    }

    /// The object as text; the writer begins another.
    pub fn finish(&mut self) -> String {
        let mut text = core::mem::take(self).text;
        text.push('}');
        text
    }

    fn name(&mut self, name: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        quote(name, &mut self.text);
        self.text.push(':');
    }
}

/// A list of values that are JSON already.
pub fn list(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

/// A text in quotes, escaped.
pub fn quoted(value: &str) -> String {
    let mut text = String::new();
    quote(value, &mut text);
    text
}

/// Appends a text in quotes, escaped.
fn quote(value: &str, text: &mut String) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => {
                text.push('\\');
                text.push(character);
            }
            '\0'..' ' => {
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn st90_what_is_written_reads_the_same_elsewhere() {
        let mut object = ObjectWriter::default();
        object.text("a\"", "\0\n\u{1f}\\\"é😀").whole("n", u64::MAX).number("m", 7).flag("f", true);
        let items = ["null".to_owned(), "1".to_owned()];
        object.raw("l", &list(&items)).raw("o", &ObjectWriter::default().finish());
        let read: Value = serde_json::from_str(&object.finish()).unwrap();
        let expected = json!({ "a\"": "\0\n\u{1f}\\\"é😀", "n": u64::MAX, "m": 7, "f": true, "l": [null, 1], "o": {} });
        assert_eq!(read, expected);
    }
}
