//! The app's triggers in a space: one that writes synced tables already ran where the write came from, so it is guarded here, and so did one that
//! leaves writes out.
//! The guard reads a one-row table whose resting state is "apply"; constraint triggers and those on a space's own tables stay as they are.
//! It reads the triggers' texts, because a Durable Object has no authorizer. Called when a space is opened.

use super::text::quote;
use super::values::text;
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::value::Value;

/// One row: whether what is written originates here.
pub(super) const CREATE_CONTEXT: &str =
    "CREATE TABLE IF NOT EXISTS _ebb_context (id INTEGER PRIMARY KEY CHECK (id=1), originates INTEGER NOT NULL)";
/// The resting state: what is written was decided, and its effects are part of it.
pub(super) const REST: &str = "INSERT INTO _ebb_context (id, originates) VALUES (1, 0) ON CONFLICT (id) DO NOTHING";

const GUARD: &str = "(SELECT originates FROM _ebb_context)";

/// Says whether what is written from now on originates here, so that guarded triggers run.
pub(super) fn originate<S: Sql>(sql: &mut S, here: bool) -> Result<(), SqlError> {
    sql.execute("UPDATE _ebb_context SET originates=?", &[Value::Integer(i64::from(here))])?;
    Ok(())
}

/// Guards every trigger that writes a synced table or leaves writes out, and is not guarded yet.
pub(super) fn guard<S: Sql>(sql: &mut S, catalogue: &Catalogue) -> Result<(), SqlError> {
    for row in sql.query("SELECT name, sql FROM sqlite_master WHERE type='trigger'", &[])? {
        let mut columns = row.into_iter();
        let (name, written) = (text(columns.next())?, text(columns.next())?);
        if written.contains(GUARD) || !(writes_synced(&written, catalogue) || leaves_out(&written)) {
            continue;
        }
        if let Some(guarded) = guarded(&written) {
            sql.execute(&format!("DROP TRIGGER {}", quote(&name)), &[])?;
            sql.execute(&guarded, &[])?;
        }
    }
    Ok(())
}

/// A word, a quoted name, or a single character, and where it begins and ends.
#[derive(Debug, PartialEq)]
pub(crate) struct Token {
    text: String,
    quoted: bool,
    start: usize,
    end: usize,
}

impl Token {
    pub(crate) fn is(&self, word: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(word)
    }
}

/// SQL text without comments and string literals.
pub(crate) fn tokens(sql: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let length = match first {
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '\'' | '"' | '`' | '[' => quoted_length(rest, first),
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let end = at + length;
        let comment = rest.starts_with("--") || rest.starts_with("/*");
        if !(comment || first.is_whitespace() || first == '\'') {
            let quoted = matches!(first, '"' | '`' | '[');
            let text = if quoted { unquoted(&sql[at..end], first) } else { sql[at..end].into() };
            found.push(Token { text, quoted, start: at, end });
        }
        at = end;
    }
    found
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_' || char == '$'
}

fn quoted_length(rest: &str, opening: char) -> usize {
    let closing = if opening == '[' { ']' } else { opening };
    let mut at = 1;
    loop {
        let Some(end) = rest[at..].find(closing) else { return rest.len() };
        at += end + 1;
        if opening == '[' || !rest[at..].starts_with(closing) {
            return at;
        }
        at += 1;
    }
}

fn unquoted(name: &str, opening: char) -> String {
    let inner = &name[1..name.len().saturating_sub(1).max(1)];
    if opening == '[' { inner.into() } else { inner.replace(&format!("{opening}{opening}"), &opening.to_string()) }
}

