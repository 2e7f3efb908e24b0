//! The class behind a Durable Object: bytes and texts in, plain objects out.

use super::hook::{place, plain_slice};
use super::objects::Plain;
use super::rules::{AppFunctions, JsRules};
use crate::auth::Access;
use crate::durable::{DurableSql, ObjectStorage};
use crate::failure::Failure;
use crate::messages::device;
use crate::space::{Answer, Elsewhere, Pushed, SpaceObject, Step};
use ebbtide_core::ids::{Incarnation, Millis, Seq};
use ebbtide_store::server::history::{self, Place};
use ebbtide_store::server::trail::{self, Question};
use ebbtide_store::server::{OutboxPosition, Reader};
use js_sys::{Array, Uint8Array};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

/// A space in its object.
#[wasm_bindgen(js_name = Space)]
pub struct JsSpace {
    object: SpaceObject<DurableSql>,
    sql: DurableSql,
}

// A panic in a call rolls its transaction back; what is kept between calls is read from the database.
impl UnwindSafe for JsSpace {}
impl RefUnwindSafe for JsSpace {}

#[wasm_bindgen(js_class = Space)]
impl JsSpace {
    /// A space over an object's storage, with the functions of the app, not open yet.
    #[wasm_bindgen(constructor)]
    pub fn new(storage: ObjectStorage, schema_json: &str, functions: AppFunctions) -> Result<JsSpace, JsValue> {
        let sql = DurableSql::new(storage);
        Ok(JsSpace { object: SpaceObject::new(sql.clone(), schema_json, Rc::new(JsRules(functions)))?, sql })
    }

    /// How many migrations are applied; `[from, to)` are to be run, each in an event of its own.
    #[wasm_bindgen(js_name = pendingMigrations)]
    pub fn pending_migrations(&mut self) -> Result<Vec<u32>, JsValue> {
        Ok(self.object.pending_migrations()?.map(|index| index as u32).collect())
    }

    /// Runs one migration.
    pub fn migrate(&mut self, index: u32, now: f64) -> Result<(), JsValue> {
        Ok(self.object.migrate(index as usize, millis(now))?)
    }

    /// Opens under the present version after a migration failed; false if there is none.
    #[wasm_bindgen(js_name = loadPresent)]
    pub fn load_present(&mut self) -> Result<bool, JsValue> {
        Ok(self.object.load_present()?)
    }

    /// Reads the migrated database, in an event of its own.
    pub fn load(&mut self, now: f64) -> Result<(), JsValue> {
        Ok(self.object.load(millis(now))?)
    }

    /// Opens the loaded database.
    pub fn open(&mut self, name: Option<String>) -> Result<(), JsValue> {
        Ok(self.object.open(name.as_deref())?)
    }

    /// Whether `open` has succeeded.
    #[wasm_bindgen(getter, js_name = isOpen)]
    pub fn is_open(&self) -> bool {
        self.object.is_open()
    }

    /// Whether the object ever held a space.
    pub fn exists(&mut self) -> Result<bool, JsValue> {
        Ok(self.object.exists()?)
    }

    /// Answers an HTTP message: `{ frames?, committed, log? }`.
    pub fn sync(
        &mut self,
        access: &str,
        client_id: Option<String>,
        body: Vec<u8>,
        now: f64,
    ) -> Result<JsValue, JsValue> {
        let device = client_id.map(|header| device(&header)).transpose()?;
        let answer = self.object.sync(&Access::from_json(access)?, device, &body, millis(now))?;
        Ok(plain_answer(&answer).done())
    }

    /// Issues a socket ticket; answers JSON.
    #[wasm_bindgen(js_name = issueTicket)]
    pub fn issue_ticket(
        &mut self,
        access: &str,
        client_id: Option<String>,
        random: Vec<u8>,
        now: f64,
    ) -> Result<String, JsValue> {
        let device = ticket_device(client_id)?;
        Ok(self.object.issue_ticket(&Access::from_json(access)?, device, &random, millis(now))?)
    }

    /// Takes a ticket; answers the socket's attachment.
    #[wasm_bindgen(js_name = redeemTicket)]
    pub fn redeem_ticket(&mut self, ticket: &str, space: &str, now: f64) -> Result<Vec<u8>, JsValue> {
        Ok(self.object.redeem_ticket(ticket, space, millis(now))?.to_bytes())
    }

