//! `ServerStore` for one event's store: each call is in the file of its subject.
//! It decides nothing. The server session sees only this.

use super::event::{LogMemory, SpaceStore};
use super::unkept;
use crate::sql::{Sql, SqlError};
use ebbtide_core::catalogue::{Catalogue, Reference};
use ebbtide_core::change::RowId;
use ebbtide_core::clock::Stamp;
use ebbtide_core::commit::{Decided, SealedCommit};
use ebbtide_core::conflict::{AuthorName, ConflictId, QueueEntry};
use ebbtide_core::ids::{
    AuthorId, ColumnId, DeviceSeq, Hash, Incarnation, Millis, Opening, SchemaVersion, Seq, TableId,
};
use ebbtide_core::message::Chunk;
use ebbtide_core::server::rules::AppRules;
use ebbtide_core::server::store::{
    Author, DecidedTransactions, Fate, FormerName, Head, Mark, NewCommit, RowState, RowWrite, Scan, ServerStore,
    Staging, Violation,
};
use ebbtide_core::value::{Key, Value};
use std::collections::BTreeMap;
use std::rc::Rc;

impl<S: Sql + Clone> ServerStore for SpaceStore<S> {
    type Error = SqlError;

    fn rules(&self) -> Rc<dyn AppRules> {
        self.space.rules()
    }

    fn catalogue(&self) -> Rc<Catalogue> {
        self.space.catalogue()
    }

    fn catalogue_of(&mut self, version: SchemaVersion) -> Result<Option<Rc<Catalogue>>, SqlError> {
        Ok(self.catalogue_at(version)?.map(Rc::new))
    }

    fn has_unkept(&mut self, identity: &str) -> Result<bool, SqlError> {
        unkept::has(&mut self.sql, identity)
    }

    fn head(&mut self) -> Result<Head, SqlError> {
        self.log_head()
    }

    fn chain_at(&mut self, seq: Seq) -> Result<Option<Hash>, SqlError> {
        self.log_chain(seq)
    }

    fn floor(&mut self) -> Result<Head, SqlError> {
        self.log_floor()
    }

    fn slowest_cursor(&mut self, since: Millis) -> Result<Option<Seq>, SqlError> {
        self.slowest(since)
    }

    fn prune(&mut self, floor: Head, tombstones: &[RowId]) -> Result<(), SqlError> {
        self.prune_log(floor, tombstones)
    }

    fn scan(
        &mut self,
        table: TableId,
        after: Option<&Key>,
        max_rows: usize,
        max_bytes: usize,
    ) -> Result<Scan, SqlError> {
        self.scan_rows(table, after, max_rows, max_bytes)
    }

    fn author(&mut self, incarnation: Incarnation) -> Result<Option<Author>, SqlError> {
        self.find_author(incarnation)
    }

    fn register(&mut self, incarnation: Incarnation, user: &str, now: Millis) -> Result<Author, SqlError> {
        self.register_author(incarnation, user, now)
    }

    fn save_author(&mut self, author: &Author) -> Result<(), SqlError> {
        self.update_author(author)
    }

