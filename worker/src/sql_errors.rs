//! What kind of failure an object's SQLite reports: it gives text only.
//! The words are SQLite's own, so they are the same on every platform. `durable` calls it.

use ebbtide_store::sql::{SqlError, SqlErrorKind};

/// Phrases in the order in which they are looked for.
const KINDS: [(&str, SqlErrorKind); 16] = [
    ("FOREIGN KEY constraint failed", SqlErrorKind::ForeignKey),
    ("UNIQUE constraint failed", SqlErrorKind::Unique),
    ("PRIMARY KEY", SqlErrorKind::Unique),
    ("NOT NULL constraint failed", SqlErrorKind::Constraint),
    ("CHECK constraint failed", SqlErrorKind::Constraint),
    ("cannot store", SqlErrorKind::Constraint),
    ("SQLITE_CONSTRAINT", SqlErrorKind::Constraint),
    ("datatype mismatch", SqlErrorKind::Unfit),
    ("string or blob too big", SqlErrorKind::Unfit),
    ("database or disk is full", SqlErrorKind::Full),
    ("SQLITE_FULL", SqlErrorKind::Full),
    ("malformed", SqlErrorKind::Corrupt),
    ("SQLITE_CORRUPT", SqlErrorKind::Corrupt),
    ("SQLITE_BUSY", SqlErrorKind::Busy),
    ("SQLITE_ERROR", SqlErrorKind::Misuse),
    ("SQLITE_AUTH", SqlErrorKind::Misuse),
];

/// The error as the port knows it. What SQLite appends in brackets or after a colon stays part of the text.
pub fn classify(message: String, sql: &str) -> SqlError {
    let kind = KINDS.iter().find(|(phrase, _)| message.contains(phrase)).map_or(SqlErrorKind::Other, |(_, kind)| *kind);
    SqlError { kind, message, sql: sql.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sv22_sqlites_words_tell_the_kind() {
        let cases = [
            ("UNIQUE constraint failed: household.code: SQLITE_CONSTRAINT", SqlErrorKind::Unique),
            ("FOREIGN KEY constraint failed: SQLITE_CONSTRAINT", SqlErrorKind::ForeignKey),
            ("NOT NULL constraint failed: visit.doses: SQLITE_CONSTRAINT", SqlErrorKind::Constraint),
            ("CHECK constraint failed: doses >= 0: SQLITE_CONSTRAINT", SqlErrorKind::Constraint),
            ("cannot store TEXT value in INTEGER column visit.doses: SQLITE_CONSTRAINT", SqlErrorKind::Constraint),
            ("my own RAISE: SQLITE_CONSTRAINT", SqlErrorKind::Constraint),
            ("datatype mismatch: SQLITE_MISMATCH", SqlErrorKind::Unfit),
            ("string or blob too big: SQLITE_TOOBIG", SqlErrorKind::Unfit),
            ("database or disk is full: SQLITE_FULL", SqlErrorKind::Full),
            ("no such table: x: SQLITE_ERROR", SqlErrorKind::Misuse),
            ("something else", SqlErrorKind::Other),
        ];
        for (message, kind) in cases {
            assert_eq!(classify(message.to_owned(), "").kind, kind, "{message}");
        }
    }
}
