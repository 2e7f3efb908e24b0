//! Small pieces of SQL text: quoted names, lists, and how many rows go into one statement.
//! It knows no table. Used by every file here that builds statements.

use super::limits::BOUND_VALUES;

/// A name as an identifier, whatever it contains.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The parts, separated by `separator`.
pub(crate) fn join<T: AsRef<str>>(parts: impl IntoIterator<Item = T>, separator: &str) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() {
            text.push_str(separator);
        }
        text.push_str(part.as_ref());
    }
    text
}

/// How many of `left` rows, each binding `per_row` values, go into the next statement.
/// As many as fit, at the end powers of two, so that few different texts are prepared.
pub(crate) fn batch(left: usize, per_row: usize) -> usize {
    let most = (BOUND_VALUES / per_row.max(1)).max(1);
    if left >= most { most } else { 1 << left.max(1).ilog2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn st40_a_batch_never_binds_more_than_the_object_allows() {
        for per_row in 1..=BOUND_VALUES {
            for left in [1, 2, 3, 99, 100, 101, 5_000] {
                let rows = batch(left, per_row);
                assert!(rows >= 1 && rows <= left);
                assert!(rows * per_row <= BOUND_VALUES, "{rows} rows of {per_row}");
            }
        }
    }

    #[test]
    fn st41_a_name_with_quotes_stays_one_identifier() {
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
    }
}
