//! Tables that this device keeps in step and the space of a snapshot does not, any more or yet. The snapshot says nothing of their rows:
//! what the space was last known to have of them stays beneath what waits, and is fetched anew once the space keeps them again.
//! Called while a snapshot is installed and when a space says its version.

use super::overlay::{Underlay, waiting_log};
use super::session::{ClientSession, Step};
use super::store::{ClientStore, DeviceState, Rebuild, ServerRow, SnapshotState};
use super::{recover, snapshot, versions};
use crate::change::RowId;
use crate::codec::Codec;
use crate::error::Fault;
use crate::ids::{SchemaVersion, TableId};
use crate::message::Recalled;
use crate::sorted::SortedSet;
use alloc::vec::Vec;

/// What a snapshot leaves as it is.
pub struct LeftOut {
    by: Option<SchemaVersion>,
    tables: SortedSet<TableId>,
    /// The space's version of the rows on which something waits.
    bare: Underlay,
    /// Other rows that show what a migration made of them ahead of the space, with what the space has.
    previews: Vec<(RowId, ServerRow)>,
}

impl LeftOut {
    /// What a snapshot leaves, asked while the log still has all that is shown. `answers` say what the space has taken of earlier lives.
    pub fn lift<S: ClientStore>(
        state: &SnapshotState,
        device: &DeviceState,
        answers: &[Recalled],
        store: &mut S,
    ) -> Result<Self, Fault<S::Error>> {
        let mut tables = versions::left_out(state.token.schema, store)?;
        let by = (!tables.is_empty()).then_some(state.token.schema);
        if device.rebuild == Some(Rebuild::OtherHistory) {
            // What comes back to a space that was set back does not say what it was written over, and the space may have less.
            tables.clear();
        }
        if tables.is_empty() {
            return Ok(Self { by, tables, bare: Underlay::lift(&[], store)?, previews: Vec::new() });
        }
        let log = waiting_log(store)?;
        let changes = log.iter().flat_map(|transaction| &transaction.changes);
        let waiting: SortedSet<&RowId> =
            changes.map(|change| &change.row).filter(|row| tables.contains(&row.table)).collect();
        let mut previews = Vec::new();
        for row in store.kept_rows()? {
            if tables.contains(&row.table) && !waiting.contains(&row) {
                let server = store.server_row(&row)?;
                previews.push((row, server));
            }
        }
        let mut bare = Underlay::lift(&waiting.into_iter().cloned().collect::<Vec<_>>(), store)?;
        let mut taken = snapshot::taken(state, store)?;
        taken.extend(recover::taken(answers, store)?);
        for transaction in &mut taken {
            transaction.changes.retain(|change| tables.contains(&change.row.table));
        }
        bare.advance(&taken, &store.catalogue());
        Ok(Self { by, tables, bare, previews })
    }

    /// Whether the rows of a table stay.
    pub fn has(&self, table: TableId) -> bool {
        self.tables.contains(&table)
    }

    /// The version that leaves something out.
    pub fn by(&self) -> Option<SchemaVersion> {
        self.by
    }

    /// Takes what waits off the rows that stay; they go with what they refer to.
    pub fn lay_bare<S: ClientStore>(&mut self, store: &mut S) -> Result<(), S::Error> {
        self.bare.write_bare(store)?;
        store.let_follow(&self.tables.iter().copied().collect::<Vec<_>>())
    }

    /// What shows ahead of the space gives way later still, unless the space `has` the row by now.
    pub fn keep_previews<S: ClientStore>(self, has: impl Fn(&RowId) -> bool, store: &mut S) -> Result<(), S::Error> {
        self.previews
            .into_iter()
            .filter(|(row, _)| !has(row))
            .try_for_each(|(row, server)| store.set_server_row(&row, server))
    }
}

impl ClientSession {
    /// Where the space keeps a table that the last snapshot left out, what it has of that comes with another one: it is not among the
    /// commits. Which tables the space keeps is asked, if need be.
    pub(super) fn fetch_left_out<S: ClientStore, C: Codec>(
        &mut self,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        let (Some(by), Some(space)) = (step.device.left_out, self.space) else { return Ok(()) };
        if step.device.rebuild.is_some() || by == space.version {
            return Ok(());
        }
        if !versions::knows(space.version, step.store)? {
            self.ask_for_catalogue(space.version, step);
            return Ok(());
        }
        let still = versions::left_out(space.version, step.store)?;
        if versions::left_out(by, step.store)?.iter().any(|table| !still.contains(table)) {
            self.begin_rebuild(Rebuild::Behind, step)?;
        }
        Ok(())
    }
}
