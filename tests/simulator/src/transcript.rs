//! Messages as text for people: what was said, with sealed bytes opened and hashes left out.
//! It knows every message kind and nothing of who says it when.
//! The dialogue keeps such lines, and golden conversations pin them.

use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{Changeset, Field, Mutation, RowId};
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::{Commit, Effect, Receipt};
use ebbtide_core::ids::{ColumnId, DeviceSeq, TableId};
use ebbtide_core::message::{ClientMessage, ItemBody, ServerMessage};
use ebbtide_core::value::Value;
use ebbtide_protocol::WireCodec;
use std::rc::Rc;

/// What it takes to read sealed bytes.
pub struct Book {
    catalogue: Rc<Catalogue>,
}

impl Book {
    /// For the messages of one party.
    pub fn new(catalogue: Rc<Catalogue>, _party: usize) -> Self {
        Self { catalogue }
    }

    fn changeset(&self, bytes: &[u8], number: DeviceSeq) -> String {
        match WireCodec.open(bytes, number, &self.catalogue) {
            Ok(changeset) => self.transactions(&changeset),
            Err(error) => format!("unreadable: {}", error.what),
        }
    }

    fn transactions(&self, changeset: &Changeset) -> String {
        let mut parts = Vec::new();
        for transaction in &changeset.transactions {
            let changes = transaction.changes.iter().map(|change| {
                let mutation = match &change.mutation {
                    Mutation::Insert(values) => format!("insert {}", values_text(values)),
                    Mutation::Update(fields) => format!("update {}", self.fields(change.row.table, fields)),
                    Mutation::Delete => "delete".into(),
                };
                format!("{} {mutation} base {}/{}", self.row(&change.row), change.base.seq.0, change.base.device_seq.0)
            });
            parts.push(format!("[{}]", changes.collect::<Vec<_>>().join("; ")));
        }
        parts.join(" ")
    }

    fn commit(&self, bytes: &[u8]) -> String {
        match WireCodec.open_commit(bytes, &self.catalogue) {
            Ok(commit) => self.outcomes(&commit),
            Err(error) => format!("unreadable: {}", error.what),
        }
    }

    fn outcomes(&self, commit: &Commit) -> String {
        let outcomes = commit.outcomes.iter().map(|outcome| {
            let effect = match &outcome.effect {
                Effect::Put(values) => format!("put {}", values_text(values)),
                Effect::Set(fields) => format!("set {}", self.fields(outcome.row.table, fields)),
                Effect::Delete => "delete".into(),
            };
            format!("{} {effect}", self.row(&outcome.row))
        });
        let conflicts = commit.conflicts.iter().map(|conflict| {
            let column = conflict.column.map_or("row".into(), |column| self.column(conflict.row.table, column));
            let lost = value_text(&conflict.lost());
            format!("{:?} kept over {lost} in {} {column}", conflict.kept, self.row(&conflict.row))
        });
        let texts: Vec<String> = outcomes.chain(conflicts).collect();
        format!("author {}: {}", commit.author.0, texts.join("; "))
    }

    fn row(&self, row: &RowId) -> String {
        let name = self.catalogue.table(row.table).map_or("?", |table| table.name.as_str());
        format!("{name}{}", values_text(&row.key.0))
    }

    fn column(&self, table: TableId, column: ColumnId) -> String {
        let columns = self.catalogue.table(table).map(|table| table.columns.as_slice()).unwrap_or_default();
        columns.get(usize::from(column.0)).map_or("?".into(), |column| column.name.clone())
    }

    fn fields(&self, table: TableId, fields: &[Field]) -> String {
        let field = |field: &Field| format!("{}={}", self.column(table, field.column), value_text(&field.value));
        fields.iter().map(field).collect::<Vec<_>>().join(" ")
    }
}

fn values_text(values: &[Value]) -> String {
    format!("({})", values.iter().map(value_text).collect::<Vec<_>>().join(", "))
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) if text.len() > 40 => format!("text of {} bytes", text.len()),
        Value::Text(text) => format!("'{text}'"),
        Value::Blob(bytes) => format!("blob of {} bytes", bytes.len()),
    }
}

