//! How concurrent writes to one field merge: one file per strategy.
//! A strategy sees marks and values, never rows, tables or time; the server session calls it, the client's view follows its outcome.

pub mod lww;
pub mod seen;
