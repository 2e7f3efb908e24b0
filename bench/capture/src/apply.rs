//! Commits of others applied inside wasm on OPFS, and the same rows by plain statements.
//! It takes no times: the worker script calls it step by step.

use crate::bench::{Files, failed};
use ebbtide_bench_engine::device::{Device, ROWS_OF_A_COMMIT};
use ebbtide_bench_engine::random::Random;
use ebbtide_bench_engine::rows;
use ebbtide_core::change::{Field, RowId};
use ebbtide_core::commit::{Effect, Outcome};
use ebbtide_core::message::ServerMessage;
use ebbtide_core::value::Value;
use rusqlite::Connection;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

/// A device with the messages that it will be sent, and a plain table with the same rows.
#[wasm_bindgen]
pub struct Apply {
    files: Files,
    rows: Vec<(RowId, Vec<Value>)>,
    updates: Vec<(RowId, Field)>,
    device: Device,
    messages: [Vec<ServerMessage>; 2],
    plain: Connection,
}

#[wasm_bindgen]
impl Apply {
    /// Takes the pool of files, makes two empty databases and packs the commits.
    pub async fn open(directory: String, count: usize) -> Result<Apply, JsError> {
        let files = Files::open(&directory).await?;
        let mut random = Random::new(31);
        let rows = rows::fresh(&mut random, count);
        let updates: Vec<_> = rows.iter().map(|(row, _)| (row.clone(), rows::field(&mut random))).collect();
        let mut device = Device::open(files.connection("device.db")?);
        let puts = rows.iter().map(|(row, values)| Outcome { row: row.clone(), effect: Effect::Put(values.clone()) });
        let puts = device.ranges(puts.collect());
        let sets =
            updates.iter().map(|(row, field)| Outcome { row: row.clone(), effect: Effect::Set(vec![field.clone()]) });
        let sets = device.ranges(sets.collect());
        let plain = files.connection("plain.db")?;
        plain.execute_batch(&rows::create()).map_err(failed)?;
        Ok(Apply { files, rows, updates, device, messages: [puts, sets], plain })
    }

    /// Applies all new rows.
    pub fn insert(&mut self) {
        std::mem::take(&mut self.messages[0]).into_iter().for_each(|message| self.device.apply(message));
    }

    /// Applies a new value for one field of each.
    pub fn update(&mut self) {
        std::mem::take(&mut self.messages[1]).into_iter().for_each(|message| self.device.apply(message));
    }

    /// Inserts the same rows by plain statements, as many to a transaction.
    #[wasm_bindgen(js_name = plainInsert)]
    pub fn plain_insert(&self) {
        self.rows.chunks(ROWS_OF_A_COMMIT).for_each(|rows| rows::plain_inserts(&self.plain, rows));
    }

    /// Sets the same fields by plain statements.
    #[wasm_bindgen(js_name = plainUpdate)]
    pub fn plain_update(&self) {
        self.updates.chunks(ROWS_OF_A_COMMIT).for_each(|updates| rows::plain_updates(&self.plain, updates));
    }

    /// Makes sure that the rows are there, and closes both databases.
    pub fn finish(mut self) -> Result<(), JsError> {
        self.device.require_rows(self.rows.len());
        drop((self.device.close(), self.plain));
        self.files.close()
    }
}
