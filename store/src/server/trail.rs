//! Reading the change history in D1: a page of a space's changes, newest first, of everything, a table or a row.
//! It holds the SQL text and checks the question; D1 is asynchronous, so the adapter asks it. Who may ask is decided before.

use serde_json::Value as Json;

/// Rows of a page where the question names no number.
pub const PAGE_ROWS: u32 = 100;

/// Rows of the largest page: with values cut as below it is some megabytes.
pub const MAX_PAGE_ROWS: u32 = 500;

/// Columns of the longest key that can be asked for, and numbers in it: each number stands for itself as an integer and as a real.
const KEY_COLUMNS: usize = 32;
const KEY_NUMBERS: usize = 4;

/// Which part of the history.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    table: Option<String>,
    /// A JSON list of the texts under which the key may stand.
    keys: Option<String>,
    /// Only what comes before this (seq, op).
    before: Option<(u64, u64)>,
    limit: u32,
}

/// A question that cannot be asked, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadQuestion(pub String);

const COLUMNS: &str = "seq, op, kind, tbl, key, col, user, device, device_seq, decided_at,
    CASE WHEN length(value) > 65536 THEN json_object('$omitted', length(value)) ELSE value END AS value";

impl Question {
    /// Reads the parameters of a request: a table, a row's key as the history writes it, where to go on, how many rows.
    pub fn parse(
        table: Option<String>,
        key: Option<&str>,
        before: Option<&str>,
        limit: Option<&str>,
    ) -> Result<Self, BadQuestion> {
        if key.is_some() && table.is_none() {
            return Err(BadQuestion("`key` needs `table`".into()));
        }
        let limit = match limit {
            None => PAGE_ROWS,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=MAX_PAGE_ROWS).contains(limit))
                .ok_or_else(|| BadQuestion(format!("`limit` is a number from 1 to {MAX_PAGE_ROWS}")))?,
        };
        let before = before.map(position).transpose()?;
        let keys = key.map(variants).transpose()?.map(|texts| Json::from(texts).to_string());
        Ok(Self { table, keys, before, limit })
    }

    /// The statement with what it binds. It asks for one row more than the page has, which tells whether there are more.
    pub fn statement(&self, space: &str) -> (String, Vec<Json>) {
        let mut sql = format!("SELECT {COLUMNS} FROM ebbtide_change WHERE space=?");
        let mut params = vec![Json::from(space)];
        if let Some(table) = &self.table {
            sql += " AND tbl=?";
            params.push(Json::from(table.as_str()));
        }
        if let Some(keys) = &self.keys {
            sql += " AND key IN (SELECT value FROM json_each(?))";
            params.push(Json::from(keys.as_str()));
        }
        if let Some((seq, op)) = self.before {
            sql += " AND (seq, op) < (?, ?)";
            params.extend([Json::from(seq), Json::from(op)]);
        }
        sql += " ORDER BY seq DESC, op DESC LIMIT ?";
        params.push(Json::from(self.limit + 1));
        (sql, params)
    }

    /// Rows of the page.
    pub fn limit(&self) -> u32 {
        self.limit
    }
}

/// What D1 fails with while nothing was ever delivered to it.
pub const NOTHING_YET: &str = "no such table: ebbtide_change";

fn position(text: &str) -> Result<(u64, u64), BadQuestion> {
    let parsed = text.split_once('.').and_then(|(seq, op)| Some((seq.parse().ok()?, op.parse().ok()?)));
    // Numbers cross as doubles.
    let exact = |number: u64| number < 1 << 53;
    parsed
        .filter(|(seq, op)| exact(*seq) && exact(*op))
        .ok_or_else(|| BadQuestion("`before` is the `next` of an earlier page".into()))
}

/// The texts under which a key may stand in the history. A page cannot tell 3 from 3.0, and the key is one of them.
fn variants(key: &str) -> Result<Vec<String>, BadQuestion> {
    let wrong = || BadQuestion("`key` is a list of the key's values, as the history writes them".into());
    let Ok(Json::Array(values)) = serde_json::from_str(key) else { return Err(wrong()) };
    let numbers = values.iter().filter(|value| value.is_number()).count();
    if values.is_empty() || values.len() > KEY_COLUMNS || numbers > KEY_NUMBERS {
        return Err(wrong());
    }
    let mut keys: Vec<Vec<Json>> = vec![Vec::new()];
    for value in &values {
        let alternatives = alternatives(value).ok_or_else(wrong)?;
        keys = keys
            .iter()
            .flat_map(|key| alternatives.iter().map(move |value| key.iter().chain([value]).cloned().collect()))
            .collect();
    }
    Ok(keys.into_iter().map(|key| Json::Array(key).to_string()).collect())
}

/// `None` for what no key holds.
fn alternatives(value: &Json) -> Option<Vec<Json>> {
    match value {
        Json::String(_) => Some(vec![value.clone()]),
        Json::Number(number) => {
            let real = number.as_f64()?;
            let whole = real.fract() == 0.0 && real.abs() < (1_u64 << 53) as f64;
            let integer = whole.then(|| Json::from(real as i64));
            Some(integer.into_iter().chain([Json::from(real)]).collect())
        }
        Json::Object(members) if members.len() == 1 => {
            let (name, text) = members.iter().next()?;
            let known = matches!(name.as_str(), "$integer" | "$real" | "$blob") && text.is_string();
            known.then(|| vec![value.clone()])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(key: &str) -> Result<Question, BadQuestion> {
        Question::parse(Some("note".into()), Some(key), None, None)
    }

    #[test]
    fn sv43_a_key_is_found_as_the_history_writes_it() {
        assert_eq!(variants(r#"["a\"b"]"#).unwrap(), [r#"["a\"b"]"#]);
        assert_eq!(variants("[3, \"x\"]").unwrap(), [r#"[3,"x"]"#, r#"[3.0,"x"]"#]);
        assert_eq!(variants("[0.5]").unwrap(), ["[0.5]"]);
        assert_eq!(variants(r#"[{"$blob":"00ff"},{"$integer":"9007199254740993"}]"#).unwrap().len(), 1);
        for wrong in ["", "3", "[]", "[null]", "[true]", "[[1]]", r#"[{"a":"b"}]"#, r#"[{"$blob":1}]"#, "[1,2,3,4,5]"] {
            assert!(question(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sv43_a_question_is_bounded_and_binds_what_it_is_told() {
        for limit in ["0", "501", "-1", "x", ""] {
            assert!(Question::parse(None, None, None, Some(limit)).is_err(), "{limit}");
        }
        for before in ["1", "1.", "a.b", "9007199254740992.0", "-1.0"] {
            assert!(Question::parse(None, None, Some(before), None).is_err(), "{before}");
        }
        assert!(Question::parse(None, Some("[1]"), None, None).is_err());
        let whole = Question::parse(Some("note".into()), Some("[\"'\"]"), Some("7.2"), Some("20")).unwrap();
        let (sql, params) = whole.statement("s");
        assert_eq!(sql.matches('?').count(), params.len());
        assert_eq!(params, [Json::from("s"), "note".into(), "[\"[\\\"'\\\"]\"]".into(), 7.into(), 2.into(), 21.into()]);
    }
}