    /// Answers a socket's message: `{ seat, frames?, committed, log?, close? }`.
    #[wasm_bindgen(js_name = socketMessage)]
    pub fn socket_message(&mut self, seat: Vec<u8>, body: Vec<u8>, now: f64) -> Result<JsValue, JsValue> {
        let done = self.object.socket_message(&seat, &body, millis(now))?;
        let plain = plain_answer(&done.answer).with_bytes("seat", Some(&done.seat));
        Ok(with_close(plain, done.close).done())
    }

    /// Takes note that a socket is gone.
    #[wasm_bindgen(js_name = socketClosed)]
    pub fn socket_closed(&mut self, seat: Vec<u8>, now: f64) -> Result<(), JsValue> {
        Ok(self.object.socket_closed(&seat, millis(now))?)
    }

    /// What each socket gets after a commit: a list of `{ seat?, frames?, close? }` in the order of the attachments.
    pub fn offer(&mut self, seats: &Array, now: f64) -> Result<Array, JsValue> {
        let seats: Vec<Vec<u8>> = seats.iter().map(|seat| seat.unchecked_into::<Uint8Array>().to_vec()).collect();
        let pushed = self.object.offer(&seats, millis(now))?;
        let mut last = LastFrames::default();
        Ok(pushed.iter().map(|pushed| plain_push(pushed, &mut last)).collect())
    }

    /// The next step of the outbox: `{ from: [seq, part], upto: [seq, part], statements: [[sql, …params]] }`.
    #[wasm_bindgen(js_name = nextStep)]
    pub fn next_step(&mut self, now: f64) -> Result<JsValue, JsValue> {
        Ok(self.object.next_step(millis(now))?.map_or(JsValue::UNDEFINED, |step| plain_step(&step)))
    }

    /// D1 has everything up to here.
    pub fn acknowledge(&mut self, seq: f64, part: f64) -> Result<(), JsValue> {
        Ok(self.object.acknowledge(Reader::History, Seq(seq as u64), part as u64)?)
    }

    /// D1 was found elsewhere than where a step begins; `null` for `chain` at the beginning of a history.
    ///
    /// Answers nothing if the next step begins there, else `{ from, forget, settle }`: what D1 has behind commit `from` is of
    /// another history. `forget` is run until it changes nothing, then the batch `settle`.
    #[wasm_bindgen(js_name = resumeHistory)]
    pub fn resume_history(&mut self, seq: f64, part: f64, chain: Option<String>) -> Result<JsValue, JsValue> {
        let position = OutboxPosition { seq: Seq(seq as u64), part: part as u64 };
        let elsewhere = self.object.resume_history(&Place { position, chain })?;
        Ok(elsewhere.map_or(JsValue::UNDEFINED, |elsewhere| plain_elsewhere(&elsewhere)))
    }

    /// From now on commits are kept until the app's function was told of them.
    #[wasm_bindgen(js_name = beginTelling)]
    pub fn begin_telling(&mut self) -> Result<(), JsValue> {
        Ok(self.object.begin_telling()?)
    }

    /// What the app's function is told next: `{ upto: [seq, part], committed }`.
    #[wasm_bindgen(js_name = nextSlice)]
    pub fn next_slice(&mut self) -> Result<JsValue, JsValue> {
        Ok(self.object.next_slice()?.map_or(JsValue::UNDEFINED, |slice| plain_slice(&slice)))
    }

    /// The app's function was told everything up to here.
    pub fn told(&mut self, seq: f64, part: f64) -> Result<(), JsValue> {
        Ok(self.object.acknowledge(Reader::App, Seq(seq as u64), part as u64)?)
    }

    /// Whether the outbox holds something for D1 or for the app's function.
    #[wasm_bindgen(js_name = hasUndelivered)]
    pub fn has_undelivered(&mut self, history: bool, app: bool) -> Result<bool, JsValue> {
        Ok(self.object.has_undelivered(&readers(history, app))?)
    }

    /// Drops abandoned uploads and a batch of history that nobody needs; answers whether there is more of it.
    /// The flags say whether D1, and whether the app's function is told of commits.
    pub fn prune(&mut self, history: bool, app: bool, now: f64) -> Result<bool, JsValue> {
        Ok(self.object.prune(&readers(history, app), millis(now))?)
    }

    /// Whether there are uploads that are dropped some day, should nobody go on with them.
    #[wasm_bindgen(js_name = hasStaged)]
    pub fn has_staged(&mut self) -> Result<bool, JsValue> {
        Ok(self.object.has_staged()?)
    }

