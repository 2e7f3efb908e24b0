//! Single values of a space that have no table of their own: its name, where its readers are, up to where its log is pruned.
//! It knows no names; who keeps a fact names it. Used throughout this store.

use crate::sql::{Sql, SqlError};
use ebbtide_core::value::Value;

/// A fact, if it was ever set.
pub(super) fn fact<S: Sql>(sql: &mut S, name: &str) -> Result<Option<Value>, SqlError> {
    let rows = sql.query("SELECT value FROM _ebb_fact WHERE name=?", &[Value::Text(name.to_owned())])?;
    Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()))
}

/// Sets a fact. One that is so already is not written.
pub(super) fn set_fact<S: Sql>(sql: &mut S, name: &str, value: Value) -> Result<(), SqlError> {
    sql.execute(
        "INSERT INTO _ebb_fact (name,value) VALUES (?,?)
         ON CONFLICT (name) DO UPDATE SET value=excluded.value WHERE value IS NOT excluded.value",
        &[Value::Text(name.to_owned()), value],
    )?;
    Ok(())
}
