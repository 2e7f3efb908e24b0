//! Changesets that the space will never take: their numbers are given up, their transactions sealed again one by one.
//! So the one that is at fault is found; alone, it ends on the list of the refused. Why a changeset is refused is the space's finding.

use super::absorb;
use super::apply::{self, Applied};
use super::session::{ClientSession, Step};
use super::store::{ClientStore, SealedEntry};
use crate::codec::Codec;
use crate::commit::{Reason, Receipt, Rejection};
use crate::error::{Fault, Refusal, RefusalCode};
use crate::ids::DeviceSeq;
use crate::message::ClientMessage;
use alloc::{string::String, vec, vec::Vec};

/// What was refused for good on this connection.
#[derive(Debug, Clone)]
pub struct Refused {
    device_seq: DeviceSeq,
    reason: Reason,
    detail: String,
}

/// Whether a receipt says that its number was given up.
pub fn is_void(receipt: &Receipt) -> bool {
    matches!(&receipt.rejected[..], [only] if only.reason == Reason::Void && only.index == u32::MAX)
}

/// Whether a number that waits was given up.
pub fn is_given_up(entry: &SealedEntry) -> bool {
    entry.receipt.as_ref().is_some_and(is_void)
}

impl ClientSession {
    /// Notes a refusal that sending again cannot change; false for any other.
    pub(super) fn refused_for_good<S: ClientStore, C: Codec>(
        &mut self,
        refusal: &Refusal,
        step: &mut Step<S, C>,
    ) -> Result<bool, S::Error> {
        let reason = match refusal.code {
            RefusalCode::TooLarge => Reason::Limit,
            RefusalCode::SchemaMismatch => Reason::Schema,
            // Alone none of them is refused so.
            RefusalCode::Malformed | RefusalCode::NotAsOne => Reason::Void,
            _ => return Ok(false),
        };
        let Some(device_seq) = refusal.device_seq else { return Ok(false) };
        let waits = |entry: &SealedEntry| entry.device_seq == device_seq && entry.receipt.is_none();
        if !step.store.sealed()?.iter().any(waits) {
            // The late echo of what was sealed again since says nothing new.
            return Ok(refusal.code == RefusalCode::NotAsOne);
        }
        self.uploads.refused(device_seq);
        if self.refused.as_ref().is_none_or(|refused| refused.device_seq > device_seq) {
            self.refused = Some(Refused { device_seq, reason, detail: refusal.detail.clone() });
        }
        Ok(true)
    }

    /// Gives up what was refused, and everything sealed after it, which may build on it. `None` where nothing is to be given up,
    /// or where earlier numbers are decided first.
    pub(super) fn give_up<S: ClientStore, C: Codec>(
        &mut self,
        step: &mut Step<S, C>,
    ) -> Result<Option<Vec<ClientMessage>>, Fault<S::Error>> {
        let sealed = step.store.sealed()?;
        let voided = sealed.iter().find(|entry| is_given_up(entry));
        let refused = self.refused.as_ref().map(|refused| refused.device_seq);
        let Some(first) = voided.map(|entry| entry.device_seq).into_iter().chain(refused).min() else {
            return Ok(None);
        };
        let undecided = sealed.iter().find(|entry| entry.receipt.is_none()).map(|entry| entry.device_seq);
        match undecided {
            Some(earlier) if earlier < first => Ok(None),
            Some(next) => Ok(Some(self.uploads.void(next))),
            None => {
                let given_up: Vec<SealedEntry> = sealed.into_iter().filter(|entry| entry.device_seq >= first).collect();
                // What was decided all the same is applied first.
                if given_up.iter().all(is_given_up) {
                    self.seal_again(&given_up, step)?;
                    return Ok(None);
                }
                Ok(Some(Vec::new()))
            }
        }
    }

    fn seal_again<S: ClientStore, C: Codec>(
        &mut self,
        given_up: &[SealedEntry],
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        let refused = self.refused.take();
        let mut applied = Applied::default();
        // The others build on the first.
        if let Some(first) = given_up.first()
            && absorb::is_folded(first.device_seq, step.store, step.codec)?
        {
            // Nothing else may be at fault: as they were written, they may go together again.
            return Ok(given_up.iter().try_for_each(|entry| step.store.reopen_apart(entry.device_seq))?);
        }
        for entry in given_up {
            let Some(receipt) = &entry.receipt else { continue };
            let log = step.store.sealed_log(Some(entry.device_seq))?;
            // Bytes that were damaged here are mended by sealing again; who is refused even so is at fault.
            let again = log.iter().any(|transaction| transaction.origin == Some(step.device.incarnation));
            match &refused {
                Some(refused) if refused.device_seq == entry.device_seq && again && log.len() == 1 => {
                    let receipt = alone(receipt, refused);
                    apply::refuse(&receipt, &mut step.device, step.store, &mut applied)?;
                }
                _ => step.store.reopen_changeset(entry.device_seq, step.device.incarnation)?,
            }
        }
        self.report(applied, step);
        Ok(())
    }
}

fn alone(receipt: &Receipt, refused: &Refused) -> Receipt {
    let rejection = Rejection { index: 0, reason: refused.reason, detail: refused.detail.clone() };
    Receipt { rejected: vec![rejection], ..receipt.clone() }
}
