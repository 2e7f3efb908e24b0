//! Tells whether what the space says of a number is about what this database sealed under it, or about what a copy of it did:
//! a clone, or the database itself before it was set back. What follows from that is for `recover`. Called by `inbox`.

use super::store::{ClientStore, DeviceState};
use super::void::is_void;
use crate::commit::Receipt;
use crate::ids::{DeviceSeq, Seq};
use crate::message::{ItemBody, Range};

/// How far a device's numbers had come when it said so: sealed, and confirmed.
pub type Place = (DeviceSeq, DeviceSeq);

/// How far they have come now.
pub fn place(device: &DeviceState) -> Place {
    (device.next_device_seq, device.applied_receipt)
}

/// Whether a verdict is on what this life of the database sealed. What it settled already was found to be so then.
pub fn belongs<S: ClientStore>(receipt: &Receipt, device: &DeviceState, store: &mut S) -> Result<bool, S::Error> {
    if receipt.device_seq >= device.next_device_seq {
        return Ok(false);
    }
    let waiting = store.sealed()?.into_iter().find(|entry| entry.device_seq == receipt.device_seq);
    Ok(waiting.is_none_or(|entry| is_void(receipt) || entry.hash.fingerprint() == receipt.fingerprint))
}

/// Whether every commit of a range that is called an own one waits here with that verdict.
pub fn can_apply<S: ClientStore>(range: &Range, device: &DeviceState, store: &mut S) -> Result<bool, S::Error> {
    let sealed = store.sealed()?;
    let decided_at = |number: DeviceSeq, seq: Seq| {
        let receipt = sealed.iter().find(|entry| entry.device_seq == number).and_then(|entry| entry.receipt.as_ref());
        receipt.is_some_and(|receipt| receipt.seq == Some(seq))
    };
    Ok(range.items.iter().filter(|item| item.seq > device.cursor.seq).all(|item| match item.body {
        ItemBody::OwnAsSent(number) | ItemBody::OwnMerged(number, _) => decided_at(number, item.seq),
        ItemBody::Foreign(_) => true,
    }))
}
