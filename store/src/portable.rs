//! The server's wording of a migration: calls of `uuidv7()` stand for something that the Durable Object lets a schema name.
//! It knows where strings, quoted names and comments end, and nothing else of SQL. `migrate` calls it for a space.

use std::borrow::Cow;

/// workerd refuses a schema that names a function of ours ("not authorized to use function: uuidv7"). No commit depends
/// on what stands here, since commits carry full rows. Like the original it is no constant, so both sides agree on that.
const SUBSTITUTE: &str = "lower(hex(randomblob(16)))";

/// The text with every call of `uuidv7()` replaced.
pub fn for_space(sql: &str) -> Cow<'_, str> {
    let mut text = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(length) = piece(&sql[at..]) {
        let after_name = at + length;
        let call =
            sql[at..after_name].eq_ignore_ascii_case("uuidv7").then(|| empty_arguments(&sql[after_name..])).flatten();
        at = after_name + call.unwrap_or(0);
        if call.is_some() {
            text.push_str(&sql[copied..after_name - length]);
            text.push_str(SUBSTITUTE);
            copied = at;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(sql);
    }
    text.push_str(&sql[copied..]);
    Cow::Owned(text)
}

/// The length of the first word, quoted text, comment or single character; nothing at the end.
fn piece(sql: &str) -> Option<usize> {
    let first = sql.chars().next()?;
    let through = |end: &str, from: usize| sql[from..].find(end).map_or(sql.len(), |found| from + found + end.len());
    Some(match first {
        // A doubled quote reads as two texts side by side, which ends in the same place.
        '\'' | '"' | '`' => through(&sql[..1], 1),
        '[' => through("]", 1),
        '-' if sql.starts_with("--") => through("\n", 2),
        '/' if sql.starts_with("/*") => through("*/", 2),
        _ if is_word(first) => sql.find(|other| !is_word(other)).unwrap_or(sql.len()),
        _ => first.len_utf8(),
    })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$') || !character.is_ascii()
}

/// The length of `()` at the start, with any spaces around the parentheses' inside and before them.
fn empty_arguments(sql: &str) -> Option<usize> {
    let inside = sql.trim_start().strip_prefix('(')?;
    let rest = inside.trim_start().strip_prefix(')')?;
    Some(sql.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn st70_a_space_gets_a_schema_without_functions_that_it_lacks() {
        let sql = "CREATE TABLE t (id TEXT PRIMARY KEY DEFAULT (uuidv7()), b DEFAULT ( UUIDv7 ( ) ), c)";
        let expected = "CREATE TABLE t (id TEXT PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))), b DEFAULT ( lower(hex(randomblob(16))) ), c)";
        assert_eq!(for_space(sql), expected);
    }

    #[test]
    fn st70_names_texts_and_comments_stay_as_they_are() {
        let untouched = [
            "",
            "CREATE TABLE uuidv7 (a)",
            "SELECT 'uuidv7()', 'it''s uuidv7()', \"uuidv7()\", [uuidv7()], `uuidv7()`",
            "-- uuidv7()\nSELECT my_uuidv7(), uuidv7(1) /* uuidv7() */",
            "SELECT 'open uuidv7()",
            "/* open uuidv7()",
            "SELECT é, '—', uuidv7",
        ];
        for sql in untouched {
            assert!(matches!(for_space(sql), Cow::Borrowed(text) if text == sql), "{sql}");
        }
    }
}
