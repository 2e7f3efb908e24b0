//! Texts as the simulated app writes them: every word is one scalar value that is typed once in a run, so that which words are there says
//! who typed and deleted what. In which order they stand it does not say.
//! It shares nothing with the engine. Used by the reference and the fold.

use ebbtide_core::catalogue::{Catalogue, Strategy};
use ebbtide_core::change::{LoggedMutation, LoggedTransaction, RowId};
use ebbtide_core::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The first scalar value that is a word; whole texts that meet are put apart by others.
const FIRST_WORD: u32 = 0xF_0000;

/// The words of a text, each as often as it is there, in the order of their typing.
pub fn words(value: &Value) -> Vec<char> {
    let Value::Text(text) = value else { return Vec::new() };
    let mut words: Vec<char> = text.chars().filter(|word| *word as u32 >= FIRST_WORD).collect();
    words.sort_unstable();
    words
}

/// A word of the app's.
pub fn word(number: u64) -> char {
    char::from_u32(FIRST_WORD + number as u32).expect("a run has fewer words than there are")
}

/// A text of these words.
pub fn value(words: impl IntoIterator<Item = char>) -> Value {
    Value::Text(words.into_iter().collect())
}

/// What somebody did to a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// Words that were there and are not.
    pub gone: BTreeSet<char>,
    /// Words that were not there and are.
    pub came: BTreeSet<char>,
}

impl Typed {
    /// What makes one text of another.
    pub fn between(old: &Value, new: &Value) -> Self {
        let set = |value| words(value).into_iter().collect::<BTreeSet<char>>();
        let (old, new) = (set(old), set(new));
        Self { gone: &old - &new, came: &new - &old }
    }

    /// What it makes of a text.
    pub fn on(&self, words: impl IntoIterator<Item = char>) -> BTreeSet<char> {
        let kept = words.into_iter().filter(|word| !self.gone.contains(word));
        kept.chain(self.came.iter().copied()).collect()
    }

    /// The two in order, as one.
    pub fn then(&mut self, later: Self) {
        self.came = self.came.iter().copied().filter(|word| !later.gone.contains(word)).chain(later.came).collect();
        self.gone.extend(later.gone);
    }
}

/// What a transaction did to texts, by row and place among the fields.
pub type AllTyped = BTreeMap<(RowId, usize), Typed>;

/// The same, of a captured transaction.
pub fn typed(transaction: &LoggedTransaction, catalogue: &Catalogue) -> AllTyped {
    let mut all = AllTyped::new();
    for change in &transaction.changes {
        let table = catalogue.table(change.row.table).expect("a captured change names a table");
        for (position, (column, _)) in table.fields().enumerate() {
            if table.strategy(column) != Strategy::Text {
                continue;
            }
            let place = (change.row.clone(), position);
            match &change.mutation {
                LoggedMutation::Insert(values) => {
                    all.insert(place, Typed::between(&Value::Null, &values[position]));
                }
                LoggedMutation::Update(fields) => {
                    if let Some(field) = fields.iter().find(|field| field.column == column) {
                        all.entry(place).or_default().then(Typed::between(&field.old, &field.new));
                    }
                }
                LoggedMutation::Delete(_) => {
                    all.remove(&place);
                }
            }
        }
    }
    all
}
