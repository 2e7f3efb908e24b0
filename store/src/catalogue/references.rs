//! Foreign keys between synced tables.
//! It knows the finished tables of the catalogue and which tables are local only by their absence there.
//! Called by the catalogue reader once all tables are read.

use super::{integer, quote, text};
use crate::schema::SchemaError;
use crate::sql::{Row, Sql};
use ebbtide_core::catalogue::{Catalogue, Reference, ReferenceAction, Table};
use ebbtide_core::ids::ColumnId;
use ebbtide_core::sorted::SortedMap;

/// Fills in `references` of every table.
pub(super) fn read(sql: &mut impl Sql, catalogue: &mut Catalogue) -> Result<(), SchemaError> {
    for at in 0..catalogue.tables.len() {
        let name = quote(&catalogue.tables[at].name);
        let rows = sql.query(&format!("PRAGMA foreign_key_list({name})"), &[])?;
        let mut by_id: SortedMap<i64, Vec<Row>> = SortedMap::new();
        for row in rows {
            by_id.entry(integer(&row, 0)).or_default().push(row);
        }
        let child = &catalogue.tables[at];
        // SQLite lists the last declared first.
        let references: Result<_, _> =
            by_id.into_values().rev().map(|rows| reference(catalogue, child, rows)).collect();
        catalogue.tables[at].references = references?;
    }
    Ok(())
}

fn reference(catalogue: &Catalogue, child: &Table, mut rows: Vec<Row>) -> Result<Reference, SchemaError> {
    rows.sort_by_key(|row| integer(row, 1));
    let place = format!("tables.{}.{}", child.name, text(&rows[0], 3));
    let parent_name = text(&rows[0], 2);
    let parent_id = catalogue.table_id(parent_name).ok_or_else(|| {
        let what = format!("references {parent_name}, which is not synced; sync it too, or drop the reference");
        SchemaError::invalid(&place, what)
    })?;
    let parent = &catalogue.tables[usize::from(parent_id.0)];
    let columns = rows.iter().map(|row| column(child, text(row, 3), &place)).collect::<Result<_, _>>()?;
    let parent_columns = match text(&rows[0], 4) {
        "" => parent.key.clone(),
        _ => rows.iter().map(|row| column(parent, text(row, 4), &place)).collect::<Result<_, _>>()?,
    };
    let (on_update, on_delete) = (action(text(&rows[0], 5)), action(text(&rows[0], 6)));
    let reference = Reference { columns, parent: parent_id, parent_columns, on_delete, on_update };
    check_arity(&place, &reference)?;
    Ok(reference)
}

fn check_arity(place: &str, reference: &Reference) -> Result<(), SchemaError> {
    if reference.columns.len() == reference.parent_columns.len() {
        return Ok(());
    }
    Err(SchemaError::invalid(place, "has another number of columns than the key that it references"))
}

fn column(table: &Table, name: &str, place: &str) -> Result<ColumnId, SchemaError> {
    let position = table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    let position = position.ok_or_else(|| {
        SchemaError::invalid(place, format!("a foreign key names {}.{name}, which is generated or missing", table.name))
    })?;
    Ok(ColumnId(u16::try_from(position).expect("at most TABLE_COLUMNS")))
}

fn action(declared: &str) -> ReferenceAction {
    match declared {
        "CASCADE" => ReferenceAction::Cascade,
        "SET NULL" => ReferenceAction::SetNull,
        "SET DEFAULT" => ReferenceAction::SetDefault,
        _ => ReferenceAction::Refuse,
    }
}
