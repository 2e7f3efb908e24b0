//! One device's conversation with a space: hello, staging, decisions, pulls.
//! Its memory fits a socket attachment, so it can be rebuilt at any message; everything else is in the store.
//! The adapter runs `handle` inside one transaction of the object and executes the outputs after it.

use super::answer;
use super::decide::Verdict;
use super::folded;
use super::parts::Wanted;
use super::predict::predict;
use super::resend::{self, Sender};
use super::retention;
use super::room::{self, Room};
use super::snapshot;
use super::staging::{self, Opened};
use super::store::{Author, DecidedTransactions, NewCommit, ServerStore};
use crate::change::Changeset;
use crate::codec::Codec;
use crate::commit::{Commit, Decided, Reason, Receipt, Rejection, SealedCommit};
use crate::conflict::{AuthorName, Conflict, QueueChange};
use crate::error::{Refusal, RefusalCode};
use crate::ids::{AuthorId, Cursor, DeviceSeq, Fingerprint, Hash, Incarnation, Millis, Seq};
use crate::limits;
use crate::message::{ClientMessage, ServerMessage, Submit};
use alloc::{collections::BTreeSet, string::String, vec, vec::Vec};
use serde::{Deserialize, Serialize};

/// Protocol versions that this server speaks.
pub const VERSIONS: core::ops::RangeInclusive<u8> = 1..=1;

/// Who holds the connection, as authentication found it. Transport and token format are the adapter's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user's id.
    pub user: String,
    /// Whether the user may write to this space.
    pub may_write: bool,
    /// When the token expires; the adapter checks it before every message and push.
    pub expires_at: Millis,
}

/// Everything a session remembers between messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// Who.
    pub identity: Identity,
    /// Set by the hello.
    pub greeted: Option<Greeted>,
    /// Commits up to here were sent on this connection.
    pub sent: Seq,
    /// Bytes sent since the device last confirmed its cursor.
    pub unconfirmed_bytes: u64,
    /// Whether the device needs its own commits with their outcomes, because it lays them over a snapshot.
    pub whole: bool,
    /// Whether the device has been sent everything up to some recent head, so that commits are pushed to it.
    pub live: bool,
}

/// The device behind a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeted {
    /// Its short name.
    pub author: AuthorId,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// Receipts up to this number are applied there.
    pub applied_receipt: DeviceSeq,
    /// Commits up to here are applied there, by what it last said.
    pub cursor: Seq,
}

/// What the adapter does after the transaction has committed, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum ServerOutput {
    /// Send this to the device.
    Reply(ServerMessage),
    /// There is a new commit: offer it to the other connections, wake the outbox.
    Committed {
        /// Which.
        seq: Seq,
    },
}

/// The server's half of one connection, for one event.
#[derive(Debug, Clone)]
pub struct ServerSession {
    pub(super) state: SessionState,
    pub(super) room: Room,
}

impl ServerSession {
    /// A connection that was just authenticated.
    pub fn new(identity: Identity) -> Self {
        Self::resume(SessionState {
            identity,
            greeted: None,
            sent: Seq(0),
            unconfirmed_bytes: 0,
            whole: false,
            live: false,
        })
    }

    /// A connection that was remembered.
    pub fn resume(state: SessionState) -> Self {
        Self { state, room: Room::default() }
    }

    /// What to remember.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// Handles one message.
    pub fn handle<S: ServerStore, C: Codec>(
        &mut self,
        message: ClientMessage,
        now: Millis,
        store: &mut S,
        codec: &C,
    ) -> Result<Vec<ServerOutput>, S::Error> {
        let outputs = match self.room.is_full() {
            true => self.handle_later(message, now, store, codec)?,
            false => self.handle_now(message, now, store, codec)?,
        };
        self.room.take(&outputs);
        Ok(outputs)
    }

    pub(super) fn handle_now<S: ServerStore, C: Codec>(
        &mut self,
        message: ClientMessage,
        now: Millis,
        store: &mut S,
        codec: &C,
    ) -> Result<Vec<ServerOutput>, S::Error> {
        if let ClientMessage::Hello(hello) = message {
            return Ok(replies(self.hello(&hello, now, store)?));
        }
        let Some(greeted) = self.state.greeted else {
            return Ok(refuse(RefusalCode::Malformed, None, "a hello comes first"));
        };
        let Some(mut author) = store.author(greeted.incarnation)?.filter(|author| !author.retired) else {
            return Ok(refuse(RefusalCode::Retired, None, "this device was replaced by a later one"));
        };
        let outputs = self.answer(message, &mut author, now, store, codec)?;
        Ok(self.without_copies(outputs, &author))
    }

