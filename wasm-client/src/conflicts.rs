//! Conflicts as results of a query: flat rows, so that every value keeps its type.
//! The page gathers them into objects (`npm/src/client/conflicts.ts`). `client.rs` calls it.

use crate::cells::Rows;
use crate::database::Database;
use crate::error::{ClientError, Result};
use crate::inspect::hex;
use crate::records::{text, value_ref};
use ebbtide_core::conflict::{ConflictId, Side};
use ebbtide_core::ids::Seq;
use ebbtide_core::value::Value;
use ebbtide_store::local::{Choice, SideRecord, Wanted};
use rusqlite::types::ValueRef;

/// `part` is `key`, `base`, `side` (what a side wants) or `field` (of the row that a side wants, by its name).
const COLUMNS: [&str; 14] = [
    "id", "seq", "table", "column", "kept", "at", "part", "side", "wanted", "author", "device", "mine", "name", "value",
];

/// The id under which the page knows an open conflict.
pub fn id_text(id: ConflictId) -> String {
    format!("{}.{}", id.seq.0, id.index)
}

/// The conflict that the page means.
pub fn id(text: &str) -> Result<ConflictId> {
    let parsed = text
        .split_once('.')
        .and_then(|(seq, index)| Some(ConflictId { seq: Seq(seq.parse().ok()?), index: index.parse().ok()? }));
    parsed.ok_or_else(|| ClientError::permanent("bad_parameter", format!("`{text}` is no such id")))
}

/// What the page chose: a side by its place, -1 for this device's own, -2 for the value, -3 for the names and values of a row, by turns.
pub fn choice(side: i32, mut values: Vec<Value>) -> Result<Choice> {
    match side {
        -1 => Some(Choice::Mine),
        -2 => values.pop().map(Choice::Value),
        -3 => row(values).map(Choice::Row),
        side => u32::try_from(side).ok().map(Choice::Side),
    }
    .ok_or_else(|| ClientError::permanent("bad_parameter", "a resolution names a side, a value or a row"))
}

fn row(values: Vec<Value>) -> Option<Vec<(String, Value)>> {
    let mut cells = values.into_iter();
    let mut row = Vec::new();
    while let Some(name) = cells.next() {
        let (Value::Text(name), Some(value)) = (name, cells.next()) else { return None };
        row.push((name, value));
    }
    Some(row)
}

/// The conflicts that wait for a person.
pub fn open(database: &mut Database) -> Result<Vec<u8>> {
    let mut table = Conflicts::default();
    for record in database.open_conflicts()? {
        let head = Head {
            id: id_text(record.id),
            seq: record.id.seq,
            table: record.table,
            column: record.column,
            kept: "",
            at: record.opened_at.0,
        };
        record.key.iter().for_each(|value| table.plain(&head, "key", value));
        record.base.iter().for_each(|base| table.base(&head, base));
        for (place, side) in record.sides.iter().enumerate() {
            table.side(&head, place as i64, side);
        }
    }
    Ok(table.0.finish())
}

/// The conflicts that rules have decided; the incumbent is side 0, the challenger side 1.
pub fn decided(database: &mut Database) -> Result<Vec<u8>> {
    let mut table = Conflicts::default();
    for record in database.decided_conflicts()? {
        let kept = match record.kept {
            Side::Incumbent => "incumbent",
            Side::Challenger => "challenger",
        };
        let (id, seq) = (record.id.to_string(), record.seq);
        let head = Head { id, seq, table: record.table, column: record.column, kept, at: 0 };
        record.key.iter().for_each(|value| table.plain(&head, "key", value));
        table.side(&head, 0, &record.incumbent);
        table.side(&head, 1, &record.challenger);
    }
    Ok(table.0.finish())
}

/// What all rows of a conflict begin with.
struct Head {
    id: String,
    seq: Seq,
    table: String,
    column: Option<String>,
    kept: &'static str,
    at: u64,
}

struct Conflicts(Rows);

impl Default for Conflicts {
    fn default() -> Self {
        let mut rows = Rows::default();
        rows.name_columns(&COLUMNS);
        Self(rows)
    }
}

impl Conflicts {
    fn head(&mut self, head: &Head, at: u64, part: &str) {
        self.0.cell(text(&head.id));
        self.0.cell(ValueRef::Integer(head.seq.0 as i64));
        self.0.cell(text(&head.table));
        self.0.cell(head.column.as_deref().map_or(ValueRef::Null, text));
        self.0.cell(text(head.kept));
        self.0.cell(ValueRef::Integer(at as i64));
        self.0.cell(text(part));
    }

    fn plain(&mut self, head: &Head, part: &str, value: &Value) {
        self.row(head, part, (ValueRef::Null, value));
    }

    fn row(&mut self, head: &Head, part: &str, (name, value): (ValueRef<'_>, &Value)) {
        self.head(head, head.at, part);
        (0..5).for_each(|_| self.0.cell(ValueRef::Null));
        self.0.cell(name);
        self.0.cell(value_ref(value));
        self.0.end_row();
    }

    /// Of a row, each field under its name.
    fn base(&mut self, head: &Head, base: &Wanted) {
        match base {
            Wanted::Value(value) => self.plain(head, "base", value),
            Wanted::Row(fields) => {
                fields.iter().for_each(|(name, value)| self.row(head, "base", (text(name), value)));
            }
            Wanted::Deleted => {}
        }
    }

    fn side(&mut self, head: &Head, place: i64, side: &SideRecord) {
        let (wanted, value) = match &side.wanted {
            Wanted::Value(value) => ("value", value.clone()),
            Wanted::Deleted => ("deleted", Value::Null),
            Wanted::Row(_) => ("row", Value::Null),
        };
        self.side_row(head, place, side, "side", (wanted, "", &value));
        if let Wanted::Row(fields) = &side.wanted {
            fields.iter().for_each(|(name, value)| self.side_row(head, place, side, "field", (wanted, name, value)));
        }
    }

    fn side_row(
        &mut self,
        head: &Head,
        place: i64,
        side: &SideRecord,
        part: &str,
        (wanted, name, value): (&str, &str, &Value),
    ) {
        let device = side.device.map(|device| hex(&device.0));
        self.head(head, side.at.0, part);
        self.0.cell(ValueRef::Integer(place));
        self.0.cell(text(wanted));
        self.0.cell(text(&side.author));
        self.0.cell(device.as_deref().map_or(ValueRef::Null, text));
        self.0.cell(ValueRef::Integer(i64::from(side.mine)));
        self.0.cell(text(name));
        self.0.cell(value_ref(value));
        self.0.end_row();
    }
}
