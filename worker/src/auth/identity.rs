//! A user and the spaces that are open to them, as the app's authentication found it.
//! It is checked here whoever made it: the token verifier or the app's own function.

use crate::failure::Failure;
use crate::limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a user may do in a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read.
    Reader,
    /// Read and write.
    Writer,
    /// Read, write, and decide what waits for a person.
    Reviewer,
    /// Everything.
    Admin,
}

impl Role {
    /// Whether changes are taken.
    pub fn may_write(self) -> bool {
        self != Role::Reader
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "reader" => Some(Role::Reader),
            "writer" => Some(Role::Writer),
            "reviewer" => Some(Role::Reviewer),
            "admin" => Some(Role::Admin),
            _ => None,
        }
    }
}

/// Who asks. The field names are the public contract's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The user's id.
    pub user: String,
    /// Role by name of space.
    pub spaces: BTreeMap<String, String>,
    /// In milliseconds since the Unix epoch.
    pub expires_at: f64,
}

impl Identity {
    /// Reads what authentication answered. A wrong shape is the app's mistake, not the user's.
    pub fn from_json(json: &str) -> Result<Self, Failure> {
        let identity: Identity = serde_json::from_str(json).map_err(|error| {
            Failure::misconfigured(format!("auth must answer {{ user, spaces, expiresAt }}: {error}"))
        })?;
        identity.check()?;
        Ok(identity)
    }

    /// Bounds and shape.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.user.is_empty() || self.user.len() > limits::USER_BYTES {
            return Err(Failure::unauthorized(format!("the user's id must have 1 to {} bytes", limits::USER_BYTES)));
        }
        if self.spaces.len() > limits::SPACES {
            return Err(Failure::unauthorized(format!("a token may name {} spaces at most", limits::SPACES)));
        }
        if !self.expires_at.is_finite() || self.expires_at < 0.0 {
            return Err(Failure::unauthorized("the token must say when it expires"));
        }
        Ok(())
    }

    /// The role in a space. One that is not known opens nothing.
    pub fn role(&self, space: &str) -> Option<Role> {
        self.spaces.get(space).and_then(|role| Role::named(role))
    }
}
