//! Opening: hooks, our tables, pending migrations, the catalogue, the device's record.
//! The connection comes with its pragmas set by the adapter that opened it, except `foreign_keys`.
//! Everything that a schema can do wrong is found here, before the app's first statement.

use super::access::{Actor, SharedAccess};
use super::class::Classes;
use super::error::{DbError, DbErrorCode};
use super::ids::IdClock;
use super::log::damaged;
use super::migrated::{self, Migrated, TakenOut};
use super::quiet::Quiet;
use super::references::References;
use super::triggers::TriggerPlan;
use super::{LocalDatabase, device, references, revived, tables, translate, view, watch};
use crate::capture::{Capture, TablePlan};
use crate::catalogue::{self, text, writable};
use crate::client::{Statements, Waitlist, opening};
use crate::compare;
use crate::limits::CACHED_STATEMENTS;
use crate::migrate;
use crate::schema::{Schema, SchemaError};
use crate::sql::Sql;
use crate::sqlite::SqliteSql;
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::ids::{Millis, Opening, TableId};
use ebbtide_core::sorted::SortedSet;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::ops::Range;
use std::rc::Rc;

impl LocalDatabase {
    /// Opens a device's database and brings it to the schema's version. `seed` is 16 fresh random bytes: the
    /// incarnation of a database that has none, and the secret behind `uuidv7()`.
    pub fn open(mut connection: Connection, schema: &Schema, now: Millis, seed: [u8; 16]) -> Result<Self, DbError> {
        schema.validate()?;
        let (capture, access, ids) = install(&mut connection, now, seed).map_err(|e| failed(&e))?;
        run(&connection, "PRAGMA foreign_keys = OFF")?;
        run(&connection, "BEGIN IMMEDIATE")?;
        let opening = opening(seed);
        let catalogue = match prepare(&connection, &access, schema, (now, opening)) {
            Ok(catalogue) => {
                run(&connection, "COMMIT")?;
                catalogue
            }
            Err(error) => {
                // The first failure is what the caller must see; SQLite may have rolled back by itself.
                let _ = connection.execute_batch("ROLLBACK");
                return Err(error);
            }
        };
        let triggers = TriggerPlan::of(&connection, &access, &catalogue)?;
        let (device, clock) = device::load(&connection, seed).map_err(|e| failed(&e))?;
        let references = References::of(&connection, &catalogue).map_err(|e| failed(&e))?;
        let plans = TablePlan::all(&connection, &catalogue).map_err(|e| failed(&e))?;
        view::create(&connection).map_err(|e| failed(&e))?;
        run(&connection, "PRAGMA foreign_keys = ON")?;
        capture.lock().set_plans(plans);
        capture.lock().take_touched();
        capture.lock().set_on(true);
        access.lock().synced = catalogue.tables.iter().map(|table| table.name.to_ascii_lowercase()).collect();
        let shadows = watch::shadows(&connection).map_err(|e| failed(&e))?;
        Ok(Self {
            connection,
            statements: Statements::of(&catalogue),
            catalogue: Rc::new(catalogue),
            device,
            clock,
            seed,
            opening,
            waitlist: Waitlist::default(),
            references,
            capture,
            access,
            ids,
            classes: Classes::default(),
            open: None,
            apart: false,
            resolving: Vec::new(),
            triggers: Some(Rc::new(triggers)),
            quiet: Quiet::default(),
            shadows,
            touched: SortedSet::new(),
        })
    }

    /// Gives the connection back, e.g. to be closed. Refused while a transaction is open.
    pub fn into_connection(mut self) -> Result<Connection, DbError> {
        if self.open.is_some() {
            return Err(DbError::new(DbErrorCode::TransactionState, "a transaction is open"));
        }
        self.wake()?;
        Ok(self.connection)
    }
}

fn install(
    connection: &mut Connection,
    now: Millis,
    seed: [u8; 16],
) -> rusqlite::Result<(Capture, SharedAccess, IdClock)> {
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    let capture = Capture::install(connection)?;
    let access = SharedAccess::install(connection)?;
    // Neither an app nor a damaged file may write SQLite's own tables, or call what a schema has no business with.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    let ids = IdClock::default();
    ids.set(now);
    ids.register(connection, seed)?;
    Ok((capture, access, ids))
}

