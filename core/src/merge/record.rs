//! What the space remembers of a cell beyond its mark, for strategies that merge what was done and not what it led to.
//! Packed with the row's marks by the store, so that it costs no row of its own; made and read by the strategies.

use super::set::observed::SetRecord;
use super::text::history::TextRecord;
use serde::{Deserialize, Serialize};

/// The record of one cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CellRecord {
    /// Who added which element.
    Set(SetRecord),
    /// What became of the text.
    Text(TextRecord),
}

impl CellRecord {
    /// The record of a set.
    pub fn set(&self) -> Option<&SetRecord> {
        if let CellRecord::Set(record) = self { Some(record) } else { None }
    }

    /// The record of a text.
    pub fn text(&self) -> Option<&TextRecord> {
        if let CellRecord::Text(record) = self { Some(record) } else { None }
    }
}
