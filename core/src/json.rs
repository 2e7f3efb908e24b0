//! Reads the parts of a JSON text, strictly and one after the other: brackets, strings without their escapes, numbers as they were written.
//! What is made of them is for the callers: a canonical form for the elements of a `set`, a tree for options and requests.
//! It allocates only what a string holds, and leaves bounding the depth to who descends.

use alloc::string::String;

/// A place in a text.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts before the first byte.
    pub fn new(text: &'a str) -> Self {
        Reader { text, at: 0 }
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// What was read since an earlier position.
    pub fn since(&self, start: usize) -> Option<&'a str> {
        self.text.get(start..self.at)
    }

    /// The next byte that is not white space, which is passed over; `None` at the end.
    pub fn peek(&mut self) -> Option<u8> {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.byte()
    }

    /// Reads this byte, if it is the next one after white space.
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Reads this word, if it stands here.
    pub fn word(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// What stands between two brackets, separated by commas; `item` reads one.
    pub fn items(&mut self, brackets: [u8; 2], mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let [start, end] = brackets;
        if !self.eat(start) {
            return None;
        }
        if self.eat(end) {
            return Some(());
        }
        loop {
            item(self)?;
            if !self.eat(b',') {
                return self.eat(end).then_some(());
            }
        }
    }

    /// A string in quotes, without its escapes.
    pub fn string(&mut self) -> Option<String> {
        if !self.eat(b'"') {
            return None;
        }
        let mut text = String::new();
        loop {
            let rest = self.text.get(self.at..)?;
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

    /// A number, in its parts.
    pub fn number(&mut self) -> Option<Number<'a>> {
        let start = self.at;
        let negative = self.take(b'-');
        let whole = self.digits();
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }
        let fraction = match self.take(b'.') {
            true => Some(self.digits()).filter(|digits| !digits.is_empty())?,
            false => "",
        };
        let exponent = match self.take(b'e') || self.take(b'E') {
            true => self.exponent()?,
            false => "",
        };
        Some(Number { source: self.since(start)?, negative, whole, fraction, exponent })
    }

    fn exponent(&mut self) -> Option<&'a str> {
        let start = self.at;
        let _ = self.take(b'-') || self.take(b'+');
        let any = !self.digits().is_empty();
        self.since(start).filter(|_| any)
    }

    fn digits(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.at += length;
        &rest[..length]
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Reads this byte, if it stands right here.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn escape(&mut self) -> Option<char> {
        let kind = self.byte().filter(u8::is_ascii)?;
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
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        if !self.word("\\u") {
            return None;
        }
        let low = self.unit()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.bytes().try_fold(0, |unit, digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
    }
}

/// A number as a text spells it: no caller counts with a double.
#[derive(Debug, Clone, Copy)]
pub struct Number<'a> {
    /// All of it.
    pub source: &'a str,
    /// Whether a minus stands before it.
    pub negative: bool,
    /// The digits before the point, at least one.
    pub whole: &'a str,
    /// The digits behind it.
    pub fraction: &'a str,
    /// The power of ten, with its sign if it has one.
    pub exponent: &'a str,
}
