//! What a migration of data does to a space: a commit of nobody's, which everyone has seen who ran the same migration.
//! Which rows it changes is told by the step itself, written by hand; this file only writes down by whom and when.
//! Part of the reference.

use super::{ReferenceSpace, Story, Write};
use crate::releases::Piece;
use crate::releases::piece::Became;
use ebbtide_core::catalogue::Table;
use ebbtide_core::ids::SchemaVersion;
use ebbtide_core::value::Value;

/// Whose commits those of migrations are.
const NOBODY: u32 = 0;

impl Write {
    /// Whether a migration wrote it that is part of this schema version.
    pub(super) fn is_of_a_migration_before(&self, schema: SchemaVersion) -> bool {
        self.author == NOBODY && self.number <= u64::from(schema.migrations())
    }
}

impl ReferenceSpace {
    /// The space ran this step, which led to this version. Answers whether it made a commit of it.
    pub fn migrate(&mut self, piece: Piece, version: u32) -> bool {
        let catalogue = self.catalogue.clone();
        let done = piece.done_to(&self.rows(), &catalogue);
        let write = Write { seq: self.head + 1, author: NOBODY, number: version.into(), stamp: 0, exact: true };
        for (row, became) in &done {
            let story = self.stories.entry(row.clone()).or_default();
            match became {
                Became::Row(values) => story.migrated(values, catalogue.table(row.table).expect("a table"), write),
                Became::Gone => story.end(write),
            }
        }
        self.head += u64::from(!done.is_empty());
        !done.is_empty()
    }
}

impl Story {
    fn migrated(&mut self, values: &[Value], table: &Table, write: Write) {
        match self.values.replace(values.to_vec()) {
            Some(before) => {
                let cells = self.writes.iter_mut().zip(before.iter().zip(values));
                cells.filter(|(_, (old, new))| old != new).for_each(|(last, _)| *last = Some(write));
            }
            None => {
                let explicit =
                    table.fields().zip(values).map(|((_, column), value)| column.default.as_ref() != Some(value));
                self.writes = explicit.map(|explicit| explicit.then_some(write)).collect();
                self.reborn = self.died.map(|_| write);
            }
        }
    }

    fn end(&mut self, write: Write) {
        self.values = None;
        self.open.clear();
        self.died = Some(write);
    }
}
