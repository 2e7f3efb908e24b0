//! What this device knows of one row's history: its own changes that were accepted and are still kept, that wait, and that were refused.
//! It reads records and changes none; what others did to the row is in the space's history, not here.
//! The verb behind `db.log`.

use super::LocalDatabase;
use super::error::{DbError, DbErrorCode};
use super::log::{self, Select, damaged};
use super::recorded::ChangeKind;
use crate::client::{kept, unknown};
use ebbtide_core::catalogue::{Catalogue, Strategy, Table};
use ebbtide_core::change::{LoggedChange, LoggedMutation, Mutation};
use ebbtide_core::client::store::Kept;
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::Reason;
use ebbtide_core::ids::{ColumnId, LogId};
use ebbtide_core::value::{Key, Value};

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeState {
    /// The space has accepted it.
    Applied,
    /// It waits.
    Pending,
    /// It waits, out of the view because it collides with what the space decided.
    Blocked,
    /// It was refused.
    Rejected(Reason),
}

/// A change of the row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowEntry {
    /// When it was written, by this device's clock; with the device its transaction's identity.
    pub stamp: Stamp,
    /// Where it stands.
    pub state: ChangeState,
    /// What it does.
    pub kind: ChangeKind,
    /// The fields that it writes; of a deleted row nothing. `None` where an operation was sent, whose result the space made.
    pub fields: Vec<(String, Option<Value>)>,
}

const REJECTED: &str = "SELECT r.stamp, r.reason, r.changes, c.catalogue
    FROM _ebb_rejected AS r JOIN _ebb_catalogue AS c ON c.version = r.schema ORDER BY r.id";

/// A row by names.
struct Wanted<'a> {
    table: String,
    key: &'a Key,
}

impl LocalDatabase {
    /// The row's changes by the time at which they were written. A changeset of an earlier version that cannot be read is left out.
    pub fn row_log(&self, table: &str, key: &[Value], codec: &dyn Codec) -> Result<Vec<RowEntry>, DbError> {
        let found = self.catalogue.tables.iter().find(|known| known.name.eq_ignore_ascii_case(table));
        let known = found.ok_or_else(|| wrong(format!("`{table}` is no synced table")))?;
        if known.key.len() != key.len() {
            return Err(wrong(format!("the key of `{table}` has {} values, not {}", known.key.len(), key.len())));
        }
        let key = Key(key.to_vec());
        let wanted = Wanted { table: known.identity().to_ascii_lowercase(), key: &key };
        let mut entries = self.accepted(&wanted, codec)?;
        entries.extend(self.waiting(&wanted)?);
        entries.extend(self.refused(&wanted)?);
        entries.sort_by_key(|entry| entry.stamp);
        Ok(entries)
    }

    fn accepted(&self, wanted: &Wanted<'_>, codec: &dyn Codec) -> Result<Vec<RowEntry>, DbError> {
        let mut entries = Vec::new();
        for Kept { device_seq, refused, bytes, .. } in kept::all(&self.connection)? {
            let Ok(version) = codec.schema_of(&bytes) else { continue };
            let Some(catalogue) = unknown::catalogue(&self.connection, version)? else { continue };
            let Ok(changeset) = codec.open(&bytes, device_seq, &catalogue) else { continue };
            for (place, transaction) in changeset.transactions.into_iter().enumerate() {
                if refused.contains(&(place as u32)) {
                    continue;
                }
                for change in transaction.changes.iter().filter(|change| &change.row.key == wanted.key) {
                    let Some(table) = wanted.of(&catalogue, change.row.table) else { continue };
                    let (kind, fields) = sent(table, &change.mutation);
                    entries.push(RowEntry { stamp: transaction.stamp, state: ChangeState::Applied, kind, fields });
                }
            }
        }
        Ok(entries)
    }

    fn waiting(&self, wanted: &Wanted<'_>) -> Result<Vec<RowEntry>, DbError> {
        let blocked = self.listed("SELECT log FROM _ebb_blocked", |row| row.get(0).map(LogId))?;
        let mut entries = Vec::new();
        for transaction in log::read(&self.connection, Select::After(LogId(0)), |_| false)? {
            let state = if blocked.contains(&transaction.id) { ChangeState::Blocked } else { ChangeState::Pending };
            entries.extend(wanted.entries(&transaction.changes, &self.catalogue, transaction.stamp, state));
        }
        Ok(entries)
    }

    fn refused(&self, wanted: &Wanted<'_>) -> Result<Vec<RowEntry>, DbError> {
        let listed = self.listed(REJECTED, |row| {
            let reason: Reason = postcard::from_bytes(row.get_ref(1)?.as_blob()?).map_err(damaged)?;
            let changes: Vec<LoggedChange> = postcard::from_bytes(row.get_ref(2)?.as_blob()?).map_err(damaged)?;
            let catalogue: Catalogue = postcard::from_bytes(row.get_ref(3)?.as_blob()?).map_err(damaged)?;
            let stamp = Stamp(row.get::<_, i64>(0)? as u64);
            Ok(wanted.entries(&changes, &catalogue, stamp, ChangeState::Rejected(reason)))
        })?;
        Ok(listed.into_iter().flatten().collect())
    }
}

impl Wanted<'_> {
    /// The table in another version's catalogue, if it is the wanted one.
    fn of<'c>(&self, catalogue: &'c Catalogue, table: ebbtide_core::ids::TableId) -> Option<&'c Table> {
        catalogue.table(table).filter(|table| table.identity().eq_ignore_ascii_case(&self.table))
    }

    fn entries(
        &self,
        changes: &[LoggedChange],
        catalogue: &Catalogue,
        stamp: Stamp,
        state: ChangeState,
    ) -> Vec<RowEntry> {
        let mut entries = Vec::new();
        for change in changes.iter().filter(|change| &change.row.key == self.key) {
            let Some(table) = self.of(catalogue, change.row.table) else { continue };
            let (kind, fields) = match &change.mutation {
                LoggedMutation::Insert(values) => (ChangeKind::Insert, whole(table, values)),
                LoggedMutation::Delete(_) => (ChangeKind::Delete, Vec::new()),
                LoggedMutation::Update(fields) => {
                    let fields = fields.iter().map(|field| (name(table, field.column), Some(field.new.clone())));
                    (ChangeKind::Update, fields.collect())
                }
            };
            entries.push(RowEntry { stamp, state, kind, fields });
        }
        entries
    }
}

/// What was sent of a change: sums, sets and texts travel as what was done to them.
fn sent(table: &Table, mutation: &Mutation) -> (ChangeKind, Vec<(String, Option<Value>)>) {
    match mutation {
        Mutation::Insert(values) => (ChangeKind::Insert, whole(table, values)),
        Mutation::Delete => (ChangeKind::Delete, Vec::new()),
        Mutation::Update(fields) => {
            let field = |field: &ebbtide_core::change::Field| {
                let operation = matches!(table.strategy(field.column), Strategy::Sum | Strategy::Set | Strategy::Text);
                (name(table, field.column), (!operation).then(|| field.value.clone()))
            };
            (ChangeKind::Update, fields.iter().map(field).collect())
        }
    }
}

fn whole(table: &Table, values: &[Value]) -> Vec<(String, Option<Value>)> {
    table.fields().zip(values).map(|((_, column), value)| (column.name.clone(), Some(value.clone()))).collect()
}

fn name(table: &Table, column: ColumnId) -> String {
    table.columns.get(usize::from(column.0)).map(|column| column.name.clone()).unwrap_or_default()
}

fn wrong(message: String) -> DbError {
    DbError::new(DbErrorCode::BadParameter, message)
}
