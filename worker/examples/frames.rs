//! Speaks the protocol for tests in JavaScript: one JSON request a line on stdin, one JSON answer a line on stdout.
//! It packs and unpacks with the real codec and knows no conversation; the tests decide what is said.
//! `{"encode": [messages]}` answers `{"bytes": hex}`, `{"decode": hex}` answers `{"messages": [...]}`.

use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{Base, Change, Changeset, Field, Mutation, RowId, Sealed, Transaction};
use ebbtide_core::clock::Stamp;
use ebbtide_core::codec::Codec;
use ebbtide_core::commit::{Effect, Outcome, Receipt};
use ebbtide_core::ids::{
    ChainHash, ColumnId, Cursor, DeviceSeq, Incarnation, Millis, Opening, SchemaHash, SchemaVersion, Seq, View,
};
use ebbtide_core::limits::CHUNK_BYTES;
use ebbtide_core::message::{Chunk, ClientMessage, Hello, ItemBody, ServerMessage, Submit, Then};
use ebbtide_core::value::{Key, Value};
use ebbtide_protocol::{WireCodec, decode_server, encode_client};
use ebbtide_store::schema::Schema;
use ebbtide_store::server::Space;
use ebbtide_store::sqlite::SqliteSql;
use rusqlite::Connection;
use serde_json::{Value as Json, json};
use std::error::Error;
use std::io::{BufRead, Write};
use std::rc::Rc;

