//! The commit log as an outbox: what comes after the position that a reader has acknowledged, and moving that position.
//! It knows neither D1 nor the app's function. The adapter's alarm reads a commit, delivers it in steps and acknowledges each.

use super::event::SpaceStore;
use super::history::Place;
use super::space::catalogue_of;
use super::values::{array, number, stored, text};
use super::{facts, fail};
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::commit::SealedCommit;
use ebbtide_core::ids::{AuthorId, Incarnation, SchemaVersion, Seq};
use ebbtide_core::value::Value;

/// Who stands in the history where a migration changed rows.
const MIGRATION: &str = "migration";

/// Who is told of the commits of a space, each at its own pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The change history in D1.
    History,
    /// The function of the app that is called after commits.
    App,
}

impl Reader {
    fn facts(self) -> [&'static str; 2] {
        match self {
            Reader::History => ["outbox_seq", "outbox_part"],
            Reader::App => ["app_seq", "app_part"],
        }
    }
}

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
    /// Up to where the outbox is delivered to a reader.
    pub fn outbox_position(&mut self, reader: Reader) -> Result<OutboxPosition, SqlError> {
        let [seq, part] = reader.facts();
        let seq = self.fact(seq)?.map_or(Ok(0), |value| number(Some(value)))?;
        let part = self.fact(part)?.map_or(Ok(0), |value| number(Some(value)))?;
        Ok(OutboxPosition { seq: Seq(seq), part })
    }

    /// Moves a reader's position forward. An older position changes nothing.
    pub fn acknowledge(&mut self, reader: Reader, position: OutboxPosition) -> Result<(), SqlError> {
        if position > self.outbox_position(reader)? {
            self.set_outbox_position(reader, position)?;
        }
        Ok(())
    }

    /// Moves a reader to where it says that it is.
    fn set_outbox_position(&mut self, reader: Reader, position: OutboxPosition) -> Result<(), SqlError> {
        let [seq, part] = reader.facts();
        self.set_fact(seq, stored(position.seq.0)?)?;
        self.set_fact(part, stored(position.part)?)
    }

    /// The place of a position in this history, as D1 keeps it.
    pub fn place_of(&mut self, position: OutboxPosition) -> Result<Place, SqlError> {
        let OutboxPosition { seq, part } = position;
        // Of a commit that is delivered in part, D1 has what it begins with.
        let newest = if part == 0 { seq } else { Seq(seq.0.saturating_add(1)) };
        let chain = if newest == Seq(0) { None } else { self.log_chain(newest)? };
        Ok(Place::new(position, chain))
    }

    /// D1 is elsewhere than where it was left. Answers from where on it has to be written anew, if what it has is of another history.
    ///
    /// In this history it is where a batch took it whose answer was lost, or where it was set back to, or at the beginning: the delivery
    /// goes on from there. Otherwise one of the two was set back, who knows how often and to when: all that is kept is written anew.
    pub fn resume_history(&mut self, found: &Place) -> Result<Option<Place>, SqlError> {
        let is_known = found.chain.is_some() || found.position == OutboxPosition::default();
        let is_of_this = is_known && *found == self.place_of(found.position)?;
        let seq = self.log_floor()?.seq;
        let from = if is_of_this { found.position } else { OutboxPosition { seq, part: 0 } };
        self.set_outbox_position(Reader::History, from)?;
        if is_of_this { Ok(None) } else { self.place_of(from).map(Some) }
    }

    /// Lets a reader who comes for the first time begin with the next commit.
    pub fn begin_at_head(&mut self, reader: Reader) -> Result<(), SqlError> {
        let [seq, _] = reader.facts();
        if self.fact(seq)?.is_none() {
            let head = self.log_head()?.seq;
            self.set_fact(seq, stored(head.0)?)?;
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
        facts::fact(&mut self.sql, name)
    }

    pub(super) fn set_fact(&mut self, name: &str, value: Value) -> Result<(), SqlError> {
        facts::set_fact(&mut self.sql, name, value)
    }
}
