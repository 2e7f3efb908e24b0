//! What the Worker asks before a request reaches an object.

use super::objects::Plain;
use crate::auth::{self, Identity};
use crate::gate::{self, Origins, Request, Route};
use crate::limits;
use ebbtide_core::ids::Millis;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// Bytes of the largest message.
#[wasm_bindgen(js_name = messageBytes)]
pub fn message_bytes() -> u32 {
    limits::MESSAGE_BYTES as u32
}

/// Whether a page of this origin may ask: answers the origin to be named in CORS headers, if any.
#[wasm_bindgen(js_name = checkOrigin)]
pub fn check_origin(listed: Vec<String>, own: &str, origin: Option<String>) -> Result<Option<String>, JsValue> {
    Ok(gate::cors_origin(&Origins { listed }, own, origin.as_deref())?)
}

/// Finds the route: `{ kind, space? }`.
#[wasm_bindgen(js_name = findRoute)]
pub fn find_route(
    prefix: &str,
    method: &str,
    path: &str,
    version: Option<String>,
    upgrade: bool,
    development: bool,
) -> Result<JsValue, JsValue> {
    let request = Request { method, path, version: version.as_deref(), upgrade, development };
    let (kind, space) = match gate::route(prefix, &request)? {
        Route::Preflight => ("preflight", None),
        Route::Health => ("health", None),
        Route::DevToken => ("devToken", None),
        Route::Sync { space } => ("sync", Some(space)),
        Route::Ticket { space } => ("ticket", Some(space)),
        Route::History { space } => ("history", Some(space)),
        Route::Socket { space } => ("socket", Some(space)),
    };
    let plain = Plain::new().with("kind", kind);
    Ok(space.into_iter().fold(plain, |plain, space| plain.with("space", space)).done())
}

/// Verifies the token of an `Authorization` header under HS256; answers the identity as JSON.
#[wasm_bindgen(js_name = verifyToken)]
pub fn verify_token(authorization: Option<String>, secret: &str, now: f64) -> Result<String, JsValue> {
    let token = auth::bearer(authorization.as_deref())?;
    let identity = auth::verify(token, secret.as_bytes(), Millis(now as u64))?;
    Ok(serde_json::to_string(&identity).expect("texts and numbers are JSON"))
}

/// What an identity may do in a space, as JSON for the object.
#[wasm_bindgen(js_name = grantAccess)]
pub fn grant_access(identity: &str, space: &str, now: f64) -> Result<String, JsValue> {
    Ok(auth::access(&Identity::from_json(identity)?, space, Millis(now as u64))?.to_json())
}

/// Signs a development token; answers JSON with `token` and `expiresAt`.
#[wasm_bindgen(js_name = devToken)]
pub fn dev_token(user: &str, spaces: &str, secret: &str, now: f64) -> Result<String, JsValue> {
    Ok(auth::dev_token(user, spaces, secret.as_bytes(), Millis(now as u64))?)
}

/// The ticket in a `Sec-WebSocket-Protocol` header.
#[wasm_bindgen(js_name = ticketInProtocols)]
pub fn ticket_in_protocols(header: Option<String>) -> Result<String, JsValue> {
    Ok(auth::ticket_in_protocols(header.as_deref())?.to_owned())
}
