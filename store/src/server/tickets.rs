//! One-use tickets with which a device opens a socket, since a browser cannot send a token there.
//! It knows who may use one as opaque text, not what that means. The adapter issues and redeems them.

use super::event::SpaceStore;
use super::values::{number, stored, text};
use crate::sql::{Sql, SqlError};
use ebbtide_core::ids::Millis;
use ebbtide_core::value::Value;

/// A ticket as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Random bytes that only the holder knows, hashed.
    pub digest: Vec<u8>,
    /// Whom it stands for, in the adapter's own words.
    pub holder: String,
    /// From then on it is worth nothing.
    pub expires_at: Millis,
}

impl<S: Sql + Clone> SpaceStore<S> {
    /// Keeps a ticket, and forgets expired ones.
    pub fn issue_ticket(&mut self, ticket: &Ticket, now: Millis) -> Result<(), SqlError> {
        self.sql.execute("DELETE FROM _ebb_ticket WHERE expires_at<=?", &[stored(now.0)?])?;
        let params =
            [Value::Blob(ticket.digest.clone()), Value::Text(ticket.holder.clone()), stored(ticket.expires_at.0)?];
        self.sql.execute("INSERT INTO _ebb_ticket (ticket,holder,expires_at) VALUES (?,?,?)", &params)?;
        Ok(())
    }

    /// Takes a ticket away and answers its holder, if it was still good.
    pub fn redeem_ticket(&mut self, digest: &[u8], now: Millis) -> Result<Option<String>, SqlError> {
        let params = [Value::Blob(digest.to_vec())];
        let rows = self.sql.query("SELECT holder,expires_at FROM _ebb_ticket WHERE ticket=?", &params)?;
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        self.sql.execute("DELETE FROM _ebb_ticket WHERE ticket=?", &params)?;
        let mut cells = row.into_iter();
        let (holder, expires_at) = (text(cells.next())?, number(cells.next())?);
        Ok((expires_at > now.0).then_some(holder))
    }
}
