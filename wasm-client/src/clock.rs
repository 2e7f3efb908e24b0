//! The wall clock and the randomness, which the engine never reads by itself.

use crate::error::{ClientError, Result};
use ebbtide_core::ids::Millis;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

/// Milliseconds since the Unix epoch.
pub fn now() -> Millis {
    Millis(js_sys::Date::now() as u64)
}

/// Fresh bytes from the browser's generator.
pub fn random_bytes() -> Result<[u8; 16]> {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    let bytes = Uint8Array::new_with_length(16);
    let crypto =
        Reflect::get(&scope, &JsValue::from_str("crypto")).map(|crypto| crypto.unchecked_into::<web_sys::Crypto>());
    let filled = crypto.and_then(|crypto| crypto.get_random_values_with_array_buffer_view(&bytes));
    filled.map_err(|thrown| {
        let message = "the browser has no source of randomness";
        ClientError::permanent("storage_unavailable", message).caused_by(crate::error::describe(&thrown))
    })?;
    let mut seed = [0; 16];
    bytes.copy_to(&mut seed);
    Ok(seed)
}
