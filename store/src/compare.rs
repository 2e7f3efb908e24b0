//! Which rows a migration's DML changed: a copy of the synced tables from before it against what is there after it.
//! What only moved with its table or column, or was added with a constant, is no change. What follows from a change is not its business.
//! Used by the space's barrier and by a device that opens under a new schema.

use crate::catalogue::quote;
use crate::server::text::join;
use crate::server::triggers::tokens;
use crate::server::values::{Selection, bound, number, placeholder};
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::{Affinity, Catalogue, Table};
use ebbtide_core::change::RowId;
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::value::{Key, Value};
use ebbtide_core::version_map::{Source, TableMap, VersionMap};

/// A row that a migration changed, in the new version's terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// Which.
    pub row: RowId,
    /// Its values if the migration had changed nothing but names and places; `None` if it was not there.
    pub before: Option<Vec<Value>>,
    /// Its values now; `None` if it is gone.
    pub after: Option<Vec<Value>>,
}

/// Whether a text can change rows. It may say so of one that cannot.
pub fn may_change_rows(sql: &str) -> bool {
    let all = tokens(sql);
    let writes = |at: usize| {
        let on = at > 0 && all[at - 1].is("ON");
        all[at].is("INSERT") || all[at].is("REPLACE") || !on && (all[at].is("UPDATE") || all[at].is("DELETE"))
    };
    (0..all.len()).any(writes)
}

/// Copies the synced tables aside.
pub fn copy(sql: &mut impl Sql, old: &Catalogue) -> Result<(), SqlError> {
    for (at, table) in old.tables.iter().enumerate() {
        let columns = table.columns.iter().enumerate().map(|(c, column)| format!("{} AS c{c}", quote(&column.name)));
        let name = quote(&table.name);
        sql.execute(&format!("CREATE TABLE {} AS SELECT {} FROM {name}", aside(at), join(columns, ",")), &[])?;
        let key = join(table.key.iter().map(|id| format!("c{}", id.0)), ",");
        sql.execute(&format!("CREATE INDEX _ebb_before_key_{at} ON {} ({key})", aside(at)), &[])?;
    }
    Ok(())
}

/// Drops the copies.
pub fn forget(sql: &mut impl Sql, old: &Catalogue) -> Result<(), SqlError> {
    (0..old.tables.len()).try_for_each(|at| sql.execute(&format!("DROP TABLE {}", aside(at)), &[]).map(drop))
}

fn aside(table: usize) -> String {
    format!("_ebb_before_{table}")
}

/// What changed against the copies, and everything in tables that were not synced before.
pub fn moved(sql: &mut impl Sql, old: &Catalogue, new: &Catalogue) -> Result<Vec<Moved>, SqlError> {
    let map = VersionMap::new(old, new);
    let mut all = arrived(sql, old, new)?;
    for (at, table) in old.tables.iter().enumerate() {
        let Some(to) = map.table(TableId(at as u16)) else { continue };
        let Some(target) = new.table(to.id) else { continue };
        let comparison = Comparison { aside: aside(at), old: table, new: target, map: to };
        comparison.changed(sql, &mut all)?;
        comparison.gone(sql, &mut all)?;
    }
    Ok(all)
}

/// All rows of tables that were not synced before.
pub fn arrived(sql: &mut impl Sql, old: &Catalogue, new: &Catalogue) -> Result<Vec<Moved>, SqlError> {
    let map = VersionMap::new(old, new);
    let before: Vec<TableId> =
        (0..old.tables.len()).filter_map(|at| map.table(TableId(at as u16))).map(|m| m.id).collect();
    let mut all = Vec::new();
    for (at, table) in new.tables.iter().enumerate() {
        let id = TableId(at as u16);
        if before.contains(&id) {
            continue;
        }
        let whole = Whole::of(table);
        let rows = sql.query(&format!("SELECT {} FROM {} AS t", whole.sql(), quote(&table.name)), &[])?;
        for row in rows {
            let (key, after) = whole.read(&mut row.into_iter())?;
            all.push(Moved { row: RowId { table: id, key }, before: None, after: Some(after) });
        }
    }
    Ok(all)
}

/// The key and the fields of a row `t`.
struct Whole {
    key: Selection,
    fields: Selection,
}

impl Whole {
    fn of(table: &Table) -> Self {
        let named = |id: ColumnId| {
            let column = &table.columns[usize::from(id.0)];
            (format!("t.{}", quote(&column.name)), column.affinity)
        };
        Self {
            key: selection(table.key.iter().map(|id| named(*id))),
            fields: selection(table.fields().map(|(id, _)| named(id))),
        }
    }

    fn sql(&self) -> String {
        join([&self.key.sql, &self.fields.sql].into_iter().filter(|list| !list.is_empty()), ",")
    }