    /// Rows written in this life of the object, as the platform counts them.
    #[wasm_bindgen(getter, js_name = rowsWritten)]
    pub fn rows_written(&self) -> f64 {
        self.sql.rows_written() as f64
    }
}

/// The statements of D1's tables, and what a step fails with where D1 is not where it begins.
#[wasm_bindgen(js_name = historyStatements)]
pub fn history_statements() -> JsValue {
    let create: Array = history::CREATE.iter().map(|sql| JsValue::from_str(sql)).collect();
    Plain::new().with("create", create).with("elsewhere", history::ELSEWHERE).done()
}

/// What to ask D1 for a page of a space's history: `{ sql, params, limit, nothingYet }`.
#[wasm_bindgen(js_name = historyQuestion)]
pub fn history_question(
    space: &str,
    table: Option<String>,
    key: Option<String>,
    before: Option<String>,
    limit: Option<String>,
) -> Result<JsValue, JsValue> {
    let question = Question::parse(table, key.as_deref(), before.as_deref(), limit.as_deref())
        .map_err(|bad| Failure::malformed(bad.0))?;
    let (sql, params) = question.statement(space);
    let plain = Plain::new().with("sql", sql.as_str()).with("params", plain_params(&params).collect::<Array>());
    Ok(plain.with("limit", question.limit()).with("nothingYet", trail::NOTHING_YET).done())
}

fn readers(history: bool, app: bool) -> Vec<Reader> {
    let of = [(history, Reader::History), (app, Reader::App)];
    of.into_iter().filter_map(|(told, reader)| told.then_some(reader)).collect()
}

fn ticket_device(client_id: Option<String>) -> Result<Incarnation, Failure> {
    let header = client_id.ok_or_else(|| Failure::malformed("a ticket needs the header X-Client-ID"))?;
    device(&header)
}

fn millis(now: f64) -> Millis {
    Millis(now as u64)
}

fn plain_answer(answer: &Answer) -> Plain {
    let plain = Plain::new().with("committed", answer.committed).with_bytes("frames", answer.frames.as_deref());
    answer.log.iter().fold(plain, |plain, log| plain.with("log", log.as_str()))
}

fn with_close(plain: Plain, close: Option<u16>) -> Plain {
    close.into_iter().fold(plain, |plain, code| plain.with("close", code))
}

/// What was handed to JavaScript last: sockets that are sent the same share its copy too.
#[derive(Default)]
struct LastFrames(Option<(Rc<[u8]>, Uint8Array)>);

impl LastFrames {
    fn array(&mut self, frames: &Rc<[u8]>) -> Uint8Array {
        let known = self.0.take().filter(|(last, _)| Rc::ptr_eq(last, frames));
        let (_, array) = self.0.insert(known.unwrap_or_else(|| (frames.clone(), Uint8Array::from(&frames[..]))));
        array.clone()
    }
}

fn plain_push(pushed: &Pushed, last: &mut LastFrames) -> JsValue {
    let plain = Plain::new().with_bytes("seat", pushed.seat.as_deref());
    let frames = pushed.frames.iter().map(|frames| last.array(frames));
    let plain = frames.fold(plain, |plain, frames| plain.with("frames", frames));
    with_close(plain, pushed.close).done()
}

fn plain_step(step: &Step) -> JsValue {
    let statements: Array = step.statements.iter().map(plain_statement).collect();
    let plain = Plain::new().with("upto", place(step.upto)).with("statements", statements);
    plain.with("findPlace", plain_statement(&step.find_place)).done()
}

fn plain_elsewhere(elsewhere: &Elsewhere) -> JsValue {
    let settle: Array = elsewhere.rewind.settle.iter().map(plain_statement).collect();
    let plain = Plain::new().with("from", elsewhere.from.0 as f64).with("settle", settle);
    plain.with("forget", plain_statement(&elsewhere.rewind.forget)).done()
}

fn plain_statement(statement: &history::Statement) -> JsValue {
    let params = plain_params(&statement.params);
    std::iter::once(JsValue::from_str(statement.sql)).chain(params).collect::<Array>().into()
}

fn plain_params(params: &[serde_json::Value]) -> impl Iterator<Item = JsValue> {
    params.iter().map(|param| match param {
        serde_json::Value::String(text) => JsValue::from_str(text),
        serde_json::Value::Null => JsValue::NULL,
        number => JsValue::from_f64(number.as_f64().unwrap_or_default()),
    })
}
