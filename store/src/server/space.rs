//! Opening a space's database: our own tables, the catalogue, the numbers of tables, indexes on child keys.
//! It holds what stays the same between migrations, and no rows. An adapter opens it once for each life of an object.

use super::shape::{Shape, index_columns, index_list};
use super::text::{join, quote};
use super::triggers;
use super::values::{blob, number, stored};
use super::{barrier, fail};
use super::{facts, formers, tables, unkept};
use crate::migrate;
use crate::schema::{Schema, SchemaError};
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::{Catalogue, Reference, Table};
use ebbtide_core::codec::Codec;
use ebbtide_core::ids::{Millis, SchemaVersion, TableId};
use ebbtide_core::server::rules::{AppRules, NoRules};
use ebbtide_core::value::Value;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// An opened space.
#[derive(Debug)]
pub struct Space {
    catalogue: Rc<Catalogue>,
    rules: RefCell<Rc<dyn AppRules>>,
    shapes: Vec<Shape>,
    keys_are_on: Cell<bool>,
}

/// Why a space could not be opened. The database is as it was.
pub type OpenError = SchemaError;

impl Space {
    /// Runs the migrations that are due, each in a transaction of its own, and opens the result.
    ///
    /// For adapters without rules of their own about events; a Durable Object runs each migration in its own event.
    pub fn open<S: Sql + Clone>(
        sql: &mut S,
        schema: &Schema,
        now: Millis,
        codec: &dyn Codec,
    ) -> Result<Rc<Self>, OpenError> {
        for index in migrate::pending(sql, schema)? {
            Self::migrate(sql, schema, index, now, codec)?;
        }
        Self::load(sql, schema, now, codec)
    }

    /// Runs one migration in an event of its own, with foreign keys off until they are checked as a whole.
    /// What its DML does to rows becomes a commit.
    pub fn migrate<S: Sql + Clone>(
        sql: &mut S,
        schema: &Schema,
        index: usize,
        now: Millis,
        codec: &dyn Codec,
    ) -> Result<(), OpenError> {
        sql.execute("PRAGMA foreign_keys=OFF", &[])?;
        let migrated = sql.savepoint(|sql| barrier::run(sql, schema, index, now, codec));
        // The pragma stays for later events otherwise.
        sql.execute("PRAGMA foreign_keys=ON", &[])?;
        migrated?
    }

    /// Opens a database that has all of the schema's migrations. Rows of a table that joins the synced ones, and that the space has no
    /// record of, become a commit.
    pub fn load<S: Sql + Clone>(
        sql: &mut S,
        schema: &Schema,
        now: Millis,
        codec: &dyn Codec,
    ) -> Result<Rc<Self>, OpenError> {
        sql.savepoint(|sql| barrier::adopt(sql, schema, now, codec))?
    }

    /// Opens a database whose pending migrations could not run, under the version that it has. `None` if it never had one.
    pub fn load_present<S: Sql>(sql: &mut S) -> Result<Option<Rc<Self>>, OpenError> {
        let opened = sql
            .savepoint(|sql| Ok::<_, OpenError>(present(sql)?.map(|catalogue| Self::of(sql, catalogue)).transpose()?));
        opened?
    }

    /// Creates what is missing and reads what there is. The catalogue is that of the migrated database.
    pub fn of<S: Sql>(sql: &mut S, catalogue: Catalogue) -> Result<Rc<Self>, SqlError> {
        create_tables(sql)?;
        keep_catalogue(sql, &catalogue)?;
        facts::set_fact(sql, tables::PRESENT, stored(catalogue.version.0)?)?;
        triggers::guard(sql, &catalogue)?;
        let mut shapes = Vec::new();
        for (position, table) in catalogue.tables.iter().enumerate() {
            let id = TableId(u16::try_from(position).map_err(|_| fail::misuse("too many tables"))?);
            for reference in &table.references {
                index_child_key(sql, table, reference)?;
            }
            let number = table_number(sql, &table.name)?;
            shapes.push(Shape::read(sql, &catalogue, id, number)?);
        }
        Ok(Rc::new(Space {
            catalogue: Rc::new(catalogue),
            rules: RefCell::new(Rc::new(NoRules)),
            shapes,
            keys_are_on: Cell::new(false),
        }))
    }

    /// The synced tables.
    pub fn catalogue(&self) -> Rc<Catalogue> {
        self.catalogue.clone()
    }

    /// The functions of the app.
    pub fn rules(&self) -> Rc<dyn AppRules> {
        self.rules.borrow().clone()
    }

    /// Gives the space the functions of the app, from the next event on.
    pub fn set_rules(&self, rules: Rc<dyn AppRules>) {
        self.rules.replace(rules);
    }

