//! How a conversation begins: versions, who the device is, whether both sides remember the same, and what it is sent first.
//! The checks themselves are in `answer`; everything after the hello is the session's.

use super::answer;
use super::retention;
use super::session::{Greeted, ServerSession, VERSIONS, refusal};
use super::snapshot;
use super::store::{Author, ServerStore};
use crate::error::{Refusal, RefusalCode};
use crate::ids::{Millis, View};
use crate::message::{Hello, ServerMessage, WANTS_SNAPSHOT, Welcome};
use alloc::{format, vec, vec::Vec};

impl ServerSession {
    pub(super) fn hello<S: ServerStore>(
        &mut self,
        hello: &Hello,
        now: Millis,
        store: &mut S,
    ) -> Result<Vec<ServerMessage>, S::Error> {
        self.state.greeted = None;
        let Some(version) = common_version(hello) else {
            let detail =
                format!("this server speaks {VERSIONS:?}, the device {}..={}", hello.min_version, hello.max_version);
            return Ok(vec![refusal(RefusalCode::UnsupportedVersion, None, detail)]);
        };
        if let Err(refusal) = answer::check_schema(hello, store)? {
            return Ok(vec![ServerMessage::Refused(refusal)]);
        }
        let mut author = match self.recognise(hello, now, store)? {
            Ok(author) => author,
            Err(refusal) => return Ok(vec![ServerMessage::Refused(refusal)]),
        };
        if let Err(refusal) = answer::check_history(hello, &author, store)? {
            return Ok(vec![ServerMessage::Refused(refusal)]);
        }
        self.greet(&author, hello);
        self.confirm_receipts(hello.applied_receipt, &mut author, store)?;
        retention::note_cursor(hello.cursor.seq, &mut author, now, store)?;
        let wanted = hello.features & WANTS_SNAPSHOT != 0;
        let due = !wanted && snapshot::is_due(&hello.cursor, store)?;
        let mut welcome = self.welcome(version, hello.features, &author, now, store)?;
        welcome.snapshot = due;
        if wanted || due {
            self.state.sent = welcome.head;
        }
        self.state.whole = wanted || due;
        let mut messages = vec![ServerMessage::Welcome(welcome)];
        messages.extend(answer::receipts_without_commit(&author, store)?);
        if wanted || due {
            return Ok(messages);
        }
        let page = self.first_page(&hello.cursor, store)?;
        messages.extend(self.told_without_copies(page, store)?);
        Ok(messages)
    }

    fn recognise<S: ServerStore>(
        &self,
        hello: &Hello,
        now: Millis,
        store: &mut S,
    ) -> Result<Result<Author, Refusal>, S::Error> {
        let user = &self.state.identity.user;
        let author = match store.author(hello.incarnation)? {
            Some(author) if author.user != *user => {
                return Ok(Err(answer::refusal(
                    RefusalCode::ForeignDevice,
                    None,
                    "this device belongs to another user",
                )));
            }
            Some(author) if author.retired => {
                return Ok(Err(answer::refusal(RefusalCode::Retired, None, "this device was replaced by a later one")));
            }
            Some(author) => author,
            None => store.register(hello.incarnation, user, now)?,
        };
        if let Some(mut previous) = self.previous(hello, store)? {
            previous.retired = true;
            store.save_author(&previous)?;
        }
        Ok(Ok(author))
    }

    /// The incarnation that this hello retires: only one of the same user, and never itself.
    fn previous<S: ServerStore>(&self, hello: &Hello, store: &mut S) -> Result<Option<Author>, S::Error> {
        let Some(previous) = hello.previous.filter(|previous| *previous != hello.incarnation) else { return Ok(None) };
        let author = store.author(previous)?;
        Ok(author.filter(|author| author.user == self.state.identity.user && !author.retired))
    }

    fn greet(&mut self, author: &Author, hello: &Hello) {
        self.state.greeted = Some(Greeted {
            author: author.id,
            incarnation: author.incarnation,
            applied_receipt: hello.applied_receipt,
            cursor: hello.cursor.seq,
        });
        self.state.sent = hello.cursor.seq;
        self.state.unconfirmed_bytes = 0;
        self.state.live = false;
    }

    fn welcome<S: ServerStore>(
        &self,
        version: u8,
        features: u64,
        author: &Author,
        now: Millis,
        store: &mut S,
    ) -> Result<Welcome, S::Error> {
        Ok(Welcome {
            version,
            features: features & FEATURES,
            author: author.id,
            head: store.head()?.seq,
            expected: author.expected,
            schema: store.catalogue().version,
            view: View::default(),
            now,
            floor: store.floor()?.seq,
            snapshot: false,
        })
    }
}

/// Optional abilities of this server.
const FEATURES: u64 = WANTS_SNAPSHOT;

fn common_version(hello: &Hello) -> Option<u8> {
    let highest = (*VERSIONS.end()).min(hello.max_version);
    (highest >= *VERSIONS.start() && highest >= hello.min_version).then_some(highest)
}
