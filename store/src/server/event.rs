//! One event: the store inside a transaction, and the last look before it ends.
//! A Durable Object accepts a dangling reference in every nested transaction and then resets when the event ends, so an event that would end so is taken back.
//! Adapters run every message through `SpaceStore::event`; the session sees the store as `ServerStore`.

use super::space::Space;
use crate::sql::{Sql, SqlError, SqlErrorKind};
use ebbtide_core::change::RowId;
use ebbtide_core::commit::{Effect, SealedCommit};
use ebbtide_core::ids::Seq;
use ebbtide_core::server::store::{Head, RowState, RowWrite};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// The store of one event. `S` is a handle: its clones speak to the same database.
pub struct SpaceStore<S> {
    pub(super) sql: S,
    pub(super) space: Rc<Space>,
    /// Rows written whose references were not looked at since.
    unchecked: HashSet<RowId>,
    /// Rows that went, or changed, in tables that others refer to.
    parents: HashSet<RowId>,
    pub(super) deferred: bool,
    /// Rows read ahead, as they are now: one that is written leaves.
    pub(super) ahead: HashMap<RowId, RowState>,
    /// What the log said last, while nothing was appended or taken back: many sockets ask the same within one event.
    pub(super) log: LogMemory,
    /// Whether no conflict is open, while that is known.
    pub(super) queue_empty: Option<bool>,
}

/// The end of the log and one page of it, as last read in this event.
#[derive(Default)]
pub(super) struct LogMemory {
    pub(super) head: Option<Head>,
    pub(super) floor: Option<Head>,
    pub(super) page: Option<(PageRequest, Vec<SealedCommit>)>,
}

/// After which commit, how many bytes, how many commits.
pub(super) type PageRequest = (Seq, usize, usize);

impl<S: Sql + Clone> SpaceStore<S> {
    /// Runs `body` in one transaction. Everything it wrote is taken back when it answers `Err`,
    /// or when it leaves a reference that points nowhere.
    pub fn event<T, E: From<SqlError>>(
        sql: &S,
        space: &Rc<Space>,
        body: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut outer = sql.clone();
        let mut store = Self::unchecked(sql, space);
        space.turn_foreign_keys_on(&mut outer).map_err(E::from)?;
        let done = outer.savepoint(|_| {
            let value = body(&mut store)?;
            store.check_all().map_err(E::from)?;
            Ok(value)
        });
        done.unwrap_or_else(|error| Err(error.into()))
    }

    /// A store within a transaction that somebody else checks: a migration's.
    pub(super) fn unchecked(sql: &S, space: &Rc<Space>) -> Self {
        SpaceStore {
            sql: sql.clone(),
            space: space.clone(),
            unchecked: HashSet::new(),
            parents: HashSet::new(),
            deferred: false,
            ahead: HashMap::new(),
            log: LogMemory::default(),
            queue_empty: None,
        }
    }

    /// Foreign keys wait until the event ends. Without this a child written before its parent fails at once.
    pub(super) fn defer_foreign_keys(&mut self) -> Result<(), SqlError> {
        if !self.deferred {
            self.sql.execute("PRAGMA defer_foreign_keys=ON", &[])?;
            self.deferred = true;
        }
        Ok(())
    }

    /// Remembers rows whose references, or whose children's, must be looked at before the event ends.
    pub(super) fn note_unchecked(&mut self, rows: &[RowWrite]) -> Result<(), SqlError> {
        for row in rows {
            let id = &row.outcome.row;
            let shape = self.space.shape(id.table)?;
            let goes = matches!(row.outcome.effect, Effect::Delete);
            if shape.is_parent && (goes || shape.fields_are_referred_to) {
                self.parents.insert(id.clone());
            }
            if !goes && !shape.references.is_empty() {
                self.unchecked.insert(id.clone());
            }
        }
        Ok(())
    }

    /// The references of these rows were looked at and lead somewhere.
    pub(super) fn note_checked(&mut self, rows: &[RowId]) {
        for row in rows {
            self.unchecked.remove(row);
        }
    }

    fn check_all(&mut self) -> Result<(), SqlError> {
        let children = sorted(&mut self.unchecked);
        let parents = sorted(&mut self.parents);
        let found = match self.first_dangling(&children)? {
            None => self.first_orphan(&parents)?,
            found => found,
        };
        match found {
            None => Ok(()),
            Some(violation) => Err(SqlError {
                kind: SqlErrorKind::ForeignKey,
                message: format!("the event was taken back: {}", violation.detail),
                sql: String::new(),
            }),
        }
    }
}

fn sorted(rows: &mut HashSet<RowId>) -> Vec<RowId> {
    let mut rows: Vec<RowId> = rows.drain().collect();
    rows.sort();
    rows
}
