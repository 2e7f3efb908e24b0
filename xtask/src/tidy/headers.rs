//! The rule on headers: every source file begins by saying what it is for.
//! It checks that there is a header, not that it is good; a reviewer does that.

use super::source::Source;
use anyhow::Result;

/// Finds code without a header.
pub fn check(sources: &[Source]) -> Result<Vec<String>> {
    let without = sources.iter().filter(|source| source.is_code() && !has_header(source));
    Ok(without.map(|source| format!("{}: begins without a header comment", source.path)).collect())
}

fn has_header(source: &Source) -> bool {
    let mut lines = source.text.lines().map(str::trim).skip_while(|line| line.starts_with("#!/") || line.is_empty());
    let first = lines.next().unwrap_or_default();
    match source.ending() {
        "rs" => first.starts_with("//! "),
        _ => first.starts_with("/**") || first.starts_with("// "),
    }
}
