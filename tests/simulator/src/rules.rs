//! The functions of the simulated app: what becomes of two verdicts on a topic that met, and which topics may be.
//! They are the app's own, so that the space calls them and the reference too; when they are asked is for both to know.
//! Used by the world, the judge and the reference.

use ebbtide_core::server::rules::{AppRules, MergeQuestion, Validation};
use ebbtide_core::value::Value;

/// The longer verdict stands, of two of one length both; somebody may be too unsure to say.
pub fn verdict(mine: &Value, theirs: &Value) -> Option<Value> {
    let (Some(mine), Some(theirs)) = (words(mine), words(theirs)) else { return None };
    let made = match mine.len().cmp(&theirs.len()) {
        std::cmp::Ordering::Less => theirs.to_owned(),
        std::cmp::Ordering::Greater => mine.to_owned(),
        std::cmp::Ordering::Equal => format!("{}, {}", mine.min(theirs), mine.max(theirs)),
    };
    (!mine.ends_with('7')).then_some(if made.is_empty() { Value::Null } else { Value::Text(made) })
}

/// No verdict is longer than this.
pub fn may_be(verdict: &Value) -> bool {
    words(verdict).is_some_and(|words| words.len() < 40 && words != "note 99")
}

fn words(value: &Value) -> Option<&str> {
    match value {
        Value::Null => Some(""),
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// The same as a Worker gives them to its spaces.
#[derive(Debug, Clone, Copy)]
pub struct Rules;

impl AppRules for Rules {
    fn validates(&self, table: &str) -> bool {
        table == "topic"
    }

    fn merge(&self, question: &MergeQuestion<'_>) -> Result<Value, String> {
        verdict(question.mine, question.theirs).ok_or_else(|| "who can say".into())
    }

    fn validate(&self, validation: &Validation<'_>) -> Result<(), String> {
        let row = &validation.row;
        let verdicts = row.table.fields().zip(row.values).filter(|((_, column), _)| column.name == "verdict");
        let mut verdicts = verdicts.map(|(_, value)| value);
        if verdicts.all(may_be) { Ok(()) } else { Err("no such verdict".into()) }
    }
}
