//! worker
use wasm_bindgen::prelude::wasm_bindgen;

/// The version of this build.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Panics, to see that it reaches JavaScript.
#[wasm_bindgen]
pub fn crash() {
    panic!("deliberate");
}
