//! Changesets in which transactions stand for others that disappeared into them: taken as a whole, or not decided at all.
//! A refusal might be the folding's fault, or fall on what would have been taken by itself, or on somebody in between; so the device is
//! told to send each transaction by itself, and what it then comes to is what it would have come to. Called by the session.

use super::answer::refusal;
use super::decide::Verdict;
use super::store::ServerStore;
use crate::change::Changeset;
use crate::error::{Refusal, RefusalCode};
use crate::limits::ABSORBED_TRANSACTIONS;

const NOT_AS_ONE: &str = "something in it would be refused; each of its transactions has to come by itself";

/// Decides by `decide`. Nothing of a changeset that would be refused in part is kept if transactions are folded in it; unless they were
/// sealed for a lost history, since then nobody can take them apart.
pub(super) fn decide<S: ServerStore>(
    changeset: &Changeset,
    store: &mut S,
    decide: impl FnOnce(&mut S) -> Result<Verdict, S::Error>,
) -> Result<Result<Verdict, Refusal>, S::Error> {
    if changeset.origin.is_some() || !changeset.absorbs() {
        return decide(store).map(Ok);
    }
    let decided = store.savepoint(|store| match decide(store) {
        Ok(verdict) if verdict.rejected.is_empty() => Ok(verdict),
        Ok(_) => Err(Stop::NotAsOne),
        Err(error) => Err(Stop::Storage(error)),
    })?;
    match decided {
        Ok(verdict) => Ok(Ok(verdict)),
        Err(Stop::NotAsOne) => Ok(Err(refusal(RefusalCode::NotAsOne, Some(changeset.device_seq), NOT_AS_ONE))),
        Err(Stop::Storage(error)) => Err(error),
    }
}

enum Stop<E> {
    NotAsOne,
    Storage(E),
}

/// Whether no more transactions have disappeared than may.
pub(super) fn is_bounded(changeset: &Changeset) -> bool {
    let absorbed: usize = changeset.transactions.iter().map(|transaction| transaction.absorbed.len()).sum();
    absorbed <= ABSORBED_TRANSACTIONS
}
