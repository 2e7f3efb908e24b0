//! What the app's function is told of a commit, as a plain object with values as the npm package has them.
//! Which commit comes next, and how much of it fits, is decided in `space`.

use super::objects::Plain;
use super::rules::{name, to_js, writer};
use crate::space::Slice;
use ebbtide_core::catalogue::Table;
use ebbtide_core::commit::{Effect, Outcome};
use ebbtide_core::value::Value;
use ebbtide_store::server::OutboxPosition;
use js_sys::Array;
use wasm_bindgen::JsValue;

/// `{ upto: [seq, part], committed: { space, seq, at, identity, part, last, changes } }`.
pub fn plain_slice(slice: &Slice) -> JsValue {
    let changes =
        slice.outcomes.iter().filter_map(|outcome| Some(change(slice.catalogue.table(outcome.row.table)?, outcome)));
    let committed = Plain::new()
        .with("space", slice.space.as_str())
        .with("seq", slice.seq.0 as f64)
        .with("at", slice.decided_at.0 as f64)
        .with("identity", writer(&slice.author.user, slice.author.incarnation))
        .with("part", slice.part as f64)
        .with("last", slice.upto.part == 0)
        .with("changes", changes.collect::<Array>());
    Plain::new().with("upto", place(slice.upto)).with("committed", committed.done()).done()
}

/// A position as `[seq, part]`.
pub fn place(position: OutboxPosition) -> Array {
    Array::of2(&JsValue::from_f64(position.seq.0 as f64), &JsValue::from_f64(position.part as f64))
}

fn change(table: &Table, outcome: &Outcome) -> JsValue {
    let key: Array = outcome.row.key.0.iter().map(to_js).collect();
    let plain = Plain::new().with("table", table.name.as_str()).with("key", key);
    let (kind, values) = match &outcome.effect {
        Effect::Put(values) => {
            let fields = table.fields().zip(values).map(|((_, column), value)| (column.name.as_str(), value));
            ("insert", object(fields))
        }
        Effect::Set(fields) => {
            ("update", object(fields.iter().map(|field| (name(&table.columns, field.column), &field.value))))
        }
        Effect::Delete => ("delete", Plain::new().done()),
    };
    plain.with("kind", kind).with("values", values).done()
}

fn object<'a>(fields: impl Iterator<Item = (&'a str, &'a Value)>) -> JsValue {
    fields.fold(Plain::new(), |plain, (name, value)| plain.with(name, to_js(value))).done()
}
