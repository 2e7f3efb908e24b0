//! What the worker script does for the sync: asks the page for a token, passes news on, keeps the service worker's copy.
//! Shapes only; the other end is `npm/src/worker/host.ts`.

use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

#[wasm_bindgen]
extern "C" {
    /// The worker script's object.
    #[derive(Clone)]
    pub type Host;

    /// A token from the page; rejects with `{ code, message, retryable }`.
    #[wasm_bindgen(method, catch)]
    pub async fn token(this: &Host) -> Result<JsValue, JsValue>;

    /// The plan that was asked for: its numbers as JSON, what would be merged and what refused as rows.
    #[wasm_bindgen(method)]
    pub fn planned(this: &Host, facts: &str, merged: Vec<u8>, refused: Vec<u8>);

    /// The same as a question: may it be committed? `Client.confirmed` answers.
    #[wasm_bindgen(method)]
    pub fn confirm(this: &Host, facts: &str, merged: Vec<u8>, refused: Vec<u8>);

    /// News for the page: a kind, and JSON.
    #[wasm_bindgen(method)]
    pub fn notice(this: &Host, kind: &str, json: &str);

    /// Rows changed that the page did not write: live queries may have to run.
    #[wasm_bindgen(method)]
    pub fn changed(this: &Host);

    /// The ready-made request for the service worker, with its headers as JSON; an empty body when nothing waits.
    #[wasm_bindgen(method)]
    pub fn mirror(this: &Host, url: &str, headers: &str, body: Vec<u8>);

    /// A request that goes anywhere else is not to be sent any more.
    #[wasm_bindgen(method, js_name = keepCopyFor)]
    pub fn keep_copy_for(this: &Host, url: &str);
}
