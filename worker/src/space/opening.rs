//! Opening a space: its name, its migrations, its catalogue.
//! Migrations run each in an event of its own, so the adapter asks for them one by one before it lets a message in.

use crate::failure::Failure;
use ebbtide_core::ids::Millis;
use ebbtide_core::server::rules::AppRules;
use ebbtide_protocol::WireCodec;
use ebbtide_store::migrate;
use ebbtide_store::schema::Schema;
use ebbtide_store::server::{Space, SpaceStore};
use ebbtide_store::sql::{Sql, SqlError};
use std::ops::Range;
use std::rc::Rc;

/// A space in one Durable Object.
pub struct SpaceObject<S> {
    pub(super) sql: S,
    schema: Schema,
    rules: Rc<dyn AppRules>,
    space: Option<Rc<Space>>,
    name: Option<String>,
}

impl<S: Sql + Clone> SpaceObject<S> {
    /// A space that is not open yet.
    pub fn new(sql: S, schema_json: &str, rules: Rc<dyn AppRules>) -> Result<Self, Failure> {
        let schema = serde_json::from_str(schema_json)
            .map_err(|error| Failure::new(500, "schema_invalid", format!("the schema: {error}")))?;
        Ok(SpaceObject { sql, schema, rules, space: None, name: None })
    }

    /// The migrations that must run before `open`.
    pub fn pending_migrations(&mut self) -> Result<Range<usize>, Failure> {
        self.schema.validate()?;
        Ok(migrate::pending(&mut self.sql, &self.schema)?)
    }

    /// Runs one migration. It must be alone in its event.
    pub fn migrate(&mut self, index: usize, now: Millis) -> Result<(), Failure> {
        Ok(Space::migrate(&mut self.sql, &self.schema, index, now, &WireCodec)?)
    }

    /// Opens the database under the version that it has, after a migration could not run. Answers whether it ever had one.
    pub fn load_present(&mut self) -> Result<bool, Failure> {
        self.space = Space::load_present(&mut self.sql)?;
        self.give_rules();
        Ok(self.space.is_some())
    }

    /// Reads the migrated database and adds what is missing of our own. The event must end before `open`:
    /// a migration has left foreign keys off, and they cannot be turned on once something was written.
    pub fn load(&mut self, now: Millis) -> Result<(), Failure> {
        self.space = Some(Space::load(&mut self.sql, &self.schema, now, &WireCodec)?);
        self.give_rules();
        Ok(())
    }

    fn give_rules(&self) {
        if let Some(space) = &self.space {
            space.set_rules(self.rules.clone());
        }
    }

    /// Opens the loaded database under the space's name, which is remembered at first.
    /// An alarm or a socket that wakes the object does not bring the name: then there must be one already.
    pub fn open(&mut self, name: Option<&str>) -> Result<(), Failure> {
        let known = self.event(|store| {
            let known = store.space_name()?;
            if let (None, Some(name)) = (&known, name) {
                store.set_space_name(name)?;
            }
            Ok::<_, Failure>(known.or_else(|| name.map(str::to_owned)))
        })?;
        self.name = Some(known.ok_or_else(|| Failure::internal("the space has no name yet"))?);
        name.map_or(Ok(()), |name| self.check_name(name))
    }

    /// Whether `open` has succeeded in this life of the object.
    pub fn is_open(&self) -> bool {
        self.space.is_some() && self.name.is_some()
    }

    /// Whether the object ever held a space: a stranger's guess at a name must not make it one.
    pub fn exists(&mut self) -> Result<bool, Failure> {
        let found = self.sql.query("SELECT 1 FROM sqlite_master WHERE type='table' AND name='_ebb_fact'", &[])?;
        Ok(!found.is_empty())
    }

    /// An object is for one space, whatever it is addressed by.
    pub fn check_name(&self, name: &str) -> Result<(), Failure> {
        match &self.name {
            Some(known) if known != name => Err(Failure::internal("the object belongs to another space")),
            _ => Ok(()),
        }
    }

    pub(super) fn name(&self) -> Result<&str, Failure> {
        self.name.as_deref().ok_or_else(|| Failure::internal("the space is not open"))
    }

    /// Runs `body` in one event of the open space.
    pub(super) fn event<T, E: From<SqlError> + From<Failure>>(
        &self,
        body: impl FnOnce(&mut SpaceStore<S>) -> Result<T, E>,
    ) -> Result<T, E> {
        let space = self.space.as_ref().ok_or_else(|| E::from(Failure::internal("the space is not open")))?;
        SpaceStore::event(&self.sql, space, body)
    }
}
