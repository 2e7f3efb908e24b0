//! Which tables a query reads and which were written: what `watch` needs to know when to run a query again.
//! Tables are named as declared; a virtual table counts as written when its content tables are.
//! Used by the adapters after local commits and after remote changes were applied.

use super::LocalDatabase;
use super::error::DbError;
use ebbtide_core::sorted::SortedMap;
use rusqlite::Connection;

impl LocalDatabase {
    /// The tables that a statement reads, views resolved.
    pub fn reads(&mut self, sql: &str) -> Result<Vec<String>, DbError> {
        Ok(self.class(sql)?.reads.clone())
    }

    /// The tables written by committed transactions and applied changes since the last call.
    pub fn take_touched(&mut self) -> Vec<String> {
        std::mem::take(&mut self.touched).into_iter().collect()
    }

    /// Whether something was committed since `take_touched` was last asked.
    pub fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// The transaction is committed: what it touched counts.
    pub(super) fn note_touched(&mut self) {
        for table in self.capture.lock().take_touched() {
            if let Some(virtual_table) = self.shadows.get(&table) {
                self.touched.insert(virtual_table.clone());
            }
            self.touched.insert(table);
        }
    }
}

/// Virtual tables by their content tables, which carry their names as a prefix.
pub(super) fn shadows(connection: &Connection) -> rusqlite::Result<SortedMap<String, String>> {
    let mut statement = connection.prepare("PRAGMA table_list")?;
    let listed = statement.query_map([], |row| Ok((row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
    let listed: Vec<(String, String)> = listed.collect::<rusqlite::Result<_>>()?;
    let of_kind = |kind: &'static str| listed.iter().filter(move |(_, found)| found == kind).map(|(name, _)| name);
    let owner = |shadow: &str| {
        let belongs = |name: &&String| shadow.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('_'));
        of_kind("virtual").filter(belongs).max_by_key(|name| name.len()).cloned()
    };
    Ok(of_kind("shadow").filter_map(|shadow| owner(shadow).map(|owner| (shadow.clone(), owner))).collect())
}
