//! JSON Web Tokens under HS256, the only algorithm there is: the token does not choose.
//! The signature is checked before a claim is read. The TypeScript entry calls it for `jwt({ secret })`.

use super::identity::Identity;
use crate::failure::Failure;
use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ebbtide_core::ids::Millis;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    spaces: BTreeMap<String, String>,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
}

/// The token of an `Authorization` header.
pub fn bearer(authorization: Option<&str>) -> Result<&str, Failure> {
    let missing = || Failure::unauthorized("an Authorization header with a bearer token is required");
    let (scheme, token) = authorization.and_then(|value| value.trim().split_once(' ')).ok_or_else(missing)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() { Ok(token) } else { Err(missing()) }
}

/// Verifies a token and reads `sub`, `spaces` and `exp`.
pub fn verify(token: &str, secret: &[u8], now: Millis) -> Result<Identity, Failure> {
    let payload = verify_signature(token, secret)?;
    let claims: Claims = serde_json::from_slice(&payload)
        .map_err(|error| Failure::unauthorized(format!("the token's claims: {error}")))?;
    let seconds = now.0 as f64 / 1_000.0;
    if !claims.exp.is_finite() || claims.exp <= seconds {
        return Err(Failure::expired());
    }
    if claims.nbf.is_some_and(|from| from > seconds + limits::TOKEN_SKEW_MS as f64 / 1_000.0) {
        return Err(Failure::unauthorized("the token is not valid yet"));
    }
    let identity = Identity { user: claims.sub, spaces: claims.spaces, expires_at: (claims.exp * 1_000.0).floor() };
    identity.check()?;
    Ok(identity)
}

/// The payload of a token whose signature is right.
pub fn verify_signature(token: &str, secret: &[u8]) -> Result<Vec<u8>, Failure> {
    let wrong = || Failure::unauthorized("the token is not one of this server's");
    if secret.is_empty() {
        return Err(Failure::misconfigured("the token secret is empty"));
    }
    if token.len() > limits::TOKEN_BYTES {
        return Err(Failure::unauthorized(format!("a token may have {} bytes at most", limits::TOKEN_BYTES)));
    }
    let (signed, signature) = token.rsplit_once('.').ok_or_else(wrong)?;
    let (header, payload) = signed.split_once('.').filter(|(_, payload)| !payload.contains('.')).ok_or_else(wrong)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| wrong());
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| wrong())?;
    if header.alg != "HS256" || header.crit.is_some() {
        return Err(wrong());
    }
    mac(secret, signed).verify_slice(&decode(signature)?).map_err(|_| wrong())?;
    decode(payload)
}

/// Signs claims: for development tokens and tests.
pub fn sign(claims: &serde_json::Value, secret: &[u8]) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", part(br#"{"alg":"HS256","typ":"JWT"}"#), part(claims.to_string().as_bytes()));
    let signature = mac(secret, &signed).finalize().into_bytes();
    format!("{signed}.{}", part(&signature))
}

fn mac(secret: &[u8], signed: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(signed.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SECRET: &[u8] = b"a secret of at least thirty-two bytes";
    const NOW: Millis = Millis(1_800_000_000_000);

    fn token(claims: serde_json::Value) -> String {
        sign(&claims, SECRET)
    }

    fn claims() -> serde_json::Value {
        json!({ "sub": "ada", "spaces": { "clinic-7": "writer" }, "exp": 1_800_000_060, "name": "not ours" })
    }

    fn with(change: serde_json::Value) -> String {
        let mut claims = claims();
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        token(claims)
    }

    #[test]
    fn sv13_a_good_token_names_its_user_and_spaces() {
        let identity = verify(&token(claims()), SECRET, NOW).unwrap();
        assert_eq!((identity.user.as_str(), identity.expires_at), ("ada", 1_800_000_060_000.0));
        assert_eq!(identity.spaces["clinic-7"], "writer");
    }

    #[test]
    fn sv13_what_is_missing_or_of_another_type_is_refused() {
        let changes = [
            json!({ "sub": null }),
            json!({ "sub": 7 }),
            json!({ "sub": "" }),
            json!({ "spaces": null }),
            json!({ "spaces": ["clinic-7"] }),
            json!({ "exp": null }),
            json!({ "exp": "2100-01-01" }),
            json!({ "nbf": 1_800_000_100 }),
        ];
        for change in changes {
            let failure = verify(&with(change.clone()), SECRET, NOW).unwrap_err();
            assert_eq!((failure.status, failure.code), (401, "unauthorized"), "{change}");
        }
        assert!(verify(&with(json!({ "nbf": 1_800_000_050 })), SECRET, NOW).is_ok(), "within the skew");
    }

    #[test]
    fn sv11_an_expired_token_says_so() {
        for exp in [json!(1_800_000_000), json!(0), json!(-1)] {
            let failure = verify(&with(json!({ "exp": exp })), SECRET, NOW).unwrap_err();
            assert_eq!((failure.status, failure.code), (401, "token_expired"));
        }
    }

    #[test]
    fn sv14_the_token_does_not_choose_the_algorithm() {
        let body = URL_SAFE_NO_PAD.encode(claims().to_string());
        for header in
            [r#"{"alg":"none"}"#, r#"{"alg":"HS512"}"#, r#"{"alg":"hs256"}"#, r#"{"alg":"HS256","crit":["exp"]}"#, "{}"]
        {
            let signed = format!("{}.{body}", URL_SAFE_NO_PAD.encode(header));
            let signature = URL_SAFE_NO_PAD.encode(mac(SECRET, &signed).finalize().into_bytes());
            for token in [format!("{signed}.{signature}"), format!("{signed}.")] {
                assert_eq!(verify(&token, SECRET, NOW).unwrap_err().code, "unauthorized", "{header}");
            }
        }
    }

    #[test]
    fn sv14_garbage_is_refused_whatever_it_is() {
        let good = token(claims());
        let mut bad = vec![
            String::new(),
            ".".into(),
            "..".into(),
            "...".into(),
            "a.b.c".into(),
            format!("{good}."),
            "x".repeat(9_000),
        ];
        bad.extend((0..good.len()).map(|end| good[..end].to_owned()));
        bad.push(good.replace('.', "=."));
        for token in bad {
            assert_eq!(verify(&token, SECRET, NOW).unwrap_err().status, 401, "{token}");
        }
        assert_eq!(verify(&good, b"another secret", NOW).unwrap_err().code, "unauthorized");
        assert_eq!(verify(&good, b"", NOW).unwrap_err().code, "server_misconfigured");
    }

    #[test]
    fn sv15_the_authorization_header_carries_a_bearer_token() {
        assert_eq!(bearer(Some("Bearer abc")).unwrap(), "abc");
        assert_eq!(bearer(Some("bearer  abc ")).unwrap(), "abc");
        for header in [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic abc")] {
            assert_eq!(bearer(header).unwrap_err().code, "unauthorized");
        }
    }
}