    fn answer<S: ServerStore, C: Codec>(
        &mut self,
        message: ClientMessage,
        author: &mut Author,
        now: Millis,
        store: &mut S,
        codec: &C,
    ) -> Result<Vec<ServerOutput>, S::Error> {
        match message {
            ClientMessage::Hello(_) => Ok(Vec::new()),
            ClientMessage::Submit(submit) => self.submit(submit, author, now, store, codec),
            ClientMessage::Stage(chunk) => self.stage(chunk, author, now, store, codec),
            ClientMessage::Resume { device_seq, hash } => staging::resume(author, device_seq, hash, store),
            ClientMessage::Prepare { device_seq, hash } => staging::prepare(author, device_seq, hash, store, codec),
            ClientMessage::Predict { upto } => {
                let may_write = self.state.identity.may_write;
                Ok(replies(predict(author, upto, may_write, now, store, codec)?))
            }
            ClientMessage::Commit { device_seq, hash, applied_receipt } => {
                self.confirm_receipts(applied_receipt, author, store)?;
                self.commit_staged(device_seq, hash, author, now, store, codec)
            }
            ClientMessage::Void { device_seq } => self.void(device_seq, author, store),
            ClientMessage::Recall(recall) => Ok(replies(vec![resend::recall(&recall, store)?])),
            ClientMessage::Snapshot { token, max_bytes } => {
                let page = snapshot::page(token, max_bytes, now, store, codec)?;
                self.sent_page(&page);
                Ok(replies(vec![ServerMessage::Page(page)]))
            }
            // Where a plan reads on from is not where the device is: that hellos and confirmations say.
            ClientMessage::Pull { cursor, max_bytes, held } => {
                self.pull(&cursor, Wanted { max_bytes: max_bytes as usize, held }, store)
            }
            ClientMessage::Catalogue { version } => answer::catalogue(version, store),
            ClientMessage::Applied { seq, applied_receipt } => {
                self.confirm_receipts(applied_receipt, author, store)?;
                self.note_cursor(seq, author, now, store)?;
                self.confirmed(seq, store)
            }
        }
    }

    /// The connection has ended. What the device had confirmed is written down now: it may stay away for long.
    pub fn ended<S: ServerStore>(&self, now: Millis, store: &mut S) -> Result<(), S::Error> {
        let Some(greeted) = self.state.greeted else { return Ok(()) };
        match store.author(greeted.incarnation)?.filter(|author| !author.retired) {
            Some(mut author) => retention::keep_cursor(greeted.cursor, &mut author, now, store),
            None => Ok(()),
        }
    }

    /// Remembers where the device is, and writes it down now and then.
    pub(super) fn note_cursor<S: ServerStore>(
        &mut self,
        cursor: Seq,
        author: &mut Author,
        now: Millis,
        store: &mut S,
    ) -> Result<(), S::Error> {
        if let Some(greeted) = self.state.greeted.as_mut() {
            greeted.cursor = cursor;
        }
        retention::note_cursor(cursor, author, now, store)
    }

    fn pull<S: ServerStore>(
        &mut self,
        cursor: &Cursor,
        wanted: Wanted,
        store: &mut S,
    ) -> Result<Vec<ServerOutput>, S::Error> {
        if cursor.seq < store.floor()?.seq {
            self.state.whole = true;
            let detail = "the history above the device's cursor is no longer kept";
            return Ok(refuse(RefusalCode::SnapshotNeeded, None, detail));
        }
        if let Err(refusal) = answer::check_cursor(cursor, store)? {
            return Ok(replies(vec![ServerMessage::Refused(refusal)]));
        }
        if cursor.seq >= self.state.sent {
            self.state.unconfirmed_bytes = 0;
        }
        Ok(replies(self.page(cursor, wanted, store)?))
    }

    pub(super) fn confirm_receipts<S: ServerStore>(
        &mut self,
        upto: DeviceSeq,
        author: &mut Author,
        store: &mut S,
    ) -> Result<(), S::Error> {
        let upto = upto.min(DeviceSeq(author.expected.0.saturating_sub(1)));
        if upto > author.applied_receipt {
            author.applied_receipt = upto;
            store.forget_receipts(author.id, upto)?;
            store.save_author(author)?;
        }
        if let Some(greeted) = self.state.greeted.as_mut() {
            greeted.applied_receipt = greeted.applied_receipt.max(upto);
        }
        Ok(())
    }

    fn submit<S: ServerStore, C: Codec>(
        &mut self,
        submit: Submit,
        author: &mut Author,
        now: Millis,
        store: &mut S,
        codec: &C,
    ) -> Result<Vec<ServerOutput>, S::Error> {
        self.confirm_receipts(submit.applied_receipt, author, store)?;
        if submit.bytes.len() > limits::CHANGESET_BYTES {
            return Ok(refuse(RefusalCode::TooLarge, Some(submit.device_seq), "larger than a changeset may be"));
        }
        let hash = codec.hash(&submit.bytes);
        if let Some(known) = staging::known(author, submit.device_seq, hash, store)? {
            return Ok(known);
        }
        self.decide(submit.device_seq, &submit.bytes, hash, author, now, store, codec)
    }

