//! What an identity may do in one space: all that reaches a Durable Object of who asks.
//! Spaces that are not in the token and spaces that do not exist look the same.

use super::identity::Identity;
use crate::failure::Failure;
use ebbtide_core::ids::Millis;
use serde::{Deserialize, Serialize};

/// A user's access to one space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The user's id.
    pub user: String,
    /// The space.
    pub space: String,
    /// Whether changes are taken.
    pub may_write: bool,
    /// From then on the access is over.
    pub expires_at: Millis,
}

/// Grants access to a space, or says why not.
pub fn access(identity: &Identity, space: &str, now: Millis) -> Result<Access, Failure> {
    identity.check()?;
    let expires_at = Millis(identity.expires_at as u64);
    if expires_at <= now {
        return Err(Failure::expired());
    }
    let Some(role) = identity.role(space) else {
        return Err(Failure::new(403, "forbidden_space", "the token does not open this space"));
    };
    Ok(Access { user: identity.user.clone(), space: space.to_owned(), may_write: role.may_write(), expires_at })
}

impl Access {
    /// The form in which it travels to the object.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    /// Reads it back in the object.
    pub fn from_json(json: &str) -> Result<Self, Failure> {
        serde_json::from_str(json).map_err(|error| Failure::internal(format!("access: {error}")))
    }

    /// The session's view of it.
    pub fn identity(&self) -> ebbtide_core::server::Identity {
        let (user, may_write, expires_at) = (self.user.clone(), self.may_write, self.expires_at);
        ebbtide_core::server::Identity { user, may_write, expires_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(spaces: &[(&str, &str)]) -> Identity {
        let spaces = spaces.iter().map(|(name, role)| ((*name).to_owned(), (*role).to_owned())).collect();
        Identity { user: "ada".into(), spaces, expires_at: 1_000.0 }
    }

    #[test]
    fn sv10_only_the_spaces_of_the_token_open() {
        let identity = identity(&[("clinic-7", "writer"), ("clinic-8", "reader"), ("clinic-9", "wizard")]);
        assert!(access(&identity, "clinic-7", Millis(0)).unwrap().may_write);
        assert!(!access(&identity, "clinic-8", Millis(0)).unwrap().may_write);
        for space in ["clinic-9", "clinic-1", "", "Clinic-7", "clinic-7 "] {
            assert_eq!(access(&identity, space, Millis(0)).unwrap_err().code, "forbidden_space", "{space}");
        }
    }

    #[test]
    fn sv11_an_expired_identity_opens_nothing() {
        let identity = identity(&[("clinic-7", "writer")]);
        assert!(access(&identity, "clinic-7", Millis(999)).is_ok());
        assert_eq!(access(&identity, "clinic-7", Millis(1_000)).unwrap_err().code, "token_expired");
    }

    #[test]
    fn sv12_an_identity_without_bounds_is_refused() {
        let long = Identity { user: "u".repeat(257), ..identity(&[]) };
        assert_eq!(access(&long, "x", Millis(0)).unwrap_err().code, "unauthorized");
        let endless = Identity { expires_at: f64::INFINITY, ..identity(&[]) };
        assert_eq!(access(&endless, "x", Millis(0)).unwrap_err().code, "unauthorized");
        assert_eq!(Identity::from_json("{\"user\":1}").unwrap_err().code, "server_misconfigured");
    }
}
