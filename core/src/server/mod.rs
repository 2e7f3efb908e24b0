//! The space's half of a sync.

pub mod store;