fn main() -> Result<(), Box<dyn Error>> {
    let schema: Schema = serde_json::from_str(&std::env::args().nth(1).ok_or("the schema is missing")?)?;
    let mut sql = SqliteSql::plain(Rc::new(Connection::open_in_memory()?));
    let catalogue = Space::open(&mut sql, &schema, Millis(0), &WireCodec)?.catalogue();
    for line in std::io::stdin().lock().lines() {
        let request: Json = serde_json::from_str(&line?)?;
        let answer = match (request.get("encode"), request.get("decode")) {
            (Some(Json::Array(messages)), _) => {
                let messages: Result<Vec<_>, _> =
                    messages.iter().map(|message| client_message(message, &catalogue)).collect();
                json!({ "bytes": hex(&encode_client(&messages?)) })
            }
            (_, Some(Json::String(bytes))) => match decode_server(&unhex(bytes)?) {
                Ok(messages) => {
                    json!({ "messages": messages.iter().map(|message| server_message(message, &catalogue)).collect::<Vec<_>>() })
                }
                Err(error) => json!({ "error": error.to_string() }),
            },
            _ => return Err("neither encode nor decode".into()),
        };
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(())
}

fn client_message(message: &Json, catalogue: &Catalogue) -> Result<ClientMessage, Box<dyn Error>> {
    let number = |name: &str| message[name].as_u64().unwrap_or_default();
    let (device_seq, applied_receipt) = (DeviceSeq(number("deviceSeq")), DeviceSeq(number("appliedReceipt")));
    Ok(match message["type"].as_str().ok_or("a message without a type")? {
        "hello" => ClientMessage::Hello(hello(message, catalogue)?),
        "submit" => {
            let bytes = sealed(message, catalogue)?.bytes;
            ClientMessage::Submit(Submit { device_seq, applied_receipt, bytes })
        }
        "stage" => ClientMessage::Stage(chunk(message, catalogue)?),
        "resume" => ClientMessage::Resume { device_seq, hash: sealed(message, catalogue)?.hash },
        "prepare" => ClientMessage::Prepare { device_seq, hash: sealed(message, catalogue)?.hash },
        "commit" => ClientMessage::Commit { device_seq, hash: sealed(message, catalogue)?.hash, applied_receipt },
        "predict" => ClientMessage::Predict { upto: DeviceSeq(number("upto")) },
        "void" => ClientMessage::Void { device_seq },
        "pull" => ClientMessage::Pull { cursor: cursor(message)?, max_bytes: number("maxBytes") as u32, held: None },
        "applied" => ClientMessage::Applied { seq: Seq(number("seq")), applied_receipt },
        other => return Err(format!("unknown type {other}").into()),
    })
}

fn hello(message: &Json, catalogue: &Catalogue) -> Result<Hello, Box<dyn Error>> {
    let version = |name: &str| message[name].as_u64().unwrap_or(1) as u8;
    let device = |name: &str| message[name].as_str().map(array::<16>).transpose();
    let schema_hash = match message["schemaHash"].as_str() {
        Some(hash) => SchemaHash(array(hash)?),
        None => catalogue.hash,
    };
    Ok(Hello {
        min_version: version("minVersion"),
        max_version: version("maxVersion"),
        features: 0,
        incarnation: Incarnation(device("device")?.ok_or("a hello without a device")?),
        previous: device("previous")?.map(Incarnation),
        next_device_seq: DeviceSeq(message["next"].as_u64().unwrap_or(1)),
        last_decided: None,
        applied_receipt: DeviceSeq(message["appliedReceipt"].as_u64().unwrap_or_default()),
        cursor: cursor(message)?,
        schema: message["schema"]
            .as_u64()
            .map_or(catalogue.version, |count| SchemaVersion::of(count as u32, schema_hash)),
        schema_hash,
    })
}

fn cursor(message: &Json) -> Result<Cursor, Box<dyn Error>> {
    let chain = message["chain"].as_str().map(array::<8>).transpose()?.unwrap_or_default();
    Ok(Cursor {
        seq: Seq(message["cursor"].as_u64().unwrap_or_default()),
        chain: ChainHash(chain),
        view: View::default(),
    })
}

fn chunk(message: &Json, catalogue: &Catalogue) -> Result<Chunk, Box<dyn Error>> {
    let sealed = sealed(message, catalogue)?;
    let index = message["index"].as_u64().unwrap_or_default() as u32;
    let bytes = sealed.bytes.chunks(CHUNK_BYTES).nth(index as usize).ok_or("no such chunk")?.to_vec();
    let then = match message["then"].as_str() {
        Some("prepare") => Then::Prepare,
        Some("commit") => Then::Commit,
        _ => Then::Wait,
    };
    let (total_bytes, count) = (sealed.bytes.len() as u32, sealed.bytes.len().div_ceil(CHUNK_BYTES) as u32);
    Ok(Chunk { device_seq: sealed.device_seq, hash: sealed.hash, total_bytes, index, count, then, bytes })
}

fn sealed(message: &Json, catalogue: &Catalogue) -> Result<Sealed, Box<dyn Error>> {
    let device_seq = DeviceSeq(message["deviceSeq"].as_u64().ok_or("a changeset without a number")?);
    if let Some(bytes) = message["bytes"].as_str() {
        let bytes = unhex(bytes)?;
        let hash = WireCodec.hash(&bytes);
        return Ok(Sealed { device_seq, bytes, hash });
    }
    let transactions = message["transactions"].as_array().ok_or("a changeset without transactions")?;
    let transactions: Result<_, _> =
        transactions.iter().map(|transaction| self::transaction(transaction, catalogue)).collect();
    let changeset = Changeset {
        device_seq,
        schema: catalogue.version,
        origin: None,
        opening: Opening::default(),
        transactions: transactions?,
    };
    Ok(WireCodec.seal(&changeset, catalogue))
}

fn transaction(transaction: &Json, catalogue: &Catalogue) -> Result<Transaction, Box<dyn Error>> {
    let changes = transaction["changes"].as_array().ok_or("a transaction without changes")?;
    let changes: Result<_, _> = changes.iter().map(|change| self::change(change, catalogue)).collect();
    Ok(Transaction {
        stamp: Stamp(transaction["stamp"].as_u64().ok_or("a transaction without a stamp")?),
        changes: changes?,
        ..Transaction::default()
    })
}

fn change(change: &Json, catalogue: &Catalogue) -> Result<Change, Box<dyn Error>> {
    let table_id = catalogue.table_id(change["table"].as_str().unwrap_or_default()).ok_or("no such table")?;
    let table = catalogue.table(table_id).ok_or("no such table")?;
    let key = change["key"].as_array().ok_or("a change without a key")?.iter().map(value).collect();
    let mutation = if let Some(row) = change["insert"].as_object() {
        Mutation::Insert(table.fields().map(|(_, column)| row.get(&column.name).map_or(Value::Null, value)).collect())
    } else if let Some(fields) = change["update"].as_object() {
        let mut fields: Vec<Field> =
            fields.iter().map(|(name, new)| Field { column: column(table, name), value: value(new) }).collect();
        fields.sort_by_key(|field| field.column);
        Mutation::Update(fields)
    } else {
        Mutation::Delete
    };
    let base = Base { seq: Seq(change["base"].as_u64().unwrap_or_default()), device_seq: DeviceSeq(0) };
    Ok(Change { row: RowId { table: table_id, key: Key(key) }, mutation, base })
}

fn column(table: &Table, name: &str) -> ColumnId {
    ColumnId(table.columns.iter().position(|column| column.name == name).expect("a column of the table") as u16)
}

fn value(value: &Json) -> Value {
    match value {
        Json::Null | Json::Object(_) | Json::Array(_) => Value::Null,
        Json::Bool(truth) => Value::Integer(i64::from(*truth)),
        Json::String(text) => Value::Text(text.clone()),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Real(number.as_f64().unwrap_or_default()), Value::Integer)
        }
    }
}

