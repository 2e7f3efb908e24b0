//! A source file with its switches in place, and a map back: which change a piece of the new text belongs to.
//! It knows nothing of Rust. `build` writes the file and asks about the compiler's complaints.

use super::switches::{Piece, Site};
use std::ops::Range;

/// A source file with switches.
#[derive(Default)]
pub struct Rewritten {
    /// The text.
    pub text: String,
    /// Which part of it is whose. Smaller parts lie within larger ones.
    owners: Vec<(Range<usize>, Vec<u32>)>,
}

impl Rewritten {
    /// Writes the source with these places anew, outer places before those within them.
    pub fn new(source: &str, sites: &[Site]) -> Self {
        let mut this = Self::default();
        this.copy(source, 0..source.len(), sites);
        this
    }

    /// The changes of the smallest part around this one.
    pub fn owners(&self, part: &Range<usize>) -> Option<&[u32]> {
        let around = self.owners.iter().filter(|(range, _)| range.start <= part.start && part.end <= range.end);
        around.min_by_key(|(range, _)| range.len()).map(|(_, ids)| ids.as_slice())
    }

    fn copy(&mut self, source: &str, range: Range<usize>, sites: &[Site]) {
        let mut from = range.start;
        for (at, site) in sites.iter().enumerate() {
            if site.range.start < from || site.range.end > range.end {
                continue;
            }
            self.text.push_str(&source[from..site.range.start]);
            self.write(source, site, &sites[at + 1..]);
            from = site.range.end;
        }
        self.text.push_str(&source[from..range.end]);
    }

    fn write(&mut self, source: &str, site: &Site, within: &[Site]) {
        let start = self.text.len();
        for piece in &site.pieces {
            match piece {
                Piece::Own(text, ids) => {
                    let start = self.text.len();
                    self.text.push_str(text);
                    self.own(start, ids);
                }
                Piece::Source(range) => self.copy(source, range.clone(), within),
            }
        }
        self.own(start, &site.ids);
    }

    fn own(&mut self, start: usize, ids: &[u32]) {
        if !ids.is_empty() {
            self.owners.push((start..self.text.len(), ids.to_vec()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::list::{Genre, Mutant, Place};
    use crate::mutants::switches;

    const SOURCE: &str = "fn fits(size: u64, free: u64) -> bool {\n    size + 1 < free && !full()\n}\n";

    fn mutant(id: u32, genre: Genre, replacement: &str, columns: Range<usize>) -> Mutant {
        let place = |column| Place { line: 2, column };
        let (start, end) = (place(columns.start), place(columns.end));
        Mutant { id, name: String::new(), file: String::new(), genre, replacement: replacement.into(), start, end }
    }

    fn rewritten() -> Rewritten {
        let mutants = [
            mutant(1, Genre::Answer, "true", 5..31),
            mutant(2, Genre::Binary, "-", 10..11),
            mutant(3, Genre::Binary, "*", 10..11),
            mutant(4, Genre::Binary, "==", 14..15),
            mutant(5, Genre::Binary, "||", 21..23),
            mutant(6, Genre::Unary, "", 24..25),
        ];
        let sites = switches::sites(SOURCE, &mutants.iter().collect::<Vec<_>>()).expect("the source can be read");
        Rewritten::new(SOURCE, &sites)
    }

    #[test]
    fn each_change_has_one_switch_and_each_operand_stands_there_once() {
        let text = rewritten().text;
        for id in 1..=6 {
            let switches =
                text.matches(&format!("::on({id})")).count() + text.matches(&format!("::on_if({id},")).count();
            assert_eq!(switches, 1, "{text}");
        }
        ["(size)", "(free)", "full()"]
            .iter()
            .for_each(|operand| assert_eq!(text.matches(operand).count(), 1, "{text}"));
        syn::parse_file(&text).expect("it is still Rust");
    }

    #[test]
    fn what_the_compiler_points_at_is_of_the_innermost_change() {
        let rewritten = rewritten();
        let owners = |part: &str| {
            let start = rewritten.text.find(part).expect("it is there");
            rewritten.owners(&(start..start + part.len())).map(<[u32]>::to_vec)
        };
        assert_eq!(owners("return true"), Some(vec![1]));
        assert_eq!(owners("l * r"), Some(vec![3]));
        assert_eq!(owners("l + r"), Some(vec![2, 3]), "what they share is of both");
        assert_eq!(owners("full()"), Some(vec![6]));
        assert_eq!(owners("fn fits"), None);
    }
}
