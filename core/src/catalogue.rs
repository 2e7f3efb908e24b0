//! What both sides must know of the synced tables: keys, columns, references, and how each field merges.
//! It is read off a migrated database by `store`; it contains names and positions, no SQL.
//! Tables and columns travel as positions in the catalogue of a schema version.

use crate::ids::{ColumnId, SchemaHash, SchemaVersion, TableId};
use crate::value::Value;
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// The synced part of a schema version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// How many migrations made it.
    pub version: SchemaVersion,
    /// Hash of migrations and rules.
    pub hash: SchemaHash,
    /// Synced tables, ordered by name, so that both sides give them the same ids.
    pub tables: Vec<Table>,
}

/// A synced table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name as declared.
    pub name: String,
    /// The name by which earlier versions know it, where a migration renamed it.
    pub origin: Option<String>,
    /// All stored columns in SQLite's order; virtual generated ones are left out, stored generated ones too.
    pub columns: Vec<Column>,
    /// Positions of the primary key's columns, in the key's order. Never empty.
    pub key: Vec<ColumnId>,
    /// Foreign keys declared on this table whose parent is a synced table.
    pub references: Vec<Reference>,
    /// What becomes of a row that one device deletes while another edits it.
    pub delete: DeleteRule,
    /// What merges by itself: each field, or the row as a whole.
    pub row: RowRule,
}

/// A column of a synced table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name as declared.
    pub name: String,
    /// The name by which earlier versions know it, where a migration renamed it.
    pub origin: Option<String>,
    /// How SQLite converts what is stored in it.
    pub affinity: Affinity,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// The default, where it is a constant; an expression default has none here.
    pub default: Option<Value>,
    /// How concurrent writes to it merge.
    pub strategy: Strategy,
}

/// SQLite's column affinity; a server that passes numbers as doubles needs it to bind exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Affinity {
    /// BLOB, or no type.
    #[default]
    Blob,
    /// Text.
    Text,
    /// Numeric.
    Numeric,
    /// Integer.
    Integer,
    /// Real.
    Real,
}

/// How concurrent writes to one field merge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// The later reading wins; a write that had seen the current value always does.
    #[default]
    Lww,
    /// Of concurrent values the first committed stays.
    First,
    /// What was added and taken away is summed up.
    Sum,
    /// Of concurrent values the least stays.
    Min,
    /// Of concurrent values the greatest stays.
    Max,
    /// A JSON array whose elements are added and removed.
    Set,
    /// Text in which both people's words are kept.
    Text,
    /// A write that had not seen the current value is refused.
    Server,
    /// A person chooses between concurrent values.
    Review,
    /// A function of the app in its Worker.
    Custom,
}

/// What becomes of a row deleted on one device and edited on another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeleteRule {
    /// The row goes; the edits are recorded as overwritten.
    #[default]
    Wins,
    /// The row stays, with the edits.
    Keep,
    /// A person chooses.
    Review,
}

/// What of a row merges by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowRule {
    /// Each field, by its strategy.
    #[default]
    Fields,
    /// The row as a whole: a change carries its full image.
    Atomic,
}

/// A foreign key between synced tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "PackedReference", into = "PackedReference")]
pub struct Reference {
    /// The child's columns.
    pub columns: Vec<ColumnId>,
    /// The parent table.
    pub parent: TableId,
    /// The parent's columns, in the same order.
    pub parent_columns: Vec<ColumnId>,
    /// What SQLite does to the child when the parent goes.
    pub on_delete: ReferenceAction,
    /// What SQLite does to the child when the parent's columns change.
    pub on_update: ReferenceAction,
}

/// A reference as it is kept: both actions in one number, ON DELETE in its lowest two bits.
#[derive(Serialize, Deserialize)]
struct PackedReference(Vec<ColumnId>, TableId, Vec<ColumnId>, u8);

impl From<Reference> for PackedReference {
    fn from(reference: Reference) -> Self {
        let actions = reference.on_delete as u8 | (reference.on_update as u8) << 2;
        Self(reference.columns, reference.parent, reference.parent_columns, actions)
    }
}

impl From<PackedReference> for Reference {
    fn from(PackedReference(columns, parent, parent_columns, actions): PackedReference) -> Self {
        let action = |bits: u8| match bits & 3 {
            0 => ReferenceAction::Refuse,
            1 => ReferenceAction::Cascade,
            2 => ReferenceAction::SetNull,
            _ => ReferenceAction::SetDefault,
        };
        Self { columns, parent, parent_columns, on_delete: action(actions), on_update: action(actions >> 2) }
    }
}

/// ON DELETE or ON UPDATE of a foreign key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReferenceAction {
    /// NO ACTION and RESTRICT: the parent cannot go, or change, while it has children.
    #[default]
    Refuse,
    /// The children go too, or change with it.
    Cascade,
    /// The children's columns become NULL.
    SetNull,
    /// The children's columns take their defaults.
    SetDefault,
}

impl Strategy {
    /// All of them, with the names by which schemas call them.
    pub const NAMES: [(&'static str, Strategy); 10] = [
        ("lww", Strategy::Lww),
        ("first", Strategy::First),
        ("sum", Strategy::Sum),
        ("min", Strategy::Min),
        ("max", Strategy::Max),
        ("set", Strategy::Set),
        ("text", Strategy::Text),
        ("server", Strategy::Server),
        ("review", Strategy::Review),
        ("custom", Strategy::Custom),
    ];

    /// Whether a pending write follows the value that is pulled under it, instead of hiding it.
    pub fn rebases(self) -> bool {
        matches!(self, Strategy::Sum | Strategy::Set | Strategy::Text)
    }

    /// Whether a device tells what it had seen in a field, so that who chooses between two values sees it too.
    pub fn tells_base(self) -> bool {
        matches!(self, Strategy::Review | Strategy::Custom)
    }

    /// The strategy of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, strategy)| *strategy)
    }
}

