//! Tokens for local development, from the secret that the Worker verifies with.
//! Whether there is such an endpoint at all is decided by `gate`.

use super::jwt::sign;
use crate::failure::Failure;
use crate::limits;
use ebbtide_core::ids::Millis;
use serde_json::{Map, Value, json};

/// Signs a token for a user. `spaces` is a list such as `clinic-7,clinic-8:reader`; the role is `writer` where none is named.
/// Answers JSON with `token` and `expiresAt`.
pub fn dev_token(user: &str, spaces: &str, secret: &[u8], now: Millis) -> Result<String, Failure> {
    if user.is_empty() || user.len() > limits::USER_BYTES {
        return Err(Failure::malformed(format!("user must have 1 to {} bytes", limits::USER_BYTES)));
    }
    if secret.is_empty() {
        return Err(Failure::misconfigured("the token secret is empty"));
    }
    let mut roles = Map::new();
    for entry in spaces.split(',').filter(|entry| !entry.is_empty()) {
        let (space, role) = entry.rsplit_once(':').unwrap_or((entry, "writer"));
        roles.insert(space.to_owned(), Value::from(role));
    }
    let expires_at = now.0 + limits::DEV_TOKEN_MS;
    let token = sign(&json!({ "sub": user, "spaces": roles, "exp": expires_at / 1_000 }), secret);
    Ok(json!({ "token": token, "expiresAt": expires_at / 1_000 * 1_000 }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::verify;

    #[test]
    fn sv16_a_development_token_opens_what_it_was_asked_for() {
        let now = Millis(1_800_000_000_000);
        let answer: Value = serde_json::from_str(&dev_token("ada", "a,b:reader", b"secret", now).unwrap()).unwrap();
        let identity = verify(answer["token"].as_str().unwrap(), b"secret", now).unwrap();
        assert_eq!(identity.user, "ada");
        assert!(identity.role("a").unwrap().may_write());
        assert!(!identity.role("b").unwrap().may_write());
        assert_eq!(answer["expiresAt"].as_f64().unwrap(), identity.expires_at);
        assert_eq!(dev_token("", "a", b"secret", now).unwrap_err().code, "malformed_message");
    }
}