    fn stage<S: ServerStore, C: Codec>(
        &mut self,
        chunk: crate::message::Chunk,
        author: &mut Author,
        now: Millis,
        store: &mut S,
        codec: &C,
    ) -> Result<Vec<ServerOutput>, S::Error> {
        use crate::message::Then;
        let (device_seq, hash, then) = (chunk.device_seq, chunk.hash, chunk.then);
        let complete = match staging::store_chunk(&chunk, author, now, store)? {
            staging::Stored::Answered(outputs) => return Ok(outputs),
            staging::Stored::Complete => true,
            staging::Stored::Incomplete => false,
        };
        match then {
            Then::Prepare if complete => staging::prepare(author, device_seq, hash, store, codec),
            Then::Commit if complete => self.commit_staged(device_seq, hash, author, now, store, codec),
            _ => staging::resume(author, device_seq, hash, store),
        }
    }

    fn commit_staged<S: ServerStore, C: Codec>(
        &mut self,
        device_seq: DeviceSeq,
        hash: Hash,
        author: &mut Author,
        now: Millis,
        store: &mut S,
        codec: &C,
    ) -> Result<Vec<ServerOutput>, S::Error> {
        if let Some(known) = staging::known(author, device_seq, hash, store)? {
            return Ok(known);
        }
        let prepared = staging::prepare(author, device_seq, hash, store, codec)?;
        if !matches!(prepared.as_slice(), [ServerOutput::Reply(ServerMessage::Prepared { .. })]) {
            return Ok(prepared);
        }
        let bytes = store.staged_bytes(author.id, device_seq)?;
        self.decide(device_seq, &bytes, hash, author, now, store, codec)
    }

    /// Decides the number that is due. Both commit paths end here.
    #[expect(clippy::too_many_arguments, reason = "the whole context of a decision, used once")]
    fn decide<S: ServerStore, C: Codec>(
        &mut self,
        device_seq: DeviceSeq,
        bytes: &[u8],
        hash: Hash,
        author: &mut Author,
        now: Millis,
        store: &mut S,
        codec: &C,
    ) -> Result<Vec<ServerOutput>, S::Error> {
        if device_seq != author.expected {
            return Ok(replies(vec![ServerMessage::Expected { device_seq: author.expected }]));
        }
        let opened = match staging::open(bytes, device_seq, store, codec)? {
            Ok(opened) => opened,
            Err(refusal) => return Ok(replies(vec![ServerMessage::Refused(refusal)])),
        };
        let sender = Sender { author, may_write: self.state.identity.may_write };
        let decided = folded::decide(&opened.changeset, store, |store| {
            let seq = store.head()?.seq.next();
            resend::decide(opened.asked(), sender, seq, now, store)
        })?;
        let mut verdict = match decided {
            Ok(verdict) => verdict,
            Err(refusal) => return Ok(replies(vec![ServerMessage::Refused(refusal)])),
        };
        let Opened { changeset, ignored, .. } = opened;
        staging::record_ignored(ignored, &changeset, author.id, &mut verdict);
        let receipt = self.record(&changeset, hash, verdict, author, now, store, codec)?;
        self.answer_decision(receipt, store)
    }

    #[expect(clippy::too_many_arguments, reason = "the whole context of a decision, used once")]
    fn record<S: ServerStore, C: Codec>(
        &mut self,
        changeset: &Changeset,
        hash: Hash,
        verdict: Verdict,
        author: &mut Author,
        now: Millis,
        store: &mut S,
        codec: &C,
    ) -> Result<Receipt, S::Error> {
        let head = store.head()?;
        let met = !verdict.conflicts.is_empty() || !verdict.queue.is_empty();
        let visible = !verdict.outcomes.is_empty() || met;
        let seq = visible.then(|| head.seq.next());
        let receipt = Receipt {
            device_seq: changeset.device_seq,
            fingerprint: hash.fingerprint(),
            seq,
            decided_at: seq.unwrap_or(head.seq),
            clock_shift_ms: verdict.clock_shift_ms,
            as_sent: verdict.as_sent,
            conflicts: verdict.conflicts.len() as u32,
            rejected: room::within_bounds(verdict.rejected),
        };
        if let Some(seq) = seq {
            let authors = mentioned(&verdict.conflicts, &verdict.queue, store)?;
            let commit = Commit {
                author: author.id,
                device_seq: changeset.device_seq,
                schema: changeset.schema,
                stamp: verdict.stamp,
                outcomes: verdict.outcomes,
                authors,
                conflicts: verdict.conflicts,
                queue: verdict.queue,
            };
            let bytes = codec.seal_commit(&commit, &store.catalogue());
            let chain = codec.chain(head.chain, seq, &bytes);
            let (device_seq, as_sent) = (commit.device_seq, receipt.as_sent);
            let sealed = SealedCommit { seq, author: author.id, device_seq, as_sent, decided_at: now, bytes };
            store.append(&NewCommit { sealed, chain })?;
        }
        let transactions = resend::decided(changeset, verdict.accepted, &receipt);
        self.settle(hash, &receipt, &transactions, author, store)?;
        Ok(receipt)
    }

