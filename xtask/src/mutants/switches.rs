//! Where switches go: each place of a source file that some changes concern, and what is written there so that a number chosen at
//! run time turns one of them on. Every operand stays once in the text, so changes within changes do not multiply.
//! It neither reads nor writes files; `rewrite` puts the pieces together.

use super::list::{Genre, Mutant, Place};
use proc_macro2::Span;
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A part of what is written at a place.
pub enum Piece {
    /// Own text, and whose it is.
    Own(String, Vec<u32>),
    /// A part of the source, with the switches in it.
    Source(Range<usize>),
}

/// A place that is written anew.
pub struct Site {
    /// What of the source it takes the place of.
    pub range: Range<usize>,
    /// What is written there.
    pub pieces: Vec<Piece>,
    /// Whose all of it is, where that can be said: what stands after an early answer is nobody's.
    pub ids: Vec<u32>,
}

/// The places of a file, outer ones before those within them.
pub fn sites(text: &str, mutants: &[&Mutant]) -> syn::Result<Vec<Site>> {
    let mut finder = Finder { text, mutants, sites: Vec::new() };
    finder.answers();
    finder.visit_file(&syn::parse_file(text)?);
    let mut sites = finder.sites;
    // The sort is stable: of two with one range, the answer of the function was found before what is in it.
    sites.sort_by_key(|site| (site.range.start, usize::MAX - site.range.end));
    Ok(sites)
}

struct Finder<'a> {
    text: &'a str,
    mutants: &'a [&'a Mutant],
    sites: Vec<Site>,
}

/// `on(1)`, the question whether a change is switched on.
fn on(mutant: &Mutant) -> String {
    format!("crate::mutant::on({})", mutant.id)
}

fn own(text: impl Into<String>) -> Piece {
    Piece::Own(text.into(), Vec::new())
}

