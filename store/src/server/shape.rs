//! A synced table as this store sees it: quoted names, affinities, unique columns, who refers to it.
//! It is computed once when an object opens and holds no rows. `load`, `write`, `park` and `references` read it.

use super::fail;
use super::text::quote;
use super::values::{Selection, number, text};
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::{Affinity, Catalogue, Reference, ReferenceAction, Table};
use ebbtide_core::ids::{ColumnId, TableId};

/// A column by name and affinity.
#[derive(Debug, Clone)]
pub(super) struct ColumnShape {
    /// Its position in the table.
    pub(super) id: ColumnId,
    /// Its quoted name.
    pub(super) name: String,
    /// Its affinity.
    pub(super) affinity: Affinity,
    /// Whether it takes NULL.
    pub(super) nullable: bool,
}

/// A synced table.
#[derive(Debug)]
pub(super) struct Shape {
    /// Its number in our own tables, which no migration changes.
    pub(super) number: u64,
    /// Its quoted name.
    pub(super) name: String,
    /// The key's columns, in the key's order.
    pub(super) key: Vec<ColumnShape>,
    /// The other columns, in `Table::fields` order.
    pub(super) fields: Vec<ColumnShape>,
    /// Reads the key.
    pub(super) key_selection: Selection,
    /// Reads the fields.
    pub(super) field_selection: Selection,
    /// Per unique index beside the key, the fields in it that may be parked: those that nobody refers to first, of them NULLable ones.
    pub(super) unique: Vec<Vec<usize>>,
    /// Fields that others refer to: parking them sets ON UPDATE actions off, which are taken back at once.
    pub(super) referred: Vec<usize>,
    /// Foreign keys of this table.
    pub(super) references: Vec<Reference>,
    /// Whether any foreign key names this table.
    pub(super) is_parent: bool,
    /// Whether any of them names columns outside the key.
    pub(super) fields_are_referred_to: bool,
}

impl Shape {
    /// Reads what the catalogue does not say off the database.
    pub(super) fn read<S: Sql>(
        sql: &mut S,
        catalogue: &Catalogue,
        table: TableId,
        number: u64,
    ) -> Result<Self, SqlError> {
        let declared = catalogue.table(table).ok_or_else(|| fail::misuse("no such table"))?;
        let column = |id: ColumnId| column_shape(declared, id);
        let key = declared.key.iter().map(|id| column(*id)).collect::<Result<Vec<_>, _>>()?;
        let fields = declared.fields().map(|(id, _)| column(id)).collect::<Result<Vec<_>, _>>()?;
        Ok(Shape {
            number,
            name: quote(&declared.name),
            unique: unique_fields(sql, catalogue, table, declared, &fields)?,
            referred: (0..fields.len()).filter(|at| is_referred(catalogue, table, fields[*at].id)).collect(),
            key_selection: selection("t.", &key),
            field_selection: selection("t.", &fields),
            key,
            fields,
            references: declared.references.clone(),
            is_parent: catalogue.children_of(table).next().is_some(),
            fields_are_referred_to: catalogue
                .children_of(table)
                .any(|(_, by)| by.parent_columns.iter().any(|id| !declared.is_key(*id))),
        })
    }

    /// The column at a position of the table.
    pub(super) fn column(&self, id: ColumnId) -> Result<&ColumnShape, SqlError> {
        let mut all = self.key.iter().chain(&self.fields);
        all.find(|column| column.id == id).ok_or_else(|| fail::misuse("no such column"))
    }

    /// The position among the fields.
    pub(super) fn field_position(&self, id: ColumnId) -> Option<usize> {
        self.fields.iter().position(|field| field.id == id)
    }
}

fn column_shape(table: &Table, id: ColumnId) -> Result<ColumnShape, SqlError> {
    let column = table.columns.get(usize::from(id.0)).ok_or_else(|| fail::misuse("no such column"))?;
    let (affinity, nullable) = (column.affinity, !column.not_null);
    Ok(ColumnShape { id, name: quote(&column.name), affinity, nullable })
}

fn selection(prefix: &str, columns: &[ColumnShape]) -> Selection {
    let named: Vec<_> = columns.iter().map(|column| (format!("{prefix}{}", column.name), column.affinity)).collect();
    Selection::of(named.iter().map(|(name, affinity)| (name.as_str(), *affinity)))
}

fn is_referred(catalogue: &Catalogue, table: TableId, id: ColumnId) -> bool {
    catalogue.children_of(table).any(|(_, by)| by.parent_columns.contains(&id))
}

/// Whether what ON UPDATE does to those who refer to a column can be taken back: a child must keep its key.
fn is_restorable(catalogue: &Catalogue, table: TableId, id: ColumnId) -> bool {
    catalogue.children_of(table).filter(|(_, by)| by.parent_columns.contains(&id)).all(|(child, by)| {
        let keyed = catalogue.table(child).is_some_and(|child| by.columns.iter().any(|column| child.is_key(*column)));
        !keyed || matches!(by.on_update, ReferenceAction::Cascade | ReferenceAction::Refuse)
    })
}

/// The fields of each unique index that is not the key's.
fn unique_fields<S: Sql>(
    sql: &mut S,
    catalogue: &Catalogue,
    table: TableId,
    declared: &Table,
    fields: &[ColumnShape],
) -> Result<Vec<Vec<usize>>, SqlError> {
    let mut unique = Vec::new();
    for index in index_list(sql, &declared.name)?.iter().filter(|index| index.unique && !index.primary) {
        let names = index_columns(sql, &index.name)?;
        let position = |name: &String| {
            fields.iter().position(|field| field.name == quote(name) && is_restorable(catalogue, table, field.id))
        };
        let mut parkable: Vec<usize> = names.iter().flatten().filter_map(position).collect();
        parkable.sort_by_key(|field| (is_referred(catalogue, table, fields[*field].id), !fields[*field].nullable));
        unique.push(parkable);
    }
    Ok(unique)
}

/// An index of a table.
pub(super) struct Index {
    /// Its name.
    pub(super) name: String,
    /// Whether it holds each value once.
    pub(super) unique: bool,
    /// Whether it is that of the primary key.
    pub(super) primary: bool,
    /// Whether it leaves rows out.
    pub(super) partial: bool,
}

/// All indexes of a table.
pub(super) fn index_list<S: Sql>(sql: &mut S, table: &str) -> Result<Vec<Index>, SqlError> {
    let rows = sql.query(&format!("PRAGMA index_list({})", quote(table)), &[])?;
    let index = |row: Vec<_>| {
        let mut cells = row.into_iter().skip(1);
        let (name, unique) = (text(cells.next())?, number(cells.next())? == 1);
        let (origin, partial) = (text(cells.next())?, number(cells.next())? == 1);
        Ok(Index { name, unique, primary: origin == "pk", partial })
    };
    rows.into_iter().map(index).collect()
}

/// The columns of an index; `None` for an expression.
pub(super) fn index_columns<S: Sql>(sql: &mut S, index: &str) -> Result<Vec<Option<String>>, SqlError> {
    let rows = sql.query(&format!("PRAGMA index_info({})", quote(index)), &[])?;
    Ok(rows.into_iter().map(|row| text(row.into_iter().nth(2)).ok()).collect())
}
