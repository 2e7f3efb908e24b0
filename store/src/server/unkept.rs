//! The tables that a space has and does not keep in step, by what stays the same of their names, whatever migrations call them: what is sent to one
//! of them must not be lost. Noted whenever a schema is at hand, because a space may open without one. The session asks through `port`.

use super::values::text;
use crate::schema::Schema;
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::value::Value;

pub(super) const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS _ebb_unkept (identity TEXT PRIMARY KEY COLLATE NOCASE) STRICT";

const TABLES: &str = "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE '\\_ebb%' ESCAPE '\\'
    AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'";

/// Notes what is there under this schema beside the tables of its catalogue.
pub(super) fn note<S: Sql>(sql: &mut S, schema: &Schema, kept: &Catalogue) -> Result<(), SqlError> {
    let mut found = Vec::new();
    for name in names(sql, TABLES)? {
        let identity = schema.table_origin(&name).unwrap_or(name);
        if kept.table_of(&identity).is_none() {
            found.push(identity.to_ascii_lowercase());
        }
    }
    found.sort();
    // An object opens often, and every row that it writes is paid for.
    if names(sql, "SELECT identity FROM _ebb_unkept ORDER BY identity")? == found {
        return Ok(());
    }
    sql.execute("DELETE FROM _ebb_unkept", &[])?;
    for identity in found {
        sql.execute("INSERT INTO _ebb_unkept (identity) VALUES (?)", &[Value::Text(identity)])?;
    }
    Ok(())
}

pub(super) fn has<S: Sql>(sql: &mut S, identity: &str) -> Result<bool, SqlError> {
    let found = sql.query("SELECT 1 FROM _ebb_unkept WHERE identity=?", &[Value::Text(identity.to_owned())])?;
    Ok(!found.is_empty())
}

fn names<S: Sql>(sql: &mut S, statement: &str) -> Result<Vec<String>, SqlError> {
    sql.query(statement, &[])?.into_iter().map(|row| text(row.into_iter().next())).collect()
}