    fn settle<S: ServerStore>(
        &mut self,
        hash: Hash,
        receipt: &Receipt,
        transactions: &DecidedTransactions,
        author: &mut Author,
        store: &mut S,
    ) -> Result<(), S::Error> {
        store.put_decided(author.id, &Decided { hash, receipt: receipt.clone() }, transactions)?;
        author.expected = receipt.device_seq.next();
        store.save_author(author)
    }

    /// The receipt, then what fits of the commits that the device has not been sent, its own among them.
    fn answer_decision<S: ServerStore>(
        &mut self,
        receipt: Receipt,
        store: &mut S,
    ) -> Result<Vec<ServerOutput>, S::Error> {
        let (device_seq, seq) = (receipt.device_seq, receipt.seq);
        let mut messages = vec![ServerMessage::Receipt(receipt)];
        messages.extend(self.unasked(limits::UNASKED_BYTES, Some(device_seq), store)?);
        let mut outputs = replies(messages);
        outputs.extend(seq.map(|seq| ServerOutput::Committed { seq }));
        Ok(outputs)
    }

    fn void<S: ServerStore>(
        &mut self,
        device_seq: DeviceSeq,
        author: &mut Author,
        store: &mut S,
    ) -> Result<Vec<ServerOutput>, S::Error> {
        if let Some(decided) = store.decided(author.id, device_seq)? {
            return Ok(replies(vec![ServerMessage::Receipt(decided.receipt)]));
        }
        if device_seq != author.expected {
            return Ok(replies(vec![ServerMessage::Expected { device_seq: author.expected }]));
        }
        store.drop_stage(author.id, device_seq)?;
        let receipt = voided(device_seq, store.head()?.seq);
        self.settle(Hash::default(), &receipt, &DecidedTransactions::default(), author, store)?;
        Ok(replies(vec![ServerMessage::Receipt(receipt)]))
    }
}

/// Who stands behind the short names in a commit's conflicts, so that devices can name people offline.
pub(super) fn mentioned<S: ServerStore>(
    conflicts: &[Conflict],
    queue: &[QueueChange],
    store: &mut S,
) -> Result<Vec<AuthorName>, S::Error> {
    let mut ids = BTreeSet::new();
    for conflict in conflicts {
        ids.extend([conflict.incumbent.author, conflict.challenger.author]);
    }
    for change in queue {
        match change {
            QueueChange::Opened(open) => ids.extend(open.sides.iter().map(|side| side.author)),
            QueueChange::Sides { sides, .. } => ids.extend(sides.iter().map(|side| side.author)),
            QueueChange::Closed(closed) => ids.extend([closed.by]),
        }
    }
    let ids: Vec<AuthorId> = ids.into_iter().collect();
    if ids.is_empty() { Ok(Vec::new()) } else { store.author_names(&ids) }
}

/// The receipt of a number that was given up. It names no transaction: all of them are sealed again.
fn voided(device_seq: DeviceSeq, head: Seq) -> Receipt {
    let detail = String::from("given up by the device");
    let rejected = vec![Rejection { index: u32::MAX, reason: Reason::Void, detail }];
    Receipt {
        device_seq,
        fingerprint: Fingerprint::default(),
        seq: None,
        decided_at: head,
        clock_shift_ms: 0,
        as_sent: false,
        rejected,
        conflicts: 0,
    }
}

pub(super) fn replies(messages: Vec<ServerMessage>) -> Vec<ServerOutput> {
    messages.into_iter().map(ServerOutput::Reply).collect()
}

pub(super) fn refuse(code: RefusalCode, device_seq: Option<DeviceSeq>, detail: &str) -> Vec<ServerOutput> {
    replies(vec![refusal(code, device_seq, String::from(detail))])
}

pub(super) fn refusal(code: RefusalCode, device_seq: Option<DeviceSeq>, detail: String) -> ServerMessage {
    ServerMessage::Refused(Refusal { code, device_seq, detail })
}