    /// A migration's event leaves foreign keys off, so the first event after it turns them on before it writes.
    pub(super) fn turn_foreign_keys_on<S: Sql>(&self, sql: &mut S) -> Result<(), SqlError> {
        if !self.keys_are_on.get() {
            sql.execute("PRAGMA foreign_keys=ON", &[])?;
            let state = sql.query("PRAGMA foreign_keys", &[])?;
            if number(state.into_iter().next().and_then(|row| row.into_iter().next()))? != 1 {
                return Err(fail::misuse("foreign keys cannot be turned on within a transaction"));
            }
            self.keys_are_on.set(true);
        }
        Ok(())
    }

    /// What is known of a table.
    pub(super) fn shape(&self, table: TableId) -> Result<&Shape, SqlError> {
        self.shapes.get(usize::from(table.0)).ok_or_else(|| fail::misuse("no such table"))
    }

    /// All tables, in catalogue order.
    pub(super) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
}

/// Creates the store's own tables where they are missing.
pub(super) fn create_tables<S: Sql>(sql: &mut S) -> Result<(), SqlError> {
    let indexes = [&tables::CREATE_INDEX, &tables::CREATE_ORIGIN_INDEX, &tables::CREATE_CONFLICT_INDEX];
    let others =
        [&tables::CREATE_FACTS, &formers::CREATE_FORMER, &unkept::CREATE, &triggers::CREATE_CONTEXT, &triggers::REST];
    for statement in tables::CREATE.iter().chain(indexes).chain(others) {
        sql.execute(statement, &[])?;
    }
    Ok(())
}

/// The catalogue that the space has; none before its first migration.
pub(super) fn present<S: Sql>(sql: &mut S) -> Result<Option<Catalogue>, SqlError> {
    let Some(version) = facts::fact(sql, tables::PRESENT)? else { return Ok(None) };
    catalogue_of(sql, SchemaVersion(number(Some(version))?))
}

/// The catalogue of an earlier schema version, to read the commits made under it.
pub(super) fn catalogue_of<S: Sql>(sql: &mut S, version: SchemaVersion) -> Result<Option<Catalogue>, SqlError> {
    // A number that nobody's schema has.
    let Ok(number) = stored(version.0) else { return Ok(None) };
    let rows = sql.query("SELECT catalogue FROM _ebb_catalogue WHERE version=?", &[number])?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let bytes = blob(row.into_iter().next())?;
    postcard::from_bytes(&bytes).map(Some).map_err(|_| fail::corrupt("catalogue"))
}

fn keep_catalogue<S: Sql>(sql: &mut S, catalogue: &Catalogue) -> Result<(), SqlError> {
    let bytes = postcard::to_allocvec(catalogue).map_err(|_| fail::misuse("a catalogue that cannot be packed"))?;
    let params = [stored(catalogue.version.0)?, Value::Blob(bytes)];
    sql.execute(
        "INSERT INTO _ebb_catalogue (version, catalogue) VALUES (?,?)
         ON CONFLICT (version) DO UPDATE SET catalogue=excluded.catalogue WHERE catalogue<>excluded.catalogue",
        &params,
    )?;
    Ok(())
}

fn table_number<S: Sql>(sql: &mut S, name: &str) -> Result<u64, SqlError> {
    let name = [Value::Text(name.to_ascii_lowercase())];
    sql.execute("INSERT INTO _ebb_table (name) VALUES (?) ON CONFLICT (name) DO NOTHING", &name)?;
    let rows = sql.query("SELECT id FROM _ebb_table WHERE name=?", &name)?;
    number(rows.into_iter().next().and_then(|row| row.into_iter().next()))
}

/// Looking for the children of a row must not read the whole table.
fn index_child_key<S: Sql>(sql: &mut S, table: &Table, reference: &Reference) -> Result<(), SqlError> {
    let columns = || reference.columns.iter().filter_map(|id| table.columns.get(usize::from(id.0)));
    let names: Vec<&str> = columns().map(|column| column.name.as_str()).collect();
    if starts_the_key(table, reference) || has_index(sql, &table.name, &names)? {
        return Ok(());
    }
    let index = quote(&format!("_ebb_child_{}_{}", table.name, names.join("_")));
    let listed = join(names.iter().map(|name| quote(name)), ",");
    sql.execute(&format!("CREATE INDEX IF NOT EXISTS {index} ON {} ({listed})", quote(&table.name)), &[])?;
    Ok(())
}

fn starts_the_key(table: &Table, reference: &Reference) -> bool {
    let start = table.key.iter().take(reference.columns.len());
    start.clone().count() == reference.columns.len() && start.clone().all(|id| reference.columns.contains(id))
}

fn has_index<S: Sql>(sql: &mut S, table: &str, names: &[&str]) -> Result<bool, SqlError> {
    for index in index_list(sql, table)?.iter().filter(|index| !index.partial) {
        let columns = index_columns(sql, &index.name)?;
        let mut start = columns.iter().take(names.len()).flatten();
        if columns.len() >= names.len()
            && start.all(|column| names.iter().any(|name| name.eq_ignore_ascii_case(column)))
        {
            return Ok(true);
        }
    }
    Ok(false)
}
