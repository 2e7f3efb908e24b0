//! The commit log as the outbox to D1: what comes after the acknowledged position, and moving that position.
//! It does not know D1. The adapter's alarm reads a commit, delivers it in steps and acknowledges each.

use super::event::SpaceStore;
use super::fail;
use super::space::catalogue_of;
use super::values::{array, number, stored, text};
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::commit::SealedCommit;
use ebbtide_core::ids::{AuthorId, Incarnation, SchemaVersion, Seq};
use ebbtide_core::value::Value;

/// Who stands in the history where a migration changed rows.
const MIGRATION: &str = "migration";

/// Up to where the outbox is delivered: all commits up to `seq`, and of the next one the first `part` steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutboxPosition {
    /// All commits up to here are delivered.
    pub seq: Seq,
    /// Of the next commit, so many steps are delivered.
    pub part: u64,
}

/// The author of a commit, as reports name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxAuthor {
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// Whose device it was.
    pub user: String,
}

/// A commit to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxCommit {
    /// The commit.
    pub sealed: SealedCommit,
    /// Who made it.
    pub author: OutboxAuthor,
}

impl<S: Sql + Clone> SpaceStore<S> {
    /// Up to where the outbox is delivered.
    pub fn outbox_position(&mut self) -> Result<OutboxPosition, SqlError> {
        let seq = self.fact("outbox_seq")?.map_or(Ok(0), |value| number(Some(value)))?;
        let part = self.fact("outbox_part")?.map_or(Ok(0), |value| number(Some(value)))?;
        Ok(OutboxPosition { seq: Seq(seq), part })
    }

    /// Moves the position forward. An older position changes nothing.
    pub fn acknowledge(&mut self, position: OutboxPosition) -> Result<(), SqlError> {
        if position > self.outbox_position()? {
            self.set_fact("outbox_seq", stored(position.seq.0)?)?;
            self.set_fact("outbox_part", stored(position.part)?)?;
        }
        Ok(())
    }

    /// The first commit that is not wholly delivered.
    pub fn next_undelivered(&mut self, position: OutboxPosition) -> Result<Option<OutboxCommit>, SqlError> {
        let Some(sealed) = self.log_page(position.seq, 1, 1)?.into_iter().next() else { return Ok(None) };
        let author = self.outbox_author(sealed.author)?;
        Ok(Some(OutboxCommit { sealed, author }))
    }

    /// The catalogue of the schema version that a commit was made under.
    pub fn catalogue_at(&mut self, version: SchemaVersion) -> Result<Option<Catalogue>, SqlError> {
        catalogue_of(&mut self.sql, version)
    }

    /// The space's name, as first remembered.
    pub fn space_name(&mut self) -> Result<Option<String>, SqlError> {
        self.fact("space")?.map(|value| text(Some(value))).transpose()
    }

    /// Remembers the space's name.
    pub fn set_space_name(&mut self, name: &str) -> Result<(), SqlError> {
        self.set_fact("space", Value::Text(name.to_owned()))
    }

    fn outbox_author(&mut self, author: AuthorId) -> Result<OutboxAuthor, SqlError> {
        if author == AuthorId::MIGRATION {
            return Ok(OutboxAuthor { incarnation: Incarnation::default(), user: MIGRATION.into() });
        }
        let params = [stored(u64::from(author.0))?];
        let rows = self.sql.query("SELECT incarnation,user FROM _ebb_author WHERE id=?", &params)?;
        let row = rows.into_iter().next().ok_or_else(|| fail::corrupt("the author of a commit is missing"))?;
        let mut cells = row.into_iter();
        Ok(OutboxAuthor { incarnation: Incarnation(array(cells.next())?), user: text(cells.next())? })
    }

    pub(super) fn fact(&mut self, name: &str) -> Result<Option<Value>, SqlError> {
        let rows = self.sql.query("SELECT value FROM _ebb_fact WHERE name=?", &[Value::Text(name.to_owned())])?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()))
    }

    pub(super) fn set_fact(&mut self, name: &str, value: Value) -> Result<(), SqlError> {
        self.sql.execute(
            "INSERT INTO _ebb_fact (name,value) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value=excluded.value",
            &[Value::Text(name.to_owned()), value],
        )?;
        Ok(())
    }
}
