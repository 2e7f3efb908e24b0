//! Foreign keys of synced tables while SQLite does not check them: look-ups on the rows that remote changes touched,
//! the indexes that make them cheap, and what local tables do when a synced row is gone.
//! It does not decide what to do about a violation.
//! Built when a schema is opened; used at the end of every sync step that wrote.

use crate::catalogue::quote;
use crate::schema::SchemaError;
use crate::sqlite::value::Bound;
use ebbtide_core::catalogue::{Catalogue, Reference, Table};
use ebbtide_core::change::RowId;
use ebbtide_core::ids::{ColumnId, TableId};
use ebbtide_core::sorted::SortedMap;
use rusqlite::{Connection, params_from_iter};
use std::collections::HashSet;

/// Rows that a sync step has written and that references concern.
#[derive(Debug, Default)]
pub(crate) struct TouchedRows {
    /// Put or set; they may refer to nothing.
    pub written: HashSet<RowId>,
    /// Deleted, or with other values in columns that are referred to; something may refer to them.
    pub left: HashSet<RowId>,
}

/// A statement, and which values of a row's key it binds. None: it looks at the whole table.
#[derive(Debug, Clone)]
struct Look {
    sql: String,
    binds: Vec<usize>,
    what: String,
}

#[derive(Debug, Clone, Default)]
struct TableLooks {
    /// Answers a row if this row refers to nothing.
    as_child: Vec<Look>,
    /// Answers a row if something refers to this row in vain.
    as_parent: Vec<Look>,
    /// Makes local tables follow.
    local: Vec<Look>,
}

/// All look-ups, by table.
#[derive(Debug, Clone, Default)]
pub(crate) struct References {
    tables: Vec<TableLooks>,
    /// Whether any table of the database has a foreign key: where none has, SQLite need not be told to look away.
    pub any: bool,
}

impl References {
    /// Reads local tables' foreign keys too; creates missing indexes beforehand with `ensure_indexes`.
    pub fn of(connection: &Connection, catalogue: &Catalogue) -> rusqlite::Result<Self> {
        let mut tables = vec![TableLooks::default(); catalogue.tables.len()];
        let mut any = false;
        for (at, child) in catalogue.tables.iter().enumerate() {
            for reference in &child.references {
                any = true;
                let parent = &catalogue.tables[usize::from(reference.parent.0)];
                tables[at].as_child.push(child_look(child, reference, parent));
                tables[usize::from(reference.parent.0)].as_parent.push(parent_look(child, reference, parent));
            }
        }
        for link in local_links(connection, catalogue)? {
            any = true;
            tables[usize::from(link.parent.0)].local.push(link.look(catalogue));
        }
        Ok(Self { tables, any })
    }

    /// Whether rows of the table need to be remembered when they are written, or leave.
    pub fn concern(&self, table: TableId) -> (bool, bool) {
        let looks = &self.tables[usize::from(table.0)];
        (!looks.as_child.is_empty(), !looks.as_parent.is_empty() || !looks.local.is_empty())
    }