impl Finder<'_> {
    /// The changes of a kind that begin where this code does.
    fn at(&self, genre: Genre, span: Span) -> Vec<&Mutant> {
        let start = Place { line: span.start().line, column: span.start().column + 1 };
        self.mutants.iter().copied().filter(|mutant| mutant.genre == genre && mutant.start == start).collect()
    }

    fn add(&mut self, range: Range<usize>, ids: Vec<u32>, pieces: Vec<Piece>) {
        if !ids.is_empty() {
            self.sites.push(Site { range, pieces, ids });
        }
    }

    /// Functions that answer at once.
    fn answers(&mut self) {
        let mut sites: Vec<Site> = Vec::new();
        for mutant in self.mutants.iter().filter(|mutant| mutant.genre == Genre::Answer) {
            let range = offset(self.text, mutant.start)..offset(self.text, mutant.end);
            if sites.last().is_none_or(|last| last.range != range) {
                sites.push(Site { range, pieces: Vec::new(), ids: Vec::new() });
            }
            let answer = format!("if {} {{ return {}; }}\n", on(mutant), mutant.replacement);
            sites.last_mut().expect("one was just added").pieces.push(Piece::Own(answer, vec![mutant.id]));
        }
        sites.iter_mut().for_each(|site| site.pieces.push(Piece::Source(site.range.clone())));
        self.sites.extend(sites);
    }

    /// `if on(1) { l - r } else if on(2) { l * r } else { l + r }`
    fn alternatives(mutants: &[&Mutant], left: &str, operator: &str, right: &str) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = mutants
            .iter()
            .map(|mutant| {
                let text = format!("if {} {{ {left} {} {right} }} else ", on(mutant), mutant.replacement);
                Piece::Own(text, vec![mutant.id])
            })
            .collect();
        pieces.push(own(format!("{{ {left} {operator} {right} }}")));
        pieces
    }

    /// The same of two values that can be compared both ways: a change that makes no difference to them counts as not reached.
    fn comparisons(mutants: &[&Mutant], operator: &str) -> Vec<Piece> {
        let alternative = |mutant: &&Mutant| {
            let (id, other) = (mutant.id, &mutant.replacement);
            let differs = format!("crate::mutant::on_if({id}, (l {operator} r) != (l {other} r))");
            Piece::Own(format!("if {differs} {{ l {other} r }} else "), vec![id])
        };
        let unchanged = own(format!("{{ l {operator} r }}"));
        mutants.iter().map(alternative).chain([unchanged]).collect()
    }

    fn binary(&mut self, node: &syn::ExprBinary) {
        let mutants = self.at(Genre::Binary, node.op.span());
        let ids: Vec<u32> = mutants.iter().map(|mutant| mutant.id).collect();
        let operator = &self.text[node.op.span().byte_range()];
        let (left, right) = (Piece::Source(range(&node.left)), Piece::Source(range(&node.right)));
        let choose = Self::alternatives;
        let pieces = match operator {
            // The right side is looked at only if the left one asks for it, with the switch as without.
            "&&" | "||" => {
                let Some(mutant) = mutants.first() else { return };
                let (compare, on) = (if operator == "&&" { "!=" } else { "==" }, on(mutant));
                let rest = format!(") {{ l => if l {compare} {on} {{ ");
                vec![own("(match ("), left, own(rest), right, own(" } else { l } })")]
            }
            "==" | "!=" | "<" | "<=" | ">" | ">=" => {
                let start = vec![own("(match (&("), left, own("), &("), right, own(")) { (l, r) => ")];
                let chosen = Self::comparisons(&mutants, operator);
                start.into_iter().chain(chosen).chain([own("})")]).collect()
            }
            _ if operator.ends_with('=') => {
                let start = vec![own("match ("), right, own(") { r => { let l = &mut ("), left, own("); ")];
                let chosen = choose(&mutants, "*l", operator, "r");
                start.into_iter().chain(chosen).chain([own("} }")]).collect()
            }
            _ => {
                let start = vec![own("(match (("), left, own("), ("), right, own(")) { (l, r) => ")];
                let chosen = choose(&mutants, "l", operator, "r");
                start.into_iter().chain(chosen).chain([own("})")]).collect()
            }
        };
        self.add(range(node), ids, pieces);
    }

    fn unary(&mut self, node: &syn::ExprUnary) {
        let mutants = self.at(Genre::Unary, node.op.span());
        let operator = &self.text[node.op.span().byte_range()];
        let Some(mutant) = mutants.first() else { return };
        let rest = format!(") {{ x => if {} {{ x }} else {{ {operator}x }} }})", on(mutant));
        let (ids, operand) = (vec![mutant.id], Piece::Source(range(&node.expr)));
        self.add(range(node), ids, vec![own("(match ("), operand, own(rest)]);
    }

    fn arm(&mut self, node: &syn::Arm) {
        let left_out = self.at(Genre::Arm, node.span());
        let guard = node.guard.as_ref().map(|(_, guard)| guard);
        let replaced = guard.map_or_else(Vec::new, |guard| self.at(Genre::Guard, guard.span()));
        let ids: Vec<u32> = left_out.iter().chain(&replaced).map(|mutant| mutant.id).collect();
        let mut pieces = vec![own(" if true ")];
        pieces.extend(left_out.iter().map(|mutant| own(format!("&& !{} ", on(mutant)))));
        let (always, never): (Vec<&Mutant>, _) = replaced.iter().partition(|mutant| mutant.replacement == "true");
        pieces.extend(never.iter().map(|mutant| own(format!("&& !{} ", on(mutant)))));
        if let Some(guard) = guard {
            let always: String = always.iter().map(|mutant| format!("{} || ", on(mutant))).collect();
            pieces.extend([own(format!("&& ({always}(")), Piece::Source(range(guard)), own("))")]);
        }
        pieces.push(own(" "));
        let place = range(&node.pat).end..node.fat_arrow_token.span().byte_range().start;
        self.add(place, ids, pieces);
    }

    /// Of a `match` that is no longer exhaustive, the compiler points at what is matched.
    fn matched(&mut self, node: &syn::ExprMatch) {
        let left_out = node.arms.iter().flat_map(|arm| self.at(Genre::Arm, arm.span()));
        let ids = left_out.map(|mutant| mutant.id).collect();
        self.add(range(&node.expr), ids, vec![Piece::Source(range(&node.expr))]);
    }

    /// Whole struct expressions stand one after the other here: fields may be moved into them.
    fn fields(&mut self, node: &syn::ExprStruct) {
        let (whole, mut ids, mut pieces) = (range(node), Vec::new(), vec![own("(")]);
        for field in &node.fields {
            for mutant in self.at(Genre::Field, field.span()) {
                let (before, after) =
                    (&self.text[whole.start..range(field).start], &self.text[range(field).end..whole.end]);
                let after = after.trim_start().trim_start_matches(',');
                let text = format!("if {} {{ {before}{after} }} else ", on(mutant));
                pieces.push(Piece::Own(text, vec![mutant.id]));
                ids.push(mutant.id);
            }
        }
        pieces.extend([own("{ "), Piece::Source(whole.clone()), own(" })")]);
        self.add(whole, ids, pieces);
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        // A chain with `let` in it cannot be anything else.
        if !has_let(&node.left) && !has_let(&node.right) {
            self.binary(node);
        }
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        self.unary(node);
        visit::visit_expr_unary(self, node);
    }

    fn visit_arm(&mut self, node: &'ast syn::Arm) {
        self.arm(node);
        visit::visit_arm(self, node);
    }

    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        self.matched(node);
        visit::visit_expr_match(self, node);
    }

    fn visit_expr_struct(&mut self, node: &'ast syn::ExprStruct) {
        self.fields(node);
        visit::visit_expr_struct(self, node);
    }
}

fn has_let(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(node) => has_let(&node.left) || has_let(&node.right),
        _ => false,
    }
}

fn range(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

/// Where a place is, in bytes.
fn offset(text: &str, place: Place) -> usize {
    let line = text.split_inclusive('\n').take(place.line - 1).map(str::len).sum::<usize>();
    line + text[line..].chars().take(place.column - 1).map(char::len_utf8).sum::<usize>()
}
