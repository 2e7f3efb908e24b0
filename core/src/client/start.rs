//! Turning sync on: what becomes of transactions that were made before the database, or one of its tables, was kept in step.
//! Until that is decided they wait, and nothing is sealed. Which transactions these are the log says; the session asks at every step.

use super::apply::Applied;
use super::recover::list;
use super::session::{ClientSession, Link, Step, cause};
use super::store::{ClientStore, DeviceState, Rebuild, ServerRow};
use crate::change::{LoggedChange, LoggedMutation, LoggedTransaction, RowId};
use crate::codec::Codec;
use crate::commit::Reason;
use crate::error::Fault;
use crate::ids::{LogId, Seq, TableId};
use crate::sorted::{SortedMap, SortedSet};
use crate::value::Key;
use alloc::vec::Vec;

/// What becomes of what was written before there was a space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// It goes to the space if that has nothing yet; otherwise the app has to choose.
    #[default]
    Seed,
    /// It goes to the space, whatever is there, and meets it as any concurrent write does.
    Merge,
    /// It gives way to what the space has, and is listed as rejected.
    Take,
}

/// The code of a status, or of a failed wish, that waits for the app's choice.
pub const CHOICE_NEEDED: &str = "sync_choice_needed";

/// What is said of a transaction that gave way.
const GAVE_WAY: &str = "made before this was kept in step; what the space has was taken instead";

/// Keys read at once when rows of the space's are looked for.
const KEYS: usize = 1_000;

impl ClientSession {
    /// The app has chosen.
    pub(super) fn choose<S: ClientStore, C: Codec>(&mut self, start: Start, step: &mut Step<S, C>) {
        self.options.start = start;
        self.choice_needed = false;
        self.stopped = None;
        self.backoff.reset();
        self.connect(step);
    }

    /// Carries the choice out as far as it can be now.
    pub(super) fn settle_start<S: ClientStore, C: Codec>(
        &mut self,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        if step.store.waiting()?.local == 0 {
            self.choice_needed = false;
            return Ok(());
        }
        match self.options.start {
            Start::Merge => step.store.adopt_local()?,
            Start::Take if step.device.rebuild.is_none() => self.begin_rebuild(Rebuild::Behind, step)?,
            Start::Seed if !self.choice_needed && self.has_caught_up(step) => match space_has_rows(step.store)? {
                true => self.choice_needed = true,
                false => step.store.adopt_local()?,
            },
            Start::Take | Start::Seed => {}
        }
        Ok(())
    }

    fn has_caught_up<S: ClientStore, C: Codec>(&self, step: &Step<S, C>) -> bool {
        let busy = self.pulling || step.device.recovering || step.device.rebuild.is_some();
        self.link == Link::Up && !busy && step.device.cursor.seq >= self.status.head && !self.waits_for_server(step)
    }

    /// A space that welcomes a device for the first time. Where it has a history and the app has not said what to do, the device
    /// takes nothing of it and stops; false then.
    pub(super) fn may_begin<S: ClientStore, C: Codec>(
        &mut self,
        head: Seq,
        step: &mut Step<S, C>,
    ) -> Result<bool, S::Error> {
        if !step.device.is_new() || self.options.start != Start::Seed || step.store.waiting()?.local == 0 {
            return Ok(true);
        }
        if head == Seq(0) {
            step.store.adopt_local()?;
            return Ok(true);
        }
        self.drop_link(step);
        self.failed(cause(CHOICE_NEEDED, false), step);
        self.choice_needed = true;
        Ok(false)
    }
}

impl DeviceState {
    /// Whether no space has ever welcomed this database.
    pub fn is_new(&self) -> bool {
        self.author.is_none() && self.previous.is_none() && self.cursor.seq == Seq(0)
    }
}