fn writes_synced(sql: &str, catalogue: &Catalogue) -> bool {
    let all = tokens(sql);
    let Some(body) = all.iter().position(|token| token.is("BEGIN")) else { return false };
    let body = &all[body..];
    let after = |from: usize| body.get(from).filter(|token| !token.is("SET"));
    let target = |index: usize| match &body[index] {
        token if token.is("INTO") || token.is("FROM") && index > 0 && body[index - 1].is("DELETE") => after(index + 1),
        token if token.is("UPDATE") && body.get(index + 1).is_some_and(|next| next.is("OR")) => after(index + 3),
        token if token.is("UPDATE") => after(index + 1),
        _ => None,
    };
    (0..body.len()).filter_map(target).any(|table| catalogue.table_id(&table.text).is_some())
}

/// Whether a trigger makes SQLite go on without the row, as if nothing was to be written.
fn leaves_out(sql: &str) -> bool {
    tokens(sql).windows(3).any(|three| three[0].is("RAISE") && three[1].is("(") && three[2].is("IGNORE"))
}

/// The same trigger under the guard; a condition of its own stays.
fn guarded(sql: &str) -> Option<String> {
    let all = tokens(sql);
    let body = all.iter().position(|token| token.is("BEGIN"))?;
    let (head, tail) = (&sql[..all[body].start], &sql[all[body].start..]);
    Some(match all[..body].iter().find(|token| token.is("WHEN")) {
        None => format!("{head} WHEN {GUARD} {tail}"),
        Some(when) => format!("{} WHEN {GUARD} AND ({}\n) {tail}", &head[..when.start], &head[when.end..]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebbtide_core::catalogue::Table;

    fn catalogue() -> Catalogue {
        let table = |name: &str| Table { name: name.into(), ..Table::default() };
        Catalogue { tables: vec![table("note"), table("odd \" name")], ..Catalogue::default() }
    }

    #[test]
    fn sv40_a_trigger_that_writes_synced_tables_is_told_from_one_that_does_not() {
        let written = [
            "CREATE TRIGGER t AFTER UPDATE ON x BEGIN UPDATE note SET a=1; END",
            "create trigger t after update of update on x begin update or ignore NOTE set a=1; end",
            "CREATE TRIGGER t AFTER INSERT ON x BEGIN INSERT OR REPLACE INTO [note] VALUES (1); END",
            "CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; DELETE /* all */ FROM \"odd \"\" name\"; END",
        ];
        let kept = [
            "CREATE TRIGGER t BEFORE UPDATE ON note BEGIN SELECT RAISE(ABORT, 'UPDATE note') FROM note; END",
            "CREATE TRIGGER t AFTER UPDATE ON note BEGIN INSERT INTO audit SELECT * FROM note -- INTO note\n; END",
            "CREATE TRIGGER t AFTER UPDATE ON note BEGIN INSERT INTO c VALUES (1) ON CONFLICT DO UPDATE SET n=n+1; END",
        ];
        assert!(written.iter().all(|sql| writes_synced(sql, &catalogue())));
        assert!(!kept.iter().any(|sql| writes_synced(sql, &catalogue())));
    }

    #[test]
    fn sv40_a_trigger_that_leaves_writes_out_is_told_from_one_that_refuses_them() {
        let trigger = |raise: &str| format!("CREATE TRIGGER t BEFORE UPDATE ON note BEGIN SELECT {raise}; END");
        assert!(leaves_out(&trigger("CASE WHEN NEW.a THEN raise ( ignore ) END")));
        for refuses in ["RAISE(ABORT, 'IGNORE')", "RAISE(FAIL, 'no')", "'RAISE(IGNORE)'", "ignore FROM raise"] {
            assert!(!leaves_out(&trigger(refuses)), "{refuses}");
        }
    }

    #[test]
    fn sv40_the_guard_keeps_a_condition() {
        let plain = guarded("CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END").unwrap();
        assert!(plain.contains(&format!("ON x  WHEN {GUARD} BEGIN SELECT 1")), "{plain}");
        let with = guarded("CREATE TRIGGER t AFTER INSERT ON x WHEN NEW.a OR 0 -- why\nBEGIN SELECT 1; END").unwrap();
        assert!(with.contains(&format!("WHEN {GUARD} AND ( NEW.a OR 0 -- why\n\n) BEGIN")), "{with}");
    }
}
