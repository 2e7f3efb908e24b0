//! What TypeScript calls: the gate, tokens, and one class for a space's object.
//! It converts and decides nothing; refusals cross as objects with `status`, `code`, `message` and `retryable`.

mod front;
mod hook;
mod objects;
mod rules;
mod space;

#[cfg(feature = "contract")]
mod contract;
