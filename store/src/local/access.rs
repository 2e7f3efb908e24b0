//! What statements do, as SQLite's authorizer tells while it prepares them, and what an app's statements may not do.
//! It judges names and kinds of action; it runs nothing and knows no rows.
//! Installed once per connection by the local database, which says on whose behalf a statement is prepared.

use super::error::DbErrorCode;
use super::pragmas;
use crate::schema::RESERVED_PREFIX;
use ebbtide_core::sorted::{SortedMap, SortedSet};
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};
use std::sync::{Arc, Mutex, MutexGuard};

/// On whose behalf statements are prepared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Actor {
    /// Ours: everything is allowed.
    #[default]
    Engine,
    /// A migration of the schema.
    Migration,
    /// The app.
    App,
}

/// A savepoint statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavepointAction {
    /// What it does.
    pub operation: TransactionOperation,
    /// To which.
    pub name: String,
}

/// What was seen while one statement was prepared.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Tables read, virtual ones included.
    pub reads: SortedSet<String>,
    /// The savepoint action that the statement is.
    pub savepoint: Option<SavepointAction>,
    /// Whether it changes the database's schema.
    pub defines: bool,
    /// Whether it is a pragma.
    pub looks_inside: bool,
    /// Per trigger that would run, the tables it writes itself.
    pub triggers: SortedMap<String, SortedSet<String>>,
    /// Why it was refused.
    pub refused: Option<(DbErrorCode, String)>,
}

/// The authorizer's state.
#[derive(Debug, Default)]
pub struct Access {
    /// On whose behalf.
    pub actor: Actor,
    /// Names of the synced tables, in lower case.
    pub synced: SortedSet<String>,
    /// What is seen, while somebody looks.
    pub watching: Option<Seen>,
}

/// `Access`, shared with the authorizer. Hooks must be `Send`; nothing here is ever contended.
#[derive(Clone, Default)]
pub struct SharedAccess(Arc<Mutex<Access>>);

impl SharedAccess {
    /// Installs the authorizer.
    pub fn install(connection: &mut Connection) -> rusqlite::Result<Self> {
        let shared = SharedAccess::default();
        let access = shared.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| access.lock().judge(&context)))?;
        Ok(shared)
    }

    /// The state. Never to be held while a statement is prepared or runs.
    pub fn lock(&self) -> MutexGuard<'_, Access> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Runs `body` on somebody's behalf.
    pub fn acting<T>(&self, actor: Actor, body: impl FnOnce() -> T) -> T {
        let before = std::mem::replace(&mut self.lock().actor, actor);
        let result = body();
        self.lock().actor = before;
        result
    }

    /// Runs `body`, which prepares statements, and answers what they do.
    pub fn watching<T>(&self, body: impl FnOnce() -> T) -> (T, Seen) {
        self.lock().watching = Some(Seen::default());
        let result = body();
        let seen = self.lock().watching.take().unwrap_or_default();
        (result, seen)
    }
}

impl Access {
    fn judge(&mut self, context: &AuthContext<'_>) -> Authorization {
        if let Some(seen) = &mut self.watching {
            seen.note(context);
        }
        if self.actor == Actor::Engine {
            return Authorization::Allow;
        }
        match self.objection(&context.action) {
            None => Authorization::Allow,
            Some(objection) => {
                if let Some(seen) = &mut self.watching {
                    seen.refused.get_or_insert(objection);
                }
                Authorization::Deny
            }
        }
    }

    fn objection(&self, action: &AuthAction<'_>) -> Option<(DbErrorCode, String)> {
        use AuthAction::*;
        match action {
            Transaction { .. } => raw("BEGIN, COMMIT and ROLLBACK are issued by transaction()"),
            Savepoint { .. } if self.actor == Actor::Migration => raw("a migration runs in a transaction of its own"),
            Savepoint { savepoint_name, .. } => self.own(savepoint_name),
            Attach { .. } | Detach { .. } => forbidden("another database cannot be attached"),
            Pragma { pragma_name, pragma_value } => {
                pragmas::objection(pragma_name, pragma_value.is_some()).and_then(|what| forbidden(&what))
            }
            Insert { table_name } | Delete { table_name } | Update { table_name, .. } => self.own(table_name),
            Function { function_name } if function_name.eq_ignore_ascii_case("load_extension") => {
                forbidden("extensions cannot be loaded")
            }
            other => defined(other).and_then(|names| names.into_iter().find_map(|name| self.definition(name))),
        }
    }

    /// Definitions by an app outside of migrations may not touch synced tables, nor hide one behind a temporary name.
    fn definition(&self, name: &str) -> Option<(DbErrorCode, String)> {
        if self.actor == Actor::App && self.synced.contains(&name.to_ascii_lowercase()) {
            return forbidden(&format!("{name} is synced; change it by a migration in the schema"));
        }
        self.own(name)
    }

    fn own(&self, name: &str) -> Option<(DbErrorCode, String)> {
        let own = name.get(..RESERVED_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED_PREFIX));
        if own { forbidden(&format!("{name} belongs to Ebbtide")) } else { None }
    }
}

/// The names that a statement defines, alters or drops, and the tables concerned.
fn defined<'c>(action: &AuthAction<'c>) -> Option<Vec<&'c str>> {
    use AuthAction::*;
    Some(match action {
        CreateTable { table_name }
        | CreateTempTable { table_name }
        | DropTable { table_name }
        | DropTempTable { table_name }
        | AlterTable { table_name, .. } => vec![*table_name],
        CreateVtable { table_name, .. } | DropVtable { table_name, .. } => vec![*table_name],
        CreateView { view_name }
        | CreateTempView { view_name }
        | DropView { view_name }
        | DropTempView { view_name } => vec![*view_name],
        CreateIndex { index_name, table_name }
        | CreateTempIndex { index_name, table_name }
        | DropIndex { index_name, table_name }
        | DropTempIndex { index_name, table_name } => {
            vec![*index_name, *table_name]
        }
        CreateTrigger { trigger_name, table_name }
        | CreateTempTrigger { trigger_name, table_name }
        | DropTrigger { trigger_name, table_name }
        | DropTempTrigger { trigger_name, table_name } => {
            vec![*trigger_name, *table_name]
        }
        _ => return None,
    })
}

fn raw(what: &str) -> Option<(DbErrorCode, String)> {
    Some((DbErrorCode::RawTransaction, what.into()))
}

fn forbidden(what: &str) -> Option<(DbErrorCode, String)> {
    Some((DbErrorCode::ForbiddenStatement, what.into()))
}

impl Seen {
    fn note(&mut self, context: &AuthContext<'_>) {
        match &context.action {
            AuthAction::Read { table_name, .. } => {
                self.reads.insert((*table_name).into());
            }
            AuthAction::Savepoint { operation, savepoint_name } => {
                self.savepoint = Some(SavepointAction { operation: *operation, name: (*savepoint_name).into() });
            }
            AuthAction::Insert { table_name }
            | AuthAction::Delete { table_name }
            | AuthAction::Update { table_name, .. } => {
                if let Some(trigger) = context.accessor {
                    self.triggers.entry(trigger.into()).or_default().insert((*table_name).into());
                }
            }
            AuthAction::Select | AuthAction::Function { .. } => {
                if let Some(trigger) = context.accessor {
                    self.triggers.entry(trigger.into()).or_default();
                }
            }
            AuthAction::Pragma { .. } => self.looks_inside = true,
            action => self.defines |= defined(action).is_some(),
        }
    }
}
