//! What a device is sent of the history: pages, parts, announcements, and the checks before it is sent anything.
//! It knows credit and sizes, not merges; the session calls it for hellos, pulls, decisions and fan-out.

use super::parts::Wanted;
use super::room;
use super::session::{ServerOutput, ServerSession, replies};
use super::store::{Author, ServerStore};
use crate::commit::{Decided, SealedCommit};
use crate::error::{Refusal, RefusalCode};
use crate::ids::{Cursor, DeviceSeq, SchemaVersion, Seq};
use crate::limits;
use crate::message::{Hello, ItemBody, Page, Range, RangeItem, ServerMessage};
use alloc::{format, string::String, vec, vec::Vec};

impl ServerSession {
    /// What this connection should be sent after another one's commit: the commits themselves,
    /// or only their announcement when the device has confirmed too little of what it was sent, or the first is too large to be pushed.
    pub fn offer<S: ServerStore>(&mut self, store: &mut S) -> Result<Vec<ServerMessage>, S::Error> {
        let head = store.head()?.seq;
        if self.state.greeted.is_none() || !self.state.live || self.state.sent >= head {
            return Ok(Vec::new());
        }
        if self.state.unconfirmed_bytes > limits::PUSH_WINDOW_BYTES as u64 {
            return Ok(self.announce(head));
        }
        let messages = self.unasked(limits::PUSH_WINDOW_BYTES, None, store)?;
        self.told_without_copies(messages, store)
    }

    /// The history behind what was sent, as far as it may go out without having been asked for. Where nothing of it may, the device
    /// is told that there is more, and pulls.
    pub(super) fn unasked<S: ServerStore>(
        &mut self,
        max_bytes: usize,
        just_sent: Option<DeviceSeq>,
        store: &mut S,
    ) -> Result<Vec<ServerMessage>, S::Error> {
        let max_bytes = max_bytes.min(self.room.unasked_bytes());
        let head = store.head()?.seq;
        if max_bytes == 0 {
            return Ok(if self.state.sent < head { self.announce(head) } else { Vec::new() });
        }
        let commits = store.commits(self.state.sent, max_bytes, limits::PAGE_COMMITS)?;
        if self.begins_with_more_than(max_bytes, &commits) {
            self.room.close_unasked();
            return Ok(self.announce(head));
        }
        let messages = self.page_of(self.state.sent, commits, just_sent, store)?;
        self.room.take_unasked(&messages);
        Ok(messages)
    }

    /// Tells only that there is more. Until the device has pulled that it is pushed nothing.
    fn announce(&mut self, head: Seq) -> Vec<ServerMessage> {
        self.state.live = false;
        vec![ServerMessage::Head { seq: head }]
    }

    /// One page of history above a cursor, which was asked for: at least one commit, or parts of one.
    pub(super) fn page<S: ServerStore>(
        &mut self,
        after: &Cursor,
        wanted: Wanted,
        store: &mut S,
    ) -> Result<Vec<ServerMessage>, S::Error> {
        let max_bytes = wanted.max_bytes.clamp(1, limits::PAGE_BYTES);
        let mut commits = store.commits(after.seq, max_bytes, limits::PAGE_COMMITS)?;
        if !self.begins_with_more_than(max_bytes.max(limits::PART_BYTES), &commits) {
            return self.page_of(after.seq, commits, None, store);
        }
        commits.truncate(1);
        let mut messages = self.receipts_for(&mut commits, None, store)?;
        for large in commits {
            messages.extend(self.parts(after, large, Wanted { max_bytes, ..wanted }, store)?);
        }
        Ok(messages)
    }

    /// What goes out with a welcome. Of a large commit nothing does, so that the welcome is soon heard on a slow line.
    pub(super) fn first_page<S: ServerStore>(
        &mut self,
        after: &Cursor,
        store: &mut S,
    ) -> Result<Vec<ServerMessage>, S::Error> {
        let commits = store.commits(after.seq, limits::FIRST_PAGE_BYTES, limits::PAGE_COMMITS)?;
        match self.begins_with_more_than(limits::FIRST_PAGE_BYTES, &commits) {
            true => room::nothing_yet(after, store),
            false => self.page_of(after.seq, commits, None, store),
        }
    }

