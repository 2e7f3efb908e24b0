//! What each of the app's statements is, remembered by its text.
//! A text is prepared once under the eyes of the authorizer before it may run or enter the statement cache.
//! Used by every verb that takes SQL from the app.

use super::LocalDatabase;
use super::access::{Actor, SavepointAction};
use super::error::{DbError, DbErrorCode};
use crate::limits::CLASSIFIED_STATEMENTS;
use std::collections::HashMap;
use std::rc::Rc;

/// A statement of the app.
#[derive(Debug)]
pub(super) struct Class {
    /// It cannot change the database.
    pub readonly: bool,
    /// It is a savepoint statement.
    pub savepoint: Option<SavepointAction>,
    /// It changes the schema.
    pub defines: bool,
    /// It shows what a sync step may have left switched: pragmas, the schema, a statement's program.
    pub looks_inside: bool,
    /// The tables it reads.
    pub reads: Vec<String>,
}

/// The memory of classes.
#[derive(Debug, Default)]
pub(super) struct Classes {
    known: HashMap<Rc<str>, Rc<Class>>,
}

impl LocalDatabase {
    /// The class of a statement, or why it may not run.
    pub(super) fn class(&mut self, sql: &str) -> Result<Rc<Class>, DbError> {
        if let Some(class) = self.classes.known.get(sql) {
            return Ok(Rc::clone(class));
        }
        // In quiet the authorizer would not hear of triggers.
        self.wake()?;
        let class = Rc::new(self.classify(sql)?);
        if self.classes.known.len() >= CLASSIFIED_STATEMENTS {
            self.classes.known.clear();
        }
        self.classes.known.insert(sql.into(), Rc::clone(&class));
        Ok(class)
    }

    fn classify(&self, sql: &str) -> Result<Class, DbError> {
        if first_word(sql).eq_ignore_ascii_case("vacuum") {
            let what = "VACUUM would need as much space again; export() makes a compact copy";
            return Err(DbError::of_statement(DbErrorCode::ForbiddenStatement, what, sql));
        }
        let prepare = || {
            let found = self.connection.prepare(sql)?;
            Ok((found.readonly(), found.expanded_sql().is_some(), found.is_explain() != 0))
        };
        let (prepared, seen) = self.access.watching(|| self.access.acting(Actor::App, prepare));
        if let Some((code, message)) = seen.refused {
            return Err(DbError::of_statement(code, message, sql));
        }
        let (readonly, any, explains) = prepared.map_err(|error| DbError::from_sqlite(&error, sql))?;
        if !any {
            return Err(DbError::of_statement(DbErrorCode::SqlError, "there is no statement in it", sql));
        }
        Ok(Class {
            readonly: readonly && seen.savepoint.is_none(),
            savepoint: seen.savepoint,
            defines: seen.defines,
            looks_inside: explains || seen.looks_inside || seen.reads.iter().any(|table| is_inside(table)),
            reads: seen.reads.into_iter().filter(|table| !table.starts_with("sqlite_")).collect(),
        })
    }

    /// The app has changed its local tables: what was learnt of statements, triggers and virtual tables may be wrong.
    pub(super) fn forget_classes(&mut self) -> Result<(), DbError> {
        let shadows = super::watch::shadows(&self.connection);
        self.shadows = shadows.map_err(|error| DbError::from_sqlite(&error, "PRAGMA table_list"))?;
        self.classes = Classes::default();
        self.triggers = None;
        Ok(())
    }
}

/// Tables of SQLite that tell of the schema, or of settings.
fn is_inside(table: &str) -> bool {
    ["sqlite_", "pragma_"].iter().any(|start| table.get(..start.len()).is_some_and(|s| s.eq_ignore_ascii_case(start)))
}

/// The first word after blanks, comments and stray semicolons.
fn first_word(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ';' || c == '\u{feff}');
        let skipped = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, after)| after)
        } else {
            break;
        };
        rest = skipped;
    }
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::first_word;

    #[test]
    fn st31_the_first_word_is_found_behind_comments() {
        assert_eq!(first_word("/* a */ -- b\n ; VACUUM INTO 'x'"), "VACUUM");
        assert_eq!(first_word("-- only"), "");
        assert_eq!(first_word(""), "");
    }
}