fn server_message(message: &ServerMessage, catalogue: &Catalogue) -> Json {
    match message {
        ServerMessage::Welcome(welcome) => json!({
            "type": "welcome", "author": welcome.author.0, "head": welcome.head.0, "expected": welcome.expected.0,
            "schema": welcome.schema.migrations(),
        }),
        ServerMessage::Staged { device_seq, next_chunk } => {
            json!({ "type": "staged", "deviceSeq": device_seq.0, "nextChunk": next_chunk })
        }
        ServerMessage::Prepared { device_seq } => json!({ "type": "prepared", "deviceSeq": device_seq.0 }),
        ServerMessage::Receipt(receipt) => self::receipt(receipt),
        ServerMessage::Expected { device_seq } => json!({ "type": "expected", "deviceSeq": device_seq.0 }),
        ServerMessage::Range(range) => json!({
            "type": "range", "from": range.from.0, "upto": range.upto.0, "chain": hex(&range.chain.0),
            "items": range.items.iter().map(|item| range_item(item.seq, &item.body, catalogue)).collect::<Vec<_>>(),
        }),
        ServerMessage::Part(part) => json!({
            "type": "part", "seq": part.seq.0, "index": part.index, "count": part.count, "bytes": part.bytes.len(),
        }),
        ServerMessage::Head { seq } => json!({ "type": "head", "seq": seq.0 }),
        ServerMessage::Catalogue(catalogue) => {
            json!({ "type": "catalogue", "version": catalogue.version.migrations() })
        }
        ServerMessage::Refused(refusal) => json!({
            "type": "refused", "code": refusal.code.code(), "deviceSeq": refusal.device_seq.map(|number| number.0),
            "detail": refusal.detail,
        }),
        ServerMessage::Recalled(recalled) => json!({
            "type": "recalled", "at": recalled.at.0, "fork": recalled.fork.0, "accepted": recalled.accepted.len(),
            "rejected": recalled.rejected.len(),
        }),
        ServerMessage::Page(page) => json!({
            "type": "page", "first": page.first, "last": page.last, "bytes": page.bytes.len(),
        }),
        ServerMessage::Predicted(predictions) => json!({
            "type": "predicted",
            "receipts": predictions.iter().map(|prediction| receipt(&prediction.receipt)).collect::<Vec<_>>(),
        }),
    }
}

fn receipt(receipt: &Receipt) -> Json {
    let rejected = receipt.rejected.iter().map(
        |rejection| json!({ "index": rejection.index, "reason": rejection.reason.code(), "detail": rejection.detail }),
    );
    json!({
        "type": "receipt", "deviceSeq": receipt.device_seq.0, "seq": receipt.seq.map(|seq| seq.0),
        "decidedAt": receipt.decided_at.0, "asSent": receipt.as_sent, "conflicts": receipt.conflicts,
        "rejected": rejected.collect::<Vec<_>>(),
    })
}

fn range_item(seq: Seq, body: &ItemBody, catalogue: &Catalogue) -> Json {
    let (kind, own, bytes) = match body {
        ItemBody::Foreign(bytes) => ("foreign", None, Some(bytes)),
        ItemBody::OwnAsSent(own) => ("ownAsSent", Some(own.0), None),
        ItemBody::OwnMerged(own, bytes) => ("ownMerged", Some(own.0), Some(bytes)),
    };
    let outcomes = bytes.and_then(|bytes| WireCodec.open_commit(bytes, catalogue).ok()).map(|commit| commit.outcomes);
    let outcomes =
        outcomes.map(|outcomes| outcomes.iter().map(|outcome| self::outcome(outcome, catalogue)).collect::<Vec<_>>());
    json!({ "seq": seq.0, "kind": kind, "own": own, "outcomes": outcomes })
}

fn outcome(outcome: &Outcome, catalogue: &Catalogue) -> Json {
    let table = catalogue.table(outcome.row.table).expect("a table of the catalogue");
    let key: Vec<Json> = outcome.row.key.0.iter().map(plain).collect();
    let name = |id: ColumnId| table.columns[usize::from(id.0)].name.clone();
    let values: Option<serde_json::Map<_, _>> = match &outcome.effect {
        Effect::Put(values) => {
            Some(table.fields().zip(values).map(|((id, _), value)| (name(id), plain(value))).collect())
        }
        Effect::Set(fields) => Some(fields.iter().map(|field| (name(field.column), plain(&field.value))).collect()),
        Effect::Delete => None,
    };
    json!({ "table": table.name, "key": key, "values": values })
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => json!(number),
        Value::Real(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Blob(bytes) => json!({ "blob": hex(bytes) }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    (0..text.len() / 2).map(|at| Ok(u8::from_str_radix(&text[at * 2..at * 2 + 2], 16)?)).collect()
}

fn array<const N: usize>(text: &str) -> Result<[u8; N], Box<dyn Error>> {
    unhex(text)?.try_into().map_err(|_| "hexadecimal digits of another length".into())
}
