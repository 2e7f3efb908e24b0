//! One POST to the server: its headers, its body, and how the answer is judged.
//! It knows HTTP and tokens, not what the bytes mean. `link` fetches tickets with it, `http` carries messages.

use super::driver::Sync;
use crate::error::describe;
use ebbtide_core::client::Cause;
use ebbtide_store::json::{self, Fields};
use js_sys::{ArrayBuffer, JsString, Uint8Array};
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Headers, Request, RequestCache, RequestInit, Response, WorkerGlobalScope};

/// The version of the protocol, as `X-Sync-Version` says it.
pub const SYNC_VERSION: u8 = ebbtide_protocol::MESSAGE_VERSION;

const UNAUTHORIZED: u16 = 401;

/// Sends `body` with the token, once more with a fresh one if it was refused. Answers the body of a 2xx, or what the space says.
pub async fn post(sync: &Rc<Sync>, path: &str, body: &[u8]) -> Result<Vec<u8>, Cause> {
    let abort = sync.abort_controller();
    let (status, answer) = attempt(sync, path, body, &abort).await?;
    if status != UNAUTHORIZED {
        return judge(status, answer);
    }
    sync.forget_token();
    let (status, answer) = attempt(sync, path, body, &abort).await?;
    judge(status, answer)
}

async fn attempt(sync: &Rc<Sync>, path: &str, body: &[u8], abort: &AbortController) -> Result<(u16, Vec<u8>), Cause> {
    let token = sync.token().await?;
    let request = request(sync, path, body, &token, abort).map_err(|thrown| unusable(&thrown))?;
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let response = JsFuture::from(scope.fetch_with_request(&request)).await.map_err(|_| network())?;
    let response: Response = response.unchecked_into();
    let buffer = response.array_buffer().map_err(|_| network())?;
    let buffer = JsFuture::from(buffer).await.map_err(|_| network())?;
    let bytes = Uint8Array::new(buffer.unchecked_ref::<ArrayBuffer>()).to_vec();
    sync.count(body.len(), bytes.len());
    Ok((response.status(), bytes))
}

fn request(sync: &Sync, path: &str, body: &[u8], token: &str, abort: &AbortController) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in sync.headers(token) {
        headers.set(name, &value)?;
    }
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&Uint8Array::from(body));
    init.set_cache(RequestCache::NoStore);
    init.set_signal(Some(&abort.signal()));
    Request::new_with_str_and_init(&sync.url(path), &init)
}

/// What a status means for the connection. The server's own code is kept where it gave one.
fn judge(status: u16, body: Vec<u8>) -> Result<Vec<u8>, Cause> {
    if (200..300).contains(&status) || is_message(&body) {
        return Ok(body);
    }
    let told = fields(&body).and_then(Told::read);
    let code = match (status, &told) {
        (UNAUTHORIZED, _) => "signed_out".to_owned(),
        (426, _) => "reload_needed".to_owned(),
        (_, Some(told)) => told.code.clone(),
        (403, None) => "forbidden".to_owned(),
        (404, None) => "not_found".to_owned(),
        _ => "server_error".to_owned(),
    };
    let retryable = told.map_or(status >= 500 || status == 429 || status == 408, |told| told.retryable);
    Err(Cause { code, retryable: retryable && status != UNAUTHORIZED })
}

/// Whether an error comes as what the space says: it failed in the middle of a request, and what it had decided before counts.
fn is_message(body: &[u8]) -> bool {
    body.first() == Some(&SYNC_VERSION)
}

/// An error body of the server.
struct Told {
    code: String,
    retryable: bool,
}

impl Told {
    fn read(mut fields: Fields) -> Option<Self> {
        Some(Self { code: fields.required_text("code").ok()?, retryable: fields.flag("retryable").ok()? })
    }
}

/// The fields of a body that is a JSON object. Those that nobody asks for are a newer server's, and no error.
pub fn fields(body: &[u8]) -> Option<Fields> {
    let text = core::str::from_utf8(body).ok()?;
    Fields::of(json::parse(text).ok()?, "the answer").ok()
}

fn network() -> Cause {
    Cause { code: "network_error".to_owned(), retryable: true }
}

/// A URL or a token that no request can be made of.
fn unusable(thrown: &JsValue) -> Cause {
    let detail: JsString = describe(thrown).into();
    web_sys::console::error_2(&"ebbtide: no request can be made of the sync options:".into(), &detail);
    Cause { code: "bad_option".to_owned(), retryable: false }
}