    fn decided(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<Option<Decided>, SqlError> {
        self.find_decided(author, device_seq)
    }

    fn put_decided(
        &mut self,
        author: AuthorId,
        decided: &Decided,
        transactions: &DecidedTransactions,
    ) -> Result<(), SqlError> {
        self.insert_decided(author, decided, transactions)
    }

    fn fates(
        &mut self,
        origin: Incarnation,
        opening: Opening,
        stamps: &[Stamp],
    ) -> Result<BTreeMap<Stamp, Fate>, SqlError> {
        self.find_fates(origin, opening, stamps)
    }

    fn brought_back(
        &mut self,
        origin: Incarnation,
        opening: Opening,
        stamps: &[Stamp],
    ) -> Result<BTreeMap<Stamp, Fate>, SqlError> {
        self.find_brought_back(origin, opening, stamps)
    }

    fn forget_receipts(&mut self, author: AuthorId, upto: DeviceSeq) -> Result<(), SqlError> {
        self.forget_rejected(author, upto)
    }

    fn staging(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<Option<Staging>, SqlError> {
        self.find_stage(author, device_seq)
    }

    fn bytes_staged(&mut self, author: AuthorId) -> Result<u64, SqlError> {
        self.announced_bytes(author)
    }

    fn put_chunk(&mut self, author: AuthorId, chunk: &Chunk, now: Millis) -> Result<(), SqlError> {
        self.insert_chunk(author, chunk, now)
    }

    fn staged_bytes(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<Vec<u8>, SqlError> {
        self.whole_upload(author, device_seq)
    }

    fn set_prepared(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<(), SqlError> {
        self.mark_prepared(author, device_seq)
    }

    fn drop_stage(&mut self, author: AuthorId, device_seq: DeviceSeq) -> Result<(), SqlError> {
        self.delete_stage(author, device_seq)
    }

    fn read_ahead(&mut self, rows: Vec<RowId>) -> Result<(), SqlError> {
        SpaceStore::read_ahead(self, rows)
    }

    fn load(&mut self, rows: &[RowId]) -> Result<Vec<RowState>, SqlError> {
        self.load_rows(rows)
    }

    fn write(&mut self, rows: &[RowWrite]) -> Result<Result<(), Violation>, SqlError> {
        self.write_rows(rows)
    }

    fn dangling(&mut self, rows: &[RowId]) -> Result<Option<Violation>, SqlError> {
        let found = self.first_dangling(rows)?;
        if found.is_none() {
            self.note_checked(rows);
        }
        Ok(found)
    }

    fn children(&mut self, child: TableId, reference: &Reference, parent: &[Value]) -> Result<Vec<RowId>, SqlError> {
        self.children_of(child, reference, parent)
    }

    fn former(
        &mut self,
        table: TableId,
        columns: &[ColumnId],
        values: &[Value],
    ) -> Result<Option<(RowId, Mark)>, SqlError> {
        self.find_former(table, columns, values)
    }

    fn put_formers(&mut self, formers: &[FormerName], mark: &Mark) -> Result<(), SqlError> {
        self.write_formers(formers, mark)
    }

    fn open_conflicts(&mut self, rows: &[RowId]) -> Result<Vec<QueueEntry>, SqlError> {
        self.conflicts_of(rows)
    }

    fn open_conflict(&mut self, id: ConflictId) -> Result<Option<QueueEntry>, SqlError> {
        self.conflict_named(id)
    }

    fn open_conflicts_after(&mut self, after: ConflictId, max_count: usize) -> Result<Vec<QueueEntry>, SqlError> {
        self.conflicts_after(after, max_count)
    }

    fn put_conflict(&mut self, entry: &QueueEntry) -> Result<(), SqlError> {
        self.write_conflict(entry)
    }

    fn drop_conflict(&mut self, id: ConflictId) -> Result<(), SqlError> {
        self.delete_conflict(id)
    }

    fn author_names(&mut self, ids: &[AuthorId]) -> Result<Vec<AuthorName>, SqlError> {
        self.find_author_names(ids)
    }

    fn savepoint<T, R>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, R>) -> Result<Result<T, R>, SqlError> {
        let mut sql = self.sql.clone();
        let done = sql.savepoint(|_| body(self));
        if !matches!(done, Ok(Ok(_))) {
            self.log = LogMemory::default();
            self.queue_empty = None;
        }
        done
    }

    fn append(&mut self, commit: &NewCommit) -> Result<(), SqlError> {
        self.log_append(commit)
    }

    fn commits(&mut self, after: Seq, max_bytes: usize, max_count: usize) -> Result<Vec<SealedCommit>, SqlError> {
        self.log_page(after, max_bytes, max_count)
    }
}
