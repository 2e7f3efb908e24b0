//! The functions of the app, called with rows as plain objects and values as the npm package has them.
//! What they may be asked, and what becomes of their answers, is core's; that they answer at once is seen to in JavaScript.
//! Given to the space when it is made.

use super::objects::Plain;
use crate::durable::values;
use crate::messages::device_text;
use ebbtide_core::catalogue::Column;
use ebbtide_core::conflict::AuthorName;
use ebbtide_core::ids::{ColumnId, Incarnation};
use ebbtide_core::server::rules::{AppRules, MergeQuestion, RowView, Validation};
use ebbtide_core::value::Value;
use js_sys::Uint8Array;
use std::fmt::{Debug, Formatter};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen]
extern "C" {
    /// What `createServer` was given.
    pub type AppFunctions;

    #[wasm_bindgen(method)]
    fn validates(this: &AppFunctions, table: &str) -> bool;

    #[wasm_bindgen(method, catch)]
    fn merge(this: &AppFunctions, table: &str, column: &str, question: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn validate(this: &AppFunctions, table: &str, row: &JsValue, context: &JsValue) -> Result<(), JsValue>;
}

/// Whole numbers up to this size are exact as JavaScript numbers; larger ones are bigints.
const EXACT: i64 = (1 << 53) - 1;

/// The functions as core calls them.
pub struct JsRules(pub AppFunctions);

impl Debug for JsRules {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JsRules")
    }
}

impl AppRules for JsRules {
    fn validates(&self, table: &str) -> bool {
        self.0.validates(table)
    }

    fn merge(&self, question: &MergeQuestion<'_>) -> Result<Value, String> {
        let table = question.row.table;
        let plain = Plain::new()
            .with("row", row(&question.row))
            .with("mine", to_js(question.mine))
            .with("theirs", to_js(question.theirs))
            .with("base", question.base.map_or(JsValue::UNDEFINED, to_js))
            .with("identity", identity(question.identity));
        let column = name(&table.columns, question.column);
        let answer = self.0.merge(&table.name, column, &plain.done()).map_err(|thrown| values::message(&thrown))?;
        from_js(&answer).ok_or_else(|| String::from("its function answered what is no SQL value"))
    }

    fn validate(&self, validation: &Validation<'_>) -> Result<(), String> {
        let before = validation.before.as_ref().map_or(JsValue::UNDEFINED, row);
        let context = Plain::new().with("before", before).with("identity", identity(validation.identity));
        let told = self.0.validate(&validation.row.table.name, &row(&validation.row), &context.done());
        told.map_err(|thrown| values::message(&thrown))
    }
}

pub(super) fn name(columns: &[Column], id: ColumnId) -> &str {
    columns.get(usize::from(id.0)).map_or("", |column| column.name.as_str())
}

fn row(view: &RowView<'_>) -> JsValue {
    let columns = &view.table.columns;
    let key = view.table.key.iter().zip(&view.key.0).map(|(id, value)| (name(columns, *id), value));
    let fields = view.table.fields().zip(view.values).map(|((_, column), value)| (column.name.as_str(), value));
    key.chain(fields).fold(Plain::new(), |plain, (name, value)| plain.with(name, to_js(value))).done()
}

fn identity(author: &AuthorName) -> JsValue {
    writer(&author.user, author.incarnation)
}

/// Who writes: `{ user, device }`.
pub(super) fn writer(user: &str, incarnation: Incarnation) -> JsValue {
    Plain::new().with("user", user).with("device", device_text(incarnation).as_str()).done()
}

/// A value as the npm package has it.
pub(super) fn to_js(value: &Value) -> JsValue {
    match value {
        Value::Integer(number) if !(-EXACT..=EXACT).contains(number) => JsValue::from(*number),
        value => values::to_js(value),
    }
}

/// What is no value: no answer, what is no number, a bigint beyond 64 bits, any other object.
fn from_js(answer: &JsValue) -> Option<Value> {
    if answer.is_null() {
        return Some(Value::Null);
    }
    if let Some(flag) = answer.as_bool() {
        return Some(Value::Integer(i64::from(flag)));
    }
    if let Some(number) = answer.as_f64() {
        let whole =
            number.fract() == 0.0 && number.abs() <= EXACT as f64 && !(number == 0.0 && number.is_sign_negative());
        return (!number.is_nan()).then_some(if whole { Value::Integer(number as i64) } else { Value::Real(number) });
    }
    if let Some(text) = answer.as_string() {
        return Some(Value::Text(text));
    }
    if answer.is_bigint() {
        return i64::try_from(answer.clone()).ok().map(Value::Integer);
    }
    answer.dyn_ref::<Uint8Array>().map(|bytes| Value::Blob(bytes.to_vec()))
}
