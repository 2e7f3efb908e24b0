//! The routes under the prefix. The protocol's are under `v1/`; names of spaces arrive percent-encoded.
//! It knows no token: which routes need one is the entry's business.

use crate::failure::Failure;
use crate::limits;

/// A request by its outside.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path of the URL, still encoded.
    pub path: &'a str,
    /// The header `X-Sync-Version`.
    pub version: Option<&'a str>,
    /// Whether it asks for a WebSocket.
    pub upgrade: bool,
    /// Whether the variable `EBBTIDE_DEV` is set.
    pub development: bool,
}

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A page asks whether it may ask.
    Preflight,
    /// Is the server there?
    Health,
    /// A token for local development.
    DevToken,
    /// A message and its answer.
    Sync {
        /// The space.
        space: String,
    },
    /// A ticket for a socket.
    Ticket {
        /// The space.
        space: String,
    },
    /// A page of the change history.
    History {
        /// The space.
        space: String,
    },
    /// A socket.
    Socket {
        /// The space.
        space: String,
    },
}

/// The only protocol version so far, as `X-Sync-Version` has it.
const VERSION: &str = "1";

/// Finds the route of a request under `prefix`.
pub fn route(prefix: &str, request: &Request<'_>) -> Result<Route, Failure> {
    let not_found = || Failure::new(404, "not_found", "there is nothing at this address");
    let below = request.path.strip_prefix(prefix.trim_end_matches('/')).and_then(|path| path.strip_prefix('/'));
    let parts: Vec<&str> = below.ok_or_else(not_found)?.split('/').collect();
    let (route, methods): (Route, &[&str]) = match parts.as_slice() {
        ["v1", "health"] => (Route::Health, &["GET", "HEAD"]),
        ["dev", "token"] if request.development => (Route::DevToken, &["GET", "POST"]),
        ["v1", "spaces", space, "sync"] => (Route::Sync { space: name(space)? }, &["POST"]),
        ["v1", "spaces", space, "ticket"] => (Route::Ticket { space: name(space)? }, &["POST"]),
        ["v1", "spaces", space, "history"] => (Route::History { space: name(space)? }, &["GET"]),
        ["v1", "spaces", space, "socket"] => (Route::Socket { space: name(space)? }, &["GET"]),
        _ => return Err(not_found()),
    };
    if request.method == "OPTIONS" {
        return Ok(Route::Preflight);
    }
    if !methods.contains(&request.method) {
        return Err(Failure::new(405, "method_not_allowed", format!("use {}", methods.join(" or "))));
    }
    check_version(request.version)?;
    if matches!(route, Route::Socket { .. }) && !request.upgrade {
        return Err(Failure::new(426, "upgrade_required", "this address is a WebSocket's"));
    }
    Ok(route)
}

fn check_version(version: Option<&str>) -> Result<(), Failure> {
    match version {
        None | Some(VERSION) => Ok(()),
        Some(_) => Err(Failure::unsupported_version(format!("this server speaks version {VERSION}"))),
    }
}

fn name(encoded: &str) -> Result<String, Failure> {
    let wrong = || {
        let most = limits::SPACE_BYTES;
        Failure::malformed(format!("a space's name has 1 to {most} bytes of UTF-8 without control characters"))
    };
    let decoded = percent_decode(encoded).ok_or_else(wrong)?;
    let fits = (1..=limits::SPACE_BYTES).contains(&decoded.len()) && !decoded.chars().any(char::is_control);
    if fits { Ok(decoded) } else { Err(wrong()) }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(method: &'a str, path: &'a str) -> Request<'a> {
        Request { method, path, version: None, upgrade: false, development: false }
    }

    fn code(request: &Request<'_>) -> (u16, &'static str) {
        let failure = route("/ebbtide", request).unwrap_err();
        (failure.status, failure.code)
    }

    #[test]
    fn sv20_each_address_has_its_route() {
        let space = || "clinic 7/ü".to_owned();
        let path = "/ebbtide/v1/spaces/clinic%207%2f%C3%BC/sync";
        assert_eq!(route("/ebbtide", &request("POST", path)), Ok(Route::Sync { space: space() }));
        assert_eq!(route("/ebbtide/", &request("POST", path)), Ok(Route::Sync { space: space() }));
        assert_eq!(route("", &request("GET", "/v1/health")), Ok(Route::Health));
        assert_eq!(route("", &request("GET", "/v1/spaces/a/history")), Ok(Route::History { space: "a".into() }));
        assert_eq!(route("/ebbtide", &request("OPTIONS", path)), Ok(Route::Preflight));
        let socket = Request { upgrade: true, ..request("GET", "/ebbtide/v1/spaces/a/socket") };
        assert_eq!(route("/ebbtide", &socket), Ok(Route::Socket { space: "a".into() }));
    }

    #[test]
    fn sv20_everything_else_is_a_typed_refusal() {
        let cases = [
            ("GET", "/other", (404, "not_found")),
            ("GET", "/ebbtide", (404, "not_found")),
            ("GET", "/ebbtidev1/health", (404, "not_found")),
            ("GET", "/ebbtide/v1/spaces/a/sync/more", (404, "not_found")),
            ("OPTIONS", "/ebbtide/v1/nothing", (404, "not_found")),
            ("GET", "/ebbtide/v1/spaces/a/sync", (405, "method_not_allowed")),
            ("POST", "/ebbtide/v1/spaces/a/history", (405, "method_not_allowed")),
            ("GET", "/ebbtide/v1/spaces/a/socket", (426, "upgrade_required")),
            ("POST", "/ebbtide/v1/spaces//sync", (400, "malformed_message")),
            ("POST", "/ebbtide/v1/spaces/%/sync", (400, "malformed_message")),
            ("POST", "/ebbtide/v1/spaces/%ff/sync", (400, "malformed_message")),
            ("POST", "/ebbtide/v1/spaces/a%00/sync", (400, "malformed_message")),
        ];
        for (method, path, expected) in cases {
            assert_eq!(code(&request(method, path)), expected, "{method} {path}");
        }
        let long = format!("/ebbtide/v1/spaces/{}/sync", "a".repeat(129));
        assert_eq!(code(&request("POST", &long)), (400, "malformed_message"));
    }

    #[test]
    fn sv16_the_development_endpoint_exists_only_in_development() {
        let there = Request { development: true, ..request("GET", "/ebbtide/dev/token") };
        assert_eq!(route("/ebbtide", &there), Ok(Route::DevToken));
        assert_eq!(code(&request("GET", "/ebbtide/dev/token")), (404, "not_found"));
    }

    #[test]
    fn sv21_another_protocol_version_is_told_to_update() {
        let path = "/ebbtide/v1/spaces/a/sync";
        let speaking = |version| Request { version: Some(version), ..request("POST", path) };
        assert!(route("/ebbtide", &speaking("1")).is_ok());
        for version in ["2", "0", "", "one"] {
            assert_eq!(code(&speaking(version)), (426, "unsupported_version"));
        }
    }
}