/// A migrated database, in one transaction. A migration that fails, or a schema that does not fit, takes all of it back,
/// so that the version of the app that was here before can still open the database.
fn prepare(
    connection: &Connection,
    access: &SharedAccess,
    schema: &Schema,
    (now, opening): (Millis, Opening),
) -> Result<Catalogue, DbError> {
    connection.execute_batch(tables::CREATE).map_err(|e| failed(&e))?;
    let mut sql = SqliteSql::plain(connection);
    let pending = migrate::pending(&mut sql, schema)?;
    let before = translate::last_catalogue(connection).map_err(|e| failed(&e))?;
    let may_change_rows = pending.clone().any(|index| compare::may_change_rows(schema.migrations[index].sql()));
    let last = before.clone().unwrap_or_default();
    let there_before = table_names(connection).map_err(|e| failed(&e))?;
    if may_change_rows {
        compare::copy(&mut sql, &last)?;
    }
    let out = migrate_all(connection, access, schema, &pending, &last)?;
    let catalogue = catalogue::read(&mut sql, schema)?;
    catalogue::check_collations(&mut sql, &catalogue)?;
    if !pending.is_empty() {
        writable::check(&mut sql, &catalogue)?;
    }
    references::check_local(connection, &catalogue)?;
    references::ensure_indexes(connection, &catalogue).map_err(|e| failed(&e))?;
    let moved = match may_change_rows {
        true => compare::moved(&mut sql, &last, &catalogue)?,
        false => compare::arrived(&mut sql, &last, &catalogue)?,
    };
    if may_change_rows {
        compare::forget(&mut sql, &last)?;
    }
    revived::carry_over(connection, &last, &catalogue)?;
    translate::carry_over(connection, &last, &catalogue).map_err(|e| failed(&e))?;
    let is_new = |table: &Table| last.table_of(table.identity()).is_none();
    let held = |table: &Table| is_new(table) && there_before.contains(&table.name.to_ascii_lowercase());
    let joined = catalogue.tables.iter().enumerate().filter(|(_, table)| held(table));
    let (joined, tables): (_, Vec<&Table>) = joined.map(|(at, table)| (TableId(at as u16), table)).unzip();
    // A database without a record of its own was copied here: its rows are nobody's changes.
    if before.is_some() || there_before.is_empty() {
        let again = translate::had_in_step(connection, &tables).map_err(|e| failed(&e))?;
        let out = migrated::rows(&out, &catalogue).map_err(|error| failed(&damaged(error)))?;
        Migrated { before: before.as_ref(), after: &catalogue, moved, out, joined, again, now, opening }
            .settle(connection, access)?;
    }
    if let (false, Some(index)) = (out.is_empty(), pending.last()) {
        check_references(&mut sql).map_err(|message| SchemaError::Migration { index, message })?;
    }
    view::store_catalogue(connection, &catalogue).map_err(|e| failed(&e))?;
    Ok(catalogue)
}

/// The tables of the app, in lower case.
fn table_names(connection: &Connection) -> rusqlite::Result<SortedSet<String>> {
    let query = "SELECT lower(name) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_ebb%' ESCAPE '\\'
                 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    connection.prepare(query)?.query_map([], |row| row.get(0))?.collect()
}

/// When references are checked while migrations run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// After each migration.
    AfterEach,
    /// Rows are out that others refer to: once they are back.
    AtTheEnd,
}

/// Runs the migrations. Where they fail beside rows that the space made under a newer version, they run once more without these, since
/// they may be what makes them; answers which were taken out.
fn migrate_all(
    connection: &Connection,
    access: &SharedAccess,
    schema: &Schema,
    pending: &Range<usize>,
    last: &Catalogue,
) -> Result<Vec<TakenOut>, DbError> {
    let mut sql = SqliteSql::plain(connection);
    let mut run = |check| {
        sql.savepoint(|sql| pending.clone().try_for_each(|index| migrate_one(sql, access, schema, index, check)))
    };
    let Err(failure) = run(Check::AfterEach)? else { return Ok(Vec::new()) };
    let out = migrated::take_out(connection, access, last)?;
    if out.is_empty() {
        return Err(failure.into());
    }
    run(Check::AtTheEnd)??;
    Ok(out)
}

fn migrate_one(
    sql: &mut SqliteSql<&Connection>,
    access: &SharedAccess,
    schema: &Schema,
    index: usize,
    check: Check,
) -> Result<(), SchemaError> {
    let migration = &schema.migrations[index];
    let result = sql.savepoint(|sql| {
        access.lock().watching = Some(Default::default());
        let ran = access.acting(Actor::Migration, || sql.script(migration.sql()));
        let refused = access.lock().watching.take().and_then(|seen| seen.refused);
        ran.map_err(|error| refused.map_or(error.message, |(_, why)| why))?;
        if check == Check::AfterEach {
            check_references(sql)?;
        }
        migrate::record(sql, index, migration).map_err(|error| error.message)
    });
    result?.map_err(|message| SchemaError::Migration { index, message })
}

/// Foreign keys were off while the migration ran.
fn check_references(sql: &mut impl Sql) -> Result<(), String> {
    let broken = sql.query("PRAGMA foreign_key_check", &[]).map_err(|error| error.message)?;
    match broken.first() {
        None => Ok(()),
        Some(row) => Err(format!("it leaves a row of {} whose foreign key points nowhere", text(row, 0))),
    }
}

fn run(connection: &Connection, sql: &str) -> Result<(), DbError> {
    connection.execute_batch(sql).map_err(|error| DbError::from_sqlite(&error, sql))
}

pub(super) fn failed(error: &rusqlite::Error) -> DbError {
    DbError::from_sqlite(error, "opening the database")
}
