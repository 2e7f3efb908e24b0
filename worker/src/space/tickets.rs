//! Issuing and redeeming socket tickets inside the object, where one use can be enforced.

use super::opening::SpaceObject;
use super::seat::Seat;
use crate::auth::{Access, TicketHolder, digest, new_ticket};
use crate::failure::Failure;
use ebbtide_core::ids::{Incarnation, Millis};
use ebbtide_store::server::Ticket;
use ebbtide_store::sql::Sql;
use serde_json::json;

impl<S: Sql + Clone> SpaceObject<S> {
    /// Issues a ticket for a device. Answers JSON with `ticket` and `expiresAt`.
    pub fn issue_ticket(
        &mut self,
        access: &Access,
        device: Incarnation,
        random: &[u8],
        now: Millis,
    ) -> Result<String, Failure> {
        self.check_name(&access.space)?;
        let new = new_ticket(random, access, now)?;
        let holder = TicketHolder { access: access.clone(), device };
        let holder = serde_json::to_string(&holder).map_err(|error| Failure::internal(error.to_string()))?;
        let ticket = Ticket { digest: new.digest, holder, expires_at: new.expires_at };
        self.event(|store| Ok::<_, Failure>(store.issue_ticket(&ticket, now)?))?;
        Ok(json!({ "ticket": new.text, "expiresAt": new.expires_at.0 }).to_string())
    }

    /// Takes a ticket and answers the socket's first attachment.
    pub fn redeem_ticket(&mut self, ticket: &str, space: &str, now: Millis) -> Result<Seat, Failure> {
        let worthless = || Failure::unauthorized("the ticket was used, has expired, or was never issued");
        let digest = digest(ticket).ok_or_else(worthless)?;
        let holder = self.event(|store| Ok::<_, Failure>(store.redeem_ticket(&digest, now)?))?;
        let holder = holder.ok_or_else(worthless)?;
        let holder: TicketHolder =
            serde_json::from_str(&holder).map_err(|error| Failure::internal(format!("ticket: {error}")))?;
        if holder.access.space != space {
            return Err(worthless());
        }
        Ok(Seat::new(&holder))
    }
}
