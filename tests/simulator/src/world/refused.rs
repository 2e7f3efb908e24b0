//! A person looks at the refused transactions of a device: takes one off the list, or commits it again, as it was or edited.
//! What is committed again is a transaction like others; here it is only checked that the list says what happened.
//! Part of the world.

use super::World;
use crate::judge::Finding;
use crate::workload::Refused;
use ebbtide_core::value::Value;
use ebbtide_store::local::{ChangeKind, Edit, RejectedRecord};

impl World {
    pub(super) fn has_refused(&mut self, device: usize) -> Result<bool, Finding> {
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        Ok(!open.database().rejected().map_err(|error| error.to_string())?.is_empty())
    }

    /// Answers whether something was committed.
    pub(super) fn look_at_refused(&mut self, device: usize, which: u64, what: Refused) -> Result<bool, Finding> {
        let now = self.time_of(device);
        let Self { seats, spaces, .. } = self;
        let judge = &mut spaces[seats[device].space].judge;
        seats[device].disk.take_troubles();
        let database = seats[device].device.as_mut().ok_or("a device that is off")?.database();
        let list = database.rejected().map_err(|error| error.to_string())?;
        let Some(record) = list.get(which as usize % list.len().max(1)) else { return Ok(false) };
        // Who has an old copy of the list does not write everything once more: words would stand in a text twice.
        let again = !judge.is_off_the_list(record.stamp);
        let done = match what {
            Refused::Again if again => database.retry_rejected(record.stamp, &[], now),
            Refused::Edited(number) if again => database.retry_rejected(record.stamp, &edits(record, number), now),
            _ => database.discard_rejected(record.stamp),
        };
        let left = database.rejected().map_err(|error| error.to_string())?;
        let is_off = left.iter().all(|other| other.stamp != record.stamp);
        let others = list.iter().filter(|other| other.stamp != record.stamp);
        if is_off != done.is_ok() || !others.eq(left.iter().filter(|other| other.stamp != record.stamp)) {
            return Err(format!("G8: device {device}: {what:?} of {record:?} left another list: {done:?}"));
        }
        match done {
            Ok(()) => {
                judge.off_the_list(record.stamp);
                self.counts.retries += u64::from(again && !matches!(what, Refused::Discard));
                Ok(true)
            }
            Err(error) if error.code.is_constraint() => Ok(false),
            Err(error) => self.refused_by_the_disk(device, &error).map(|()| false),
        }
    }
}

/// Another code for each row that gets one, and another key for each that is new. The halves stay alike.
fn edits(record: &RejectedRecord, number: u64) -> Vec<Edit> {
    let another = |value: &Value| match value {
        Value::Text(text) if !text.is_empty() => Some(Value::Text(format!("{}{number}", &text[..1]))),
        _ => None,
    };
    let changes = record.changes.iter().filter(|change| !change.table.ends_with("_half"));
    let edit = |change: &ebbtide_store::local::NamedChange| {
        let parts = change.key.iter().filter(|_| change.kind == ChangeKind::Insert);
        let codes = change.fields.iter().filter(|(name, _)| name == "code");
        let values = parts.chain(codes).filter_map(|(name, value)| Some((name.clone(), another(value)?))).collect();
        let key = change.key.iter().map(|(_, value)| value.clone()).collect();
        Edit { table: change.table.clone(), key, values }
    };
    changes.filter(|change| change.kind != ChangeKind::Delete).map(edit).collect()
}
