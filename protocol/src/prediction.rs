//! A prediction as bytes: for each number how many conflicts wait for a person, what its receipt would say, then the conflicts, both with their lengths.
//! Receipts are written as `receipt` does, conflicts are an encoded commit; nothing here is ever stored.
//! Called by `server`.

use crate::error::malformed;
use crate::input::Input;
use crate::limits::SEALED_AHEAD;
use crate::output::Output;
use crate::receipt;
use alloc::vec::Vec;
use ebbtide_core::error::Malformed;
use ebbtide_core::message::Prediction;

pub(crate) fn write(out: &mut Output, predictions: &[Prediction]) {
    out.varint(predictions.len() as u64);
    for prediction in predictions {
        let mut verdict = Output::default();
        receipt::write(&mut verdict, &prediction.receipt);
        out.varint(u64::from(prediction.opened));
        for bytes in [&verdict.into_main(), &prediction.conflicts] {
            out.varint(bytes.len() as u64);
            out.bytes(bytes);
        }
    }
}

pub(crate) fn read(input: &mut Input<'_>) -> Result<Vec<Prediction>, Malformed> {
    let count = input.count()?;
    if count > SEALED_AHEAD {
        return malformed("prediction: too many numbers");
    }
    (0..count).map(|_| read_one(input)).collect()
}

fn read_one(input: &mut Input<'_>) -> Result<Prediction, Malformed> {
    let opened = input.varint_u32()?;
    let length = input.count()?;
    let mut verdict = Input::plain(input.bytes(length)?);
    let receipt = receipt::read(&mut verdict)?;
    verdict.finish()?;
    let length = input.count()?;
    Ok(Prediction { receipt, opened, conflicts: input.bytes(length)?.to_vec() })
}