/// A device's message.
pub fn client(message: &ClientMessage, book: &Book) -> String {
    match message {
        ClientMessage::Hello(hello) => format!(
            "hello, cursor {}, next {}, decided {}, applied {}",
            hello.cursor.seq.0,
            hello.next_device_seq.0,
            hello.last_decided.map_or(0, |(number, _)| number.0),
            hello.applied_receipt.0
        ),
        ClientMessage::Submit(submit) => {
            let content = book.changeset(&submit.bytes, submit.device_seq);
            format!("submit {}, applied {}: {content}", submit.device_seq.0, submit.applied_receipt.0)
        }
        ClientMessage::Stage(chunk) => {
            let content = match chunk.count {
                1 => format!(": {}", book.changeset(&chunk.bytes, chunk.device_seq)),
                _ => format!(" with {} bytes", chunk.bytes.len()),
            };
            format!("stage {} {}/{} then {:?}{content}", chunk.device_seq.0, chunk.index, chunk.count, chunk.then)
        }
        ClientMessage::Resume { device_seq, .. } => format!("resume {}", device_seq.0),
        ClientMessage::Prepare { device_seq, .. } => format!("prepare {}", device_seq.0),
        ClientMessage::Commit { device_seq, applied_receipt, .. } => {
            format!("commit {}, applied {}", device_seq.0, applied_receipt.0)
        }
        ClientMessage::Catalogue { version } => format!("catalogue of version {}?", version.migrations()),
        ClientMessage::Void { device_seq } => format!("void {}", device_seq.0),
        ClientMessage::Pull { cursor, .. } => format!("pull above {}", cursor.seq.0),
        ClientMessage::Recall(recall) => {
            let points: Vec<u64> = recall.trail.iter().map(|(seq, _)| seq.0).collect();
            format!("recall {} transactions, been at {points:?}", recall.stamps.len())
        }
        ClientMessage::Snapshot { token, .. } => match token {
            Some(token) => format!("snapshot of {}, table {} on", token.begun_at.0, token.table.0),
            None => "snapshot".into(),
        },
        ClientMessage::Predict { upto } => format!("predict up to {}", upto.0),
        ClientMessage::Applied { seq, applied_receipt } => format!("applied {}, receipts {}", seq.0, applied_receipt.0),
    }
}

/// A space's message.
pub fn server(message: &ServerMessage, book: &Book) -> String {
    match message {
        ServerMessage::Welcome(welcome) => {
            format!("welcome author {}, head {}, expected {}", welcome.author.0, welcome.head.0, welcome.expected.0)
        }
        ServerMessage::Staged { device_seq, next_chunk } => format!("staged {} up to {next_chunk}", device_seq.0),
        ServerMessage::Prepared { device_seq } => format!("prepared {}", device_seq.0),
        ServerMessage::Receipt(receipt) => receipt_text(receipt),
        ServerMessage::Expected { device_seq } => format!("expected {}", device_seq.0),
        ServerMessage::Range(range) => {
            let items = range.items.iter().map(|item| {
                let body = match &item.body {
                    ItemBody::Foreign(bytes) => book.commit(bytes),
                    ItemBody::OwnAsSent(number) => format!("own {} as sent", number.0),
                    ItemBody::OwnMerged(number, bytes) => format!("own {} merged, {}", number.0, book.commit(bytes)),
                };
                format!(" @{} {body}", item.seq.0)
            });
            format!("range ({}, {}]{}", range.from.0, range.upto.0, items.collect::<String>())
        }
        ServerMessage::Part(part) => format!("part {}/{} of @{}", part.index, part.count, part.seq.0),
        ServerMessage::Catalogue(catalogue) => format!("catalogue of version {}", catalogue.version.migrations()),
        ServerMessage::Head { seq } => format!("head {}", seq.0),
        ServerMessage::Recalled(recalled) => format!(
            "recalled at {}, fork {}: {} accepted, {} rejected",
            recalled.at.0,
            recalled.fork.0,
            recalled.accepted.len(),
            recalled.rejected.len()
        ),
        ServerMessage::Page(page) => {
            let place = ["", " first"][usize::from(page.first)].to_owned() + ["", " last"][usize::from(page.last)];
            format!("page of {}{place}: {}", page.token.begun_at.0, book.commit(&page.bytes))
        }
        ServerMessage::Refused(refusal) => format!("refused {}: {}", refusal.code.code(), refusal.detail),
        ServerMessage::Predicted(predictions) => {
            let each = predictions.iter().map(|prediction| {
                format!(" [{}; {}]", receipt_text(&prediction.receipt), book.commit(&prediction.conflicts))
            });
            format!("predicted{}", each.collect::<String>())
        }
    }
}

fn receipt_text(receipt: &Receipt) -> String {
    let seq = receipt.seq.map_or("no commit".into(), |seq| format!("@{}", seq.0));
    let rejected = receipt.rejected.iter().map(|r| format!(", rejected {} {}: {}", r.index, r.reason.code(), r.detail));
    let shift = if receipt.clock_shift_ms > 0 { format!(", shifted {} ms", receipt.clock_shift_ms) } else { "".into() };
    let as_sent = if receipt.as_sent { " as sent" } else { "" };
    let (number, at) = (receipt.device_seq.0, receipt.decided_at.0);
    format!(
        "receipt {number} {seq}{as_sent} at {at}{shift}, {} conflicts{}",
        receipt.conflicts,
        rejected.collect::<String>()
    )
}