    fn read(&self, cells: &mut impl Iterator<Item = Value>) -> Result<(Key, Vec<Value>), SqlError> {
        Ok((Key(self.key.read(cells)?), self.fields.read(cells)?))
    }
}

fn selection(columns: impl Iterator<Item = (String, Affinity)>) -> Selection {
    let columns: Vec<(String, Affinity)> = columns.collect();
    Selection::of(columns.iter().map(|(sql, affinity)| (sql.as_str(), *affinity)))
}

/// One table before and after.
struct Comparison<'a> {
    aside: String,
    old: &'a Table,
    new: &'a Table,
    map: &'a TableMap,
}

impl Comparison<'_> {
    fn changed(&self, sql: &mut impl Sql, all: &mut Vec<Moved>) -> Result<(), SqlError> {
        let (whole, before) = (Whole::of(self.new), self.before());
        let (differs, params) = self.differs();
        let there = format!("b.c{} IS NOT NULL", self.old.key[0].0);
        let list =
            join([whole.sql(), there.clone(), before.sql.clone()].into_iter().filter(|list| !list.is_empty()), ",");
        let statement = format!(
            "SELECT {list} FROM {} AS t LEFT JOIN {} AS b ON {} WHERE NOT ({there}) OR {differs}",
            quote(&self.new.name),
            self.aside,
            self.same_key()
        );
        for row in sql.query(&statement, &params)? {
            let mut cells = row.into_iter();
            let (key, after) = whole.read(&mut cells)?;
            let was_there = number(cells.next())? == 1;
            let before = before.read(&mut cells)?;
            let before = was_there.then(|| self.map.values(&before));
            if before.as_ref() != Some(&after) {
                all.push(Moved { row: RowId { table: self.map.id, key }, before, after: Some(after) });
            }
        }
        Ok(())
    }

    fn gone(&self, sql: &mut impl Sql, all: &mut Vec<Moved>) -> Result<(), SqlError> {
        let key = selection(self.old.key.iter().map(|id| self.old_column(*id)));
        let before = self.before();
        let list = join([&key.sql, &before.sql].into_iter().filter(|list| !list.is_empty()), ",");
        let first = quote(&self.new.columns[usize::from(self.new.key[0].0)].name);
        let statement = format!(
            "SELECT {list} FROM {} AS b LEFT JOIN {} AS t ON {} WHERE t.{first} IS NULL",
            self.aside,
            quote(&self.new.name),
            self.same_key()
        );
        for row in sql.query(&statement, &[])? {
            let mut cells = row.into_iter();
            let row = RowId { table: self.map.id, key: Key(key.read(&mut cells)?) };
            let before = Some(self.map.values(&before.read(&mut cells)?));
            all.push(Moved { row, before, after: None });
        }
        Ok(())
    }

    fn old_column(&self, id: ColumnId) -> (String, Affinity) {
        (format!("b.c{}", id.0), self.old.columns[usize::from(id.0)].affinity)
    }

    /// The old fields.
    fn before(&self) -> Selection {
        selection(self.old.fields().map(|(id, _)| self.old_column(id)))
    }

    fn same_key(&self) -> String {
        let pairs = self.new.key.iter().zip(&self.old.key);
        let same = |(to, from): (&ColumnId, &ColumnId)| {
            format!("t.{}=b.c{}", quote(&self.new.columns[usize::from(to.0)].name), from.0)
        };
        join(pairs.map(same), " AND ")
    }

    /// A condition that no changed row misses.
    fn differs(&self) -> (String, Vec<Value>) {
        let old: Vec<ColumnId> = self.old.fields().map(|(id, _)| id).collect();
        let mut params = Vec::new();
        let parts = self.new.fields().zip(self.map.sources()).map(|((_, column), source)| {
            let name = format!("t.{}", quote(&column.name));
            match source {
                Source::Field(from, _) => {
                    let before = format!("b.c{}", old[*from].0);
                    format!("{name} COLLATE BINARY IS NOT {before} OR typeof({name})<>typeof({before})")
                }
                Source::Constant(constant) => {
                    params.push(bound(constant, column.affinity));
                    format!("{name} COLLATE BINARY IS NOT {}", placeholder(constant, column.affinity))
                }
            }
        });
        let text = join(parts, " OR ");
        (if text.is_empty() { "0".into() } else { text }, params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn st81_what_can_change_rows_is_told_from_what_only_defines() {
        let changing = ["INSERT INTO t VALUES (1)", "CREATE TABLE n (a); DELETE FROM t", "update t set a=1"];
        let defining = [
            "CREATE TABLE t (a REFERENCES p ON DELETE CASCADE ON UPDATE SET NULL)",
            "ALTER TABLE t ADD COLUMN \"insert\" TEXT DEFAULT 'UPDATE' -- DELETE",
        ];
        assert!(changing.iter().all(|sql| may_change_rows(sql)));
        assert!(!defining.iter().any(|sql| may_change_rows(sql)));
    }
}