    fn begins_with_more_than(&self, bytes: usize, commits: &[SealedCommit]) -> bool {
        commits.first().is_some_and(|first| self.travelling_bytes(first) > bytes)
    }

    /// Own commits are preceded by their receipts, except the one just sent.
    /// Where there is more, the device is told so: it is pushed nothing until it has pulled that.
    fn page_of<S: ServerStore>(
        &mut self,
        after: Seq,
        mut commits: Vec<SealedCommit>,
        just_sent: Option<DeviceSeq>,
        store: &mut S,
    ) -> Result<Vec<ServerMessage>, S::Error> {
        let head = store.head()?.seq;
        let mut messages = self.receipts_for(&mut commits, just_sent, store)?;
        let upto = commits.last().map_or(head, |commit| commit.seq);
        let chain = store.chain_at(upto)?.unwrap_or_default().truncated();
        // What the device counts too when it decides whether to confirm.
        let bytes = commits.iter().map(|commit| self.travelling_bytes(commit)).sum();
        let items = commits.into_iter().map(|commit| self.item(commit)).collect();
        self.sent(upto, head, bytes);
        messages.push(ServerMessage::Range(Range { from: after, upto, chain, items }));
        if !self.state.live {
            messages.push(ServerMessage::Head { seq: head });
        }
        Ok(messages)
    }

    pub(super) fn sent(&mut self, upto: Seq, head: Seq, bytes: usize) {
        self.state.sent = upto;
        self.state.live = upto >= head;
        self.state.unconfirmed_bytes += bytes as u64;
    }

    /// With its last page a device that needs nothing more has all there is, and asks for nothing: what follows is pushed.
    pub(super) fn sent_page(&mut self, page: &Page) {
        if page.last && page.head == page.token.begun_at {
            self.sent(page.head, page.head, 0);
        }
    }

    fn item(&self, commit: SealedCommit) -> RangeItem {
        let body = match self.is_own(&commit) {
            true if !self.travels(&commit) => ItemBody::OwnAsSent(commit.device_seq),
            true => ItemBody::OwnMerged(commit.device_seq, commit.bytes),
            false => ItemBody::Foreign(commit.bytes),
        };
        RangeItem { seq: commit.seq, body }
    }

    pub(super) fn is_own(&self, commit: &SealedCommit) -> bool {
        self.state.greeted.is_some_and(|greeted| greeted.author == commit.author)
    }

    /// Whether the bytes of a commit are sent: a device has those of its own that were taken as sent.
    fn travels(&self, commit: &SealedCommit) -> bool {
        self.state.whole || !(commit.as_sent && self.is_own(commit))
    }

    fn travelling_bytes(&self, commit: &SealedCommit) -> usize {
        if self.travels(commit) { commit.bytes.len() } else { 0 }
    }

    /// The verdicts on the own ones among these commits. Where they come to more than a page, it ends before the next.
    fn receipts_for<S: ServerStore>(
        &self,
        commits: &mut Vec<SealedCommit>,
        just_sent: Option<DeviceSeq>,
        store: &mut S,
    ) -> Result<Vec<ServerMessage>, S::Error> {
        let (mut receipts, mut bytes) = (Vec::new(), 0);
        let own = |commit: &SealedCommit| self.is_own(commit) && just_sent != Some(commit.device_seq);
        let mut fitting = 0;
        for commit in commits.iter() {
            let wanted = if own(commit) { store.decided(commit.author, commit.device_seq)? } else { None };
            if let Some(Decided { receipt, .. }) = wanted {
                bytes += room::receipt_size(&receipt);
                if bytes > limits::PAGE_BYTES && fitting > 0 {
                    break;
                }
                receipts.push(ServerMessage::Receipt(receipt));
            }
            fitting += 1;
        }
        commits.truncate(fitting);
        Ok(receipts)
    }

    /// The device has applied everything up to `seq`: it has credit again.
    pub(super) fn confirmed<S: ServerStore>(&mut self, seq: Seq, store: &mut S) -> Result<Vec<ServerOutput>, S::Error> {
        if seq >= self.state.sent {
            self.state.unconfirmed_bytes = 0;
        }
        Ok(replies(self.offer(store)?))
    }
}

