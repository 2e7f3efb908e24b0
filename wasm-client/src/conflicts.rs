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

/// What the page chose: a side by its place, -1 for this device's own, -2 for the value.
pub fn choice(side: i32, mut values: Vec<Value>) -> Result<Choice> {
    match (side, values.pop()) {
        (-1, _) => Ok(Choice::Mine),
        (-2, Some(value)) => Ok(Choice::Value(value)),
        (side, _) => match u32::try_from(side) {
            Ok(side) => Ok(Choice::Side(side)),
            Err(_) => Err(ClientError::permanent("bad_parameter", "a resolution names a side or a value")),
        },
    }
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
        record.base.iter().for_each(|value| table.plain(&head, "base", value));
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
        self.head(head, head.at, part);
        (0..6).for_each(|_| self.0.cell(ValueRef::Null));
        self.0.cell(value_ref(value));
        self.0.end_row();
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
