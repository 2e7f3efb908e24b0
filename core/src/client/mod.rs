//! The device's half of a sync.

pub mod store;