/// Verdicts that no commit brings along: without them a device whose answer was lost sends the whole changeset again.
pub(super) fn receipts_without_commit<S: ServerStore>(
    author: &Author,
    store: &mut S,
) -> Result<Vec<ServerMessage>, S::Error> {
    let (mut receipts, mut bytes) = (Vec::new(), 0);
    let unconfirmed = author.applied_receipt.0 + 1..author.expected.0;
    for number in unconfirmed.rev().take(limits::SEALED_AHEAD).map(DeviceSeq) {
        let decided = store.decided(author.id, number)?.filter(|decided| decided.receipt.seq.is_none());
        bytes += decided.as_ref().map_or(0, |decided| room::receipt_size(&decided.receipt));
        if bytes > limits::PAGE_BYTES {
            break;
        }
        receipts.extend(decided.map(|decided| ServerMessage::Receipt(decided.receipt)));
    }
    receipts.reverse();
    Ok(receipts)
}

/// Whether a cursor is of this space's history.
pub(super) fn check_cursor<S: ServerStore>(cursor: &Cursor, store: &mut S) -> Result<Result<(), Refusal>, S::Error> {
    let detail = match store.chain_at(cursor.seq)? {
        // What is pruned cannot be compared any more.
        _ if cursor.seq == Seq(0) || cursor.seq < store.floor()?.seq => return Ok(Ok(())),
        Some(chain) if chain.truncated() == cursor.chain => return Ok(Ok(())),
        Some(_) => "the space has another history at the device's cursor",
        None => "the device's cursor is not in the space's history",
    };
    Ok(Err(refusal(RefusalCode::UnknownHistory, None, detail)))
}

/// Whether device and space remember the same of this device's changesets.
pub(super) fn check_history<S: ServerStore>(
    hello: &Hello,
    author: &Author,
    store: &mut S,
) -> Result<Result<(), Refusal>, S::Error> {
    if author.expected > hello.next_device_seq {
        let detail = "the space knows changesets that this device never sealed";
        return Ok(Err(refusal(RefusalCode::UnknownNumbers, Some(author.expected), detail)));
    }
    if let Some((device_seq, hash)) = hello.last_decided {
        let (code, detail) = match store.decided(author.id, device_seq)? {
            Some(decided) if decided.hash == hash => return check_cursor(&hello.cursor, store),
            Some(_) => (RefusalCode::UnknownNumbers, "the space decided other bytes under the device's last number"),
            None => (RefusalCode::UnknownHistory, "the space does not know the device's last decided changeset"),
        };
        return Ok(Err(refusal(code, Some(device_seq), detail)));
    }
    check_cursor(&hello.cursor, store)
}

/// Whether the two sides can understand each other: the same schema, one that the space had before, or one that it will have.
pub(super) fn check_schema<S: ServerStore>(hello: &Hello, store: &mut S) -> Result<Result<(), Refusal>, S::Error> {
    let catalogue = store.catalogue();
    if hello.schema.is_later_than(catalogue.version) {
        return Ok(Ok(()));
    }
    let is_present = hello.schema == catalogue.version;
    let known = if is_present { Some(catalogue.clone()) } else { store.catalogue_of(hello.schema)? };
    let code = match known {
        Some(known) if known.hash == hello.schema_hash => return Ok(Ok(())),
        None if catalogue.version.is_later_than(hello.schema) => RefusalCode::ReloadNeeded,
        _ => RefusalCode::SchemaMismatch,
    };
    let [device, space] = [hello.schema, catalogue.version].map(SchemaVersion::migrations);
    let detail = format!("device at schema version {device}, space at {space}");
    Ok(Err(Refusal { code, device_seq: None, detail }))
}

/// The catalogue that a device needs to read older or newer commits than its own.
pub(super) fn catalogue<S: ServerStore>(version: SchemaVersion, store: &mut S) -> Result<Vec<ServerOutput>, S::Error> {
    let current = store.catalogue();
    let known = if version == current.version { Some(current) } else { store.catalogue_of(version)? };
    Ok(replies(vec![match known {
        Some(catalogue) => ServerMessage::Catalogue(catalogue.as_ref().clone()),
        None => ServerMessage::Refused(refusal(
            RefusalCode::SchemaMismatch,
            None,
            "the space never had this schema version",
        )),
    }]))
}

/// A refusal in words.
pub(super) fn refusal(code: RefusalCode, device_seq: Option<DeviceSeq>, detail: &str) -> Refusal {
    Refusal { code, device_seq, detail: String::from(detail) }
}