    /// The first reference that points nowhere, in words.
    pub fn dangling(&self, connection: &Connection, touched: &TouchedRows) -> rusqlite::Result<Option<String>> {
        for row in &touched.written {
            if let Some(found) = first(connection, &self.tables[usize::from(row.table.0)].as_child, row)? {
                return Ok(Some(found));
            }
        }
        for row in &touched.left {
            if let Some(found) = first(connection, &self.tables[usize::from(row.table.0)].as_parent, row)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether `follow` would do anything.
    pub fn have_followers(&self, touched: &TouchedRows) -> bool {
        touched.left.iter().any(|row| !self.tables[usize::from(row.table.0)].local.is_empty())
    }

    /// Lets local tables follow rows that are gone. Foreign keys must be on, so that others follow them.
    pub fn follow(&self, connection: &Connection, touched: &TouchedRows) -> rusqlite::Result<()> {
        for row in &touched.left {
            for look in &self.tables[usize::from(row.table.0)].local {
                let key = look.binds.iter().map(|at| Bound(&row.key.0[*at]));
                connection.prepare_cached(&look.sql)?.execute(params_from_iter(key))?;
            }
        }
        Ok(())
    }
}

fn first(connection: &Connection, looks: &[Look], row: &RowId) -> rusqlite::Result<Option<String>> {
    for look in looks {
        let key = look.binds.iter().map(|at| Bound(&row.key.0[*at]));
        if connection.prepare_cached(&look.sql)?.exists(params_from_iter(key))? {
            return Ok(Some(look.what.clone()));
        }
    }
    Ok(None)
}

pub(super) fn name(table: &Table, id: ColumnId) -> String {
    quote(&table.columns[usize::from(id.0)].name)
}

fn described(child: &Table, reference: &Reference, parent: &Table) -> String {
    let columns: Vec<&str> =
        reference.columns.iter().map(|id| child.columns[usize::from(id.0)].name.as_str()).collect();
    format!("a row of {} refers by {} to a row of {} that is not there", child.name, columns.join(", "), parent.name)
}

/// `c` refers to something, and there is no such `p`.
pub(super) fn points_nowhere(child: &Table, reference: &Reference, parent: &Table) -> String {
    let set: Vec<String> = reference.columns.iter().map(|id| format!("c.{} IS NOT NULL", name(child, *id))).collect();
    let pairs = reference.columns.iter().zip(&reference.parent_columns);
    let same: Vec<String> = pairs.map(|(c, p)| format!("p.{} = c.{}", name(parent, *p), name(child, *c))).collect();
    let parent = quote(&parent.name);
    format!("{} AND NOT EXISTS (SELECT 1 FROM {parent} AS p WHERE {})", set.join(" AND "), same.join(" AND "))
}

fn child_look(child: &Table, reference: &Reference, parent: &Table) -> Look {
    let key: Vec<String> = child.key.iter().map(|id| format!("c.{} = ?", name(child, *id))).collect();
    let nowhere = points_nowhere(child, reference, parent);
    Look {
        sql: format!("SELECT 1 FROM {} AS c WHERE {} AND {nowhere}", quote(&child.name), key.join(" AND ")),
        binds: (0..child.key.len()).collect(),
        what: described(child, reference, parent),
    }
}

fn parent_look(child: &Table, reference: &Reference, parent: &Table) -> Look {
    let in_key = |id: &ColumnId| parent.key.iter().position(|key| key == id);
    let positions: Option<Vec<usize>> = reference.parent_columns.iter().map(in_key).collect();
    let mut terms = Vec::new();
    let binds = positions.unwrap_or_default();
    if !binds.is_empty() {
        terms.extend(reference.columns.iter().map(|id| format!("c.{} = ?", name(child, *id))));
    }
    terms.push(points_nowhere(child, reference, parent));
    let sql = format!("SELECT 1 FROM {} AS c WHERE {} LIMIT 1", quote(&child.name), terms.join(" AND "));
    Look { sql, binds, what: described(child, reference, parent) }
}

/// A foreign key of a local table on a synced one.
struct LocalLink {
    child: String,
    parent: TableId,
    /// The child's columns, and the names of the parent's.
    columns: Vec<(String, String)>,
    cascade: bool,
}

impl LocalLink {
    fn look(&self, catalogue: &Catalogue) -> Look {
        let parent = &catalogue.tables[usize::from(self.parent.0)];
        let child = quote(&self.child);
        let same: Vec<String> =
            self.columns.iter().map(|(c, p)| format!("p.{} = {child}.{}", quote(p), quote(c))).collect();
        let set: Vec<String> = self.columns.iter().map(|(c, _)| format!("{} IS NOT NULL", quote(c))).collect();
        let position =
            |p: &str| parent.key.iter().position(|id| parent.columns[usize::from(id.0)].name.eq_ignore_ascii_case(p));
        let binds: Option<Vec<usize>> = self.columns.iter().map(|(_, p)| position(p)).collect();
        let binds = binds.unwrap_or_default();
        let mut terms = set;
        if !binds.is_empty() {
            terms.extend(self.columns.iter().map(|(c, _)| format!("{} = ?", quote(c))));
        }
        let absent = format!("NOT EXISTS (SELECT 1 FROM {} AS p WHERE {})", quote(&parent.name), same.join(" AND "));
        terms.push(absent);
        let condition = terms.join(" AND ");
        let nulls: Vec<String> = self.columns.iter().map(|(c, _)| format!("{} = NULL", quote(c))).collect();
        let sql = if self.cascade {
            format!("DELETE FROM {child} WHERE {condition}")
        } else {
            format!("UPDATE {child} SET {} WHERE {condition}", nulls.join(", "))
        };
        Look { sql, binds, what: String::new() }
    }
}

/// Refuses a local table whose foreign key on a synced one would forbid what the space decides.
pub(super) fn check_local(connection: &Connection, catalogue: &Catalogue) -> Result<(), SchemaError> {
    let query = "SELECT m.name, f.\"table\", f.\"from\" FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f
                 WHERE m.type = 'table' AND f.on_delete NOT IN ('CASCADE', 'SET NULL')";
    let read = || -> rusqlite::Result<Vec<(String, String, String)>> {
        let mut statement = connection.prepare(query)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect()
    };
    let found = read().map_err(|error| crate::sqlite::sql_error(&error, query))?;
    let local = |name: &str| catalogue.table_id(name).is_none();
    match found.into_iter().find(|(child, parent, _)| local(child) && !local(parent)) {
        None => Ok(()),
        Some((child, parent, column)) => Err(SchemaError::invalid(
            format!("{child}.{column}"),
            format!(
                "refers to the synced table {parent}; declare ON DELETE CASCADE or SET NULL, since others may delete its rows"
            ),
        )),
    }
}

fn local_links(connection: &Connection, catalogue: &Catalogue) -> rusqlite::Result<Vec<LocalLink>> {
    let query = "SELECT m.name, f.id, f.\"table\", f.\"from\", f.\"to\", f.on_delete, f.seq
                 FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table' ORDER BY 1, 2, 7";
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    let mut links: SortedMap<(String, i64), LocalLink> = SortedMap::new();
    while let Some(row) = rows.next()? {
        let (child, id): (String, i64) = (row.get(0)?, row.get(1)?);
        let Some(parent) = catalogue.table_id(&row.get::<_, String>(2)?) else { continue };
        if catalogue.table_id(&child).is_some() {
            continue;
        }
        let table = &catalogue.tables[usize::from(parent.0)];
        let position: usize = row.get::<_, i64>(6)? as usize;
        let implied = || table.key.get(position).map(|id| table.columns[usize::from(id.0)].name.clone());
        let to = row.get::<_, Option<String>>(4)?.or_else(implied).unwrap_or_default();
        let cascade = row.get::<_, String>(5)? == "CASCADE";
        let link =
            links.entry((child.clone(), id)).or_insert_with(|| LocalLink { child, parent, columns: vec![], cascade });
        link.columns.push((row.get(3)?, to));
    }
    Ok(links.into_values().collect())
}

/// Adds an index to each child key that has none; a look-up would read the whole table otherwise.
pub(super) fn ensure_indexes(connection: &Connection, catalogue: &Catalogue) -> rusqlite::Result<()> {
    for table in &catalogue.tables {
        for (at, reference) in table.references.iter().enumerate() {
            let columns: Vec<&str> =
                reference.columns.iter().map(|id| table.columns[usize::from(id.0)].name.as_str()).collect();
            if !has_index(connection, &table.name, &columns)? {
                let quoted: Vec<String> = columns.iter().map(|column| quote(column)).collect();
                let index = quote(&format!("_ebb_fk_{}_{at}", table.name));
                let on = quote(&table.name);
                connection
                    .execute_batch(&format!("CREATE INDEX IF NOT EXISTS {index} ON {on} ({})", quoted.join(", ")))?;
            }
        }
    }
    Ok(())
}

/// Whether a whole index begins with these columns, in any order.
fn has_index(connection: &Connection, table: &str, columns: &[&str]) -> rusqlite::Result<bool> {
    let query = "SELECT l.name, i.name FROM pragma_index_list(?1) AS l, pragma_index_info(l.name) AS i
                 WHERE l.partial = 0 AND i.seqno < ?2";
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query(rusqlite::params![table, columns.len() as i64])?;
    let mut leading: SortedMap<String, usize> = SortedMap::new();
    while let Some(row) = rows.next()? {
        let column: Option<String> = row.get(1)?;
        let wanted = column.is_some_and(|found| columns.iter().any(|column| column.eq_ignore_ascii_case(&found)));
        *leading.entry(row.get(0)?).or_default() += usize::from(wanted);
    }
    Ok(leading.values().any(|count| *count == columns.len()))
}