impl DeleteRule {
    /// All of them, with the names by which schemas call them.
    pub const NAMES: [(&'static str, DeleteRule); 3] =
        [("wins", DeleteRule::Wins), ("keep", DeleteRule::Keep), ("review", DeleteRule::Review)];

    /// The rule of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, rule)| *rule)
    }
}

impl Catalogue {
    /// Whether rows that go must leave an image: some table's deletes may be undone or reviewed, with what fell with them.
    pub fn keeps_tombstones(&self) -> bool {
        self.tables.iter().any(|table| table.delete != DeleteRule::Wins)
    }

    /// The table with this id; `None` for an id from a foreign catalogue.
    pub fn table(&self, id: TableId) -> Option<&Table> {
        self.tables.get(usize::from(id.0))
    }

    /// The id of a table by name, compared as SQLite compares names.
    pub fn table_id(&self, name: &str) -> Option<TableId> {
        let position = self.tables.iter().position(|table| table.name.eq_ignore_ascii_case(name))?;
        u16::try_from(position).ok().map(TableId)
    }

    /// Whether rows of other tables refer to columns of this one that can change: columns that are not its key.
    pub fn has_changing_parent_columns(&self, parent: TableId) -> bool {
        let Some(table) = self.table(parent) else { return false };
        let mut columns = self.children_of(parent).flat_map(|(_, reference)| &reference.parent_columns);
        columns.any(|column| !table.is_key(*column))
    }

    /// The table that other versions know by this identity.
    pub fn table_of(&self, identity: &str) -> Option<TableId> {
        let position = self.tables.iter().position(|table| table.identity().eq_ignore_ascii_case(identity))?;
        u16::try_from(position).ok().map(TableId)
    }

    /// Whether all its positions lead somewhere; a catalogue from a peer is believed no further.
    pub fn is_consistent(&self) -> bool {
        self.tables.iter().all(|table| {
            let own = |columns: &[ColumnId]| columns.iter().all(|id| usize::from(id.0) < table.columns.len());
            let leads = |reference: &Reference| {
                let parent = self.table(reference.parent);
                let there = |id: &ColumnId| parent.is_some_and(|parent| usize::from(id.0) < parent.columns.len());
                own(&reference.columns) && reference.parent_columns.iter().all(there)
            };
            !table.key.is_empty() && own(&table.key) && table.references.iter().all(leads)
        })
    }

    /// References of other tables (and of itself) that name `parent`, with the child's id.
    pub fn children_of(&self, parent: TableId) -> impl Iterator<Item = (TableId, &Reference)> {
        self.tables.iter().enumerate().flat_map(move |(child, table)| {
            let child = TableId(child as u16);
            table.references.iter().filter(move |r| r.parent == parent).map(move |r| (child, r))
        })
    }
}

impl Table {
    /// What stays the same of it in all schema versions.
    pub fn identity(&self) -> &str {
        self.origin.as_deref().unwrap_or(&self.name)
    }

    /// The column that other versions know by this identity.
    pub fn column_of(&self, identity: &str) -> Option<ColumnId> {
        let position = self.columns.iter().position(|column| column.identity().eq_ignore_ascii_case(identity))?;
        u16::try_from(position).ok().map(ColumnId)
    }

    /// Whether the column is part of the primary key.
    pub fn is_key(&self, column: ColumnId) -> bool {
        self.key.contains(&column)
    }

    /// How concurrent writes to a column merge.
    pub fn strategy(&self, column: ColumnId) -> Strategy {
        self.columns.get(usize::from(column.0)).map(|column| column.strategy).unwrap_or_default()
    }

    /// How concurrent images of a row merge that is one whole: its strategy stands at each of its fields.
    pub fn row_strategy(&self) -> Strategy {
        self.fields().next().map(|(_, column)| column.strategy).unwrap_or_default()
    }

    /// Whether a person chooses between whole rows.
    pub fn reviews_rows(&self) -> bool {
        self.row == RowRule::Atomic && self.row_strategy() == Strategy::Review
    }

    /// The columns that are not part of the key, in table order: the order of `Mutation::Insert` values.
    pub fn fields(&self) -> impl Iterator<Item = (ColumnId, &Column)> {
        self.columns
            .iter()
            .enumerate()
            .map(|(position, column)| (ColumnId(position as u16), column))
            .filter(|(id, _)| !self.is_key(*id))
    }

    /// The position of a column among `fields`.
    pub fn field_position(&self, column: ColumnId) -> Option<usize> {
        self.fields().position(|(id, _)| id == column)
    }
}

impl Column {
    /// What stays the same of it in all schema versions.
    pub fn identity(&self) -> &str {
        self.origin.as_deref().unwrap_or(&self.name)
    }

    /// What stands in it where a row comes from a version without it: the constant default, or the type's empty value.
    pub fn filler(&self) -> Value {
        match (&self.default, self.affinity) {
            (Some(default), _) if !self.not_null || *default != Value::Null => default.clone(),
            _ if !self.not_null => Value::Null,
            (_, Affinity::Text) => Value::Text(String::new()),
            (_, Affinity::Integer | Affinity::Numeric) => Value::Integer(0),
            (_, Affinity::Real) => Value::Real(0.0),
            (_, Affinity::Blob) => Value::Blob(Vec::new()),
        }
    }
}