/// Whether the space has rows in a table in which something was written before it was kept in step.
fn space_has_rows<S: ClientStore>(store: &mut S) -> Result<bool, S::Error> {
    let local: SortedSet<LogId> = store.local_log()?.into_iter().collect();
    let log = store.unsealed(usize::MAX, usize::MAX)?;
    let changes = log.iter().filter(|transaction| local.contains(&transaction.id)).flat_map(|t| &t.changes);
    let tables: SortedSet<TableId> = changes.map(|change| change.row.table).collect();
    for row in store.kept_rows()?.iter().filter(|row| tables.contains(&row.table)) {
        if matches!(store.server_row(row)?, ServerRow::Kept(Some(_))) {
            return Ok(true);
        }
    }
    for table in tables.iter() {
        if has_rows_of_its_own(*table, store)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a row is visible that nothing pending has made or changed.
fn has_rows_of_its_own<S: ClientStore>(table: TableId, store: &mut S) -> Result<bool, S::Error> {
    let mut after: Option<Key> = None;
    loop {
        let keys = store.keys(table, after.as_ref(), KEYS)?;
        let Some(last) = keys.last().cloned() else { return Ok(false) };
        let rows: Vec<RowId> = keys.into_iter().map(|key| RowId { table, key }).collect();
        if store.pending_changes(&rows)?.iter().any(Vec::is_empty) {
            return Ok(true);
        }
        after = Some(last);
    }
}

/// Takes what is local out of the log, with what was written on top of it, and lists it: a row as it was shown last, with the
/// transaction that wrote it last. The rows themselves are about to be replaced by a snapshot.
pub(super) fn give_way<S: ClientStore>(store: &mut S, applied: &mut Applied) -> Result<(), S::Error> {
    let leaving = leaving(store)?;
    let hidden: SortedSet<LogId> = store.blocked()?.into_iter().collect();
    let made = made_by(leaving.iter().filter(|transaction| !hidden.contains(&transaction.id)));
    let ids: Vec<LogId> = leaving.iter().map(|transaction| transaction.id).collect();
    for mut transaction in leaving {
        if !hidden.contains(&transaction.id) {
            transaction.changes = as_shown(&transaction, &made, store)?;
        }
        if transaction.changes.is_empty() && transaction.resolutions.is_empty() {
            continue;
        }
        list(transaction, Reason::Replaced, GAVE_WAY, store, applied)?;
    }
    store.drop_transactions(&ids)
}

/// The local transactions, and the later ones that write a row which one of them made.
fn leaving<S: ClientStore>(store: &mut S) -> Result<Vec<LoggedTransaction>, S::Error> {
    let local: SortedSet<LogId> = store.local_log()?.into_iter().collect();
    let mut made: SortedSet<RowId> = SortedSet::new();
    let mut leaving = store.unsealed(usize::MAX, usize::MAX)?;
    leaving.retain(|transaction| {
        let builds_on = || transaction.changes.iter().any(|change| made.contains(&change.row));
        let leaves = local.contains(&transaction.id) || builds_on();
        if leaves {
            made.extend(transaction.changes.iter().filter(|change| makes(change)).map(|change| change.row.clone()));
        }
        leaves
    });
    Ok(leaving)
}

fn makes(change: &LoggedChange) -> bool {
    matches!(change.mutation, LoggedMutation::Insert(_))
}

/// The rows that some transactions made, with the one that wrote each last.
fn made_by<'a>(log: impl Iterator<Item = &'a LoggedTransaction>) -> SortedMap<RowId, LogId> {
    let mut made = SortedMap::new();
    for transaction in log {
        for change in &transaction.changes {
            if makes(change) || made.contains_key(&change.row) {
                made.insert(change.row.clone(), transaction.id);
            }
        }
    }
    made
}

fn as_shown<S: ClientStore>(
    transaction: &LoggedTransaction,
    made: &SortedMap<RowId, LogId>,
    store: &mut S,
) -> Result<Vec<LoggedChange>, S::Error> {
    let mut shown = Vec::new();
    let mut listed: SortedSet<&RowId> = SortedSet::new();
    for change in &transaction.changes {
        match made.get(&change.row) {
            None => shown.push(change.clone()),
            Some(last) if *last == transaction.id && listed.insert(&change.row) => {
                if let Some(values) = store.row(&change.row)? {
                    shown.push(LoggedChange { row: change.row.clone(), mutation: LoggedMutation::Insert(values) });
                }
            }
            Some(_) => {}
        }
    }
    Ok(shown)
}
